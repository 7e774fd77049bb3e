"""What the HTTP port takes of a client: bytes, seconds, connections, and what is no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

TOKEN = "t-7f3a9b2c4d5e6f708192"
MakePort = Callable[..., Awaitable[Any]]


async def test_a_body_beyond_the_limit_is_refused(port: Any, client: aiohttp.ClientSession) -> None:
    """Announced or in chunks, one byte more than the setting is 413."""
    async with client.post(f"{port.url}/fsi", data=b"x" * 10_000) as response:
        assert response.status == 200
    async with client.post(f"{port.url}/fsi", data=b"x" * 10_001) as response:
        assert response.status == 413

    async def chunks() -> Any:
        for _ in range(11):
            yield b"x" * 1000

    async with client.post(f"{port.url}/fsi", data=chunks()) as response:
        assert response.status == 413
        assert (await response.json())["problems"][0]["code"] == "READ-LIMIT"


async def test_a_compressed_body_is_refused(port: Any, client: aiohttp.ClientSession) -> None:
    """A small body that unpacks to gigabytes is not unpacked."""
    headers = {"Content-Encoding": "gzip"}
    async with client.post(f"{port.url}/fsi", data=b"\x1f\x8b", headers=headers) as response:
        assert response.status == 415


async def test_a_head_that_trickles_in_is_cut_off_at_the_deadline(make_port: MakePort) -> None:
    """A byte now and then does not hold a connection (slowloris)."""
    port = await make_port(request_timeout=0.3)
    reader, writer = await port.connect()
    writer.write(b"POST /fsi HTTP/1.1\r\nHost: x\r\n")

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(0.02)

    task = asyncio.create_task(trickle())
    answer = await asyncio.wait_for(reader.read(), 5)
    task.cancel()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert port.value("gateway_connections_refused_total", port="http", reason="slow") == 1.0


async def test_a_body_that_trickles_in_is_answered_408(make_port: MakePort) -> None:
    """The deadline counts to the last byte of the body."""
    port = await make_port(request_timeout=0.3)
    reader, writer = await port.connect()
    writer.write(
        b"POST /fsi HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n{"
    )
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert port.pipeline.seen == []


async def test_a_connection_that_says_nothing_is_closed(make_port: MakePort) -> None:
    """Without a byte there is nobody to answer."""
    port = await make_port(request_timeout=0.2)
    reader, writer = await port.connect()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert port.value("gateway_connections_refused_total", port="http", reason="idle") == 1.0


async def test_work_may_take_longer_than_the_deadline_of_a_request(
    make_port: MakePort, client: aiohttp.ClientSession
) -> None:
    """The deadline is the client's; a slow platform does not cut the answer off."""
    port = await make_port(request_timeout=0.2)
    port.pipeline.before = lambda: asyncio.sleep(0.5)
    async with client.post(f"{port.url}/fsi", data=b"{}") as response:
        assert response.status == 200


async def test_a_connection_too_many_is_closed_and_the_others_live(make_port: MakePort) -> None:
    """The limit protects those who are already served."""
    port = await make_port(max_connections=2)
    held = [await port.connect() for _ in range(2)]
    reader, writer = await port.connect()
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert port.value("gateway_connections_refused_total", port="http", reason="full") == 1.0
    held[0][1].write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(held[0][0].read(), 5)).startswith(b"HTTP/1.1 200")
    held[1][1].close()
    held[0][1].close()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0bMSH|^~\\&|HIS|H|||20260301||ADT^A04|1|P|2.5\r\x1c\r",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /fsi HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        bytes(range(256)) * 8 + b"\r\n\r\n",
    ],
    ids=["HL7", "TLS", "no header", "long line", "negative length", "every byte"],
)
async def test_bytes_that_are_no_http_get_one_answer_and_are_counted(
    make_port: MakePort, raw: bytes
) -> None:
    """4xx in JSON or a closed connection; the bytes are not quoted."""
    port = await make_port(request_timeout=0.5)
    reader, writer = await port.connect()
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    statuses = (b"HTTP/1.1 400 ", b"HTTP/1.0 400 ", b"HTTP/1.1 408 ", b"HTTP/1.0 414 ")
    assert answer.startswith(statuses)
    if b" 408 " not in answer[:13]:
        assert (b"READ-SYNTAX" in answer) != (b"READ-LIMIT" in answer)
        assert port.value("gateway_bad_input_total", protocol="http") == 1.0


async def test_a_broken_chunk_is_answered_and_counted(port: Any) -> None:
    """A body that ends in nonsense is no message."""
    reader, writer = await port.connect()
    writer.write(
        b"POST /fsi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\nzz\r\n"
    )
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert port.pipeline.seen == []
    assert port.value("gateway_bad_input_total", protocol="http") == 1.0
