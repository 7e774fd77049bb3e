"""A remittance of a payer (EHC^E15) set against our own settlements.

What a payer says that it pays is a fact about the payer: it is kept under its number and compared,
line by line, and changes nothing here. Of two remittances of one number the later one counts.

A line is ours by the msgid that it names, else by its setl_id among the settlements of its day. The
findings are those of a reconciliation; a line whose outcome is unknown here is not proven by it,
since only the platform's own books are (decision 15).

Source: v2.6 chapter 16 (E15); mapping matrix 1.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity, StateError
from gateway.intents import Intent, Record, Result, Status
from gateway.journal import AuditEvent, BookRow, Journal, SendRow
from gateway.settlement.reconciling.matching import held_of, row_of
from gateway.settlement.reconciling.own import REFUND, STANDING, Own, collect, own_line, taken_back
from gateway.settlement.reconciling.report import (
    Finding,
    Repair,
    ReportRow,
    ReportState,
    Side,
    SideState,
)
from gateway.settlement.reconciling.words import FINDINGS, REPAIRS

KIND = "remittance"
MOST_TOLD = 100
"""Differences that are told in an acknowledgement; all of them are kept."""

MOST_DAYS = 400
"""Days of settlement that the lines of one remittance may name: each is looked through once."""

_TRIES = 3


class Remittance(msgspec.Struct, kw_only=True):
    """What a payer says that it pays, in yuan, and what became of the comparison."""

    fixmedins_code: str
    number: str
    """The payer's (PMT-1)."""
    peer: str
    exchange_id: str
    payer: str = ""
    begin: str = ""
    end: str = ""
    paid_at: str = ""
    total: Decimal
    received_at: str
    rows: list[ReportRow] = []

    @property
    def differences(self) -> list[ReportRow]:
        """The lines that somebody has to look at."""
        return [row for row in self.rows if not row.agrees]

    @property
    def state(self) -> ReportState:
        """Whether every line is as we have it."""
        return ReportState.DIFFERENT if self.differences else ReportState.BALANCED


def key_of(fixmedins_code: str, number: str) -> str:
    """Key of the book of a remittance."""
    return f"{fixmedins_code}/{number}"


async def take(
    journal: Journal, intent: Intent, *, peer: str, exchange_id: str, now: str
) -> Result:
    """Compare a remittance and keep it; each difference is a warning at its place."""
    code, stated = intent.facility.get("fixmedins_code"), intent.query
    if len({entry.get("setl_time")[:10] for entry in intent.entries}) > MOST_DAYS:
        return Result(status=Status.INVALID, intent=intent, problems=[_too_many_days(intent)])
    comparison = _Comparison(journal, code)
    kept = Remittance(
        fixmedins_code=code,
        number=stated.get("key"),
        peer=peer,
        exchange_id=exchange_id,
        payer=stated.get("payer"),
        begin=stated.get("begntime"),
        end=stated.get("endtime"),
        paid_at=stated.get("paid_at"),
        total=stated.amount("fund_pay_sumamt"),
        received_at=now,
        rows=[await comparison.row(entry) for entry in intent.entries],
    )
    await _keep(journal, kept)
    pairs = zip(kept.rows, intent.entries, strict=True)
    told = [_told(row, entry, intent) for row, entry in pairs if not row.agrees]
    return Result(status=Status.DONE, intent=intent, problems=told[:MOST_TOLD])


async def remittances_of(journal: Journal, fixmedins_code: str) -> list[Remittance]:
    """The remittances of an institution, by their numbers."""
    rows = await journal.books(KIND, prefix=f"{fixmedins_code}/")
    return [decode_remittance(row) for row in rows]


def decode_remittance(row: BookRow) -> Remittance:
    """A remittance from the journal."""
    return msgspec.json.decode(row.data, type=Remittance)


async def _keep(journal: Journal, kept: Remittance) -> None:
    key = key_of(kept.fixmedins_code, kept.number)
    event = AuditEvent(
        kept.exchange_id,
        KIND,
        {
            "number": kept.number,
            "lines": str(len(kept.rows)),
            "differences": str(len(kept.differences)),
            "total": f"{kept.total:f}",
        },
    )
    for tried in range(1, _TRIES + 1):
        before = await journal.book(KIND, key)
        version = before.version if before is not None else 0
        data = msgspec.json.encode(kept)
        book = BookRow(kind=KIND, key=key, state=kept.state.value, version=version, data=data)
        try:
            await journal.put_book(book, events=[event])
        except StateError:  # another one of this number came at the same time
            if tried == _TRIES:
                raise
        else:
            return


class _Comparison:
    """Finds what we hold of the lines of one remittance."""

    def __init__(self, journal: Journal, fixmedins_code: str) -> None:
        self._journal = journal
        self._code = fixmedins_code
        self._days: dict[str, Sequence[Own]] = {}

    async def row(self, entry: Record) -> ReportRow:
        """A line of the payer beside ours."""
        refund = entry.get("refd_setl_flag") == REFUND
        theirs = _theirs(entry, refund=refund)
        send = await self._send(entry.get("medins_setl_id"))
        line = await own_line(self._journal, send) if send is not None and _made(send) else None
        if send is None:
            line = await self._of_its_day(entry)
            send = line.send if line is not None else None
        if send is not None and await taken_back(self._journal, send):
            line = None
            ours, finding, repair = SideState.REVERSED, Finding.REVERSED_HERE, Repair.REVERSE
        elif send is not None:
            ours, finding, repair = held_of(send)
        else:
            ours, finding, repair = SideState.ABSENT, Finding.ONLY_THEIRS, Repair.ASK_CENTRE
        if line is not None:
            return _compared(line, entry, theirs)
        return ReportRow(
            finding=finding,
            repair=repair,
            msgid=send.msgid if send else entry.get("medins_setl_id"),
            setl_id=entry.get("setl_id"),
            refd_setl_flag=entry.get("refd_setl_flag"),
            infno=send.infno if send else "",
            exchange_id=send.exchange_id if send else "",
            setl_time=entry.get("setl_time"),
            ours=Side(state=ours),
            theirs=theirs,
        )

    async def _send(self, msgid: str) -> SendRow | None:
        send = await self._journal.send(msgid) if msgid else None
        return send if send is not None and send.fixmedins_code == self._code else None

    async def _of_its_day(self, entry: Record) -> Own | None:
        day, setl_id = entry.get("setl_time")[:10], entry.get("setl_id")
        if not day or not setl_id:
            return None
        if day not in self._days:
            on = date.fromisoformat(day)
            self._days[day] = (await collect(self._journal, self._code, on, on)).lines
        flag = entry.get("refd_setl_flag")
        of_this = (
            line
            for line in self._days[day]
            if line.setl_id == setl_id and line.refd_setl_flag == flag
        )
        return next(of_this, None)


def _made(send: SendRow) -> bool:
    return send.state in STANDING


def _theirs(entry: Record, *, refund: bool) -> Side:
    """A refund may be stated with or without a sign; it is negative here."""

    def amount(code: str) -> Decimal | None:
        if not entry.has(code):
            return None
        value = entry.amount(code)
        return -abs(value) if refund else value

    return Side(
        state=SideState.REFUND if refund else SideState.SETTLED,
        medfee_sumamt=amount("medfee_sumamt"),
        fund_pay_sumamt=amount("fund_pay_sumamt"),
    )


def _compared(line: Own, entry: Record, theirs: Side) -> ReportRow:
    pairs: dict[str, tuple[object, object]] = {
        "fund_pay_sumamt": (line.fund_pay_sumamt, theirs.fund_pay_sumamt),
        "medfee_sumamt": (line.medfee_sumamt, theirs.medfee_sumamt),
        "setl_id": (line.setl_id, entry.get("setl_id") or None),
        "refd_setl_flag": (line.refd_setl_flag, entry.get("refd_setl_flag")),
    }
    fields = tuple(
        code for code, (own, stated) in pairs.items() if stated is not None and own != stated
    )
    finding = Finding.AMOUNTS_DIFFER if fields else Finding.BALANCED
    repair = Repair.READ_BACK if fields else Repair.NONE
    return row_of(line, finding, repair, theirs=theirs, fields=fields)


def _too_many_days(intent: Intent) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.READ_LIMIT,
        place=intent.place,
        zh=f"付款明细涉及的结算日期超过{MOST_DAYS}天，请分次发送",
        en=f"the lines name settlements of more than {MOST_DAYS} days: send them in parts",
    )


def _told(row: ReportRow, entry: Record, intent: Intent) -> Problem:
    """A difference, in the words of a reconciliation."""
    zh, en = FINDINGS[row.finding]
    remedy_zh, remedy_en = REPAIRS[row.repair]
    fields = f" ({', '.join(row.fields)})" if row.fields else ""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH if row.fields else ProblemCode.SETTLEMENT_UNKNOWN,
        severity=Severity.WARNING,
        field=row.fields[0] if row.fields else "setl_id",
        place=entry.place(row.fields[0] if row.fields else "setl_id") or intent.place,
        zh=f"付款明细与本院结算不符：{zh}{fields}",
        en=f"a line of the remittance is not as we have it: {en}{fields}",
        remedy_zh=remedy_zh,
        remedy_en=remedy_en,
        detail=row.setl_id,
    )
