"""Places as FHIRPath, as OperationOutcome.expression has them.

Source: https://hl7.org/fhir/R4/fhirpath.html#simple. A choice of types is one element in FHIRPath:
what JSON calls `servicedDate` is `Claim.item[0].serviced`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gateway.fhir.bindings import PACKAGES
from gateway.fhir.shapes import Shape, Shapes, shapes_of

HELD: Final = (
    *("Claim", "CoverageEligibilityRequest", "Coverage", "Encounter", "Patient", "Condition"),
    *("Organization", "Practitioner", "Location", "Task", "PaymentNotice", "Subscription"),
)
"""Types that may lie in another resource (`contained`, an entry), of which a place says nothing."""

_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)((?:\[[0-9]+\])?)")


@lru_cache(maxsize=1024)
def fhirpath(place: str) -> str:
    """The FHIRPath of a place that is written with the names of JSON.

    A place that no release defines stays as it is.

    >>> fhirpath("Claim.item[0].servicedDate")
    'Claim.item[0].serviced'
    >>> fhirpath("Claim.extension[1].valueIdentifier.value")
    'Claim.extension[1].value.value'
    >>> fhirpath("Claim.contained[0].onsetDateTime")
    'Claim.contained[0].onset'
    >>> fhirpath("Encounter.actualPeriod"), fhirpath("")
    ('Encounter.actualPeriod', '')
    """
    root, *steps = place.split(".")
    for models in PACKAGES:
        shapes = shapes_of(models)
        shape = shapes.of(root)
        found = _walk(shapes, shape, steps) if shape is not None else None
        if found is not None:
            return ".".join([root, *found])
    return place


def _walk(shapes: Shapes, shape: Shape | None, steps: Sequence[str]) -> list[str] | None:
    """The steps below a type; None where one of them is not defined."""
    if not steps:
        return []
    match = _STEP.fullmatch(steps[0])
    if match is None or shape is None:
        return None
    element = shape.elements.get(match[1])
    if element is None:
        # A choice that is required and missing stands under its own name.
        missing = len(steps) == 1 and any(name == match[1] for name, _, _ in shape.choices)
        return [steps[0]] if missing else None
    name = next((choice for choice, names, _ in shape.choices if match[1] in names), match[1])
    if element.type_name == "Resource":
        types = [shapes.of(held) for held in HELD]
        walked = (_walk(shapes, held, steps[1:]) for held in types)
        rest = next((found for found in walked if found is not None), None)
    elif element.check is not None:
        rest = _walk(shapes, shapes.type("Extension"), steps[1:])  # has `extension` and `id` too
    else:
        rest = _walk(shapes, shapes.type(element.type_name), steps[1:])
    return [name + match[2], *rest] if rest is not None else None
