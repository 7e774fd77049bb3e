"""Where a finding on an input or on its header stands in the sender's message."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import Problem
from gateway.fsi.checks import Checker
from gateway.intents import Intent, Source

HEADER_MEMBERS = ("opter", "opter_name", "opter_type", "fixmedins_code", "fixmedins_name")


REGIONS = frozenset({"insuplc_admdvs", "mdtrtarea_admvs"})
"""Members that the router judges, by dated tables and not by their form."""


def check_beside(
    checker: Checker, header: dict[str, str], filled: object, *, members_right: bool = False
) -> list[Problem]:
    """The findings on a header beside its input, but for those that are the router's."""
    found = checker.check_header(header, filled, members_right=members_right)
    return [p for p in found if p.place not in REGIONS]


def header_of(infno: str, intent: Intent) -> dict[str, str]:
    """The members of the envelope that come from the message, the person and the settings."""
    facility = intent.facility
    members = {code: facility.get(code) for code in HEADER_MEMBERS if facility.has(code)}
    return {
        **members,
        "infno": infno,
        "mdtrtarea_admvs": facility.get("mdtrtarea_admvs"),
        "insuplc_admdvs": intent.person.get("insuplc_admdvs"),
    }


def header_place(place: str, sources: Mapping[str, Source], intent: Intent) -> str:
    """The sender's place for a finding of `check_beside`."""
    if place.startswith("input."):
        return place_of(place.removeprefix("input."), sources) or intent.place
    return intent.facility.place(place) or intent.person.place(place) or intent.place


def place_of(path: str, sources: Mapping[str, Source]) -> str:
    """The sender's place for a path in an input, or that of its row where the value is missing."""
    if path in sources:
        return sources[path].place
    row = path.rpartition(".")[0]
    if "[" not in row:
        return ""
    for known, source in sources.items():
        if known.startswith(f"{row}.") and source.place:
            head = source.place.partition("-")[0]
            return head if head != source.place else source.place.rpartition(".")[0]
    return ""
