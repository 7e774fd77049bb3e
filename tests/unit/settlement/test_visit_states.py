"""Visit states: the transitions that exist, and all others."""

from __future__ import annotations

import itertools

import pytest

from gateway.errors import StateError
from gateway.intents import Record, Settlement, VisitClass
from gateway.settlement.visits import (
    TRANSITIONS,
    Batch,
    Line,
    Visit,
    VisitEvent,
    VisitState,
    decode_visit,
    encode_visit,
    transition,
)


def path(visit_class: VisitClass, *events: VisitEvent) -> VisitState:
    """Follow events from the beginning."""
    state = VisitState.NONE
    for event in events:
        state = transition(visit_class, state, event)
    return state


def test_an_outpatient_day_ends_settled() -> None:
    """Registered, described, charged, settled: the order of rules section 2."""
    events = (VisitEvent.REGISTERED, VisitEvent.DESCRIBED, VisitEvent.CHARGED, VisitEvent.SETTLED)
    assert path(VisitClass.OUTPATIENT, *events) is VisitState.SETTLED


def test_an_inpatient_stay_ends_settled() -> None:
    """Admitted, charged, discharged, settled."""
    events = (VisitEvent.ADMITTED, VisitEvent.CHARGED, VisitEvent.DISCHARGED, VisitEvent.SETTLED)
    assert path(VisitClass.INPATIENT, *events) is VisitState.SETTLED


def test_undoing_runs_backwards() -> None:
    """2305, 2405, 2404 lead from settled to cancelled; 2404 at once does not exist (rule 4)."""
    settled = (VisitEvent.ADMITTED, VisitEvent.DISCHARGED, VisitEvent.SETTLED)
    back = (VisitEvent.UNSETTLED, VisitEvent.UNDISCHARGED, VisitEvent.CANCELLED)
    assert path(VisitClass.INPATIENT, *settled, *back) is VisitState.CANCELLED
    with pytest.raises(StateError):
        path(VisitClass.INPATIENT, *settled, VisitEvent.CANCELLED)


@pytest.mark.parametrize("state", [VisitState.CHARGED, VisitState.SETTLED])
def test_a_registration_with_charges_cannot_be_cancelled(state: VisitState) -> None:
    """Rule 5: 2202 only while nothing is charged or settled."""
    with pytest.raises(StateError):
        transition(VisitClass.OUTPATIENT, state, VisitEvent.CANCELLED)


def test_every_transition_outside_the_tables_is_an_error() -> None:
    """All combinations of class, state and event: in the table or `StateError`, nothing else."""
    for visit_class, state, event in itertools.product(VisitClass, VisitState, VisitEvent):
        expected = TRANSITIONS[visit_class].get(state, {}).get(event)
        if expected is None:
            with pytest.raises(StateError):
                transition(visit_class, state, event)
        else:
            assert transition(visit_class, state, event) is expected


def test_every_state_of_a_class_can_be_reached() -> None:
    """No row of a table is dead."""
    for table in TRANSITIONS.values():
        reached = {VisitState.NONE}
        while True:
            further = {new for state in reached for new in table.get(state, {}).values()} - reached
            if not further:
                break
            reached |= further
        assert reached == set(table)


def visit_with_two_batches() -> Visit:
    """One batch settled, one open."""
    return Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="O1",
        visit_class=VisitClass.OUTPATIENT,
        state=VisitState.CHARGED,
        batches=[
            Batch(
                chrg_bchno="1",
                setl_id="S1",
                lines=[Line(feedetl_sn="1", key="a", item="YP001", amount="10.10")],
            ),
            Batch(
                chrg_bchno="2",
                lines=[
                    Line(feedetl_sn="2", key="b", item="YP001", amount="0.10"),
                    Line(feedetl_sn="3", key="", item="YP002", amount="0.20"),
                ],
            ),
        ],
        settlements=[
            Settlement(infno="2207", msgid="m1", info=Record({"setl_id": "S1"}), chrg_bchno="1")
        ],
    )


def test_open_batches_are_those_without_settlement_and_sum_to_the_fen() -> None:
    """0.10 + 0.20 is 0.30, exactly."""
    visit = visit_with_two_batches()
    assert [batch.chrg_bchno for batch in visit.open_batches()] == ["2"]
    assert str(visit.open_batches()[0].amount) == "0.30"


def test_a_cancelled_settlement_is_not_live() -> None:
    """The settlement and its cancellation stay on record; neither is live."""
    visit = visit_with_two_batches()
    assert [s.msgid for s in visit.live_settlements()] == ["m1"]
    visit.settlements.append(
        Settlement(infno="2208", msgid="m2", info=Record({"setl_id": "S2"}), cancels="S1")
    )
    assert visit.live_settlements() == []


def test_a_line_without_the_senders_number_is_not_found_by_an_empty_key() -> None:
    """An empty key stands for no number and matches nothing."""
    visit = visit_with_two_batches()
    assert visit.line("") is None
    found = visit.line("b")
    assert found is not None
    assert found[1].feedetl_sn == "2"


def test_the_stored_visit_has_no_token_and_reads_back() -> None:
    """The e-voucher token is presented once and never stored (F-033); the rest survives."""
    visit = visit_with_two_batches()
    visit.person = Record(
        {"psn_no": "430100", "mdtrt_cert_type": "01", "mdtrt_cert_no": "TOKEN-CANARY"}
    )
    data = encode_visit(visit)
    assert b"TOKEN-CANARY" not in data
    again = decode_visit(data, 7)
    assert again.version == 7
    assert again.batches == visit.batches
    assert again.person.values == {"psn_no": "430100", "mdtrt_cert_type": "01"}


def test_a_card_number_is_kept_for_the_settlement_of_the_visit() -> None:
    """Only the token of certificate type 01 is single use."""
    visit = visit_with_two_batches()
    visit.person = Record({"mdtrt_cert_type": "02", "mdtrt_cert_no": "X"})
    assert decode_visit(encode_visit(visit), 1).person.get("mdtrt_cert_no") == "X"


def test_open_charges_beside_a_settled_batch_can_be_withdrawn() -> None:
    """One of two batches is settled, and the other one is taken back: settled it stays."""
    events = (VisitEvent.REGISTERED, VisitEvent.CHARGED, VisitEvent.SETTLED, VisitEvent.TRIMMED)
    assert path(VisitClass.OUTPATIENT, *events) is VisitState.SETTLED
