"""A server that fails: nothing is taken for stored that is not, and nothing stored is denied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from gateway.errors import JournalError
from gateway.intents import Message
from gateway.journal import AuditEvent, Send, VisitRow
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.postgres import PostgresJournal
from gateway.journal.queries import POSTGRES

NOW = "2026-03-02 11:59:58"
EVENT = AuditEvent("", "visit")


@pytest.fixture
def frail() -> Iterator[EmbeddedServer]:
    """A server of the test alone, which may be stopped."""
    with EmbeddedServer() as server:
        yield server


class Wire:
    """Stands between the writer and its connection, and breaks it around the next commit."""

    def __init__(self, connection: asyncpg.Connection, *, before: bool) -> None:
        self._connection, self._before = connection, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *values: Any) -> Any:
        if query != POSTGRES["commit_batch"]:
            return await self._connection.execute(query, *values)
        if not self._before:
            await self._connection.execute(query)
        self._connection.terminate()
        raise ConnectionResetError("connection reset by peer")


async def cut(journal: PostgresJournal, *, before: bool) -> None:
    """Let the connection break at the next commit, before or after the server carried it out."""
    assert journal._writer is not None
    connection = await journal._writer._connected()
    journal._writer._connection = Wire(connection, before=before)  # type: ignore[assignment] # a double


async def test_a_commit_whose_confirmation_was_lost_is_found_to_be_stored(shared: Any) -> None:
    """The writer asks the server, which knows: nobody is told of a failure."""
    async with await shared.open() as journal:
        await journal.put_visit(VisitRow("V1", "open"))
        await cut(journal, before=False)
        stored = await journal.put_visit(VisitRow("V1", "charged", 1), events=[EVENT])
        assert stored == await journal.visit("V1") == VisitRow("V1", "charged", 2)
        await journal.put_visit(VisitRow("V2", "open"), events=[EVENT])
        assert (await journal.audit_verify()).rows == 2


async def test_a_commit_that_did_not_reach_the_server_is_a_failure_and_the_next_write_succeeds(
    shared: Any,
) -> None:
    """Every write of the batch is told, and nothing of it is stored."""
    async with await shared.open() as journal:
        await cut(journal, before=True)
        done = await asyncio.gather(
            *(journal.put_visit(VisitRow(f"V{n}", "open"), events=[EVENT]) for n in range(8)),
            return_exceptions=True,
        )
        assert {type(one) for one in done} == {JournalError}
        assert all("did not store" in str(one) for one in done)
        assert await journal.visits() == []
        await journal.put_visit(VisitRow("V", "open"), events=[EVENT])
        assert (await journal.audit_verify()).rows == 1


async def test_nothing_more_is_accepted_when_nobody_can_say_what_became_of_a_commit(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening the journal anew finds what is there."""
    monkeypatch.setattr("gateway.journal.postgres.writer.DOUBT_SECONDS", 0.0)
    async with await shared.open() as journal:
        await cut(journal, before=False)
        for _ in range(2):
            with pytest.raises(JournalError, match="must be opened anew"):
                await journal.put_visit(VisitRow("V", "open"))
    async with await shared.open() as journal:
        assert await journal.visit("V") == VisitRow("V", "open", 1)


async def test_a_server_that_crashed_loses_nothing_and_is_used_again(
    frail: EmbeddedServer, send: Callable[..., Send]
) -> None:
    """While it is down writes and reads fail in clear words; afterwards the same journal goes on."""
    async with await PostgresJournal.open(frail.dsn) as journal:
        await journal.record_send(sent := send(), events=[EVENT])
        frail.halt()
        with pytest.raises(JournalError, match="cannot be"):
            await journal.put_visit(VisitRow("V", "open"), events=[EVENT])
        with pytest.raises(JournalError, match="cannot be read"):
            await journal.send(sent.msgid)
        frail.start()
        row = await journal.send(sent.msgid)
        assert row is not None
        assert row.state == "sending"
        await journal.put_visit(VisitRow("V", "open"), events=[EVENT])
        assert (await journal.audit_verify()).rows == 2


async def test_a_server_that_is_not_there_is_said_to_be_unreachable(
    frail: EmbeddedServer, postgres: EmbeddedServer
) -> None:
    """At start and without the password of the DSN."""
    dsn = frail.dsn.replace("postgres@", "postgres:sesame@")
    frail.halt()
    with pytest.raises(JournalError, match="cannot be reached") as refused:
        await PostgresJournal.open(dsn)
    assert "sesame" not in str(refused.value)


async def test_a_write_that_the_database_refuses_fails_alone(
    shared: Any, message: Callable[..., Message]
) -> None:
    """A control id longer than an index takes, among fifteen good ones in the same batch."""
    long = message(control_id="".join(chr(0x4E00 + n * 7 % 20_000) for n in range(9_000)))
    messages = [message() for _ in range(15)]
    messages.insert(7, long)
    async with await shared.open() as journal:
        done = await asyncio.gather(
            *(journal.begin_exchange(one, b"", NOW) for one in messages), return_exceptions=True
        )
        failed = [number for number, one in enumerate(done) if isinstance(one, Exception)]
        assert failed == [7]
        assert isinstance(done[7], JournalError)
        assert len(await journal.exchanges()) == 15


async def test_text_with_a_nul_is_refused_before_it_stands_among_others(
    shared: Any, message: Callable[..., Message], send: Callable[..., Send]
) -> None:
    """PostgreSQL has no such character."""
    async with await shared.open() as journal:
        with pytest.raises(JournalError, match="NUL"):
            await journal.begin_exchange(message(control_id="a\0b"), b"", NOW)
        with pytest.raises(JournalError, match="NUL"):
            await journal.begin_exchange(message(peer="a\0b"), b"", NOW)
        with pytest.raises(JournalError, match="NUL"):
            await journal.record_send(send(psn_no="\0"))
        with pytest.raises(JournalError, match="NUL"):
            await journal.put_visit(
                VisitRow("V", "open"), events=[AuditEvent("", "s", {"a": "\0"})]
            )
        assert (await journal.stats()).audit_rows == 0


async def test_a_write_that_was_given_up_by_its_caller_is_stored(shared: Any) -> None:
    """A sender that hangs up leaves a stored message behind."""
    async with await shared.open() as journal:
        waiting = asyncio.create_task(journal.put_visit(VisitRow("V", "open")))
        await asyncio.sleep(0)
        waiting.cancel()
        await journal.put_visit(VisitRow("W", "open"))
        assert [row.key for row in await journal.visits()] == ["V", "W"]


async def test_closing_writes_what_waits_and_refuses_what_comes_after(shared: Any) -> None:
    """Nothing that was accepted is dropped; a second close does nothing."""
    journal = await shared.open()
    waiting = [
        asyncio.create_task(journal.put_visit(VisitRow(f"V{number}", "open")))
        for number in range(64)
    ]
    await asyncio.sleep(0)
    await journal.close()
    assert {one.version for one in await asyncio.gather(*waiting)} == {1}
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.put_visit(VisitRow("W", "open"))
    with pytest.raises(JournalError, match="closed"):
        await journal.visit("V")


async def test_a_process_that_freezes_in_a_transaction_stops_the_others_for_a_bounded_time(
    shared: Any,
) -> None:
    """The server ends its session (here after a tenth of a second), and the others write on."""
    async with await shared.open() as journal:
        frozen = await asyncpg.connect(
            shared.place, server_settings={"idle_in_transaction_session_timeout": "100ms"}
        )
        await frozen.execute(POSTGRES["begin_batch"])
        await journal.put_visit(VisitRow("V", "open"))
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await frozen.execute("COMMIT")
        await frozen.close()


async def test_the_session_that_writes_asks_for_durable_commits_and_bounded_waits(
    shared: Any,
) -> None:
    """Whatever the server or the DSN says by default."""
    shared.place += "&synchronous_commit=off&idle_in_transaction_session_timeout=0"
    async with await shared.open() as journal:
        connection = await journal._writer._connected()
        values = [
            await connection.fetchval(f"SHOW {name}")
            for name in (
                "synchronous_commit",
                "idle_in_transaction_session_timeout",
                "lock_timeout",
            )
        ]
    assert values == ["on", "5s", "15s"]
