"""Filings and queries: stored by the platform, found, withdrawn, and never filed twice."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.intents import Status, Verb
from tests.acceptance.asking import Asker, intent, let_intents_in
from tests.acceptance.test_confirmed_steps import confirmed, refused
from tests.acceptance.test_operators_decisions import SECTION

TRANSFER = {
    "diag_code": "K35.900",
    "diag_name": "急性阑尾炎",
    "reflin_medins_no": "H44030000001",
    "reflin_medins_name": "深圳示范医院",
    "mdtrtarea_admdvs": "440300",
    "refl_type": "3",
    "refl_date": "2026-11-01",
    "refl_rea": "本地不能治疗",
    "refl_opnn": "同意转院",
    "begndate": "2026-11-01",
    "enddate": "2099-12-31",
}
CHRONIC = {
    "opsp_dise_code": "M03900",
    "opsp_dise_name": "高血压",
    "hosp_ide_date": "2026-10-30",
    "diag_dr_codg": "D430100000001",
    "diag_dr_name": "陈医生",
    "begndate": "2026-11-01",
    "enddate": "2099-12-31",
}
DESIGNATION = {
    "biz_appy_type": "01",
    "fix_srt_no": "1",
    "fixmedins_code": "H43010000001",
    "fixmedins_name": "长沙示范医院",
    "begndate": "2026-11-01",
    "enddate": "2099-12-31",
}
KINDS = {
    "transfer": (
        Verb.FILE_TRANSFER, Verb.WITHDRAW_TRANSFER, Verb.FIND_TRANSFERS,
        TRANSFER, {}, ("2501", "5304", "2502"), ("reflin_medins_no", "H44030000001"),
    ),
    "chronic": (
        Verb.FILE_CHRONIC, Verb.WITHDRAW_CHRONIC, Verb.FIND_CHRONIC,
        CHRONIC, {}, ("2503", "5301", "2504"), ("opsp_dise_code", "M03900"),
    ),
    "designation": (
        Verb.FILE_DESIGNATION, Verb.WITHDRAW_DESIGNATION, Verb.FIND_DESIGNATIONS,
        DESIGNATION, {"biz_appy_type": "01"}, ("2505", "5302", "2506"),
        ("fixmedins_code", "H43010000001"),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def intents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways of these tests take intents."""
    let_intents_in(monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_filing_is_found_until_it_is_withdrawn(world: Any, kind: str) -> None:
    """File, find, withdraw, find nothing: the transactions of matrix 1.6 in this order."""
    file, withdraw, find, filing, query, infnos, (code, value) = KINDS[kind]
    asker = Asker(world)
    filed = await asker.ask(intent(file, filing=filing))
    assert (filed.status, filed.problems) == (Status.DONE, [])
    number = filed.intent.filing.get("trt_dcla_detl_sn")
    assert number
    found = await asker.ask(intent(find, query=query))
    (row,) = found.found[find.value]
    assert (row.get(code), row.get("enddate")) == (value, "2099-12-31")
    gone = await asker.ask(
        intent(withdraw, filing={"trt_dcla_detl_sn": number, "memo": "患者不再需要"})
    )
    assert (gone.status, gone.problems) == (Status.DONE, [])
    nothing = await asker.ask(intent(find, query=query))
    assert nothing.found == {find.value: []}
    filing_no, finding_no, withdrawing_no = infnos
    order = ["1101", filing_no, "1101", finding_no, "1101", withdrawing_no, "1101", finding_no]
    assert await world.requests() == order
    (kept,) = await world.admin.rows("filings")
    assert (kept["trt_dcla_detl_sn"], kept["state"]) == (number, "withdrawn")


@pytest.mark.parametrize(
    ("verb", "filing", "missing"),
    [
        (Verb.FILE_TRANSFER, TRANSFER, "refl_rea"),
        (Verb.FILE_CHRONIC, CHRONIC, "hosp_ide_date"),
        (Verb.FILE_DESIGNATION, DESIGNATION, "fix_srt_no"),
        (Verb.WITHDRAW_CHRONIC, {"trt_dcla_detl_sn": "1", "memo": "停用"}, "memo"),
    ],
)
async def test_an_incomplete_filing_is_not_sent(
    world: Any, verb: Verb, filing: dict[str, str], missing: str
) -> None:
    """What the definition requires is missed by name, and nothing leaves."""
    stated = {code: value for code, value in filing.items() if code != missing}
    result = await Asker(world).ask(intent(verb, filing=stated))
    assert result.status is Status.INVALID
    assert [problem.field for problem in result.problems if problem.stops] == [missing]
    assert await world.requests() == []


async def test_a_second_filing_of_the_same_is_the_platforms_to_refuse(world: Any) -> None:
    """Two messages mean two filings; the platform has the rule, and its words come back."""
    asker = Asker(world)
    assert (await asker.ask(intent(Verb.FILE_CHRONIC, filing=CHRONIC))).status is Status.DONE
    again = await asker.ask(intent(Verb.FILE_CHRONIC, filing=CHRONIC))
    assert again.status is Status.REJECTED
    assert again.problems[0].zh == "该人员已有有效的同类备案，不能重复备案"


async def test_a_filing_of_unknown_outcome_is_not_repeated(world: Any) -> None:
    """Matrix part 5: the reply is lost, the same message again sends nothing, and another filing
    of the person waits; another person's does not.
    """
    asker = Asker(world)
    await world.admin.fault("drop-after", "2503")
    filing = intent(Verb.FILE_CHRONIC, filing=CHRONIC)
    for _ in range(2):
        assert (await asker.ask(filing, "F1")).status is Status.UNKNOWN
    assert await world.states("2503") == ["unknown"]
    held = await asker.ask(intent(Verb.FILE_TRANSFER, filing=TRANSFER))
    assert (held.status, [p.code.value for p in held.problems]) == (Status.INVALID, ["VISIT-HELD"])
    assert await world.states("2501") == []
    other = intent(
        Verb.FILE_CHRONIC,
        filing=CHRONIC,
        person={
            "mdtrt_cert_no": "430199199105120243",
            "certno": "430199199105120243",
            "psn_name": "李娜范",
        },
    )
    assert (await asker.ask(other)).status is Status.DONE


@pytest.mark.parametrize("kind", KINDS)
async def test_a_filing_of_unknown_outcome_is_confirmed(open_world: Any, kind: str) -> None:
    """The platform has it: 5301, 5302 or 5304 show a filing of this content, the operator reads its
    number off the page. The message is told that number, and the person's next filing is let in.
    """
    world = await open_world(limits=SECTION)
    file, withdraw, _, filing, _, (filing_no, finding_no, withdrawing_no), _ = KINDS[kind]
    asker = Asker(world)
    await world.admin.fault("drop-after", filing_no)
    assert (await asker.ask(intent(file, filing=filing), "F1")).status is Status.UNKNOWN
    (row,) = await world.admin.rows("filings")
    assert "trt_dcla_detl_sn" in await refused(world, filing_no)
    await confirmed(world, filing_no, trt_dcla_detl_sn=row["trt_dcla_detl_sn"])
    told = await asker.ask(intent(file, filing=filing), "F1")
    assert told.status is Status.DONE
    assert told.intent.filing.get("trt_dcla_detl_sn") == row["trt_dcla_detl_sn"]
    assert await world.requests() == ["1101", filing_no, finding_no]
    number = {"trt_dcla_detl_sn": row["trt_dcla_detl_sn"], "memo": "患者不再需要"}
    await world.admin.fault("drop-after", withdrawing_no)
    gone = intent(withdraw, filing=number)
    assert (await asker.ask(gone, "F2")).status is Status.UNKNOWN
    assert "不是" in await refused(world, withdrawing_no, trt_dcla_detl_sn="T1")
    await confirmed(world, withdrawing_no, trt_dcla_detl_sn=row["trt_dcla_detl_sn"])
    assert (await asker.ask(gone, "F2")).status is Status.DONE
    assert await world.states(withdrawing_no) == ["confirmed"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_filing_that_is_not_shown_is_not_confirmed(open_world: Any, kind: str) -> None:
    """The filing never arrived, and another one of the person is there: a number is not enough."""
    world = await open_world(limits=SECTION)
    file, _, _, filing, _, (filing_no, *_), (code, _) = KINDS[kind]
    asker = Asker(world)
    other = {**filing, code: {"transfer": "H44030000009", "chronic": "M01600"}.get(kind, "H1")}
    if kind != "designation":
        assert (await asker.ask(intent(file, filing=other), "F0")).status is Status.DONE
    await world.admin.fault("drop-before", filing_no)
    assert (await asker.ask(intent(file, filing=filing), "F1")).status is Status.UNKNOWN
    assert "没有显示" in await refused(world, filing_no, trt_dcla_detl_sn="T1")
    assert (await asker.ask(intent(file, filing=filing), "F1")).status is Status.UNKNOWN


async def test_a_carried_filing_of_unknown_outcome_is_confirmed(open_world: Any) -> None:
    """2503 as national JSON: the repeated request gets the number as the platform's reply would
    have given it.
    """
    world = await open_world(limits=SECTION)
    psn_no = "43010000000000000001"
    place = {
        "ide_fixmedins_no": "H43010000001",
        "ide_fixmedins_name": "长沙示范医院",
        "insu_optins": "430100",
    }
    content = {"data": {**CHRONIC, **place, "psn_no": psn_no, "insutype": "310"}}
    msgid = world.msgid()
    await world.admin.fault("drop-after", "2503")
    lost = await world.carry("2503", content, insuplc="430102", msgid=msgid)
    assert lost.status == 504
    (row,) = await world.admin.rows("filings")
    await confirmed(world, "2503", trt_dcla_detl_sn=row["trt_dcla_detl_sn"])
    told = await world.carry("2503", content, insuplc="430102", msgid=msgid)
    assert told.status == 200
    assert told.body["output"]["result"]["trt_dcla_detl_sn"] == row["trt_dcla_detl_sn"]


async def test_a_filing_that_was_made_before_a_crash_is_not_made_again(world: Any) -> None:
    """The reply is on record and the answer is not: the message taken up again tells the number
    that the platform gave, and files nothing.
    """
    journal, filing = world.gateway.journal, intent(Verb.FILE_CHRONIC, filing=CHRONIC)
    finish = journal.finish_exchange

    async def crashed(exchange_id: str, *_: Any, events: Any) -> None:
        await journal.release_exchange(exchange_id, events=events)

    journal.finish_exchange = crashed
    first = await Asker(world).ask(filing, "F1")
    journal.finish_exchange = finish
    second = await Asker(world).ask(filing, "F1")
    numbers = {each.intent.filing.get("trt_dcla_detl_sn") for each in (first, second)}
    assert len(numbers) == 1
    assert numbers != {""}
    assert await world.requests("2503") == ["2503"]


async def test_one_question_may_ask_for_more(world: Any) -> None:
    """Entitlement with totals, filings and designations: one 1101 for all of them."""
    asker = Asker(world)
    await asker.ask(intent(Verb.FILE_CHRONIC, filing=CHRONIC))
    question = intent(Verb.ENTITLE, query={"biz_appy_type": "01"})
    question.also = [
        Verb.FIND_TOTALS, Verb.FIND_CHRONIC, Verb.FIND_DESIGNATIONS, Verb.FIND_TRANSFERS,
    ]  # fmt: skip
    result = await asker.ask(question)
    assert result.status is Status.DONE
    assert {name: len(rows) for name, rows in result.found.items()} == {
        "find-totals": 0, "find-chronic": 1, "find-designations": 0, "find-transfers": 0,
    }  # fmt: skip
    assert result.entitlements[0].get("trt_enjymnt_flag") == "1"
    asked = ["1101", "2001", "5206", "5301", "5302", "5304"]
    assert await world.requests() == ["1101", "2503", *asked]


async def test_a_settlement_and_its_visit_are_read_back(world: Any) -> None:
    """5201, 5203, 5204 and 5206 after a settled visit of 240.00, of which the fund pays 116.20."""
    await world.charged("O1")
    paid = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    asker = Asker(world)
    visits = await asker.ask(intent(Verb.FIND_VISITS))
    (visit,) = visits.found["find-visits"]
    assert (visit.get("ipt_otp_no"), visit.get("med_type")) == ("O1", "11")
    key = {
        "setl_id": paid.field("ZSL", 3),
        "mdtrt_id": visit.get("mdtrt_id"),
        "psn_no": visit.get("psn_no"),
    }
    read = await asker.ask(intent(Verb.READ_SETTLEMENT, query=key))
    (settlement,) = read.settlements
    assert settlement.info.get("fund_pay_sumamt") == "116.20"
    assert settlement.info.get("psn_part_amt") == "123.80"
    lines = await asker.ask(intent(Verb.READ_CHARGES, query=key))
    (line,) = lines.found["read-charges"]
    assert line.get("det_item_fee_sumamt") == "240.00"
    totals = await asker.ask(intent(Verb.FIND_TOTALS))
    sums = {row.get("cum_type_code"): row.get("cum") for row in totals.found["find-totals"]}
    assert (sums["MEDFEE"], sums["FUND"]) == ("240.00", "116.20")


async def test_a_settlement_is_not_read_without_its_number(world: Any) -> None:
    """F-020: 5203 without setl_id is not called."""
    result = await Asker(world).ask(intent(Verb.READ_SETTLEMENT, query={"mdtrt_id": "1"}))
    assert result.status is Status.INVALID
    assert {problem.field for problem in result.problems} == {"psn_no", "setl_id"}
    assert await world.requests() == []


async def test_physicians_are_found_by_their_code(world: Any) -> None:
    """5102 narrows by the national code and by name; nobody of that code is an empty list."""
    asker = Asker(world)
    for query, names in (
        ({"prac_psn_type": "1"}, ["陈医生", "刘医生"]),
        ({"prac_psn_type": "1", "prac_psn_code": "D430100000002"}, ["刘医生"]),
        ({"prac_psn_type": "2", "prac_psn_name": "陈医生"}, []),
    ):
        question = intent(Verb.FIND_PHYSICIANS, query=query)
        question.person.values.clear()
        result = await asker.ask(question)
        assert [row.get("prac_psn_name") for row in result.found["find-physicians"]] == names
