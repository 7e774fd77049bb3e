"""Parts of resources: `_summary` and `_elements` (https://hl7.org/fhir/R4/search.html#summary).

A part always has `id`, `meta` and what the definition requires, and is tagged `SUBSETTED`, so that
no client takes it for the whole and puts it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.shapes import Shapes

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
SUMMARIES = frozenset({"true", "text", "data", "count", "false"})
ALWAYS = frozenset({"resourceType", "id", "meta"})
MAX_ELEMENTS = 50

_ELEMENTS = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,100}")


class Subset(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a resource is wanted."""

    summary: str = "false"
    elements: frozenset[str] = frozenset()

    @property
    def count_only(self) -> bool:
        """True when only the number of matches is asked for."""
        return self.summary == "count"

    def of(self, resource: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
        """The part of a resource; top-level elements are kept or left out whole."""
        shape = shapes.of(str(resource["resourceType"]))
        assert shape is not None
        needed = ALWAYS | frozenset(shape.required)
        if self.elements:
            wanted = self.elements
        elif self.summary == "true":
            wanted = shape.summary
        elif self.summary == "text":
            wanted = frozenset({"text"})
        else:
            wanted = frozenset(shape.elements) - {"text"}
        part = {
            name: value
            for name, value in resource.items()
            if name.removeprefix("_") in wanted or name in needed
        }
        meta = dict(part.get("meta", {}))
        others = [tag for tag in meta.get("tag", []) if tag != SUBSETTED]
        return part | {"meta": {**meta, "tag": [*others, SUBSETTED]}}


NO_SUBSET = Subset()
"""The whole resource."""


def parse_subset(pairs: Iterable[tuple[str, str]]) -> tuple[Subset, Problem | None]:
    """The part that these parameters ask for, and why it cannot be given."""
    summary, elements = "false", frozenset[str]()
    for name, value in pairs:
        if name == "_summary":
            if value not in SUMMARIES:
                return NO_SUBSET, problems.wrong_value(
                    "", "_summary的取值无效", "the value of _summary is not one of those defined"
                )
            summary = value
        elif name == "_elements":
            stated = [one.strip() for one in value.split(",") if one.strip()][:MAX_ELEMENTS]
            if not all(_ELEMENTS.fullmatch(one) for one in stated):
                return NO_SUBSET, problems.wrong_value(
                    "", "_elements的取值无效", "_elements is a list of element names"
                )
            elements = frozenset(one.rpartition(".")[2] for one in stated)
    if summary == "false" and not elements:
        return NO_SUBSET, None
    return Subset(summary=summary, elements=elements), None
