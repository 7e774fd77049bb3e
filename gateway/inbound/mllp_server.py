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

from gateway.clock import Clock, SystemClock
from gateway.errors import ConfigurationError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_deliveries import Deliveries
from gateway.inbound.hl7_limits import Limits, Seat
from gateway.inbound.mllp_connection import Connection
from gateway.inbound.mllp_exchange import Exchanger, MLLPEvent, Pipeline
from gateway.inbound.tls import mllp_tls
from gateway.intents import Answer
from gateway.settings import MLLPSettings, PeerSettings


class MLLPServer:
    """Listens, reads frames, gives messages to the pipeline, writes replies.

    `observe` is called with every `MLLPEvent`. Without `limits` and `deliveries` it has its own,
    and what is to be delivered does not outlive the process.

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
        limits: Limits | None = None,
        deliveries: Deliveries | None = None,
        observe: Callable[[MLLPEvent], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._settings = settings
        self._limits = limits or Limits(peers, clock)
        self._deliveries = deliveries or Deliveries(peers, clock)
        self._exchanger = Exchanger(peers, pipeline, adapter, self._deliveries, observe)
        self._observe = observe
        self._tls = mllp_tls(settings).context("mllp")
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._draining = False

    @property
    def port(self) -> int:
        """The port that is listened on, 0 before the start."""
        if self._server is None or not self._server.sockets:
            return 0
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def deliver(self, peer: PeerSettings, answer: Answer) -> None:
        """Send an answer whose connection is gone, where the peer has an address for that.

        Elsewhere the answer stays stored, and meets the message when it comes again.
        """
        if answer.body and self._deliveries.serves(peer.name):
            await self._deliveries.put(peer.name, answer.body)

    async def deliver_once(self, peer: PeerSettings, name: str, body: bytes) -> None:
        """Send a message of ours, once under this name, where the peer has an address for that.

        Raises:
            JournalError: the store does not say whether it was sent before.
        """
        if self._deliveries.serves(peer.name):
            await self._deliveries.put(peer.name, body, once=name)

    async def start(self) -> None:
        """Listen, and deliver.

        Raises:
            ConfigurationError: the address cannot be listened on.
            JournalError: what is to be delivered cannot be read.
        """
        await self._deliveries.start()
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
            # From Python 3.12 on this waits for what a peer has not read, which may be for ever.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 1.0)
        await self._deliveries.stop()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        full = len(self._connections) >= self._settings.max_connections
        if task is None or self._draining or full:
            self._observe(MLLPEvent.REFUSED)
            writer.transport.abort()
            return
        seat = Seat(self._limits)
        connection = Connection(
            self._settings, self._exchanger, self._observe, reader, writer, seat=seat
        )
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
            seat.leave()
            self._observe(MLLPEvent.CLOSED)
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()
