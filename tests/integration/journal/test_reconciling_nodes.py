"""Two gateways on one PostgreSQL journal: one of them reconciles a day, and what is old is emptied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest_asyncio

from gateway.clock import CHINA
from gateway.journal import Send
from gateway.journal.postgres import PostgresJournal
from gateway.settings import ReconciliationSettings
from gateway.settlement.reconciling.report import GroupReport, GroupState, Report
from gateway.settlement.reconciling.running import Kinds
from gateway.settlement.reconciling.scheduling import LEASE_SECONDS, REPORTS, BusyError, Schedule
from gateway.settlement.reconciling.stored import days_of, report_of, reports_of
from tests.clocks import HandClock

CODE = "H43010000001"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=CHINA)
NINTH = date(2026, 3, 9)


class Watcher:
    """Lets a failure fail the test."""

    def reconciled(self, report: Report) -> None:
        """Not looked at."""

    def reconciliation_open(self, code: str, findings: Mapping[str, int], behind: int) -> None:
        """Not looked at."""

    def failed(self, error: Exception) -> None:
        """Nothing may break."""
        raise error


class Centre:
    """Balances every day, once the test lets it."""

    def __init__(self) -> None:
        self.asked: list[date] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def run(
        self, begin: date, end: date, kinds: Kinds, *, earlier: Report | None = None, save: Any
    ) -> Report:
        """Compare a day."""
        self.asked.append(begin)
        self.begun.set()
        await self.go.wait()
        report = Report(fixmedins_code=CODE, begin=begin, end=end, finished=True)
        report.groups = [
            GroupReport(
                clr_type="11",
                setl_optins="430100",
                refd_setl_flag="0",
                state=GroupState.BALANCED,
            )
        ]
        await save(report)
        return report


class Hospital:
    """Two gateways with one centre, on one database."""

    def __init__(self, journals: list[PostgresJournal], clock: HandClock) -> None:
        self.journals, self.clock, self.centre = journals, clock, Centre()

    def node(self, number: int, **settings: Any) -> Schedule:
        """One of the gateways."""
        return Schedule(
            settings=ReconciliationSettings(**{"catch_up_days": 1, **settings}),
            reconcilers={CODE: self.centre},  # type: ignore[dict-item] # a double of the class
            journal=self.journals[number],
            clock=self.clock,
            watcher=Watcher(),
            node=f"node {number}",
        )


@pytest_asyncio.fixture
async def hospital(dsn: str) -> AsyncIterator[Hospital]:
    """The gateways, on an empty schema."""
    clock = HandClock(NOON)
    journals = [await PostgresJournal.open(dsn, clock=clock) for _ in range(2)]
    yield Hospital(journals, clock)
    for journal in journals:
        await journal.close()


async def test_of_two_gateways_that_look_at_once_one_runs_the_day(hospital: Hospital) -> None:
    """Both see that it is due; the centre is asked once, and both see the same report."""
    one, two = hospital.node(0), hospital.node(1)
    assert await one.due(CODE) == await two.due(CODE) == [NINTH]
    looks = [asyncio.create_task(node.look()) for node in (one, two)]
    await asyncio.wait_for(hospital.centre.begun.wait(), 20)
    done, _ = await asyncio.wait(looks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [[]]  # it found the day taken, and went on
    hospital.centre.go.set()
    reports = [report for look in looks for report in await look]
    assert [report.begin for report in reports] == [NINTH]
    assert hospital.centre.asked == [NINTH]
    for journal in hospital.journals:
        report = await report_of(journal, CODE, NINTH)
        assert report is not None
        assert report.state.value == "balanced"
    assert await one.due(CODE) == await two.due(CODE) == []


async def test_the_day_of_a_gateway_that_died_is_taken_over(hospital: Hospital) -> None:
    """Not before its lease is over; then the other one asks, and has the day."""
    dying = asyncio.create_task(hospital.node(0).look())
    await asyncio.wait_for(hospital.centre.begun.wait(), 20)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    hospital.centre.go.set()
    other = hospital.node(1)
    assert await other.look() == []
    hospital.clock.time += timedelta(seconds=LEASE_SECONDS + 1)
    assert [report.begin for report in await other.look()] == [NINTH]


async def test_a_stated_day_that_another_runs_is_busy(hospital: Hospital) -> None:
    """`gateway reconcile run` on the other gateway is told so, and asks the centre nothing."""
    looking = asyncio.create_task(hospital.node(0).look())
    await asyncio.wait_for(hospital.centre.begun.wait(), 20)
    refused = await asyncio.gather(hospital.node(1).reconcile(CODE, NINTH), return_exceptions=True)
    assert [type(error) for error in refused] == [BusyError]
    hospital.centre.go.set()
    await looking
    assert hospital.centre.asked == [NINTH]


async def test_old_reports_are_emptied_by_one_of_them_and_nothing_else_is(
    hospital: Hospital,
) -> None:
    """`keep_days`: the report of a balanced day goes, its book, the money transactions, their keys
    and the audit stay; the other gateway finds nothing left to empty.
    """
    hospital.centre.go.set()
    one, two = hospital.node(0, keep_days=10), hospital.node(1, keep_days=10)
    journal = hospital.journals[0]
    money = Send("M1", "", "2207", f"{CODE}/V1", fixmedins_code=CODE, money=True)
    await journal.record_send(money)
    await one.look()
    assert (await one.trim(CODE), await two.trim(CODE)) == (0, 0)
    hospital.clock.time += timedelta(days=12)
    before = await journal.sends()
    emptied = [await one.trim(CODE), await two.trim(CODE)]
    assert sorted(emptied) == [0, 1]
    book = await journal.book(REPORTS, f"{CODE}/{NINTH.isoformat()}")
    assert book is not None
    assert (book.state, book.data) == ("trimmed", b"")
    assert await report_of(journal, CODE, NINTH) is None
    assert await reports_of(journal, CODE, NINTH) == []
    assert [(day.day, day.state) for day in await days_of(journal, CODE, NINTH)] == [
        (NINTH, "balanced")
    ]
    assert await journal.sends() == before
    assert (await journal.audit_verify()).broken == []
    report = await one.reconcile(CODE, NINTH)  # asked for by hand, it is made anew
    assert report.state.value == "balanced"
