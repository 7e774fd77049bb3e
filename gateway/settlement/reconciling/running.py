"""3201 for each group of a span of days, and 3202 where a group does not balance.

A group is clearing class, clearing centre, and settlements or refunds; 3201 is asked for each
insurance type of it, 3202 knows no insurance type and compares the whole group (reference: rules
section 15). Groups come from our own settlements of the span, from earlier reports and from the
settings: a settlement that was lost here is only seen in a group that is asked for.

Nothing of it moves money: whatever breaks off is done again. A report is saved after each group,
and a group that was compared is not asked for again while our own figures in it are the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gateway.clock import Clock, stamp
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import FileError
from gateway.fsi.files.detail import Group, Reconciled, reconcile
from gateway.fsi.files.line import Line
from gateway.fsi.files.transfer import PATIENCE, Patience
from gateway.intents import Accepted, Outcome, Rejected, Unknown
from gateway.journal import Journal
from gateway.settlement.failing import why
from gateway.settlement.reconciling import matching
from gateway.settlement.reconciling.own import FORWARD, REFUND, OwnBooks, collect
from gateway.settlement.reconciling.report import (
    Asked,
    GroupReport,
    GroupState,
    Report,
    Totals,
)
from gateway.settlement.work import rows

TOTALS = "3201"
BALANCED = "0"
"""`stmt_rslt` of a group that balances."""

Key = tuple[str, str]
"""Clearing class and clearing centre."""


class Kinds(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for beside the groups of our own settlements."""

    insutypes: tuple[str, ...] = ()
    clr_types: tuple[str, ...] = ()
    setl_optins: tuple[str, ...] = ()

    def with_groups(self, groups: Iterable[GroupReport]) -> Kinds:
        """These and the kinds that a report has."""
        every = list(groups)
        return self.with_these(
            [one.insutype for group in every for one in group.asked],
            [group.clr_type for group in every],
            [group.setl_optins for group in every],
        )

    def with_these(
        self, insutypes: Iterable[str], clr_types: Iterable[str], setl_optins: Iterable[str]
    ) -> Kinds:
        """These and others."""
        return Kinds(
            insutypes=_each((*self.insutypes, *insutypes)),
            clr_types=_each((*self.clr_types, *clr_types)),
            setl_optins=_each((*self.setl_optins, *setl_optins)),
        )


class Place(Protocol):
    """What a reconciliation needs of an institution: `gateway.settlement.preparing.Site` is one."""

    definitions: Definitions
    checker: Checker


Save = Callable[[Report], Awaitable[None]]
"""Keeps a report as far as it is."""


async def _keep_nothing(_: Report) -> None:
    pass


class Reconciler:
    """Reconciles one institution over its line."""

    def __init__(
        self,
        *,
        line: Line,
        place: Place,
        journal: Journal,
        folder: Path,
        clock: Clock,
        patience: Patience = PATIENCE,
    ) -> None:
        """`folder` is where detail and result files are kept; they hold person numbers."""
        self._line = line
        self._place = place
        self._journal = journal
        self._folder = folder
        self._clock = clock
        self._patience = patience

    @property
    def fixmedins_code(self) -> str:
        """Whose settlements."""
        return self._line.fixmedins_code

    async def run(
        self,
        begin: date,
        end: date,
        kinds: Kinds,
        *,
        earlier: Report | None = None,
        save: Save = _keep_nothing,
    ) -> Report:
        """Reconcile a span of days of settlement, both included.

        `earlier` is a report of the same span that broke off: what was compared in it stands.
        """
        books = await collect(self._journal, self.fixmedins_code, begin, end)
        report = Report(
            fixmedins_code=self.fixmedins_code, begin=begin, end=end, made_at=self._now()
        )
        kept = {group.key: group for group in earlier.groups} if earlier is not None else {}
        for key in _groups(books, kinds):
            known = kept.get(key)
            whole = books.totals(key)
            if known is not None and known.done and known.totals == whole:
                report.groups.append(known)
                continue
            report.groups.append(await self._group(key, books, kinds))
            report.made_at = self._now()
            await save(report)
        named = {row.msgid for row in report.rows}
        report.unsettled = [
            *(matching.unsettled(s) for s in books.unknown() if s.msgid not in named),
            *(matching.unreadable(s) for s in books.unreadable if s.msgid not in named),
        ]
        report.finished = True
        report.made_at = self._now()
        await save(report)
        return report

    def _now(self) -> str:
        return stamp(self._clock.now())

    async def _group(self, key: tuple[str, str, str], books: OwnBooks, kinds: Kinds) -> GroupReport:
        own = books.of(key)
        clr_type, setl_optins, flag = key
        group = GroupReport(
            clr_type=clr_type,
            setl_optins=setl_optins,
            refd_setl_flag=flag,
            state=GroupState.BALANCED,
            totals=books.totals(key),
        )
        for insutype in _each((*(line.insutype for line in own), *kinds.insutypes)):
            state, asked = await self._ask(group, insutype, books)
            group.asked.append(asked)
            if state not in (GroupState.BALANCED, GroupState.DIFFERENT):
                group.state, group.note = state, asked.text
                group.rows = matching.not_compared(own)
                return group
            if state is GroupState.DIFFERENT:
                group.state = state
        group.rows = matching.agreeing(own)
        if group.state is GroupState.DIFFERENT:
            await self._compare(group, books)
        return group

    async def _ask(
        self, group: GroupReport, insutype: str, books: OwnBooks
    ) -> tuple[GroupState, Asked]:
        """3201 for one insurance type of a group."""
        totals = books.totals(group.key, insutype)
        content = {"data": self._statement(group, insutype, totals, books)}
        problems = [p for p in self._place.checker.check(TOTALS, content) if p.stops]
        if problems:
            text = f"{TOTALS}: {'; '.join(f'{p.place} {p.en}' for p in problems)}"
            return GroupState.REFUSED, Asked(insutype=insutype, totals=totals, text=text)
        outcome = await self._line.transact(TOTALS, content)
        if not isinstance(outcome, Accepted):
            state, text = _why(TOTALS, outcome)
            return state, Asked(insutype=insutype, totals=totals, text=text)
        found = rows(outcome.reply.output, "stmtinfo")
        if not found or not found[0].has("stmt_rslt"):
            text = f"{TOTALS}: the reply has no stmt_rslt"
            return GroupState.NOT_REACHED, Asked(insutype=insutype, totals=totals, text=text)
        balanced = found[0].get("stmt_rslt") == BALANCED
        asked = Asked(
            insutype=insutype,
            totals=totals,
            balanced=balanced,
            text=found[0].get("stmt_rslt_dscr"),
        )
        return GroupState.BALANCED if balanced else GroupState.DIFFERENT, asked

    def _statement(
        self, group: GroupReport, insutype: str, totals: Totals, books: OwnBooks
    ) -> dict[str, Any]:
        """The node `data` of 3201; a field that the edition does not have is left out."""
        values: dict[str, str | int | Decimal] = {
            "insutype": insutype,
            "clr_type": group.clr_type,
            "setl_optins": group.setl_optins,
            "clr_optins": group.setl_optins,
            "stmt_begndate": books.begin.isoformat(),
            "stmt_enddate": books.end.isoformat(),
            "medfee_sumamt": totals.medfee_sumamt,
            "fund_pay_sumamt": totals.fund_pay_sumamt,
            "acct_pay": totals.acct_pay,
            "cash_payamt": totals.cash_payamt,
            "fixmedins_setl_cnt": totals.count,
            "refd_setl_flag": group.refd_setl_flag,
            "fixmedins_refd_setl_flag": group.refd_setl_flag,
        }
        node = self._place.definitions.transaction(TOTALS).node("data", "input")
        known = {field.code for field in node.fields} if node is not None else set(values)
        return {code: value for code, value in values.items() if code in known}

    async def _compare(self, group: GroupReport, books: OwnBooks) -> None:
        """3202 for the whole group; what it finds becomes the rows."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = books.of(group.key)
        wanted = Group(
            setl_optins=group.setl_optins,
            clr_type=group.clr_type,
            begin=books.begin,
            end=books.end,
            refd_setl_flag=group.refd_setl_flag,
        )
        try:
            found = await reconcile(
                self._line,
                wanted,
                matching.detail_lines(own),
                self._folder,
                self._place.definitions,
                patience=self._patience,
            )
        except (FileError, OSError) as error:
            found = Unknown(f"the files cannot be kept or read: {error}")
        if isinstance(found, Reconciled):
            group.rows = matching.matched(found.comparison, books, group.key)
            return
        group.state, group.note = _why("3202", found)
        group.rows = matching.not_compared(own)


def _groups(books: OwnBooks, kinds: Kinds) -> list[tuple[str, str, str]]:
    own: Sequence[Key] = [(line.clr_type, line.setl_optins) for line in books.lines]
    wanted = [(c, o) for c in kinds.clr_types for o in kinds.setl_optins]
    keys = dict.fromkeys((*wanted, *own))
    return [(*key, flag) for key in sorted(keys) for flag in (FORWARD, REFUND)]


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _why(infno: str, outcome: Outcome) -> tuple[GroupState, str]:
    """What an outcome other than an acceptance makes of its group, and the words for it."""
    refused = isinstance(outcome, Rejected)
    return GroupState.REFUSED if refused else GroupState.NOT_REACHED, why(infno, outcome)
