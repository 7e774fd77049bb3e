"""Messages in several fragments, on the port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.hl7v2.continuation import Fragment, fragment_of, join
from gateway.hl7v2.header import Header, lenient_header
from gateway.hl7v2.reader import read_document
from gateway.inbound import hl7_fragments
from gateway.inbound.hl7_fragments import BOOK
from gateway.inbound.mllp_framing import frame
from gateway.journal.memory import Memory, MemoryJournal
from tests.clocks import HandClock

Start = Callable[..., Any]
MSH = "MSH|^~\\&|HIS|H43010000001|||20260301090000||ADT^A04|{id}|P|2.5.1||{before}|{m15}|{m16}||UNICODE UTF-8\r"


def _part(
    control_id: str, body: str, before: str = "", after: str = "", *, mode: str = ""
) -> bytes:
    head = MSH.format(id=control_id, before=before, m15=mode, m16=mode)
    return (head + body + (f"DSC|{after}|F\r" if after else "")).encode()


FIRST = _part("F1", "PID|1||7^^^^MR||张^\rADD\r", after="P1")
SECOND = _part("F2", "ADD|三\r", before="P1", after="P2")
LAST = _part("F3", "PV1|1|O\r", before="P2")


def _header(raw: bytes) -> Header:
    header = lenient_header(raw)
    assert header is not None
    return header


def test_the_place_in_a_chain_is_read_from_both_ends() -> None:
    """MSH-14 and DSC-1; DSC of a query, and a message without either, are no fragments."""
    found = [fragment_of(raw, _header(raw)) for raw in (FIRST, SECOND, LAST)]
    assert found == [Fragment("", "P1"), Fragment("P1", "P2"), Fragment("P2", "")]
    whole = _part("C1", "PID|1\r")
    assert fragment_of(whole, _header(whole)) is None
    query = whole + b"DSC|NEXT|I\r"
    assert fragment_of(query, _header(query)) is None


def test_fragments_make_the_message_that_was_cut() -> None:
    """B-010, E-019: the header of the first, no DSC, and the cut segment in one piece."""
    text = join([FIRST, SECOND, LAST]).decode()
    segments = [it.text for it in read_document(text).segments]
    assert segments[1:] == ["PID|1||7^^^^MR||张^三", "PV1|1|O"]
    assert segments[0] == FIRST.decode().split("\r")[0]


async def test_fragments_are_joined_and_answered_once(start_port: Start) -> None:
    """B-010: each fragment is acknowledged, the message as a whole under the first control id."""
    port = await start_port()
    sender = await port.connect()
    for raw, reply in ((FIRST, "AA|F1"), (SECOND, "AA|F2"), (LAST, "AA|F1")):
        await sender.send(frame(raw))
        assert await sender.reply() == reply
    assert port.pipeline.steps == ["accept F1", "work F1"]


async def test_in_enhanced_mode_each_fragment_is_accepted(start_port: Start) -> None:
    """CA with the fragment's own control id; the application acknowledgement names the first."""
    port = await start_port()
    sender = await port.connect()
    await sender.send(frame(_part("F1", "PID|1||7^^^^MR||张\r", after="P1", mode="AL")))
    assert await sender.reply() == "CA|F1"
    await sender.send(frame(_part("F2", "PV1|1|O\r", before="P1", mode="AL")))
    assert [await sender.reply(), await sender.reply()] == ["CA|F2", "AA|F1"]


async def test_fragments_survive_a_restart(start_port: Start) -> None:
    """What was acknowledged is durable: the rest may come to the next process."""
    memory = Memory()
    for raw, reply in ((FIRST, "AA|F1"), (SECOND, "AA|F2"), (LAST, "AA|F1")):
        port = await start_port(store=MemoryJournal(memory))
        sender = await port.connect()
        await sender.send(frame(raw))
        assert await sender.reply() == reply


async def test_a_repeated_fragment_meets_what_it_met(start_port: Start) -> None:
    """Its acknowledgement was lost: nothing is joined twice, and nothing done twice."""
    port = await start_port()
    sender = await port.connect()
    for raw in (FIRST, FIRST, SECOND, LAST, LAST):
        await sender.send(frame(raw))
    replies = [await sender.reply() for _ in range(5)]
    assert replies == ["AA|F1", "AA|F1", "AA|F2", "AA|F1", "AA|F1"]
    assert port.pipeline.steps == ["accept F1", "work F1", "accept F1"]


@pytest.mark.parametrize(
    ("raws", "codes"),
    [
        ([SECOND], ["|NOT-FOUND^"]),
        ([FIRST, _part("F9", "PID|2\r", after="P1")], ["AA|F1", "|DUPLICATE-KEY^"]),
        (
            [FIRST, SECOND.replace(b"UNICODE UTF-8", b"UNICODE"), LAST],
            ["AA|F1", "AA|F2", "|READ-SYNTAX^"],
        ),
    ],
    ids=["no first", "pointer in use", "other charset"],
)
async def test_fragments_that_do_not_fit_are_refused(
    start_port: Start, raws: list[bytes], codes: list[str]
) -> None:
    """AE with the reason and MSH-14; nothing reaches the pipeline."""
    port = await start_port()
    sender = await port.connect()
    for raw, code in zip(raws, codes, strict=True):
        await sender.send(frame(raw))
        body = (await sender.body()).decode()
        assert (code if "^" in code else f"MSA|{code}") in body
    assert port.pipeline.steps == []


async def test_fragments_are_forgotten_after_their_time(start_port: Start) -> None:
    """Setting continuation_timeout; what was kept is emptied, and the message starts anew."""
    clock, journal = HandClock(datetime(2026, 3, 1, 9, tzinfo=CHINA)), MemoryJournal()
    port = await start_port({"continuation_timeout": 60}, clock=clock, store=journal)
    sender = await port.connect()
    await sender.send(frame(FIRST))
    assert await sender.reply() == "AA|F1"
    clock.time += timedelta(seconds=60)
    await sender.send(frame(SECOND))
    assert "|NOT-FOUND^" in (await sender.body()).decode()
    assert [(it.state, it.data) for it in await journal.books(BOOK)] == [("forgotten", b"")]
    for raw, reply in ((FIRST, "AA|F1"), (SECOND, "AA|F2"), (LAST, "AA|F1")):
        await sender.send(frame(raw))
        assert await sender.reply() == reply


async def test_a_token_in_a_fragment_is_never_stored(start_port: Start) -> None:
    """It is joined while the process lives; after a restart the sender has to begin anew."""
    memory = Memory()
    first = _part("F1", "PID|1||TOK123^^^^ECTOKEN||张\r", after="P1")
    last = _part("F2", "PV1|1|O\r", before="P1")
    journal = MemoryJournal(memory)
    port = await start_port(store=journal)
    sender = await port.connect()
    await sender.send(frame(first))
    assert await sender.reply() == "AA|F1"
    assert b"TOK123" not in memory.connection.serialize()
    other = await start_port(store=MemoryJournal(memory))
    later = await other.connect()
    await later.send(frame(last))
    assert "|TOKEN-GONE^" in (await later.body()).decode()
    await sender.send(frame(last))
    assert await sender.reply() == "AA|F1"


async def test_a_joined_message_has_a_limit(
    start_port: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fragments of a message, and fragments that wait at a time."""
    monkeypatch.setattr(hl7_fragments, "MAX_FRAGMENTS", 1)
    monkeypatch.setattr(hl7_fragments, "MAX_OPEN", 2)
    port = await start_port()
    sender = await port.connect()
    await sender.send(frame(FIRST) + frame(SECOND))
    assert await sender.reply() == "AA|F1"
    assert "|READ-LIMIT^" in (await sender.body()).decode()
    await sender.send(frame(_part("G1", "", after="G")) + frame(_part("H1", "", after="H")))
    assert await sender.reply() == "AA|G1"
    assert "|LIMIT-BUSY^" in (await sender.body()).decode()
