"""Invoices of chapter 16: what they settle, EHC^E10 and E24, and what undoes them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import ConfigurationError, InvalidError, ProblemCode, ProblemKind
from gateway.intents import Record, Result, Settlement, Status, Verb
from tests.unit.hl7v2.invoicing import (
    IN1,
    INVOICE,
    LINE_1,
    LINE_2,
    PID,
    PSG,
    PSS,
    PV1,
    PYE,
    SETTLED,
    Make,
    ivc,
    kept_invoice,
    lines_of,
    settled,
)


async def test_an_invoice_is_a_settlement_of_its_lines(make_raw: Make, desk: Any) -> None:
    """Matrix 1.8: IVC-8 the total, PSG-1 the batch, PSL-16 the amount, PSL-12 and PSL-13."""
    _, intent, problems = await desk().understand(make_raw("EHC^E01", *INVOICE, m12="2.6"))
    assert (intent.verb, problems, intent.own_charges_only) == (Verb.SETTLE, [], True)
    assert intent.settlement.get("medfee_sumamt") == "252.60"
    assert intent.visit.get("ipt_otp_no") == "V1"
    rows = [
        [row.get(code) for code in ("feedetl_sn", "chrg_bchno", "medins_list_codg", "cnt", "pric")]
        for row in intent.charges
    ]
    assert rows == [["11", "B1", "CT001", "1", "240.00"], ["12", "B1", "YP001", "1", "12.60"]]
    assert [row.get("det_item_fee_sumamt") for row in intent.charges] == ["240.00", "12.60"]
    source = intent.charges[1].sources["det_item_fee_sumamt"]
    assert (source.place, source.rule) == ("PSL[2]-16[1].1", "hl7v2/common/invoice.map:15")
    assert intent.charges[1].place("chrg_bchno") == "PSG[1]-1[1].1"


async def test_lines_belong_to_the_group_they_stand_in(make_raw: Make, desk: Any) -> None:
    """PSG-1 of each line is that of the last PSG before it."""
    groups = ["PSG|B1||1|N|240.00&CNY|a", PID, PV1, IN1, LINE_1, "PSG|B2||2|N|12.60&CNY|b", LINE_2]
    raw = make_raw("EHC^E01", ivc(), PYE, PSS, *groups, m12="2.6")
    _, intent, problems = await desk().understand(raw)
    assert problems == []
    assert [row.get("chrg_bchno") for row in intent.charges] == ["B1", "B2"]


@pytest.mark.parametrize("version", ["2.6", "2.7", "2.8.2"])
async def test_a_settled_invoice_is_adjudicated(
    make_raw: Make, desk: Any, conforms: Any, version: str
) -> None:
    """A-032, A-033, F-031, F-032: E10 carries MSA, IPR, PYE, IN1, IVC, PSS, PSG, PSL and ADJ.

    IPR-4 ADJ, IPR-6 what the funds pay, IVC-2 the setl_id, the ratio in ADJ-6 (F-015).
    """
    at = desk()
    message, intent, _ = await at.understand(make_raw("EHC^E01", *INVOICE, m12=version))
    body = at.answer(message, settled(intent)).body
    conforms(body)
    assert lines_of(body, "MSH")[0][8] == "EHC^E10^EHC_E10"
    assert lines_of(body, "MSA") == [["MSA", "AA", "C1"]]
    (ipr,) = lines_of(body, "IPR")
    assert (ipr[2], ipr[3], ipr[4], ipr[6]) == ("H1", "R1", "ADJ", "126.00&CNY")
    assert lines_of(body, "IVC")[0][1:3] == ["INV1", "S77"]
    assert [row[1] for row in lines_of(body, "PSL")] == ["11", "12"]
    names = [line[:3] for line in body.decode().split("\r") if line]
    assert names == [
        *("MSH", "MSA", "IPR", "PYE", "IN1", "IVC", "PSS", "PSG"),
        *("PSL", *["ADJ"] * 2, "PSL", *["ADJ"] * 10),
    ]
    told = {row[7].partition("^")[0]: (row[4], row[5], row[6]) for row in lines_of(body, "ADJ")}
    assert told["psn_cash_pay"] == ("EA", "26.60&CNY", "")
    assert told["balc"] == ("IN", "900.00&CNY", "")
    assert told["pool_prop_selfpay"] == ("IN", "", "0.7")
    numbers = [(row[1], row[2]) for row in lines_of(body, "ADJ")]
    assert numbers[:3] == [("11.1", "S77.1"), ("11.2", "S77.2"), ("12.3", "S77.3")]


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (Status.REJECTED, "AE", "REJECT"),
        (Status.UNKNOWN, "AE", "PEND"),
        (Status.NOT_SENT, "AR", "REJECT"),
        (Status.INVALID, "AE", "REJECT"),
    ],
)
@pytest.mark.parametrize("version", ["2.6", "2.8.2"])
async def test_an_invoice_that_is_not_settled_has_its_whole_group(
    *, make_raw: Make, desk: Any, conforms: Any, status: Status, code: str, word: str, version: str
) -> None:
    """F-032: PYE, IN1 and IVC are required also on rejection; an unknown outcome is PEND."""
    at = desk()
    message, intent, _ = await at.understand(make_raw("EHC^E01", *INVOICE, m12=version))
    body = at.answer(message, settled(intent, status)).body
    conforms(body)
    assert (lines_of(body, "MSA")[0][1], lines_of(body, "IPR")[0][4]) == (code, word)
    assert len(lines_of(body, "ERR")) == 1
    for name in ("PYE", "IN1", "IVC", "PSS", "PSG", "PSL"):
        assert lines_of(body, name)
    assert lines_of(body, "ADJ") == []


async def test_an_invoice_without_payee_and_insurance_is_answered_all_the_same(
    make_raw: Make, desk: Any, conforms: Any
) -> None:
    """F-032: PYE is optional in E01 and required in E10; it is made, as IN1 is."""
    at = desk()
    segments = [ivc(), PSS, PSG, PID, PV1, LINE_1, LINE_2]
    message, intent, _ = await at.understand(make_raw("EHC^E01", *segments, m12="2.6"))
    body = at.answer(message, settled(intent)).body
    conforms(body)
    assert lines_of(body, "PYE") == [["PYE", "1", "ORG"]]
    assert lines_of(body, "IN1") == [["IN1", "1", "FSI", "430100^^^^XX"]]


async def test_a_predetermination_settles_nothing(make_raw: Make, desk: Any) -> None:
    """IVC-4 PD: presettle; IPR-4 PRED, and no setl_id in IVC-2."""
    at = desk()
    segments = [ivc("PD"), *INVOICE[1:]]
    message, intent, _ = await at.understand(make_raw("EHC^E01", *segments, m12="2.6"))
    assert intent.verb is Verb.PRESETTLE
    body = at.answer(message, settled(intent)).body
    assert lines_of(body, "IPR")[0][4] == "PRED"
    assert lines_of(body, "IVC")[0][2] == ""


@pytest.mark.parametrize("control", ["OA", "SA", "AI", "PA", "AA", "EA", "RC", "RA", ""])
async def test_other_invoice_controls_are_rejected(make_raw: Make, desk: Any, control: str) -> None:
    """Matrix 1.8: only OR and PD; the answer is an E10 with IPR-4 REJECT."""
    at = desk()
    raw = make_raw("EHC^E01", ivc(control), *INVOICE[1:], m12="2.6")
    with pytest.raises(InvalidError) as caught:
        await at.understand(raw)
    assert [it.place for it in caught.value.problems] == ["IVC[1]-4"]


async def test_the_amount_of_a_group_is_the_sum_of_its_lines(make_raw: Make, desk: Any) -> None:
    """F-029: 240.00 + 12.60 are not 252.61; nothing is sent, and the code is 207."""
    group = "PSG|B1||1|N|252.61&CNY|检查"
    segments = [ivc(), PYE, PSS, group, PID, PV1, IN1, LINE_1, LINE_2]
    with pytest.raises(InvalidError) as caught:
        await desk().understand(make_raw("EHC^E01", *segments, m12="2.6"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.kind) == (ProblemCode.AMOUNT_MISMATCH, ProblemKind.BUSINESS)
    assert problem.place == "PSG[1]-5"


async def test_a_group_is_one_patients_or_one_line(make_raw: Make, desk: Any) -> None:
    """Chapter 16: a group may not hold several patients and several lines."""
    other = PID.replace("张", "李")
    segments = [ivc(), PYE, PSS, PSG, PID, IN1, other, IN1, LINE_1, LINE_2]
    with pytest.raises(InvalidError) as caught:
        await desk().understand(make_raw("EHC^E01", *segments, m12="2.6"))
    assert [it.place for it in caught.value.problems] == ["PID[2]"]


async def test_an_invoice_is_cancelled_by_its_number(make_raw: Make, desk: Any) -> None:
    """F-028: E02 with CN finds visit and settlement of its E01, and is answered by ACK^E02."""
    at = desk()
    await kept_invoice(at, make_raw)
    raw = make_raw("EHC^E02", ivc("CN", payer="S77"), PYE, "NTE|1||开错", m12="2.6", m10="C2")
    message, intent, problems = await at.understand(raw)
    assert (intent.verb, problems) == (Verb.CANCEL, [])
    assert intent.visit.get("ipt_otp_no") == "V1"
    assert intent.settlement.get("setl_id") == "S77"
    body = at.answer(message, Result(status=Status.DONE, intent=intent)).body
    assert lines_of(body, "MSH")[0][8] == "ACK^E02^ACK"
    with pytest.raises(InvalidError) as caught:
        await at.understand(raw)
    assert [it.code for it in caught.value.problems] == [ProblemCode.SETTLEMENT_UNKNOWN]


@pytest.mark.parametrize("control", ["CG", "CI", "CL"])
async def test_lines_of_an_invoice_are_withdrawn(make_raw: Make, desk: Any, control: str) -> None:
    """F-028: CI and CL both say a line; what is not settled is withdrawn."""
    at = desk()
    await kept_invoice(at, make_raw, "PD")
    segments = [ivc(control), PYE, "NTE|1||开错", PSS, PSG, LINE_2]
    _, intent, problems = await at.understand(make_raw("EHC^E02", *segments, m12="2.6"))
    assert (intent.verb, problems) == (Verb.REFUND, [])
    rows = [(row.get("feedetl_sn"), row.get("chrg_bchno")) for row in intent.charges]
    assert rows == [("12", "B1")]


async def test_a_predetermination_is_cancelled_by_withdrawing_its_lines(
    make_raw: Make, desk: Any
) -> None:
    """There is no settlement to cancel: every line of the invoice is withdrawn."""
    at = desk()
    await kept_invoice(at, make_raw, "PD")
    raw = make_raw("EHC^E02", ivc("CN"), PYE, "NTE|1||不做了", m12="2.6")
    _, intent, _ = await at.understand(raw)
    assert intent.verb is Verb.REFUND
    rows = [(row.get("feedetl_sn"), row.get("chrg_bchno")) for row in intent.charges]
    assert rows == [("11", "B1"), ("12", "B1")]


@pytest.mark.parametrize(
    ("invoice", "payee", "note", "places"),
    [
        (ivc("CN", number="INV9"), PYE, "NTE|1||x", ["IVC[1]-1"]),
        (ivc("CN", payer="S78"), PYE, "NTE|1||x", ["IVC[1]-2"]),
        (ivc("CN", amount="252.61"), PYE, "NTE|1||x", ["IVC[1]-8"]),
        (ivc("CN"), "PYE|1|ORG||别的医院", "NTE|1||x", ["PYE[1]-4"]),
        (ivc("CN"), PYE, "NTE|1||", ["NTE[1]-3"]),
    ],
)
async def test_a_cancellation_has_to_be_of_its_invoice(
    *, make_raw: Make, desk: Any, invoice: str, payee: str, note: str, places: list[str]
) -> None:
    """Chapter 16: IVC-1, IVC-2, IVC-8 and PYE-4 as in the invoice, and a reason in NTE."""
    at = desk()
    await kept_invoice(at, make_raw)
    with pytest.raises(InvalidError) as caught:
        await at.understand(make_raw("EHC^E02", invoice, payee, note, m12="2.6"))
    assert [it.place for it in caught.value.problems] == places


async def test_a_settled_invoice_is_not_settled_again(make_raw: Make, desk: Any) -> None:
    """A correction needs a new number (chapter 16): 205 at IVC-1."""
    at = desk()
    await kept_invoice(at, make_raw)
    with pytest.raises(InvalidError) as caught:
        await at.understand(make_raw("EHC^E01", *INVOICE, m12="2.6", m10="C3"))
    (problem,) = caught.value.problems
    assert (problem.kind, problem.place) == (ProblemKind.DUPLICATE, "IVC[1]-1")


@pytest.mark.parametrize("event", ["E04", "E10", "E12", "E13", "E15", "E24"])
async def test_what_the_interface_has_nothing_for_is_207(
    make_raw: Make, desk: Any, event: str
) -> None:
    """A-032: each is answered by ACK of its event; the interface neither re-assesses nor asks."""
    at = desk()
    raw = make_raw(f"EHC^{event}", ivc(), m12="2.6")
    message = await at.adapter.read(raw, at._peer, {})
    with pytest.raises(InvalidError) as caught:
        await at.adapter.understand(message, at._peer)
    assert [it.kind for it in caught.value.problems] == [ProblemKind.BUSINESS]
    body = at.adapter.refuse(b"", {}, caught.value, message.context).body
    assert lines_of(body, "MSH")[0][8] == f"ACK^{event}^ACK"
    assert lines_of(body, "ERR")[0][3].startswith("207^")


async def test_the_adjudication_may_follow_its_acknowledgement(
    make_raw: Make, desk: Any, conforms: Any
) -> None:
    """A-034: ACK^E01 at once, and E10 as a message of its own, also of an unknown outcome."""
    at = desk(ehc_reply="ack-then-e10", reply_to="127.0.0.1:2576")
    for status, word in ((Status.DONE, "ADJ"), (Status.UNKNOWN, "PEND")):
        raw = make_raw("EHC^E01", ivc(number=word), *INVOICE[1:], m12="2.6")
        message, intent, _ = await at.understand(raw)
        answer = at.answer(message, settled(intent, status))
        conforms(answer.body)
        assert lines_of(answer.body, "MSH")[0][8] == "ACK^E01^ACK"
        assert lines_of(answer.body, "MSA") == [["MSA", "AA", "C1"]]
        (later,) = answer.further
        assert lines_of(later, "IPR")[0][4] == word
    invalid = at.answer(message, settled(intent, Status.INVALID))
    assert (invalid.further, lines_of(invalid.body, "MSA")[0][1]) == ([], "AE")


async def test_a_reassessment_may_follow_its_acknowledgement(
    make_raw: Make, desk: Any, conforms: Any
) -> None:
    """A-034: ACK^E04 at once and E10 later; what was not read back is told by the ACK itself."""
    reply = {"ehc_reply": "ack-then-e10", "reply_to": "127.0.0.1:2576"}
    at = desk(reassess_invoices=True, **reply)
    await kept_invoice(at, make_raw)
    raw = make_raw("EHC^E04", ivc("RA"), "NTE|1||复核", m12="2.6", m10="C4")
    message, intent, problems = await at.understand(raw)
    assert (intent.verb, intent.query.get("setl_id"), problems) == (
        Verb.READ_SETTLEMENT,
        "S77",
        [],
    )
    for flag, status, paid in (("0", "ADJ", "126.00"), ("1", "ADJZER", "0.00")):
        info = Record({**SETTLED, "refd_setl_flag": flag})
        read = Settlement(infno="5203", msgid="H1", info=info)
        result = Result(status=Status.DONE, intent=intent, settlements=[read])
        answer = at.answer(message, result)
        conforms(answer.body)
        assert lines_of(answer.body, "MSH")[0][8] == "ACK^E04^ACK"
        (later,) = answer.further
        conforms(later)
        told = lines_of(later, "IPR")[0]
        assert (told[2], told[4], told[6]) == ("H1", status, f"{paid}&CNY")
        assert lines_of(later, "IVC")[0][1:3] == ["INV1", "S77"]
        assert bool(lines_of(later, "ADJ")) is (flag == "0")
    refused = at.answer(message, Result(status=Status.REJECTED, intent=intent))
    assert (refused.further, lines_of(refused.body, "MSA")[0][1]) == ([], "AE")


def test_a_message_of_its_own_needs_an_address(make_adapter: Any) -> None:
    """The setting alone delivers nothing."""
    with pytest.raises(ConfigurationError, match="needs reply_to"):
        make_adapter({"ehc_reply": "ack-then-e10"})
