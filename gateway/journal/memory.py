"""The journal in memory: what a simulation restarts in microseconds, and what a test fills quickly.

The statements, rules and audit are those of the SQLite journal, on a database without a file; no
thread is involved and no write waits, so that one seed gives one order of events. Nothing of it
outlives the process: a gateway never uses it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gateway.clock import Clock, SystemClock
from gateway.errors import JournalError
from gateway.journal.migrations import load_migrations, migrate
from gateway.journal.readers import Readers
from gateway.journal.sqlite import SQLiteJournal
from gateway.journal.stamps import new_id
from gateway.journal.writer import Operation, Writer

T = TypeVar("T")

_FIRST_DAY = "2000-01-01 00:00:00.000"
"""When the schema of a database in memory was made, for its list of migrations."""


@cache
def _empty() -> bytes:
    """An empty journal of the present schema, as the bytes of its database."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection, load_migrations(), _FIRST_DAY, ":memory:")
    content = connection.serialize()
    connection.close()
    return content


class Memory:
    """What a journal in memory is kept in: it stays when the journal is closed, as a file does.

    `connection` is in autocommit mode and may be used to look at or change what is stored. It is
    closed with the last reference to the memory, in whichever thread that goes.
    """

    def __init__(self) -> None:
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=256, check_same_thread=False
        )
        weakref.finalize(self, self.connection.close)
        self.connection.row_factory = sqlite3.Row
        self.connection.deserialize(_empty())
        self.connection.execute("PRAGMA foreign_keys = ON")


class _DirectWriter(Writer):
    """Writes at once, each write in a transaction of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._closed = False
        self._failure = ""

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Write; the future is done when this returns.

        Raises:
            JournalError: the journal is closed.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(self._write_now(operation))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
            future.set_exception(error)
        return future

    def _write_now(self, operation: Operation[T]) -> T:
        execute = self._connection.execute
        execute("BEGIN")
        try:
            value = operation(self._connection)
        except sqlite3.Error as error:
            execute("ROLLBACK")
            raise JournalError(f"the journal refused a write: {error}") from error
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")
        return value

    def close(self) -> None:
        """Refuse further writes."""
        self._closed = True


class _DirectReaders(Readers):
    """Reads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._closed = False

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What `read` gives.

        Raises:
            JournalError: the store cannot be read, or is closed.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        try:
            return read(self._connection)
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error

    def close(self) -> None:
        """Refuse further reads."""
        self._closed = True


class MemoryJournal(SQLiteJournal):
    """`Journal` in a `Memory`, whose next journal finds everything that this one stored."""

    def __init__(
        self,
        memory: Memory | None = None,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], str] = new_id,
    ) -> None:
        """`clock` is the machine's when none is given; `new_id` gives each id only once."""
        self.memory = memory or Memory()
        connection = self.memory.connection
        super().__init__(
            _DirectWriter(connection),
            _DirectReaders(connection),
            None,
            clock or SystemClock(),
            new_id,
        )

    async def close(self) -> None:
        """See `Journal.close`."""
        self._close()
