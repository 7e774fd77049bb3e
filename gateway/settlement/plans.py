"""Which transactions a verb needs: one literal table (verb x visit class x visit state).

Marks behind a transaction number:

* ``?`` only when the message states diagnoses,
* ``%`` only when the peer or the message asks for the entitlement check,
* ``+`` once for each upload of charge lines (whole charge batches within the input limit),
* ``*`` once for each charge batch that is to be settled or withdrawn; marked neighbours are
  interleaved batch by batch (2206 2207, 2206 2207).

Sources: mapping matrix 1.6, 2.1 and part 5; rules section 2.
"""

from __future__ import annotations

from gateway.intents import Verb, VisitClass
from gateway.settlement.visits import VisitState

_OUT, _IN = VisitClass.OUTPATIENT, VisitClass.INPATIENT
_S = VisitState

PLANS: dict[tuple[Verb, VisitClass | None, VisitState], tuple[str, ...]] = {
    (Verb.IDENTIFY, None, _S.NONE): ("1101",),
    (Verb.ENTITLE, None, _S.NONE): ("1101", "2001"),
    # outpatient: open, describe, close
    (Verb.REGISTER, _OUT, _S.NONE): ("1101", "2001%", "2201", "2203?"),
    (Verb.REGISTER, _OUT, _S.REGISTERED): ("2203?",),
    (Verb.REGISTER, _OUT, _S.CHARGED): ("2203?",),
    (Verb.REGISTER, _OUT, _S.SETTLED): ("2203?",),
    (Verb.UPDATE, _OUT, _S.REGISTERED): ("2203?",),
    (Verb.UPDATE, _OUT, _S.CHARGED): ("2203?",),
    (Verb.UPDATE, _OUT, _S.SETTLED): ("2203?",),
    (Verb.UNREGISTER, _OUT, _S.REGISTERED): ("2202",),
    (Verb.UNREGISTER, _OUT, _S.CANCELLED): (),
    # outpatient: an outpatient discharge has no transaction
    (Verb.DISCHARGE, _OUT, _S.REGISTERED): (),
    (Verb.DISCHARGE, _OUT, _S.CHARGED): (),
    (Verb.DISCHARGE, _OUT, _S.SETTLED): (),
    # money of an outpatient visit
    (Verb.CHARGE, _OUT, _S.REGISTERED): ("2203?", "2204+"),
    (Verb.CHARGE, _OUT, _S.CHARGED): ("2203?", "2204+"),
    (Verb.CHARGE, _OUT, _S.SETTLED): ("2203?", "2204+"),
    (Verb.REFUND, _OUT, _S.CHARGED): ("2205*",),
    (Verb.REFUND, _OUT, _S.SETTLED): ("2205*",),
    (Verb.REFUND, _OUT, _S.REGISTERED): (),
    (Verb.PRESETTLE, _OUT, _S.NONE): ("1101", "2001%", "2201", "2203?", "2204+", "2206*"),
    (Verb.PRESETTLE, _OUT, _S.REGISTERED): ("2203?", "2204+", "2206*"),
    (Verb.PRESETTLE, _OUT, _S.CHARGED): ("2203?", "2204+", "2206*"),
    (Verb.PRESETTLE, _OUT, _S.SETTLED): ("2203?", "2204+", "2206*"),
    (Verb.SETTLE, _OUT, _S.NONE): ("1101", "2001%", "2201", "2203?", "2204+", "2206*", "2207*"),
    (Verb.SETTLE, _OUT, _S.REGISTERED): ("2203?", "2204+", "2206*", "2207*"),
    (Verb.SETTLE, _OUT, _S.CHARGED): ("2203?", "2204+", "2206*", "2207*"),
    (Verb.SETTLE, _OUT, _S.SETTLED): ("2203?", "2204+", "2206*", "2207*"),
    (Verb.CANCEL, _OUT, _S.SETTLED): ("2208",),
    (Verb.CANCEL, _OUT, _S.CHARGED): ("2208",),
    # inpatient
    (Verb.ADMIT, _IN, _S.NONE): ("1101", "2001%", "2401"),
    (Verb.ADMIT, _IN, _S.ADMITTED): (),
    (Verb.UPDATE, _IN, _S.ADMITTED): ("2403?",),
    (Verb.UPDATE, _IN, _S.DISCHARGED): ("2403?",),
    (Verb.UNADMIT, _IN, _S.ADMITTED): ("2404",),
    (Verb.UNADMIT, _IN, _S.CANCELLED): (),
    (Verb.DISCHARGE, _IN, _S.ADMITTED): ("2402",),
    (Verb.DISCHARGE, _IN, _S.DISCHARGED): (),
    (Verb.UNDISCHARGE, _IN, _S.DISCHARGED): ("2405",),
    (Verb.UNDISCHARGE, _IN, _S.ADMITTED): (),
    (Verb.CHARGE, _IN, _S.ADMITTED): ("2301+",),
    (Verb.CHARGE, _IN, _S.DISCHARGED): ("2301+",),
    (Verb.REFUND, _IN, _S.ADMITTED): ("2302*",),
    (Verb.REFUND, _IN, _S.DISCHARGED): ("2302*",),
    (Verb.PRESETTLE, _IN, _S.ADMITTED): ("2301+", "2303"),
    (Verb.PRESETTLE, _IN, _S.DISCHARGED): ("2301+", "2303"),
    (Verb.SETTLE, _IN, _S.ADMITTED): ("2301+", "2303", "2304"),
    (Verb.SETTLE, _IN, _S.DISCHARGED): ("2301+", "2303", "2304"),
    (Verb.CANCEL, _IN, _S.SETTLED): ("2305",),
}

WITHOUT_VISIT = frozenset({Verb.IDENTIFY, Verb.ENTITLE, Verb.CARRY, Verb.IGNORE})
"""Verbs that touch no visit of ours."""

READS = frozenset(
    {"1101", "1201", "2001", "2206", "2303", "9001", "9002", "9101", "9102", "2203", "2403"}
    | {"3201", "3202", "3260", "4103", "4104", "4105"}
)
"""Safe to repeat after an unknown outcome: they read, compute, compare, overwrite or store a file
that nothing refers to yet (matrix part 5)."""


def plan(verb: Verb, visit_class: VisitClass | None, state: VisitState) -> tuple[str, ...] | None:
    """The row of the table, or None when the verb cannot be done in this state."""
    if verb in (Verb.IDENTIFY, Verb.ENTITLE):
        return PLANS[verb, None, VisitState.NONE]
    return PLANS.get((verb, visit_class, state))


def is_repeatable(infno: str) -> bool:
    """True when an unknown outcome of this transaction changed nothing that a repeat could double.

    Queries (5xxx, 13xx) and the transactions of `READS`.
    """
    return infno in READS or infno[:1] == "5" or infno[:2] in {"13", "19"}
