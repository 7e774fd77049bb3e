"""Which of the segments of one name a path means: by what a field of them says.

`NK1[E]` is the first contact of the role E, `NK1[!E/I]` the first of any other role, `ROL[PS/PR]`
the first of either, and `PV1[4=N]` the first with N in its field 4; `NK1[!E][3!=EMR]` fits both.
All fields that are read by the same brackets are thus of one and the same segment.
"""

from __future__ import annotations

import re

import msgspec

from gateway.hl7v2.reader import Document, Segment

TYPE_FIELDS = {"CTD": 1, "FT1": 6, "LCH": 4, "NK1": 7, "OBX": 3, "PRD": 1, "ROL": 3}
"""The field that holds what a segment is: the type of a transaction, the role of a provider or
of a contact, the characteristic of a location, what was observed."""
WITHDRAWN = {
    "OBX": (11, frozenset({"D", "I", "N", "O", "W", "X"})),
    "ROL": (2, frozenset({"D", "DE", "UN"})),
}
"""Segments that may take back what they name: the field that says so, and its values. Of OBX
(table 0085) those without a result count as well."""
FORM = r"\[[A-Za-z0-9_!=/-]{1,40}\]"
"""How a kind is written."""
MOST = 2
"""Kinds that a segment has to fit at most."""
_KIND = re.compile(r"\[(?:(?P<field>[1-9][0-9]?)(?P<not>!?)=|(?P<other>!))?(?P<values>[^!=]+)\]")


class Kind(msgspec.Struct, frozen=True):
    """The segments that are meant: those whose field has one of the values, or none of them.

    `also` is what they have to fit besides.
    """

    field: int
    values: tuple[str, ...]
    other: bool = False
    also: Kind | None = None

    def fits(self, segment: Segment) -> bool:
        """True for a segment of this kind that takes nothing back."""
        if (segment.get(self.field) in self.values) == self.other or not stands(segment):
            return False
        return self.also is None or self.also.fits(segment)

    def first_in(self, message: Document, name: str) -> Segment | None:
        """The first of this kind among the segments of a name; their values are read once."""
        if self.also is not None:
            return next(filter(self.fits, message.all(name)), None)
        key = ("by kind", name, self.field)
        if key not in message.memo:
            firsts: dict[str, Segment] = {}
            for segment in filter(stands, message.all(name)):
                firsts.setdefault(segment.get(self.field), segment)
            message.memo[key] = firsts
        known: dict[str, Segment] = message.memo[key]
        fitting = (it for value, it in known.items() if (value in self.values) != self.other)
        return next(fitting, None)


def kind_of(segment: str, text: str) -> Kind | None:
    """The kind in the brackets behind the name of a segment; None where there are none.

    Raises:
        ValueError: the text is not of the form, or names no field and the segment has no type.
    """
    stated = re.findall(FORM, text)
    if len(stated) > MOST:
        raise ValueError(f"more than {MOST} kinds of {segment}: {text!r}")
    found: Kind | None = None
    for one in reversed(stated):
        match = _KIND.fullmatch(one)
        if match is None:
            raise ValueError(f"not a kind of {segment}: {one!r}")
        if not match["field"] and segment not in TYPE_FIELDS:
            raise ValueError(f"{segment} has no transaction type")
        field = int(match["field"] or TYPE_FIELDS[segment])
        other = bool(match["not"] or match["other"])
        found = Kind(field, tuple(match["values"].split("/")), other, found)
    return found


def stands(segment: Segment) -> bool:
    """False for a segment that takes back what it names, or has no result."""
    field, values = WITHDRAWN.get(segment.name, (0, frozenset()))
    return not field or segment.get(field) not in values
