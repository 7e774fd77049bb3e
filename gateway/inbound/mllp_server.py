"""The HL7 v2 port: MLLP over TCP or TLS, one task a connection.

Messages of a connection are worked on one after the other, so that replies keep their order; what
a sender sends meanwhile waits in its socket. A sender that goes away loses nothing: the work goes
on, and the stored answer meets the repeated message.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from gateway.errors import ConfigurationError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.mllp_exchange import Exchanger, MLLPEvent, Pipeline
from gateway.inbound.mllp_framing import (
    Abandoned,
    Event,
    Frame,
    FrameReader,
    Garbage,
    Oversize,
    frame,
)
from gateway.intents import Answer
from gateway.settings import MLLPSettings, PeerSettings

READ_BYTES = 65_536
"""Bytes taken from a connection at a time."""
WRITE_TIMEOUT = 30.0
"""Seconds that a sender may take to read a reply; then its connection is closed."""


class MLLPServer:
    """Listens, reads frames, gives messages to the pipeline, writes replies.

    `observe` is called with every `MLLPEvent`.

    Raises:
        ConfigurationError: TLS files, peers or reply addresses of the settings are wrong.
    """

    def __init__(
        self,
        settings: MLLPSettings,
        peers: list[PeerSettings],
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        *,
        observe: Callable[[MLLPEvent], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._exchanger = Exchanger(peers, pipeline, adapter, observe)
        self._observe = observe
        self._tls = _tls_context(settings)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._draining = False

    @property
    def port(self) -> int:
        """The port that is listened on, 0 before the start."""
        if self._server is None or not self._server.sockets:
            return 0
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def deliver(self, peer: PeerSettings, answer: Answer) -> None:
        """Send an answer whose connection is gone, where the peer has an address for that."""
        await self._exchanger.deliver(peer, answer)

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        try:
            self._server = await asyncio.start_server(
                self._connected,
                self._settings.host,
                self._settings.port,
                ssl=self._tls,
                ssl_handshake_timeout=self._settings.frame_timeout if self._tls else None,
            )
        except OSError as error:
            raise ConfigurationError(f"[mllp]: {error.strerror or error}") from error

    async def close(self, grace: float = 30.0) -> None:
        """Take no more messages, let those in work be answered for `grace` seconds, then leave."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for task, connection in self._connections.items():
            connection.drain()
            if not connection.busy:
                task.cancel()
        if self._connections:
            _, late = await asyncio.wait({*self._connections}, timeout=grace)
            for task in late:
                task.cancel()
        if self._connections:
            await asyncio.wait({*self._connections}, timeout=1.0)
        if self._server is not None:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        full = len(self._connections) >= self._settings.max_connections
        if task is None or self._draining or full:
            self._observe(MLLPEvent.REFUSED)
            writer.transport.abort()
            return
        connection = _Connection(self._settings, self._exchanger, self._observe, reader, writer)
        self._connections[task] = connection
        self._observe(MLLPEvent.CONNECTED)
        try:
            await connection.serve()
        except (OSError, ssl.SSLError):
            writer.transport.abort()
        except asyncio.CancelledError:
            if connection.busy:
                writer.transport.abort()
        finally:
            del self._connections[task]
            self._observe(MLLPEvent.CLOSED)
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


class _Connection:
    """One connection: its frame reader, its deadlines, whether a message is in work."""

    def __init__(
        self,
        settings: MLLPSettings,
        exchanger: Exchanger,
        observe: Callable[[MLLPEvent], None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._settings = settings
        self._exchanger = exchanger
        self._observe = observe
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(settings.max_message_bytes)
        self._draining = False
        self._remote = str((writer.get_extra_info("peername") or ("",))[0])
        self.busy = False

    def drain(self) -> None:
        """Stop after the message in work."""
        self._draining = True

    async def serve(self) -> None:
        """Until the sender leaves, is silent or slow for too long, or breaks the framing."""
        loop = asyncio.get_running_loop()
        frame_began = 0.0
        while not self._draining:
            limit = self._settings.idle_timeout
            if self._frames.in_frame:
                limit = frame_began + self._settings.frame_timeout - loop.time()
            try:
                async with asyncio.timeout(limit):
                    data = await self._reader.read(READ_BYTES)
            except TimeoutError:
                slow = self._frames.in_frame
                self._observe(MLLPEvent.FRAME_TIMEOUT if slow else MLLPEvent.IDLE_TIMEOUT)
                return
            if not data:
                self._count_unfinished()
                return
            was_inside = self._frames.in_frame
            events = self._frames.receive(data)
            if not await self._take(events):
                return
            if self._frames.in_frame and (events or not was_inside):
                frame_began = loop.time()

    def _count_unfinished(self) -> None:
        """The sender left in mid-frame, or after bytes that were no frame."""
        if self._frames.in_frame:
            self._observe(MLLPEvent.ABANDONED)
        elif self._frames.skipped:
            self._observe(MLLPEvent.GARBAGE)

    async def _take(self, events: list[Event]) -> bool:
        """Work on the events; False when the connection has to end."""
        for event in events:
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
                    await self._write(body)
                return False
            else:
                self._observe(MLLPEvent.GARBAGE)
                return False
        return True

    async def _take_frame(self, content: bytes) -> None:
        if not content:
            self._observe(MLLPEvent.EMPTY_FRAME)
            return
        self.busy = True
        try:
            await self._exchanger.handle(content, self._remote, self._write)
        except OSError:
            self._observe(MLLPEvent.REPLY_LOST)
            raise
        finally:
            self.busy = False

    async def _write(self, body: bytes) -> None:
        self._writer.write(frame(body))
        async with asyncio.timeout(WRITE_TIMEOUT):
            await self._writer.drain()


def _tls_context(settings: MLLPSettings) -> ssl.SSLContext | None:
    if settings.tls_certificate_file is None and settings.tls_key_file is None:
        if settings.tls_client_ca_file is not None:
            raise ConfigurationError("[mllp]: tls_client_ca_file needs a certificate and a key")
        return None
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        raise ConfigurationError("[mllp]: TLS needs both a certificate and a key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
        if settings.tls_client_ca_file is not None:
            context.load_verify_locations(settings.tls_client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"[mllp]: TLS files: {error.strerror or error}") from error
    return context
