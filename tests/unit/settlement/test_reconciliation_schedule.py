"""When which day is reconciled, by whom, and what a crash in the middle leaves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.errors import StepError
from gateway.journal import BookRow
from gateway.journal.memory import Memory, MemoryJournal
from gateway.settings import ReconciliationSettings
from gateway.settlement.reconciling.report import GroupReport, GroupState, Report, ReportState
from gateway.settlement.reconciling.running import Kinds
from gateway.settlement.reconciling.scheduling import (
    LEASE_SECONDS,
    RUNNING,
    BusyError,
    Schedule,
    book_key,
    decode_book,
)
from tests.clocks import HandClock

CODE = "H43010000001"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=CHINA)


class Watcher:
    def __init__(self) -> None:
        self.open: tuple[Mapping[str, int], int] = ({}, -1)
        self.states: list[ReportState] = []

    def reconciled(self, report: Report) -> None:
        self.states.append(report.state)

    def reconciliation_open(self, code: str, findings: Mapping[str, int], behind: int) -> None:
        self.open = (findings, behind)

    def failed(self, error: Exception) -> None:
        raise error


class CrashError(Exception):
    """The process ends."""


class Centre:
    """Two groups; `states` say how each ends, `crash` before which group the process dies."""

    def __init__(self) -> None:
        self.states = [GroupState.BALANCED, GroupState.BALANCED]
        self.asked: list[tuple[date, int]] = []
        self.crash = -1
        self.kinds: list[Kinds] = []

    async def run(
        self, begin: date, end: date, kinds: Kinds, *, earlier: Report | None = None, save: Any
    ) -> Report:
        self.kinds.append(kinds)
        report = Report(fixmedins_code=CODE, begin=begin, end=end)
        kept = len(earlier.groups) if earlier else 0
        report.groups = list(earlier.groups) if earlier else []
        for number in range(kept, 2):
            if number == self.crash:
                raise CrashError
            self.asked.append((begin, number))
            state = self.states[number]
            report.groups.append(
                GroupReport(
                    clr_type=f"1{number}", setl_optins="430100", refd_setl_flag="0", state=state
                )
            )
            await save(report)
        report.finished = True
        return report


@pytest.fixture
def clock() -> HandClock:
    """Noon of the tenth of March."""
    return HandClock(NOON)


@pytest.fixture
def memory() -> Memory:
    """What every gateway of a test shares."""
    return Memory()


@pytest.fixture
def centre() -> Centre:
    """A centre that balances."""
    return Centre()


@pytest.fixture
def watcher() -> Watcher:
    """Remembers what it was told."""
    return Watcher()


@pytest.fixture
def node(clock: HandClock, memory: Memory, centre: Centre, watcher: Watcher) -> Any:
    """Makes gateways on the same journal, each with a name."""

    def make(name: str = "one", **changes: Any) -> Schedule:
        return Schedule(
            settings=ReconciliationSettings(**{"catch_up_days": 3, **changes}),
            reconcilers={CODE: centre},  # type: ignore[dict-item] # a double of the class
            journal=MemoryJournal(memory, clock=clock),
            clock=clock,
            watcher=watcher,
            node=name,
        )

    return make


def days(*numbers: int) -> list[date]:
    """Days of March."""
    return [date(2026, 3, number) for number in numbers]


@pytest.mark.parametrize(
    ("hour", "minute", "last"), [(2, 29, 8), (2, 30, 9), (23, 59, 9), (0, 0, 8)]
)
async def test_a_day_is_due_from_the_time_of_day_on(
    node: Any, clock: HandClock, hour: int, minute: int, last: int
) -> None:
    """At 02:30 of the 10th the 9th is due, a minute before it the 8th is the last one."""
    clock.time = NOON.replace(hour=hour, minute=minute)
    assert await node().due(CODE) == days(last - 2, last - 1, last)


async def test_a_balanced_day_is_not_asked_for_again(
    node: Any, clock: HandClock, centre: Centre
) -> None:
    """Neither at the next look nor after the next midnight."""
    schedule = node()
    assert [report.begin for report in await schedule.look()] == days(7, 8, 9)
    assert await schedule.look() == []
    clock.time += timedelta(days=1)
    assert [report.begin for report in await schedule.look()] == days(10)


async def test_a_day_with_differences_is_looked_at_again_at_the_next_time_of_day(
    node: Any, clock: HandClock, centre: Centre
) -> None:
    """Not every minute, and only while it is in the window."""
    centre.states = [GroupState.BALANCED, GroupState.DIFFERENT]
    schedule = node()
    await schedule.look()
    assert await schedule.due(CODE) == []
    clock.time += timedelta(days=1)
    assert await schedule.due(CODE) == days(8, 9, 10)


async def test_a_day_without_answer_is_asked_for_again_after_a_while(
    node: Any, clock: HandClock, centre: Centre, watcher: Watcher
) -> None:
    """The days count as behind until then."""
    centre.states = [GroupState.BALANCED, GroupState.NOT_REACHED]
    schedule = node(retry_minutes=30)
    await schedule.look()
    assert watcher.open[1] == 3
    clock.time += timedelta(minutes=29)
    assert await schedule.due(CODE) == []
    clock.time += timedelta(minutes=1)
    assert await schedule.due(CODE) == days(7, 8, 9)


async def test_one_gateway_of_two_reconciles_a_day(
    node: Any, memory: Memory, clock: HandClock, centre: Centre
) -> None:
    """The other is told while the lease lasts, and takes over when it ended."""
    one, two = node("one"), node("two")
    centre.crash = 1
    with pytest.raises(CrashError):
        await one.reconcile(CODE, date(2026, 3, 9))
    centre.crash = -1
    with pytest.raises(BusyError):
        await two.reconcile(CODE, date(2026, 3, 9))
    clock.time += timedelta(seconds=LEASE_SECONDS)
    report = await two.reconcile(CODE, date(2026, 3, 9))
    assert report.state is ReportState.BALANCED
    assert centre.asked == [(date(2026, 3, 9), 0), (date(2026, 3, 9), 1)]


async def test_a_day_does_not_wait_for_a_clock_that_was_set_back(
    node: Any, clock: HandClock, centre: Centre
) -> None:
    """Neither for the lease of a dead gateway, nor until an attempt is half an hour ago."""
    one, two = node("one"), node("two", retry_minutes=30)
    centre.crash = 1
    with pytest.raises(CrashError):
        await one.reconcile(CODE, date(2026, 3, 9))
    centre.crash = -1
    centre.states = [GroupState.BALANCED, GroupState.NOT_REACHED]
    clock.time -= timedelta(hours=1)
    assert await two.due(CODE) == days(7, 8, 9)
    assert len(await two.look()) == 3
    assert await two.due(CODE) == []
    clock.time -= timedelta(hours=1)
    assert await two.due(CODE) == days(7, 8, 9)


async def test_days_with_differences_do_not_wait_for_a_clock_that_was_set_back(
    node: Any, clock: HandClock, centre: Centre
) -> None:
    """Looked at on a day that has not come: they are looked at once more, and then at the next
    time of day.
    """
    centre.states = [GroupState.BALANCED, GroupState.DIFFERENT]
    schedule = node()
    await schedule.look()
    clock.time -= timedelta(days=1)
    assert await schedule.due(CODE) == days(6, 7, 8)
    await schedule.look()
    assert await schedule.due(CODE) == []


@pytest.mark.parametrize("crash", [0, 1])
async def test_a_day_that_broke_off_goes_on_behind_what_was_compared(
    node: Any, centre: Centre, memory: Memory, crash: int
) -> None:
    """The same node after a restart: no group is asked for twice, none is left out."""
    centre.crash = crash
    schedule = node()
    with pytest.raises(CrashError):
        await schedule.reconcile(CODE, date(2026, 3, 9))
    journal = MemoryJournal(memory)
    row = await journal.book("reconciliation", book_key(CODE, date(2026, 3, 9)))
    assert row is not None
    assert (row.state, len(decode_book(row).clr_types)) == (RUNNING, crash)
    centre.crash = -1
    report = await schedule.reconcile(CODE, date(2026, 3, 9))
    assert centre.asked == [(date(2026, 3, 9), 0), (date(2026, 3, 9), 1)]
    assert len(report.groups) == 2
    assert report.state is ReportState.BALANCED


async def test_a_node_that_lost_the_day_stores_nothing_more(
    node: Any, memory: Memory, centre: Centre
) -> None:
    """Another process stored the day meanwhile: its report stands."""
    schedule = node()
    journal = MemoryJournal(memory)
    key = book_key(CODE, date(2026, 3, 9))
    theirs = b""

    class Meddling(Centre):
        async def run(self, *arguments: Any, save: Any, **named: Any) -> Report:
            nonlocal theirs
            row = await journal.book("reconciliation", key)
            assert row is not None
            stored = await journal.put_book(
                BookRow(row.kind, row.key, "balanced", row.version, row.data)
            )
            theirs = stored.data
            return await super().run(*arguments, save=save, **named)

    schedule._reconcilers = {CODE: Meddling()}
    with pytest.raises(BusyError):
        await schedule.reconcile(CODE, date(2026, 3, 9))
    row = await journal.book("reconciliation", key)
    assert row is not None
    assert (row.state, row.data) == ("balanced", theirs)


async def test_groups_of_earlier_reports_are_asked_for_again(node: Any, centre: Centre) -> None:
    """A settlement that was lost here is only found in a group that is asked for."""
    schedule = node(clr_types=["21"])
    await schedule.reconcile(CODE, date(2026, 3, 8))
    await schedule.reconcile(CODE, date(2026, 3, 9))
    assert centre.kinds[0].clr_types == ("21",)
    assert centre.kinds[1].clr_types == ("10", "11", "21")
    assert centre.kinds[1].setl_optins == ("430100",)


async def test_an_institution_of_nobody_is_refused(node: Any) -> None:
    """The error names it; no book is made."""
    with pytest.raises(StepError, match="no institution H43010000009") as caught:
        await node().reconcile("H43010000009", date(2026, 3, 9))
    assert caught.value.zh == "配置中没有机构H43010000009：请核对机构编号"
