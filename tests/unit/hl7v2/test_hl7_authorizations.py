"""Authorizations of chapter 16 (EHC^E20, E21), and how an invoice or authorization stands."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.intents import Record, Result, Settlement, Status, Verb
from tests.unit.hl7v2.invoicing import IN1, PID, SETTLED, Make, ivc, kept_invoice, lines_of

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
    assert states == [("ADJ", "126.00&CNY"), ("ADJ", "126.00&CNY"), ("ADJZER", "0.00&CNY")]
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
