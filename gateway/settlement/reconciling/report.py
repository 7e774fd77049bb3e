"""What a reconciliation found, settlement by settlement.

Amounts are `Decimal` in yuan; a refund is a line of its own with negative amounts. A report holds
person numbers and settlement ids: it is for the hospital, and none of it is logged.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

ZERO = Decimal("0.00")


class SideState(StrEnum):
    """What one side holds of a settlement."""

    ABSENT = "absent"
    SETTLED = "settled"
    REFUND = "refund"
    """The reverse line of a cancelled settlement."""
    UNKNOWN = "unknown"
    """Sent by us, without known outcome."""
    REVERSED = "reversed"
    """Taken back by 2601, or by an operator's decision."""
    REFUSED = "refused"
    """Refused by the platform, or never sent, as we were told."""


class Finding(StrEnum):
    """What is so about one settlement; `words` has the texts."""

    BALANCED = "balanced"
    AMOUNTS_DIFFER = "amounts-differ"
    ONLY_OURS = "only-ours"
    ONLY_THEIRS = "only-theirs"
    """The centre has it, and no message of ours made it."""
    REVERSED_HERE = "reversed-here"
    """Undone or refused as far as we know; the centre still has it."""
    REVERSED_THERE = "reversed-there"
    """The centre has its cancellation, we have not."""
    UNKNOWN_FOUND = "unknown-found"
    """Our outcome is unknown, and the centre has it."""
    UNKNOWN_NOT_FOUND = "unknown-not-found"
    """Our outcome is unknown, and the centre does not name it: no proof, it may still arrive."""
    UNREADABLE = "unreadable"
    """Accepted here, but what we kept of it has no amounts."""
    DISPUTED = "disputed"
    """The centre calls it unbalanced although every field it states is ours."""
    UNCLEAR = "unclear"
    """A line of the centre that names no single settlement."""
    UNMENTIONED = "unmentioned"
    """The centre's result is silent about a line that we sent."""
    NOT_COMPARED = "not-compared"
    """The group of this settlement got no answer: nothing is known of the other side."""


_UNSTATED = frozenset({Finding.NOT_COMPARED, Finding.UNMENTIONED, Finding.UNCLEAR})
"""Of which it is not known whether the centre holds it."""


class Repair(StrEnum):
    """What is proposed; nothing is repaired without a person or a policy."""

    NONE = "none"
    WAIT = "wait"
    CONFIRM = "confirm"
    """`gateway unknown resolve MSGID confirm --setl-id SETL_ID`, or reverse."""
    REVERSE = "reverse"
    """2601 with the message id of the line."""
    ASK_CENTRE = "ask-centre"
    READ_BACK = "read-back"
    """5203 for the centre's figures, then correct the account of the hospital."""
    RECORD_REFUND = "record-refund"
    """Cancel the settlement in the hospital's own books."""


class GroupState(StrEnum):
    """How the reconciliation of a group ended."""

    BALANCED = "balanced"
    DIFFERENT = "different"
    REFUSED = "refused"
    """The platform refused 3201, 9101, 3202 or 9102; `note` has the transaction."""
    NOT_REACHED = "not-reached"
    """No answer, or none that can be read: the whole may be done again."""


class ReportState(StrEnum):
    """How a whole reconciliation stands."""

    BALANCED = "balanced"
    DIFFERENT = "different"
    INCOMPLETE = "incomplete"
    """A group got no answer; what was found in the others stands."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Number and sums of some settlements; refunds count negative."""

    count: int = 0
    medfee_sumamt: Decimal = ZERO
    fund_pay_sumamt: Decimal = ZERO
    acct_pay: Decimal = ZERO
    cash_payamt: Decimal = ZERO


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement as one side has it; an amount that is not stated is None."""

    state: SideState
    medfee_sumamt: Decimal | None = None
    fund_pay_sumamt: Decimal | None = None
    acct_pay: Decimal | None = None

    @property
    def is_held(self) -> bool:
        """True when this side has a settlement, or the refund of one."""
        return self.state in (SideState.SETTLED, SideState.REFUND)

    @property
    def is_stated(self) -> bool:
        """True when it has one, and says of how much."""
        stated = (self.medfee_sumamt, self.fund_pay_sumamt, self.acct_pay)
        return self.is_held and None not in stated


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One settlement, or the refund of one.

    `msgid` is the message that made it and the handle of 2601, empty where the centre names none;
    `setl_id` the platform's id, empty where nobody knows it. `infno` is our transaction, empty for
    a settlement that we did not make. `setl_time` is the platform's time as we hold it. `fields`
    are national field codes in which the sides differ. `memo` is what the centre remarks.
    """

    finding: Finding
    repair: Repair
    msgid: str
    setl_id: str = ""
    mdtrt_id: str = ""
    psn_no: str = ""
    insutype: str = ""
    clr_type: str = ""
    setl_optins: str = ""
    refd_setl_flag: str = "0"
    infno: str = ""
    exchange_id: str = ""
    setl_time: str = ""
    ours: Side = Side(state=SideState.ABSENT)
    theirs: Side = Side(state=SideState.ABSENT)
    fields: tuple[str, ...] = ()
    memo: str = ""

    @property
    def agrees(self) -> bool:
        """True when nothing is left to look at."""
        return self.finding is Finding.BALANCED


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One 3201: what we stated of an insurance type, and what the centre said."""

    insutype: str
    totals: Totals
    msgid: str = ""
    balanced: bool | None = None
    """None when there was no answer."""
    text: str = ""
    """`stmt_rslt_dscr`, or why there is no answer."""


class GroupReport(msgspec.Struct, kw_only=True):
    """What was reconciled together: clearing class, clearing centre, settlements or refunds."""

    clr_type: str
    setl_optins: str
    refd_setl_flag: str
    state: GroupState
    totals: Totals = Totals()
    asked: list[Asked] = []
    rows: list[ReportRow] = []
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the other groups of a report."""
        return self.clr_type, self.setl_optins, self.refd_setl_flag

    @property
    def done(self) -> bool:
        """True when both sides were compared."""
        return self.state in (GroupState.BALANCED, GroupState.DIFFERENT)


class Report(msgspec.Struct, kw_only=True):
    """A reconciliation of one institution over a span of days of settlement, both included.

    `made_at` is when it was last worked on. `unsettled` are messages of ours in the span whose
    outcome is unknown and that no group names.
    """

    fixmedins_code: str
    begin: date
    end: date
    made_at: str = ""
    groups: list[GroupReport] = []
    unsettled: list[ReportRow] = []
    finished: bool = False

    @property
    def rows(self) -> list[ReportRow]:
        """Every settlement of the span that either side holds, each once."""
        return [*(row for group in self.groups for row in group.rows), *self.unsettled]

    @property
    def differences(self) -> list[ReportRow]:
        """The rows that do not agree."""
        return [row for row in self.rows if not row.agrees]

    @property
    def totals(self) -> Totals:
        """Our own settlements of the span, refunds included as negative."""
        return added(group.totals for group in self.groups)

    @property
    def theirs(self) -> Totals:
        """What the centre holds of the span by these rows, refunds included as negative.

        Without the cash, which no detail has; `unstated` counts what is not in it.
        """
        held = [row.theirs for row in self.rows if row.theirs.is_stated]
        return Totals(
            count=len(held),
            medfee_sumamt=sum((side.medfee_sumamt or ZERO for side in held), ZERO),
            fund_pay_sumamt=sum((side.fund_pay_sumamt or ZERO for side in held), ZERO),
            acct_pay=sum((side.acct_pay or ZERO for side in held), ZERO),
        )

    @property
    def unstated(self) -> int:
        """Rows of which it is not known what the centre holds: they are in no sum of it."""
        return sum(
            not row.theirs.is_stated and (row.theirs.is_held or row.finding in _UNSTATED)
            for row in self.rows
        )

    @property
    def state(self) -> ReportState:
        """How it stands."""
        if not self.finished or not all(group.done for group in self.groups):
            return ReportState.INCOMPLETE
        unbalanced = any(group.state is GroupState.DIFFERENT for group in self.groups)
        return ReportState.DIFFERENT if unbalanced or self.differences else ReportState.BALANCED


def less(ours: Totals, theirs: Totals) -> Totals:
    """What we hold more than the centre, negative where it is less; without the cash.

    >>> less(Totals(count=2, acct_pay=Decimal("1.00")), Totals(count=3)).count
    -1
    """
    return Totals(
        count=ours.count - theirs.count,
        medfee_sumamt=ours.medfee_sumamt - theirs.medfee_sumamt,
        fund_pay_sumamt=ours.fund_pay_sumamt - theirs.fund_pay_sumamt,
        acct_pay=ours.acct_pay - theirs.acct_pay,
    )


def added(totals: Iterable[Totals]) -> Totals:
    """The sum of totals.

    >>> added([Totals(count=1, acct_pay=Decimal("1.10")), Totals(count=2)]).count
    3
    """
    every = list(totals)

    def total(code: str) -> Decimal:
        return sum((getattr(one, code) for one in every), ZERO)

    return Totals(
        count=sum(one.count for one in every),
        medfee_sumamt=total("medfee_sumamt"),
        fund_pay_sumamt=total("fund_pay_sumamt"),
        acct_pay=total("acct_pay"),
        cash_payamt=total("cash_payamt"),
    )


def encode_report(report: Report) -> bytes:
    """The report for the journal; amounts as exact text."""
    return msgspec.json.encode(report)


def decode_report(data: bytes) -> Report:
    """The report from the journal."""
    return msgspec.json.decode(data, type=Report)
