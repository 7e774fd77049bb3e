"""Naming systems, search parameters, operation definitions, and the list of everything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gateway.fhir.capability import OPERATIONS
from gateway.fhir.guide.catalogue import IDENTIFIERS
from gateway.fhir.guide.frame import DATE, PUBLISHER, Frame, computable
from gateway.fhir.release import R5
from gateway.fhir.search import PARAMETERS, types_of

ELEMENTS: Final = {
    ("AuditEvent", "date"): "recorded",
    ("AuditEvent", "exchange"): "entity.what.identifier",
    ("Coverage", "patient"): "beneficiary",
    ("Encounter", "patient"): "subject",
}
"""Type and search parameter -> the element, where it is not of the same name."""

OWN_OPERATIONS: Final = {
    "inquire": (
        "查询已答复的Claim",
        "What was answered to the claims with an identifier of this Claim",
    ),
}
"""Operation of ours -> title and description."""

OWN_PARAMETERS: Final = {
    "inquire": (
        {
            "name": "current",
            "use": "in",
            "min": 0,
            "max": "1",
            "type": "boolean",
            "documentation": "Ask the platform, and add a Task with what it shows to each answer",
        },
    ),
}
"""Operation of ours -> what may be stated beside the resource."""

LICENCE: Final = "Apache-2.0"


def naming_systems(frame: Frame) -> list[dict[str, Any]]:
    """The identifier systems."""
    found = []
    for one in IDENTIFIERS:
        resource: dict[str, Any] = {"resourceType": "NamingSystem", "id": one.name}
        if frame.release is R5:
            resource["url"] = f"{frame.names.base}/NamingSystem/{one.name}"
            resource["version"] = frame.version
            resource["title"] = one.zh
        found.append(
            resource
            | {
                "name": computable(one.name),
                "status": "active",
                "kind": "identifier",
                "date": DATE,
                "publisher": PUBLISHER,
                "description": f"{one.zh} ({one.en})",
                "uniqueId": [
                    {"type": "uri", "value": frame.names.identifier(one.name), "preferred": True}
                ],
            }
        )
    return found


def search_parameters(frame: Frame) -> list[dict[str, Any]]:
    """The search parameters that are served, each for its type."""
    found = []
    for type_name in types_of(frame.release):
        for name, kind in sorted(PARAMETERS[type_name].items()):
            element = ELEMENTS.get((type_name, name), name)
            english = f"{type_name} by {name}; matched exactly"
            head = frame.canonical("SearchParameter", f"{type_name}-{name}", english, english)
            if frame.release is not R5:
                del head["title"]
            found.append(
                head
                | {
                    "code": name,
                    "base": [type_name],
                    "type": kind,
                    "expression": f"{type_name}.{element}",
                    "multipleOr": True,
                    "multipleAnd": False,
                }
            )
    return found


def operation_definitions(frame: Frame) -> list[dict[str, Any]]:
    """The operations that are ours and not the standard's."""
    found = []
    for type_name, operations in sorted(OPERATIONS.items()):
        for code, url in operations:
            if url:
                continue
            zh, en = OWN_OPERATIONS[code]
            head = frame.canonical("OperationDefinition", f"{type_name}-{code}", zh, en)
            found.append(
                head
                | {
                    "kind": "operation",
                    "affectsState": False,
                    "code": code,
                    "resource": [type_name],
                    "system": False,
                    "type": True,
                    "instance": False,
                    "parameter": [
                        _parameter("resource", "in", type_name),
                        *OWN_PARAMETERS[code],
                        _parameter("return", "out", "Bundle"),
                    ],
                }
            )
    return found


def _parameter(name: str, use: str, kind: str) -> dict[str, Any]:
    return {"name": name, "use": use, "min": 1, "max": "1", "type": kind}


def implementation_guide(frame: Frame, made: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The list of all resources of the guide."""
    head = frame.canonical(
        "ImplementationGuide",
        "fsi-gateway",
        "国家医保接口网关FHIR实施指南",
        "FHIR side of a gateway to the national medical-insurance interface of China",
    )
    rows = [
        {
            "reference": {"reference": f"{one['resourceType']}/{one['id']}"},
            "name": one.get("title") or one["name"],
        }
        for one in made
    ]
    return head | {
        "packageId": "fsi-gateway.fhir",
        "license": LICENCE,
        "fhirVersion": [frame.release.version],
        "definition": {"resource": rows},
    }
