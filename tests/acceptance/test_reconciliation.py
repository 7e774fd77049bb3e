"""Our books against the centre's, over real sockets, with differences planted on either side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.fsi.files.transfer import Patience
from gateway.settlement.reconciling import (
    Finding,
    Held,
    NotHeld,
    Repair,
    Report,
    ReportState,
    SideState,
    Silent,
)
from tests.clocks import HandClock

HOSPITAL = "H43010000001"
GROUPS = """
[reconciliation]
clr_types = ["11", "21"]
setl_optins = ["430100"]
"""


@pytest.fixture
def clock() -> HandClock:
    """Monday morning, for the centre and the gateway."""
    return HandClock()


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[Any]], clock: HandClock) -> Any:
    """A world at a standing time."""
    return await open_world(clock=clock, sections=GROUPS)


@pytest.fixture
def centre(world: Any) -> Any:
    """The centre's own tables."""
    return world.platform.centres["430100"]._tables.store


async def settle(world: Any, number: str, person: m.Person = m.ZHANG) -> str:
    """A settled visit of 240.00; its msgid."""
    await world.charged(number, person)
    answer = await world.tell(world.his.payment(person, number, "O", "240.00"))
    assert answer.code == "AA"
    msgid: str = (await world.sends("2207"))[-1].msgid
    return msgid


async def reconcile(world: Any, day: date | None = None) -> Report:
    """Reconcile a day, today if none is given."""
    today = world.clock.now().date()
    report: Report = await world.gateway.office.schedule.reconcile(HOSPITAL, day or today)
    return report


def found(report: Report) -> list[tuple[str, Finding, Repair]]:
    """Message id, finding and repair of everything that does not agree."""
    return [(row.msgid, row.finding, row.repair) for row in report.differences]


async def test_books_that_agree_balance_and_name_every_settlement(world: Any) -> None:
    """L-001, L-005: stmt_rslt 0 for every group; the totals are those of the stored settlements."""
    first, second = await settle(world, "O1"), await settle(world, "O2")
    report = await reconcile(world)
    assert report.state is ReportState.BALANCED
    assert [row.msgid for row in report.rows] == [first, second]
    assert {row.finding for row in report.rows} == {Finding.BALANCED}
    assert report.totals.count == 2
    assert report.totals.medfee_sumamt == Decimal("480.00")
    assert report.totals.fund_pay_sumamt == sum(row.ours.fund_pay_sumamt for row in report.rows)
    assert await world.requests("3202") == []


async def test_a_cancelled_settlement_is_a_line_forward_and_one_back(world: Any) -> None:
    """L-003: both sides have both; the sums of the day are zero to the fen."""
    await settle(world, "O1")
    (made,) = await world.settled("O1")
    visits = await world.admin.rows("visits")
    node = {"setl_id": made["setl_id"], "mdtrt_id": made["mdtrt_id"]}
    psn_no = (await world.sends("2207"))[0].psn_no
    assert visits[0]["mdtrt_id"] == made["mdtrt_id"]
    cancelled = await world.carry("2208", {"data": {**node, "psn_no": psn_no}}, insuplc="430102")
    assert cancelled.body["infcode"] in (0, "0")
    report = await reconcile(world)
    assert report.state is ReportState.BALANCED
    amounts = [row.ours.medfee_sumamt for row in report.rows]
    assert amounts == [Decimal("240.00"), Decimal("-240.00")]
    assert report.totals.medfee_sumamt == Decimal("0.00")
    assert report.totals.count == 2


async def test_amounts_that_differ_are_named_field_by_field(world: Any, centre: Any) -> None:
    """L-001, L-002: 1 with the difference; only the settlement that differs is named."""
    first, second = await settle(world, "O1"), await settle(world, "O2")
    centre.run(
        "UPDATE settlements SET fund_pay_sumamt = '100.00' WHERE msgid = ?",
        second,
    )
    report = await reconcile(world)
    assert report.state is ReportState.DIFFERENT
    assert found(report) == [(second, Finding.AMOUNTS_DIFFER, Repair.READ_BACK)]
    (row,) = report.differences
    assert row.fields == ("fund_pay_sumamt",)
    assert row.theirs.fund_pay_sumamt == Decimal("100.00")
    assert row.theirs.medfee_sumamt == Decimal("240.00")
    assert next(r for r in report.rows if r.msgid == first).finding is Finding.BALANCED


async def test_what_the_centre_lacks_is_named(world: Any, centre: Any) -> None:
    """We hold it, the centre does not: it is asked, and nothing is settled anew."""
    first = await settle(world, "O1")
    second = await settle(world, "O2")
    centre.run("UPDATE settlements SET state = 'reversed' WHERE msgid = ?", first)
    report = await reconcile(world)
    assert found(report) == [(first, Finding.ONLY_OURS, Repair.ASK_CENTRE)]
    assert report.differences[0].theirs.state is SideState.ABSENT
    assert next(row for row in report.rows if row.msgid == second).finding is Finding.BALANCED


async def test_a_settlement_whose_reply_was_lost_is_found_by_its_message_id(world: Any) -> None:
    """L-004: the result file names the msgid of the entry in state unknown, with its setl_id."""
    known = await settle(world, "O1")
    await world.charged("O2")
    await world.admin.fault("drop-after", "2207")
    await world.tell(world.his.payment(m.ZHANG, "O2", "O", "240.00"))
    lost = (await world.sends("2207"))[-1].msgid
    report = await reconcile(world)
    assert found(report) == [(lost, Finding.UNKNOWN_FOUND, Repair.CONFIRM)]
    (row,) = report.differences
    (theirs,) = await world.settled("O2")
    assert (row.setl_id, row.mdtrt_id) == (theirs["setl_id"], theirs["mdtrt_id"])
    assert row.ours.state is SideState.UNKNOWN
    assert row.theirs.medfee_sumamt == Decimal("240.00")
    answers = await world.gateway.office.reader.held(HOSPITAL, [lost, known])
    held = answers[lost]
    assert isinstance(held, Held)
    assert (held.setl_id, held.medfee_sumamt) == (theirs["setl_id"], Decimal("240.00"))
    assert isinstance(answers[known], Held)


async def test_a_message_that_never_arrived_is_not_found_which_is_no_proof(world: Any) -> None:
    """The centre balances without it; the row says wait, the outcome stays unknown."""
    await settle(world, "O1")
    await world.charged("O2")
    await world.admin.fault("drop-before", "2207")
    await world.tell(world.his.payment(m.ZHANG, "O2", "O", "240.00"))
    lost = (await world.sends("2207"))[-1].msgid
    report = await reconcile(world)
    assert found(report) == [(lost, Finding.UNKNOWN_NOT_FOUND, Repair.WAIT)]
    assert report.state is ReportState.DIFFERENT
    answers = await world.gateway.office.reader.held(HOSPITAL, [lost])
    assert answers[lost] == NotHeld(msgid=lost, asked_at="2026-03-02 10:00:00")
    assert await world.states("2207") == ["accepted", "unknown"]


async def test_a_settlement_of_nobody_here_is_named_with_its_message_id(
    world: Any, centre: Any
) -> None:
    """Money moved under our code and no message of ours made it: 2601 takes the msgid of the line."""
    mine = await settle(world, "O1")
    foreign = f"{HOSPITAL}202603020900000001"
    row = dict(centre.one("SELECT * FROM settlements WHERE msgid = ?", mine))
    centre.insert("settlements", {**row, "setl_id": "X1", "msgid": foreign})
    report = await reconcile(world)
    assert found(report) == [(foreign, Finding.ONLY_THEIRS, Repair.REVERSE)]
    (line,) = report.differences
    assert (line.ours.state, line.theirs.medfee_sumamt) == (SideState.ABSENT, Decimal("240.00"))


async def test_what_was_reversed_on_one_side_only(world: Any, centre: Any) -> None:
    """We took it back by 2601, the centre has it again; another was cancelled there and not here."""
    first, second = await settle(world, "O1"), await settle(world, "O2")
    psn_no = (await world.sends("2207"))[0].psn_no
    undo = {"data": {"psn_no": psn_no, "omsgid": first, "oinfno": "2207"}}
    assert (await world.carry("2601", undo, insuplc="430102")).body["infcode"] in (0, "0")
    centre.run("UPDATE settlements SET state = 'settled' WHERE msgid = ?", first)
    row = dict(centre.one("SELECT * FROM settlements WHERE msgid = ?", second))
    back = {code: f"-{row[code]}" for code in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")}
    refund = {**row, **back, "setl_id": "X1", "msgid": "X", "state": "refund"}
    centre.insert("settlements", {**refund, "origin": row["setl_id"]})
    report = await reconcile(world)
    assert found(report) == [
        (first, Finding.REVERSED_HERE, Repair.REVERSE),
        ("X", Finding.REVERSED_THERE, Repair.RECORD_REFUND),
    ]
    assert report.differences[1].theirs.medfee_sumamt == Decimal("-240.00")


@pytest.mark.parametrize("infno", ["3201", "9101", "3202", "9102"])
async def test_a_step_without_answer_leaves_the_day_open_and_is_done_again(
    world: Any, centre: Any, infno: str
) -> None:
    """Each transaction of the way breaks off once: incomplete, nothing invented; then complete."""
    msgid = await settle(world, "O1")
    centre.run("UPDATE settlements SET acct_pay = '0.01' WHERE msgid = ?", msgid)
    await world.admin.fault("drop-after", infno, count=20)
    for reconciler in world.gateway.office.schedule._reconcilers.values():
        reconciler._patience = Patience(attempts=2, most=2, seconds=0.0)
    report = await reconcile(world)
    assert report.state is ReportState.INCOMPLETE
    assert {row.finding for row in report.rows} == {Finding.NOT_COMPARED}
    answers = await world.gateway.office.reader.held(HOSPITAL, [msgid])
    assert isinstance(answers[msgid], Silent)
    world.platform.faults.clear()
    report = await reconcile(world)
    assert found(report) == [(msgid, Finding.AMOUNTS_DIFFER, Repair.READ_BACK)]


async def test_a_reconciliation_leaves_no_unknown_outcome_behind(world: Any) -> None:
    """Its transactions are reads: a lost reply holds nothing and is on nobody's list."""
    await settle(world, "O1")
    await world.admin.fault("drop-after", "3201")
    assert (await reconcile(world)).state is ReportState.INCOMPLETE
    assert await world.gateway._decider.open() == []


async def test_days_offline_are_caught_up_once_and_in_order(
    world: Any, clock: HandClock, centre: Any
) -> None:
    """Ten days without a gateway: each day in the window is reconciled, oldest first, and once."""
    await settle(world, "O1")
    clock.time += timedelta(days=1)
    other = await settle(world, "O2")
    centre.run("UPDATE settlements SET acct_pay = '0.01' WHERE msgid = ?", other)
    await world.stop()
    clock.time += timedelta(days=9)
    late = GROUPS + "catch_up_days = 12\n"
    await world.start(sections=late)
    done = await world.gateway.office.schedule.look()
    assert [report.begin for report in done] == [
        date(2026, 2, 28) + timedelta(days=number) for number in range(12)
    ]
    states = {report.begin: report.state for report in done}
    assert states.pop(date(2026, 3, 3)) is ReportState.DIFFERENT
    assert set(states.values()) == {ReportState.BALANCED}
    assert await world.gateway.office.schedule.look() == []
    clock.time += timedelta(days=1)
    again = await world.gateway.office.schedule.look()
    assert [report.begin.day for report in again] == [3, 12]


@pytest.mark.parametrize("infno", ["3201", "9101", "3202", "9102"])
async def test_a_gateway_that_dies_in_a_step_goes_on_after_its_restart(
    world: Any, centre: Any, monkeypatch: pytest.MonkeyPatch, infno: str
) -> None:
    """Before each transaction of the way once: the day is running, and the next start ends it."""
    msgid = await settle(world, "O1")
    centre.run("UPDATE settlements SET acct_pay = '0.01' WHERE msgid = ?", msgid)
    line = world.gateway.office.lines[HOSPITAL]

    class CrashError(Exception):
        pass

    transact, stream = line.transact, line.stream

    async def transacting(number: str, content: Any) -> Any:
        if number == infno:
            raise CrashError
        return await transact(number, content)

    def streaming(number: str, content: Any, headers: Any) -> Any:
        if number == infno:
            raise CrashError
        return stream(number, content, headers)

    monkeypatch.setattr(line, "transact", transacting)
    monkeypatch.setattr(line, "stream", streaming)
    with pytest.raises(CrashError):
        await reconcile(world)
    await world.stop()
    await world.start(sections=GROUPS)
    assert found(await reconcile(world)) == [(msgid, Finding.AMOUNTS_DIFFER, Repair.READ_BACK)]


async def test_a_gateway_reconciles_by_itself_when_the_settings_say_so(
    world: Any, clock: HandClock
) -> None:
    """Started on the next morning, it has yesterday's report without being asked."""
    msgid = await settle(world, "O1")
    yesterday = clock.now().date()
    await world.stop()
    clock.time += timedelta(days=1)
    await world.start(sections=GROUPS + "enabled = true\ncatch_up_days = 2\n")
    schedule = world.gateway.office.schedule

    async def finished() -> Report | None:
        report: Report | None = await schedule.report(HOSPITAL, yesterday)
        return report if report is not None and report.finished else None

    report = await world.until(finished)
    assert (report.state, [row.msgid for row in report.rows]) == (ReportState.BALANCED, [msgid])
