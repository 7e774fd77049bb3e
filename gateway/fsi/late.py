"""Replies that come after the time of their request was over.

A request whose outcome became unknown because nothing came in time keeps its connection for a
while: the platform may only have been slow. Nobody else is given the connection while it is
listened on, and every reply that came on it before was read to its end, so that what comes next can
only be the reply to that request; it is read whole, its signature is verified, and it is kept here
under the msgid of the request until somebody takes it in. What is no trusted reply is dropped: the
outcome stays unknown, and nothing is concluded from it.

Bounded: `MAX_LISTENERS` requests are listened for at a time, each for the seconds of its channel;
a further one is closed at once, as all are at a stop. What moves no money leaves half of the places
to what does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Protocol

from gateway.fsi.transport import Listen, Reply
from gateway.intents import Accepted, Outcome, Rejected

MAX_LISTENERS = 256
"""Requests that are listened for at a time, and replies that wait to be taken in."""

Read = Callable[[Reply], Awaitable[Outcome]]
"""Says what a reply means; raises nothing."""


class LateWatcher(Protocol):
    """Is told what became of listening."""

    def late_reply(self, msgid: str, infno: str, outcome: str) -> None:
        """`accepted`, `rejected`, `unusable` (no trusted reply), `none`, or `too-many`."""
        ...


class LateReplies:
    """Listens for the replies of one process."""

    def __init__(self, watcher: LateWatcher) -> None:
        self._watcher = watcher
        self._listening: set[asyncio.Task[None]] = set()
        self._arrived: dict[str, Accepted | Rejected] = {}
        self._news = asyncio.Event()

    def listener(
        self, msgid: str, infno: str, *, seconds: float, read: Read, first: bool = True
    ) -> Listen:
        """What a transport is to give the request of this msgid to; `first` has every place."""
        places = MAX_LISTENERS if first else MAX_LISTENERS // 2

        def listen(request: asyncio.Task[Reply]) -> None:
            if len(self._listening) + len(self._arrived) >= places:
                request.cancel()
                self._watcher.late_reply(msgid, infno, "too-many")
                return
            task = asyncio.create_task(self._wait(request, msgid, infno, seconds, read))
            self._listening.add(task)
            task.add_done_callback(self._listening.discard)
            task.add_done_callback(lambda _: request.cancel())  # one that never began, too
            request.add_done_callback(lambda done: done.cancelled() or done.exception())

        return listen

    async def _wait(
        self, request: asyncio.Task[Reply], msgid: str, infno: str, seconds: float, read: Read
    ) -> None:
        outcome: Outcome | None = None
        done, _ = await asyncio.wait([request], timeout=seconds)
        if done and request.exception() is None:
            outcome = await read(request.result())
        word = "none" if outcome is None else "unusable"
        if isinstance(outcome, Accepted | Rejected):
            word = "accepted" if isinstance(outcome, Accepted) else "rejected"
            self._arrived[msgid] = outcome
            self._news.set()
        self._watcher.late_reply(msgid, infno, word)

    def arrived(self) -> Collection[str]:
        """The msgids whose reply came and was not taken in yet."""
        return list(self._arrived)

    def reply(self, msgid: str) -> Accepted | Rejected | None:
        """The reply to this msgid, if it came."""
        return self._arrived.get(msgid)

    def forget(self, msgid: str) -> None:
        """The reply was taken in, or is of no use."""
        self._arrived.pop(msgid, None)

    async def wait(self, seconds: float) -> None:
        """Wait for the next reply, and no longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    async def close(self) -> None:
        """Close every connection that is still listened on."""
        tasks = list(self._listening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
