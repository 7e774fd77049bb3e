"""What the hospital does by national JSON itself waits for the opening of the visit that it names.

The reply to a registration or an admission of a message (2201, 2401) may be lost, and the hospital
may see the number that the platform gave (mdtrt_id) at the platform itself, and go on there: the
gateway has no visit of that number yet. What it carried then would be missing in the visit as soon
as the opening is proven, and a reversal of the opening would undo the ground that it stands on.

So a transaction that changes a visit nobody here has heard of waits while an opening of the same
person has no known outcome. One of a visit that took such a transaction before goes on: that visit
is another one. An opening that the hospital sent by national JSON itself holds nothing but what
its own key does: no visit is kept for it.
"""

from __future__ import annotations

from gateway.intents import Call, Verb
from gateway.journal import Journal, SendRow, SendState
from gateway.settlement.following import FOLLOWED, known_visit

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
    for state in (SendState.SENDING, SendState.UNKNOWN):
        for send in await journal.sends(state=state.value, limit=EVERY):
            if _opens(send, call) and await _is_of_a_message(journal, send):
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
