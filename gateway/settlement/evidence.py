"""Where the resolver looks for a proof that a transaction of unknown outcome happened.

Two sources: the queries of `proving`, for what opens a visit, and the centre's books, for what
settles or cancels (a `ReadBack`, as `gateway.settlement.reconciling` makes one by 3201 and 3202).
What they find is what an operator would have found on the platform's pages, and is confirmed in the
same way (`confirming`). What they do not find proves nothing.
"""

from __future__ import annotations

from gateway.journal import Journal, SendRow
from gateway.settlement.confirming import NEEDS, OPENING, Shown
from gateway.settlement.proving import NotShownError, Prover
from gateway.settlement.reconciling import Held, ReadBack
from gateway.settlement.sites import Sites


class Evidence:
    """What can be read of a send."""

    def __init__(
        self,
        *,
        sites: Sites,
        journal: Journal,
        prover: Prover,
        books: ReadBack | None = None,
    ) -> None:
        self._sites = sites
        self._journal = journal
        self._prover = prover
        self._books = books

    def speaks_of(self, send: SendRow) -> bool:
        """True when there is something to read about this transaction."""
        return send.infno in OPENING or (self._books is not None and _is_settlement(send))

    async def shown(self, send: SendRow) -> Shown | None:
        """What is found of it; None when nothing certain is."""
        if send.infno in OPENING:
            return await self._visit(send)
        if self._books is None or not _is_settlement(send):
            return None
        answers = await self._books.held(send.fixmedins_code, [send.msgid])
        held = answers.get(send.msgid)
        if not isinstance(held, Held) or not held.setl_id:
            return None
        return Shown(setl_id=held.setl_id, mdtrt_id=held.mdtrt_id)

    async def _visit(self, send: SendRow) -> Shown | None:
        """The only visit that the platform has under the hospital's number."""
        site = self._sites.get(send.fixmedins_code)
        result = await self._journal.stored_result(send.exchange_id)
        if site is None or result is None or not result.intent.visit.has("ipt_otp_no"):
            return None
        try:
            found = await self._prover.visits(send, site.institution, result.intent)
        except NotShownError:
            return None
        numbers = {row.get("mdtrt_id") for row in found}
        return Shown(mdtrt_id=numbers.pop()) if len(numbers) == 1 else None


def _is_settlement(send: SendRow) -> bool:
    return "setl_id" in NEEDS.get(send.infno, ())
