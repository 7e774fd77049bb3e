"""Messages of ours to a peer: durable, repeated until they are acknowledged, given up in the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.inbound import hl7_deliveries
from gateway.inbound.hl7_deliveries import BOOK, Deliveries, DeliveryEvent
from gateway.inbound.mllp_framing import Frame, FrameReader, frame
from gateway.journal import BookRow
from gateway.journal.memory import Memory, MemoryJournal
from gateway.settings import PeerSettings


class Clock:
    """Stands until it is turned."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 9, tzinfo=CHINA)
        self.step = timedelta()
        """By how much the time of day was set, while no second passed."""

    def now(self) -> datetime:
        return self.time + self.step

    def monotonic(self) -> float:
        return self.time.timestamp()


class Receiver:
    """A peer that acknowledges what comes with the code given, or not at all."""

    def __init__(self, code: str = "CA") -> None:
        self.code = code
        self.got: asyncio.Queue[str] = asyncio.Queue()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def next(self) -> str:
        return await asyncio.wait_for(self.got.get(), 20)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader(1_000_000)
        while data := await reader.read(65_536):
            for event in frames.receive(data):
                assert isinstance(event, Frame)
                control_id = event.content.split(b"|")[9].decode()
                self.got.put_nowait(control_id)
                if self.code:
                    text = f"MSH|^~\\&|HIS||||1||ACK|9|P|2.5\rMSA|{self.code}|{control_id}\r"
                    writer.write(frame(text.encode()))
        writer.close()


class Events:
    """Collects what became of deliveries, and waits for it."""

    def __init__(self) -> None:
        self.found: list[DeliveryEvent] = []
        self._new = asyncio.Event()

    def add(self, event: DeliveryEvent) -> None:
        self.found.append(event)
        self._new.set()

    async def until(self, event: DeliveryEvent, times: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.found.count(event) < times:
                self._new.clear()
                await self._new.wait()


Make = Callable[..., Deliveries]


def _body(control_id: str) -> bytes:
    return f"MSH|^~\\&|GW||HIS||1||ACK^A04^ACK|{control_id}|P|2.5|||AL|NE\rMSA|AA|C\r".encode()


@pytest.fixture
def clock() -> Clock:
    """The clock of the test."""
    return Clock()


@pytest.fixture
def events() -> Events:
    """What became of the deliveries."""
    return Events()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempts follow one another at once."""
    monkeypatch.setattr(hl7_deliveries, "FIRST_PAUSE", 0.01)


@pytest.fixture
async def make(clock: Clock, events: Events) -> AsyncIterator[Make]:
    """Deliveries to a peer at a port; they are stopped at the end."""
    made: list[Deliveries] = []

    def deliveries(port: int, store: Any = None, **settings: Any) -> Deliveries:
        peer = PeerSettings.model_validate(
            {
                "name": "his",
                "institutions": [],
                "hl7v2": {"reply_to": f"127.0.0.1:{port}", "delivery": settings},
            }
        )
        made.append(Deliveries([peer], clock, store=store, observe=events.add))
        return made[-1]

    yield deliveries
    for one in made:
        await one.stop()


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _states(journal: MemoryJournal) -> list[tuple[str, str, bool]]:
    return [(it.key, it.state, bool(it.data)) for it in await journal.books(BOOK)]


async def test_a_message_is_durable_until_it_is_acknowledged(make: Make, events: Events) -> None:
    """A-011: an exchange of its own; what is delivered is not kept a second time."""
    receiver, journal = Receiver(), MemoryJournal()
    one = make(await receiver.start(), journal)
    await one.put("his", _body("1"))
    assert await _states(journal) == [("his|1", "open", True)]
    await one.start()
    assert await receiver.next() == "1"
    await events.until(DeliveryEvent.DELIVERED)
    assert (await _states(journal), one.waiting) == ([("his|1", "delivered", False)], 0)
    await receiver.stop()


async def test_a_delivery_is_tried_again_until_somebody_listens(
    make: Make, events: Events, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver was not there, and comes."""
    monkeypatch.setattr(hl7_deliveries, "FIRST_PAUSE", 0.01)
    one = make(unused_port)
    await one.start()
    await one.put("his", _body("1"))
    await events.until(DeliveryEvent.FAILED)
    receiver = Receiver()
    await receiver.start(unused_port)
    assert await receiver.next() == "1"
    await events.until(DeliveryEvent.DELIVERED)
    assert set(events.found[:-1]) == {DeliveryEvent.FAILED}
    await receiver.stop()


async def test_a_gateway_that_starts_anew_goes_on(
    make: Make, events: Events, unused_port: int
) -> None:
    """What an earlier process left open is delivered by the next one; what is done is not."""
    memory = Memory()
    earlier = MemoryJournal(memory)
    one = make(unused_port, earlier)
    await one.start()
    await one.put("his", _body("1"))
    await events.until(DeliveryEvent.FAILED)
    await one.stop()
    await earlier.put_book(BookRow(BOOK, "his|0", "delivered"))
    receiver = Receiver()
    later = make(await receiver.start(), MemoryJournal(memory))
    await later.start()
    assert await receiver.next() == "1"
    await events.until(DeliveryEvent.DELIVERED)
    assert receiver.got.empty()
    await receiver.stop()


async def test_a_refused_message_is_not_repeated(make: Make, events: Events) -> None:
    """The peer has seen it and said no."""
    receiver, journal = Receiver("CE"), MemoryJournal()
    one = make(await receiver.start(), journal)
    await one.start()
    await one.put("his", _body("1"))
    await events.until(DeliveryEvent.REFUSED)
    assert await _states(journal) == [("his|1", "refused", False)]
    assert receiver.got.qsize() == 1
    await receiver.stop()


async def test_a_message_is_given_up_after_its_time(
    make: Make, events: Events, clock: Clock, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting give_up_after."""
    monkeypatch.setattr(hl7_deliveries, "FIRST_PAUSE", 0.01)
    journal = MemoryJournal()
    one = make(unused_port, journal, give_up_after=60)
    await one.start()
    await one.put("his", _body("1"))
    await events.until(DeliveryEvent.FAILED)
    clock.time += timedelta(seconds=60)
    await events.until(DeliveryEvent.LOST)
    assert (await _states(journal), one.waiting) == ([("his|1", "lost", False)], 0)


@pytest.mark.parametrize("step", [timedelta(days=1), timedelta(days=-1)])
async def test_a_message_is_given_up_after_seconds_whatever_the_clock_is_set_to(
    *, make: Make, events: Events, clock: Clock, unused_port: int, step: timedelta, fast: None
) -> None:
    """To tomorrow it is not given up at once, to yesterday it is not tried a day longer."""
    one = make(unused_port, MemoryJournal(), give_up_after=60)
    await one.start()
    await one.put("his", _body("1"))
    await events.until(DeliveryEvent.FAILED)
    clock.step = step
    await events.until(DeliveryEvent.FAILED, len(events.found) + 2)
    before = list(events.found)
    clock.time += timedelta(seconds=60)
    await events.until(DeliveryEvent.LOST)
    assert DeliveryEvent.LOST not in before


async def test_a_message_that_waits_is_not_put_twice(make: Make, unused_port: int) -> None:
    """A repeated message has the same stored answer."""
    journal = MemoryJournal()
    one = make(unused_port, journal)
    await one.start()
    for _ in range(2):
        await one.put("his", _body("1"))
    assert one.waiting == 1
    with pytest.raises(ValueError, match="MSH"):
        await one.put("his", b"no message")


async def test_a_named_message_is_put_once_for_all_times(make: Make, events: Events) -> None:
    """Under its name, also when it was delivered, and also by a gateway that starts anew."""
    receiver, journal = Receiver(), MemoryJournal()
    port = await receiver.start()
    one, other = make(port, journal), make(port, journal)
    await one.start()
    await one.put("his", _body("1"), once="remittance 7")
    await events.until(DeliveryEvent.DELIVERED)
    for again in (one, other):
        await again.put("his", _body("2"), once="remittance 7")
    await other.start()
    await other.put("his", _body("3"), once="remittance 8")
    assert [await receiver.next() for _ in range(2)] == ["1", "3"]
    assert one.waiting == 0
    assert [key for key, *_ in await _states(journal)] == ["his|remittance 7", "his|remittance 8"]
    await receiver.stop()


async def test_a_silent_receiver_gets_the_message_again(
    make: Make, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No acknowledgement in time: the same message under the same control id."""
    monkeypatch.setattr(hl7_deliveries, "FIRST_PAUSE", 0.01)
    receiver = Receiver("")
    one = make(await receiver.start(), timeout=0.1)
    await one.start()
    await one.put("his", _body("1"))
    assert [await receiver.next(), await receiver.next()] == ["1", "1"]
    assert DeliveryEvent.DELIVERED not in events.found
    await one.stop()
    await receiver.stop()
