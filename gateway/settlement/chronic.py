"""An outpatient visit for a chronic or special disease: its category follows from the filing.

A recurring patient (PV1-2 `R`), or a message that states the region's category of such visits
itself, is looked up (5301) before the visit is registered. Where a filing that is valid on the day
fits the diagnoses, the visit is one of that category (`med_type` 14 in the base edition) and of the
filed disease (`dise_codg`); where none does, it stays as stated, an ordinary visit without more,
and the sender is told so.

A filing fits by the code of the list of chronic diseases that the message states (a DG1 of that
list, or the peer's value map `chronic_disease`), and without one by the name of a diagnosis, the
main one first: the filed disease has exactly that name. Nothing is guessed from similar codes or
names.

Source: mapping matrix 1.3 (table of `med_type`) and rules section 12; 2203, 2204, 2206 and 2207
carry the category and the disease.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.intents import Intent, Record
from mappings.codes.text import normalise_name

RECURRING = "R"
"""Patient class (HL7 table 0004) of somebody who comes again and again."""

MARK = "#"
"""Behind the query of a plan that is made for such a visit only."""


def is_sought(intent: Intent, category: str) -> bool:
    """True when a filing may decide the category; `category` is the region's, empty for none.

    Without a diagnosis 2203 is not sent, and the platform would not hear of the category.
    """
    visit = intent.visit
    if not category or not intent.diagnoses or visit.has("dise_codg"):
        return False
    if visit.has("med_type"):
        return visit.get("med_type") == category
    return visit.get("patient_class") == RECURRING


def wanted(marks: Sequence[str], intent: Intent, category: str) -> tuple[str, ...]:
    """The plan without the query, where it is not made."""
    if is_sought(intent, category):
        return tuple(marks)
    return tuple(mark for mark in marks if not mark.endswith(MARK))


def choose(intent: Intent, filed: Sequence[Record], category: str, today: str) -> list[Problem]:
    """Give the visit the category and the disease of the filing that fits; else say that none does.

    `filed` are the rows of 5301, `today` is `yyyy-MM-dd`.
    """
    on = intent.visit.get("begntime")[:10] or today
    valid = [row for row in filed if _is_valid(row, on)]
    found = _fitting(intent, valid)
    if found is None:
        return [_none_fits(intent)]
    source = intent.visit.sources.get("opsp_dise_code")
    intent.visit.values["med_type"] = category
    intent.visit.set("dise_codg", found.get("opsp_dise_code"), source)
    intent.visit.set("dise_name", found.get("opsp_dise_name"), source)
    return []


def _is_valid(row: Record, on: str) -> bool:
    begin, end = row.get("begndate")[:10], row.get("enddate")[:10]
    return begin <= on and (not end or on <= end)


def _fitting(intent: Intent, filed: Sequence[Record]) -> Record | None:
    stated = intent.visit.get("opsp_dise_code").upper()
    if stated:
        return next((row for row in filed if row.get("opsp_dise_code").upper() == stated), None)
    by_name = {normalise_name(row.get("opsp_dise_name")): row for row in reversed(filed)}
    by_name.pop("", None)
    rows = sorted(intent.diagnoses, key=lambda row: row.get("maindiag_flag") != "1")
    names = (normalise_name(row.get("diag_name")) for row in rows if row.get("vali_flag") != "0")
    return next((by_name[name] for name in names if name in by_name), None)


def _none_fits(intent: Intent) -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.NOT_FOUND,
        severity=Severity.WARNING,
        field="med_type",
        place=intent.visit.place("patient_class") or intent.place,
        zh="没有与诊断相符的有效门诊慢特病备案，未按门诊慢特病办理",
        en="no valid filing of a chronic disease fits the diagnoses: the visit is not one of a "
        "chronic disease",
        remedy_zh="先办理门诊慢特病备案（2503），或在诊断中填写备案的病种",
        remedy_en="file the disease first (2503), or state the filed disease as a diagnosis",
    )
