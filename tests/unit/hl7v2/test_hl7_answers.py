"""Results to answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import Intent, Record, Result, Settlement, Status, Verb
from gateway.settings import Settings

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK||||1001^陈医生||||||||||||V100"
QPD = "QPD|Q22^Find^HL70471|T1|@PID.3.1^430199198001010010~@PID.3.5^NNCHN"
Make = Callable[..., bytes]
Answered = Callable[..., Any]


@pytest.fixture
def answer(
    make_settings: Callable[..., Settings], make_adapter: Callable[..., HL7Adapter]
) -> Answered:
    """The lines of the answer to a message that had a result; none when no answer is due."""

    async def run(raw: bytes, result: Result, dialect: dict[str, Any] | None = None) -> list[str]:
        adapter = make_adapter(dialect)
        message = await adapter.read(raw, make_settings(dialect).peers[0], {})
        found = adapter.answer(message.kind, message.context, result)
        assert found.final is (result.status is not Status.UNKNOWN)
        assert found.outcome is result.status
        return found.body.decode(message.context["header"]["codec"]).split("\r")[:-1]

    return run


def _result(status: Status, *problems: Problem, **members: Any) -> Result:
    person = Record({"psn_no": "4301", "psn_name": "张伟示", "gend": "1", "brdy": "1980-01-01"})
    intent = Intent(verb=Verb.SETTLE, person=person)
    return Result(status=status, intent=intent, problems=list(problems), **members)


@pytest.mark.parametrize(
    ("status", "code", "local"),
    [
        (Status.DONE, "AA", ""),
        (Status.INVALID, "AE", "FIELD-VALUE"),
        (Status.REJECTED, "AE", "FSI-REJECT"),
        (Status.NOT_SENT, "AR", "FSI-NOTSENT"),
        (Status.UNKNOWN, "AE", "FSI-UNKNOWN"),
        (Status.REVERSED, "AE", "FSI-REVERSED"),
    ],
)
async def test_every_status_has_its_code_and_a_reason(
    make_raw: Make, answer: Answered, status: Status, code: str, local: str
) -> None:
    """A-017 to A-020: only NotSent is AR, an unknown outcome is AE; other than AA has an ERR."""
    lines = await answer(make_raw("ADT^A04", PID, PV1), _result(status))
    assert lines[1] == f"MSA|{code}|C1"
    assert [line.split("|")[5].split("^")[0] for line in lines[2:]] == ([local] if local else [])


async def test_an_unknown_outcome_says_do_not_repeat(make_raw: Make, answer: Answered) -> None:
    """Matrix 1.7: in the language of the counter."""
    lines = await answer(make_raw("DFT^P03", PID, PV1), _result(Status.UNKNOWN))
    assert "请勿重复" in lines[2].split("|")[8]


async def test_the_first_problem_listed_is_one_that_stops(make_raw: Make, answer: Answered) -> None:
    """Warnings stand behind errors."""
    warning = Problem(
        kind=ProblemKind.VALUE, code=ProblemCode.CURRENCY, zh="w", en="w", severity=Severity.WARNING
    )
    error = Problem(kind=ProblemKind.NOT_FOUND, code=ProblemCode.VISIT_UNKNOWN, zh="e", en="e")
    lines = await answer(make_raw("ADT^A08", PID, PV1), _result(Status.INVALID, warning, error))
    assert [line.split("|")[4] for line in lines[2:]] == ["E", "W"]


@pytest.mark.parametrize(
    ("m15", "m16", "status", "code"),
    [
        ("AL", "AL", Status.DONE, "AA"),
        ("AL", "NE", Status.DONE, ""),
        ("AL", "ER", Status.DONE, ""),
        ("AL", "ER", Status.REJECTED, "AE"),
        ("AL", "SU", Status.DONE, "AA"),
        ("AL", "SU", Status.REJECTED, ""),
        ("AL", "", Status.DONE, ""),
    ],
)
async def test_the_application_acknowledgement_follows_msh_16(
    make_raw: Make, answer: Answered, *, m15: str, m16: str, status: Status, code: str
) -> None:
    """A-003, A-010, A-013."""
    lines = await answer(make_raw("ADT^A04", PID, PV1, m15=m15, m16=m16), _result(status))
    assert (lines[1][4:6] if lines else "") == code
    if lines:
        assert lines[0].split("|")[14:16] == ["NE", "NE"]


async def test_a_peer_of_mode_single_gets_one_reply_in_any_case(
    make_raw: Make, answer: Answered
) -> None:
    """A-023."""
    raw = make_raw("ADT^A04", PID, PV1, m15="AL", m16="NE")
    assert (await answer(raw, _result(Status.DONE), {"reply_mode": "single"}))[1] == "MSA|AA|C1"


async def test_an_acknowledgement_of_its_own_connection_asks_to_be_accepted(
    make_raw: Make, answer: Answered
) -> None:
    """A-011: it is an exchange of its own."""
    dialect = {"reply_mode": "connect", "reply_to": "127.0.0.1:1"}
    lines = await answer(
        make_raw("ADT^A04", PID, PV1, m15="AL", m16="AL"), _result(Status.DONE), dialect
    )
    assert lines[0].split("|")[14:16] == ["AL", "NE"]


async def test_a_found_person_is_told_in_a_query_response(make_raw: Make, answer: Answered) -> None:
    """A-027, R-023: MSA, QAK OK, QPD as asked, PID; IN1 where the peer wants it."""
    insured = Record({"insutype": "310", "insuplc_admdvs": "430100", "psn_insu_stas": "1",
                      "psn_insu_date": "2020-01-01", "paus_insu_date": ""})  # fmt: skip
    result = _result(Status.DONE, insurances=[insured])
    raw = make_raw("QBP^Q22^QBP_Q21", QPD, "RCP|I")
    lines = await answer(raw, result, {"reply_segments": ["IN1"]})
    assert lines[0].split("|")[8] == "RSP^K22^RSP_K22"
    assert lines[1:5] == [
        "MSA|AA|C1",
        "QAK|T1|OK|Q22^Find^HL70471|1|1|0",
        QPD,
        "PID|1||4301^^^^MB||张伟示||19800101|M",
    ]
    fields = lines[5].split("|")
    assert fields[:4] == ["IN1", "1", "310", "430100^^^^XX"]
    assert (fields[12], fields[15], fields[36], fields[45], fields[49]) == (
        "20200101",
        "310",
        "4301",
        "1",
        "4301^^^^MB",
    )
    assert len(await answer(raw, result)) == 5


async def test_a_person_not_found_is_no_error_of_the_query(
    make_raw: Make, answer: Answered
) -> None:
    """R-023: QAK-2 NF agrees with AA."""
    missing = Problem(kind=ProblemKind.NOT_FOUND, code=ProblemCode.FSI_REJECT, zh="无", en="none")
    lines = await answer(make_raw("QBP^Q22", QPD, "RCP|I"), _result(Status.REJECTED, missing))
    assert lines[1:] == ["MSA|AA|C1", "QAK|T1|NF|Q22^Find^HL70471|0|0|0", QPD]


async def test_a_failed_query_has_one_err_and_its_query(make_raw: Make, answer: Answered) -> None:
    """R-021: at most one ERR; QAK and QPD are there also on failure."""
    problem = Problem(kind=ProblemKind.REQUIRED, code=ProblemCode.FIELD_REQUIRED, zh="缺", en="x")
    lines = await answer(
        make_raw("QBP^Q22", QPD, "RCP|I"), _result(Status.INVALID, problem, problem)
    )
    assert [line[:3] for line in lines] == ["MSH", "MSA", "ERR", "QAK", "QPD"]
    assert lines[3].split("|")[2] == "AE"


async def test_insurance_information_has_one_in1_a_row(make_raw: Make, answer: Answered) -> None:
    """A-028: MSA, PRD and PID as asked, IN1 for each row of insuinfo."""
    rows = [Record({"insutype": "310"}), Record({"insutype": "390"})]
    raw = make_raw("RQI^I01", "PRD|RP|Gate", PID)
    lines = await answer(raw, _result(Status.DONE, insurances=rows))
    assert lines[0].split("|")[8] == "RPI^I01^RPI_I01"
    assert lines[1:4] == ["MSA|AA|C1", "PRD|RP|Gate", PID]
    assert [line.split("|")[15] for line in lines[4:]] == ["310", "390"]


async def test_failed_insurance_information_is_a_general_acknowledgement(
    make_raw: Make, answer: Answered
) -> None:
    """R-021: RPI has no ERR, so ACK^I01 tells what is wrong."""
    lines = await answer(make_raw("RQI^I01", "PRD|RP", PID), _result(Status.REJECTED))
    assert lines[0].split("|")[8] == "ACK^I01^ACK"
    assert [line[:3] for line in lines] == ["MSH", "MSA", "ERR"]


async def test_settlements_are_told_in_z_segments_where_the_peer_wants_them(
    make_raw: Make, answer: Answered
) -> None:
    """ZMI and ZSL, field by field as documented; amounts as the platform gave them."""
    info = Record({
        "setl_id": "S1", "mdtrt_id": "M1", "setl_time": "2026-03-01 09:05:00",
        "medfee_sumamt": "117.70", "fund_pay_sumamt": "80.10", "psn_part_amt": "37.60",
        "acct_pay": "30.00", "psn_cash_pay": "7.60", "hosp_part_amt": "0.00", "balc": "970.00",
    })  # fmt: skip
    settled = Settlement(
        infno="2207", msgid="H43010000001202603010905070001", info=info,
        funds=[Record({"fund_pay_type": "310100", "fund_payamt": "80.10"})], chrg_bchno="B1",
    )  # fmt: skip
    result = _result(Status.DONE, settlements=[settled])
    result.intent.visit.set("mdtrt_id", "M1")
    result.intent.visit.set("ipt_otp_no", "V100")
    raw = make_raw("DFT^P03", PID, PV1)
    lines = await answer(raw, result, {"reply_segments": ["ZMI", "ZSL"]})
    assert lines[2:] == [
        "ZMI|M1|4301|||V100",
        "ZSL|1|S|S1|M1|B1|2026-03-01 09:05:00|117.70|80.10|37.60|30.00|7.60|0.00|970.00|||||||310100^80.10|H43010000001202603010905070001",
    ]
    assert len(await answer(raw, result)) == 2


async def test_a_computed_and_a_cancelling_settlement_are_marked(
    make_raw: Make, answer: Answered
) -> None:
    """ZSL-2: P is not paid, C cancels."""
    computed = Settlement(infno="2206", msgid="m1", info=Record({"medfee_sumamt": "1.00"}))
    undone = Settlement(infno="2208", msgid="m2", info=Record({}), cancels="S1")
    result = _result(Status.DONE, settlements=[undone], presettlement=computed)
    lines = await answer(make_raw("DFT^P03", PID, PV1), result, {"reply_segments": ["ZSL"]})
    assert [line.split("|")[2] for line in lines[2:]] == ["P", "C"]


async def test_the_reply_is_in_the_character_set_of_the_request(
    make_raw: Make, answer: Answered
) -> None:
    """H-008: and MSH-18 is repeated."""
    raw = make_raw("ADT^A04", PID, PV1, codec="gb18030", m18="GB 18030-2000")
    lines = await answer(raw, _result(Status.REJECTED))
    assert lines[0].split("|")[17] == "GB 18030-2000"
    assert lines[2].split("|")[8] == "医保平台拒绝"


async def test_the_reply_uses_the_delimiters_of_the_request(
    make_raw: Make, answer: Answered
) -> None:
    """What is echoed keeps its meaning."""
    raw = make_raw("ADT^A04^ADT_A01", PID, PV1, m3="HIS^1.2")
    for old, new in ((b"|", b"#"), (b"^", b"*"), (b"~", b"!"), (b"\\", b"@"), (b"&", b"$")):
        raw = raw.replace(old, new)
    lines = await answer(raw, _result(Status.DONE))
    assert lines[0].startswith("MSH#*!@$#FSI-GATEWAY#GW#HIS*1.2#MAIN#")
    assert lines[1] == "MSA#AA#C1"


async def test_an_accepted_query_that_fails_inside_still_has_its_form(
    make_settings: Callable[..., Settings], make_adapter: Callable[..., HL7Adapter], make_raw: Make
) -> None:
    """RSP^K22 with QAK and QPD also when there is no result to write."""
    adapter = make_adapter()
    message = await adapter.read(make_raw("QBP^Q22", QPD, "RCP|I"), make_settings().peers[0], {})
    lines = adapter.refuse(b"", {}, ValueError("x"), message.context).body.decode().split("\r")
    assert lines[0].split("|")[8] == "RSP^K22^RSP_K22"
    assert [line[:3] for line in lines[:-1]] == ["MSH", "MSA", "ERR", "QAK", "QPD"]


async def test_the_certificate_of_a_found_person_is_told_with_its_type(
    make_raw: Make, answer: Answered
) -> None:
    """PID-3 has the insurance number and the identity number."""
    result = _result(Status.DONE)
    result.intent.person.set("certno", "430199198001010010")
    result.intent.person.set("psn_cert_type", "01")
    lines = await answer(make_raw("QBP^Q22", QPD, "RCP|I"), result)
    assert lines[4].split("|")[3] == "4301^^^^MB~430199198001010010^^^^NNCHN"


async def test_an_ignored_event_is_acknowledged_under_its_own_name(
    make_raw: Make, answer: Answered
) -> None:
    """V-018: AA without a transaction, for a query too."""
    for event in ("ADT^A31", "QBP^Q22"):
        lines = await answer(
            make_raw(event, QPD), _result(Status.DONE), {"ignored_events": [event]}
        )
        assert lines[0].split("|")[8] == f"ACK^{event[4:]}^ACK"
        assert lines[1:] == ["MSA|AA|C1"]


async def test_the_reply_to_an_alias_names_the_event_that_was_sent(
    make_raw: Make, answer: Answered
) -> None:
    """A-026: the acknowledgement has the event of the message."""
    dialect = {"event_aliases": {"ADT^A16": "ADT^A03"}}
    lines = await answer(make_raw("ADT^A16", PID, PV1), _result(Status.DONE), dialect)
    assert lines[0].split("|")[8] == "ACK^A16^ACK"
