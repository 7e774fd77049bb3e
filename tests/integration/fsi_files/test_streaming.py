"""A reply that is read while it arrives: what is certain when it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from gateway.errors import NotSentError, UnknownOutcomeError
from gateway.fsi.transport import PIECE_BYTES, HTTPTransport, StreamedReply

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def transport() -> AsyncIterator[HTTPTransport]:
    """A transport without open connections."""
    opened = HTTPTransport()
    yield opened
    await opened.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a handler on a port of its own; its URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        application = web.Application()
        application.router.add_post("/", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/"

    yield start
    for runner in runners:
        await runner.cleanup()


async def read(transport: HTTPTransport, url: str, seconds: float = 5.0) -> list[bytes]:
    """The pieces of a reply."""
    async with transport.stream(url, {}, b"{}", connect_timeout=1.0, timeout=seconds) as reply:
        return [piece async for piece in reply.pieces()]


async def test_a_long_reply_comes_in_pieces(transport: HTTPTransport, serve: Serve) -> None:
    """None is larger than what is held at a time."""
    content = bytes(range(256)) * 5_000

    async def whole(_request: web.Request) -> web.Response:
        return web.Response(body=content)

    pieces = await read(transport, await serve(whole))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES


async def test_without_a_connection_nothing_was_sent(transport: HTTPTransport) -> None:
    """Nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(NotSentError):
            await read(transport, url)


async def test_a_server_that_says_nothing_is_unknown(
    transport: HTTPTransport, serve: Serve
) -> None:
    """No head within the timeout."""
    forever = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await forever.wait()
        return web.Response()

    with pytest.raises(UnknownOutcomeError):
        await read(transport, await serve(silent), seconds=0.05)


async def test_a_body_that_stops_coming_is_unknown(transport: HTTPTransport, serve: Serve) -> None:
    """The timeout counts from the last piece; what came before was given."""
    forever = asyncio.Event()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 10
        await response.prepare(request)
        await response.write(b"12345")
        await forever.wait()
        return response

    url = await serve(half)
    came: list[bytes] = []

    async def collect(reply: StreamedReply) -> None:
        async for piece in reply.pieces():
            came.append(piece)  # noqa: PERF401 - what came before the break is looked at

    async with transport.stream(url, {}, b"{}", connect_timeout=1.0, timeout=0.2) as reply:
        with pytest.raises(UnknownOutcomeError):
            await collect(reply)
    assert came == [b"12345"]


async def test_a_body_that_breaks_off_is_unknown(transport: HTTPTransport, serve: Serve) -> None:
    """Fewer bytes than the head said."""

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 10
        await response.prepare(request)
        await response.write(b"12345")
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(UnknownOutcomeError):
        await read(transport, await serve(broken))


async def test_an_error_of_the_reader_stays_what_it_is(
    transport: HTTPTransport, serve: Serve
) -> None:
    """Only failures of the connection are named by their certainty."""

    async def whole(_request: web.Request) -> web.Response:
        return web.Response(body=b"x")

    url = await serve(whole)
    with pytest.raises(ValueError, match="of the reader"):
        async with transport.stream(url, {}, b"{}", connect_timeout=1.0, timeout=1.0):
            raise ValueError("of the reader")
