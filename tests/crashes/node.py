"""One gateway of a run, seen from outside: started, killed, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec

from tests.crashes.hospital import Door
from tests.crashes.nursery import Nursery

RESOLVED_SECONDS = 60.0
"""How long after a start everything that was in flight at the kill may stay without an answer."""


class Node:
    """One gateway that is started again and again, each time on ports that are free then."""

    def __init__(self, config: Path, name: str, nursery: Nursery, more: dict[str, str]) -> None:
        self._config, self._nursery, self._more = config, nursery, more
        self._log = config.with_name(f"{name}.log")
        self.door = Door("127.0.0.1")
        self.pid = 0
        self._read = 0

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready, and on which ports.

        Raises:
            Ended: it ended before, with its code and its last words.
            Stuck: it said nothing for `RESOLVED_SECONDS`.
        """
        self._read = self._log.stat().st_size if self._log.exists() else 0
        self.pid = await self._nursery.bear(self._config, self._log, self._more)
        end = time.monotonic() + RESOLVED_SECONDS
        while (ready := self._ready()) is None:
            code = await self._nursery.ended(self.pid)
            if code is not None:
                raise Ended(f"a gateway ended with {code} before it was ready: {self._last()}")
            if time.monotonic() > end:
                raise Stuck(f"a gateway is not ready: {self._last()}")
            await asyncio.sleep(0.01)
        self.door.mllp, self.door.http = ready.mllp_port, ready.http_port
        self.door.open.set()

    def _ready(self) -> _Ready | None:
        """Its log line that says that it is ready."""
        for line in self._words().splitlines(keepends=True):
            if b'"gateway ready"' in line and line.endswith(b"\n"):
                return msgspec.json.decode(line, type=_Ready)
        return None

    def _last(self) -> str:
        """The end of what it wrote."""
        return self._words()[-2_000:].decode(errors="replace")

    def _words(self) -> bytes:
        """What it logged since it was started last."""
        if not self._log.exists():
            return b""
        with self._log.open("rb") as file:
            file.seek(self._read)
            return file.read()

    def kill(self) -> None:
        """At once, in the middle of whatever it does."""
        self.door.open.clear()
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.door.open.clear()
        os.kill(self.pid, signal.SIGTERM)
        return await self._nursery.wait(self.pid)


class _Ready(msgspec.Struct):
    """What is read of the line with which a gateway says that it is ready."""

    mllp_port: int
    http_port: int


class Stuck(Exception):  # noqa: N818 - a finding, told as such
    """Something did not come true in time."""


class Ended(Stuck):
    """A gateway ended while it was waited for; it will never be ready."""
