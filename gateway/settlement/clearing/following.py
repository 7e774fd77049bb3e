"""What became of a month's confirmations and roll backs, read from the journal's sends.

Those that the hospital made itself by national JSON stand under the same keys; they belong to a
message (`exchange_id`), and what they are about is read from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.journal import AuditEvent, Journal, SendRow, SendState
from gateway.settlement import office_keys
from gateway.settlement.clearing.month import Batch, ClearingMonth
from gateway.settlement.work import rows

EVERYTHING = "0"
"""`otransid` of a 3262 that takes back every confirmation of the month."""

OPEN = (SendState.UNKNOWN, SendState.SENDING)
_WITHOUT_EFFECT = (
    SendState.REJECTED,
    SendState.NOT_SENT,
    SendState.REVERSED,
    SendState.MANUAL,
)


def back_key(held: ClearingMonth) -> str:
    """What one roll back at a time is in flight for."""
    return office_keys.back_key(held.fixmedins_code, held.year, held.month)


async def unaccounted(journal: Journal, held: ClearingMonth) -> str:
    """A confirmation that may have taken effect and is in no batch of the month; "" for none."""
    known = {batch.msgid for batch in held.batches}
    for send in await journal.sends(visit_key=held.money_key):
        if send.msgid not in known and send.state not in _WITHOUT_EFFECT:
            return send.msgid
    return ""


async def follow(journal: Journal, held: ClearingMonth, *, repair: bool = True) -> None:
    """Read from the journal's sends what became of every batch (rule 1).

    Without `repair` nothing is written: for somebody who only looks.
    """
    confirmations = await journal.sends(visit_key=held.money_key)
    undoings = await journal.sends(visit_key=back_key(held))
    _link(held.batches, [send for send in confirmations if not send.exchange_id])
    await _adopt(journal, held, confirmations)
    by_msgid = {send.msgid: send for send in (*confirmations, *undoings)}
    fresh = [s for s in undoings if s.msgid not in held.undoings and not s.exchange_id]
    for batch in held.batches:
        if batch.undo_state is SendState.SENDING and not batch.undone_by:
            batch.undone_by = fresh[-1].msgid if fresh else ""
            if not fresh:
                batch.undo_state = None  # nothing left
        send = by_msgid.get(batch.msgid)
        if send is not None:
            batch.state, batch.inf_refmsgid = send.state, send.inf_refmsgid
    await _adopt_undoings(journal, held, undoings)
    for batch in held.batches:
        send = by_msgid.get(batch.msgid)
        undo = by_msgid.get(batch.undone_by)
        if undo is not None:
            batch.undo_state = undo.state
            if batch.undone and send is not None and send.state is SendState.UNKNOWN:
                if repair:
                    await _undo_unknown(journal, send, undo)
                batch.state = SendState.REVERSED
    held.batches = [batch for batch in held.batches if batch.msgid]


async def _adopt(journal: Journal, held: ClearingMonth, sends: list[SendRow]) -> None:
    """Take the hospital's own confirmations in as portions of the month."""
    known = {batch.msgid for batch in held.batches}
    for send in sends:
        if not send.exchange_id or send.msgid in known or send.state in _WITHOUT_EFFECT:
            continue
        content = await _stated(journal, send)
        flags = {row.get("setl_sn"): row.get("cnfm_flag") for row in rows(content, "detail")}
        if flags:
            number = max((batch.number for batch in held.batches), default=0) + 1
            held.batches.append(Batch(number=number, flags=flags, msgid=send.msgid, own=True))


async def _adopt_undoings(journal: Journal, held: ClearingMonth, sends: list[SendRow]) -> None:
    """Note what the hospital's own roll backs took back, or try to."""
    for send in sends:
        if not send.exchange_id or send.state in _WITHOUT_EFFECT or send.msgid in held.undoings:
            continue
        content = await _stated(journal, send)
        reference = next((row.get("otransid") for row in rows(content, "data")), "")
        if not reference:
            continue
        for batch in held.batches:
            before = batch.msgid and await _is_before(journal, batch.msgid, send)
            meant = reference in (EVERYTHING, batch.inf_refmsgid)
            if before and meant and not batch.undone and batch.undo_state not in OPEN:
                batch.undone_by, batch.undo_state = send.msgid, send.state
        held.undoings.append(send.msgid)


async def _stated(journal: Journal, send: SendRow) -> Mapping[str, Any]:
    """The input of a call of the hospital's own; empty while its message has no answer."""
    result = await journal.stored_result(send.exchange_id)
    return result.intent.carried if result is not None else {}


async def _is_before(journal: Journal, msgid: str, other: SendRow) -> bool:
    send = await journal.send(msgid)
    return send is not None and send.created_at <= other.created_at


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
