"""Which scope an interaction of a FHIR base needs.

Read off method and path, so that the entry of a Bundle needs what the same request alone would.
What has no row here needs everything: an operation is closed to clients with scopes until somebody
says what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import MessageError
from gateway.fhir.concept_maps import LISTS
from gateway.fhir.decode import decode
from gateway.fhir.guide import GUIDE_TYPES
from gateway.fhir.subscriptions import NOTIFIED_TYPES, TOPICS
from gateway.inbound.http_routes import OUT_OF_SCOPE, Refusal
from gateway.inbound.scopes import ALL, EVERYTHING, Need, Scopes

OPEN = frozenset({"metadata", ".well-known"})
"""First parts of paths that say nothing of patients."""
LOOKED_UP = frozenset({"$lookup", "$translate"})
"""Operations upon types of the guide that show tables of the institution."""

OPERATIONS: Mapping[tuple[str, str], Need] = {
    ("Claim", "$submit"): Need("Claim", "c"),
    ("CoverageEligibilityRequest", "$submit"): Need("CoverageEligibilityRequest", "c"),
    ("Claim", "$inquire"): Need("ClaimResponse", "s"),
    ("ConceptMap", "$translate"): Need("ConceptMap", "r"),
    ("Patient", "$match"): Need("Patient", "rs"),
    ("CodeSystem", "$lookup"): Need("CodeSystem", "r"),
    ("Subscription", "$status"): Need("Subscription", "s"),
}
"""Type and operation -> what it needs."""

MAX_DEPTH = 32
"""Nesting of a Subscription at most."""
READS = frozenset({"GET", "HEAD"})
TYPE_LEVEL: Mapping[str, str] = {
    "GET": "s",
    "HEAD": "s",
    "POST": "c",
    "PUT": "u",
    "PATCH": "u",
    "DELETE": "d",
}
INSTANCE_LEVEL: Mapping[str, str] = {**TYPE_LEVEL, "GET": "r", "HEAD": "r", "POST": "cruds"}


def needed(method: str, parts: Sequence[str]) -> Need | None:
    """What a request at this path below the base needs; None when nothing.

    A Bundle posted to the base needs nothing itself, and each of its entries what it asks for.

    >>> str(needed("POST", ["Claim"])), str(needed("GET", ["Claim", "7"]))
    ('system/Claim.c', 'system/Claim.r')
    >>> str(needed("POST", ["Claim", "$something"]))
    'system/*.cruds'
    """
    match parts:
        case []:
            return None if method == "POST" else EVERYTHING
        case ["$process-message"]:
            return None  # what its focus needs is asked for there
        case [first, *_] if first in OPEN:
            return None
        case ["CodeSystem", name] if name in LISTS:
            return Need("CodeSystem", "r")
        case [first, *rest] if (
            first in GUIDE_TYPES and method == "GET" and not (LOOKED_UP.intersection(rest))
        ):
            return None
        case ["_status", name, _]:
            return Need(name, "r")
        case [name, "_search"]:
            return Need(name, "s")
        case [_, "$validate"]:
            return None
        case [name, _, "$validate"]:
            return Need(name, "r")
        case ["Subscription", _, "$status" | "$events"]:
            return Need("Subscription", "r")
        case [name, operation] if operation.startswith("$"):
            return OPERATIONS.get((name, operation), EVERYTHING)
        case [name] if name[:1].isupper():
            return Need(name, TYPE_LEVEL.get(method, "cruds"))
        case [name, _] | [name, _, "_history"] | [name, _, "_history", _] if name[:1].isupper():
            return Need(name, INSTANCE_LEVEL.get(method, "cruds"))
    return EVERYTHING


def require(scopes: Scopes, method: str, parts: Sequence[str]) -> None:
    """Let a request pass that the scopes of its client cover.

    Raises:
        Refusal: 403.
    """
    if scopes is ALL:
        return
    need = needed(method, parts)
    if need is not None and not scopes.allow(need):
        challenge = f'Bearer error="insufficient_scope", scope="{need}"'
        raise Refusal(403, OUT_OF_SCOPE, {"WWW-Authenticate": challenge}, reason="scope")


def require_subscribed(scopes: Scopes, raw: bytes) -> None:
    """Let a Subscription pass whose client may read what it would be told of.

    A body that cannot be read, or names no type, is refused for that later.

    Raises:
        Refusal: 403.
    """
    if scopes is ALL:
        return
    try:
        body = decode(raw, max_depth=MAX_DEPTH)
    except MessageError:
        return
    slug = str(body.get("topic", "")).partition("|")[0].rpartition("/")[2]
    type_name = TOPICS.get(slug) or str(body.get("criteria", "")).partition("?")[0]
    if type_name in NOTIFIED_TYPES:
        require(scopes, "GET", [type_name, "any"])


def shown(scopes: Scopes, bundle: dict[str, Any]) -> dict[str, Any]:
    """A searchset without included resources that the client may not read."""
    if scopes is ALL or bundle.get("type") != "searchset":
        return bundle
    entries = [entry for entry in bundle.get("entry", []) if _may_see(scopes, entry)]
    return {**bundle, "entry": entries} if entries else _without_entries(bundle)


def _may_see(scopes: Scopes, entry: Mapping[str, Any]) -> bool:
    included = entry.get("search", {}).get("mode") == "include"
    return not included or scopes.allow(Need(str(entry["resource"]["resourceType"]), "r"))


def _without_entries(bundle: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in bundle.items() if name != "entry"}
