"""One connection of the HL7 v2 port: its frames, its deadlines, and in release 2 its commits.

Release 2 (commit acknowledgements) is synchronous both ways: a message of the sender is answered
by ACK once it is stored or finally answered, by NAK where storing failed; and after each reply of
ours the sender's own commit acknowledgement is awaited before the next one goes out. A reply that
the sender could not store is repeated once, and stays stored here in any case.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.inbound.hl7_limits import Seat
from gateway.inbound.mllp_exchange import Exchanger, Line, MLLPEvent
from gateway.inbound.mllp_framing import (
    COMMIT,
    NO_COMMIT,
    Abandoned,
    Event,
    Frame,
    FrameReader,
    Garbage,
    Oversize,
    frame,
)
from gateway.inbound.tls import presented
from gateway.settings import MLLPSettings

READ_BYTES = 65_536
"""Bytes taken from a connection at a time."""
WRITE_TIMEOUT = 30.0
"""Seconds that a sender may take to read a reply; then its connection is closed."""
COMMIT_TIMEOUT = 30.0
"""Seconds that a sender may take to acknowledge a reply in release 2."""
MAX_SENDS = 2
"""Times that a reply is sent to a sender who answers NAK."""
LENIENT_PAUSE = 0.2
"""Seconds without a byte after which a lenient port takes 0x1C alone as the end of a frame."""


class Connection:
    """One connection: its frame reader, its deadlines, whether a message is in work."""

    def __init__(
        self,
        settings: MLLPSettings,
        exchanger: Exchanger,
        observe: Callable[[MLLPEvent], None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        seat: Seat,
    ) -> None:
        self._settings = settings
        self._seat = seat
        self._opened = asyncio.get_running_loop().time()
        self._spoken = False
        self._exchanger = exchanger
        self._observe = observe
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(settings.max_message_bytes, lenient=settings.lenient_framing)
        self._events: deque[Event] = deque()
        self._draining = False
        self._commits = settings.commit_acknowledgements
        self._remote = str((writer.get_extra_info("peername") or ("",))[0])
        self._certificate = presented(writer.transport)
        self._frame_began = 0.0
        self.busy = False

    def drain(self) -> None:
        """Stop after the message in work."""
        self._draining = True

    async def serve(self) -> None:
        """Until the sender leaves, is silent or slow for too long, or breaks the framing."""
        while not self._draining:
            if not self._events and not await self._receive(self._patience()):
                return
            while self._events:
                if not await self._take(self._events.popleft()) or self._seat.is_full:
                    return

    def _patience(self) -> float:
        """Seconds until the next message has to begin, or the first one to be whole."""
        if self._spoken:
            return self._seat.idle_timeout(self._settings.idle_timeout)
        passed = asyncio.get_running_loop().time() - self._opened
        return max(0.0, self._settings.first_message_timeout - passed)

    async def _receive(self, idle: float) -> bool:
        """Read once and queue the events; False when the connection is over."""
        loop = asyncio.get_running_loop()
        limit = idle
        if self._frames.may_end:
            limit = LENIENT_PAUSE
        elif self._frames.in_frame:
            limit = self._frame_began + self._settings.frame_timeout - loop.time()
        try:
            async with asyncio.timeout(limit):
                data = await self._reader.read(READ_BYTES)
        except TimeoutError:
            self._events.extend(self._frames.pause())
            if self._events:
                return True
            slow = self._frames.in_frame
            self._observe(MLLPEvent.FRAME_TIMEOUT if slow else MLLPEvent.IDLE_TIMEOUT)
            return False
        if not data:
            self._events.extend(self._frames.pause())
            if not self._events:
                self._count_unfinished()
            return bool(self._events)
        was_inside = self._frames.in_frame
        events = self._frames.receive(data)
        self._events.extend(events)
        if self._frames.in_frame and (events or not was_inside):
            self._frame_began = loop.time()
        return True

    def _count_unfinished(self) -> None:
        """The sender left in mid-frame, or after bytes that were no frame."""
        if self._frames.in_frame:
            self._observe(MLLPEvent.ABANDONED)
        elif self._frames.skipped:
            self._observe(MLLPEvent.GARBAGE)

    async def _take(self, event: Event) -> bool:
        """Work on an event; False when the connection has to end."""
        if isinstance(event, Frame):
            if self._draining:
                return False
            await self._take_frame(event.content)
        elif isinstance(event, Garbage):
            self._observe(MLLPEvent.GARBAGE)
        elif isinstance(event, Abandoned):
            self._observe(MLLPEvent.ABANDONED)
        elif isinstance(event, Oversize):
            self._observe(MLLPEvent.OVERSIZE)
            body = self._exchanger.refuse_oversize(event.head, self._remote)
            if body:
                await self._send(body)
            return False
        else:
            self._observe(MLLPEvent.GARBAGE)
            return False
        return True

    async def _take_frame(self, content: bytes) -> None:
        if not content:
            self._observe(MLLPEvent.EMPTY_FRAME)
            return
        if self._commits and content in {COMMIT, NO_COMMIT}:
            self._observe(MLLPEvent.LATE_COMMIT)
            return
        self.busy = True
        try:
            commit = self._commit if self._commits else None
            self._spoken = True
            line = Line(self._remote, self._write, commit, self._seat, self._certificate)
            await self._exchanger.handle(content, line)
        except OSError:
            self._observe(MLLPEvent.REPLY_LOST)
            raise
        finally:
            self.busy = False

    async def _commit(self, stored: bool) -> None:  # noqa: FBT001 - the one thing it says
        await self._send(COMMIT if stored else NO_COMMIT)

    async def _write(self, body: bytes) -> None:
        """Write a reply; in release 2 until the sender has stored it."""
        for _ in range(MAX_SENDS):
            await self._send(body)
            if not self._commits or await self._is_committed():
                return
        self._observe(MLLPEvent.REPLY_LOST)

    async def _is_committed(self) -> bool:
        """Wait for the commit acknowledgement; what else arrives meanwhile is kept for later.

        Raises:
            ConnectionError: the sender left or did not acknowledge in time.
        """
        later: list[Event] = []
        try:
            while self._events or await self._receive(COMMIT_TIMEOUT):
                while self._events:
                    event = self._events.popleft()
                    if isinstance(event, Frame) and event.content in {COMMIT, NO_COMMIT}:
                        return event.content == COMMIT
                    later.append(event)
                if self._frames.closed:
                    break
        finally:
            self._events.extendleft(reversed(later))
        raise ConnectionAbortedError("no commit acknowledgement")

    async def _send(self, body: bytes) -> None:
        self._writer.write(frame(body))
        async with asyncio.timeout(WRITE_TIMEOUT):
            await self._writer.drain()
