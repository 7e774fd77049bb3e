"""Batches: cutting, counting, answering."""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.clock import CHINA
from gateway.errors import InvalidError, MessageError, ProblemCode, UnreadableError
from gateway.hl7v2 import batch
from gateway.hl7v2.acks import Identity
from gateway.hl7v2.batch import is_batch, read_batch, refuse_batch, write_batch

ONE = b"MSH|^~\\&|HIS||||||ADT^A04|C1|P|2.5\rPID|1\r"
TWO = b"MSH|^~\\&|HIS||||||DFT^P03|C2|P|2.5\rPID|1\r"
FHS = b"FHS|^~\\&|HIS|H1|GATE|FSI|20260301||||F9|F1\r"
BHS = b"BHS|^~\\&|HIS|H1|GATE|FSI|20260301||||B9|B1\r"
NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)


@pytest.mark.parametrize(
    ("raw", "messages"),
    [
        (FHS + BHS + ONE + TWO + b"BTS|2\rFTS|1\r", [[ONE, TWO]]),
        (BHS + ONE + TWO + b"BTS|2\r", [[ONE, TWO]]),
        (BHS + ONE + b"BTS|1\r" + BHS + TWO + b"BTS|1\rFTS|2", [[ONE], [TWO]]),
        (BHS + ONE + BHS.replace(b"B9", b"B8") + TWO, None),
        (FHS + ONE + TWO + b"FTS|1\r", [[ONE, TWO]]),
        (ONE + TWO, [[ONE, TWO]]),
        (ONE + b"BTS|1\r", [[ONE]]),
        (BHS + b"BTS|0\r", [[]]),
        (FHS + b"FTS|0\r", []),
        (BHS + ONE + b"BTS\r", [[ONE]]),
    ],
)
def test_every_envelope_is_optional(raw: bytes, messages: list[list[bytes]] | None) -> None:
    """B-001, B-002, B-003: each part may miss, types may mix, a batch may be empty."""
    assert is_batch(raw)
    if messages is None:
        with pytest.raises(UnreadableError):
            read_batch(raw)
    else:
        assert [it.messages for it in read_batch(raw).batches] == messages


def test_a_single_message_is_no_batch() -> None:
    """Names of envelopes within a field are data."""
    assert not is_batch(ONE)
    assert not is_batch(b"MSH|^~\\&|BHS\rNTE|1||BTS|FTS MSH\r")


@pytest.mark.parametrize(
    ("raw", "places"),
    [
        (BHS + ONE + b"BTS|2\r", ["BTS[1]-1"]),
        (FHS + BHS + ONE + b"BTS|1\rFTS|2\r", ["FTS[1]-1"]),
        (FHS + BHS + ONE + b"BTS|x\r" + BHS + b"BTS|1\rFTS|1\r",
         ["BTS[1]-1", "BTS[2]-1", "FTS[1]-1"]),
    ],
)  # fmt: skip
def test_a_wrong_count_refuses_the_whole(raw: bytes, places: list[str]) -> None:
    """B-007, B-008: BTS-1 counts messages, FTS-1 batches."""
    with pytest.raises(InvalidError) as caught:
        read_batch(raw)
    assert [it.place for it in caught.value.problems] == places
    assert {it.code for it in caught.value.problems} == {ProblemCode.NODE_COUNT}


@pytest.mark.parametrize(
    "raw",
    [
        b"PID|1\r" + ONE + TWO,
        BHS + b"PID|1\r" + ONE,
        BHS + FHS + ONE,
        FHS + FHS + ONE,
        FHS + ONE + b"FTS|1\r" + TWO,
        BHS + ONE + b"BTS|1\rPID|1\r",
        b"FHS\r" + ONE,
        b"",
    ],
)
def test_envelopes_out_of_order_are_refused(raw: bytes) -> None:
    """Nothing of such a file is worked on."""
    with pytest.raises(MessageError):
        read_batch(raw)


def test_too_many_messages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of messages is bounded."""
    monkeypatch.setattr(batch, "MAX_MESSAGES", 2)
    with pytest.raises(UnreadableError):
        read_batch(ONE * 3)


def test_marks_within_gb18030_do_not_cut() -> None:
    """H-010: the second byte of a character may be a delimiter, never the start of a segment."""
    message = ONE + "NTE|1||\u4e97\u4e5a".encode("gb18030") + b"\r"
    assert read_batch(BHS + message + b"BTS|1\r").batches[0].messages == [message]


def test_the_reply_names_the_batch_it_answers() -> None:
    """B-004: names change sides, BHS-12 is the control id of the request, the count is ours."""
    file = read_batch(FHS + BHS + ONE + TWO + b"BTS|2\rFTS|1\r")
    reply = write_batch(file, [[b"MSH|1\r", b"MSH|2\r"]], Identity("GW"), NOW).decode()
    head, inner, *rest = reply.split("\r")
    assert head.split("|")[:8] == ["FHS", "^~\\&", "GW", "FSI", "HIS", "H1", "20260301090507", ""]
    assert inner.split("|")[:6] == ["BHS", "^~\\&", "GW", "FSI", "HIS", "H1"]
    assert (head.split("|")[11], inner.split("|")[11]) == ("F9", "B9")
    assert head.split("|")[10] != inner.split("|")[10] != ""
    assert rest == ["MSH|1", "MSH|2", "BTS|2", "FTS|1", ""]


def test_the_refusal_of_a_batch_carries_its_control_id() -> None:
    """MSA-2 is BHS-11 (FHS-11 of a file), ERR-2 the count that is wrong."""
    raw = BHS + ONE + b"BTS|2\r"
    with pytest.raises(InvalidError) as caught:
        read_batch(raw)
    lines = refuse_batch(raw, caught.value.problems, Identity("GW"), NOW).decode().split("\r")
    assert lines[1].split("|")[:3] == ["MSA", "AE", "B9"]
    assert lines[2].split("|")[2] == "BTS^1^1"
    assert refuse_batch(b"\xff", caught.value.problems, Identity("GW"), NOW).startswith(b"MSH|")
