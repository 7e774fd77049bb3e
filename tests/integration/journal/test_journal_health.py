"""What is known of the store while it runs: a lost server, a lost licence, a disk that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.errors import JournalError
from gateway.journal import Health, SQLiteJournal, VisitRow
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.postgres import PostgresJournal
from gateway.journal.queries import POSTGRES

SOUND = Health(parts={"journal": True, "lease": True})
LEASE = 1.5
DEADLINE = 20.0
"""Seconds within which a condition has to come true; reached only by a defect."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - looks from outside, nobody tells
            await asyncio.sleep(0.01)


async def test_a_store_that_works_is_sound(store: Any) -> None:
    """Whichever it is: every part works and nothing failed; so it is for a reader."""
    async with await store.open() as journal:
        await journal.put_visit(VisitRow("V", "open"))
        health = journal.health()
        assert set(health.parts.values()) == {True}
        assert health.failure == ""


async def test_a_lost_server_is_noticed_at_once_and_its_return_by_the_next_renewal() -> None:
    """Nobody has to write for it: the connection says that it broke, the lease asks again."""
    with EmbeddedServer() as server:
        async with await PostgresJournal.open(server.dsn, lease=LEASE) as journal:
            await journal.put_visit(VisitRow("V", "open"))
            assert journal.health() == SOUND
            server.halt()
            await until(lambda: not journal.health().parts["journal"])
            assert journal.health().failure == ""
            server.start()
            await until(lambda: journal.health() == SOUND)


async def test_a_lease_that_cannot_be_prolonged_is_over_when_its_time_is(dsn: str) -> None:
    """Somebody holds the lock of the batches: the connection stands, and the lease runs out."""
    async with await PostgresJournal.open(dsn, lease=LEASE) as journal:
        await journal.put_visit(VisitRow("V", "open"))
        other = await asyncpg.connect(dsn)
        await other.execute(POSTGRES["begin_batch"])
        await until(lambda: not journal.health().parts["lease"])
        assert journal.health().parts["journal"]
        await other.close()
        await until(lambda: journal.health() == SOUND)


async def test_a_licence_that_another_process_took_is_a_failure_for_good(shared: Any) -> None:
    """Both parts fail, and the reason says what happened."""
    async with await shared.open() as slow, await shared.open() as other:
        await shared.let_leases_expire()
        await other.recover()
        with pytest.raises(JournalError):
            await slow.put_visit(VisitRow("V", "open"))
        health = slow.health()
        assert health.parts == {"journal": False, "lease": False}
        assert "another gateway took over" in health.failure
        assert other.health() == SOUND


async def test_a_reader_has_no_licence_to_lose(dsn: str, path: Path) -> None:
    """Its journal works as long as it can be read."""
    for opened in (PostgresJournal.open(dsn), SQLiteJournal.open(path)):
        await (await opened).close()
    for opened in (
        PostgresJournal.open(dsn, read_only=True),
        SQLiteJournal.open(path, read_only=True),
    ):
        async with await opened as journal:
            assert journal.health() == Health(parts={"journal": True})


async def test_a_disk_that_failed_is_a_failure_for_good(path: Path) -> None:
    """What reached the disk is known only after opening anew."""
    async with await SQLiteJournal.open(path) as journal:
        assert journal._writer is not None
        journal._writer._connection.execute("PRAGMA query_only = on")
        journal._writer._connection.execute("PRAGMA max_page_count = 1")
        journal._writer._connection.execute("PRAGMA query_only = off")
        with pytest.raises(JournalError):
            await journal.put_visit(VisitRow("V", "open", 0, b"x" * 1_000_000))
        health = journal.health()
        assert health.parts == {"journal": False}
        assert "must be opened anew" in health.failure
