"""What the other side holds for message ids: for whoever resolves unknown outcomes.

An answer is what the centre's books said at one moment. `NotHeld` is no proof that a message did
nothing: the original may still arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Protocol

import msgspec

from gateway.clock import CHINA, Clock
from gateway.journal import Journal
from gateway.settlement.reconciling.report import Report, ReportRow, SideState
from gateway.settlement.reconciling.running import Kinds, Reconciler


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The centre has it: a settlement, or the refund of one; amounts in yuan, None not stated.

    `setl_id` is empty where the centre holds several for one message.
    """

    msgid: str
    setl_id: str
    mdtrt_id: str
    psn_no: str
    refund: bool
    medfee_sumamt: Decimal | None
    fund_pay_sumamt: Decimal | None
    acct_pay: Decimal | None


class NotHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Every group was asked for and compared; the centre names no such message at `asked_at`."""

    msgid: str
    asked_at: str


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was learnt; `reason` says why."""

    msgid: str
    reason: str


Answered = Held | NotHeld | Silent


class ReadBack(Protocol):
    """Answers what the other side holds."""

    async def held(self, fixmedins_code: str, msgids: Collection[str]) -> Mapping[str, Answered]:
        """What the centre's books say of each message id of an institution.

        Reads only (3201, 3202); may be asked again at any time. Nothing is raised for a platform
        that does not answer: that is `Silent`.
        """
        ...


class KindsOf(Protocol):
    """Which groups of an institution are known."""

    async def kinds(self, fixmedins_code: str) -> Kinds:
        """From the settings and earlier reports."""
        ...


class CentreReader:
    """`ReadBack` by reconciliation of the days on which the messages were sent."""

    def __init__(
        self,
        *,
        reconcilers: Mapping[str, Reconciler],
        kinds: KindsOf,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._reconcilers = reconcilers
        self._kinds = kinds
        self._journal = journal
        self._clock = clock

    async def held(self, fixmedins_code: str, msgids: Collection[str]) -> Mapping[str, Answered]:
        """See `ReadBack.held`."""
        reconciler = self._reconcilers.get(fixmedins_code)
        answers: dict[str, Answered] = {}
        days: dict[date, list[str]] = {}
        for msgid in msgids:
            send = await self._journal.send(msgid)
            if reconciler is None or send is None or send.fixmedins_code != fixmedins_code:
                reason = "no message of this institution"
                answers[msgid] = Silent(msgid=msgid, reason=reason)
            else:
                days.setdefault(date.fromisoformat(send.created_at[:10]), []).append(msgid)
        if reconciler is None:
            return answers
        kinds = await self._kinds.kinds(fixmedins_code)
        for day, wanted in sorted(days.items()):
            report = await reconciler.run(day, self._behind(day), kinds)
            answers |= {msgid: answer(report, msgid) for msgid in wanted}
        return answers

    def _behind(self, day: date) -> date:
        """A message of the last second may be settled on the next day."""
        return min(day + timedelta(days=1), max(day, self._clock.now().astimezone(CHINA).date()))


def answer(report: Report, msgid: str) -> Answered:
    """What a report says of a message id."""
    row = next((row for row in report.rows if row.msgid == msgid and _is_there(row)), None)
    if row is not None:
        return Held(
            msgid=msgid,
            setl_id=row.setl_id,
            mdtrt_id=row.mdtrt_id,
            psn_no=row.psn_no,
            refund=row.theirs.state is SideState.REFUND,
            medfee_sumamt=row.theirs.medfee_sumamt,
            fund_pay_sumamt=row.theirs.fund_pay_sumamt,
            acct_pay=row.theirs.acct_pay,
        )
    if not report.groups:
        reason = "no group is known to ask for: set reconciliation.clr_types and setl_optins"
        return Silent(msgid=msgid, reason=reason)
    open_ = next((group for group in report.groups if not group.done), None)
    if open_ is not None:
        return Silent(msgid=msgid, reason=open_.note or "a group was not compared")
    if not all(group.asked for group in report.groups):
        reason = "no insurance type is known to ask for: set reconciliation.insutypes"
        return Silent(msgid=msgid, reason=reason)
    return NotHeld(msgid=msgid, asked_at=report.made_at)


def _is_there(row: ReportRow) -> bool:
    return row.theirs.state is not SideState.ABSENT
