"""One HTTP connection with the limits that aiohttp does not have.

aiohttp waits for the rest of a request head as long as the connection lives, so a client that
sends a byte now and then holds a connection for ever (slowloris). Here a request has one deadline
from its first byte (the first request: from the connection) to the last byte of its body. The
connection watches it for the head; the server's middleware takes it over for the body with
`read_deadline`. Bytes that are no HTTP are answered once, counted, and never quoted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from gateway.inbound.http_routes import BROKEN, refuse_plainly
from gateway.telemetry import Metrics

PORT = "http"
"""Value of the `port` label of metrics."""

KEEP_ALIVE = 75.0
"""Seconds an idle connection is kept between requests."""

LINGERING = 2.0
"""Seconds a refused body is read and thrown away, so that the client sees the refusal."""

SLOW_REPLY = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n"
    b"Cache-Control: no-store\r\n\r\n"
)


class ConnectionLimits:
    """The open connections of a port and what each may take."""

    def __init__(self, max_connections: int, request_timeout: float, metrics: Metrics) -> None:
        self.max_connections = max_connections
        self.request_timeout = request_timeout
        self.metrics = metrics
        self.open = 0

    def admit(self) -> bool:
        """Take one more connection, or say that there are too many."""
        if self.open >= self.max_connections:
            self.refused("full")
            return False
        self.open += 1
        self.metrics.connections.labels(PORT).set(self.open)
        return True

    def left(self) -> None:
        """A connection that was admitted is gone."""
        self.open -= 1
        self.metrics.connections.labels(PORT).set(self.open)

    def refused(self, reason: str) -> None:
        """Count a connection closed by a limit."""
        self.metrics.connections_refused.labels(PORT, reason).inc()


class Connection(web.RequestHandler):
    """aiohttp's connection with a deadline for the head, and refusals in our words."""

    __slots__ = ("_at_end", "_busy", "_deadline", "_limits", "_refused", "_seen", "_timer")

    def __init__(self, limits: ConnectionLimits, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._limits = limits
        self._refused = False
        self._busy = False
        self._seen = False
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Call this when the connection is gone."""
        self._at_end.append(call)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit or close."""
        self._refused = not self._limits.admit()
        if self._refused:
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        if self._refused:
            return
        self._stop_timer()
        self._limits.left()
        for call in self._at_end:
            call()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Watch the clock until a head is complete."""
        if self._refused:
            return
        self._seen = True
        if not self._busy and self._timer is None:
            self._start_timer()
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._busy = True
            self._stop_timer()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response; the next byte then begins a new request."""
        result = await super().finish_response(request, resp, start_time)
        self._busy = bool(self._messages)
        self._seen = self._busy
        return result

    def read_deadline(self) -> float:
        """When the body has to be complete, in the loop's time; asked once a request."""
        deadline, self._deadline = self._deadline, None
        return self._loop.time() + self._limits.request_timeout if deadline is None else deadline

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP; neither the bytes nor the parser's words are repeated."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("a response was begun")
        self._limits.metrics.bad_input.labels(PORT).inc()
        response = refuse_plainly(400 if status == 400 else 500, [BROKEN])
        response.force_close()
        return response

    def _start_timer(self) -> None:
        self._deadline = self._loop.time() + self._limits.request_timeout
        self._timer = self._loop.call_at(self._deadline, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._limits.refused("slow" if self._seen else "idle")
        if self.transport is not None and self._seen:
            self.transport.write(SLOW_REPLY)
        self.force_close()
