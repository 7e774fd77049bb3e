"""Reading beside the writer: own threads, own connections, each read in one snapshot."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.errors import JournalError

T = TypeVar("T")


class Readers:
    """A fixed number of threads, each with a connection of `connect` while it reads."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], count: int) -> None:
        self._connections = [connect() for _ in range(count)]
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for connection in self._connections:
            self._idle.put(connection)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="journal-reader")
        self._closed = False

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What `read` gives, on one snapshot of the store.

        Raises:
            JournalError: the store cannot be read, or is closed.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, read)

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._idle.get()
        try:
            connection.execute("BEGIN")
            try:
                return read(connection)
            finally:
                connection.rollback()
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error
        finally:
            self._idle.put(connection)

    def close(self) -> None:
        """Wait for the reads under way, then close the connections."""
        self._closed = True
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()
