"""An MLLP client: one message out, its acknowledgements back.

The rules:

1. One message is under way on a connection at a time, and an acknowledgement counts for it only
   where MSA-2 is its control id. Anything else that arrives is left aside.
2. A connection whose time was over, or that broke, is closed and never used again: what it might
   still deliver belongs to nobody.
3. Before the first byte left, the failure is "not sent"; from then on it is an unknown outcome.

`gateway.inbound.mllp_pool` keeps several of these for one receiver.
"""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import NamedTuple, Self

from gateway.errors import NotSentError, UnknownOutcomeError, UnreadableError
from gateway.hl7v2.header import Header, Mode, lenient_header
from gateway.hl7v2.reader import Segment
from gateway.inbound.hl7_forms import Form, form_of, to_er7, written
from gateway.inbound.mllp_framing import COMMIT, NO_COMMIT, Frame, FrameReader, frame

READ_BYTES = 65_536
MAX_REPLY = 10_485_760
"""Bytes of a reply; a longer one ends the connection."""


class Acknowledgement(NamedTuple):
    """A reply: MSA-1, MSA-2, and all of it."""

    code: str
    control_id: str
    body: bytes


class MLLPClient:
    """A connection, opened with the first message and again after a failure.

    Messages that are given at the same time leave one after the other. `timeout` is in seconds and
    covers one message with its acknowledgements, from when it leaves; when it is over, the
    connection is closed, because a late acknowledgement must not meet the next message. A
    connection has to be there within `connect_timeout` seconds.
    `commits` speaks release 2: the receiver's commit acknowledgement comes before everything else,
    and each reply is committed to it. `form` is what the wire carries; messages are given, and
    replies come back, as ER7.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        tls: ssl.SSLContext | None = None,
        tls_server_name: str = "",
        commits: bool = False,
        form: Form = Form.ER7,
    ) -> None:
        self._commits = commits
        self._form = form
        self._host, self._port = host, port
        self._timeout, self._connect_timeout = timeout, connect_timeout
        self._tls = tls
        self._server_name = (tls_server_name or None) if tls else None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._frames = FrameReader(MAX_REPLY)
        self._waiting: list[bytes] = []
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """True when the next message finds a connection that the receiver has not ended."""
        return self._streams is not None and not self._streams[0].at_eof()

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is None:
            return
        writer = self._streams[1]
        self._streams = None
        writer.close()
        try:
            await writer.wait_closed()
        except (OSError, ssl.SSLError):
            return

    async def send(self, message: bytes) -> list[Acknowledgement]:
        """Send a message and wait for what MSH-15 and MSH-16 promise in every case.

        Original mode gives one acknowledgement. Enhanced mode gives the accept acknowledgement
        where MSH-15 is AL, and after a CA the application acknowledgement where MSH-16 is AL; an
        application acknowledgement always is the last. Replies to other messages are left aside.

        Raises:
            ValueError: the bytes are no message, or have a mark of a frame in them.
            NotSentError: no connection, or the receiver did not store the message (release 2).
            UnknownOutcomeError: the connection broke or the time was over after the send.
        """
        header = lenient_header(message)
        if header is None:
            raise ValueError("the message does not begin with MSH")
        framed = frame(await written(message, self._form))
        async with self._turn:  # one message after the other, each to its last acknowledgement
            return await self._exchange(header, framed)

    async def _exchange(self, header: Header, framed: bytes) -> list[Acknowledgement]:
        reader, writer = await self._open()
        try:
            async with asyncio.timeout(self._timeout):
                writer.write(framed)
                await writer.drain()
                if self._commits and await self._next_content(reader, commit=True) != COMMIT:
                    await self.close()
                    raise NotSentError("the receiver did not store the message")
                return await self._collect(header, reader, writer)
        except TimeoutError:
            await self.close()
            raise UnknownOutcomeError("no acknowledgement in time") from None
        except (OSError, ssl.SSLError, EOFError) as error:
            await self.close()
            raise UnknownOutcomeError("the connection broke before the acknowledgement") from error
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and not self._streams[0].at_eof():
            return self._streams
        await self.close()
        try:
            async with asyncio.timeout(self._connect_timeout):
                self._streams = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls, server_hostname=self._server_name
                )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise NotSentError("no connection") from error
        self._frames = FrameReader(MAX_REPLY)
        self._waiting = []
        return self._streams

    async def _collect(
        self, header: Header, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> list[Acknowledgement]:
        expected = _expected(header)
        found: list[Acknowledgement] = []
        while len(found) < expected:
            reply = await self._read(await self._next_content(reader, commit=False))
            if reply is not None and self._commits:
                writer.write(frame(COMMIT))
                await writer.drain()
            if reply is None or reply.control_id != header.control_id:
                continue
            found.append(reply)
            if reply.code != "CA":
                break
        return found

    async def _read(self, content: bytes) -> Acknowledgement | None:
        if form_of(content) is Form.XML:
            try:
                content = await to_er7(content)
            except UnreadableError:
                return None
        return read_acknowledgement(content)

    async def _next_content(self, reader: asyncio.StreamReader, *, commit: bool) -> bytes:
        """The next commit acknowledgement, or the next message; the other kind is left aside."""
        while True:
            while self._waiting:
                content = self._waiting.pop(0)
                if (content in {COMMIT, NO_COMMIT}) is commit:
                    return content
            data = await reader.read(READ_BYTES)
            if not data:
                raise EOFError
            events = self._frames.receive(data)
            self._waiting += [event.content for event in events if isinstance(event, Frame)]
            if self._frames.closed:
                raise EOFError


def read_acknowledgement(body: bytes) -> Acknowledgement | None:
    """MSA of a message; None when it has none."""
    header = lenient_header(body)
    at = body.find(b"\rMSA")
    if header is None or at < 0:
        return None
    line = body[at + 1 :].partition(b"\r")[0].decode("latin-1")
    segment = Segment("MSA", 1, line, header.delimiters)
    return Acknowledgement(segment.field(1), segment.field(2), body)


def _expected(header: Header) -> int:
    if header.mode is Mode.ORIGINAL:
        return 1
    return (header.accept_ack == "AL") + (header.application_ack == "AL")
