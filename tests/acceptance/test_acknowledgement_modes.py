"""Which acknowledgements a sender gets, on which connection (MSH-15 and MSH-16)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.inbound.mllp_client import read_acknowledgement
from gateway.inbound.mllp_framing import Frame, FrameReader, frame


def enhanced(world: Any, message: bytes, accept: str, application: str) -> bytes:
    """The message in enhanced mode."""
    changed = world.change(message, "MSH", 15, accept)
    marked: bytes = world.change(changed, "MSH", 16, application)
    return marked


class Wire:
    """A bare connection to the HL7 port that shows every frame."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams
        self.frames = FrameReader(1_000_000)
        self.waiting: list[bytes] = []

    async def acknowledgement(self) -> tuple[str, str]:
        """MSA-1 and MSA-2 of the next frame."""
        async with asyncio.timeout(10):
            while not self.waiting:
                data = await self.reader.read(65_536)
                assert data
                events = self.frames.receive(data)
                self.waiting += [event.content for event in events if isinstance(event, Frame)]
        reply = read_acknowledgement(self.waiting.pop(0))
        assert reply is not None
        return reply.code, reply.control_id


@pytest.fixture
async def wire(world: Any) -> Any:
    """A bare connection."""
    wire = Wire(await asyncio.open_connection(*world.gateway.mllp_address))
    yield wire
    wire.writer.close()
    await wire.writer.wait_closed()


def control_id(message: bytes) -> str:
    """MSH-10."""
    return message.split(b"|")[9].decode()


async def test_al_al_gives_both_on_one_connection(world: Any, wire: Wire) -> None:
    """A-004, A-010, A-014: CA first, then AA, both with the control id of the request."""
    message = enhanced(world, world.register(m.ZHANG, "O1"), "AL", "AL")
    wire.writer.write(frame(message))
    assert await wire.acknowledgement() == ("CA", control_id(message))
    assert await wire.acknowledgement() == ("AA", control_id(message))


async def test_ne_ne_is_silence(world: Any, wire: Wire) -> None:
    """A-008, A-010: nothing comes back, and the message is carried out all the same: the next
    reply on the connection is that of the next message.
    """
    silent = enhanced(world, world.register(m.ZHANG, "O1"), "NE", "NE")
    loud = world.register(m.LI, "O2")
    wire.writer.write(frame(silent) + frame(loud))
    assert await wire.acknowledgement() == ("AA", control_id(loud))
    assert await world.requests() == ["1101", "2201", "2203"] * 2


async def test_er_speaks_only_of_errors(world: Any, wire: Wire) -> None:
    """A-009, A-010: ER/ER says nothing of success and AE of a visit that nobody knows."""
    good = enhanced(world, world.register(m.ZHANG, "O1"), "ER", "ER")
    bad = world.his.charges(m.ZHANG, "O9", "O", (world.ct,))
    bad = enhanced(world, bad, "ER", "ER")
    wire.writer.write(frame(good) + frame(bad))
    assert await wire.acknowledgement() == ("AE", control_id(bad))


async def test_the_commit_is_told_before_the_work(world: Any, wire: Wire) -> None:
    """A-005: CA comes once the message is durable, while its settlement waits at the platform."""
    await world.charged("O1")
    await world.admin.fault("delay-after", "2207", seconds=60)
    message = enhanced(world, world.his.payment(m.ZHANG, "O1", "O", "240.00"), "AL", "AL")
    wire.writer.write(frame(message))
    assert await wire.acknowledgement() == ("CA", control_id(message))
    await world.gate.reached.wait()
    (newest, *_) = await world.gateway.journal.exchanges()
    assert (newest.control_id, newest.status) == (control_id(message), "open")
    world.gate.opened.set()
    assert await wire.acknowledgement() == ("AA", control_id(message))


async def test_a_version_that_is_not_served_is_cr(world: Any, wire: Wire) -> None:
    """A-006: in enhanced mode MSH-12 that is not acceptable is CR."""
    message = enhanced(world, world.register(m.ZHANG, "O1"), "AL", "AL")
    message = world.change(message, "MSH", 12, "9.9")
    wire.writer.write(frame(message))
    assert await wire.acknowledgement() == ("CR", control_id(message))
    assert await world.requests() == []


async def test_answers_keep_the_order_of_a_connection(world: Any, wire: Wire) -> None:
    """M-004, M-014: three messages in one write get their answers in order."""
    messages = [world.register(p, n) for p, n in ((m.ZHANG, "O1"), (m.LI, "O2"), (m.RARE, "O3"))]
    wire.writer.write(b"".join(frame(message) for message in messages))
    found = [await wire.acknowledgement() for _ in messages]
    assert found == [("AA", control_id(message)) for message in messages]


async def test_a_sender_that_leaves_finds_its_answer(world: Any) -> None:
    """M-020: the connection is closed before the reply; the message again gets the stored one."""
    await world.charged("O1")
    await world.admin.fault("delay-after", "2207", seconds=60)
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    _, writer = await asyncio.open_connection(*world.gateway.mllp_address)
    writer.write(frame(payment))
    await world.gate.reached.wait()
    writer.transport.abort()
    world.gate.opened.set()
    answer = await world.tell(payment)
    assert (answer.code, answer.field("ZSL", 8)) == ("AA", "116.20")
    assert await world.requests("2207") == ["2207"]


async def test_an_adjudication_comes_as_a_message_of_its_own(open_world: Any) -> None:
    """A-034: ACK^E01 on the connection, and EHC^E10 over one that the gateway opens."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader(1_000_000)
        while data := await reader.read(65_536):
            for event in frames.receive(data):
                assert isinstance(event, Frame)
                got.put_nowait(event.content)
                text = f"MSH|^~\\&|HIS||||1||ACK|9|P|2.6\rMSA|AA|{control_id(event.content)}\r"
                writer.write(frame(text.encode()))
        writer.close()

    with contextlib.closing(await asyncio.start_server(serve, "127.0.0.1", 0)) as server:
        port = server.sockets[0].getsockname()[1]
        peer = (
            '[[peers]]\nname = "pay"\ninstitutions = ["H43010000001"]\napplications = ["PAY"]\n'
            f'[peers.hl7v2]\nehc_reply = "ack-then-e10"\nreply_to = "127.0.0.1:{port}"\n'
        )
        world = await open_world(limits=peer)
        pid, pv1 = world.person(m.ZHANG, "O5", "O")
        amount = "240.00&CNY"
        raw = world.his.message(
            "EHC^E01",
            f"IVC|INV5|||OR|NORM|FS|20260301091000|{amount}||医院|医保",
            *("PYE|1|ORG", f"PSS|S1||1|{amount}|a", f"PSG|B1||1|N|{amount}|a", pid, pv1),
            *(world.his.insurance(m.ZHANG), world.his.diagnosis("J06.900", "x", "A")),
            f"PSL|1||1|||P|CT001^CT||CT|20260301091000||1|{amount}|||{amount}|||||N",
        )
        raw = world.change(world.change(raw, "MSH", 12, "2.6"), "MSH", 3, "PAY")
        told = await world.tell(raw)
        assert (told.code, told.field("MSH", 8)) == ("AA", "ACK^E01^ACK")
        later = (await asyncio.wait_for(got.get(), 20)).decode("gb18030")
        fields = {line[:3]: line.split("|") for line in later.split("\r")}
        assert (fields["MSH"][8], fields["IPR"][4]) == ("EHC^E10^EHC_E10", "ADJ")
        assert fields["IPR"][6] == "116.20&CNY"
        assert fields["MSA"][2] == control_id(raw)
        await world.stop()
