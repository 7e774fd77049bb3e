"""Where a settlement stands; the rules of its table.

1. A settlement begins when the platform's reply, or what it shows, is taken in (2102, 2207, 2304):
   it stands. One of unknown outcome does not begin: its send is unknown, and its visit waits.
2. A cancellation (2103, 2208, 2305) ends it, and is a settlement of its own with the sign turned.
3. A reversal (2601) ends it as if it had never been made.
4. Ended is ended: what is cancelled cannot be cancelled or reversed again, and the same charges are
   settled anew by another settlement, which has another setl_id.
5. A cancellation is never cancelled.

A transition that is not in the table raises `StateError`: the outcome of its transaction is then
unknown, which stops the visit until somebody has looked (rules section 13; matrix part 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.errors import StateError
from gateway.settlement.visits import Visit


class SettlementStateError(StateError):
    """The table of a settlement has no such transition."""


class SettlementState(StrEnum):
    """Where a settlement stands."""

    STANDING = "standing"
    CANCELLED = "cancelled"
    REVERSED = "reversed"
    CANCELLATION = "cancellation"
    """Not a settlement but the cancellation of one."""


class SettlementEvent(StrEnum):
    """What the platform did to it."""

    CANCELLED = "cancelled"
    REVERSED = "reversed"


SETTLEMENT_TRANSITIONS: Mapping[SettlementState, Mapping[SettlementEvent, SettlementState]] = {
    SettlementState.STANDING: {
        SettlementEvent.CANCELLED: SettlementState.CANCELLED,
        SettlementEvent.REVERSED: SettlementState.REVERSED,
    },
    SettlementState.CANCELLED: {},
    SettlementState.REVERSED: {},
    SettlementState.CANCELLATION: {},
}
"""Rules 2 to 5."""

REVERSAL = "2601"


def state_of(visit: Visit, setl_id: str) -> SettlementState | None:
    """Where the settlement of this number stands; None when the visit does not know it."""
    undone = {made.cancels: made.infno for made in visit.settlements if made.cancels}
    if setl_id in undone:
        reversed_ = undone[setl_id] == REVERSAL
        return SettlementState.REVERSED if reversed_ else SettlementState.CANCELLED
    for made in visit.settlements:
        if made.info.get("setl_id") == setl_id:
            return SettlementState.CANCELLATION if made.cancels else SettlementState.STANDING
    return None


def check(visit: Visit, setl_id: str, event: SettlementEvent) -> None:
    """Let a settlement that the visit knows be undone.

    Raises:
        SettlementStateError: the table has no such transition.
    """
    state = state_of(visit, setl_id)
    if state is not None and event not in SETTLEMENT_TRANSITIONS[state]:
        raise SettlementStateError(f"settlement {setl_id}, {state}: it cannot be {event}")
