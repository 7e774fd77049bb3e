"""Every day is reconciled once, by one node, and days that were missed are caught up.

Rules:

1. A day is due from the time of day `at` of the day after it on. The window reaches back
   `catch_up_days`; older days are reconciled by command.
2. A day that balanced is not asked for again. One with differences is asked for again at each
   `at` while it is in the window, since repairs change it; one that got no answer after
   `retry_minutes`.
3. Whoever stores the day's book as running has it, until its lease ends. Every group that was
   compared prolongs the lease; a node that lost it stops.
4. A day that broke off goes on behind the groups that were compared.
5. No day waits for a clock that was set back: an attempt or a lease that lies further ahead than
   any that could be made now is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Protocol

import msgspec

from gateway.clock import CHINA, SKEW, Clock, is_awaited, read_stamp, stamp
from gateway.errors import StateError, StepError
from gateway.journal import AuditEvent, BookRow, Journal
from gateway.settings import ReconciliationSettings
from gateway.settlement.reconciling.report import (
    Report,
    ReportState,
    decode_report,
    encode_report,
)
from gateway.settlement.reconciling.running import Kinds, Reconciler

KIND = "reconciliation"
"""Kind of the small books, one a day: how it stands. They are read at every look."""
REPORTS = "reconciliation-report"
"""Kind of the reports themselves, which have every settlement of a day."""
RUNNING = "running"
LEASE_SECONDS = 900.0
"""How long a node that went silent in the middle of a group is waited for."""
TRIMMED = "trimmed"
"""State of a report that retention has emptied; what is known of its day stays."""
TRIMMED_AT_ONCE = 100
"""Reports that one look empties at most."""
LOOK_SECONDS = 20.0
"""Seconds between looks at what is due."""
KNOWN_DAYS = 31
"""Reports from which the known groups are taken."""


class Kept(msgspec.Struct, kw_only=True):
    """The book of a day: how it stands, and who works on it.

    `findings` counts what does not agree, `count` our own settlements. The three tuples are what
    its groups were made of.
    """

    node: str = ""
    lease_until: str = ""
    attempted_at: str = ""
    count: int = 0
    findings: dict[str, int] = {}
    insutypes: tuple[str, ...] = ()
    clr_types: tuple[str, ...] = ()
    setl_optins: tuple[str, ...] = ()


class ReconciliationWatcher(Protocol):
    """Is told how reconciliations end."""

    def reconciled(self, report: Report) -> None:
        """A day was worked on to its end; the report has patient data and is not logged."""
        ...

    def reconciliation_open(
        self, fixmedins_code: str, findings: Mapping[str, int], behind: int
    ) -> None:
        """Differences in the window by finding, and days of it without a comparison."""
        ...

    def failed(self, error: Exception) -> None:
        """A step broke and is tried again."""
        ...


Closed = Callable[[Report], Awaitable[None]]
"""Is told of a day that balances, before that is stored: after a crash it is told again."""


async def _tell_nobody(_: Report) -> None:
    """Nobody wants to be told of days that balance."""


class BusyError(StepError):
    """Another gateway is reconciling this day."""


def book_key(fixmedins_code: str, day: date) -> str:
    """The key of a day's book."""
    return f"{fixmedins_code}/{day.isoformat()}"


def decode_book(row: BookRow) -> Kept:
    """A day's book."""
    return msgspec.json.decode(row.data, type=Kept)


def _is_leased(kept: Kept, now: datetime) -> bool:
    """True while the node that works on a day has it."""
    return is_awaited(read_stamp(kept.lease_until), now, timedelta(seconds=LEASE_SECONDS))


class Schedule:
    """The reconciliations of every institution of the gateway."""

    def __init__(
        self,
        *,
        settings: ReconciliationSettings,
        reconcilers: Mapping[str, Reconciler],
        journal: Journal,
        clock: Clock,
        watcher: ReconciliationWatcher,
        node: str,
        closed: Closed = _tell_nobody,
    ) -> None:
        """`node` names this process; no other may have the same name."""
        self._closed = closed
        self._settings = settings
        self._reconcilers = reconcilers
        self._journal = journal
        self._clock = clock
        self._watcher = watcher
        self._node = node
        self._kept_from: dict[str, str] = {}
        """Institution -> the last report that retention has looked at."""

    async def run(self) -> None:
        """Do what is due, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look comes whatever broke
                self._watcher.failed(error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> list[Report]:
        """Reconcile every day that is due, oldest first; what was worked on."""
        done: list[Report] = []
        for code in self._reconcilers:
            for day in await self.due(code):
                try:
                    done.append(await self.reconcile(code, day))
                except BusyError:
                    continue
            if not done:
                await self._tell(code)
            await self.trim(code)
        return done

    async def trim(self, fixmedins_code: str) -> int:
        """Empty the reports of days that balance and are older than `keep_days`; how many.

        A day that does not balance keeps its report. The books of the days, the money
        transactions and their keys stay in any case: only the listing of settlements goes.
        """
        if not self._settings.keep_days:
            return 0
        today = self._clock.now().astimezone(CHINA).date()
        first = book_key(fixmedins_code, today - timedelta(days=self._settings.keep_days))
        after, count = self._kept_from.get(fixmedins_code, ""), 0
        rows = await self._journal.books(
            REPORTS, prefix=f"{fixmedins_code}/", after=after, limit=TRIMMED_AT_ONCE
        )
        for row in rows:
            if row.key >= first:
                break
            if row.state == ReportState.BALANCED:
                detail = {"institution": fixmedins_code, "day": row.key.partition("/")[2]}
                empty = BookRow(row.kind, row.key, TRIMMED, row.version)
                try:
                    await self._journal.put_book(empty, events=[AuditEvent("", "trim", detail)])
                except StateError:
                    continue  # another gateway was first
                count += 1
            self._kept_from[fixmedins_code] = row.key
        return count

    async def due(self, fixmedins_code: str) -> list[date]:
        """The days of an institution that are due now, oldest first."""
        now = self._clock.now().astimezone(CHINA)
        books = {row.key: row for row in await self._window(fixmedins_code)}
        found = []
        for day in self._days(now):
            row = books.get(book_key(fixmedins_code, day))
            if row is None or self._is_due(row, now):
                found.append(day)
        return found

    def _round(self, now: datetime) -> datetime:
        """The last time of day `at` that has come."""
        at = time.fromisoformat(self._settings.at)
        today = datetime.combine(now.date(), at, tzinfo=CHINA)
        return today if now >= today else today - timedelta(days=1)

    def _days(self, now: datetime) -> list[date]:
        last = self._round(now).date() - timedelta(days=1)
        count = self._settings.catch_up_days
        return [last - timedelta(days=back) for back in reversed(range(count))]

    def _is_due(self, row: BookRow, now: datetime) -> bool:
        kept = decode_book(row)
        ahead = stamp(now + SKEW)
        """An attempt later than this was made before the clock was set back."""
        if row.state == RUNNING:
            return not _is_leased(kept, now)
        if row.state == ReportState.INCOMPLETE:
            again = now - timedelta(minutes=self._settings.retry_minutes)
            return not stamp(again) < kept.attempted_at <= ahead
        if row.state == ReportState.DIFFERENT:
            return not stamp(self._round(now)) <= kept.attempted_at <= ahead
        return False

    async def reconcile(self, fixmedins_code: str, day: date) -> Report:
        """Reconcile a day now, whether it is due or not.

        Raises:
            BusyError: another gateway has it.
            StepError: the institution is not one of this gateway.
        """
        reconciler = self._reconcilers.get(fixmedins_code)
        if reconciler is None:
            raise StepError(
                f"配置中没有机构{fixmedins_code}：请核对机构编号",
                f"no institution {fixmedins_code} in the settings: check its code",
            )
        row, paper, earlier = await self._take(fixmedins_code, day)
        kinds = await self.kinds(fixmedins_code)

        async def save(report: Report) -> None:
            nonlocal row, paper
            paper = await self._write(paper, report)
            row = await self._store(row, report, RUNNING)

        report = await reconciler.run(day, day, kinds, earlier=earlier, save=save)
        detail = {
            "institution": fixmedins_code,
            "day": day.isoformat(),
            "state": report.state.value,
            "differences": str(len(report.differences)),
        }
        if report.state is ReportState.BALANCED:
            await self._closed(report)
        await self._store(row, report, report.state.value, AuditEvent("", "reconcile", detail))
        self._watcher.reconciled(report)
        await self._tell(fixmedins_code)
        return report

    async def report(self, fixmedins_code: str, day: date) -> Report | None:
        """The report of a day as it stands."""
        row = await self._journal.book(REPORTS, book_key(fixmedins_code, day))
        return None if row is None or row.state == TRIMMED else decode_report(row.data)

    async def kinds(self, fixmedins_code: str) -> Kinds:
        """The groups of the settings and of the reports of the last days."""
        settings = self._settings
        known = Kinds(
            insutypes=tuple(settings.insutypes),
            clr_types=tuple(settings.clr_types),
            setl_optins=tuple(settings.setl_optins),
        )
        for row in (await self._window(fixmedins_code))[-KNOWN_DAYS:]:
            kept = decode_book(row)
            known = known.with_these(kept.insutypes, kept.clr_types, kept.setl_optins)
        return known

    async def _window(self, fixmedins_code: str) -> list[BookRow]:
        days = max(self._settings.catch_up_days, KNOWN_DAYS) + 1
        first = self._clock.now().astimezone(CHINA).date() - timedelta(days=days + 1)
        prefix = f"{fixmedins_code}/"
        return await self._journal.books(
            KIND, prefix=prefix, after=book_key(fixmedins_code, first), limit=days + 2
        )

    async def _take(self, fixmedins_code: str, day: date) -> tuple[BookRow, BookRow, Report | None]:
        """Store the day as running under this node; what broke off before, to go on with."""
        key = book_key(fixmedins_code, day)
        row = await self._journal.book(KIND, key)
        paper = await self._journal.book(REPORTS, key)
        kept_paper = paper is not None and paper.state != TRIMMED
        held = decode_report(paper.data) if paper is not None and kept_paper else None
        earlier: Report | None = None
        if row is not None:
            kept = decode_book(row)
            running = row.state == RUNNING and _is_leased(kept, self._clock.now())
            if running and kept.node != self._node:
                raise BusyError(
                    f"{day.isoformat()}正由另一网关对账：请稍后查看结果",
                    f"{day.isoformat()} is being reconciled by another gateway: look again later",
                )
            earlier = held if row.state in (RUNNING, ReportState.INCOMPLETE) else None
        report = earlier or Report(fixmedins_code=fixmedins_code, begin=day, end=day)
        fresh = row or BookRow(KIND, key, RUNNING)
        return (
            await self._store(fresh, report, RUNNING),
            paper or BookRow(REPORTS, key, RUNNING),
            earlier,
        )

    async def _write(self, paper: BookRow, report: Report) -> BookRow:
        """Keep the report; the day's book follows, and says that it is there."""
        state = report.state.value
        return await self._put(
            BookRow(paper.kind, paper.key, state, paper.version, encode_report(report))
        )

    async def _store(
        self, row: BookRow, report: Report, state: str, event: AuditEvent | None = None
    ) -> BookRow:
        now = self._clock.now().astimezone(CHINA)
        findings: dict[str, int] = {}
        for found in report.differences:
            findings[found.finding.value] = findings.get(found.finding.value, 0) + 1
        kinds = Kinds().with_groups(report.groups)
        kept = Kept(
            node=self._node,
            lease_until=stamp(now + timedelta(seconds=LEASE_SECONDS)),
            attempted_at=stamp(now),
            count=report.totals.count,
            findings=findings,
            insutypes=kinds.insutypes,
            clr_types=kinds.clr_types,
            setl_optins=kinds.setl_optins,
        )
        book = BookRow(row.kind, row.key, state, row.version, msgspec.json.encode(kept))
        return await self._put(book, *([event] if event else []))

    async def _put(self, book: BookRow, *events: AuditEvent) -> BookRow:
        try:
            return await self._journal.put_book(book, events=events)
        except StateError:
            raise BusyError(
                f"{book.key}已由另一网关接管：请稍后查看结果",
                f"{book.key} was taken over by another gateway: look again later",
            ) from None

    async def _tell(self, fixmedins_code: str) -> None:
        """Count what is open in the window."""
        now = self._clock.now().astimezone(CHINA)
        books = {row.key: row for row in await self._window(fixmedins_code)}
        findings: dict[str, int] = {}
        behind = 0
        for day in self._days(now):
            row = books.get(book_key(fixmedins_code, day))
            if row is None or row.state in (RUNNING, ReportState.INCOMPLETE):
                behind += 1
            for name, count in decode_book(row).findings.items() if row is not None else ():
                findings[name] = findings.get(name, 0) + count
        self._watcher.reconciliation_open(fixmedins_code, findings, behind)
