"""Which transactions a verb needs: one literal table (verb x visit class x visit state).

Marks behind a transaction number:

* ``?`` only when the message states diagnoses,
* ``%`` only when the peer or the message asks for the entitlement check,
* ``+`` once for each upload of charge lines (whole charge batches within the input limit),
* ``!`` only when the message shows a certificate; without one the person's number is stated,
* ``#`` only for a visit that a chronic-disease filing may decide the category of (`chronic`),
* ``=`` with every charge line of the message in it (a purchase in a pharmacy),
* ``*`` once for each charge batch that is to be settled or withdrawn; marked neighbours are
  interleaved batch by batch (2206 2207, 2206 2207).

Sources: mapping matrix 1.6, 2.1 and part 5; rules section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.intents import Verb, VisitClass
from gateway.settlement.visits import VisitState

_OUT, _IN, _SHOP = VisitClass.OUTPATIENT, VisitClass.INPATIENT, VisitClass.PHARMACY
_S = VisitState

MARKS = "?%!+=*#"
"""Every mark."""

PLANS: dict[tuple[Verb, VisitClass | None, VisitState], tuple[str, ...]] = {
    (Verb.IDENTIFY, None, _S.NONE): ("1101",),
    (Verb.ENTITLE, None, _S.NONE): ("1101", "2001"),
    # queries about a person, a visit, a settlement, the staff
    (Verb.FIND_TOTALS, None, _S.NONE): ("1101", "5206"),
    (Verb.FIND_CHRONIC, None, _S.NONE): ("1101", "5301"),
    (Verb.FIND_DESIGNATIONS, None, _S.NONE): ("1101", "5302"),
    (Verb.FIND_TRANSFERS, None, _S.NONE): ("1101", "5304"),
    (Verb.FIND_VISITS, None, _S.NONE): ("1101", "5201"),
    (Verb.FIND_STAYS, None, _S.NONE): ("5303",),
    (Verb.READ_SETTLEMENT, None, _S.NONE): ("5203",),
    (Verb.READ_CHARGES, None, _S.NONE): ("5204",),
    (Verb.FIND_PHYSICIANS, None, _S.NONE): ("5102",),
    # master files
    (Verb.MAP_ITEM, None, _S.NONE): ("3301",),
    (Verb.UNMAP_ITEM, None, _S.NONE): ("3302",),
    (Verb.ADD_DEPARTMENT, None, _S.NONE): ("3401",),
    (Verb.CHANGE_DEPARTMENT, None, _S.NONE): ("3402",),
    (Verb.REMOVE_DEPARTMENT, None, _S.NONE): ("3403",),
    # filings
    (Verb.FILE_TRANSFER, None, _S.NONE): ("1101", "2501"),
    (Verb.WITHDRAW_TRANSFER, None, _S.NONE): ("1101!", "2502"),
    (Verb.FILE_CHRONIC, None, _S.NONE): ("1101", "2503"),
    (Verb.WITHDRAW_CHRONIC, None, _S.NONE): ("1101!", "2504"),
    (Verb.FILE_DESIGNATION, None, _S.NONE): ("1101", "2505"),
    (Verb.WITHDRAW_DESIGNATION, None, _S.NONE): ("1101!", "2506"),
    # outpatient: open, describe, close
    (Verb.REGISTER, _OUT, _S.NONE): ("1101", "5301#", "2001%", "2201", "2203?"),
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
    (Verb.PRESETTLE, _OUT, _S.NONE): (
        *("1101", "5301#", "2001%", "2201", "2203?", "2204+", "2206*"),
    ),
    (Verb.PRESETTLE, _OUT, _S.REGISTERED): ("2203?", "2204+", "2206*"),
    (Verb.PRESETTLE, _OUT, _S.CHARGED): ("2203?", "2204+", "2206*"),
    (Verb.PRESETTLE, _OUT, _S.SETTLED): ("2203?", "2204+", "2206*"),
    (Verb.SETTLE, _OUT, _S.NONE): (
        *("1101", "5301#", "2001%", "2201", "2203?", "2204+", "2206*", "2207*"),
    ),
    (Verb.SETTLE, _OUT, _S.REGISTERED): ("2203?", "2204+", "2206*", "2207*"),
    (Verb.SETTLE, _OUT, _S.CHARGED): ("2203?", "2204+", "2206*", "2207*"),
    (Verb.SETTLE, _OUT, _S.SETTLED): ("2203?", "2204+", "2206*", "2207*"),
    (Verb.CANCEL, _OUT, _S.SETTLED): ("2208",),
    (Verb.CANCEL, _OUT, _S.CHARGED): ("2208",),
    # inpatient
    (Verb.ADMIT, _IN, _S.NONE): ("1101", "2001%", "2401"),
    (Verb.ADMIT, _IN, _S.ADMITTED): (),
    (Verb.UPDATE, _IN, _S.ADMITTED): ("2403?",),
    # ... and after the discharge, whose diagnoses 2402 gave, for the settlement list only
    (Verb.UPDATE, _IN, _S.DISCHARGED): (),
    (Verb.UPDATE, _IN, _S.SETTLED): (),
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
    # ... and of a settlement during the stay
    (Verb.CANCEL, _IN, _S.ADMITTED): ("2305",),
    (Verb.CANCEL, _IN, _S.DISCHARGED): ("2305",),
    # a purchase in a pharmacy: lines and money go in one transaction
    (Verb.PRESETTLE, _SHOP, _S.NONE): ("1101", "2101="),
    (Verb.SETTLE, _SHOP, _S.NONE): ("1101", "2101=", "2102="),
    (Verb.CANCEL, _SHOP, _S.SETTLED): ("2103",),
    (Verb.CANCEL, _SHOP, _S.CANCELLED): (),
}

MASTER_FILES: dict[Verb, dict[str, Verb | None]] = {
    Verb.MAP_ITEMS: {
        "add": Verb.MAP_ITEM,
        "change": Verb.MAP_ITEM,
        "remove": Verb.UNMAP_ITEM,
    },
    Verb.FILE_DEPARTMENTS: {
        "add": Verb.ADD_DEPARTMENT,
        "change": Verb.CHANGE_DEPARTMENT,
        "remove": Verb.REMOVE_DEPARTMENT,
    },
    Verb.CHECK_STAFF: {
        "add": Verb.FIND_PHYSICIANS,
        "change": Verb.FIND_PHYSICIANS,
        "remove": None,
    },
}
"""The verb of an entry by what is to be done with it; None where nothing is."""

WITHOUT_VISIT = frozenset(
    {verb for verb, visit_class, _ in PLANS if visit_class is None}
    | {Verb.CARRY, Verb.IGNORE, Verb.NOTE, Verb.TAKE_REMITTANCE}
)
"""Verbs that touch no visit of ours."""

FILINGS = frozenset({"2501", "2502", "2503", "2504", "2505", "2506"})
"""Filings and their withdrawals: one of a person at a time, and none is made twice."""

READS = frozenset(
    {"1101", "1201", "2001", "2101", "2206", "2303", "9001", "9002", "9101", "9102"}
    | {"2203", "2403", "3201", "3202", "3260", "4103", "4104", "4105"}
)
"""Safe to repeat after an unknown outcome: they read, compute, compare, overwrite or store a file
that nothing refers to yet (matrix part 5)."""


def plan(
    verb: Verb,
    visit_class: VisitClass | None,
    state: VisitState,
    also: Sequence[Verb] = (),
) -> tuple[str, ...] | None:
    """The row of the table, or None when the verb cannot be done in this state.

    The rows of `also` follow, without the identification that was made already.
    """
    if verb in WITHOUT_VISIT:
        marks = PLANS.get((verb, None, VisitState.NONE))
    else:
        marks = PLANS.get((verb, visit_class, state))
    if marks is None:
        return None
    further = (mark for each in also for mark in PLANS[each, None, VisitState.NONE])
    return (*marks, *(mark for mark in further if mark not in marks))


def is_repeatable(infno: str) -> bool:
    """True when an unknown outcome of this transaction changed nothing that a repeat could double.

    Queries (5xxx, 13xx) and the transactions of `READS`.
    """
    return infno in READS or infno[:1] == "5" or infno[:2] in {"13", "19"}
