"""One HTTP connection with the limits that aiohttp does not have.

aiohttp waits for the rest of a request head as long as the connection lives, so a client that
sends a byte now and then holds a connection for ever (slowloris). Here a request has one deadline
from its first byte (the first request: from the connection) to the last byte of its body. The
connection watches it for the head; the server's middleware takes it over for the body with
`read_deadline`. Bytes that are no HTTP are answered once, counted, and never quoted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from gateway.errors import Problem
from gateway.inbound.http_routes import (
    BROKEN,
    LONG_HEAD,
    LONG_TARGET,
    NO_METHOD,
    Refuse,
    Wish,
)
from gateway.telemetry import Metrics

PORT = "http"
"""Value of the `port` label of metrics."""

KEEP_ALIVE = 75.0
"""Seconds an idle connection is kept between requests."""

LINGERING = 2.0
"""Seconds a refused body is read and thrown away, so that the client sees the refusal."""

MAX_LINE = 8_190
"""Bytes of a request line, and of a header, at most: the limit of aiohttp."""
HEAD_KEPT = 16_384
"""Bytes of a head from which it is known where a refusal has to be worded, at least."""

_REQUEST_LINE = re.compile(rb"[A-Za-z][A-Za-z-]{0,30} +(/[^\s]*)")
_ACCEPT = re.compile(rb"^accept *:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)

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

    __slots__ = (
        "_at_end",
        "_busy",
        "_deadline",
        "_head",
        "_limits",
        "_refuse",
        "_refused",
        "_seen",
        "_timer",
    )

    def __init__(
        self, limits: ConnectionLimits, refuse: Refuse, manager: web.Server, **options: Any
    ) -> None:
        """`refuse` words what is told of a request whose head cannot be read."""
        super().__init__(manager, **options)
        self._limits = limits
        self._refuse = refuse
        self._head = b""
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
        if not self._busy:
            if self._timer is None:
                self._start_timer()
                self._head = b""
            if len(self._head) < HEAD_KEPT:
                self._head += data
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
        del message
        if request.writer.output_size > 0:
            raise ConnectionError("a response was begun")
        self._limits.metrics.bad_input.labels(PORT).inc()
        told, found = (500, BROKEN) if status != 400 else _unreadable(self._head, exc)
        response = self._refuse(told, [found], _wish(self._head))
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


def _unreadable(head: bytes, error: BaseException | None) -> tuple[int, Problem]:
    """Status and words for a head that aiohttp could not read (RFC 9110, 15.5 and 15.6)."""
    line = head.partition(b"\n")[0]
    if isinstance(error, LineTooLong):
        return (414, LONG_TARGET) if len(line) > MAX_LINE else (431, LONG_HEAD)
    if isinstance(error, BadHttpMethod) and _REQUEST_LINE.match(line):
        return 501, NO_METHOD
    return 400, BROKEN


def _wish(head: bytes) -> Wish:
    """The target and the Accept headers in the part of a head that came."""
    line, _, rest = head.partition(b"\n")
    found = _REQUEST_LINE.match(line)
    accept = b", ".join(_ACCEPT.findall(rest))
    return Wish(found[1].decode("latin-1") if found else "", accept.decode("latin-1"))
