"""The bounds of a peer, on the port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.inbound.hl7_limits import TokenBucket
from gateway.inbound.mllp_exchange import MLLPEvent

Make = Callable[..., bytes]
Start = Callable[..., Any]


class Clock:
    """Stands until it is turned."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 9, tzinfo=CHINA)

    def monotonic(self) -> float:
        return self.seconds


def _peer(name: str = "his", **limits: Any) -> dict[str, Any]:
    return {"name": name, "applications": [name.upper()], "limits": limits}


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    """Two at once, then one every half second; the time to wait is told exactly."""
    clock = Clock()
    bucket = TokenBucket(2.0, 2, clock)
    assert [bucket.take(), bucket.take(), bucket.take()] == [0.0, 0.0, 0.5]
    clock.seconds += 0.25
    assert bucket.take() == 0.25
    clock.seconds += 0.25
    assert bucket.take() == 0.0
    clock.seconds += 1_000.0
    assert [bucket.take(), bucket.take(), bucket.take()] == [0.0, 0.0, 0.5]


@pytest.mark.parametrize(("rate", "burst", "size"), [(5.0, 0, 5), (0.1, 0, 1), (1.0, 7, 7)])
def test_a_burst_is_a_second_unless_it_is_stated(rate: float, burst: int, size: int) -> None:
    """And never less than one message."""
    bucket = TokenBucket(rate, burst, Clock())
    taken = 0
    while not bucket.take():
        taken += 1
    assert taken == size


async def test_a_message_that_comes_too_fast_is_refused_and_may_come_again(
    start_port: Start, make_message: Make
) -> None:
    """A-018: AR, LIMIT-BUSY, and how long to wait; another peer is not concerned."""
    clock = Clock()
    port = await start_port(peers=[_peer(messages_per_second=1.0), _peer("lab")], clock=clock)
    sender = await port.connect()
    await sender.send(make_message("C1") + make_message("C2") + make_message("L1", m3="LAB"))
    assert await sender.reply() == "AA|C1"
    refused = (await sender.body()).decode()
    assert "\rMSA|AR|C2\r" in refused
    assert "|LIMIT-BUSY^" in refused
    assert "retry after 1.0 s" in refused
    assert "请在1.0秒后重发同一报文" in refused
    assert await sender.reply() == "AA|L1"
    clock.seconds += 1.0
    await sender.send(make_message("C2"))
    assert await sender.reply() == "AA|C2"


async def test_a_batch_is_not_cut_by_the_rate(start_port: Start, make_message: Make) -> None:
    """It passes whole, and what comes after it waits for its messages."""
    clock = Clock()
    port = await start_port(peers=[_peer(messages_per_second=1.0)], clock=clock)
    sender = await port.connect()
    batch = b"".join(make_message(f"B{number}")[1:-2] for number in range(3))
    await sender.send(b"\x0b" + batch + b"\x1c\r" + make_message("C1"))
    body = (await sender.body()).decode()
    assert [line for line in body.split("\r") if line.startswith("MSA")] == [
        "MSA|AA|B0",
        "MSA|AA|B1",
        "MSA|AA|B2",
    ]
    assert "retry after 3.0 s" in (await sender.body()).decode()


async def test_a_message_longer_than_its_peer_may_send_is_refused(
    start_port: Start, make_message: Make
) -> None:
    """AR with READ-LIMIT; the connection goes on."""
    message = make_message("C1")
    port = await start_port(peers=[_peer(max_message_bytes=len(message) - 3)])
    sender = await port.connect()
    await sender.send(make_message("C1", m6="X") + message)
    assert "|READ-LIMIT^" in (await sender.body()).decode()
    assert await sender.reply() == "AA|C1"


async def test_a_peer_has_no_more_connections_than_it_may(
    start_port: Start, make_message: Make
) -> None:
    """The further one is told so and closed; a free seat is taken again."""
    port = await start_port(peers=[_peer(max_connections=1), _peer("lab")])
    first, second, third = [await port.connect() for _ in range(3)]
    await first.send(make_message("C1"))
    assert await first.reply() == "AA|C1"
    await second.send(make_message("C2"))
    refused = (await second.body()).decode()
    assert "\rMSA|AR|C2\r" in refused
    assert "|LIMIT-BUSY^" in refused
    assert await second.reply() == ""
    assert port.counts[MLLPEvent.REFUSED] == 1
    await third.send(make_message("L1", m3="LAB"))
    assert await third.reply() == "AA|L1"
    first.writer.write_eof()
    assert await first.reply() == ""
    await third.send(make_message("C3"))
    assert await third.reply() == "AA|C3"


async def test_a_peer_may_have_a_shorter_patience(start_port: Start, make_message: Make) -> None:
    """Setting idle_timeout of its limits, once it has spoken."""
    port = await start_port(peers=[_peer(idle_timeout=0.1)])
    sender = await port.connect()
    await sender.send(make_message("C1"))
    assert [await sender.reply(), await sender.reply()] == ["AA|C1", ""]
    assert port.counts[MLLPEvent.IDLE_TIMEOUT] == 1
