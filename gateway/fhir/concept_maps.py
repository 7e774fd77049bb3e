"""Code tables as resources: a ConceptMap of the codes that translate, a CodeSystem of a list.

A ConceptMap has what a settlement would be sent with on a day: the reviewed rows of the
institution's catalogue, then the official crosswalks. Each target says by the extension
`valid-period` from when until when it holds. A large map is given in pages: a part is tagged
SUBSETTED, and its description says how many there are.

Source: https://hl7.org/fhir/R4/conceptmap.html, https://hl7.org/fhir/R5/conceptmap.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from gateway.fhir.names import Names
from gateway.fhir.release import R5, Release
from gateway.fhir.subsets import SUBSETTED
from gateway.fhir.terminology import EQUIVALENCES, MED_LIST
from mappings.codes.csvfile import OPEN_END, OPEN_START
from mappings.codes.kinds import KINDS, SYSTEMS
from mappings.codes.tables import ListEntry
from mappings.codes.translation import InForce

NATIONAL = "national-"
"""What the id of a national list begins with."""
LISTS = {f"{NATIONAL}{name.replace('_', '-')}": name for name in sorted(SYSTEMS)}
"""Id of the CodeSystem of a national list -> name of the list in the code tables."""


def local_system(names: Names, kind: str, edition: str) -> str:
    """The code system of the local codes: the named edition, else the hospital's own."""
    return names.code_system(edition or f"local-{kind}")


def target_system(names: Names, kind: str, system: str) -> str:
    """The code system of the national codes (`system`: name of a list)."""
    return names.code_system(MED_LIST if kind == "item" else system.replace("_", "-"))


def concept_map(
    names: Names, release: Release, kind: str, shown: Sequence[InForce], *, total: int, on: date
) -> dict[str, Any]:
    """The ConceptMap of a kind on a day; `shown` are the rows that it has here, of `total`."""
    url = f"{names.base}/ConceptMap/{kind}"
    word = KINDS[kind]
    r5 = release is R5
    middle = "Scope" if r5 else ""
    resource: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "id": kind,
        **_part_of(shown, total),
        "url": url,
        "version": on.isoformat(),
        "name": f"{kind.capitalize()}Codes",
        "title": f"{word.zh}编码对照",
        "status": "active",
        "experimental": False,
        "date": on.isoformat(),
        "description": f"{on}有效的{word.zh}编码对照{total}条 "
        f"({total} mappings of {word.en} codes in force on {on})",
        f"source{middle}Canonical": names.value_set(f"local-{kind}"),
        f"target{middle}Canonical": names.value_set(f"national-{kind}"),
    }
    groups: dict[tuple[str, str], list[InForce]] = {}
    for row in shown:
        source = local_system(names, kind, row.edition)
        target = target_system(names, kind, row.translation.system)
        groups.setdefault((source, target), []).append(row)
    made = [
        {
            "source": source,
            "target": target,
            "element": [_element(names, row, r5=r5) for row in members],
        }
        for (source, target), members in groups.items()
    ]
    return resource | ({"group": made} if made else {})


def _element(names: Names, row: InForce, *, r5: bool) -> dict[str, Any]:
    found = row.translation
    target: dict[str, Any] = {
        "extension": _period(names, row.valid_from, row.valid_to),
        "code": found.code,
        "display": found.name,
    }
    if r5:
        target["relationship"] = found.relation
    else:
        target["equivalence"] = EQUIVALENCES[found.relation]
    element = {"code": row.code, "display": row.name, "target": [_stated(target)]}
    return _stated(element)


def _period(names: Names, start: date, end: date) -> list[dict[str, Any]]:
    """The days on which something holds; an open end is left out, and so is a period of none."""
    period = {}
    if start != OPEN_START:
        period["start"] = start.isoformat()
    if end != OPEN_END:
        period["end"] = end.isoformat()
    return [{"url": names.extension("valid-period"), "valuePeriod": period}] if period else []


def code_system(
    names: Names,
    identity: str,
    shown: Sequence[ListEntry],
    *,
    total: int,
    on: date,
    complete: bool,
) -> dict[str, Any]:
    """The CodeSystem of a national list on a day; `shown` are the codes it has here, of `total`.

    `identity` is one of `LISTS`; `complete` says that all codes of the list are loaded.
    """
    name = identity.removeprefix(NATIONAL)
    whole = complete and len(shown) == total
    resource: dict[str, Any] = {
        "resourceType": "CodeSystem",
        "id": identity,
        **_part_of(shown, total),
        "url": names.code_system(name),
        "version": on.isoformat(),
        "name": "".join(part.capitalize() for part in identity.split("-")),
        "status": "active",
        "experimental": False,
        "date": on.isoformat(),
        "caseSensitive": True,
        "content": "complete" if whole else "fragment",
        "count": total,
        "property": [
            {"code": "edition", "type": "string", "description": "版本 (edition of the list)"},
            {"code": "gray", "type": "boolean", "description": "灰码 (not a principal code)"},
        ],
    }
    concepts = [
        _stated(
            {
                "extension": _period(names, one.valid_from, one.valid_to),
                "code": one.code,
                "display": one.name,
                "property": [
                    {"code": "edition", "valueString": one.edition},
                    {"code": "gray", "valueBoolean": one.gray},
                ],
            }
        )
        for one in shown
    ]
    return resource | ({"concept": concepts} if concepts else {})


def _part_of(shown: Sequence[Any], total: int) -> dict[str, Any]:
    """The tag of what is not whole."""
    return {} if len(shown) == total else {"meta": {"tag": [dict(SUBSETTED)]}}


def _stated(element: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in element.items() if value not in ("", [], {})}
