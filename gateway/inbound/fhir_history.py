"""The versions of a resource: `GET TYPE/id/_history` and `GET TYPE/id/_history/version`.

Kept are the present version and those that an answer replaced: a queued answer that became known,
a claim that was cancelled, an encounter that went on.
"""

from __future__ import annotations

from typing import Any

from gateway.fhir.decode import decode_own
from gateway.fhir.stored import PeerStore

MAX_VERSIONS = 1_000
"""Versions of a resource that are looked through."""


async def versions_of(store: PeerStore, type_name: str, identity: str) -> list[dict[str, Any]]:
    """The versions of a resource, the present one first; empty when there is no such resource."""
    present = await store.body(type_name, identity)
    if present is None:
        return []
    _, older = await store.versions(type_name, identity, MAX_VERSIONS)
    found = [present]
    seen = {present["meta"]["versionId"]}
    for one in older:
        body = decode_own(one.body)
        if body["meta"]["versionId"] not in seen:
            seen.add(body["meta"]["versionId"])
            found.append(body)
    return found


def history_bundle(
    base: str, versions: list[dict[str, Any]], count: int, offset: int
) -> dict[str, Any]:
    """A page of the versions as a Bundle of type history, newest first."""
    type_name, identity = versions[0]["resourceType"], versions[0]["id"]
    url = f"{base}/{type_name}/{identity}"
    first = len(versions) - 1
    entries = [
        {
            "fullUrl": url,
            "resource": body,
            "request": {
                "method": "POST" if number == first else "PUT",
                "url": type_name if number == first else f"{type_name}/{identity}",
            },
            "response": {
                "status": "201" if number == first else "200",
                "etag": f'W/"{body["meta"]["versionId"]}"',
                "lastModified": body["meta"]["lastUpdated"],
            },
        }
        for number, body in enumerate(versions)
    ]
    links = [("self", offset)]
    if count and offset + count < len(versions):
        links.append(("next", offset + count))
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "history",
        "total": len(versions),
        "link": [
            {"relation": name, "url": f"{url}/_history?_count={count}&_offset={start}"}
            for name, start in links
        ],
    }
    page = entries[offset : offset + count]
    return bundle | ({"entry": page} if page else {})
