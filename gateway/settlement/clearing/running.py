"""Fetching, confirming and rolling back a clearing month.

Rules:

1. What was asked for is in the month's book before it is sent; what became of it is read from the
   journal's sends, which are the one truth. A crash between the two is repaired by the next look.
2. A confirmation (3261) and a roll back (3262) are money transactions of the month: one at a time,
   and while one has no known outcome nothing else is confirmed or rolled back.
3. An unknown confirmation is not repeated. It is ended by an operator's word (it happened, or it
   did not), or by 3262 with 0, which takes back every confirmation of the month, this one too.
4. 3260 is read as often as one likes, but it does not say what was confirmed: no proof is drawn
   from it. Lines that it no longer lists are shown as gone.
5. A line that does not agree is confirmed only when it is named.
"""

from __future__ import annotations

import asyncio
import calendar
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any, Protocol

from gateway.clock import SKEW, Clock, is_awaited, read_stamp, stamp
from gateway.errors import StateError
from gateway.fsi.checks import Checker
from gateway.intents import Accepted, NotSent, Outcome, Rejected
from gateway.journal import AuditEvent, BookRow, Journal, SendState
from gateway.settlement.clearing.comparing import PoolOf, compare
from gateway.settlement.clearing.following import (
    EVERYTHING,
    OPEN,
    back_key,
    follow,
    unaccounted,
)
from gateway.settlement.clearing.inputs import confirmation, decided, line_of
from gateway.settlement.clearing.month import (
    KIND,
    Batch,
    ClearingLine,
    ClearingMonth,
    MonthState,
    book_key,
    decode_month,
    encode_month,
)
from gateway.settlement.clearing.refusals import ClearingError, Refusal
from gateway.settlement.dispatching import Dispatched
from gateway.settlement.failing import why, why_told
from gateway.settlement.reconciling.own import collect
from gateway.settlement.reporting import MASK, NUMBERS
from gateway.settlement.work import rows

EXTRACT, CONFIRM, ROLL_BACK = "3260", "3261", "3262"
PAGE = 100
"""Rows of a 3260 and details of a 3261 at most (reference: cross-province, section 8)."""
MAX_PAGES = 1_000
STALE = timedelta(hours=1)
"""After which an extraction that broke off begins anew: the centre's list may have changed."""
BUSY = timedelta(minutes=2)
"""How long the others wait for a process that went silent in the middle of a step."""


class MoneyLine(Protocol):
    """A line on which money transactions can be made: `gateway.settlement.lines.JournalLine`."""

    @property
    def fixmedins_code(self) -> str:
        """Whose line it is."""
        ...

    async def dispatch(
        self, infno: str, content: dict[str, Any], *, money_key: str = ""
    ) -> Dispatched:
        """Make one transaction."""
        ...


class Clearing:
    """The clearing months of one institution."""

    def __init__(
        self,
        *,
        line: MoneyLine,
        checker: Checker,
        journal: Journal,
        clock: Clock,
        pool_of: PoolOf,
        node: str,
        account_counts: bool = True,
    ) -> None:
        """`node` names this process; `pool_of` and `account_counts` as in `comparing`."""
        self._line = line
        self._checker = checker
        self._journal = journal
        self._clock = clock
        self._pool_of = pool_of
        self._node = node
        self._account_counts = account_counts
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def month(self, year: str, month: str) -> ClearingMonth | None:
        """A month as it stands; None when it was never fetched."""
        found = await self._read(year, month)
        return found[1] if found is not None else None

    async def fetch(self, year: str, month: str) -> ClearingMonth:
        """Extract the month, page by page, and compare it with our own settlements.

        A page that got no answer leaves what is there; the next call goes on behind it. A month
        that is complete is extracted anew, and its listing stands until the new one is whole.

        Raises:
            ClearingError: the centre refused, or repeats a page; or another step is under way.
        """
        async with self._working(year, month):
            row, held = await self._read(year, month) or (None, self._new(year, month))
            self._check_free(held)
            await follow(self._journal, held)
            now = self._clock.now()
            fresh = stamp(now - STALE) <= held.incoming_at <= stamp(now + SKEW)
            if not held.incoming or not fresh:
                held.incoming, held.incoming_at = [], stamp(now)
            held.note = ""
            for _ in range(MAX_PAGES):
                page = await self._page(held)
                if page is None:
                    break
                held.incoming += page
                if len(page) < PAGE:
                    await self._take_over(held)
                    break
                row = await self._store(held, row)
            event = AuditEvent("", "clearing", self._detail(held, "fetch"))
            await self._store(held, row, event)
            return held

    async def _take_over(self, held: ClearingMonth) -> None:
        """The extraction under way is whole: it becomes the month's listing."""
        fresh = {line.setl_sn for line in held.incoming}
        concerned = set(held.flags())
        for batch in held.batches:
            concerned |= set(batch.flags) if batch.unknown else set()
        gone = [line for line in held.lines if line.setl_sn in concerned - fresh]
        for line in gone:
            line.gone = True
        held.lines, held.incoming = [*held.incoming, *gone], []
        held.complete, held.fetched_at = True, stamp(self._clock.now())
        await self._compare(held)

    async def confirm(
        self,
        year: str,
        month: str,
        *,
        accept: Collection[str] = (),
        leave_out: Collection[str] = (),
        operator: str = "",
    ) -> ClearingMonth:
        """Confirm every line that agrees, those of `accept`, and leave those of `leave_out` out.

        Both name lines by `setl_sn`. Goes on in portions of 100 until everything is given, or one
        is refused, not sent or without known outcome: `ClearingMonth.state` says so.

        Raises:
            ClearingError: the month is not complete or waits for an outcome, a named line is none
                of it, or a line that does not agree has no decision.
        """
        async with self._working(year, month):
            row, held = await self._ready(year, month)
            flags = decided(held, accept, leave_out)
            numbers = list(flags)
            for at in range(0, len(numbers), PAGE):
                portion = {number: flags[number] for number in numbers[at : at + PAGE]}
                batch = Batch(number=len(held.batches) + 1, flags=portion)
                content = confirmation(held, batch)
                self._check(CONFIRM, content)
                held.batches.append(batch)
                detail = {**self._detail(held, "confirm"), "operator": operator}
                row = await self._begin(held, row, detail)
                outcome = await self._send(CONFIRM, content, held)
                row = await self._end(held, row, CONFIRM, outcome)
                if not isinstance(outcome, Accepted):
                    break
            return held

    async def roll_back(
        self, year: str, month: str, *, msgid: str = "", operator: str = ""
    ) -> ClearingMonth:
        """Take a confirmation back, or without `msgid` every one of the month.

        Everything may be taken back while a confirmation has no known outcome; the answer ends it.

        Raises:
            ClearingError: there is no such confirmation, it has no reference of the centre, or a
                roll back is itself without known outcome.
        """
        async with self._working(year, month):
            found = await self._read(year, month)
            if found is None:
                raise Refusal.NOT_FETCHED.of(f"{year}-{month}")
            row, held = found
            self._check_free(held)
            chosen = self._to_undo(held, msgid)
            reference = chosen[0].inf_refmsgid if msgid else EVERYTHING
            node = {"trt_year": year, "trt_month": month, "otransid": reference}
            self._check(ROLL_BACK, {"data": node})
            for batch in chosen:
                batch.undone_by, batch.undo_state = "", SendState.SENDING
            undoings = await self._journal.sends(visit_key=back_key(held))
            held.undoings = [send.msgid for send in undoings]
            detail = {**self._detail(held, "roll-back"), "operator": operator}
            row = await self._begin(held, row, detail)
            outcome = await self._send(ROLL_BACK, {"data": node}, held)
            await self._end(held, row, ROLL_BACK, outcome)
            return held

    @staticmethod
    def _to_undo(held: ClearingMonth, msgid: str) -> list[Batch]:
        """The confirmations that a roll back concerns."""
        name = f"{held.year}-{held.month}"
        if any(batch.undo_state in OPEN for batch in held.batches):
            raise Refusal.UNKNOWN_ROLL_BACK.of(name)
        chosen = [batch for batch in held.batches if batch.stands or batch.unknown]
        if not chosen:
            raise Refusal.NOTHING_CONFIRMED.of(name)
        if msgid:
            chosen = [batch for batch in chosen if batch.msgid == msgid and batch.stands]
            if not chosen:
                raise Refusal.NO_SUCH_CONFIRMATION.of(name, msgid)
            if not chosen[0].inf_refmsgid:
                raise Refusal.NO_REFERENCE.of(name, msgid)
        return chosen

    async def decide(
        self, msgid: str, *, happened: bool, operator: str, note: str
    ) -> ClearingMonth:
        """End an unknown confirmation or roll back by the centre's own word.

        Raises:
            ClearingError: there is no such open transaction of ours.
        """
        send = await self._journal.send(msgid)
        key = send.visit_key.partition("/clearing/")[2] if send is not None else ""
        mine = send is not None and send.fixmedins_code == self._line.fixmedins_code
        if send is None or not mine or not key or send.state is not SendState.UNKNOWN:
            raise Refusal.NOT_UNKNOWN.of(msgid=msgid)
        how = "confirmed" if happened else "manual"
        note = NUMBERS.sub(MASK, note)  # the audit keeps it for ever
        detail = {"msgid": msgid, "how": how, "operator": operator, "note": note}
        event = AuditEvent("", "decide", detail)
        await self._journal.resolve_send(msgid, how, note, events=[event])
        async with self._working(key[:4], key[4:6]):
            row, held = await self._read(key[:4], key[4:6]) or (None, self._new(key[:4], key[4:6]))
            if row is None:  # the hospital's own, of a month that nobody has fetched here
                await follow(self._journal, held)
            await self._store(held, row)
            return held

    # The pages of the centre ----------------------------------------------------------------------

    async def _page(self, held: ClearingMonth) -> list[ClearingLine] | None:
        """The page behind what is there; None when it got no answer."""
        node = {
            "trt_year": held.year,
            "trt_month": held.month,
            "startrow": len(held.incoming) + 1,
        }
        outcome = (await self._line.dispatch(EXTRACT, {"data": node})).outcome
        if isinstance(outcome, Rejected):
            raise ClearingError(*why_told(EXTRACT, outcome))
        if not isinstance(outcome, Accepted):
            held.note = why(EXTRACT, outcome)
            return None
        page = [line_of(row) for row in rows(outcome.reply.output, "data")]
        known = {line.setl_sn for line in held.incoming}
        if len({line.setl_sn for line in page} - known) != len(page):
            held.incoming = []
            raise Refusal.REPEATED_LINE.of(f"{held.year}-{held.month}")
        return page

    async def _compare(self, held: ClearingMonth) -> None:
        year, month = int(held.year), int(held.month)
        last = calendar.monthrange(year, month)[1]
        books = await collect(
            self._journal, self._line.fixmedins_code, date(year, month, 1), date(year, month, last)
        )
        listed = [line for line in held.lines if not line.gone]
        held.missing = compare(
            listed, books.lines, self._pool_of, account_counts=self._account_counts
        )

    # What is sent ---------------------------------------------------------------------------------

    def _check(self, infno: str, content: dict[str, Any]) -> None:
        problems = [p for p in self._checker.check(infno, content) if p.stops]
        if problems:
            raise ClearingError(
                f"{infno}未发送：" + "；".join(f"{p.place} {p.zh}" for p in problems),
                f"{infno} was not sent: " + "; ".join(f"{p.place} {p.en}" for p in problems),
            )

    async def _send(self, infno: str, content: dict[str, Any], held: ClearingMonth) -> Outcome:
        key = held.money_key if infno == CONFIRM else back_key(held)
        try:
            return (await self._line.dispatch(infno, content, money_key=key)).outcome
        except StateError as error:
            return NotSent(f"another transaction of this month is on its way: {error}")

    @asynccontextmanager
    async def _working(self, year: str, month: str) -> AsyncIterator[None]:
        """One step of a month at a time in this process."""
        async with self._locks.setdefault((year, month), asyncio.Lock()):
            yield

    def _check_free(self, held: ClearingMonth) -> None:
        """One step of a month at a time among processes."""
        if not held.busy_until or held.node == self._node:
            return
        if is_awaited(read_stamp(held.busy_until), self._clock.now(), BUSY):
            raise Refusal.OTHER_GATEWAY.of(f"{held.year}-{held.month}")

    async def _begin(self, held: ClearingMonth, row: BookRow, detail: dict[str, str]) -> BookRow:
        """Keep what is about to be sent."""
        held.node, held.note = self._node, ""
        held.busy_until = stamp(self._clock.now() + BUSY)
        return await self._store(held, row, AuditEvent("", "clearing", detail))

    async def _end(
        self, held: ClearingMonth, row: BookRow, infno: str, outcome: Outcome
    ) -> BookRow:
        """Keep what became of it."""
        held.busy_until = ""
        await follow(self._journal, held)
        held.note = "" if isinstance(outcome, Accepted) else why(infno, outcome)
        return await self._store(held, row)

    # What is kept ---------------------------------------------------------------------------------

    def _new(self, year: str, month: str) -> ClearingMonth:
        code = self._line.fixmedins_code
        return ClearingMonth(fixmedins_code=code, year=year, month=month)

    async def _read(self, year: str, month: str) -> tuple[BookRow, ClearingMonth] | None:
        row = await self._journal.book(KIND, book_key(self._line.fixmedins_code, year, month))
        if row is None:
            return None
        held = decode_month(row)
        await follow(self._journal, held)
        return row, held

    async def _ready(self, year: str, month: str) -> tuple[BookRow, ClearingMonth]:
        found = await self._read(year, month)
        if found is None or not found[1].complete:
            raise Refusal.NOT_WHOLE.of(f"{year}-{month}")
        row, held = found
        self._check_free(held)
        if held.state is MonthState.UNKNOWN:
            raise Refusal.UNKNOWN.of(f"{year}-{month}")
        lost = await unaccounted(self._journal, held)
        if lost:
            raise Refusal.LOST.of(f"{year}-{month}", lost)
        return row, held

    async def _store(
        self, held: ClearingMonth, row: BookRow | None, event: AuditEvent | None = None
    ) -> BookRow:
        try:
            return await self._journal.put_book(
                encode_month(held, row), events=[event] if event else []
            )
        except StateError:
            raise Refusal.OTHER_STEP.of(f"{held.year}-{held.month}") from None

    def _detail(self, held: ClearingMonth, step: str) -> dict[str, str]:
        return {
            "institution": held.fixmedins_code,
            "month": f"{held.year}-{held.month}",
            "step": step,
            "lines": str(len(held.lines)),
            "state": held.state.value,
        }
