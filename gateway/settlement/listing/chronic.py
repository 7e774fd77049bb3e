"""What a list has of an outpatient visit for a chronic or special disease (门诊慢特病).

Such a visit has the filed disease (`dise_codg`, see `gateway.settlement.chronic`). Its row of
`opspdiseinfo` names the disease and a procedure: in the base edition both are required, so that a
visit without procedures has no row.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.intents import Record, VisitClass
from gateway.settlement.visits import Visit


def is_chronic(visit: Visit) -> bool:
    """True for an outpatient visit of a filed disease."""
    return visit.visit_class is VisitClass.OUTPATIENT and visit.visit.has("dise_codg")


def head(visit: Visit) -> dict[str, str]:
    """When the visit was, and in which department."""
    if not is_chronic(visit):
        return {}
    stated = visit.visit
    return {
        "opsp_mdtrt_date": stated.get("begntime")[:10],
        "opsp_diag_caty": stated.get("caty") or stated.get("dept_code"),
    }


def diseases(visit: Visit, procedures: Sequence[Record]) -> list[dict[str, str]]:
    """The rows of `opspdiseinfo`: the filed disease with each of the procedures."""
    if not is_chronic(visit):
        return []
    disease = {
        "diag_code": visit.visit.get("dise_codg"),
        "diag_name": visit.visit.get("dise_name"),
    }
    named = ("oprn_oprt_code", "oprn_oprt_name")
    return [{**disease, **{code: one.get(code) for code in named}} for one in procedures]
