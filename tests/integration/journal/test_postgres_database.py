"""The PostgreSQL database: what is refused and in which words, and what tampering shows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.errors import ConfigurationError, JournalError
from gateway.intents import Message
from gateway.journal import AuditEvent, Journal, VisitRow, open_journal
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.migrations import Migration
from gateway.journal.postgres import PostgresJournal, read_dsn, server
from gateway.journal.queries import load_queries
from gateway.settings import JournalSettings

NOW = "2026-03-02 11:59:58"
QUERIES = load_queries("postgres")
Tamper = Callable[[str], Awaitable[list[tuple[int, str]]]]


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_journal_of_a_newer_version_is_refused(shared: Any, *, read_only: bool) -> None:
    """Older code would not know what it must keep."""
    await (await shared.open()).close()
    await shared.execute("INSERT INTO migrations VALUES (1000, 'later', 'x', '')")
    with pytest.raises(ConfigurationError, match=r"has schema 1000, this version knows \d"):
        await shared.open(read_only=read_only)


async def test_a_schema_made_by_another_text_is_refused(shared: Any) -> None:
    """It is not the one that this code was written for."""
    await (await shared.open()).close()
    await shared.execute("UPDATE migrations SET checksum = 'x'")
    with pytest.raises(ConfigurationError, match="0001_first_schema was applied with another text"):
        await shared.open()


async def test_a_failing_migration_leaves_the_database_as_it_was(dsn: str) -> None:
    """Its first statement is undone, the migrations before it stand."""
    first = Migration(1, "first", "CREATE TABLE one (a integer);")
    broken = Migration(2, "broken", "CREATE TABLE two (a integer); CREATE TABLE one (a integer);")
    connection = await asyncpg.connect(dsn)
    await server.prepare(connection, [first], "monday")
    with pytest.raises(JournalError, match="already exists"):
        await server.prepare(connection, [first, broken], "tuesday")
    tables = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
    )
    applied = await connection.fetch("SELECT number, name, applied_at FROM migrations")
    await connection.close()
    assert [name for (name,) in tables] == ["migrations", "one"]
    assert [tuple(row) for row in applied] == [(1, "first", "monday")]


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_database_of_something_else_is_refused(shared: Any, *, read_only: bool) -> None:
    """No table of ours is made in it."""
    await shared.execute("CREATE TABLE songs (title text)")
    with pytest.raises(ConfigurationError, match=r"something else|no journal here"):
        await shared.open(read_only=read_only)
    connection = await asyncpg.connect(shared.place)
    assert await connection.fetchval("SELECT to_regclass('migrations')") is None
    await connection.close()


async def test_a_reader_beside_the_gateway_reads_and_cannot_write(
    shared: Any, message: Callable[..., Message]
) -> None:
    """Neither by the journal nor by its sessions."""
    with pytest.raises(ConfigurationError, match="no journal here"):
        await shared.open(read_only=True)
    async with await shared.open() as journal, await shared.open(read_only=True) as reader:
        await journal.put_visit(VisitRow("V", "open"), events=[AuditEvent("", "a")])
        assert await reader.visit("V") == VisitRow("V", "open", 1)
        assert (await reader.audit_verify()).rows == 1
        with pytest.raises(JournalError, match="reading only"):
            await reader.begin_exchange(message(), b"", "")
        with pytest.raises(JournalError, match="read-only transaction"):
            await reader._readers.run(lambda db: db.execute("DELETE FROM visits"))


async def test_a_reader_does_not_change_a_journal_of_an_older_version(shared: Any) -> None:
    """Only the gateway and `gateway journal migrate` bring the schema up to date."""
    await (await shared.open()).close()
    await shared.execute("DELETE FROM migrations")
    with pytest.raises(ConfigurationError, match="gateway journal migrate"):
        await shared.open(read_only=True)


async def test_a_server_that_refuses_the_login_or_has_no_such_database_is_a_wrong_setting(
    postgres: EmbeddedServer,
) -> None:
    """The error has the words of the server."""
    for name, dsn in (
        ("nowhere", postgres.dsn.replace("/postgres?", "/nowhere?")),
        ("stranger", postgres.dsn.replace("postgres@", "stranger@")),
    ):
        with pytest.raises(ConfigurationError, match=f"refuses us: .*{name}"):
            await PostgresJournal.open(dsn)


async def test_a_server_that_does_not_flush_is_refused(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit would be a promise that the next power cut breaks."""
    lax = QUERIES["server"].text.replace("current_setting('fsync')", "'off'")
    monkeypatch.setattr(server, "POSTGRES", {**server.POSTGRES, "server": lax})
    with pytest.raises(ConfigurationError, match="fsync=off"):
        await shared.open()


async def test_the_settings_lead_to_the_database_by_a_file(dsn: str, tmp_path: Path) -> None:
    """The path of the SQLite file is then not looked at."""
    file = tmp_path / "dsn"
    file.write_text(f"{dsn}\n")
    settings = JournalSettings(path=tmp_path / "journal.db", dsn_file=file)
    journal: Journal = await open_journal(settings)
    await journal.put_visit(VisitRow("V", "open"))
    await journal.close()
    assert not settings.path.exists()
    reader = await open_journal(settings, read_only=True)
    assert await reader.visit("V") == VisitRow("V", "open", 1)
    await reader.close()


async def test_a_dsn_that_cannot_be_used_is_said_to_be_wrong_without_its_password() -> None:
    """What is named is the mode, or nothing."""
    for tail, words in (
        ("host/db?sslmode=some", "sslmode"),
        ("host:x/db", "cannot be understood"),
    ):
        with pytest.raises(ConfigurationError, match=words) as refused:
            await PostgresJournal.open(f"postgresql://gateway:sesame@{tail}")
        assert "sesame" not in str(refused.value)


def test_a_file_without_a_dsn_is_refused_without_its_content(tmp_path: Path) -> None:
    """It may hold a secret all the same."""
    (tmp_path / "dsn").write_text("sesame")
    with pytest.raises(ConfigurationError, match="does not hold one DSN") as refused:
        read_dsn(tmp_path / "dsn")
    assert "sesame" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_dsn(tmp_path / "none")


CRITERIA = (
    *("sends_", "exchanges", "visits", "find_", "audit_trail", "resource", "message", "answer"),
    *("send", "reply", "session", "is_worked_on", "book"),
)


async def plan_of(connection: asyncpg.Connection, text: str) -> str:
    """How the server would carry a query out, whatever values it gets."""
    await connection.execute(f"PREPARE plan AS {text}")
    count = len(set(re.findall(r"\$\d+", text)))
    values = ", ".join(["NULL"] * count)
    rows = await connection.fetch(f"EXPLAIN EXECUTE plan{f'({values})' if count else ''}")
    await connection.execute("DEALLOCATE plan")
    return "\n".join(line for (line,) in rows)


async def test_a_query_by_a_criterion_reads_an_index_and_not_a_table(shared: Any) -> None:
    """The time of a look-up does not grow with what the journal ever stored."""
    await (await shared.open()).close()
    connection = await asyncpg.connect(shared.place, server_settings=dict(server.WRITING))
    for name, query in QUERIES.items():
        if name.startswith(CRITERIA) and "count" not in name:
            assert "Seq Scan" not in await plan_of(connection, query.text), name
    await connection.close()


@pytest.fixture
def tamper(shared: Any) -> Tamper:
    """Writes an audit of five rows, changes it by SQL, and gives what the check finds."""

    async def tamper_(script: str) -> list[tuple[int, str]]:
        async with await shared.open() as journal:
            for number in range(1, 6):
                await journal.put_visit(
                    VisitRow(f"V{number}", "open"),
                    events=[AuditEvent("e", "station", {"amount": f"{number}.00"})],
                )
            assert (await journal.audit_verify()).intact
            await shared.execute(script)
            report = await journal.audit_verify()
            return [(one.seq, one.kind.value) for one in report.broken]

    return tamper_


@pytest.mark.parametrize("column", ["time", "exchange_id", "station", "detail", "previous", "hash"])
async def test_an_altered_column_is_found(tamper: Tamper, column: str) -> None:
    """Row 3 is named, and only row 3, whichever column was changed."""
    script = f"UPDATE audit SET {column} = {column} || 'x' WHERE seq = 3"  # noqa: S608 - column names of the test
    assert await tamper(script) == [(3, "altered")]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("DELETE FROM audit WHERE seq = 2", [(2, "removed")]),
        ("DELETE FROM audit WHERE seq >= 4", [(4, "truncated")]),
        (
            (
                "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 4;"
                "UPDATE audit SET seq = 4 WHERE seq = 99"
            ),
            [(2, "reordered"), (4, "reordered")],
        ),
        ("INSERT INTO audit VALUES (6, '', '', '', '{}', '', 'x')", [(6, "inserted")]),
        ("DELETE FROM audit_head", [(0, "head"), (1, "inserted")]),
    ],
)
async def test_removed_reordered_and_inserted_rows_are_found(
    tamper: Tamper, script: str, found: list[tuple[int, str]]
) -> None:
    """The first findings of each way to change the chain."""
    assert (await tamper(script))[: len(found)] == found


async def test_nothing_is_written_without_the_record_of_the_last_row(shared: Any) -> None:
    """The chain could not be continued, and a write without its event is none."""
    async with await shared.open() as journal:
        await shared.execute("DELETE FROM audit_head")
        with pytest.raises(JournalError, match="record of the last row"):
            await journal.put_visit(VisitRow("V", "open"))


async def test_the_first_hash_is_the_same_as_in_sqlite(shared: Any) -> None:
    """The bytes are written out by hand; a chain can move from one store to the other."""
    canonical = b'1:1,23:2026-03-02 12:00:00.000,2:e1,4:test,9:{"a":"b"},64:' + b"0" * 64 + b","
    async with await shared.open() as journal:
        await journal.put_visit(
            VisitRow("V", "open"), events=[AuditEvent("e1", "test", {"a": "b"})]
        )
        report = await journal.audit_verify()
    assert report.head == hashlib.new("sm3", canonical).hexdigest()
