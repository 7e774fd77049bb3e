"""The literal tables of states say what the numbered rules say."""

from __future__ import annotations

import itertools

import pytest

from gateway.errors import StateError
from gateway.journal import SEND_TRANSITIONS, STAGE_TRANSITIONS, SendState, Stage
from gateway.journal.states import check_send, check_stage

SEND_RULES = {
    ("sending", "accepted"),
    ("sending", "rejected"),
    ("sending", "not-sent"),
    ("sending", "unknown"),
    ("unknown", "accepted"),
    ("unknown", "rejected"),
    ("unknown", "unknown"),
    ("unknown", "reversed"),
    ("unknown", "confirmed"),
    ("unknown", "manual"),
}
STAGE_RULES = {
    ("open", "provisional"),
    ("open", "final"),
    ("provisional", "provisional"),
    ("provisional", "final"),
}


@pytest.mark.parametrize(("old", "new"), [*itertools.product(SendState, SendState)])
def test_a_send_goes_only_where_a_rule_lets_it(old: SendState, new: SendState) -> None:
    """All sixty-four pairs: ten are allowed, the others are state errors that name both."""
    if (old, new) in SEND_RULES:
        check_send("M1", old, new)
    else:
        with pytest.raises(StateError, match=f"send M1: no transition from {old} to {new}"):
            check_send("M1", old, new)


@pytest.mark.parametrize(("old", "new"), [*itertools.product(Stage, Stage)])
def test_an_answer_goes_only_where_a_rule_lets_it(old: Stage, new: Stage) -> None:
    """All nine pairs: four are allowed."""
    if (old, new) in STAGE_RULES:
        check_stage("E1", old, new)
    else:
        with pytest.raises(StateError, match=f"exchange E1: no transition from {old} to {new}"):
            check_stage("E1", old, new)


def test_every_state_stands_in_its_table() -> None:
    """A state without a row would be a hole in the diagram drawn from the table."""
    assert set(SEND_TRANSITIONS) == set(SendState)
    assert set(STAGE_TRANSITIONS) == set(Stage)
