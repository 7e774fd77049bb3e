"""A journal whose disk takes time, loses what it had not written, and fails for a while.

The journal is the real one in memory. A write is done when the disk gets to it, in the order of
arrival, and its caller is told a little later; a crash between the two leaves it stored and
unanswered. A failing disk does as the SQLite writer says: a batch that fails may or may not be on
the disk, and nothing is accepted before the journal was opened anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.errors import JournalError
from gateway.journal.memory import Memory, MemoryJournal


class Surroundings(Protocol):
    """What the disk needs of the world around it."""

    def point(self, name: str) -> None:
        """A moment at which the gateway may crash."""
        ...

    def disk_fails(self) -> str:
        """Empty while the disk is well, else `before` or `after` (the commit) or `busy`."""
        ...


class SlowDisk:
    """Stands where the writer of the journal stands, and in front of it."""

    def __init__(
        self,
        behind: Any,
        around: Surroundings,
        chance: random.Random,
        alive: Callable[[], bool],
    ) -> None:
        self._behind, self._around, self._chance, self._alive = behind, around, chance, alive
        self._free_at = 0.0
        self._failed = False

    def submit(self, operation: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """Queue a write; the future has its value once it is durable."""
        if not self._alive():
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._failed:
            raise JournalError("the journal failed and must be opened anew")
        self._around.point("write")
        self._free_at = max(self._free_at, loop.time() + self._chance.choice((0.001, 0.004, 0.02)))
        loop.call_at(self._free_at, self._write, operation, future)
        return future

    def _write(self, operation: Callable[[Any], Any], future: asyncio.Future[Any]) -> None:
        if not self._alive():
            return
        how = "before" if self._failed else self._around.disk_fails()
        error: BaseException | None = None
        value: Any = None
        if how not in ("before", "busy"):
            done = self._behind.submit(operation)
            error = done.exception()
            value = None if error else done.result()
        if how:
            self._failed = self._failed or how != "busy"
            error = JournalError("the journal cannot be written: disk full")
        self._around.point("written")
        asyncio.get_running_loop().call_later(
            self._chance.choice((0.0, 0.001, 0.01)), self._tell, future, value, error
        )

    def _tell(self, future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
        if future.done() or not self._alive():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def close(self) -> None:
        """Refuse further writes."""
        self._failed = True


def open_on(
    memory: Memory,
    *,
    clock: Clock,
    around: Surroundings,
    chance: random.Random,
    alive: Callable[[], bool],
    new_id: Callable[[], str],
) -> MemoryJournal:
    """The journal as a new process opens it."""
    journal = MemoryJournal(memory, clock=clock, new_id=new_id)
    disk: Any = SlowDisk(journal._writer, around, chance, alive)
    journal._writer = disk
    return journal
