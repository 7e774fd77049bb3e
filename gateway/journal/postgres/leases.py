"""Keeping the licence to write, and taking over from those that lost theirs.

Every instance prolongs its lease three times within its length. One that did not is taken for
dead: its licence is removed, its sends on their way become unknown, and its open exchanges are
resumed by whoever brings their messages. If it was only slow, its next write is refused. Time is
the server's alone; where its clock was set back, a lease is cut to its length from now on, so that
nobody waits for the clock to catch up.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.errors import JournalError

LEASE_SECONDS: Final = 15.0
"""How long an instance that went silent is waited for."""


class Keeper:
    """Renews the lease again and again until it is stopped.

    `renew` prolongs it; with `takeover` it also takes over from the dead.
    """

    def __init__(self, renew: Callable[[bool], Awaitable[object]], lease: float) -> None:
        self._renew, self._lease = renew, lease
        self._renewed = self._sound_since = time.monotonic()
        self._task = asyncio.create_task(self._run(), name="journal-lease")

    @property
    def holds(self) -> bool:
        """True while the lease that was prolonged last is not over."""
        return time.monotonic() - self._renewed <= self._lease

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with contextlib.suppress(JournalError):
                await self.renew()

    async def renew(self) -> None:
        """Prolong the lease now.

        After a gap of our own, such as a restart of the server, the others had the same gap and
        get one lease of time to come back.
        """
        now = time.monotonic()
        if now - self._renewed > self._lease:
            self._sound_since = now
        await self._renew(now - self._sound_since >= self._lease)
        self._renewed = time.monotonic()

    async def stop(self) -> None:
        """Renew no more."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
