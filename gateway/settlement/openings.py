"""What the hospital does by national JSON itself waits for the opening of the visit that it names.

The reply to a registration or an admission of a message (2201, 2401) may be lost, and the hospital
may see the number that the platform gave (mdtrt_id) at the platform itself, and go on there: the
gateway has no visit of that number yet. What it carried then would be missing in the visit as soon
as the opening is proven, and a reversal of the opening would undo the ground that it stands on.

So a transaction that changes a visit nobody here has heard of waits while an opening of the same
person has no known outcome. One of a visit that took such a transaction before goes on, and one of
a visit that the hospital opened by national JSON itself: that visit is another one. An opening of
unknown outcome that it sent so itself holds nothing but what its own key does: no visit is kept
for it.
"""

from __future__ import annotations

from gateway.intents import Call, Verb
from gateway.journal import Journal, SendRow, SendState
from gateway.settlement.following import FOLLOWED, known_visit
from gateway.settlement.visits import visit_key
from gateway.settlement.work import rows

OPENINGS = frozenset({"2201", "2401"})
DONE = frozenset({SendState.ACCEPTED, SendState.CONFIRMED})
EVERY = 1_000_000
"""Limit of a read that has to see all."""


async def may_be_of_unknown_opening(journal: Journal, call: Call, mdtrt_id: str) -> bool:
    """True when the visit that a call names may be one whose opening has no known outcome."""
    if not mdtrt_id or call.infno not in FOLLOWED:
        return False
    if await known_visit(journal, call) is not None:
        return False
    before = await journal.sends(visit_key=call.visit_key)
    if any(send.infno in FOLLOWED and send.state in DONE for send in before):
        return False
    if await _is_opened_by_itself(journal, call, mdtrt_id):
        return False
    for state in (SendState.SENDING, SendState.UNKNOWN):
        for send in await journal.sends(state=state.value, limit=EVERY):
            if _opens(send, call) and await _is_of_a_message(journal, send):
                return True
    return False


async def _is_opened_by_itself(journal: Journal, call: Call, mdtrt_id: str) -> bool:
    """True when the reply to the hospital's own 2201 or 2401 gave this number."""
    key = visit_key(call.fixmedins_code, f"psn:{call.psn_no}")
    for send in reversed(await journal.sends(visit_key=key, state=SendState.ACCEPTED.value)):
        reply = await journal.reply(send.msgid) if send.infno in OPENINGS else None
        given = (
            [row for node in ("data", "result") for row in rows(reply.output, node)]
            if reply
            else []
        )
        if any(row.get("mdtrt_id") == mdtrt_id for row in given):
            return True
    return False


def _opens(send: SendRow, call: Call) -> bool:
    """An opening for the person of a call, at the same institution."""
    same = (send.fixmedins_code, send.psn_no) == (call.fixmedins_code, call.psn_no)
    return send.infno in OPENINGS and same


async def _is_of_a_message(journal: Journal, send: SendRow) -> bool:
    """True unless the hospital composed the transaction itself; one not answered yet may be so."""
    result = await journal.stored_result(send.exchange_id)
    return result is None or result.intent.verb is not Verb.CARRY
