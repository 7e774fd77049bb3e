"""Preauthorization: the filings that the interface has, their withdrawal, and the entitlement.

A Claim with use preauthorization files a transfer (2501), a chronic disease (2503) or a designated
institution (2505), by a subType of the code system `filing`; another kind has no counterpart
(X-040). What was filed is withdrawn by a Task with code cancel (2502, 2504, 2506). The number of a
filing is `preAuthRef`. The subType `entitlement` files nothing: it asks which benefits the person
may have (2001), and each is an adjudication of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.building import concept
from gateway.fhir.names import Names
from gateway.fhir.references import Node, as_list
from gateway.intents import Intent, Record, Verb

FILED = {
    "transfer": Verb.FILE_TRANSFER,
    "chronic": Verb.FILE_CHRONIC,
    "designation": Verb.FILE_DESIGNATION,
}
"""Code of `filing` -> the verb that files it."""
ENTITLEMENT = "entitlement"
"""Code of `filing` that files nothing: may the person have the benefit?"""
FILING_VERBS = frozenset(FILED.values())
FILINGS = {
    "transfer": "转院备案",
    "chronic": "慢特病备案",
    "designation": "定点备案",
    ENTITLEMENT: "待遇享受检查",
}
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
        if coding.get("code") in FILINGS and coding.get("system", system) == system:
            return str(coding["code"])
    return ""


def unserved(root: Node) -> Problem:
    """A preauthorization without a counterpart."""
    return problems.not_supported(
        f"{root.place}.subType",
        f"事前审批只支持：{'、'.join(f'{zh}({code})' for code, zh in FILINGS.items())}",
        f"of preauthorizations, only these are served: {', '.join(FILINGS)}",
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


ENJOYED = "trt-enjymnt-flag"
"""Code system of whether a benefit is enjoyed."""
REFUSED = "0"
"""trt_enjymnt_flag of a benefit that is not enjoyed."""


def entitled_elements(names: Names, rows: Sequence[Record]) -> dict[str, Any]:
    """Of each row of 2001 trtinfo an adjudication: the fund, and whether it pays or why not.

    preAuthPeriod is there when every benefit that is enjoyed is so for the same time.
    """
    found: dict[str, Any] = {}
    parts = []
    for row in rows:
        reason = concept(names.code_system(ENJOYED), row.get("trt_enjymnt_flag") or "unknown")
        if row.has("trt_chk_rslt"):
            reason["text"] = row.get("trt_chk_rslt")
        kind = row.get("fund_pay_type") or "unknown"
        parts.append(
            {"category": concept(names.code_system("fsi-fund-pay-type"), kind), "reason": reason}
        )
    if parts:
        found["adjudication"] = parts
    enjoyed = [row for row in rows if row.get("trt_enjymnt_flag") != REFUSED]
    times = {(row.get("begndate")[:10], row.get("enddate")[:10]) for row in enjoyed}
    if len(times) == 1:
        start, end = times.pop()
        period = {name: day for name, day in (("start", start), ("end", end)) if day}
        found |= {"preAuthPeriod": period} if period else {}
    return found


def entitled_words(rows: Sequence[Record]) -> str:
    """The disposition of an answer about the entitlement."""
    if not rows:
        return "平台没有返回待遇享受检查的结果"
    enjoyed = [row.get("trt_enjymnt_flag") != REFUSED for row in rows]
    if all(enjoyed):
        return "可以享受待遇"
    return "部分待遇可以享受" if any(enjoyed) else "不能享受待遇"


def entitled_decision(response: dict[str, Any]) -> str | None:
    """ClaimResponse.decision of an answer about the entitlement; None for any other answer.

    Empty where the platform said nothing that a decision could be made of.
    """
    kinds = [coding.get("code") for coding in as_list(response.get("subType", {}).get("coding"))]
    if response.get("use") != "preauthorization" or ENTITLEMENT not in kinds:
        return None
    codes = {
        str(coding.get("code"))
        for part in as_list(response.get("adjudication"))
        for coding in as_list(part.get("reason", {}).get("coding"))
    }
    if REFUSED not in codes:
        return "approved" if codes else ""
    return "denied" if codes == {REFUSED} else "partial"
