"""One thread that writes, and commits many waiting writes at once.

The goal: a commit costs one wait for the disk, however many writes share it. Writes that arrive
while the disk is busy wait in the queue and are committed together. What holds:

1. A write is resolved only after the commit that contains it has returned.
2. Each write runs in its own savepoint: one that is refused changes nothing and does not disturb
   the others.
3. When the store itself fails (disk full, I/O error, damage), every write of the batch fails and
   the writer accepts nothing more: what reached the disk is known only after opening anew.
4. Nothing that was accepted into the queue is dropped: `close` lets it be written first.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from gateway.errors import GatewayError, JournalError

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

MAX_BATCH: Final = 256
"""Writes that share a commit at most: bounds what one failure can touch."""


class _Job(NamedTuple):
    operation: Operation[Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _Settled(NamedTuple):
    job: _Job
    value: Any
    error: Exception | None


def is_store_failure(error: sqlite3.Error) -> bool:
    """True when the store failed; False when it is sound and only the statement was refused."""
    return isinstance(error, sqlite3.OperationalError | sqlite3.InternalError) or (
        type(error) is sqlite3.DatabaseError
    )


class Writer:
    """Owns the only connection that writes; it must be in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._entrance = threading.Lock()
        self._closed = False
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing more is accepted, empty while the store is sound."""
        return self._failure

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue a write; the future has its value once it is durable.

        `operation` runs on the writer's thread with the connection inside a transaction.

        Raises:
            JournalError: the writer is closed or failed earlier.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._entrance:
            if self._closed:
                raise JournalError("the journal is closed")
            if self._failure:
                raise JournalError(self._failure)
            self._queue.put(_Job(operation, future, loop))
        return future

    def close(self) -> None:
        """Write what waits, then stop the thread and close the connection."""
        with self._entrance:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            batch, last = [job], False
            while len(batch) < MAX_BATCH and not last:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                else:
                    batch.append(following)
            _deliver(self._write(batch))
            if last:
                return

    def _write(self, batch: list[_Job]) -> list[_Settled]:
        if self._failure:
            return _all_failed(batch, self._failure, None)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            # Nothing was written: another program holds the file, and the next batch may succeed.
            return _all_failed(batch, f"the journal cannot be written: {error}", error)
        try:
            settled = [self._write_one(job) for job in batch]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, these writes are not durable
            self._failure = f"the journal failed and must be opened anew: {error}"
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            return _all_failed(batch, self._failure, error)
        return settled

    def _write_one(self, job: _Job) -> _Settled:
        execute = self._connection.execute
        execute("SAVEPOINT one")
        try:
            value = job.operation(self._connection)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and is_store_failure(error):
                raise
            execute("ROLLBACK TO one")
            execute("RELEASE one")
            return _Settled(job, None, _refusal(error))
        execute("RELEASE one")
        return _Settled(job, value, None)


def _refusal(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error):
        wrapped = JournalError(f"the journal refused a write: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error


def _all_failed(batch: list[_Job], reason: str, cause: Exception | None) -> list[_Settled]:
    settled = []
    for job in batch:
        error: GatewayError = JournalError(reason)
        error.__cause__ = cause
        settled.append(_Settled(job, None, error))
    return settled


def _deliver(settled: list[_Settled]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
    for one in settled:
        loops.setdefault(one.job.loop, []).append(one)
    for loop, those in loops.items():
        # A closed loop has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, those)


def _resolve(settled: list[_Settled]) -> None:
    for job, value, error in settled:
        if job.future.done():  # the waiter was cancelled; the write stands
            continue
        if error is None:
            job.future.set_result(value)
        else:
            job.future.set_exception(error)
