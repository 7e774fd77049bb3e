"""Both sides of a group set against one another: findings and proposed repairs.

The comparison itself is that of `gateway.fsi.files.detail`, by message id; here it is told what
our journal knows of each message, which decides what is to be done about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from gateway.fsi.files.detail import Comparison, DetailLine, ResultLine
from gateway.journal import SendRow, SendState
from gateway.settlement.reconciling.own import REFUND, SETTLING, Own, OwnBooks
from gateway.settlement.reconciling.report import (
    Finding,
    Repair,
    ReportRow,
    Side,
    SideState,
)

Group = tuple[str, str, str]
"""`clr_type`, `setl_optins`, `refd_setl_flag`."""

_SIDES = {
    SendState.UNKNOWN: SideState.UNKNOWN,
    SendState.SENDING: SideState.UNKNOWN,
    SendState.REVERSED: SideState.REVERSED,
    SendState.MANUAL: SideState.REVERSED,
    SendState.REJECTED: SideState.REFUSED,
    SendState.NOT_SENT: SideState.REFUSED,
}
"""What we hold of a message that made no settlement as far as we know."""

_REPAIRS = {
    SideState.UNKNOWN: (Finding.UNKNOWN_FOUND, Repair.CONFIRM),
    SideState.REVERSED: (Finding.REVERSED_HERE, Repair.REVERSE),
    SideState.REFUSED: (Finding.REVERSED_HERE, Repair.REVERSE),
    SideState.SETTLED: (Finding.UNREADABLE, Repair.READ_BACK),
    SideState.REFUND: (Finding.UNREADABLE, Repair.READ_BACK),
}
"""What is to be done when the centre has a line that our totals are without."""


def detail_lines(own: list[Own]) -> list[DetailLine]:
    """Our lines as 3202 takes them."""
    return [
        DetailLine(
            msgid=line.send.msgid,
            setl_id=line.setl_id,
            mdtrt_id=line.mdtrt_id,
            psn_no=line.psn_no,
            medfee_sumamt=line.medfee_sumamt,
            fund_pay_sumamt=line.fund_pay_sumamt,
            acct_pay=line.acct_pay,
            refd_setl_flag=line.refd_setl_flag,
            cash_payamt=line.cash_payamt,
        )
        for line in own
    ]


def agreeing(own: list[Own]) -> list[ReportRow]:
    """The rows of a group that balances: both sides have the same."""
    return [row_of(line, Finding.BALANCED, Repair.NONE, theirs=_side(line)) for line in own]


def not_compared(own: list[Own]) -> list[ReportRow]:
    """The rows of a group that got no answer."""
    return [row_of(line, Finding.NOT_COMPARED, Repair.WAIT) for line in own]


def matched(comparison: Comparison, books: OwnBooks, group: Group) -> list[ReportRow]:
    """The rows of a group that was compared line by line, ours in the order of settlement."""
    by_msgid = {line.send.msgid: line for line in books.of(group)}
    found = {row.msgid: row for row in _of_ours(comparison, by_msgid) if row.msgid}
    rows = [found[line.send.msgid] for line in books.of(group) if line.send.msgid in found]
    rows += [_of_theirs(line, books, group) for line in comparison.only_theirs]
    rows += [_unclear(line, group) for line in comparison.unclear]
    return rows


def _of_ours(comparison: Comparison, by_msgid: dict[str, Own]) -> Iterator[ReportRow]:
    for msgid in comparison.agreed:
        line = by_msgid[msgid]
        yield row_of(line, Finding.BALANCED, Repair.NONE, theirs=_side(line))
    fields: dict[str, dict[str, str]] = {}
    for difference in comparison.differences:
        fields.setdefault(difference.msgid, {})[difference.field] = difference.theirs
    for msgid, values in fields.items():
        line = by_msgid[msgid]
        yield row_of(
            line,
            Finding.AMOUNTS_DIFFER,
            Repair.READ_BACK,
            theirs=_changed(line, values),
            fields=tuple(values),
        )
    for result in comparison.disputed:
        yield row_of(
            by_msgid[result.msgid],
            Finding.DISPUTED,
            Repair.ASK_CENTRE,
            theirs=_stated(result),
            memo=result.memo,
        )
    for ours in comparison.only_ours:
        yield row_of(by_msgid[ours.msgid], Finding.ONLY_OURS, Repair.ASK_CENTRE)
    for ours in comparison.unmentioned:
        yield row_of(by_msgid[ours.msgid], Finding.UNMENTIONED, Repair.ASK_CENTRE)


def row_of(
    line: Own,
    finding: Finding,
    repair: Repair,
    *,
    theirs: Side | None = None,
    fields: tuple[str, ...] = (),
    memo: str = "",
) -> ReportRow:
    """The row of a settlement of ours."""
    return ReportRow(
        finding=finding,
        repair=repair,
        msgid=line.send.msgid,
        setl_id=line.setl_id,
        mdtrt_id=line.mdtrt_id,
        psn_no=line.psn_no,
        insutype=line.insutype,
        clr_type=line.clr_type,
        setl_optins=line.setl_optins,
        refd_setl_flag=line.refd_setl_flag,
        infno=line.send.infno,
        exchange_id=line.send.exchange_id,
        setl_time=line.setl_time,
        ours=_side(line),
        theirs=theirs or Side(state=SideState.ABSENT),
        fields=fields,
        memo=memo,
    )


def held_of(send: SendRow) -> tuple[SideState, Finding, Repair]:
    """What we hold of a message that the other side has, and of which we have no line."""
    ours = _SIDES.get(send.state) or _standing(send)
    return (ours, *_REPAIRS[ours])


def unsettled(send: SendRow) -> ReportRow:
    """A message without known outcome that the centre does not name."""
    return _of_send(send, Finding.UNKNOWN_NOT_FOUND, Repair.WAIT, SideState.UNKNOWN)


def unreadable(send: SendRow) -> ReportRow:
    """An accepted message of which no amounts are kept."""
    return _of_send(send, Finding.UNREADABLE, Repair.READ_BACK, _standing(send))


def _of_send(send: SendRow, finding: Finding, repair: Repair, state: SideState) -> ReportRow:
    """A message of which only our side is known, and no amounts."""
    return ReportRow(
        finding=finding,
        repair=repair,
        msgid=send.msgid,
        psn_no=send.psn_no,
        infno=send.infno,
        exchange_id=send.exchange_id,
        refd_setl_flag="0" if send.infno in SETTLING else REFUND,
        ours=Side(state=state),
    )


def _of_theirs(line: ResultLine, books: OwnBooks, group: Group) -> ReportRow:
    send = books.sends.get(line.msgid)
    ours = SideState.ABSENT
    if send is not None:
        ours = _SIDES.get(send.state) or _standing(send)
        ours = SideState.REVERSED if line.msgid in books.reversed else ours
    foreign = Finding.ONLY_THEIRS, Repair.REVERSE
    if line.refd_setl_flag == REFUND:
        foreign = Finding.REVERSED_THERE, Repair.RECORD_REFUND
    finding, repair = _REPAIRS.get(ours, foreign)
    clr_type, setl_optins, flag = group
    return ReportRow(
        finding=finding,
        repair=repair,
        msgid=line.msgid,
        setl_id=line.setl_id,
        mdtrt_id=line.mdtrt_id,
        psn_no=line.psn_no,
        clr_type=clr_type,
        setl_optins=setl_optins,
        refd_setl_flag=line.refd_setl_flag or flag,
        infno=send.infno if send else "",
        exchange_id=send.exchange_id if send else "",
        ours=Side(state=ours),
        theirs=_stated(line),
        memo=line.memo,
    )


def _unclear(line: ResultLine, group: Group) -> ReportRow:
    clr_type, setl_optins, flag = group
    return ReportRow(
        finding=Finding.UNCLEAR,
        repair=Repair.ASK_CENTRE,
        msgid=line.msgid,
        setl_id=line.setl_id,
        mdtrt_id=line.mdtrt_id,
        psn_no=line.psn_no,
        clr_type=clr_type,
        setl_optins=setl_optins,
        refd_setl_flag=line.refd_setl_flag or flag,
        theirs=_stated(line),
        memo=line.memo,
    )


def _standing(send: SendRow) -> SideState:
    return SideState.SETTLED if send.infno in SETTLING else SideState.REFUND


def _side(line: Own) -> Side:
    return Side(
        state=SideState.REFUND if line.refd_setl_flag == REFUND else SideState.SETTLED,
        medfee_sumamt=line.medfee_sumamt,
        fund_pay_sumamt=line.fund_pay_sumamt,
        acct_pay=line.acct_pay,
    )


def _changed(line: Own, values: dict[str, str]) -> Side:
    """Their side of a settlement that both have: ours, but for what the centre states otherwise."""

    def amount(code: str) -> Decimal:
        ours: Decimal = getattr(line, code)
        return Decimal(values[code]) if code in values else ours

    flag = values.get("refd_setl_flag", line.refd_setl_flag)
    return Side(
        state=SideState.REFUND if flag == REFUND else SideState.SETTLED,
        medfee_sumamt=amount("medfee_sumamt"),
        fund_pay_sumamt=amount("fund_pay_sumamt"),
        acct_pay=amount("acct_pay"),
    )


def _stated(line: ResultLine) -> Side:
    return Side(
        state=SideState.REFUND if line.refd_setl_flag == REFUND else SideState.SETTLED,
        medfee_sumamt=line.medfee_sumamt,
        fund_pay_sumamt=line.fund_pay_sumamt,
        acct_pay=line.acct_pay,
    )
