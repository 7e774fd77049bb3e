"""`_include` and `_revinclude`: what the found resources refer to, and what refers to them.

Source: https://hl7.org/fhir/R4/search.html#include.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.fhir.decode import decode_own
from gateway.fhir.references import as_list, local_name
from gateway.fhir.stored import PeerStore
from gateway.intents import Resource

MAX_INCLUDED = 100
"""Resources that are included in one page at most."""


async def included(
    base: str, store: PeerStore, found: Iterable[Resource], wanted: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """The entries of the resources that the found ones refer to, each once.

    `wanted` are pairs of element and type, the type empty for any. A reference that leads to
    nothing that is kept here includes nothing.
    """
    names: dict[str, None] = {}
    for resource in found:
        body = decode_own(resource.body)
        for element, kind in wanted:
            value = body.get(element)
            for one in as_list(value) or [value]:
                link = one.get("reference") if isinstance(one, dict) else None
                name = local_name(link) if isinstance(link, str) else ""
                if "/" in name and kind in {"", name.partition("/")[0]}:
                    names[name] = None
    entries = []
    for name in list(names)[:MAX_INCLUDED]:
        type_name, _, identity = name.partition("/")
        target = await store.body(type_name, identity) if type_name.isalpha() else None
        if target is not None:
            entries.append(_entry(base, name, target))
    return entries


async def referring(
    base: str, store: PeerStore, found: Iterable[Resource], wanted: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """The entries of the resources that refer to the found ones, each once, newest first.

    `wanted` are pairs of type and search parameter (`ClaimResponse`, `request`).
    """
    names = [f"{resource.type}/{resource.id}" for resource in found]
    entries: dict[str, dict[str, Any]] = {}
    for type_name, parameter in wanted:
        _, sources = await store.search(type_name, {parameter: names}, MAX_INCLUDED)
        for one in sources:
            name = f"{one.type}/{one.id}"
            entries.setdefault(name, _entry(base, name, decode_own(one.body)))
    return list(entries.values())[:MAX_INCLUDED]


def _entry(base: str, name: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"{base}/{name}", "resource": resource, "search": {"mode": "include"}}
