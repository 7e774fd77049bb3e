"""The CapabilityStatement: what works, and nothing else (X-021, X-022)."""

from __future__ import annotations

from typing import Any

from gateway.fhir.names import Names
from gateway.fhir.published import GUIDE_TYPES, PROFILES
from gateway.fhir.reader import CREATED_TYPES, DELETED_TYPES, UPDATED_TYPES
from gateway.fhir.release import R5, Release
from gateway.fhir.search import (
    COMMON,
    MAP_PARAMETERS,
    MAP_TYPES,
    PARAMETERS,
    TOKEN,
    includes_of,
    revincludes_of,
    types_of,
)

DEFINITIONS = "http://hl7.org/fhir/OperationDefinition"
VALIDATE = f"{DEFINITIONS}/Resource-validate"
OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "Claim": (("submit", f"{DEFINITIONS}/Claim-submit"), ("inquire", "")),
    "Patient": (("match", f"{DEFINITIONS}/Patient-match"),),
    "CoverageEligibilityRequest": (("submit", f"{DEFINITIONS}/CoverageEligibilityRequest-submit"),),
}
"""Type -> its operations beside $validate, with their definitions; empty for one of ours."""
R5_OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "Subscription": tuple(
        (name, f"{DEFINITIONS}/Subscription-{name}") for name in ("status", "events")
    ),
}
"""The same of those that only R5 has."""
TERMINOLOGY = {"CodeSystem": "lookup", "ConceptMap": "translate", "ValueSet": "expand"}
"""Type -> its terminology operation."""
PUBLISHED_PARAMETERS = {
    "_id": "token",
    "name": "string",
    "status": "token",
    "url": "uri",
    "version": "token",
}
"""Search parameters of the types of the guide."""
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
DATE = "2026-11-22"
"""When this statement last changed."""


def capability_statement(
    names: Names, release: Release, base: str, software_version: str, *, token_url: str = ""
) -> dict[str, Any]:
    """The statement of the server at `base`; systems ask for tokens at `token_url`, if any."""
    return {
        "resourceType": "CapabilityStatement",
        "url": f"{names.base}/CapabilityStatement/fsi-gateway-{release.segment}",
        "name": "FSIGateway",
        "title": "Gateway to the national medical-insurance interface of China",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "fsi-gateway", "version": software_version},
        "implementation": {"description": "FHIR side of the gateway", "url": base},
        "fhirVersion": release.version,
        "implementationGuide": [f"{names.base}/ImplementationGuide/fsi-gateway"],
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "rest": [
            {
                "mode": "server",
                "documentation": "A Claim (POST, or $submit of a Claim or a Bundle that begins "
                "with one) is carried out at once and answered with its ClaimResponse; outcome "
                "`queued` means that the outcome is not known yet: do not repeat, ask again at "
                "Content-Location. Cancel by a Task with code `cancel` and the Claim as focus.",
                "security": _security(token_url),
                "interaction": [{"code": "batch"}, {"code": "transaction"}],
                "operation": [
                    {
                        "name": "process-message",
                        "definition": f"{DEFINITIONS}/MessageHeader-process-message",
                    }
                ],
                "resource": [
                    *(_resource(names, release, type_name) for type_name in types_of(release)),
                    *(_published(type_name) for type_name in GUIDE_TYPES),
                    _maps(release),
                ],
            }
        ],
    }


def _security(token_url: str) -> dict[str, Any]:
    """How a client proves who it is (SMART App Launch 2.2, "Conformance")."""
    security: dict[str, Any] = {
        "cors": False,
        "description": "Bearer token or client certificate of a configured peer.",
    }
    if token_url:
        service = {"coding": [{"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}]}
        uris = {"url": OAUTH_URIS, "extension": [{"url": "token", "valueUri": token_url}]}
        security |= {"service": [service], "extension": [uris]}
    return security


def _resource(names: Names, release: Release, type_name: str) -> dict[str, Any]:
    interactions = ["read", "vread", "history-instance", "search-type"]
    if type_name in CREATED_TYPES:
        interactions.append("create")
    if type_name in UPDATED_TYPES:
        interactions.append("update")
    if type_name in DELETED_TYPES:
        interactions.append("delete")
    resource: dict[str, Any] = {
        "type": type_name,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": type_name in CREATED_TYPES,
        "conditionalRead": "not-match",
        "conditionalUpdate": False,
        "searchParam": [
            {"name": name, "type": kind, **_definition(names, type_name, name)}
            for name, kind in sorted((COMMON | PARAMETERS[type_name]).items())
        ],
    }
    includes = includes_of(type_name)
    if includes:
        resource["searchInclude"] = includes
    reverse = revincludes_of(type_name)
    if reverse:
        resource["searchRevInclude"] = reverse
    profiles = [name for name, of_type in PROFILES.items() if of_type == type_name]
    if profiles:
        resource["supportedProfile"] = [names.extension(name) for name in profiles]
    operations = [("validate", VALIDATE), *OPERATIONS.get(type_name, ())]
    if release is R5:
        operations += R5_OPERATIONS.get(type_name, ())
    own = f"{names.base}/OperationDefinition/{type_name}"
    resource["operation"] = [
        {"name": name, "definition": url or f"{own}-{name}"} for name, url in operations
    ]
    return resource


def _definition(names: Names, type_name: str, parameter: str) -> dict[str, str]:
    """Where a search parameter is defined; `_id` is the standard's."""
    if parameter in COMMON:
        return {}
    return {"definition": f"{names.base}/SearchParameter/{type_name}-{parameter}"}


def _published(type_name: str) -> dict[str, Any]:
    """A type of the guide."""
    resource: dict[str, Any] = {
        "type": type_name,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            {"name": name, "type": kind} for name, kind in PUBLISHED_PARAMETERS.items()
        ],
    }
    operations = _looked_up(type_name)
    return resource | ({"operation": operations} if operations else {})


def _maps(release: Release) -> dict[str, Any]:
    """ConceptMap: made of the code tables, so that there is one version of each day."""
    parameters = MAP_PARAMETERS[release.segment]
    return {
        "type": "ConceptMap",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            {"name": name, "type": MAP_TYPES.get(kind, TOKEN)}
            for name, kind in sorted(parameters.items())
        ],
        "operation": _looked_up("ConceptMap"),
    }


def _looked_up(type_name: str) -> list[dict[str, str]]:
    """The terminology operation of a type, if it has one."""
    operation = TERMINOLOGY.get(type_name)
    if operation is None:
        return []
    return [{"name": operation, "definition": f"{DEFINITIONS}/{type_name}-{operation}"}]
