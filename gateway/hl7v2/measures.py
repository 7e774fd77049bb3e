"""Getters of what an OBX observed: a weight in grams, a duration, with the unit of OBX-6.

A structured numeric (OBX-2 `SN`) has its number in the second component, and says how it compares
in the first: what is not exact is no measure. A composite quantity (`CQ`) brings its own unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.hl7v2.reader import Segment
from mappings.messages import measures

if TYPE_CHECKING:
    from gateway.hl7v2.getters import Found, Read, Target

TYPE, UNIT = 2, 6
"""Fields of OBX: the data type of the value, and its unit."""
EXACTLY = frozenset({"", "="})


def grams_of(target: Target) -> Read:
    """A weight in grams."""
    return _measure(target, measures.grams)


def duration_of(target: Target) -> Read:
    """A duration as days/hours/minutes."""
    return _measure(target, measures.duration)


def _measure(target: Target, convert: Callable[[str, str], str]) -> Read:
    def read(segment: Segment) -> Found:
        at, kind = target.field, segment.get(TYPE)
        component = 2 if kind == "SN" else 1
        number = segment.get(at, component).strip()
        if not number or (kind == "SN" and segment.get(at) not in EXACTLY):
            return None
        unit = segment.get(UNIT) or (segment.get(at, 2) if kind == "CQ" else "")
        return convert(number, unit.strip()), target.place(segment, 1)

    return read
