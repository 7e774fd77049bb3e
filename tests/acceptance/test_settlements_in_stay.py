"""Settlements during a stay (mid_setl_flag 1), and the order in which a stay is undone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import JournalError
from gateway.intents import Intent, Record, Result, Status, Verb, VisitClass
from tests.acceptance.asking import Asker, intent, let_intents_in

DOCTOR = {"atddr_no": "1001", "dept_code": "NK", "adm_bed": "12", "begntime": "2026-03-01 09:00:00"}
DIAGNOSIS = {"diag_code": "K35.900", "diag_name": "急性阑尾炎", "maindiag_flag": "1"}


@pytest.fixture
async def asker(open_world: Any, monkeypatch: pytest.MonkeyPatch) -> Asker:
    """A hospital that sends intents."""
    let_intents_in(monkeypatch)
    world = await open_world()
    made = Asker(world)
    made.world = world  # type: ignore[attr-defined]  # for the tests
    return made


def of_visit(verb: Verb, number: str = "I1", **records: Any) -> Intent:
    """An intent about a stay, or with another number a visit."""
    made = intent(verb, visit={"ipt_otp_no": number, **DOCTOR}, **records)
    made.visit_class = VisitClass.INPATIENT if number[0] == "I" else VisitClass.OUTPATIENT
    if verb in (Verb.ADMIT, Verb.REGISTER, Verb.DISCHARGE):
        made.diagnoses = [Record(dict(DIAGNOSIS))]
    if verb is Verb.DISCHARGE:
        made.visit.values |= {"endtime": "2026-03-05 10:00:00", "dscg_way": "1"}
    return made


def charge(line: int, number: str = "I1") -> Intent:
    """An upload of one tomography of 240.00 yuan."""
    made = of_visit(Verb.CHARGE, number)
    values = {"feedetl_sn": str(line), "medins_list_codg": "CT001", "cnt": "1"}
    made.charges = [Record(values | {"det_item_fee_sumamt": "240.00"})]
    return made


def settle(flag: str, total: str) -> Intent:
    """A settlement of the stay, during it or at its end."""
    return of_visit(Verb.SETTLE, settlement={"mid_setl_flag": flag, "medfee_sumamt": total})


def cancel(result: Result) -> Intent:
    """The cancellation of what was settled."""
    setl_id = result.settlements[-1].info.get("setl_id")
    return of_visit(Verb.CANCEL, settlement={"setl_id": setl_id})


async def state(asker: Any, number: str = "I1") -> str:
    """The state of the visit."""
    row = await asker.world.gateway.journal.visit(f"H43010000001/{number}")
    return str(row.state)


async def done(asker: Asker, asked: Intent) -> Result:
    """The result of what has to succeed."""
    result = await asker.ask(asked)
    assert result.status is Status.DONE, result.problems
    return result


async def test_a_stay_goes_on_after_a_settlement_during_it(asker: Any) -> None:
    """240.00 are settled on the way, 480.00 at the end: the second settlement has the lines that
    came after the first, and the stay takes charges until it is settled without the flag.
    """
    await done(asker, of_visit(Verb.ADMIT))
    await done(asker, charge(1))
    await done(asker, settle("1", "240.00"))
    assert await state(asker) == "admitted"
    await done(asker, charge(2))
    await done(asker, of_visit(Verb.DISCHARGE))
    await done(asker, charge(3))
    await done(asker, settle("0", "480.00"))
    assert await state(asker) == "settled"
    rows = await asker.world.settled("I1")
    totals = sorted((row["mid_setl_flag"], row["medfee_sumamt"]) for row in rows)
    assert totals == [("0", "480.00"), ("1", "240.00")]
    late = await asker.ask(charge(4))
    assert [problem.code.value for problem in late.problems] == ["VISIT-STATE"]


async def test_settlements_of_a_stay_are_cancelled_from_the_last_backwards(asker: Any) -> None:
    """The first one cannot be cancelled while the second stands; then its lines are open again."""
    await done(asker, of_visit(Verb.ADMIT))
    await done(asker, charge(1))
    first = await done(asker, settle("1", "240.00"))
    await done(asker, charge(2))
    last = await done(asker, settle("1", "240.00"))
    refused = await asker.ask(cancel(first))
    assert [problem.code.value for problem in refused.problems] == ["VISIT-STATE"]
    assert "按相反的顺序" in refused.problems[0].zh
    assert await asker.world.requests("2305") == []
    await done(asker, cancel(last))
    assert await state(asker) == "admitted"
    await done(asker, cancel(first))
    assert await asker.world.settled("I1") == []
    again = await done(asker, settle("1", "480.00"))
    assert again.settlements[0].info.amount("medfee_sumamt") == Decimal("480.00")
    nothing = await asker.ask(cancel(first))
    assert nothing.status is not Status.DONE


async def test_an_admission_is_not_cancelled_while_a_settlement_of_it_stands(asker: Any) -> None:
    """2404 is not sent; after the cancellation of the settlement the lines are in its way."""
    await done(asker, of_visit(Verb.ADMIT))
    await done(asker, charge(1))
    made = await done(asker, settle("1", "240.00"))
    refused = await asker.ask(of_visit(Verb.UNADMIT))
    assert [problem.code.value for problem in refused.problems] == ["VISIT-STATE"]
    assert await asker.world.requests("2404") == []
    await done(asker, cancel(made))
    await done(asker, of_visit(Verb.REFUND))
    await done(asker, of_visit(Verb.UNADMIT))
    assert await state(asker) == "cancelled"


async def test_a_stay_without_settlement_has_none_to_cancel(asker: Any) -> None:
    """2305 is not sent."""
    await done(asker, of_visit(Verb.ADMIT))
    refused = await asker.ask(of_visit(Verb.CANCEL, settlement={"setl_id": "S1"}))
    assert [problem.code.value for problem in refused.problems] == ["SETTLEMENT-UNKNOWN"]
    assert await asker.world.requests("2305") == []


@pytest.mark.parametrize("number", ["O1", "I1"])
async def test_a_message_taken_up_again_settles_nothing_that_came_later(
    asker: Any, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """Its answer could not be stored; meanwhile its settlement was cancelled and another line came.
    The same message again is told what it did, and settles neither.
    """
    opening = Verb.REGISTER if number == "O1" else Verb.ADMIT
    await done(asker, of_visit(opening, number))
    await done(asker, charge(1, number))
    journal = asker.world.gateway.journal
    finish = journal.finish_exchange

    async def full_disk(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(journal, "finish_exchange", finish)
        raise JournalError("no space left")

    monkeypatch.setattr(journal, "finish_exchange", full_disk)
    asked = of_visit(Verb.SETTLE, number, settlement={"mid_setl_flag": "1"})
    first = await asker.ask(asked, "M1")
    setl_id = first.settlements[0].info.get("setl_id")
    await done(asker, of_visit(Verb.CANCEL, number, settlement={"setl_id": setl_id}))
    await done(asker, charge(2, number))
    again = await asker.ask(asked, "M1")
    assert [made.info.get("setl_id") for made in again.settlements] == [setl_id]
    assert again.status is Status.DONE
    assert await asker.world.settled(number) == []


async def test_an_admission_whose_answer_was_lost_is_done_after_the_discharge_too(
    asker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer could not be stored, and the message comes again when the stay has ended: it is
    told what it did, not that the state of the visit forbids it.
    """
    journal = asker.world.gateway.journal
    finish = journal.finish_exchange

    async def full_disk(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(journal, "finish_exchange", finish)
        raise JournalError("no space left")

    monkeypatch.setattr(journal, "finish_exchange", full_disk)
    first = await asker.ask(of_visit(Verb.ADMIT), "M1")
    assert first.status is Status.DONE
    await done(asker, of_visit(Verb.DISCHARGE))
    again = await asker.ask(of_visit(Verb.ADMIT), "M1")
    assert (again.status, again.problems) == (Status.DONE, [])
    assert len(await asker.world.requests("2401")) == 1
    other = await asker.ask(of_visit(Verb.ADMIT), "M2")
    assert [problem.code.value for problem in other.problems] == ["VISIT-STATE"]
