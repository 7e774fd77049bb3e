"""Our own side of a reconciliation: what the journal holds of a span of days.

A settlement belongs to the day of the settlement time that the platform gave, not to that of our
clock (reference: rules section 15); the journal is therefore searched a day further on both sides.
A cancelled settlement is two lines, forward and reverse. One that 2601 took back is none.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import msgspec

from gateway.intents import Record, Settlement
from gateway.journal import Journal, SendRow, SendState
from gateway.settlement.reconciling.report import ZERO, Totals, added
from gateway.settlement.work import rows

SETTLING = frozenset({"2102", "2207", "2304"})
UNDOING = frozenset({"2103", "2208", "2305"})
REVERSAL = "2601"
FORWARD, REFUND = "0", "1"
STANDING = frozenset({SendState.ACCEPTED, SendState.CONFIRMED})
"""States of a send that made what it should make."""

_CASH = ("psn_cash_pay", "pdn_cash_pay", "cash_payamt")
"""Spellings of the cash part (reference: rules section 9, 2208)."""


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement, or the refund of one, as we hold it; amounts in yuan, a refund's negative."""

    send: SendRow
    setl_id: str
    mdtrt_id: str
    psn_no: str
    certno: str
    insutype: str
    insuplc_admdvs: str
    clr_type: str
    setl_optins: str
    setl_time: str
    refd_setl_flag: str
    medfee_sumamt: Decimal
    fund_pay_sumamt: Decimal
    acct_pay: Decimal
    cash_payamt: Decimal

    @property
    def group(self) -> tuple[str, str, str]:
        """The group it is reconciled in."""
        return self.clr_type, self.setl_optins, self.refd_setl_flag

    @property
    def totals(self) -> Totals:
        """Its own figures."""
        return Totals(
            count=1,
            medfee_sumamt=self.medfee_sumamt,
            fund_pay_sumamt=self.fund_pay_sumamt,
            acct_pay=self.acct_pay,
            cash_payamt=self.cash_payamt,
        )


class OwnBooks(msgspec.Struct, kw_only=True):
    """What we hold.

    `lines` are the settlements and refunds of the span. `sends` are all money transactions of the
    span and the days beside it by message id, whatever became of them. `unreadable` were accepted,
    but neither their reply nor the result of their message is kept.
    """

    lines: list[Own] = []
    sends: dict[str, SendRow] = {}
    reversed: set[str] = set()
    """Message ids that an accepted 2601 took back."""
    unreadable: list[SendRow] = []
    begin: date
    end: date

    def totals(self, group: tuple[str, str, str], insutype: str = "") -> Totals:
        """Number and sums of a group, of one insurance type where one is given."""
        chosen = self.of(group)
        return added(line.totals for line in chosen if insutype in ("", line.insutype))

    def of(self, group: tuple[str, str, str]) -> list[Own]:
        """The lines of a group."""
        return [line for line in self.lines if line.group == group]

    def unknown(self) -> list[SendRow]:
        """Settlements and cancellations of the span whose outcome is unknown."""
        return [
            send
            for send in self.sends.values()
            if send.state in (SendState.UNKNOWN, SendState.SENDING)
            and send.infno in SETTLING | UNDOING
            and self.begin.isoformat() <= send.created_at[:10] <= self.end.isoformat()
        ]


async def collect(journal: Journal, fixmedins_code: str, begin: date, end: date) -> OwnBooks:
    """What the journal holds of an institution and a span of days, both included."""
    first = (begin - timedelta(days=1)).isoformat()
    behind = (end + timedelta(days=2)).isoformat()
    found = await journal.money_sends(first, behind)
    later = await journal.money_sends(behind, "9", REVERSAL)
    books = OwnBooks(begin=begin, end=end)
    books.sends = {send.msgid: send for send in found if send.fixmedins_code == fixmedins_code}
    books.reversed = {
        send.reverses for send in (*found, *later) if send.reverses and send.state in STANDING
    }
    for send in books.sends.values():
        if send.infno not in SETTLING | UNDOING or send.state not in STANDING:
            continue
        if send.msgid in books.reversed:
            continue
        info = await _settlement(journal, send)
        if info is None:
            if books.begin.isoformat() <= send.created_at[:10] <= books.end.isoformat():
                books.unreadable.append(send)
            continue
        line = await _line(journal, send, info)
        if begin.isoformat() <= line.setl_time[:10] <= end.isoformat():
            books.lines.append(line)
    return books


async def own_line(journal: Journal, send: SendRow) -> Own | None:
    """The settlement or cancellation of a send; None where no amounts of it are kept."""
    info = await _settlement(journal, send)
    return await _line(journal, send, info) if info is not None else None


async def taken_back(journal: Journal, send: SendRow) -> bool:
    """True when an accepted 2601 took the send back."""
    sends = await journal.sends(visit_key=send.visit_key) if send.visit_key else []
    return any(it.reverses == send.msgid and it.state in STANDING for it in sends)


async def _settlement(journal: Journal, send: SendRow) -> Record | None:
    """What the platform said of a settlement: its reply, or the result of the message."""
    reply = await journal.reply(send.msgid)
    found = rows(reply.output, "setlinfo") if reply is not None else []
    if not found:
        result = await journal.stored_result(send.exchange_id)
        made: list[Settlement] = result.settlements if result is not None else []
        found = [settlement.info for settlement in made if settlement.msgid == send.msgid]
    return found[0] if found and found[0].has("setl_id") else None


async def _line(journal: Journal, send: SendRow, info: Record) -> Own:
    refund = send.infno in UNDOING
    info = await _with_original(journal, send, info) if refund else info

    def amount(*codes: str) -> Decimal:
        code = next((code for code in codes if info.has(code)), codes[0])
        value = info.amount(code)
        return -abs(value) if refund else value

    return Own(
        send=send,
        setl_id=info.get("setl_id"),
        mdtrt_id=info.get("mdtrt_id"),
        psn_no=info.get("psn_no") or send.psn_no,
        certno=info.get("certno"),
        insutype=info.get("insutype"),
        insuplc_admdvs=send.insuplc_admdvs,
        clr_type=info.get("clr_type"),
        setl_optins=info.get("clr_optins") or info.get("setl_optins"),
        setl_time=info.get("setl_time") or send.updated_at[:19],
        refd_setl_flag=REFUND if refund else FORWARD,
        medfee_sumamt=amount("medfee_sumamt") + ZERO,
        fund_pay_sumamt=amount("fund_pay_sumamt") + ZERO,
        acct_pay=amount("acct_pay") + ZERO,
        cash_payamt=amount(*_CASH) + ZERO,
    )


_OF_THE_ORIGINAL = ("insutype", "clr_type", "clr_optins", "mdtrt_id", "psn_no", "certno")
"""What an older edition's reply to a cancellation does not repeat."""


async def _with_original(journal: Journal, send: SendRow, info: Record) -> Record:
    """A cancellation stands in the group of the settlement that it takes back."""
    if all(info.has(code) for code in _OF_THE_ORIGINAL):
        return info
    complete = Record(dict(info.values))
    for other in reversed(await journal.sends(visit_key=send.visit_key)):
        if other.infno in SETTLING and other.created_at <= send.created_at:
            original = await _settlement(journal, other)
            if original is not None:
                for code in _OF_THE_ORIGINAL:
                    if not complete.has(code) and original.has(code):
                        complete.values[code] = original.get(code)
                break
    return complete
