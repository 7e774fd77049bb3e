"""What is different in R5: an R5 resource to the inner form, and the inner form to R5.

Source: the resource pages of http://hl7.org/fhir/R5 and mapping matrix 2.3. Elements that only R5
has keep their names in the inner form. An element that has another form in R5 is brought into the
form of R4; what the sender wrote is kept beside it under `ORIGINALS`, so that the sender reads
back what it wrote.

Where elements change their place, the places are noted, so that a finding is told in the words
of the sender's message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.fhir.audit_events import audit_event_out
from gateway.fhir.expressions import fhirpath
from gateway.fhir.filings import entitled_decision
from gateway.fhir.names import ERROR_PLACE
from gateway.fhir.references import as_list

ORIGINALS = "_r5"
"""Member of an inner resource with the R5 form of the elements that were brought into R4 form."""

NOTE_TYPE = "http://hl7.org/fhir/note-type"
DECISION = "http://hl7.org/fhir/claim-decision"
PAYMENT_TYPE = "http://terminology.hl7.org/CodeSystem/payment-type"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"

STATUSES_IN = {"on-hold": "onleave", "discharged": "finished", "completed": "finished"}
"""Encounter.status of R5 -> of R4; `discontinued` depends on the class, the others are equal."""
STATUSES_OUT = {
    "arrived": "in-progress",
    "triaged": "in-progress",
    "onleave": "on-hold",
    "finished": "completed",
}
RENAMED = (("participant", "actor", "individual"), ("location", "form", "physicalType"))
"""List of an Encounter, name of an element of its rows in R5, and in R4."""
INPATIENT = frozenset({"IMP", "ACUTE", "NONAC"})
DECISIONS = {"complete": "approved", "partial": "partial", "error": "denied", "queued": "pending"}
"""ClaimResponse.outcome -> ClaimResponse.decision."""

Resource = dict[str, Any]
Moves = dict[str, str]
"""Place in the inner form -> place in the message, of everything that changed its place."""


def inward(resource: Resource, place: str, moves: Moves) -> Resource:
    """The inner form of an R5 resource of right shape, with everything below it."""
    inner = dict(resource)
    match resource.get("resourceType"):
        case "Encounter":
            _encounter_in(inner, place, moves)
        case "Coverage":
            _coverage_in(inner, place, moves)
        case "Task" if isinstance(inner.get("statusReason"), dict):
            _keep(inner, "statusReason")
            _set(inner, "statusReason", inner["statusReason"].get("concept"))
        case "PaymentNotice" if "reporter" in inner:
            inner["provider"] = inner.pop("reporter")
            moves[f"{place}.provider"] = f"{place}.reporter"
        case "Bundle":
            _nested(inner, "entry", f"{place}.entry", moves)
        case "Parameters":
            _nested(inner, "parameter", f"{place}.parameter", moves)
    if "contained" in inner:
        inner["contained"] = [
            inward(one, f"{place}.contained[{index}]", moves)
            for index, one in enumerate(inner["contained"])
        ]
    return inner


def _nested(inner: Resource, name: str, place: str, moves: Moves) -> None:
    if name in inner:
        inner[name] = [
            {**row, "resource": inward(row["resource"], f"{place}[{index}].resource", moves)}
            if "resource" in row
            else row
            for index, row in enumerate(inner[name])
        ]


def _keep(inner: Resource, *names: str) -> None:
    """Note the R5 form of elements that are about to change."""
    found = {name: inner[name] for name in names if name in inner}
    if found:
        inner[ORIGINALS] = {**inner.get(ORIGINALS, {}), **found}


def _set(inner: Resource, name: str, value: Any) -> None:
    if value:
        inner[name] = value
    else:
        inner.pop(name, None)


def _encounter_in(inner: Resource, place: str, moves: Moves) -> None:
    _keep(
        inner,
        "status",
        "class",
        "serviceType",
        "participant",
        "location",
        "diagnosis",
        "reason",
        "actualPeriod",
        "admission",
    )
    coding, at = _first_coding(as_list(inner.get("class")))
    _set(inner, "class", coding)
    moves[f"{place}.class"] = f"{place}.class{at}"
    status = inner["status"]
    inner["status"] = STATUSES_IN.get(status, status)
    if status == "discontinued":
        inner["status"] = "cancelled" if coding.get("code") in INPATIENT else "finished"
    for new, old in (("actualPeriod", "period"), ("admission", "hospitalization")):
        if new in inner:
            inner[old] = inner.pop(new)
            moves[f"{place}.{old}"] = f"{place}.{new}"
    services = [one for one in as_list(inner.pop("serviceType", None)) if "concept" in one]
    if services:
        inner["serviceType"] = services[0]["concept"]
        moves[f"{place}.serviceType"] = f"{place}.serviceType[0].concept"
    for name, new, old in RENAMED:
        if name in inner:
            inner[name] = _renamed(inner[name], new, old)
        for index in range(len(as_list(inner.get(name)))):
            moves[f"{place}.{name}[{index}].{old}"] = f"{place}.{name}[{index}].{new}"
    _reasons_in(inner, place, moves)
    _diagnoses_in(inner, place, moves)


def _first_coding(concepts: list[Any]) -> tuple[Resource, str]:
    for index, concept in enumerate(concepts):
        for number, coding in enumerate(as_list(concept.get("coding"))):
            return coding, f"[{index}].coding[{number}]"
    return {}, ""


def _renamed(rows: list[Resource], old: str, new: str) -> list[Resource]:
    """The rows with one element under another name."""
    return [{new if key == old else key: value for key, value in row.items()} for row in rows]


def _reasons_in(inner: Resource, place: str, moves: Moves) -> None:
    codes: list[Resource] = []
    links: list[Resource] = []
    for index, reason in enumerate(as_list(inner.pop("reason", None))):
        for number, value in enumerate(as_list(reason.get("value"))):
            said = f"{place}.reason[{index}].value[{number}]"
            if "concept" in value:
                moves[f"{place}.reasonCode[{len(codes)}]"] = f"{said}.concept"
                codes.append(value["concept"])
            if "reference" in value:
                moves[f"{place}.reasonReference[{len(links)}]"] = f"{said}.reference"
                links.append(value["reference"])
    _set(inner, "reasonCode", codes)
    _set(inner, "reasonReference", links)


def _diagnoses_in(inner: Resource, place: str, moves: Moves) -> None:
    """One row a condition, ranked by the order of the list; the concept stands beside the link."""
    rows: list[Resource] = []
    for index, diagnosis in enumerate(as_list(inner.get("diagnosis"))):
        for number, value in enumerate(as_list(diagnosis.get("condition"))):
            said, here = f"{place}.diagnosis[{index}]", f"{place}.diagnosis[{len(rows)}]"
            moves[here] = said
            moves[f"{here}.condition"] = f"{said}.condition[{number}].reference"
            moves[f"{here}.condition.concept"] = f"{said}.condition[{number}].concept"
            condition = dict(value.get("reference", {}))
            if "concept" in value:
                condition["concept"] = value["concept"]
            row = {"condition": condition, "rank": len(rows) + 1}
            uses = as_list(diagnosis.get("use"))
            if uses:
                row["use"] = uses[0]
                moves[f"{here}.use"] = f"{said}.use[0]"
            rows.append(row)
    _set(inner, "diagnosis", rows)


def _coverage_in(inner: Resource, place: str, moves: Moves) -> None:
    _keep(inner, "insurer", "subscriberId", "class")
    payers = [row["party"] for row in as_list(inner.get("paymentBy")) if "party" in row]
    if "insurer" in inner:
        inner["payor"] = [inner.pop("insurer")]
        moves[f"{place}.payor[0]"] = f"{place}.insurer"
    elif payers:
        inner["payor"] = payers
    numbers = [one["value"] for one in as_list(inner.get("subscriberId")) if "value" in one]
    _set(inner, "subscriberId", numbers[0] if numbers else None)
    moves[f"{place}.subscriberId"] = f"{place}.subscriberId[0].value"
    rows = as_list(inner.get("class"))
    _set(inner, "class", [_class_in(row) for row in rows])
    for index in range(len(rows)):
        moves[f"{place}.class[{index}].value"] = f"{place}.class[{index}].value.value"


def _class_in(row: Resource) -> Resource:
    value = row.get("value")
    return {**row, "value": value.get("value")} if isinstance(value, dict) else row


def outward(resource: Resource) -> Resource:
    """The R5 form of an inner resource; what only R4 has may be left in it."""
    outer = {name: value for name, value in resource.items() if name != ORIGINALS}
    kept = resource.get(ORIGINALS, {})
    convert = _OUTWARD.get(str(resource.get("resourceType")))
    if convert is not None:
        convert(outer, kept)
    if "contained" in outer:
        outer["contained"] = [outward(one) for one in outer["contained"]]
    return outer


def _encounter_out(outer: Resource, kept: Resource) -> None:
    status = outer.get("status", "unknown")
    said = kept.get("status", "")
    stands = STATUSES_IN.get(said, said) == status or said == "discontinued"
    code = outer.get("class", {})
    outer["class"] = [{"coding": [code]}] if code else []
    for new, old in (("actualPeriod", "period"), ("admission", "hospitalization")):
        if old in outer:
            outer[new] = outer.pop(old)
    if "serviceType" in outer:
        outer["serviceType"] = [{"concept": outer["serviceType"]}]
    for name, new, old in RENAMED:
        if name in outer:
            outer[name] = _renamed(outer[name], old, new)
    reasons = [{"value": [{"concept": one}]} for one in as_list(outer.pop("reasonCode", None))]
    links = as_list(outer.pop("reasonReference", None))
    reasons += [{"value": [{"reference": one}]} for one in links]
    _set(outer, "reason", reasons)
    _set(outer, "diagnosis", [_diagnosis_out(row) for row in as_list(outer.get("diagnosis"))])
    outer |= {name: value for name, value in kept.items() if name != "status"}
    outer["status"] = said if said and stands else STATUSES_OUT.get(status, status)


def _diagnosis_out(row: Resource) -> Resource:
    outer: Resource = {"condition": [{"reference": row.get("condition")}]}
    if "use" in row:
        outer["use"] = [row["use"]]
    return outer


def _reconciliation_out(outer: Resource, kept: Resource) -> None:
    """Other names, and what kind of payment the whole is; one of R5 has them already."""
    del kept
    outer.setdefault("type", {"coding": [{"system": PAYMENT_TYPE, "code": "payment"}]})
    for new, old in (("date", "paymentDate"), ("amount", "paymentAmount")):
        if old in outer:
            outer[new] = outer.pop(old)
    rows = [dict(row) for row in as_list(outer.pop("detail", None))]
    for row in rows:
        if "request" in row:
            row["target"] = row.pop("request")
    if rows:
        outer["allocation"] = rows


def _payment_notice_out(outer: Resource, kept: Resource) -> None:
    """Who reports has another name."""
    del kept
    if "provider" in outer:
        outer["reporter"] = outer.pop("provider")


def _coverage_out(outer: Resource, kept: Resource) -> None:
    payers = as_list(outer.pop("payor", None))
    if payers:
        outer["insurer"] = payers[0]
    outer.setdefault("kind", "insurance")
    if isinstance(outer.get("subscriberId"), str):
        outer["subscriberId"] = [{"value": outer["subscriberId"]}]
    if "class" in outer:
        outer["class"] = [{**row, "value": {"value": row["value"]}} for row in outer["class"]]
    outer |= kept


def _task_out(outer: Resource, kept: Resource) -> None:
    if "statusReason" in outer:
        outer["statusReason"] = {"concept": outer["statusReason"]}
    reasons = [{"concept": outer["reasonCode"]}] if "reasonCode" in outer else []
    _set(outer, "reason", as_list(outer.get("reason")) or reasons)
    del kept


def _condition_out(outer: Resource, kept: Resource) -> None:
    """R5 requires the clinical status."""
    coding = {"system": CONDITION_CLINICAL, "code": "unknown"}
    outer.setdefault("clinicalStatus", {"coding": [coding]})
    del kept


def _claim_response_out(outer: Resource, kept: Resource) -> None:
    """A ratio is a Quantity, the type of a note a concept, and there is a decision."""
    del kept
    _quantities(outer)
    for note in as_list(outer.get("processNote")):
        if isinstance(note.get("type"), str):
            note["type"] = {"coding": [{"system": NOTE_TYPE, "code": note["type"]}]}
    decision = DECISIONS.get(str(outer.get("outcome")))
    if decision == "approved" and (entitled := entitled_decision(outer)) is not None:
        decision = entitled
    if decision and "decision" not in outer:
        outer["decision"] = {"coding": [{"system": DECISION, "code": decision}]}
    _eligibility_out(outer, {})


def _quantities(value: Any) -> None:
    """Replace `adjudication.value` by `adjudication.quantity` wherever it stands."""
    for name, inner in value.items():
        for row in as_list(inner):
            if not isinstance(row, dict):
                continue
            if name == "adjudication" and "value" in row:
                row["quantity"] = {"value": row.pop("value")}
            elif name in {"item", "addItem", "detail", "subDetail"}:
                _quantities(row)


def _eligibility_out(outer: Resource, kept: Resource) -> None:
    """R5 has an element for the place of an error, where R4 has our extension."""
    del kept
    for error in as_list(outer.get("error")):
        places = [
            one["valueString"]
            for one in as_list(error.get("extension"))
            if str(one.get("url", "")).endswith("/" + ERROR_PLACE)
        ]
        if places:
            error["expression"] = [fhirpath(place) for place in places]
            _set(
                error,
                "extension",
                [
                    one
                    for one in error["extension"]
                    if not str(one.get("url", "")).endswith("/" + ERROR_PLACE)
                ],
            )


def _bundle_out(outer: Resource, kept: Resource) -> None:
    del kept
    if "entry" in outer:
        outer["entry"] = [
            {**row, "resource": outward(row["resource"])} if "resource" in row else row
            for row in outer["entry"]
        ]


def _parameters_out(outer: Resource, kept: Resource) -> None:
    del kept
    if "parameter" in outer:
        outer["parameter"] = [
            {**row, "resource": outward(row["resource"])} if "resource" in row else row
            for row in outer["parameter"]
        ]


_OUTWARD: dict[str, Callable[[Resource, Resource], None]] = {
    "Encounter": _encounter_out,
    "Coverage": _coverage_out,
    "PaymentNotice": _payment_notice_out,
    "AuditEvent": audit_event_out,
    "PaymentReconciliation": _reconciliation_out,
    "Task": _task_out,
    "Condition": _condition_out,
    "ClaimResponse": _claim_response_out,
    "CoverageEligibilityResponse": _eligibility_out,
    "Bundle": _bundle_out,
    "Parameters": _parameters_out,
}
