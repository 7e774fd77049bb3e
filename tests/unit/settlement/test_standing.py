"""Where a settlement stands, and what can be done to it."""

from __future__ import annotations

import itertools

import pytest

from gateway.errors import StateError
from gateway.intents import Record, Settlement, VisitClass
from gateway.settlement.absorbing import undo_settlement
from gateway.settlement.standing import (
    SETTLEMENT_TRANSITIONS,
    SettlementEvent,
    SettlementState,
    check,
    state_of,
)
from gateway.settlement.visits import Batch, Visit, VisitState


def visit() -> Visit:
    """A visit with a settlement that stands, one cancelled, one reversed."""
    made = [
        Settlement(infno="2207", msgid=f"M{i}", info=Record({"setl_id": f"S{i}"})) for i in "123"
    ]
    refund = Settlement(infno="2208", msgid="M4", info=Record({"setl_id": "S4"}), cancels="S2")
    gone = Settlement(infno="2601", msgid="M5", info=Record(), cancels="S3")
    return Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="O1",
        visit_class=VisitClass.OUTPATIENT,
        settlements=[*made, refund, gone],
    )


@pytest.mark.parametrize(
    ("setl_id", "state"),
    [
        ("S1", SettlementState.STANDING),
        ("S2", SettlementState.CANCELLED),
        ("S3", SettlementState.REVERSED),
        ("S4", SettlementState.CANCELLATION),
        ("S9", None),
    ],
)
def test_the_state_follows_from_what_was_done_to_it(
    setl_id: str, state: SettlementState | None
) -> None:
    """Rules 1 to 3; a number that the visit does not know has no state."""
    assert state_of(visit(), setl_id) is state


@pytest.mark.parametrize("event", list(SettlementEvent))
@pytest.mark.parametrize("setl_id", ["S2", "S3", "S4"])
def test_what_has_ended_is_not_ended_again(setl_id: str, event: SettlementEvent) -> None:
    """Rules 4 and 5."""
    with pytest.raises(StateError, match=setl_id):
        check(visit(), setl_id, event)


def test_only_what_stands_can_be_undone() -> None:
    """The table: two ways out of standing, none out of anything else."""
    every = itertools.product(SettlementState, SettlementEvent)
    exist = {(s, e) for s, e in every if e in SETTLEMENT_TRANSITIONS[s]}
    assert exist == {(SettlementState.STANDING, event) for event in SettlementEvent}
    check(visit(), "S1", SettlementEvent.CANCELLED)
    check(visit(), "S9", SettlementEvent.CANCELLED)


@pytest.mark.parametrize(("undone", "state"), [("S1", "settled"), ("S2", "admitted")])
def test_a_stay_stays_settled_by_its_last_settlement(undone: str, state: str) -> None:
    """What was settled during the stay may be undone after its end: those lines are open again."""
    during, last = (
        Settlement(infno="2304", msgid=f"M{i}", info=Record({"setl_id": f"S{i}"})) for i in "12"
    )
    last.ends_stay = True
    stay = Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="I1",
        visit_class=VisitClass.INPATIENT,
        state=VisitState.SETTLED,
        batches=[Batch(chrg_bchno=f"B{i}", setl_id=f"S{i}") for i in "12"],
        settlements=[during, last],
    )
    undo_settlement(stay, undone)
    assert stay.state == state
    assert [batch.setl_id for batch in stay.open_batches()] == [""]
    assert stay.open_batches()[0].chrg_bchno == f"B{undone[1]}"
