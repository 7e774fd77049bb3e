"""Preauthorization: the filings that the interface has, and their withdrawal.

A Claim with use preauthorization files a transfer (2501) or a chronic disease (2503), by a subType
of the code system `filing`; another kind has no counterpart (X-040). What was filed is withdrawn by
a Task with code cancel (2502, 2504). The number of a filing is `preAuthRef`.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.names import Names
from gateway.fhir.references import Node, as_list
from gateway.intents import Intent, Record, Verb

FILED = {"transfer": Verb.FILE_TRANSFER, "chronic": Verb.FILE_CHRONIC}
"""Code of `filing` -> the verb that files it."""
FILING_VERBS = frozenset(FILED.values())
FILINGS = {"transfer": "转院备案", "chronic": "慢特病备案", "designation": "定点备案"}
"""The code system `filing` with its labels."""
FOUND = {
    Verb.FIND_CHRONIC: ("chronic", "opsp_dise_name"),
    Verb.FIND_DESIGNATIONS: ("designation", "fixmedins_name"),
    Verb.FIND_TRANSFERS: ("transfer", "reflin_medins_name"),
}
"""Query -> the kind of filing that it finds, and the field with the name of one."""
APPLIED_FOR = "03"
"""biz_appy_type of a designation where the request states none: the institution of treatment."""
WITHDRAWN = "患者不再需要"
"""Why a filing is withdrawn where the Task does not say."""


def filing_kind(names: Names, claim: dict[str, Any]) -> str:
    """The kind of filing of a preauthorization; empty when it is none that is served."""
    system = names.code_system("filing")
    for coding in as_list(claim.get("subType", {}).get("coding")):
        if coding.get("code") in FILED and coding.get("system", system) == system:
            return str(coding["code"])
    return ""


def unserved(root: Node) -> Problem:
    """A preauthorization without a counterpart."""
    return problems.not_supported(
        f"{root.place}.subType",
        "事前审批只支持转院备案(transfer)和慢特病备案(chronic)",
        "of preauthorizations, only the filings transfer and chronic are served",
    )


WITHDRAWAL = (("filing", "trt_dcla_detl_sn"), ("filing", "memo"))
"""Record and field code of what `complete_withdrawal` fills; the maps have no rule for them."""


def complete_withdrawal(intent: Intent, task: dict[str, Any], response: dict[str, Any]) -> None:
    """The number of the filing, and why it is withdrawn."""
    intent.filing.set("trt_dcla_detl_sn", str(response.get("preAuthRef", "")))
    reason = task.get("reasonCode", {}).get("text") or task.get("description") or WITHDRAWN
    intent.filing.set("memo", str(reason)[:500])


def filed_elements(filing: Record) -> dict[str, Any]:
    """PreAuthRef and preAuthPeriod of the answer."""
    days = {"start": filing.get("begndate")[:10], "end": filing.get("enddate")[:10]}
    period = {name: day for name, day in days.items() if day}
    number = filing.get("trt_dcla_detl_sn")
    if not number:
        return {}
    return {"preAuthRef": number} | ({"preAuthPeriod": period} if period else {})
