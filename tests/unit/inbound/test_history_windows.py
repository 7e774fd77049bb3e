"""`_since`, `_count` and `_offset` of a history."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.inbound.fhir_history import history_bundle, parse_window

BASE = "http://gateway.test/fhir/r4"
VERSIONS = [
    {
        "resourceType": "Encounter",
        "id": "e1",
        "meta": {"versionId": str(number), "lastUpdated": f"2026-03-0{number}T10:00:00+08:00"},
    }
    for number in (4, 3, 2, 1)
]
"""One version a day, newest first."""


def asked(*pairs: tuple[str, str]) -> dict[str, Any]:
    """The Bundle for these parameters; a page has three entries at most."""
    window, problems = parse_window(pairs, page_size=3, strict=True)
    assert problems == []
    return history_bundle(BASE, VERSIONS, window)


def numbers(bundle: dict[str, Any]) -> list[str]:
    """The versions of a page."""
    return [row["resource"]["meta"]["versionId"] for row in bundle.get("entry", [])]


@pytest.mark.parametrize(
    ("since", "wanted"),
    [
        ("2026-03-01T10:00:00+08:00", ["4", "3", "2"]),
        ("2026-03-03T02:00:00Z", ["4", "3"]),
        ("2026-03-03T02:00:00.001Z", ["4"]),
        ("2026-03-04T10:00:00 08:00", ["4"]),
        ("2026-03-04T10:00:01+08:00", []),
    ],
)
def test_versions_since_an_instant(since: str, wanted: list[str]) -> None:
    """http.html#history: at or after the instant, in whatever zone it is told."""
    assert numbers(asked(("_since", since))) == wanted


def test_the_first_version_is_told_as_created_wherever_the_window_begins() -> None:
    """What is left out does not make an update a creation."""
    changed = asked(("_since", "2026-03-02T00:00:00+08:00"))
    whole = asked(("_offset", "3"))
    assert [row["request"]["method"] for row in changed["entry"]] == ["PUT", "PUT", "PUT"]
    assert [row["request"]["method"] for row in whole["entry"]] == ["POST"]


def test_the_links_lead_through_the_same_window() -> None:
    """Total of the window; next and previous keep `_since` and `_count`."""
    since = "2026-03-02T00:00:00+08:00"
    first = asked(("_since", since), ("_count", "2"))
    links = {one["relation"]: one["url"] for one in first["link"]}
    second = asked(*parse_qsl(urlsplit(links["next"]).query))
    assert (first["total"], numbers(first), numbers(second)) == (3, ["4", "3"], ["2"])
    assert {one["relation"] for one in second["link"]} == {"self", "previous"}


def test_no_more_than_a_page_at_a_time() -> None:
    """`_count` above the size of a page is a page; 0 asks for the total only."""
    assert numbers(asked(("_count", "50"))) == ["4", "3", "2"]
    total_only = asked(("_count", "0"))
    assert (total_only["total"], numbers(total_only)) == (4, [])
    assert [one["relation"] for one in total_only["link"]] == ["self"]


@pytest.mark.parametrize(
    "pair", [("_since", "2026-03-01"), ("_since", "soon"), ("_count", "-1"), ("_at", "2026")]
)
def test_what_cannot_be_meant_is_refused(pair: tuple[str, str]) -> None:
    """A day has no zone; a strict client is told of a parameter that is not served."""
    _, problems = parse_window([pair], page_size=3, strict=True)
    assert len(problems) == 1
