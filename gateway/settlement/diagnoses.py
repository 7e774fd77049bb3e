"""The diagnoses of a message: numbers, exactly one main diagnosis, and whether they are new."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.intents import Intent, Record, Verb, VisitClass
from gateway.settlement.visits import Visit


def summarise(intent: Intent, visit: Visit | None) -> None:
    """Numbers, exactly one main diagnosis (matrix 1.4), and its name and code for the visit."""
    for index, diagnosis in enumerate(intent.diagnoses, 1):
        if not diagnosis.has("diag_srt_no"):
            diagnosis.values["diag_srt_no"] = str(index)
    if intent.diagnoses:
        mains = [d for d in intent.diagnoses if d.get("maindiag_flag") == "1"]
        main = mains or [d for d in intent.diagnoses if d.get("inout") == "F"] or intent.diagnoses
        for diagnosis in intent.diagnoses:
            diagnosis.values["maindiag_flag"] = "1" if diagnosis is main[0] else "0"
        chosen = main[0]
    elif visit is not None and visit.diagnoses:
        chosen = next(
            (d for d in visit.diagnoses if d.get("maindiag_flag") == "1"), visit.diagnoses[0]
        )
    else:
        return
    intent.visit.set("main_diag_code", chosen.get("diag_code"), chosen.sources.get("diag_code"))
    intent.visit.set("main_diag_name", chosen.get("diag_name"), chosen.sources.get("diag_code"))


WHOLE_LISTS = frozenset({Verb.REGISTER, Verb.UPDATE})
"""Verbs whose message states every diagnosis of the visit, not only those of its lines."""


def withdraw_missing(intent: Intent, visit: Visit | None) -> None:
    """Withdraw what the platform has and the new list of an outpatient does not (matrix 1.4).

    2203 withdraws a diagnosis by sending it again with vali_flag 0 (rules section 9).
    """
    whole = intent.verb in WHOLE_LISTS and intent.diagnoses_complete and intent.diagnoses
    if visit is None or visit.visit_class is not VisitClass.OUTPATIENT or not whole:
        return
    stated = {d.get("diag_code") for d in intent.diagnoses}
    number = len(intent.diagnoses)
    for known in visit.diagnoses:
        if known.get("diag_code") not in stated:
            number += 1
            withdrawn = {"vali_flag": "0", "maindiag_flag": "0", "diag_srt_no": str(number)}
            intent.diagnoses.append(Record({**known.values, **withdrawn}))


def changed(intent: Intent, visit: Visit | None) -> bool:
    """True when the message's diagnoses differ from those the platform has."""
    if not intent.diagnoses:
        return False
    return visit is None or _keys(intent.diagnoses) != _keys(visit.diagnoses)


STAY_FIELDS = ("dept_code", "adm_bed", "atddr_no")
"""What an update of a stay may change beside its diagnoses (matrix 1.6: DG1, PV1)."""


def describes_anew(intent: Intent, visit: Visit | None) -> bool:
    """True when 2203 or 2403 would tell the platform something that it does not have.

    Of an outpatient these are the diagnoses; of a stay that a message updates, its department, bed
    and physician too, where the message states them.
    """
    if changed(intent, visit):
        return True
    if visit is None or (intent.verb, intent.visit_class) != (Verb.UPDATE, VisitClass.INPATIENT):
        return False
    stated = [code for code in STAY_FIELDS if intent.visit.has(code)]
    return any(intent.visit.get(code) != visit.visit.get(code) for code in stated)


def _keys(diagnoses: Sequence[Record]) -> list[tuple[str, str, str]]:
    return [(d.get("diag_code"), d.get("diag_srt_no"), d.get("maindiag_flag")) for d in diagnoses]
