"""One HTTP POST, with certainty about whether anything can have left.

The line is drawn at the connection: without one, nothing was sent (`NotSentError`); with one,
whatever goes wrong leaves the outcome unknown (`UnknownOutcomeError`), because some bytes of the
request may have been written. Nothing is retried here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import aiohttp

from gateway.errors import NotSentError, UnknownOutcomeError

MAX_REPLY_BYTES = 10_485_760
"""A longer reply is not read to its end; outputs have 40,000 characters (envelope table)."""
KEEP_ALIVE_SECONDS = 10.0
"""Idle time after which a connection is not used again; servers commonly close after 60."""


class Reply(NamedTuple):
    """An HTTP reply; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What a channel sends by."""

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout: float,
        timeout: float,  # noqa: ASYNC109 - it starts when the connection stands, not at the call
        fresh: bool,
    ) -> Reply:
        """Post once; `fresh` uses a connection of its own that nobody used before.

        Raises:
            NotSentError: no connection within `connect_timeout` seconds.
            UnknownOutcomeError: no whole reply within `timeout` seconds of having a connection,
                or the connection broke.
        """
        ...


class _Progress:
    """How far one request got; moves the deadline when the connection stands."""

    def __init__(self, deadline: asyncio.Timeout, seconds: float) -> None:
        self._deadline, self._seconds = deadline, seconds
        self.connected = False

    def reached(self) -> None:
        self.connected = True
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)


async def _connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
    context.trace_request_ctx.reached()


class HTTPTransport:
    """Posts by aiohttp; to be used inside one event loop."""

    def __init__(self, *, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self._max_reply_bytes = max_reply_bytes
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout: float,
        timeout: float,  # noqa: ASYNC109 - it starts when the connection stands, not at the call
        fresh: bool,
    ) -> Reply:
        """See `Transport.post`."""
        progress: _Progress | None = None
        try:
            async with asyncio.timeout(connect_timeout) as deadline:
                progress = _Progress(deadline, timeout)
                return await self._post(url, headers, body, progress, fresh=fresh)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            reason = type(error).__name__
            if progress is not None and progress.connected:
                raise UnknownOutcomeError(f"no whole reply: {reason}") from error
            raise NotSentError(f"no connection: {reason}") from error

    async def _post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        progress: _Progress,
        *,
        fresh: bool,
    ) -> Reply:
        async with self._session(fresh=fresh).post(
            url,
            data=body,
            headers={"Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            received = bytearray()
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > self._max_reply_bytes:
                    response.close()
                    raise UnknownOutcomeError("the reply is too long")
            names = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, names, bytes(received))

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(fresh)
        if session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_connected)
            trace.on_connection_reuseconn.append(_connected)
            connector = (
                aiohttp.TCPConnector(limit=0, force_close=True)
                if fresh
                else aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
            )
            session = self._sessions[fresh] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trace_configs=[trace],
            )
        return session

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
