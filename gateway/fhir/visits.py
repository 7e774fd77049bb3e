"""What a map cannot say about an Encounter or an eligibility request: which of the maps it is."""

from __future__ import annotations

from typing import Any

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.filings import FOUND
from gateway.fhir.references import Node, as_list
from gateway.intents import Intent, Record, Verb

INPATIENT_CLASSES = frozenset({"IMP", "ACUTE", "NONAC"})
OPEN_STATUSES = frozenset({"arrived", "triaged", "in-progress", "onleave"})
ENTITLING = frozenset({"benefits", "auth-requirements"})
"""Purposes for which the platform is asked for the benefits (2001)."""
CANCELLED_STATUSES = frozenset({"cancelled", "entered-in-error"})


def encounter_step(
    encounter: dict[str, Any], stored: dict[str, Any] | None
) -> tuple[str, list[Problem]]:
    """The map for an Encounter from its status, its class and the status it had before.

    The step is `open`, `change`, `finish`, `reopen`, `cancel` or `plan`. `stored` is None when
    the Encounter is created. Source: mapping matrix 2.1.
    """
    status = encounter.get("status")
    inpatient = encounter.get("class", {}).get("code") in INPATIENT_CLASSES
    before = stored.get("status") if stored else None
    was_open = before in OPEN_STATUSES or before == "finished"
    if status == "planned":
        return ("plan", []) if not was_open else ("", [_out_of_order()])
    if status in OPEN_STATUSES:
        if not was_open:
            return "open", []
        return ("reopen" if before == "finished" and inpatient else "change"), []
    if status == "finished":
        if not was_open:
            return ("open", []) if not inpatient else ("", [_out_of_order()])
        return ("change" if not inpatient and as_list(encounter.get("diagnosis")) else "finish"), []
    if status in CANCELLED_STATUSES:
        if stored is None:
            return "", [_out_of_order()]
        return ("cancel" if was_open else "plan"), []
    return "", [_out_of_order()]


def _out_of_order() -> Problem:
    return problems.wrong_value(
        "Encounter.status",
        "该状态不能由就诊当前的状态到达",
        "this status cannot follow the present status of the encounter",
    )


def eligibility_step(request: dict[str, Any]) -> tuple[str, list[Problem]]:
    """The map for a CoverageEligibilityRequest from its purposes."""
    purposes = set(as_list(request.get("purpose")))
    found: list[Problem] = []
    if request.get("status") != "active":
        found.append(inactive("CoverageEligibilityRequest.status"))
    return ("benefits" if purposes & ENTITLING else "validation"), found


def eligibility_queries(request: dict[str, Any]) -> list[Verb]:
    """What is asked beside the insurance and the benefits (mapping matrix 2.1)."""
    purposes = set(as_list(request.get("purpose")))
    totals = [Verb.FIND_TOTALS] if "benefits" in purposes else []
    return totals + ([*FOUND] if "auth-requirements" in purposes else [])


def mark_main_diagnosis(diagnoses: list[Record]) -> None:
    """The diagnosis of rank 1 is the main one; of several, a rank for each use, the discharge's.

    Without a rank 1 nothing is said, and the first of the discharge, else of all, is taken later.
    """
    first = [one for one in diagnoses if one.get("diag_srt_no") == "1"]
    main = next((one for one in first if one.get("inout") == "F"), next(iter(first), None))
    if main is not None:
        for one in diagnoses:
            one.set("maindiag_flag", "1" if one is main else "0")


def inactive(place: str) -> Problem:
    """A request that is not (or no longer) meant to be carried out."""
    return problems.wrong_value(
        place, "只处理状态为active的请求", "only an active request is carried out"
    )


def check_visit_number(intent: Intent, root: Node) -> list[Problem]:
    """An Encounter needs the hospital's own number of the visit (T-035)."""
    if intent.visit.has("ipt_otp_no"):
        return []
    return [
        problems.required(
            f"{root.place}.identifier", "缺少就诊流水号", "the hospital's visit number is missing"
        )
    ]


def check_person(intent: Intent, root: Node) -> list[Problem]:
    """Somebody who is to be identified has to present something."""
    if any(intent.person.has(code) for code in ("psn_no", "certno", "mdtrt_cert_no")):
        return []
    name = "subject" if root.value.get("resourceType") == "Encounter" else "patient"
    return [
        problems.required(
            f"{root.place}.{name}",
            "没有人员编号、证件号码或就诊凭证：患者须在contained、Bundle或逻辑引用中",
            "no person number, certificate or credential: the patient has to be contained, in the "
            "Bundle, or a reference by identifier",
        )
    ]
