"""An asyncio event loop whose time is a number that jumps: nothing sleeps, nothing races.

Ready callbacks run in the order in which they became ready, timers in the order of their time;
there are no sockets and no threads. Two runs of the same coroutine do the same in the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

MAX_SELECTS = 200_000
"""Turns of the loop after which a run is taken to go round in circles."""


class StuckError(Exception):
    """Nothing is ready and nothing is to come, or it goes on for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs tasks on virtual time, which begins at 0 seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._turns = 0
        self._selector = self  # what the base class waits with
        self.set_exception_handler(self._unhandled)
        self.unhandled: list[str] = []
        """Exceptions that nobody took, in words."""

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        """Let the time jump to the next timer."""
        self._turns += 1
        if timeout is None:
            raise StuckError("every task waits for another one")
        if self._turns > MAX_SELECTS:
            raise StuckError(f"no end after {MAX_SELECTS} turns")
        self._now += timeout
        return ()

    def _process_events(self, event_list: object) -> None:
        """There are no events from outside."""

    def _write_to_self(self) -> NoReturn:
        raise RuntimeError("a thread calls into the simulation")

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> NoReturn:
        """Refuse: a thread has no place in virtual time."""
        raise RuntimeError(f"{func} wants a thread")

    def _unhandled(self, _loop: object, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")
