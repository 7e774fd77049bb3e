"""The MLLP client against the port and against receivers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import NotSentError, UnknownOutcomeError
from gateway.inbound.mllp_client import MLLPClient

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Handler], Awaitable[int]]]:
    """Starts a receiver and gives its port."""
    servers: list[asyncio.Server] = []

    async def start(handler: Handler) -> int:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()


def _ack(code: str, control_id: str) -> bytes:
    text = f"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|{code}|{control_id}\r"
    return b"\x0b" + text.encode() + b"\x1c\r"


@pytest.mark.parametrize(
    ("m15", "m16", "codes"),
    [
        ("", "", ["AA"]),
        ("AL", "AL", ["CA", "AA"]),
        ("AL", "NE", ["CA"]),
        ("NE", "AL", ["AA"]),
        ("NE", "NE", []),
    ],
)
async def test_the_acknowledgements_of_the_mode_are_collected(
    start_port: Callable[..., Any],
    make_message: Callable[..., bytes],
    m15: str,
    m16: str,
    codes: list[str],
) -> None:
    """One connection serves several messages."""
    port = await start_port()
    async with MLLPClient("127.0.0.1", port.server.port) as client:
        for control_id in ("C1", "C2"):
            message = make_message(control_id, m15=m15, m16=m16)[1:-2]
            found = await client.send(message)
            assert [(it.code, it.control_id) for it in found] == [
                (code, control_id) for code in codes
            ]


async def test_a_refused_acceptance_is_the_last_word(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """After CR no application acknowledgement comes."""
    port = await start_port()
    async with MLLPClient("127.0.0.1", port.server.port) as client:
        message = make_message("C1", m15="AL", m16="AL", m9="ORU^R01")[1:-2]
        assert [it.code for it in await client.send(message)] == ["CR"]


async def test_replies_to_other_messages_are_left_aside(
    listen: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """A-014: MSA-2 says which message is meant."""

    async def his(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.write(b"\x0bnonsense\x1c\r" + _ack("AE", "OTHER") + _ack("AA", "C1"))
        await reader.read()
        writer.close()

    async with MLLPClient("127.0.0.1", await listen(his)) as client:
        assert [it.code for it in await client.send(make_message("C1")[1:-2])] == ["AA"]


async def test_no_connection_means_not_sent(
    make_message: Callable[..., bytes],
) -> None:
    """The message may be sent again."""

    async def nobody(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(nobody, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    client = MLLPClient("127.0.0.1", port)
    with pytest.raises(NotSentError):
        await client.send(make_message("C1")[1:-2])


async def test_a_broken_or_silent_connection_is_an_unknown_outcome(
    listen: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """And the connection is closed, so that a late reply does not meet the next message."""
    closed = asyncio.Event()

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.close()

    async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()
        writer.close()

    message = make_message("C1")[1:-2]
    with pytest.raises(UnknownOutcomeError):
        await MLLPClient("127.0.0.1", await listen(breaks)).send(message)
    with pytest.raises(UnknownOutcomeError):
        await MLLPClient("127.0.0.1", await listen(is_silent), timeout=0.1).send(message)
    await asyncio.wait_for(closed.wait(), 20)


async def test_what_is_no_message_is_not_sent() -> None:
    """Nor is a message with a mark of a frame in it."""
    client = MLLPClient("127.0.0.1", 1)
    with pytest.raises(ValueError, match="MSH"):
        await client.send(b"hello")
    with pytest.raises(ValueError, match="mark"):
        await client.send(b"MSH|^~\\&|\x0b")
