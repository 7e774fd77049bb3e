"""The resources of the demonstration client in each FHIR release.

R4 and R4B have the same form of them; what R5 names differently is changed here by hand, apart from
the gateway's own conversion.
"""

from __future__ import annotations

from typing import Any

import msgspec

RELEASES = ("r4", "r4b", "r5")

_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_JSON = {"Content-Type": "application/fhir+json"}


async def post(world: Any, release: str, path: str, resource: dict[str, Any]) -> Any:
    """POST an R4 resource to the base of a release, in its form."""
    return await ask(world, "POST", release, path, in_release(resource, release))


async def ask(world: Any, method: str, release: str, path: str, resource: Any = None) -> Any:
    """Ask the base of a release; a resource goes as it is."""
    body = _ENCODE(resource) if resource is not None else b""
    headers = _JSON if resource is not None else {}
    return await world.post(f"/fhir/{release}/{path}", body, method=method, **headers)


def in_release(resource: dict[str, Any], release: str) -> dict[str, Any]:
    """The resource in the form of the release; one that has it already stays as it is."""
    if release != "r5":
        return resource
    resource = dict(resource)
    for name in ("entry", "parameter"):
        if name in resource:
            resource[name] = [
                row | {"resource": in_release(row["resource"], release)}
                if "resource" in row
                else row
                for row in resource[name]
            ]
    if "contained" in resource:
        resource["contained"] = [in_release(one, release) for one in resource["contained"]]
    change = _CHANGES.get(str(resource.get("resourceType")))
    return change(resource) if change else resource


def _claim(claim: dict[str, Any]) -> dict[str, Any]:
    """The visit is an element."""
    visits = [one for one in claim.get("extension", []) if one["url"].endswith("/encounter")]
    others = [one for one in claim.get("extension", []) if one not in visits]
    other = {name: value for name, value in claim.items() if name != "extension"}
    if others:
        other["extension"] = others
    return other | ({"encounter": [one["valueReference"] for one in visits]} if visits else {})


def _coverage(coverage: dict[str, Any]) -> dict[str, Any]:
    """`payor` is `insurer`, `kind` is required, a number of the subscriber is an Identifier."""
    other = {name: value for name, value in coverage.items() if name != "payor"}
    if "payor" in coverage:
        other |= {"kind": "insurance", "insurer": coverage["payor"][0]}
    if isinstance(other.get("subscriberId"), str):
        other["subscriberId"] = [{"value": other["subscriberId"]}]
    return other


def _encounter(encounter: dict[str, Any]) -> dict[str, Any]:
    """`class` is a list of concepts, `period` is `actualPeriod`, a participant is an actor."""
    if not isinstance(encounter.get("class"), dict):
        return encounter
    other = {name: value for name, value in encounter.items() if name != "period"}
    other["class"] = [{"coding": [encounter["class"]]}]
    if "period" in encounter:
        other["actualPeriod"] = encounter["period"]
    if "reasonCode" in encounter:
        del other["reasonCode"]
        other["reason"] = [{"value": [{"concept": one}]} for one in encounter["reasonCode"]]
    if "hospitalization" in encounter:
        other["admission"] = other.pop("hospitalization")
    if "diagnosis" in encounter:
        # R5 has no rank: the order of the list is the order of the diagnoses.
        other["diagnosis"] = [
            {"condition": [{"reference": one["condition"]}]}
            for one in sorted(encounter["diagnosis"], key=lambda one: int(one.get("rank", 0)))
        ]
    if "status" in encounter and encounter["status"] == "finished":
        other["status"] = "completed"
    if "location" in encounter:
        other["location"] = [_place(one) for one in encounter["location"]]
    if "participant" in encounter:
        other["participant"] = [
            {**({"type": one["type"]} if "type" in one else {}), "actor": one["individual"]}
            for one in encounter["participant"]
        ]
    return other


def _place(location: dict[str, Any]) -> dict[str, Any]:
    """`physicalType` is `form`."""
    other = {name: value for name, value in location.items() if name != "physicalType"}
    return other | ({"form": location["physicalType"]} if "physicalType" in location else {})


def _condition(condition: dict[str, Any]) -> dict[str, Any]:
    """`clinicalStatus` is required."""
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {"clinicalStatus": {"coding": [{"system": system, "code": "active"}]}} | condition


_CHANGES = {
    "Claim": _claim,
    "Condition": _condition,
    "Coverage": _coverage,
    "Encounter": _encounter,
}
