"""`journal`: the store as a whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Journal, Send, SQLiteJournal, VisitRow, open_journal
from gateway.journal.embedded import EmbeddedServer
from gateway.settings import JournalSettings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A PostgreSQL server."""
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def in_postgres(config: Path, server: EmbeddedServer) -> Path:
    """The same settings with the journal in that server."""
    (config.parent / "dsn").write_text(server.dsn, "utf-8")
    other = config.with_name("postgres.toml")
    text = config.read_text("utf-8")
    other.write_text(text.replace('path = "journal.db"', 'dsn_file = "dsn"'), "utf-8")
    return other


async def _fill(path: Path) -> None:
    async with await SQLiteJournal.open(path) as journal:
        message = Message(
            protocol="hl7v2", peer="HIS", sender="HIS", control_id="1", kind="k", fingerprint="f"
        )
        begun = await journal.begin_exchange(message, b"MSH|...", "2025-06-01 08:00:00")
        ident = begun.exchange_id
        await journal.record_send(Send("M1", ident, "2207", "V", money=True))
        await journal.record_outcome(
            "M1", Accepted(Reply(infcode="0")), visit=VisitRow("V", "settled")
        )
        events = [AuditEvent(ident, "answer")]
        await journal.finish_exchange(ident, Answer(body=b"AA"), None, events=events)


@pytest.fixture
def filled(config: Path) -> Path:
    """The settings of a journal with one settled message of June 2025."""
    asyncio.run(_fill(config.parent / "journal.db"))
    return config


async def _raw(settings: JournalSettings) -> bytes | None:
    journal: Journal = await open_journal(settings, read_only=True)
    (row,) = await journal.exchanges()
    raw = await journal.raw(row.exchange_id)
    await journal.close()
    return raw


def test_a_journal_moves_from_sqlite_to_postgresql(
    run: Run, filled: Path, in_postgres: Path, tmp_path: Path
) -> None:
    """Export, migrate, import: the counts are the same, and the commands read the new place."""
    code, out, _ = run("journal", "export", tmp_path / "file", "--config", filled)
    assert code == 0
    assert "exchanges" in out
    code, out, _ = run("journal", "migrate", "--config", in_postgres)
    assert code == 0
    assert "the schema is that of this version" in out
    code, out, _ = run("journal", "import", tmp_path / "file", "--config", in_postgres)
    assert code == 0
    assert "audit intact: 1 rows" in out
    before, after = (
        json.loads(run("journal", "stats", "--json", "--config", config)[1])
        for config in (filled, in_postgres)
    )
    assert {**before, "size": 0} == {**after, "size": 0}
    assert after["sends"] == {"accepted": 1}
    assert run("audit", "verify", "--config", in_postgres)[0] == 0
    assert "\tdone" in run("exchanges", "list", "--config", in_postgres)[1]

    code, _, err = run("journal", "import", tmp_path / "file", "--config", in_postgres)
    assert code == 2
    assert "not empty" in err


def test_old_exchanges_are_archived_and_trimmed(run: Run, filled: Path, tmp_path: Path) -> None:
    """The file has the bytes, the journal has the keys; younger ones are left."""
    settings = JournalSettings(path=filled.parent / "journal.db")
    code, out, _ = run(
        *("journal", "export", tmp_path / "young", "--before", "2025-06-01", "--trim"),
        *("--config", filled),
    )
    assert code == 0
    assert "exchanges " not in out
    assert asyncio.run(_raw(settings)) == b"MSH|..."
    code, out, _ = run(
        *("journal", "export", tmp_path / "old", "--before", "2025-06-02", "--trim"),
        *("--config", filled),
    )
    assert code == 0
    assert "trimmed" in out
    assert asyncio.run(_raw(settings)) == b""
    stats = json.loads(run("journal", "stats", "--json", "--config", filled)[1])
    assert (stats["exchanges"], stats["sends"]) == ({"done": 1}, {"accepted": 1})
    assert stats["audit_rows"] == 2


def test_stats_are_a_table_for_people(run: Run, filled: Path) -> None:
    """One line a kind and state."""
    code, out, _ = run("journal", "stats", "--config", filled)
    assert code == 0
    assert ["transactions", "accepted", "1"] in [line.split("\t") for line in out.splitlines()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--trim"], "--trim needs --before"),
        (["--before", "1.6.2025"], "'1.6.2025' is no date of the form 2025-01-01"),
        (["--before", "20250601"], "'20250601' is no date"),
    ],
)
def test_a_wrong_call_is_refused_and_writes_no_file(
    run: Run, filled: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    """A date that were misread could take away what is needed."""
    code, _, err = run("journal", "export", tmp_path / "file", *options, "--config", filled)
    assert code == 2
    assert words in err
    assert not (tmp_path / "file").exists()


def test_a_server_that_is_not_there_is_an_error_of_one_line(
    run: Run, config: Path, in_postgres: Path
) -> None:
    """Without a traceback and without the DSN."""
    (config.parent / "dsn").write_text("postgresql://u:sesame@127.0.0.1:1/x", "utf-8")
    code, _, err = run("journal", "stats", "--config", in_postgres)
    assert code == 2
    assert "cannot be reached" in err
    assert "sesame" not in err
