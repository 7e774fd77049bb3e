"""The writing thread: many waiting writes share a commit, and none disturbs another."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import JournalError, StateError
from gateway.journal.writer import MAX_BATCH, Writer


class Disk(sqlite3.Connection):
    """A connection whose commit fails while `full`."""

    full = False

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if self.full and sql == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, parameters)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A database with one table of unique numbers."""
    connection = sqlite3.connect(
        tmp_path / "test.db", isolation_level=None, check_same_thread=False, factory=Disk
    )
    connection.execute("CREATE TABLE numbers (number INTEGER UNIQUE)")
    yield connection
    connection.close()


@pytest.fixture
def writer(disk: Disk) -> Iterator[Writer]:
    """A writer on that database."""
    writer = Writer(disk)
    yield writer
    writer.close()


def put(number: int) -> Callable[[sqlite3.Connection], int]:
    """Stores a number and gives it back."""

    def operation(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return operation


def stored(tmp_path: Path) -> list[int]:
    """What another connection sees: what was committed."""
    connection = sqlite3.connect(tmp_path / "test.db")
    try:
        return [row[0] for row in connection.execute("SELECT number FROM numbers ORDER BY 1")]
    finally:
        connection.close()


class Held:
    """Keeps the writing thread busy until `release`, so that what is submitted must wait."""

    def __init__(self, writer: Writer) -> None:
        self._go = threading.Event()
        self.future = writer.submit(self._wait)

    def _wait(self, _: sqlite3.Connection) -> None:
        self._go.wait()

    def release(self) -> None:
        self._go.set()


async def test_writes_that_wait_share_one_commit(
    writer: Writer, disk: Disk, tmp_path: Path
) -> None:
    """Sixty-four behind a busy writer: one commit for the busy one, one for all of them."""
    statements: list[str] = []
    disk.set_trace_callback(statements.append)
    held = Held(writer)
    waiting = [writer.submit(put(number)) for number in range(64)]
    held.release()
    await held.future
    assert await asyncio.gather(*waiting) == list(range(64))
    commits = [statement for statement in statements if statement == "COMMIT"]
    assert len(commits) <= 2
    assert stored(tmp_path) == list(range(64))


async def test_a_batch_has_an_upper_bound(writer: Writer, disk: Disk) -> None:
    """Three batches' worth of writes take at least three commits."""
    statements: list[str] = []
    disk.set_trace_callback(statements.append)
    held = Held(writer)
    waiting = [writer.submit(put(number)) for number in range(3 * MAX_BATCH)]
    held.release()
    await asyncio.gather(*waiting)
    assert 3 <= statements.count("COMMIT") <= 4


async def test_a_write_is_resolved_after_its_commit(writer: Writer, tmp_path: Path) -> None:
    """The moment the future is done, another connection sees the row."""
    seen: list[list[int]] = []
    future = writer.submit(put(7))
    future.add_done_callback(lambda _: seen.append(stored(tmp_path)))
    await future
    await asyncio.sleep(0)
    assert seen == [[7]]


async def test_a_refused_write_changes_nothing_and_disturbs_no_other(
    writer: Writer, tmp_path: Path
) -> None:
    """Its own earlier statements are undone; the writes before and after it stand."""

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO numbers VALUES (99)")
        raise StateError("refused")

    held = Held(writer)
    before, refused, after = writer.submit(put(1)), writer.submit(half), writer.submit(put(2))
    held.release()
    assert await before == 1
    with pytest.raises(StateError, match="refused"):
        await refused
    assert await after == 2
    assert stored(tmp_path) == [1, 2]


async def test_a_statement_that_the_database_refuses_fails_its_write_alone(
    writer: Writer, tmp_path: Path
) -> None:
    """A broken constraint is an error of the journal with its cause; the writer goes on."""
    await writer.submit(put(1))
    with pytest.raises(JournalError, match="UNIQUE") as refused:
        await writer.submit(put(1))
    assert isinstance(refused.value.__cause__, sqlite3.IntegrityError)
    await writer.submit(put(2))
    assert stored(tmp_path) == [1, 2]


async def test_a_failed_commit_fails_every_write_of_its_batch(
    writer: Writer, disk: Disk, tmp_path: Path
) -> None:
    """Nothing of it is stored, and the cause rides along."""
    held = Held(writer)
    waiting = [writer.submit(put(number)) for number in range(64)]
    disk.full = True
    held.release()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in done} == {JournalError}
    assert all("database or disk is full" in str(one) for one in done)
    with pytest.raises(JournalError):
        await held.future
    assert stored(tmp_path) == []


async def test_after_a_failed_commit_everything_is_refused_until_opened_anew(
    writer: Writer, disk: Disk, tmp_path: Path
) -> None:
    """Also when there is room again: what reached the disk is not known here."""
    disk.full = True
    with pytest.raises(JournalError):
        await writer.submit(put(1))
    disk.full = False
    with pytest.raises(JournalError, match="must be opened anew"):
        await writer.submit(put(2))
    assert stored(tmp_path) == []


async def test_writes_that_waited_while_a_commit_failed_are_refused(
    writer: Writer, disk: Disk, tmp_path: Path
) -> None:
    """They were accepted into the queue, and are told the truth."""
    disk.full = True
    held = Held(writer)
    waiting = [writer.submit(put(number)) for number in range(2 * MAX_BATCH)]
    held.release()
    done = await asyncio.gather(held.future, *waiting, return_exceptions=True)
    assert {type(one) for one in done} == {JournalError}
    assert stored(tmp_path) == []


async def test_a_store_that_fails_in_the_middle_fails_the_batch(
    writer: Writer, tmp_path: Path
) -> None:
    """A full disk may show before the commit; the writes before it are not durable either."""

    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    held = Held(writer)
    one, two = writer.submit(put(1)), writer.submit(full)
    held.release()
    done = await asyncio.gather(one, two, return_exceptions=True)
    assert {type(each) for each in done} == {JournalError}
    assert stored(tmp_path) == []


async def test_a_store_locked_by_another_program_is_refused_for_that_time_only(
    writer: Writer, disk: Disk, tmp_path: Path
) -> None:
    """Nothing was begun, so nothing is in doubt: the next write succeeds."""
    disk.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="cannot be written: database is locked"):
        await writer.submit(put(1))
    other.close()
    assert await writer.submit(put(2)) == 2


async def test_a_cancelled_wait_does_not_withdraw_the_write(writer: Writer, tmp_path: Path) -> None:
    """A sender that hangs up leaves a stored message behind."""
    held = Held(writer)
    future = writer.submit(put(1))
    future.cancel()
    held.release()
    await held.future
    await writer.submit(put(2))
    assert stored(tmp_path) == [1, 2]


async def test_closing_writes_what_waits(writer: Writer, tmp_path: Path) -> None:
    """Nothing that was accepted is dropped; nothing is accepted any more."""
    held = Held(writer)
    waiting = [writer.submit(put(number)) for number in range(64)]
    closing = asyncio.create_task(asyncio.to_thread(writer.close))
    held.release()
    await closing
    assert await asyncio.gather(*waiting) == list(range(64))
    assert stored(tmp_path) == list(range(64))
    with pytest.raises(JournalError, match="closed"):
        writer.submit(put(99))
