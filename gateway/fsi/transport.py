"""One HTTP POST, with certainty about whether anything can have left.

`post` gives a whole reply, `stream` one that is read piece by piece (files).

The line is drawn at the connection: without one, nothing was sent (`NotSentError`); with one,
whatever goes wrong leaves the outcome unknown (`UnknownOutcomeError`), because some bytes of the
request may have been written. Nothing is retried here. A reply that is not there in time can be
listened for: whoever posts says who is to have what is left of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import aiohttp

from gateway.errors import GatewayError, NotSentError, UnknownOutcomeError

MAX_REPLY_BYTES = 10_485_760
"""A longer reply is not read to its end; outputs have 40,000 characters (envelope table)."""
PIECE_BYTES = 262_144
"""Bytes of a streamed reply that are held at a time."""
KEEP_ALIVE_SECONDS = 10.0
"""Idle time after which a connection is not used again; servers commonly close after 60."""


class Reply(NamedTuple):
    """An HTTP reply; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamedReply(Protocol):
    """The head of a reply whose body is still to be read; header names are in lower case."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in pieces of at most `PIECE_BYTES`.

        Raises:
            UnknownOutcomeError: the connection broke before the stated end, or nothing came for
                the seconds of the timeout.
        """
        ...


Listen = Callable[[asyncio.Task[Reply]], None]
"""Is given what is left of a request whose reply did not come in time: it ends with the reply, or
with the connection. Whoever has it cancels it, which closes the connection."""


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
        listen: Listen | None = None,
    ) -> Reply:
        """Post once; `fresh` uses a connection of its own that nobody used before.

        When no whole reply came in time, `listen` is given the request, which stays open; without
        it the connection is closed.

        Raises:
            NotSentError: no connection within `connect_timeout` seconds.
            UnknownOutcomeError: no whole reply within `timeout` seconds of having a connection,
                or the connection broke.
        """
        ...

    def stream(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout: float,
        timeout: float,
    ) -> AbstractAsyncContextManager[StreamedReply]:
        """Post once on a connection of its own, and read the reply while it arrives.

        `timeout` bounds the wait for the head, and then for each piece: a file may take long as
        long as it keeps coming.

        Raises:
            NotSentError: no connection within `connect_timeout` seconds.
            UnknownOutcomeError: no head of a reply, or the connection broke.
        """
        ...


class _Progress:
    """How far one request got; moves the deadline when the connection stands."""

    def __init__(self, deadline: asyncio.Timeout, seconds: float) -> None:
        self._deadline, self._seconds = deadline, seconds
        self.connected = False

    @property
    def expired(self) -> bool:
        """The time is over; no other reason ended the wait."""
        return self._deadline.expired()

    def reached(self) -> None:
        self.connected = True
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)


async def _connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
    context.trace_request_ctx.reached()


_FAILURES = (TimeoutError, aiohttp.ClientError, OSError, ValueError)


def _certainty(error: Exception, progress: _Progress | None) -> GatewayError:
    reason = type(error).__name__
    if progress is not None and progress.connected:
        return UnknownOutcomeError(f"no whole reply: {reason}")
    return NotSentError(f"no connection: {reason}")


async def _heard(posting: Coroutine[Any, Any, Reply], progress: _Progress, listen: Listen) -> Reply:
    """The reply; a request that has left when the time is over is given away and goes on."""
    request = asyncio.create_task(posting)
    try:
        return await asyncio.shield(request)
    except asyncio.CancelledError:
        if progress.expired and progress.connected and not request.done():
            listen(request)
        else:
            request.cancel()
            await asyncio.wait([request])
        raise


def _names(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


class _Stream:
    """A reply of aiohttp under way."""

    def __init__(self, response: aiohttp.ClientResponse, seconds: float) -> None:
        self._response, self._seconds = response, seconds
        self.status = response.status
        self.headers: Mapping[str, str] = _names(response)

    async def pieces(self) -> AsyncIterator[bytes]:
        """See `StreamedReply.pieces`."""
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    piece = await self._response.content.read(PIECE_BYTES)
            except _FAILURES as error:
                raise UnknownOutcomeError(f"no whole reply: {type(error).__name__}") from error
            if not piece:
                return
            yield piece


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
        listen: Listen | None = None,
    ) -> Reply:
        """See `Transport.post`."""
        progress: _Progress | None = None
        try:
            async with asyncio.timeout(connect_timeout) as deadline:
                progress = _Progress(deadline, timeout)
                posting = self._post(url, headers, body, progress, fresh=fresh)
                return await (posting if listen is None else _heard(posting, progress, listen))
        except _FAILURES as error:
            raise _certainty(error, progress) from error

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout: float,
        timeout: float,  # noqa: ASYNC109 - it starts when the connection stands, not at the call
    ) -> AsyncIterator[StreamedReply]:
        """See `Transport.stream`."""
        progress: _Progress | None = None
        try:
            async with asyncio.timeout(connect_timeout) as deadline:
                progress = _Progress(deadline, timeout)
                response = await self._request(url, headers, body, progress, fresh=True)
        except _FAILURES as error:
            raise _certainty(error, progress) from error
        try:
            yield _Stream(response, timeout)
        finally:
            response.close()

    async def _post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        progress: _Progress,
        *,
        fresh: bool,
    ) -> Reply:
        response = await self._request(url, headers, body, progress, fresh=fresh)
        async with response:
            received = bytearray()
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > self._max_reply_bytes:
                    response.close()
                    raise UnknownOutcomeError("the reply is too long")
            return Reply(response.status, _names(response), bytes(received))

    async def _request(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        progress: _Progress,
        *,
        fresh: bool,
    ) -> aiohttp.ClientResponse:
        return await self._session(fresh=fresh).post(
            url,
            data=body,
            headers={"Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            trace_request_ctx=progress,
        )

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
