"""Places in a message as text: `FT1[2]-7[1].1.1`, counted from 1.

Segment and occurrence, field and repetition, component and sub-component, as far as known. It is
the form of `Problem.place`; ERR-1 and ERR-2 are written from it.
"""

from __future__ import annotations

import re

import msgspec

_PLACE = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[(\d{1,6})\])?"
    r"(?:-(\d{1,4})(?:\[(\d{1,6})\])?(?:\.(\d{1,4})(?:\.(\d{1,4}))?)?)?"
)


class Place(msgspec.Struct, frozen=True):
    """A place; 0 where nothing is said."""

    segment: str
    occurrence: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def __str__(self) -> str:
        text = f"{self.segment}[{self.occurrence}]"
        if self.field:
            text += f"-{self.field}"
            if self.repetition:
                text += f"[{self.repetition}]"
            if self.component:
                text += f".{self.component}"
                if self.subcomponent:
                    text += f".{self.subcomponent}"
        return text


def read_place(text: str) -> Place | None:
    """The place that a text names; None when it names none of HL7 v2.

    >>> read_place("FT1[2]-7[1].1")
    Place(segment='FT1', occurrence=2, field=7, repetition=1, component=1, subcomponent=0)
    >>> str(read_place("MSH-18"))
    'MSH[1]-18'
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    segment, occurrence, *numbers = match.groups()
    return Place(segment, int(occurrence or 1), *(int(number or 0) for number in numbers))
