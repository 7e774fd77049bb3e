"""The closures behind paths: built when a map is compiled, run for every value of every message.

A getter takes a node of a map, which is the `Document` or the `Group` of a block, and gives the
text with its place, or None where nothing is stated. A segment is split once (`Segment.parts`).
Where it is plain, a value is its raw text; only other segments pay for repetitions and escapes.
What a path finds outside the group of its block is the same for every line of the message, and is
remembered in `Document.memo`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2.kinds import Kind
from gateway.hl7v2.places import Place
from gateway.hl7v2.reader import NULL, Document, Segment, piece
from mappings.messages import Getter

GROUPED = frozenset(
    {
        "ADJ",
        "FT1",
        "NTE",
        "PR1",
        "ORC",
        "OBR",
        "RXE",
        "RXO",
        "RXD",
        "RXR",
        "ROL",
        "TQ1",
        "CDM",
        "PRC",
        "LOC",
    }
    | {"LCH", "LDP", "STF", "PRA"}
)
"""Segments that a path in a block looks up in the group of the block only."""
DIRECTLY = {"NTE": frozenset({"NTE"}), "ROL": frozenset({"NTE", "PRT", "ROL"})}
"""Segments that belong to the one right before them -> what may stand between the two."""
ABOVE = {"IVC": ("IPR",), "PSL": ("PSG", "PSS")}
"""Segments of a block whose groups stand in others: those are looked up before the segment."""
MAX_NAMES = 20
"""Repetitions of a name that are compared."""

CURRENCIES = frozenset({"", "CNY", "RMB"})
"""How an amount in yuan may state its currency."""
_CJK = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")

Found = tuple[str, str] | None
"""Text and place of a value."""
Read = Callable[[Segment], Found]
"""Finds a value in its segment."""


class VirtualSegment(Segment):
    """A segment made from something else; `origins` tells where a field (and component) stood."""

    __slots__ = ("origins",)

    def __init__(self, segment: Segment, origins: dict[tuple[int, int], Place]) -> None:
        super().__init__(
            segment.name, segment.occurrence, segment.text, segment.delimiters, segment.codec
        )
        self.origins = origins

    def _is_plain(self) -> bool:
        return False


class Group(msgspec.Struct):
    """A node of a block: a segment and what belongs to it, in its message."""

    message: Document
    anchor: Segment
    members: list[Segment]

    def member(self, name: str, wanted: Kind | None = None) -> Segment | None:
        """The first segment of the name (and kind); a note belongs to the line right before it."""
        between = DIRECTLY.get(name)
        for segment in self.members:
            if segment.name == name and (wanted is None or wanted.fits(segment)):
                return segment
            if between is not None and segment.name not in between:
                return None
        return None

    def above(self, name: str) -> Segment | None:
        """The last segment of the name before the one of the group."""
        key = ("above", name, self.anchor.name)
        memo = self.message.memo
        if key not in memo:
            found: dict[int, Segment | None] = {}
            last = None
            for segment in self.message.segments:
                if segment.name == name:
                    last = segment
                elif segment.name == self.anchor.name:
                    found[segment.occurrence] = last
            memo[key] = found
        above: Segment | None = memo[key].get(self.anchor.occurrence)
        return above


def groups(message: Document, name: str) -> list[Group]:
    """One group a segment of the name, with what follows it up to the next of that name."""
    found: list[Group] = []
    for segment in message.segments:
        if segment.name == name:
            found.append(Group(message, segment, []))
        elif found:
            found[-1].members.append(segment)
    return found


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a path points at.

    `wanted` is the kind of the segment (`FT1[PY]`, `NK1[!E]`), `identifier` the CX.5 of the
    repetition (`PID-3[NNCHN]`), with `aliases` from the peer's names to the standard ones.
    """

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1
    shown: int = 0
    """The component in the place; 0 where the path names none."""
    wanted: Kind | None = None
    identifier: str = ""
    aliases: Mapping[str, str] = {}

    @property
    def suffix(self) -> str:
        """How the place of the first repetition ends."""
        return f"-{self.field}[1]" + (f".{self.shown}" if self.shown else "")

    def find(self, segment: Segment) -> tuple[int, str] | None:
        """The number of the repetition and its raw text; None when absent."""
        if not self.identifier:
            field = segment.field(self.field)
            mark = segment.delimiters.repetition
            return (1, field.partition(mark)[0]) if field else None
        for stated, found in segment.identifiers(self.field).items():
            if self.aliases.get(stated, stated) == self.identifier:
                return found
        return None

    def place(self, segment: Segment, repetition: int, component: int = 0) -> str:
        """The place in the sender's words; of a virtual segment the place of its origin."""
        if isinstance(segment, VirtualSegment):
            origins = segment.origins
            origin = origins.get((self.field, component)) or origins.get((self.field, 1))
            return str(origin or next(iter(origins.values()), ""))
        return str(Place(segment.name, segment.occurrence, self.field, repetition, component))


def getter(target: Target, read: Read) -> Getter:
    """The getter of a value that `read` finds in the target's segment."""
    name, at, wanted = target.segment, target.field, target.wanted
    grouped = name in GROUPED
    key = object()

    def get(node: Any) -> Found:
        if node.__class__ is Group:
            anchor = node.anchor
            if anchor.name == name:
                fields = (anchor.parts or anchor.split())[0]
                return read(anchor) if at < len(fields) and fields[at] else None
            if name in ABOVE.get(anchor.name, ()):
                above = node.above(name)
                return read(above) if above is not None else None
            if grouped:
                member = node.member(name, wanted) if node.members else None
                return read(member) if member is not None else None
            memo = node.message.memo
            if key not in memo:
                memo[key] = get(node.message)
            return memo[key]  # type: ignore[no-any-return]  # this closure put it there
        segment = wanted.first_in(node, name) if wanted else node.first(name)
        return None if segment is None else read(segment)

    return get


def anchored(target: Target, read: Read, *, plain: bool) -> Getter:
    """The getter of a filled field in the segment of the block itself.

    With `plain` the segments it will be asked for are plain, and `read` is `text_of`.
    """
    if not plain or target.identifier or target.subcomponent > 1:
        return lambda group: read(group.anchor)
    at, component, suffix = target.field, target.component, target.suffix

    def get(group: Group) -> Found:
        segment = group.anchor
        fields, label, _ = segment.parts or segment.split()
        raw = fields[at]
        if component > 1 or not raw.isalnum():
            marks = segment.delimiters
            parts = raw.split(marks.component, component)
            raw = parts[component - 1] if len(parts) >= component else ""
            if marks.subcomponent in raw:
                return read(segment)
            raw = raw.strip()
        return (raw, label + suffix) if raw else None

    return get


def text_of(target: Target) -> Read:
    """The data of a component; an empty one is null, where null stands there."""
    at, component, subcomponent = target.field, target.component, target.subcomponent
    suffix = target.suffix
    first = component == subcomponent == 1
    chosen = bool(target.identifier)
    other = partial(_text, target)

    def read(segment: Segment) -> Found:
        fields, label, plain = segment.parts or segment.split()
        raw = fields[at] if at < len(fields) else ""
        if not plain or chosen:
            return other(segment)
        if raw.isalnum():
            return (raw, label + suffix) if first else None
        if subcomponent > 1:
            return other(segment)
        marks = segment.delimiters
        if component > 1:
            parts = raw.split(marks.component, component)
            raw = parts[component - 1] if len(parts) >= component else ""
        else:
            raw = raw.partition(marks.component)[0]
        if marks.subcomponent in raw:
            return other(segment)
        raw = raw.strip()
        return (raw, label + suffix) if raw else None

    return read


def _text(target: Target, segment: Segment) -> Found:
    found = target.find(segment)
    if found is None:
        return None
    repetition, raw = found
    part = raw
    if raw != NULL:
        part = piece(raw, segment.delimiters, target.component, target.subcomponent)
    text = segment.data(part).strip()
    if not text and part != NULL:
        return None
    return text, target.place(segment, repetition, target.shown)


def type_of(target: Target) -> Read:
    """The standard identifier type (CX.5) of a repetition that has an identifier."""

    def read(segment: Segment) -> Found:
        found = target.find(segment)
        if found is None:
            return None
        repetition, raw = found
        if not piece(raw, segment.delimiters, 1, 1):
            return None
        stated = segment.data(piece(raw, segment.delimiters, 5, 1))
        return target.aliases.get(stated, stated), target.place(segment, repetition, 5)

    return read


def money_of(target: Target, component: int) -> Read:
    """The amount of an MO or CP; another currency than CNY is a problem."""
    suffix = f"-{target.field}[1].{component}"

    def read(segment: Segment) -> Found:
        fields, label, plain = segment.parts or segment.split()
        if plain and component == 1 and target.field < len(fields):
            marks = segment.delimiters
            raw = fields[target.field].partition(marks.component)[0]
            amount, _, rest = raw.partition(marks.subcomponent or "\0")
            if rest in CURRENCIES:
                return (amount, label + suffix) if amount else None
        found = target.find(segment)
        if found is None:
            return None
        repetition, raw = found
        marks = segment.delimiters
        part = raw.split(marks.component, component)[component - 1 : component]
        amount, _, rest = part[0].partition(marks.subcomponent or "\0") if part else ("", "", "")
        currency = rest.partition(marks.subcomponent or "\0")[0]
        place = target.place(segment, repetition, component)
        if currency not in CURRENCIES and segment.data(currency) not in CURRENCIES:
            raise InvalidError([_foreign(place)])
        text = segment.data(amount)
        return (text, place) if text else None

    return read


def _foreign(place: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.CURRENCY,
        zh="币种不是人民币",
        en="the currency is not CNY",
        place=place,
    )


def coded_of(target: Target, system: str) -> Read:
    """The code that is of the coding system, main or alternate."""

    def read(segment: Segment) -> Found:
        if system not in segment.text and (segment.parts or segment.split())[2]:
            return None
        found = target.find(segment)
        if found is None:
            return None
        repetition, raw = found
        for component in (1, 4, 10):
            code = segment.data(piece(raw, segment.delimiters, component, 1))
            stated = segment.data(piece(raw, segment.delimiters, component + 2, 1))
            if code and stated == system:
                return code, target.place(segment, repetition, component)
        return None

    return read


def joined_of(target: Target, *, family: int, representation: int) -> Read:
    """Family and given name as one text; `representation` is the component of its code, or 0."""
    suffix = f"-{target.field}[1]"

    def one(segment: Segment, raw: str) -> str:
        marks = segment.delimiters
        stated = raw.split(marks.component, family + 1)[family - 1 : family + 1]
        if len(stated) == 1 and stated[0].isalnum():
            return stated[0]
        parts = [
            segment.data(piece(raw, segment.delimiters, number, 1)).strip()
            for number in (family, family + 1)
        ]
        joined = "".join(parts)
        return joined if _CJK.search(joined) else " ".join(filter(None, parts))

    def read(segment: Segment) -> Found:
        _, label, plain = segment.parts or segment.split()
        repetitions = segment.repetitions(target.field)
        if not repetitions:
            return None
        if plain:
            name = repetitions[0]
            if not name.isalnum() or family > 1:
                name = one(segment, name)
            return (name, label + suffix) if name else None
        if repetitions[0] == NULL:
            return "", target.place(segment, 1)
        best: tuple[int, int, str] | None = None
        for number, raw in enumerate(repetitions[:MAX_NAMES], start=1):
            name = one(segment, raw)
            if not name:
                continue
            code = piece(raw, segment.delimiters, representation, 1) if representation else ""
            rank = 0 if code == "I" else 1 if _CJK.search(name) else 2
            if best is None or rank < best[0]:
                best = rank, number, name
        return None if best is None else (best[2], target.place(segment, best[1]))

    return read
