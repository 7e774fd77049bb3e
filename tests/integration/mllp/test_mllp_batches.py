"""Batches over MLLP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.inbound.mllp_exchange import MLLPEvent
from gateway.settings import PeerSettings

BHS = b"BHS|^~\\&|HIS|H43010000001|||20260301||||B9|B1\r"


def _codes(body: bytes) -> list[str]:
    lines = body.decode().split("\r")
    return ["|".join(it.split("|")[1:3]) for it in lines if it.startswith("MSA")]


async def test_each_message_of_a_batch_is_answered_in_order(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """B-004, B-009, T-037: one broken message of a hundred is AE, the others AA, in their order."""
    port = await start_port()
    sender = await port.connect()
    messages = [make_message(f"C{number}")[1:-2] for number in range(100)]
    messages[40] = make_message("C40", m12="")[1:-2]
    batch = BHS + b"".join(messages) + b"BTS|100\r"
    await sender.send(b"\x0b" + batch + b"\x1c\r")
    body = await sender.body()
    assert body.startswith(b"BHS|")
    assert body.endswith(b"BTS|100\r")
    expected = [f"{'AE' if number == 40 else 'AA'}|C{number}" for number in range(100)]
    assert _codes(body) == expected
    assert port.counts[MLLPEvent.BATCH] == 1
    assert port.counts[MLLPEvent.MESSAGE] == 100


async def test_a_repeated_batch_meets_the_stored_answers(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """A resend works on what is new only."""
    port = await start_port()
    sender = await port.connect()
    one, two = (make_message(it)[1:-2] for it in ("C1", "C2"))
    await sender.send(b"\x0b" + BHS + one + b"BTS|1\r\x1c\r")
    assert _codes(await sender.body()) == ["AA|C1"]
    await sender.send(b"\x0b" + BHS + one + two + b"BTS|2\r\x1c\r")
    assert _codes(await sender.body()) == ["AA|C1", "AA|C2"]
    assert [step for step in port.pipeline.steps if step.startswith("work")] == [
        "work C1",
        "work C2",
    ]


async def test_a_batch_with_a_wrong_count_does_nothing(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """B-008: refused before the first message is worked on."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(b"\x0b" + BHS + make_message("C1")[1:-2] + b"BTS|2\r\x1c\r")
    assert await sender.reply() == "AE|B9"
    assert port.pipeline.steps == []


async def test_messages_that_want_errors_only_leave_the_batch_empty(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """B-005: nothing went wrong, so the reply holds nothing."""
    port = await start_port()
    sender = await port.connect()
    message = make_message("C1", m15="NE", m16="ER")[1:-2]
    await sender.send(b"\x0b" + BHS + message + b"BTS|1\r\x1c\r")
    body = await sender.body()
    assert _codes(body) == []
    assert body.endswith(b"BTS|0\r")


async def test_the_batch_is_kept_with_its_messages(
    start_port: Callable[..., Any], make_message: Callable[..., bytes]
) -> None:
    """B-006: a corrected resend names the first batch in BHS-12."""
    port = await start_port()
    adapter = port.pipeline.adapter
    peer = PeerSettings(name="his", institutions=["H43010000001"])
    meta = {"batch": "B9", "batch_reference": "B1", "batch_number": "1", "remote": "127.0.0.1"}
    message = await adapter.read(make_message("C1")[1:-2], peer, meta)
    assert {key: message.context[key] for key in ("batch", "batch_reference", "batch_number")} == {
        "batch": "B9",
        "batch_reference": "B1",
        "batch_number": "1",
    }
