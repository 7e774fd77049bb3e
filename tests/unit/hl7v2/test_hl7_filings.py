"""Authorizations and referrals: what is filed, and the answers RPA and RRI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidError, ProblemCode, ProblemKind
from gateway.intents import Record, Result, Status, Verb

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M|||韶山路1号"
ASKER = "PRD|RP|陈^医生"
THERE = "PRD|RT|深圳示范医院|^^^440300||||H44030000001^HI"
RF1 = "RF1|A||3^out|同意转院^同意转院||R77|20261101|20991231|20261102|X^本地不能治疗"
DG1 = "DG1|1||K35.900^急性阑尾炎|||A"
CHRONIC = "DG1|1||M03900^高血压^OPSP||20261030|A||||||||||D430100000001^陈^医生"
PR1 = "PR1|1||47.0100^阑尾切除术||20261101|P"
CASES: list[tuple[str, list[str], Verb, str]] = [
    ("RQA^I08", ["AUT|ENTITLEMENT|430100", ASKER, PID], Verb.ENTITLE, "RPA^I08^RPA_I08"),
    ("RQA^I08", [RF1, ASKER, THERE, PID, DG1, PR1], Verb.FILE_TRANSFER, "RPA^I08^RPA_I08"),
    ("RQA^I08", ["AUT|CHRONIC|430100||20261101|20991231", ASKER, PID, CHRONIC],
     Verb.FILE_CHRONIC, "RPA^I08^RPA_I08"),
    ("RQA^I08", ["AUT|DESIGNATION|430100||20261101", "PRD|PP|长沙示范医院|||||H43010000001^HI", PID],
     Verb.FILE_DESIGNATION, "RPA^I08^RPA_I08"),
    ("RQA^I11", ["AUT|TRANSFER|430100||||T9", ASKER, PID], Verb.WITHDRAW_TRANSFER, "RPA^I11^RPA_I08"),
    ("RQA^I11", ["AUT|CHRONIC|430100||||T9", ASKER, PID, "NTE|1||停药"],
     Verb.WITHDRAW_CHRONIC, "RPA^I11^RPA_I08"),
    ("REF^I12", [RF1, ASKER, THERE, PID, DG1], Verb.FILE_TRANSFER, "RRI^I12^RRI_I12"),
    ("REF^I14", ["RF1||||||R77|||||T9", ASKER, PID], Verb.WITHDRAW_TRANSFER, "RRI^I14^RRI_I12"),
    ("REF^I15", ["RF1||||||R77|20260101", ASKER, PID], Verb.FIND_TRANSFERS, "RRI^I15^RRI_I12"),
]  # fmt: skip
"""Event, segments, verb and MSH-9 of the answer."""

Make = Callable[..., bytes]


def made(intent: Any, status: Status = Status.DONE) -> Result:
    """The result of an intent, with what the platform might have said."""
    intent.person.values |= {"insutype": "310", "insuplc_admdvs": "430100"}
    result = Result(status=status, intent=intent)
    if status is Status.DONE:
        if intent.verb.value.startswith("file-"):
            intent.filing.values["trt_dcla_detl_sn"] = "43010000000000000007"
        result.entitlements = (
            [
                Record(
                    {"trt_enjymnt_flag": "0", "fund_pay_type": "310100", "trt_chk_rslt": "未备案"}
                ),
                Record(
                    {"trt_enjymnt_flag": "1", "begndate": "2026-01-01", "enddate": "2026-12-31"}
                ),
            ]
            if intent.verb is Verb.ENTITLE
            else []
        )
        if intent.verb is Verb.FIND_TRANSFERS:
            row = Record({"refl_date": "2026-11-01", "reflin_medins_no": "H44030000001"})
            result.found = {"find-transfers": [row]}
    return result


@pytest.mark.parametrize(("event", "segments", "verb", "answered"), CASES)
@pytest.mark.parametrize("version", ["2.4", "2.5.1", "2.8.2"])
async def test_each_event_has_its_verb_and_an_answer_that_fits_its_version(
    *, event: str, segments: list[str], verb: Verb, answered: str, version: str,
    make_raw: Make, understand: Any, make_adapter: Any, conforms: Callable[[bytes], None],
) -> None:  # fmt: skip
    """A-029, A-030, R-021: RPA and RRI with what the request said; a failure is a general ACK."""
    message, intent, problems = await understand(make_raw(event, *segments, m12=version))
    assert (intent.verb, problems) == (verb, [])
    adapter = make_adapter()
    body = adapter.answer(message.kind, message.context, made(intent)).body
    conforms(body)
    lines = body.decode().split("\r")
    assert (lines[0].split("|")[8], lines[1]) == (answered, "MSA|AA|C1")
    assert [line for line in lines if line.startswith("PID")] == [PID]
    assert not any(line.startswith("ERR") for line in lines)
    for status, code in ((Status.REJECTED, "AE"), (Status.UNKNOWN, "AE"), (Status.NOT_SENT, "AR")):
        failed = adapter.answer(message.kind, message.context, made(intent, status)).body
        conforms(failed)
        first, second, *_ = failed.decode().split("\r")
        assert first.split("|")[8] == f"ACK^{event[4:]}^ACK"
        assert second.startswith(f"MSA|{code}|C1")


async def test_a_transfer_is_filed_as_the_referral_says(make_raw: Make, understand: Any) -> None:
    """Matrix 1.6: RF1, the provider of role RT, DG1."""
    _, intent, _ = await understand(make_raw("REF^I12", RF1, ASKER, THERE, PID, DG1))
    assert intent.filing.values == {
        "refl_type": "3",
        "refl_rea": "本地不能治疗",
        "refl_opnn": "同意转院",
        "refl_date": "2026-11-02",
        "begndate": "2026-11-01",
        "enddate": "2099-12-31",
        "hosp_agre_refl_flag": "1",
        "reflin_medins_no": "H44030000001",
        "reflin_medins_name": "深圳示范医院",
        "mdtrtarea_admdvs": "440300",
        "addr": "韶山路1号",
    }
    assert intent.filing.place("reflin_medins_no") == "PRD[2]-7[1].1"
    assert intent.filing.sources["refl_type"].rule == "hl7v2/common/transfer.map:3"
    assert [row.get("diag_code") for row in intent.diagnoses] == ["K35.900"]


async def test_the_number_of_a_filing_comes_back(
    make_raw: Make, understand: Any, make_adapter: Any
) -> None:
    """RPA has it in AUT-6; a referral in RF1-11 too, beside the sender's own number in RF1-6."""
    for event in ("RQA^I08", "REF^I12"):
        message, intent, _ = await understand(make_raw(event, RF1, ASKER, THERE, PID, DG1, PR1))
        text = make_adapter().answer(message.kind, message.context, made(intent)).body.decode()
        lines = {line[:3]: line.split("|") for line in text.split("\r")}
        assert lines["AUT"][6] == "43010000000000000007^FSI"
        assert (lines["RF1"][6], lines["RF1"][11]) == ("R77", "43010000000000000007")


async def test_an_entitlement_is_an_aut_where_there_is_one(
    make_raw: Make, understand: Any, make_adapter: Any
) -> None:
    """AUT with the dates of what the person has; why another fund does not pay stands in NTE."""
    raw = make_raw("RQA^I08", "AUT|ENTITLEMENT|430100", ASKER, PID)
    message, intent, _ = await understand(raw)
    result = made(intent)
    text = make_adapter().answer(message.kind, message.context, result).body.decode()
    lines = {line[:3]: line.split("|") for line in text.split("\r")}
    assert lines["AUT"][4:6] == ["20260101", "20261231"]
    assert lines["NTE"] == ["NTE", "1", "", "310100 未备案"]
    result.entitlements.pop()
    text = make_adapter().answer(message.kind, message.context, result).body.decode()
    assert "\rAUT|" not in text


async def test_a_referral_without_a_filing_is_told_as_expired(
    make_raw: Make, understand: Any, make_adapter: Any
) -> None:
    """RF1-1 (table 0283): A while a transfer is filed, E where none is."""
    raw = make_raw("REF^I15", "RF1||||||R77|20260101", ASKER, PID)
    message, intent, _ = await understand(raw)
    assert intent.query.get("begntime") == "2026-01-01 00:00:00"
    result = made(intent)
    states = []
    for found in (result.found, {"find-transfers": []}):
        result.found = found
        text = make_adapter().answer(message.kind, message.context, result).body.decode()
        states += [line.split("|")[1] for line in text.split("\r") if line.startswith("RF1")]
    assert states == ["A", "E"]


@pytest.mark.parametrize(
    ("event", "segments", "code", "kind", "place"),
    [
        ("RQA^I09", [ASKER, PID], ProblemCode.NOT_SUPPORTED, ProblemKind.BUSINESS, "MSH[1]-9"),
        ("RQA^I10", [ASKER, PID], ProblemCode.NOT_SUPPORTED, ProblemKind.BUSINESS, "MSH[1]-9"),
        ("REF^I13", [ASKER, PID], ProblemCode.NOT_SUPPORTED, ProblemKind.BUSINESS, "MSH[1]-9"),
        ("RQA^I11", ["AUT|X|430100||||T9", ASKER, PID], ProblemCode.FIELD_VALUE,
         ProblemKind.VALUE, "AUT[1]-1"),
        ("RQA^I11", ["AUT||430100||||T9", ASKER, PID], ProblemCode.FIELD_REQUIRED,
         ProblemKind.REQUIRED, "AUT[1]-1"),
        ("REF^I12", [ASKER, PID], ProblemCode.FIELD_REQUIRED, ProblemKind.STRUCTURE, "RF1[1]"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_says_why(
    *, event: str, segments: list[str], code: ProblemCode, kind: ProblemKind, place: str,
    make_raw: Make, understand: Any,
) -> None:  # fmt: skip
    """A-029, A-030: the interface changes no filing (207), and withdraws none of unknown kind."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw(event, *segments))
    assert [(it.code, it.kind, it.place) for it in caught.value.problems] == [(code, kind, place)]


async def test_a_peers_own_words_for_an_authorization(make_raw: Make, understand: Any) -> None:
    """Matrix 1.11: the value map `authorization` says what AUT-1 of this peer means."""
    dialect = {"value_maps": {"authorization": {"MTB": "CHRONIC"}}}
    raw = make_raw("RQA^I08", "AUT|MTB|430100||20261101|20991231", ASKER, PID, CHRONIC)
    _, intent, _ = await understand(raw, dialect)
    assert intent.verb is Verb.FILE_CHRONIC
    assert intent.filing.get("diag_dr_codg") == "D430100000001"
