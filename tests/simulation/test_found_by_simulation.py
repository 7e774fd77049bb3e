"""Defects that seeds have found: the fault alone, over enough runs to meet it where it hurt."""

from __future__ import annotations

import pytest

from gateway.settings import UnknownPolicy
from tests.simulation.plans import SETTLING, Plan
from tests.simulation.run import simulate


@pytest.mark.parametrize("policy", list(UnknownPolicy))
def test_a_refusal_because_the_message_came_twice_is_no_refusal_of_the_message(
    policy: UnknownPolicy,
) -> None:
    """Seed 54: 2208 was delivered twice and the gateway heard the second answer, which refuses the
    message id; the first had cancelled the settlement, and the hospital was told no.
    """
    found = []
    for seed in range(40):
        plan = Plan(policy=policy, fates=("twice-second",), rate=0.3, aimed=True)
        found += simulate(seed, plan).findings
    assert found == []


@pytest.mark.parametrize("how", ["before", "after", "busy"])
def test_a_journal_that_fails_amid_a_message_makes_no_final_answer(how: str) -> None:
    """Seed 191: the disk was full when the outcome of 2201 was to be stored; the hospital was told
    AE for a registration that the platform has, and the same message later got AA.
    """
    found = []
    for seed in range(40):
        begin = 12.0 + seed * 0.1
        found += simulate(seed, Plan(disk=[(begin, begin + 1.0, how)])).findings
    assert found == []


def test_a_message_taken_up_again_still_tells_what_it_settled_before_the_unknown_one() -> None:
    """Seed 8: the gateway stopped while the second batch of a payment was on its way. Taken up, the
    message was told unknown and later undone, "nothing was charged", and the first batch was.
    """
    run = simulate(8, Plan(disk=[(12.8, 13.8, "before")]))
    assert run.findings == []


@pytest.mark.parametrize("hasty", [True, False])
def test_a_sign_in_that_is_lost_between_two_copies_of_a_request_doubles_nothing(
    *, hasty: bool
) -> None:
    """Seed 9686: 2201 was delivered twice, and between the copies the platform forgot who had
    signed in. The refusal of the second copy led to a new sign-in and, under another message id, to
    a second registration, which was refused; the hospital was told no, and the platform had one.
    """
    found = []
    for seed in range(60):
        begin = 4.0 + seed * 0.1
        down = [(begin, begin + 0.01)]
        plan = Plan(fates=("twice-second",), rate=0.9, aimed=True, down=down, hasty=hasty)
        found += simulate(seed, plan).findings
    assert found == []


def test_what_was_settled_anew_before_a_crash_is_told_with_what_was_not() -> None:
    """Seed 6829: one of two batches was settled anew, and the gateway stopped while the second was on
    its way. An operator ended the second, and the hospital was told that nothing was settled.
    """
    plan = Plan(policy=UnknownPolicy.REVERSE_AND_SETTLE, visits=1, hasty=True)
    plan.fates, plan.rate, plan.aimed = ("empty", "http-500", "outer-401"), 0.4, True
    plan.down = [(57.55, 58.05)]
    found = []
    for point in range(170, 181):
        plan.crash_at = frozenset({point})
        found += simulate(6829, plan).findings
    assert found == []


def test_an_upload_whose_outcome_the_disk_did_not_take_is_not_made_twice() -> None:
    """Seed 294: the disk was busy when it was to be stored that a 2204 has no known outcome, and
    free again when the message came again: it went out a second time, under another message id.
    """
    found = []
    for seed in range(60):
        plan = Plan(lenient=True, fates=("twice-second", "unanswered"), rate=0.4, aimed=True)
        plan.disk = [(1.0 + seed % 7, 12.0, "busy")]
        found += simulate(seed, plan).findings
    assert found == []


def test_a_late_refusal_for_the_sign_in_says_nothing_of_the_first_copy() -> None:
    """Seed 584: 2207 came twice, the platform forgot who had signed in between the two, and the
    refusal of the second copy came late: the settlement of the first one was told as refused.
    """
    found = []
    for seed in range(60):
        plan = Plan(fates=("slow-second",), rate=0.7, only=SETTLING, visits=3)
        plan.down = [(at, at + 0.3) for at in range(6, 40, 3)]
        found += simulate(seed, plan).findings
    assert found == []


def test_a_late_reply_to_what_was_reversed_makes_no_settlement() -> None:
    """Seed 9703: the reply to 2304 came late and waited for a 2601 of unknown outcome. The reply to
    that came late as well and accepted it; the settlement was then taken in all the same, and the
    gateway had one that the platform had undone.
    """
    only = frozenset({"2304", "2207", "2601"})
    found = []
    for seed in range(20):
        plan = Plan(policy=UnknownPolicy.REVERSE, operator=False, fates=("late",), rate=0.9)
        plan.aimed, plan.only, plan.steps = True, only, [(76.0, -300.0)]
        found += simulate(seed, plan).findings
    assert found == []


def test_a_purchase_follows_what_its_pharmacy_does_itself() -> None:
    """Seed 2: a purchase that a message had made was taken back by the pharmacy's own 2103, or its
    own 2601; the platform had done so, and the gateway went on with a purchase that stood.
    """
    runs = [simulate(seed, Plan(shops=1.0, visits=3)) for seed in range(20)]
    assert [(run.findings, run.failures) for run in runs] == [([], [])] * 20


def test_a_purchase_that_a_crash_left_without_its_answer_is_followed_too() -> None:
    """Seed 213: the gateway stopped between the purchase and the note of its number at the platform.
    Taken up, the message was told that it is done; the pharmacy's own 2103 was not followed.
    """
    found = []
    for seed in range(20):
        for point in range(38, 44):  # between the outcome of 2102 and the answer
            plan = Plan(shops=1.0, visits=1, crash_at=frozenset({point}))
            found += simulate(seed, plan).findings
    assert found == []


def test_a_purchase_of_the_pharmacys_own_can_be_confirmed() -> None:
    """Seed 310: no reply came to a 2102 that the pharmacy had composed itself, and 5201 was asked
    for the purchases of the person without their medical type, so that none was found.
    """
    found = []
    for seed in range(30):
        plan = Plan(shops=1.0, visits=3, fates=("unanswered",), rate=0.6, only=frozenset({"2102"}))
        found += simulate(seed, plan).findings
    assert found == []


def test_what_is_read_back_has_the_total_of_what_the_hospital_composed_itself() -> None:
    """Seed 2131: no reply came to a 2102 of the pharmacy's own; 5203 answered with another total, and
    the pharmacy was told that total.
    """
    found = []
    for seed in range(40):
        plan = Plan(shops=1.0, visits=3, books=True, fates=("unanswered", "altered"), rate=0.6)
        plan.only = frozenset({"2102", "5203"})
        found += simulate(seed, plan).findings
    assert found == []


def test_a_cancellation_of_several_that_a_crash_stopped_is_about_the_one_under_way() -> None:
    """Seed 2066: of two settlements the last one was being cancelled when the gateway stopped. Taken
    up, the message stood at the first, and what the platform showed of the last was held against it.
    """
    found = []
    for seed in range(40):
        plan = Plan(claims=1.0, visits=3, crash_when="sent 2208")
        found += simulate(seed, plan).findings
    assert found == []


def test_the_sum_of_an_upload_of_the_hospitals_own_is_compared_too() -> None:
    """Seed 21: an operator confirmed a 2301 that the hospital had composed itself by a sum that was
    a yuan more than that of its lines; only the uploads of messages were compared.
    """
    found = []
    for seed in range(30):
        plan = Plan(careless=True, fates=("unanswered", "lost"), rate=0.8)
        plan.only = frozenset({"2204", "2301"})
        found += simulate(seed, plan).findings
    assert found == []
