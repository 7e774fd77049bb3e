"""Issue 2, bad input: any bytes on any port; other peers are answered all the while."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from typing import Any

import aiohttp
import pytest

from gateway.demo import messages as m
from gateway.inbound.mllp_framing import frame

START, END = b"\x0b", b"\x1c\r"
LIMIT = 20_000
"""Bytes of a message in these worlds."""


@pytest.fixture
async def narrow(open_world: Any) -> Any:
    """A world with short deadlines and small limits."""
    return await open_world(
        mllp=f"max_message_bytes = {LIMIT}\nframe_timeout = 0.3\nmax_connections = 4",
        http=f"max_body_bytes = {LIMIT}\nrequest_timeout = 0.3\nmax_connections = 4",
    )


def counted(world: Any, metric: str, **labels: str) -> float:
    """A metric, 0 when it has not been touched."""
    return world.gateway.metrics.registry.get_sample_value(metric, labels) or 0.0


async def read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    """What comes until the gateway closes the connection."""
    async with asyncio.timeout(10):
        try:
            return await reader.read(-1)
        except ConnectionResetError:
            return b""


async def said(address: tuple[str, int], data: bytes, *, end: bool = True) -> bytes:
    """What the port says to these bytes before it closes; `end` ends our side of it."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        await writer.drain()
        if end:
            writer.write_eof()
        return await read_to_the_end(reader)
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


async def others_are_answered(world: Any, number: str) -> None:
    """A message on another connection and a request of another client go their way."""
    assert (await world.tell(world.register(m.LI, number))).code == "AA"
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.http}/fhir/r4/metadata") as response,
    ):
        assert response.status == 200


class TestMLLP:
    async def test_random_bytes_get_no_message_lost(self, world: Any) -> None:
        """M-002: bytes that are no frame are left aside and counted."""
        chance = random.Random(7)  # noqa: S311 - the same bytes every time
        address = world.gateway.mllp_address
        for number in range(20):
            data = chance.randbytes(3_000).replace(START, b"")
            assert await said(address, data) == b""
            await others_are_answered(world, f"O{number % 3}")
        assert counted(world, "gateway_bad_input_total", protocol="hl7v2") >= 20

    async def test_framed_rubbish_gets_one_answer_or_a_closed_connection(self, world: Any) -> None:
        """Random content in a frame: at most one acknowledgement, and it is AR or AE."""
        chance = random.Random(8)  # noqa: S311 - the same bytes every time
        for _ in range(30):
            content = chance.randbytes(chance.randrange(1, 400))
            content = content.replace(START, b"").replace(END, b"")
            reply = await said(world.gateway.mllp_address, START + content + END)
            assert reply.count(START) <= 1
            assert not reply or b"MSA|AR" in reply or b"MSA|AE" in reply
        assert await world.requests() == []

    async def test_mutated_messages_are_answered_in_the_protocol(self, world: Any) -> None:
        """Bytes changed behind MSH: each gets exactly one AA, AE or AR with its control id."""
        chance = random.Random(9)  # noqa: S311 - the same bytes every time
        for number in range(60):
            message = bytearray(world.register(m.ZHANG, f"O{number}"))
            begin = message.index(b"\r") + 1
            for _ in range(chance.randrange(1, 6)):
                place = chance.randrange(begin, len(message))
                message[place] = chance.choice(b'\x00\x09\n|^~\\&\x80\xff0A"')
            answer = await world.tell(bytes(message))
            assert answer.code in {"AA", "AE", "AR"}
            assert answer.code == "AA" or answer.segment("ERR")
        assert (await world.gateway.journal.audit_verify()).intact

    async def test_half_a_frame_leaves_nothing(self, world: Any) -> None:
        """M-009: a connection closed in mid-frame leaves no message behind."""
        message = frame(world.register(m.ZHANG, "O1"))
        assert await said(world.gateway.mllp_address, message[: len(message) // 2]) == b""
        await others_are_answered(world, "O2")
        assert len(await world.gateway.journal.exchanges()) == 1
        assert counted(world, "gateway_bad_input_total", protocol="hl7v2") == 1

    async def test_a_slow_frame_is_given_up(self, narrow: Any) -> None:
        """M-008: an unfinished frame older than the limit closes the connection."""
        message = frame(narrow.register(m.ZHANG, "O1"))
        assert await said(narrow.gateway.mllp_address, message[:-3], end=False) == b""
        await others_are_answered(narrow, "O2")
        assert counted(narrow, "gateway_connections_refused_total", port="mllp", reason="slow") == 1

    async def test_an_endless_frame_is_refused_in_bounded_memory(self, narrow: Any) -> None:
        """M-007: above the limit AR and a closed connection; 30 MB sent do not become 30 MB held."""
        head = narrow.register(m.ZHANG, "O1")
        chunk = b"x" * 65_536
        reader, writer = await asyncio.open_connection(*narrow.gateway.mllp_address)
        tracemalloc.start()
        try:
            writer.write(START + head)
            for _ in range(480):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        reply = await read_to_the_end(reader)
        writer.transport.abort()
        assert peak < 5_000_000
        assert not reply or b"MSA|AR" in reply
        await others_are_answered(narrow, "O2")

    async def test_a_frame_above_the_limit_is_answered(self, narrow: Any) -> None:
        """M-007: where the MSH was read the refusal is AR in the protocol."""
        head = narrow.register(m.ZHANG, "O1")
        reply = await said(narrow.gateway.mllp_address, START + head + b"x" * LIMIT + END)
        assert b"MSA|AR|" + head.split(b"|")[9] in reply
        assert await narrow.gateway.journal.exchanges() == []

    async def test_connections_above_the_limit_are_closed_at_once(self, narrow: Any) -> None:
        """A fifth connection is closed; one of the four that goes makes room."""
        address = narrow.gateway.mllp_address
        held = [await asyncio.open_connection(*address) for _ in range(4)]

        async def full() -> bool:
            return counted(narrow, "gateway_connections", port="mllp") == 4

        await narrow.until(full)
        assert await said(address, frame(narrow.register(m.ZHANG, "O1"))) == b""
        for _, writer in held:
            writer.transport.abort()

        async def room() -> bool:
            return counted(narrow, "gateway_connections", port="mllp") == 0

        await narrow.until(room)
        await others_are_answered(narrow, "O2")


class TestHTTP:
    async def test_random_bytes_are_refused(self, world: Any) -> None:
        """Bytes that are no request: 400 or a closed connection; others are answered."""
        chance = random.Random(10)  # noqa: S311 - the same bytes every time
        for number in range(20):
            reply = await said(world.gateway.http_address, chance.randbytes(2_000))
            # The two parsers of aiohttp answer what has no version with different ones.
            assert not reply or reply.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
            assert b"Traceback" not in reply
            await others_are_answered(world, f"O{number % 3}")

    @pytest.mark.parametrize("path", ["/fhir/r4/Claim", "/fsi/1101"])
    async def test_bodies_that_are_no_json_are_400(self, world: Any, path: str) -> None:
        """X-003: an OperationOutcome or the reply form of the interface, never a traceback."""
        kind = {"Content-Type": "application/fhir+json" if "fhir" in path else "application/json"}
        chance = random.Random(11)  # noqa: S311 - the same bytes every time
        bodies = [b"", b"null", b"[]", b"{", b'{"a":' * 5_000, b"\xff\xfe{}", b'{"a":1e999999}']
        bodies += [chance.randbytes(500) for _ in range(20)]
        for body in bodies:
            reply = await world.post(path, body, **kind)
            assert reply.status in {400, 422}, (body[:20], reply.status)
            if "fhir" in path:
                assert reply.body["resourceType"] == "OperationOutcome"
            else:
                assert reply.body["infcode"] == -1
        assert await world.requests() == []

    async def test_a_body_above_the_limit_is_413(self, narrow: Any) -> None:
        """A longer body than the setting allows is refused before it is read."""
        kind = {"Content-Type": "application/fhir+json"}
        reply = await narrow.post("/fhir/r4/Claim", b" " * (LIMIT + 1), **kind)
        assert (reply.status, reply.body["resourceType"]) == (413, "OperationOutcome")
        await others_are_answered(narrow, "O2")

    async def test_a_slow_request_is_given_up(self, narrow: Any) -> None:
        """Half a head, and half a body: the connection is closed after the limit."""
        head = b"POST /fsi/1101 HTTP/1.1\r\nHost: gateway\r\n"
        assert b"200 OK" not in await said(narrow.gateway.http_address, head, end=False)
        token = f"Authorization: Bearer {narrow.token}\r\n".encode()
        body = head + token + b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
        assert b"200 OK" not in await said(narrow.gateway.http_address, body, end=False)
        await others_are_answered(narrow, "O2")

    async def test_a_stranger_is_refused_before_the_body(self, world: Any) -> None:
        """Without a token nothing is read: 401 and no exchange."""
        reply = await world.post("/fsi/1101", b"{}", Authorization="Bearer nobody")
        assert reply.status == 401
        assert await world.gateway.journal.exchanges() == []

    async def test_a_flood_is_answered_busy_and_nothing_is_lost(self, open_world: Any) -> None:
        """Limits: with two messages in work a further one is AR and 503; sent again later it is
        carried out.
        """
        world = await open_world(limits="max_messages_in_flight = 2")
        await world.admin.fault("delay-after", "1101", count=2, seconds=60)
        senders = [world.hl7() for _ in range(2)]
        messages = [world.register(p, n) for p, n in ((m.ZHANG, "O1"), (m.LI, "O2"))]
        waiting = [
            asyncio.create_task(sender.send(message))
            for sender, message in zip(senders, messages, strict=True)
        ]

        async def working() -> bool:
            return bool(world.gateway.pipeline.in_flight == 2)

        await world.until(working)
        third = world.register(m.RARE, "O3")
        assert (await world.tell(third)).code == "AR"
        claim = world.client.claim(m.RARE, "F1", (world.ct,), "240.00")
        busy = await world.post_fhir("Claim", claim)
        assert (busy.status, "retry-after" in busy.headers) == (503, True)
        world.gate.opened.set()
        assert [(await task).code for task in waiting] == ["AA", "AA"]
        assert (await world.tell(third)).code == "AA"
        assert (await world.post_fhir("Claim", claim)).status == 201
