"""The table of plans."""

from __future__ import annotations

import pytest

from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile, profile_names
from gateway.intents import Verb, VisitClass
from gateway.settlement.plans import MARKS, PLANS, is_repeatable, plan
from gateway.settlement.visits import TRANSITIONS, VisitState


def test_settling_a_registered_outpatient_is_2203_2204_2206_2207() -> None:
    """The example of the design page."""
    steps = plan(Verb.SETTLE, VisitClass.OUTPATIENT, VisitState.REGISTERED)
    assert steps == ("2203?", "2204+", "2206*", "2207*")


def test_every_transaction_of_the_table_is_defined() -> None:
    """A plan names no transaction that the definitions lack."""
    known = set(Definitions.load().infnos())
    assert {mark.rstrip(MARKS) for marks in PLANS.values() for mark in marks} <= known


def test_no_plan_goes_on_after_what_takes_a_fact_of_the_visit_back() -> None:
    """2405 gives nothing and takes the end of the stay back: what was filled before it would still
    have that end, and is sent as it was filled where nothing is given in between.
    """
    going_on = [mark.rstrip(MARKS) for marks in PLANS.values() for mark in marks[:-1]]
    assert going_on
    assert "2405" not in going_on


def test_every_row_of_the_table_names_a_state_its_class_can_have() -> None:
    """No plan waits for a state that cannot come."""
    for _, visit_class, state in PLANS:
        if visit_class is not None:
            assert state in TRANSITIONS[visit_class]


@pytest.mark.parametrize(
    ("verb", "visit_class", "state"),
    [
        (Verb.UNREGISTER, VisitClass.OUTPATIENT, VisitState.SETTLED),
        (Verb.UNREGISTER, VisitClass.OUTPATIENT, VisitState.CHARGED),
        (Verb.UNADMIT, VisitClass.INPATIENT, VisitState.SETTLED),
        (Verb.CHARGE, VisitClass.INPATIENT, VisitState.SETTLED),
        (Verb.UNDISCHARGE, VisitClass.INPATIENT, VisitState.SETTLED),
        (Verb.CHARGE, VisitClass.OUTPATIENT, VisitState.NONE),
    ],
)
def test_what_the_rule_book_forbids_has_no_plan(
    verb: Verb, visit_class: VisitClass, state: VisitState
) -> None:
    """Rules sections 2, 9 and 10; scenarios T-005, T-007, T-011."""
    assert plan(verb, visit_class, state) is None


def test_a_settled_stay_takes_data_for_its_list_and_makes_no_call() -> None:
    """L-007: after 2304 nothing of the stay changes at the platform but by 2305."""
    assert plan(Verb.UPDATE, VisitClass.INPATIENT, VisitState.SETTLED) == ()


def test_a_discharged_stay_is_not_described_anew() -> None:
    """Rules section 2: 2403 while the visit is open; the diagnoses of a discharge are those of 2402."""
    assert plan(Verb.UPDATE, VisitClass.INPATIENT, VisitState.DISCHARGED) == ()
    assert plan(Verb.UPDATE, VisitClass.INPATIENT, VisitState.ADMITTED) == ("2403?",)


@pytest.mark.parametrize("profile", profile_names())
def test_money_is_never_repeatable(profile: str) -> None:
    """Matrix part 5: settlements, cancellations and reversals are not repeated, in no region."""
    money = load_profile(profile).money
    assert {"2207", "2208", "2304", "2305", "2601"} <= set(money)
    assert not any(is_repeatable(infno) for infno in money)


@pytest.mark.parametrize("infno", ["1101", "2001", "2206", "2303", "5201", "5204", "1301"])
def test_reads_are_repeatable(infno: str) -> None:
    """Matrix part 5: they read or compute."""
    assert is_repeatable(infno)


@pytest.mark.parametrize("infno", ["2401", "2201", "2204", "2301", "2402", "2205", "2202"])
def test_what_changes_the_platform_is_not_repeatable(infno: str) -> None:
    """Matrix part 5: check the state first."""
    assert not is_repeatable(infno)
