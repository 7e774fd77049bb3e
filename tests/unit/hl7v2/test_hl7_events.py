"""Events of mapping matrix 1.6, row by row: which verb each leads to, and which reply it gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidError, ProblemCode, UnsupportedError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.events import SINCE
from gateway.hl7v2.query import with_query_person
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.tokens import mask_tokens
from gateway.hl7v2.validation import validate
from gateway.intents import Intent, Record, Result, Status, Verb
from gateway.settings import Settings

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M"
EVN = "EVN||202603010901"
FT1 = "FT1|1|1|B1|20260301||CG|YP001^甲|||2|25.20|12.60"
CREDIT = "FT1|1|1|B1|20260301||CD|YP001^甲|||2|25.20|12.60"
OUT = "PV1|1|O|NK||||1001^陈||||||||||||V1"
IN = "PV1|1|I|NK||||1001^陈||||||||||||V1"
MRG = "MRG|P9^^^HIS^MR"
SCH = "SCH|A1||||||R^routine|||||||||2001^何|||||1001^陈"
RXD = "RXD|1|YP001^甲|20260301|2||||RX7"
Make = Callable[..., bytes]
Understand = Callable[..., Any]

ROWS = [
    ("ADT^A02^ADT_A02", [EVN, PID, IN], Verb.COLLECT, "ACK^A02^ACK"),
    ("ADT^A02^ADT_A02", [EVN, PID, OUT], Verb.IGNORE, "ACK^A02^ACK"),
    ("ADT^A12^ADT_A12", [EVN, PID, IN], Verb.COLLECT, "ACK^A12^ACK"),
    ("ADT^A05^ADT_A05", [EVN, PID, IN], Verb.IGNORE, "ACK^A05^ACK"),
    ("ADT^A38^ADT_A38", [EVN, PID, IN], Verb.IGNORE, "ACK^A38^ACK"),
    ("ADT^A06^ADT_A06", [EVN, PID, IN], Verb.TO_INPATIENT, "ACK^A06^ACK"),
    ("ADT^A13^ADT_A01", [EVN, PID, IN], Verb.UNDISCHARGE, "ACK^A13^ACK"),
    ("ADT^A13", [EVN, PID, OUT], Verb.IGNORE, "ACK^A13^ACK"),
    ("ADT^A28^ADT_A05", [EVN, PID], Verb.IGNORE, "ACK^A28^ACK"),
    ("ADT^A31^ADT_A05", [EVN, PID], Verb.IGNORE, "ACK^A31^ACK"),
    ("ADT^A40^ADT_A39", [EVN, PID, MRG], Verb.MERGE, "ACK^A40^ACK"),
    ("BAR^P01^BAR_P01", [EVN, PID, OUT], Verb.IGNORE, "ACK^P01^ACK"),
    ("BAR^P01^BAR_P01", [EVN, PID, IN], Verb.COLLECT, "ACK^P01^ACK"),
    ("BAR^P02^BAR_P02", [EVN, PID, OUT], Verb.REFUND, "ACK^P02^ACK"),
    ("BAR^P05^BAR_P05", [EVN, PID, IN, "DG1|1||I10^x"], Verb.UPDATE, "ACK^P05^ACK"),
    ("BAR^P06^BAR_P06", [EVN, PID, OUT], Verb.IGNORE, "ACK^P06^ACK"),
    ("BAR^P06^BAR_P06", [EVN, PID, IN], Verb.COLLECT, "ACK^P06^ACK"),
    ("DFT^P11^DFT_P11", [EVN, PID, OUT, FT1], Verb.CHARGE, "ACK^P11^ACK"),
    ("DFT^P11^DFT_P11", [EVN, PID, OUT, CREDIT], Verb.REFUND, "ACK^P11^ACK"),
    ("QBP^Q23^QBP_Q21", ["QPD|Q23^x|T1|430199198001010010^^^MPS^NNCHN", "RCP|I"],
     Verb.IDENTIFY, "RSP^K23^RSP_K23"),
    ("RQI^I02^RQI_I01", ["PRD|RP|陈^医生", PID], Verb.IDENTIFY, "RPL^I02^RPL_I02"),
    ("RQI^I03", ["PRD|RP|陈^医生", PID], Verb.IDENTIFY, "RPR^I03^RPR_I03"),
    ("QCN^J01^QCN_J01", ["QID|T1|Q22"], Verb.IGNORE, "ACK^J01^ACK"),
    ("PIN^I07", ["PRD|RP", PID, "IN1|1|310|430100"], Verb.IGNORE, "ACK^I07^ACK"),
    ("ADT^A07^ADT_A06", [EVN, PID, IN], Verb.TO_OUTPATIENT, "ACK^A07^ACK"),
    ("SIU^S12^SIU_S12", [SCH, PID, OUT], Verb.IGNORE, "ACK^S12^ACK"),
    ("SIU^S15", [SCH, PID, OUT], Verb.UNREGISTER, "ACK^S15^ACK"),
    ("SIU^S26", [SCH, PID, OUT], Verb.UNREGISTER, "ACK^S26^ACK"),
    ("RDS^O13^RDS_O13", [PID, OUT, "ORC|RE|1", RXD, "RXR|PO"], Verb.IGNORE, "RRD^O14^RRD_O14"),
]  # fmt: skip
"""Event, segments, verb and MSH-9 of the reply, one line each row of matrix 1.6."""


def _answer(adapter: HL7Adapter, message: Any, intent: Intent) -> list[str]:
    result = Result(status=Status.DONE, intent=intent)
    return adapter.answer(message.kind, message.context, result).body.decode().split("\r")


@pytest.mark.parametrize(("event", "segments", "verb", "reply"), ROWS)
async def test_a_row_of_the_matrix_has_its_verb_and_its_reply(
    make_raw: Make,
    understand: Understand,
    make_adapter: Callable[..., HL7Adapter],
    *,
    event: str,
    segments: list[str],
    verb: Verb,
    reply: str,
) -> None:
    """A-026, A-027: the reply is of the type that the choreography of the event says."""
    message, intent, problems = await understand(make_raw(event, *segments))
    assert (intent.verb, [it.code for it in problems]) == (verb, [])
    lines = _answer(make_adapter(), message, intent)
    assert lines[0].split("|")[8] == reply
    assert lines[1] == "MSA|AA|C1"


@pytest.mark.parametrize(
    ("event", "version", "structure"),
    [
        ("ADT^A05", "2.3.1", "ADT_A01"),
        ("ADT^A05", "2.4", "ADT_A05"),
        ("ADT^A31", "2.3.1", "ADT_A01"),
        ("BAR^P05", "2.3.1", "BAR_P01"),
        ("BAR^P05", "2.8", "BAR_P05"),
    ],
)
async def test_the_structure_of_an_event_is_that_of_its_version(
    make_raw: Make, understand: Understand, event: str, version: str, structure: str
) -> None:
    """V-002, V-008: tables of 2.3.1 and 2.4; another event's structure is refused with 201."""
    raw = make_raw(f"{event}^{structure}", EVN, PID, IN, m12=version)
    await understand(raw)
    with pytest.raises(UnsupportedError):
        await understand(make_raw(f"{event}^ADT_A09", EVN, PID, IN, m12=version))


@pytest.mark.parametrize("event", ["DFT^P11", "QBP^Q23", "QCN^J01"])
async def test_events_do_not_exist_before_2_4(
    make_raw: Make, understand: Understand, event: str
) -> None:
    """V-017: 200 or 201 from the version tables."""
    with pytest.raises(UnsupportedError):
        await understand(make_raw(event, EVN, PID, OUT, FT1, "QPD|x", m12="2.3.1"))


VALIDATED = [("ADT^A04", [EVN, PID, OUT]), ("DFT^P03", [EVN, PID, OUT, FT1]),
             ("QBP^Q22", ["QPD|Q22^x|T1|@PID.3.1^43~@PID.3.5^NNCHN", "RCP|I"]),
             ("RQI^I01", ["PRD|RP|陈^医生", PID])]  # fmt: skip


@pytest.mark.parametrize("version", ["2.4", "2.5", "2.6", "2.8.2"])
@pytest.mark.parametrize("status", [Status.DONE, Status.REJECTED, Status.UNKNOWN])
async def test_answers_fit_the_tables_of_their_version(
    make_raw: Make,
    make_settings: Callable[..., Settings],
    make_adapter: Callable[..., HL7Adapter],
    *,
    version: str,
    status: Status,
) -> None:
    """A-027, A-028, R-003, R-021, V-009: structure, required fields and tables of hl7apy."""
    adapter, peer = make_adapter(), make_settings().peers[0]
    rows = [(event, segments) for event, segments, _, _ in ROWS]
    for event, segments in [*rows, *VALIDATED]:
        name = event[:7]
        if version < SINCE.get(name, "2.3"):
            continue
        message = await adapter.read(make_raw(name, *segments, m12=version), peer, {})
        person = Record({"psn_no": "4301", "psn_name": "张伟示", "gend": "1"})
        result = Result(
            status=status,
            intent=Intent(verb=Verb.IGNORE, person=person),
            insurances=[Record({"insutype": "310", "insuplc_admdvs": "430100"})],
        )
        body = adapter.answer(message.kind, message.context, result).body
        document = read_document(body.decode())
        found = validate(document, document.segments[0].get(9, 3), version)
        assert [(it.place, it.en) for it in found if it.stops] == [], (event, body)


async def test_an_overlay_gives_an_ignored_event_a_verb(
    make_raw: Make, understand: Understand, tmp_path: Path
) -> None:
    """Matrix 1.6: transfer, person update and end of account are actions by profile."""
    for name, verb in (("ADT^A02", "update"), ("ADT^A31", "identify"), ("BAR^P06", "settle")):
        (tmp_path / f"{name.replace('^', '_')}.map").write_text(f"event {name}\nverb {verb}\n")
    for event, segments, verb in (
        ("ADT^A02", [EVN, PID, IN, "DG1|1||I10^x"], Verb.UPDATE),
        ("ADT^A31", [EVN, PID], Verb.IDENTIFY),
        ("BAR^P06", [EVN, PID, OUT], Verb.SETTLE),
    ):
        _, intent, problems = await understand(make_raw(event, *segments), map_overlay=tmp_path)
        assert (intent.verb, problems) == (verb, [])


async def test_an_undischarge_needs_the_patient_class(
    make_raw: Make, understand: Understand
) -> None:
    """Without PV1-2 nobody knows if there is anything to undo."""
    _, _, problems = await understand(make_raw("ADT^A13", EVN, PID, "PV1|1||NK"))
    assert [it.place for it in problems] == ["PV1[1]-2"]


async def test_a_purge_names_one_account(make_raw: Make, understand: Understand) -> None:
    """BAR_P02 repeats its group; a message about two visits would have two outcomes."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("BAR^P02", EVN, PID, OUT, PID, IN))
    assert caught.value.problems[0].code is ProblemCode.NOT_SUPPORTED


async def test_a_merge_needs_its_mrg(make_raw: Make, understand: Understand) -> None:
    """MRG-1 is the number that goes; PV1 may miss."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A40", EVN, PID))
    assert caught.value.problems[0].place == "MRG[1]"


@pytest.mark.parametrize(
    ("event", "reply"),
    [
        ("SRM^S01", "SRR^S01^SRR_S01"),
        ("ORM^O01", "ORR^O02^ORR_O02"),
        ("OML^O21", "ORL^O22^ORL_O22"),
        ("RDE^O11", "RRE^O12^RRE_O12"),
        ("ADT^A60", "ACK^A60^ACK"),
    ],
)
async def test_an_ignored_event_gets_the_reply_of_its_type(
    make_raw: Make,
    understand: Understand,
    make_adapter: Callable[..., HL7Adapter],
    event: str,
    reply: str,
) -> None:
    """A-031, V-018: on the peer's list it is accepted without transaction, else refused with 200."""
    with pytest.raises(UnsupportedError):
        await understand(make_raw(event, PID))
    dialect = {"ignored_events": [event]}
    message, intent, _ = await understand(make_raw(event, PID), dialect)
    assert intent.verb is Verb.IGNORE
    lines = _answer(make_adapter(dialect), message, intent)
    assert lines[0].split("|")[8] == reply
    assert lines[1] == "MSA|AA|C1"


async def test_the_identifiers_of_a_person_answer_q23(
    make_raw: Make, understand: Understand, make_adapter: Callable[..., HL7Adapter]
) -> None:
    """RSP^K23 carries the national number beside the one that was asked with."""
    raw = make_raw("QBP^Q23", "QPD|Q23^x|T1|430199198001010010^^^MPS^NNCHN")
    message, intent, _ = await understand(raw)
    assert intent.person.get("mdtrt_cert_no") == "430199198001010010"
    assert intent.person.place("certno") == "QPD[1]-3[1].1"
    intent.person = Record({"psn_no": "4301", "certno": "43", "psn_cert_type": "01"})
    lines = _answer(make_adapter(), message, intent)
    assert lines[2] == "QAK|T1|OK|Q23^x|1|1|0"
    assert lines[4].startswith("PID|1||4301^^^^MB~43^^^^NNCHN")


async def test_a_refused_q23_is_a_k23(
    make_raw: Make, understand: Understand, make_adapter: Callable[..., HL7Adapter]
) -> None:
    """QAK and QPD are required also on failure (matrix 1.10)."""
    message, _, _ = await understand(
        make_raw("QBP^Q23", "QPD|Q23^x|T1|430199198001010010^^^MPS^NNCHN")
    )
    error = InvalidError([])
    body = make_adapter().refuse(b"", {}, error, message.context).body.decode()
    assert body.split("|")[8] == "RSP^K23^RSP_K23"
    assert "\rQAK|T1|AE|Q23^x|0|0|0\r" in body


async def test_inquiries_show_lines_or_the_person(
    make_raw: Make, understand: Understand, make_adapter: Callable[..., HL7Adapter]
) -> None:
    """A-028: I02 gives one line to show an insurance, I03 the person; a failure is a plain ACK."""
    shown = {"RQI^I02": "DSP|1||张伟示 4301 310 430100", "RQI^I03": "PID|1||4301^^^^MB||张伟示"}
    for event, line in shown.items():
        message, intent, _ = await understand(make_raw(event, "PRD|RP|陈^医生", PID))
        intent.person = Record({"psn_no": "4301", "psn_name": "张伟示"})
        row = Record({"insutype": "310", "insuplc_admdvs": "430100"})
        result = Result(status=Status.DONE, intent=intent, insurances=[row])
        answer = make_adapter().answer(message.kind, message.context, result).body.decode()
        assert answer.split("\r")[2:4] == ["PRD|RP|陈^医生", line]
        failed = Result(status=Status.REJECTED, intent=intent)
        refused = make_adapter().answer(message.kind, message.context, failed).body.decode()
        assert refused.split("|")[8] == f"ACK^{event[-3:]}^ACK"


def test_a_token_in_a_query_by_identifier_is_masked() -> None:
    """F-033: QPD-3 of Q23 is an identifier as PID-3 is."""
    text = "MSH|^~\\&|\rQPD|Q23|T1|SECRET^^^MPS^ECTOKEN~7^^^H^MR\r"
    assert "SECRET" not in mask_tokens(text, {"ECTOKEN"})
    assert "7^^^H^MR" in mask_tokens(text, {"ECTOKEN"})


def test_a_query_without_types_states_no_person() -> None:
    """A bare number is nobody's."""
    document = read_document("MSH|^~\\&|\rQPD|Q23|T1|7\r")
    assert with_query_person(document).first("PID") is None
