"""The OpenAPI document of the HTTP port, made from its route table.

Every route is in it and nothing else: what a route is for, who may use it, what its path and query
hold, which forms a body has, and what comes back. Resources of FHIR and envelopes of the interface
are described by their own definitions (`metadata`, the published guide, the national text), of
which this document only says where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.fhir.guide import GUIDE_TYPES
from gateway.fhir.search import (
    COMMON,
    MAP_PARAMETERS,
    PARAMETERS,
    includes_of,
    revincludes_of,
)
from gateway.inbound.fhir_guide import CRITERIA
from gateway.inbound.http_routes import Mount, Permission, Route

OPENAPI = "3.1.0"
PARAMETER = re.compile(r"\{(\w+)\}")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HL7 = ("application/hl7-v2", "application/hl7-v2+xml")
FHIR = ("application/fhir+json", "application/fhir+xml")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


PAGED: Final = ("_count", "_offset")
ASKED_BY: Final[Mapping[str, Sequence[str]]] = {
    "/_history": ("_since", *PAGED),
    "/ConceptMap/{id}": ("date", *PAGED),
    "/CodeSystem/national-{id}": ("date", *PAGED),
    "/Subscription/$status": ("id", "status"),
    "/Subscription/{id}/$events": ("eventsSinceNumber", "eventsUntilNumber", "content"),
}
"""End of a path of FHIR -> the parameters of its query."""
BODY_OR_NOT: Final = (
    *("/$translate", "/$lookup", "/$expand", "/$status", "/$events"),
    "/{id}/$validate",
)
"""Ends of the paths that take a body, and do without one."""


class Speech(NamedTuple):
    """What a protocol takes and gives: media types, and names of schemas."""

    takes: tuple[str, ...]
    gives: tuple[str, ...]
    body: str
    answer: str
    refusal: str


SPEECHES: Final[Mapping[str, Speech]] = {
    "fhir": Speech(FHIR, FHIR, "Resource", "Resource", "Resource"),
    "fsi": Speech((JSON,), (JSON,), "Envelope", "Envelope", "Envelope"),
    "hl7v2": Speech(
        ("application/hl7-v2",),
        ("application/hl7-v2", "application/hl7-v2+xml"),
        "ER7",
        "ER7",
        "ER7",
    ),
    "oauth": Speech((FORM,), (JSON,), "TokenRequest", "Token", "TokenError"),
    "operator": Speech((JSON,), (JSON,), "Object", "Object", "Object"),
    "http": Speech((), (JSON,), "Object", "Object", "Problems"),
}
"""Protocol of a mount -> its speech."""

SCHEMAS: Final[dict[str, Any]] = {
    "Resource": {
        "description": "A FHIR resource; see `metadata` of the base, and the published guide.",
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string"}},
    },
    "Envelope": {
        "description": "The envelope of the national interface, in or out.",
        "type": "object",
    },
    "ER7": {"description": "A message or batch of HL7 v2.", "type": "string"},
    "Object": {"type": "object"},
    "Problems": {
        "type": "object",
        "required": ["problems"],
        "properties": {
            "problems": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kind", "code", "zh", "en"],
                    "properties": {
                        name: {"type": "string"} for name in ("kind", "code", "zh", "en", "place")
                    },
                },
            }
        },
    },
    "TokenRequest": {
        "type": "object",
        "required": ["grant_type", "scope", "client_assertion_type", "client_assertion"],
        "properties": {
            "grant_type": {"const": "client_credentials"},
            "scope": {"type": "string"},
            "client_assertion_type": {
                "const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            },
            "client_assertion": {"type": "string"},
        },
    },
    "Token": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": {"type": "string"},
            "token_type": {"const": "bearer"},
            "expires_in": {"type": "integer"},
            "scope": {"type": "string"},
        },
    },
    "TokenError": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    },
}

SECURITY: Final[Mapping[Permission, list[dict[str, list[str]]]]] = {
    Permission.ANYONE: [],
    Permission.LOCAL: [{}, {"peer": []}],
    Permission.PEER: [{"peer": []}],
    Permission.OPERATOR: [{"operator": []}],
}
"""Who may use a route; no requirement is met by anyone, and an empty one by this machine."""

SCHEMES: Final[dict[str, Any]] = {
    "peer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A peer of the settings: its static token, an access token of "
        "`/oauth/token`, or instead of a token the client certificate of the connection.",
    },
    "operator": {
        "type": "http",
        "scheme": "bearer",
        "description": "An operator's token; a peer's does not do.",
    },
}


def openapi_document(mounts: Sequence[Mount], version: str) -> dict[str, Any]:
    """The document of these mounts; `version` is that of the software."""
    paths: dict[str, dict[str, Any]] = {}
    for mount in mounts:
        for route in mount.routes:
            path = f"{mount.prefix}{route.path}"
            operations = paths.setdefault(path, {})
            operations[route.method.lower()] = _operation(mount.protocol, path, route)
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Gateway to the national medical-insurance interface of China",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": SCHEMES},
    }


def _operation(protocol: str, path: str, route: Route) -> dict[str, Any]:
    speech = SPEECHES[protocol]
    operation: dict[str, Any] = {
        "operationId": _identity(route.method, path),
        "tags": [protocol],
        "summary": route.summary,
        "security": SECURITY[route.permission],
        "responses": _responses(speech, path, route),
    }
    parameters = [*_in_path(path), *_in_query(protocol, path, route)]
    if parameters:
        operation["parameters"] = parameters
    if route.method in WITH_BODY:
        operation["requestBody"] = _body(speech, path)
    return operation


def _identity(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", path)
    return "-".join([method.lower(), *words])


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in PARAMETER.findall(path)
    ]


def _in_query(protocol: str, path: str, route: Route) -> list[dict[str, Any]]:
    """The parameters of a search, a history, a table, or an operation of FHIR."""
    names = _asked_by(path, route.method) if protocol == "fhir" else ()
    return [{"name": one, "in": "query", "schema": {"type": "string"}} for one in names]


def _asked_by(path: str, method: str) -> Sequence[str]:
    name = path.rpartition("/")[2]
    if name == "$validate":
        return ("mode", "profile")
    if method != "GET":
        return ()
    if name in PARAMETERS:
        controls = [*PAGED]
        controls += ["_include"] * bool(includes_of(name))
        controls += ["_revinclude"] * bool(revincludes_of(name))
        return [*sorted(COMMON | PARAMETERS[name]), *controls]
    if name == "ConceptMap":
        return [*sorted(MAP_PARAMETERS[path.split("/")[2]]), "date", *PAGED]
    if name in GUIDE_TYPES:
        return CRITERIA
    for end, names in ASKED_BY.items():
        if path.endswith(end):
            return names
    return ()


def _body(speech: Speech, path: str) -> dict[str, Any]:
    if path.endswith("/_search"):
        return {"content": {FORM: {"schema": {"type": "object"}}}}
    needed = not path.endswith(BODY_OR_NOT)
    return {"required": needed, "content": _content(speech.takes, speech.body)}


def _responses(speech: Speech, path: str, route: Route) -> dict[str, Any]:
    """What comes back: the answer, and a refusal in the words of the protocol."""
    if path == "/metrics":
        answer: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    elif path.endswith("/smart-configuration") or path == "/openapi.json":
        answer = _content((JSON,), "Object")
    elif path == "/fsi/{infno}":
        answer = _content(speech.gives, speech.answer)
        answer["application/octet-stream"] = {"schema": {"type": "string"}}
    else:
        answer = _content(speech.gives, speech.answer)
    if route.method == "HEAD":
        return {"default": {"description": "The head of the answer"}}
    refusal = _content(speech.gives, speech.refusal)
    found: dict[str, Any] = {"200": {"description": "Done", "content": answer}}
    if path == "/health/ready":
        found["503"] = {"description": "Not ready", "content": answer}
    return found | {
        "default": {"description": "Any other answer, or a refusal", "content": refusal}
    }


def _content(types: Sequence[str], schema: str) -> dict[str, Any]:
    """Media types of a schema; what is no JSON is a text."""
    return {
        one: {
            "schema": {"$ref": f"#/components/schemas/{schema}"}
            if "json" in one or one == FORM
            else {"type": "string"}
        }
        for one in types
    }
