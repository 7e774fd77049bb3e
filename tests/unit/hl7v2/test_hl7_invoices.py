"""Invoices of chapter 16: what they settle, EHC^E10 and E24, and what undoes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import ConfigurationError, InvalidError, ProblemCode, ProblemKind
from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import CallReport, Record, Resource, Result, Settlement, Status, Verb

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK||||1001^陈||||||||||||V1"
IN1 = "IN1|1|310^职工|430100^^^^XX"
PYE = "PYE|1|ORG||长沙示范医院^^^^^^^^^H43010000001"


def ivc(control: str = "OR", amount: str = "252.60", payer: str = "", number: str = "INV1") -> str:
    """IVC of the hospital's invoice."""
    return (
        f"IVC|{number}|{payer}||{control}|FFS|SS|20260301091000|{amount}&CNY||"
        "长沙示范医院^^^^^^^^^H43010000001|长沙医保^^^^^^^^^430100||||||||||||||FSI"
    )


PSS = "PSS|S1||1|252.60&CNY|门诊"
PSG = "PSG|B1||1|N|252.60&CNY|检查"
LINE_1 = "PSL|11||1|||P|CT001^CT平扫||CT平扫|20260301091000||1|240.00&CNY|||240.00&CNY|||||N"
LINE_2 = "PSL|12||2|||P|YP001^阿莫西林片||阿莫西林片|20260301091000||1|12.60&CNY|||12.60&CNY|||||N"
INVOICE = [ivc(), PYE, PSS, PSG, PID, PV1, IN1, LINE_1, LINE_2]
SETTLED = {
    "setl_id": "S77",
    "mdtrt_id": "M5",
    "medfee_sumamt": "252.60",
    "fund_pay_sumamt": "126.00",
    "hifp_pay": "126.00",
    "psn_part_amt": "126.60",
    "acct_pay": "100.00",
    "psn_cash_pay": "26.60",
    "inscp_scp_amt": "230.00",
    "pool_prop_selfpay": "0.7",
    "balc": "900.00",
}
Make = Callable[..., bytes]


class Shelf:
    """Keeps what answers ask to be kept."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Resource] = {}

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - the reader's words
        """What was kept last."""
        return self.kept.get((type, id))

    def put(self, resources: list[Resource]) -> None:
        """Keep."""
        self.kept |= {(each.type, each.id): each for each in resources}


class Desk:
    """An adapter with a shelf behind it, and a platform of the test's choice."""

    def __init__(self, settings: Any, clock: Any) -> None:
        self.shelf = Shelf()
        self.adapter = HL7Adapter(settings, clock, kept=self.shelf)
        self._peer = settings.peers[0]

    async def understand(self, raw: bytes) -> tuple[Any, Any, list[Any]]:
        """Message, intent and problems."""
        message = await self.adapter.read(raw, self._peer, {})
        intent, problems = await self.adapter.understand(message, self._peer)
        return message, intent, problems

    def answer(self, message: Any, result: Result) -> Any:
        """The answer, whose resources are kept."""
        answer = self.adapter.answer(message.kind, message.context, result)
        self.shelf.put(answer.resources)
        return answer


@pytest.fixture
def desk(make_settings: Any, make_adapter: Any) -> Callable[..., Desk]:
    """Makes a desk for a dialect."""

    def make(**dialect: Any) -> Desk:
        return Desk(make_settings(dialect), make_adapter()._clock)

    return make


def settled(intent: Any, status: Status = Status.DONE) -> Result:
    """A result with the settlement, its lines and its call."""
    intent.visit.values["mdtrt_id"] = "M5"
    intent.person.values |= {"psn_no": "4301", "insuplc_admdvs": "430100"}
    result = Result(status=status, intent=intent)
    result.calls = [CallReport(infno="2207", msgid="H1", outcome="accepted", inf_refmsgid="R1")]
    if status is Status.DONE:
        made = Settlement(infno="2207", msgid="H1", info=Record(dict(SETTLED)))
        if intent.verb is Verb.PRESETTLE:
            made.info.values.pop("setl_id")
            result.presettlement = made
        else:
            result.settlements = [made]
        result.charge_results = [
            Record({"feedetl_sn": "11", "inscp_scp_amt": "216.00", "preselfpay_amt": "24.00"}),
            Record({"feedetl_sn": "12", "inscp_scp_amt": "14.00", "selfpay_prop": "0"}),
        ]
    return result


def lines_of(body: bytes, name: str) -> list[list[str]]:
    """The fields of every segment of a name."""
    return [line.split("|") for line in body.decode().split("\r") if line.startswith(name)]


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


async def kept_invoice(at: Desk, make_raw: Make, control: str = "OR") -> None:
    """An invoice that was answered."""
    raw = make_raw("EHC^E01", ivc(control), *INVOICE[1:], m12="2.6")
    message, intent, _ = await at.understand(raw)
    at.answer(message, settled(intent))


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


def test_a_message_of_its_own_needs_an_address(make_adapter: Any) -> None:
    """The setting alone delivers nothing."""
    with pytest.raises(ConfigurationError, match="needs reply_to"):
        make_adapter({"ehc_reply": "ack-then-e10"})


CTD = "CTD|RT|深圳示范医院|^^^440300||||H44030000001^HI"
DG1 = "DG1|1||K35.900^急性阑尾炎|||A"
ASKED = "PSL|1||1|||P|TRANSFER^转院|3|转院|20261101|20991231||||||||||N" + "|" * 27 + "本地不能治疗"


async def test_an_authorization_is_filed_and_answered_by_e24(
    make_raw: Make, desk: Any, conforms: Any
) -> None:
    """A-032: an AUT says that it is approved; without one ADJ says why not."""
    at = desk()
    segments = [ivc(), CTD, PID, IN1, DG1, ASKED, "NTE|1||同意转院"]
    message, intent, problems = await at.understand(make_raw("EHC^E20", *segments, m12="2.6"))
    assert (intent.verb, problems) == (Verb.FILE_TRANSFER, [])
    assert intent.filing.get("reflin_medins_no") == "H44030000001"
    assert intent.filing.get("refl_rea") == "本地不能治疗"
    refused = at.answer(message, Result(status=Status.REJECTED, intent=intent)).body
    conforms(refused)
    assert (lines_of(refused, "AUT"), len(lines_of(refused, "ADJ"))) == ([], 1)
    intent.filing.values["trt_dcla_detl_sn"] = "T9"
    intent.person.values |= {"psn_no": "4301", "insuplc_admdvs": "430100"}
    approved = at.answer(message, Result(status=Status.DONE, intent=intent)).body
    conforms(approved)
    assert lines_of(approved, "MSH")[0][8] == "EHC^E24^EHC_E24"
    assert lines_of(approved, "AUT")[0][6] == "T9^FSI"


@pytest.mark.parametrize("line", [ASKED, "PSL|1||1|||P|^转院|||||||||||||N"])
async def test_an_authorization_is_withdrawn_by_its_number(
    make_raw: Make, desk: Any, line: str
) -> None:
    """E21 names no patient: person and filing are those of its E20, as is what it withdraws."""
    at = desk()
    await test_an_authorization_is_filed_and_answered_by_e24(make_raw, lambda: at, lambda _: None)
    raw = make_raw("EHC^E21", ivc(), line, "NTE|1||不转了", m12="2.6", m10="C2")
    message, intent, problems = await at.understand(raw)
    assert (intent.verb, problems) == (Verb.WITHDRAW_TRANSFER, [])
    assert intent.filing.values == {"trt_dcla_detl_sn": "T9", "memo": "不转了"}
    assert (intent.person.get("psn_no"), intent.person.get("insuplc_admdvs")) == ("4301", "430100")
    body = at.answer(message, Result(status=Status.DONE, intent=intent)).body
    assert lines_of(body, "MSH")[0][8] == "ACK^E21^ACK"
    message, intent, _ = await at.understand(
        make_raw("QBP^E22", "QPD|E22^x|T1|INV1", "RCP|I", m12="2.6")
    )
    told = at.answer(message, Result(status=Status.DONE, intent=intent)).body
    assert lines_of(told, "PSL")[0][5:7] == ["T9", "R"]


@pytest.mark.parametrize("version", ["2.6", "2.8.2"])
async def test_how_an_invoice_stands_is_told_on_request(
    make_raw: Make, desk: Any, conforms: Any, version: str
) -> None:
    """RSP^E03 has one IPR; what 5203 says now goes before what was answered then."""
    at = desk()
    await kept_invoice(at, make_raw)
    raw = make_raw("QBP^E03", "QPD|E03^x|T1|INV1", "RCP|I", m12=version)
    message, intent, problems = await at.understand(raw)
    assert (intent.verb, problems) == (Verb.READ_SETTLEMENT, [])
    assert intent.query.get("setl_id") == "S77"
    result = Result(status=Status.DONE, intent=intent)
    states = []
    for flag in ("", "0", "1"):
        if flag:
            info = Record({**SETTLED, "refd_setl_flag": flag})
            result.settlements = [Settlement(infno="5203", msgid="H1", info=info)]
        body = at.answer(message, result).body
        conforms(body)
        assert lines_of(body, "MSH")[0][8] == "RSP^E03^RSP_E03"
        assert lines_of(body, "QAK")[0][2] == "OK"
        states.append((lines_of(body, "IPR")[0][4], lines_of(body, "IPR")[0][6]))
    assert states == [("ADJ", "126.00&CNY"), ("ADJ", "126.00&CNY"), ("CANCEL", "126.00&CNY")]
    failed = at.answer(message, Result(status=Status.NOT_SENT, intent=intent)).body
    conforms(failed)
    assert (lines_of(failed, "MSA")[0][1], lines_of(failed, "QAK")[0][2]) == ("AR", "AR")


async def test_an_invoice_nobody_knows_is_not_found(
    make_raw: Make, desk: Any, conforms: Any
) -> None:
    """R-023: QAK-2 NF with MSA AA; nothing is asked of the platform."""
    for event, name in (("QBP^E03", "IPR"), ("QBP^E22", "IVC")):
        at = desk()
        raw = make_raw(event, "QPD|x^x|T1|INV1", "RCP|I", m12="2.6")
        message, intent, _ = await at.understand(raw)
        assert intent.verb is Verb.IGNORE
        body = at.answer(message, Result(status=Status.DONE, intent=intent)).body
        conforms(body)
        assert (lines_of(body, "QAK")[0][2], lines_of(body, name)) == ("NF", [])
