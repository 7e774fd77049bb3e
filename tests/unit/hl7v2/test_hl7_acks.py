"""Acknowledgement codes, MSH, MSA and ERR in the form of each version."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest

from gateway.clock import CHINA
from gateway.errors import (
    DuplicateError,
    InvalidError,
    JournalError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    Severity,
    UnreadableError,
    UnsupportedError,
)
from gateway.hl7v2 import acks
from gateway.hl7v2.acks import Identity
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.header import Header
from gateway.hl7v2.reader import read_document

NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)
HEADER = Header(
    sending_application="HIS^1.2^ISO",
    sending_facility="MAIN",
    receiving_application="GATE",
    receiving_facility="FSI",
    type="ADT",
    event="A04",
    control_id="C1",
    processing_id="P",
    processing="P",
    version="2.5.1",
    charset="UNICODE UTF-8",
    codec="utf-8",
)
MISSING = Problem(
    kind=ProblemKind.REQUIRED,
    code=ProblemCode.FIELD_REQUIRED,
    zh="缺少姓名",
    en="the name is missing",
    place="PID[1]-5[2].1",
    field="psn_name",
)
REJECTED = Problem(
    kind=ProblemKind.BUSINESS,
    code=ProblemCode.FSI_REJECT,
    zh="余额|不足",
    en="refused by the platform",
    detail="infno 2207",
)


def _lines(header: Header, code: str, problems: list[Problem]) -> list[str]:
    body = acks.acknowledgement(header, code, problems, Identity("GW", "F"), NOW)
    assert body.endswith(b"\r")
    return body.decode(header.codec).split("\r")[:-1]


def _with(**changes: Any) -> Header:
    return msgspec.structs.replace(HEADER, **changes)


def test_names_change_sides_and_the_rest_of_the_header_is_repeated() -> None:
    """V-009, V-012 to V-015, H-008: our names, the sender's names, new time and id."""
    head = _lines(HEADER, "AA", [])[0].split("|")
    assert head[2:6] == ["GW", "F", "HIS^1.2^ISO", "MAIN"]
    assert head[6] == "20260301090507"
    assert head[8] == "ACK^A04^ACK"
    assert head[9] not in {"", "C1"}
    assert len(head[9]) <= 20
    assert head[10:12] == ["P", "2.5.1"]
    assert head[14:16] == ["", ""]
    assert head[17] == "UNICODE UTF-8"


def test_the_message_structure_is_named_from_2_3_1() -> None:
    """V-001: 2.3 has two components in MSH-9."""
    assert _lines(_with(version="2.3"), "AA", [])[0].split("|")[8] == "ACK^A04"
    assert _lines(_with(version="2.3.1"), "AA", [])[0].split("|")[8] == "ACK^A04^ACK"


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4"])
def test_before_2_5_one_err_repeats_its_first_field(version: str) -> None:
    """R-001, R-002, R-019: segment, sequence, field and code; the text is in MSA-3."""
    lines = _lines(_with(version=version), "AE", [MISSING, REJECTED])
    assert lines[1:] == [
        "MSA|AE|C1|缺少姓名",
        "ERR|PID^1^5^101&Required field missing&HL70357~^^^207&Application internal error&HL70357",
    ]


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2"])
def test_from_2_5_every_problem_has_its_segment(version: str) -> None:
    """R-003 to R-010, R-018, R-020: no ERR-1, no MSA-3, delimiters in texts escaped."""
    lines = _lines(_with(version=version), "AE", [MISSING, REJECTED])
    assert lines[1:] == [
        "MSA|AE|C1",
        "ERR||PID^1^5^2^1|101^Required field missing^HL70357|E|FIELD-REQUIRED^the name is missing^L||psn_name|缺少姓名",
        "ERR|||207^Application internal error^HL70357|E|FSI-REJECT^refused by the platform^L||infno 2207|余额\\F\\不足",
    ]


def test_a_value_too_long_has_its_code_from_2_7_only() -> None:
    """R-015: 104, before 2.7 it is 102."""
    problem = Problem(kind=ProblemKind.LENGTH, code=ProblemCode.FIELD_LENGTH, zh="过长", en="long")
    assert acks.table_0357(_with(version="2.6"), problem)[0] == "102"
    assert acks.table_0357(_with(version="2.7"), problem)[0] == "104"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ProblemKind.STRUCTURE, "100"),
        (ProblemKind.REQUIRED, "101"),
        (ProblemKind.TYPE, "102"),
        (ProblemKind.VALUE, "103"),
        (ProblemKind.UNSUPPORTED_TYPE, "200"),
        (ProblemKind.UNSUPPORTED_EVENT, "201"),
        (ProblemKind.UNSUPPORTED_PROCESSING, "202"),
        (ProblemKind.UNSUPPORTED_VERSION, "203"),
        (ProblemKind.NOT_FOUND, "204"),
        (ProblemKind.DUPLICATE, "205"),
        (ProblemKind.LOCKED, "206"),
        (ProblemKind.INTERNAL, "207"),
        (ProblemKind.UNKNOWN, "207"),
        (ProblemKind.NOT_SENT, "207"),
    ],
)
def test_kinds_have_their_codes_of_table_0357(kind: ProblemKind, code: str) -> None:
    """R-007, R-011 to R-016."""
    problem = Problem(kind=kind, code=ProblemCode.INTERNAL, zh="", en="")
    assert acks.table_0357(HEADER, problem)[0] == code


@pytest.mark.parametrize("kind", list(ProblemKind))
@pytest.mark.parametrize("severity", list(Severity))
def test_message_accepted_is_the_code_of_information_alone(
    kind: ProblemKind, severity: Severity
) -> None:
    """R-009: ERR-3 0 and ERR-4 I come together, whatever the problem is about."""
    problem = msgspec.structs.replace(MISSING, kind=kind, severity=severity)
    fields = _lines(HEADER, "AA", [problem])[2].split("|")
    assert (fields[3].partition("^")[0] == "0") is (fields[4] == "I")
    assert (fields[4] == "I") is (severity is Severity.INFORMATION)


def test_the_place_goes_down_to_the_subcomponent() -> None:
    """R-006: each of the six parts of ERR-2 as far as it is known, and none that is not."""
    for place, told in (
        ("PID[1]-3[2].4.2", "PID^1^3^2^4^2"),
        ("PID[1]-3[2].4", "PID^1^3^2^4"),
        ("FT1[12]-7", "FT1^12^7"),
        ("PV1[1]", "PV1^1"),
        ("", ""),
    ):
        problem = msgspec.structs.replace(MISSING, place=place)
        assert _lines(HEADER, "AE", [problem])[2].split("|")[2] == told


def test_two_hundred_characters_of_the_platform_arrive_whole() -> None:
    """R-020: err_msg has at most 200 characters; all of them stand in ERR-8, delimiters escaped."""
    words = "基金|未^开放&" * 25
    assert len(words) == 200
    problem = msgspec.structs.replace(REJECTED, zh=words)
    raw = acks.acknowledgement(HEADER, "AE", [problem], Identity("GW", "F"), NOW).decode()
    assert read_document(raw).all("ERR")[0].get(8) == words


def test_a_warning_is_told_with_its_severity() -> None:
    """R-008: W in ERR-4; before 2.5 there is no severity, and no warning."""
    warning = msgspec.structs.replace(MISSING, severity=Severity.WARNING)
    assert _lines(HEADER, "AA", [warning])[2].split("|")[4] == "W"
    assert len(_lines(_with(version="2.4"), "AA", [warning])) == 2


def test_a_reply_in_ascii_speaks_english() -> None:
    """A character set without Chinese characters gets the English text, not question marks."""
    lines = _lines(_with(codec="ascii", charset=""), "AE", [MISSING])
    assert lines[2].split("|")[8] == "the name is missing"


def test_the_number_of_problems_in_a_reply_is_bounded() -> None:
    """A message with thousands of faults gets a readable reply."""
    assert len(_lines(HEADER, "AE", [MISSING] * 500)) == 2 + acks.MAX_ERRORS


def test_control_characters_of_the_request_do_not_come_back() -> None:
    """A control id cannot end our frame or begin another segment."""
    body = acks.acknowledgement(
        _with(control_id="C1\x1c", sending_facility="a\nb"), "AE", [], Identity("GW"), NOW
    )
    assert b"\x1c" not in body
    assert b"\n" not in body


@pytest.mark.parametrize(
    ("error", "started", "code"),
    [
        (UnsupportedError([MISSING]), False, "AR"),
        (InvalidError([MISSING]), False, "AE"),
        (InvalidError([MISSING]), True, "AE"),
        (UnreadableError([MISSING]), False, "AE"),
        (DuplicateError([MISSING]), False, "AE"),
        (NotSentError("busy"), True, "AR"),
        (JournalError("full"), False, "AR"),
        (JournalError("full"), True, "AE"),
        (ValueError("x"), True, "AE"),
    ],
)
def test_ar_is_only_for_what_may_be_repeated(error: Exception, *, started: bool, code: str) -> None:
    """A-016 to A-018, A-020: after the work began an internal error is AE, never AR."""
    assert acks.code_of_error(error, started=started) == code


@pytest.mark.parametrize(
    ("condition", "success", "due"),
    [
        ("AL", True, True),
        ("AL", False, True),
        ("NE", True, False),
        ("NE", False, False),
        ("ER", True, False),
        ("ER", False, True),
        ("SU", True, True),
        ("SU", False, False),
        ("", True, False),
        ("", False, False),
    ],
)
def test_table_0155_says_when_an_acknowledgement_is_due(
    condition: str, *, success: bool, due: bool
) -> None:
    """A-003, A-008 to A-010: blank in enhanced mode counts as never."""
    assert acks.wanted(condition, success=success) is due


@pytest.mark.parametrize(
    ("m15", "m16", "expected"),
    [
        ("", "", "AE"),
        ("AL", "AL", "CE"),
        ("ER", "NE", "CE"),
        ("SU", "AL", "AE"),
        ("NE", "AL", "AE"),
        ("NE", "NE", ""),
        ("NE", "SU", ""),
        ("YES", "", "CE"),
        ("", "YES", "AE"),
    ],
)
def test_a_refusal_before_acceptance_follows_the_mode(
    make_adapter: Callable[..., HL7Adapter],
    make_raw: Callable[..., bytes],
    m15: str,
    m16: str,
    expected: str,
) -> None:
    """A-004, A-007 to A-010: CE in enhanced mode, AE where only the application may speak."""
    raw = make_raw("ADT^A04", m15=m15, m16=m16)
    body = make_adapter().refuse(raw, {"peer": "his"}, InvalidError([MISSING])).body
    assert body.decode().partition("\rMSA|")[2][:2] == expected


def test_an_unsupported_message_is_refused_with_cr_in_enhanced_mode(
    make_adapter: Callable[..., HL7Adapter], make_raw: Callable[..., bytes]
) -> None:
    """A-006: and MSH-15 and MSH-16 of the accept acknowledgement are empty (A-012)."""
    raw = make_raw("ADT^A04", m15="AL", m16="AL")
    lines = make_adapter().refuse(raw, {}, UnsupportedError([MISSING])).body.decode().split("\r")
    assert lines[1] == "MSA|CR|C1"
    assert lines[0].split("|")[14:16] == ["", ""]


def test_after_acceptance_a_refusal_is_the_application_acknowledgement(
    make_adapter: Callable[..., HL7Adapter],
) -> None:
    """CA is out, so what remains is AE; the application acknowledgement asks for nothing (A-013)."""
    adapter = make_adapter()
    context = {
        "peer": "his",
        "header": msgspec.to_builtins(_with(accept_ack="AL", application_ack="AL")),
    }
    lines = adapter.refuse(b"", {}, ValueError("secret"), context).body.decode().split("\r")
    assert lines[1] == "MSA|AE|C1"
    assert lines[0].split("|")[14:16] == ["NE", "NE"]
    assert "secret" not in lines[2]


@pytest.mark.parametrize("raw", [b"", b"garbage", b"MSH", b"\xff\xfe\x00", b"PID|1\r"])
def test_bytes_without_a_header_get_a_bare_ar(
    make_adapter: Callable[..., HL7Adapter], raw: bytes
) -> None:
    """There is no control id to repeat; the sender still learns that it was refused."""
    body = make_adapter().refuse(raw, {}, UnreadableError([MISSING])).body
    assert body.startswith(b"MSH|^~\\&|FSI-GATEWAY|GW|")
    assert b"\rMSA|AR\r" in body


def test_an_acknowledgement_is_never_acknowledged(
    make_adapter: Callable[..., HL7Adapter], make_raw: Callable[..., bytes]
) -> None:
    """A-015."""
    raw = make_raw("ACK^A04^ACK", "MSA|AA|X")
    assert make_adapter().refuse(raw, {}, InvalidError([MISSING])).body == b""


def test_ca_is_written_only_where_it_is_asked_for(make_adapter: Callable[..., HL7Adapter]) -> None:
    """A-004, A-008, A-009, A-023: AL and SU in enhanced mode, not to a peer of mode `single`."""
    enhanced = {
        "peer": "his",
        "header": msgspec.to_builtins(_with(accept_ack="AL", application_ack="AL")),
    }
    original = {"peer": "his", "header": msgspec.to_builtins(HEADER)}
    never = {
        "peer": "his",
        "header": msgspec.to_builtins(_with(accept_ack="ER", application_ack="AL")),
    }
    adapter = make_adapter()
    assert b"\rMSA|CA|C1\r" in adapter.accept_answer(enhanced)
    assert adapter.accept_answer(original) == b""
    assert adapter.accept_answer(never) == b""
    assert make_adapter({"reply_mode": "single"}).accept_answer(enhanced) == b""
