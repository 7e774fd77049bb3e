"""What became of a month's confirmations and roll backs, read from the journal's sends."""

from __future__ import annotations

from gateway.journal import AuditEvent, Journal, SendRow, SendState
from gateway.settlement.clearing.month import Batch, ClearingMonth

OPEN = (SendState.UNKNOWN, SendState.SENDING)
_WITHOUT_EFFECT = (
    SendState.REJECTED,
    SendState.NOT_SENT,
    SendState.REVERSED,
    SendState.MANUAL,
)


def back_key(held: ClearingMonth) -> str:
    """What one roll back at a time is in flight for."""
    return f"{held.money_key}/back"


async def unaccounted(journal: Journal, held: ClearingMonth) -> str:
    """A confirmation that may have taken effect and is in no batch of the month; "" for none."""
    known = {batch.msgid for batch in held.batches}
    for send in await journal.sends(visit_key=held.money_key):
        if send.msgid not in known and send.state not in _WITHOUT_EFFECT:
            return send.msgid
    return ""


async def follow(journal: Journal, held: ClearingMonth) -> None:
    """Read from the journal's sends what became of every batch (rule 1)."""
    confirmations = await journal.sends(visit_key=held.money_key)
    undoings = await journal.sends(visit_key=back_key(held))
    _link(held.batches, confirmations)
    by_msgid = {send.msgid: send for send in (*confirmations, *undoings)}
    fresh = [send for send in undoings if send.msgid not in held.undoings]
    for batch in held.batches:
        if batch.undo_state is SendState.SENDING and not batch.undone_by:
            batch.undone_by = fresh[-1].msgid if fresh else ""
            if not fresh:
                batch.undo_state = None  # nothing left
        send = by_msgid.get(batch.msgid)
        if send is not None:
            batch.state, batch.inf_refmsgid = send.state, send.inf_refmsgid
        undo = by_msgid.get(batch.undone_by)
        if undo is not None:
            batch.undo_state = undo.state
            if batch.undone and send is not None and send.state is SendState.UNKNOWN:
                await _undo_unknown(journal, send, undo)
                batch.state = SendState.REVERSED
    held.batches = [batch for batch in held.batches if batch.msgid]


async def _undo_unknown(journal: Journal, send: SendRow, undo: SendRow) -> None:
    """A confirmation without known outcome ends with the roll back of everything."""
    detail = {"msgid": send.msgid, "how": "rolled back", "by": undo.msgid}
    await journal.resolve_send(
        send.msgid, "reversed", "3262 accepted", events=[AuditEvent("", "resolve", detail)]
    )


def _link(batches: list[Batch], sends: list[SendRow]) -> None:
    """Give each batch without message id the confirmation that was sent for it, if any was."""
    linked = {batch.msgid for batch in batches}
    fresh = [send.msgid for send in sends if send.msgid not in linked]
    for batch, msgid in zip((b for b in batches if not b.msgid), fresh, strict=False):
        batch.msgid = msgid
