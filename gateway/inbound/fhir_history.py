"""The versions of a resource: `GET TYPE/id/_history` and `GET TYPE/id/_history/version`.

Kept are the present version and those that an answer replaced: a queued answer that became known,
a claim that was cancelled, an encounter that went on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir.decode import decode_own
from gateway.fhir.search import CONTROLS, whole_number
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


class Window(msgspec.Struct, kw_only=True):
    """Which of the versions are wanted."""

    since: str = ""
    """`_since` as it was stated."""
    begin: datetime | None = None
    count: int
    offset: int = 0


def parse_window(
    pairs: Iterable[tuple[str, str]], *, page_size: int, strict: bool
) -> tuple[Window, list[Problem]]:
    """The `_since`, `_count` and `_offset` of a history, and what is wrong with them."""
    window = Window(count=page_size)
    found: list[Problem] = []
    for name, value in pairs:
        if name in {"_count", "_offset"}:
            number = whole_number(value)
            if number is None:
                found.append(_wrong(name, "应为非负整数", "a whole number is needed"))
            elif name == "_count":
                window.count = min(number, page_size)
            else:
                window.offset = number
        elif name == "_since":
            window.since, window.begin = value, _moment(value)
            if window.begin is None:
                found.append(_wrong(name, "应为带时区的时间", "an instant with its zone is needed"))
        elif strict and name not in CONTROLS:
            found.append(_wrong("", "历史不支持该参数", "a history does not serve the parameter"))
    return window, found


def _moment(text: str) -> datetime | None:
    """A FHIR instant; a `+` that the URL did not escape arrives as a blank."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def history_bundle(base: str, versions: list[dict[str, Any]], window: Window) -> dict[str, Any]:
    """A page of the versions as a Bundle of type history, newest first.

    `total` counts those that were made at or after `_since`.
    """
    type_name, identity = versions[0]["resourceType"], versions[0]["id"]
    url = f"{base}/{type_name}/{identity}"
    first = len(versions) - 1
    wanted = [
        (number, body)
        for number, body in enumerate(versions)
        if window.begin is None
        or datetime.fromisoformat(body["meta"]["lastUpdated"]) >= window.begin
    ]
    page = [
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
        for number, body in wanted[window.offset : window.offset + window.count]
    ]
    links = [("self", window.offset)]
    if window.count and window.offset + window.count < len(wanted):
        links.append(("next", window.offset + window.count))
    if window.count and window.offset > 0:
        links.append(("previous", max(0, window.offset - window.count)))
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "history",
        "total": len(wanted),
        "link": [{"relation": name, "url": _url(url, window, start)} for name, start in links],
    }
    return bundle | ({"entry": page} if page else {})


def _url(url: str, window: Window, offset: int) -> str:
    pairs = [("_since", window.since)] if window.since else []
    pairs += [("_count", str(window.count)), ("_offset", str(offset))]
    return f"{url}/_history?{urlencode(pairs)}"


def _wrong(name: str, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        zh=f"参数 {name}：{zh}" if name else zh,
        en=f"parameter {name}: {en}" if name else en,
    )
