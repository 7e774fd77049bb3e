"""The sequence number protocol, on the port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.journal.memory import Memory, MemoryJournal

Make = Callable[..., bytes]
Start = Callable[..., Any]
NUMBERED = {"sequence_numbers": True}


async def _msa(sender: Any) -> str:
    """MSA-1, MSA-2 and MSA-4 of the next reply."""
    body = (await sender.body()).decode()
    fields = body.partition("\rMSA|")[2].partition("\r")[0].split("|") + [""] * 4
    return f"{fields[0]} {fields[1]} {fields[3]}".strip()


async def test_messages_are_taken_in_order_and_the_number_is_repeated(
    start_port: Start, make_message: Make
) -> None:
    """A-025: 0 asks for the number, -1 where none is known; MSA-4 repeats what was taken."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    for control_id, number, reply in (
        ("L1", "0", "AA L1 -1"),
        ("C1", "7", "AA C1 7"),
        ("C2", "8", "AA C2 8"),
        ("L2", "0", "AA L2 9"),
    ):
        await sender.send(make_message(control_id, m13=number))
        assert await _msa(sender) == reply
    assert port.pipeline.steps == ["accept C1", "work C1", "accept C2", "work C2"]


async def test_a_number_that_is_not_expected_is_refused(
    start_port: Start, make_message: Make
) -> None:
    """A-025: AE with the expected number; nothing is done, and the right number is taken next."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    await sender.send(make_message("C1", m13="7"))
    assert await _msa(sender) == "AA C1 7"
    for control_id, number in (("C2", "9"), ("C3", "6"), ("C4", "7")):
        await sender.send(make_message(control_id, m13=number))
        body = (await sender.body()).decode()
        assert f"\rMSA|AE|{control_id}||8\r" in body
        assert "|SEQUENCE-NUMBER^" in body
    await sender.send(make_message("C5", m13="8"))
    assert await _msa(sender) == "AA C5 8"
    assert port.pipeline.steps == ["accept C1", "work C1", "accept C5", "work C5"]


async def test_a_sequence_error_is_a_ce_in_enhanced_mode(
    start_port: Start, make_message: Make
) -> None:
    """A-007: CE for a reason that is not type, version or processing id."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    for control_id, number, replies in (
        ("C1", "1", ["CA C1 1", "AA C1 1"]),
        ("C2", "3", ["CE C2 2"]),
    ):
        await sender.send(make_message(control_id, m13=number, m15="AL", m16="AL"))
        assert [await _msa(sender) for _ in replies] == replies


async def test_the_last_message_may_come_again(start_port: Start, make_message: Make) -> None:
    """Its acknowledgement was lost: it is answered from the store and uses up no number."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    for control_id, number in (("C1", "1"), ("C1", "1"), ("C2", "2")):
        await sender.send(make_message(control_id, m13=number))
        assert await _msa(sender) == f"AA {control_id} {number}"
    assert port.pipeline.steps == ["accept C1", "work C1", "accept C1", "accept C2", "work C2"]


async def test_minus_one_makes_the_link_forget(start_port: Start, make_message: Make) -> None:
    """A-025: any number may come next."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    for control_id, number, reply in (
        ("C1", "7", "AA C1 7"),
        ("L1", "-1", "AA L1 -1"),
        ("C2", "3", "AA C2 3"),
        ("C3", "4", "AA C3 4"),
    ):
        await sender.send(make_message(control_id, m13=number))
        assert await _msa(sender) == reply


async def test_the_number_survives_a_restart(start_port: Start, make_message: Make) -> None:
    """It is durable before its acknowledgement."""
    memory = Memory()
    for control_id, number, reply in (("C1", "1", "AA C1 1"), ("C3", "3", "AE C3 2")):
        port = await start_port(NUMBERED, store=MemoryJournal(memory))
        sender = await port.connect()
        await sender.send(make_message(control_id, m13=number))
        assert await _msa(sender) == reply


async def test_each_sender_has_numbers_of_its_own(start_port: Start, make_message: Make) -> None:
    """A stream is one of two applications."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    await sender.send(make_message("C1", m13="5") + make_message("L1", m3="LAB", m13="70"))
    assert [await _msa(sender), await _msa(sender)] == ["AA C1 5", "AA L1 70"]


async def test_what_may_come_again_uses_up_no_number(start_port: Start, make_message: Make) -> None:
    """A message refused with AR comes again under its number; one refused with CE or AE does not."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    for control_id, more, reply in (
        ("C1", {"m13": "1", "m9": "ORU^R01"}, "AR C1 1"),
        ("C2", {"m13": "1", "m15": "XX"}, "CE C2 1"),
        ("C3", {"m13": "2"}, "AA C3 2"),
    ):
        await sender.send(make_message(control_id, **more))
        assert await _msa(sender) == reply


@pytest.mark.parametrize("number", ["x", "-2", "1.5", "12345678901"])
async def test_what_is_no_number_is_refused(
    start_port: Start, make_message: Make, number: str
) -> None:
    """102 at MSH-13."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    await sender.send(make_message("C1", m13=number))
    body = (await sender.body()).decode()
    assert "\rMSA|AE|C1||-1\r" in body
    assert "MSH^1^13|102^" in body


async def test_without_the_setting_numbers_mean_nothing(
    start_port: Start, make_message: Make
) -> None:
    """A-024: MSA-4 is filled only where the protocol is used."""
    port = await start_port()
    sender = await port.connect()
    for control_id, number in (("C1", "9"), ("C2", "3"), ("C3", "0")):
        await sender.send(make_message(control_id, m13=number))
        assert await _msa(sender) == f"AA {control_id}"


async def test_a_message_without_a_number_is_taken(start_port: Start, make_message: Make) -> None:
    """It does not belong to the stream."""
    port = await start_port(NUMBERED)
    sender = await port.connect()
    await sender.send(
        make_message("C1", m13="1") + make_message("Q1") + make_message("C2", m13="2")
    )
    assert [await _msa(sender) for _ in range(3)] == ["AA C1 1", "AA Q1", "AA C2 2"]
