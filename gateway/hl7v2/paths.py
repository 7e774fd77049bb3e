"""Paths into HL7 v2 messages, compiled once when a map is.

==========================  ======================================================================
`PV1-7.1`                   segment, field, component; sub-component as a third number; the first
                            segment and the first repetition
`PID-3[NNCHN].1`            the repetition whose CX.5 is of this identifier type, the peer's names
                            for types resolved (`identifier_aliases`)
`FT1[PY]-3`                 the first segment of this transaction type (FT1-6)
`PID-5 | name`              an XPN as one name: the CJK representation first, without a blank
`PV1-7 | staff`             an XCN as one name
`PID-3[NNCHN] | type`       the identifier type itself, where such an identifier is stated
`FT1-11 | money`            the amount of an MO or CP; another currency than CNY is a problem
`FT1-7 | coded NHSA`        the code of a CWE that is of this coding system, main or alternate
==========================  ======================================================================

`each FT1[CG]` gives one group a segment: the segment and what follows it up to the next of that
name. In a block, a path to a segment of such groups (`_GROUPED`) is looked up in the group only,
`NTE` directly behind the segment; every other path in the whole message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2.places import Place
from gateway.hl7v2.reader import NULL, Document, Segment, piece
from mappings.messages import Getter

_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<type>[A-Z0-9]{1,8})\])?-(?P<field>[1-9][0-9]{0,2})"
    r"(?:\[(?P<identifier>[A-Za-z0-9]{1,20})\])?"
    r"(?:\.(?P<component>[1-9][0-9]?))?(?:\.(?P<subcomponent>[1-9][0-9]?))?"
    r"(?: \| (?P<view>[a-z]+)(?: (?P<argument>[A-Za-z0-9_.-]+))?)?"
)
_EACH = re.compile(r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<type>[A-Z0-9]{1,8})\])?")
_GROUPED = frozenset({"FT1", "NTE", "PR1", "ORC", "OBR", "RXE", "RXO", "RXD", "RXR", "TQ1"})
_CURRENCIES = frozenset({"", "CNY", "RMB"})
_CJK = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TYPE_FIELDS = {"FT1": 6}
MAX_NAMES = 20
"""Repetitions of a name that are compared."""


class VirtualSegment(Segment):
    """A segment made from something else; `origins` tells where a field (and component) stood."""

    origins: dict[tuple[int, int], Place]


class Group(msgspec.Struct):
    """A node of a block: a segment and what belongs to it, in its message."""

    message: Document
    anchor: Segment
    members: list[Segment]


class HL7Language:
    """The path language of HL7 v2 for one peer.

    `identifier_aliases` maps CX.5 of the peer to the standard type; `amount_component` is the
    component of a CP that holds the amount (the standard says 1).
    """

    def __init__(
        self, identifier_aliases: Mapping[str, str] | None = None, amount_component: int = 1
    ) -> None:
        self._aliases = dict(identifier_aliases or {})
        self._amount_component = amount_component
        self._views: dict[str, Callable[[_Target, str], Getter]] = {
            "name": self._name,
            "staff": self._staff,
            "type": self._type,
            "money": self._money,
            "coded": self._coded,
        }

    def value(self, path: str) -> Getter:
        """The getter of a path; see the module for the forms.

        Raises:
            ValueError: the path is not one of the forms.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise ValueError(f"not an HL7 v2 path: {path!r}")
        target = _Target(match, self._aliases)
        view = match["view"]
        if view is None:
            return _text(target)
        if view not in self._views:
            raise ValueError(f"no function {view!r}")
        if bool(match["argument"]) != (view == "coded"):
            raise ValueError(f"wrong argument for {view}")
        return self._views[view](target, match["argument"] or "")

    def each(self, path: str) -> Callable[[Any], list[Any]]:
        """The groups of a segment, of one transaction type where that is given.

        Raises:
            ValueError: the path is not a segment name.
        """
        match = _EACH.fullmatch(path)
        if match is None:
            raise ValueError(f"not a segment: {path!r}")
        name, wanted = match["segment"], match["type"]
        if wanted and name not in _TYPE_FIELDS:
            raise ValueError(f"{name} has no transaction type")

        def groups(message: Document) -> list[Any]:
            return [
                group
                for group in _groups(message, name)
                if not wanted or group.anchor.get(_TYPE_FIELDS[name]) == wanted
            ]

        return groups

    def identifier_type(self, stated: str) -> str:
        """The standard type of a CX.5 value of the peer."""
        return self._aliases.get(stated, stated)

    def _name(self, target: _Target, _: str) -> Getter:
        return _joined(target, family=1, representation=8)

    def _staff(self, target: _Target, _: str) -> Getter:
        return _joined(target, family=2, representation=0)

    def _type(self, target: _Target, _: str) -> Getter:
        def get(node: Any) -> tuple[str, str] | None:
            found = target.find(node)
            if found is None:
                return None
            segment, repetition, raw = found
            if not piece(raw, segment.delimiters, 1, 1):
                return None
            stated = segment.data(piece(raw, segment.delimiters, 5, 1))
            return self.identifier_type(stated), target.place(segment, repetition, 5)

        return get

    def _money(self, target: _Target, _: str) -> Getter:
        component = self._amount_component

        def get(node: Any) -> tuple[str, str] | None:
            found = target.find(node)
            if found is None:
                return None
            segment, repetition, raw = found
            place = target.place(segment, repetition, component)
            text = segment.data(piece(raw, segment.delimiters, component, 1))
            if segment.data(piece(raw, segment.delimiters, component, 2)) not in _CURRENCIES:
                raise InvalidError(
                    [
                        Problem(
                            kind=ProblemKind.VALUE,
                            code=ProblemCode.CURRENCY,
                            zh="币种不是人民币",
                            en="the currency is not CNY",
                            place=place,
                        )
                    ]
                )
            return (text, place) if text else None

        return get

    def _coded(self, target: _Target, system: str) -> Getter:
        def get(node: Any) -> tuple[str, str] | None:
            found = target.find(node)
            if found is None:
                return None
            segment, repetition, raw = found
            for component in (1, 4, 10):
                code = segment.data(piece(raw, segment.delimiters, component, 1))
                stated = segment.data(piece(raw, segment.delimiters, component + 2, 1))
                if code and stated == system:
                    return code, target.place(segment, repetition, component)
            return None

        return get


class _Target:
    """The place a path points at, and the finding of it."""

    def __init__(self, match: re.Match[str], aliases: Mapping[str, str]) -> None:
        self.segment: str = match["segment"]
        self.field = int(match["field"])
        self.component = int(match["component"] or 1)
        self.subcomponent = int(match["subcomponent"] or 1)
        self.explicit = match["component"] is not None
        self._wanted: str | None = match["type"]
        self._identifier: str | None = match["identifier"]
        self._aliases = aliases
        if self._wanted and self.segment not in _TYPE_FIELDS:
            raise ValueError(f"{self.segment} has no transaction type")

    def find(self, node: Any) -> tuple[Segment, int, str] | None:
        """The segment, the number of the repetition and its raw text; None when absent."""
        segment = self._segment(node)
        if segment is None:
            return None
        repetitions = segment.repetitions(self.field)
        if self._identifier is None:
            return (segment, 1, repetitions[0]) if repetitions else None
        for number, raw in enumerate(repetitions, start=1):
            stated = segment.data(piece(raw, segment.delimiters, 5, 1))
            if self._aliases.get(stated, stated) == self._identifier:
                return segment, number, raw
        return None

    def all(self, node: Any) -> tuple[Segment, list[str]] | None:
        """The segment and all its raw repetitions of the field."""
        segment = self._segment(node)
        if segment is None or not segment.field(self.field):
            return None
        return segment, segment.repetitions(self.field)

    def place(self, segment: Segment, repetition: int, component: int = 0) -> str:
        """The place in the sender's words; of a virtual segment the place of its origin."""
        if isinstance(segment, VirtualSegment):
            origins = segment.origins
            origin = origins.get((self.field, component)) or origins.get((self.field, 1))
            return str(origin or next(iter(origins.values()), ""))
        return str(Place(segment.name, segment.occurrence, self.field, repetition, component))

    def _segment(self, node: Any) -> Segment | None:
        if isinstance(node, Group):
            if self.segment == node.anchor.name:
                return node.anchor
            if self.segment == "NTE":
                return node.members[0] if node.members and node.members[0].name == "NTE" else None
            if self.segment in _GROUPED:
                return next((it for it in node.members if it.name == self.segment), None)
            node = node.message
        found: list[Segment] = node.all(self.segment)
        if self._wanted:
            number = _TYPE_FIELDS[self.segment]
            return next((it for it in found if it.get(number) == self._wanted), None)
        return found[0] if found else None


def _text(target: _Target) -> Getter:
    shown = target.component if target.explicit else 0

    def get(node: Any) -> tuple[str, str] | None:
        found = target.find(node)
        if found is None:
            return None
        segment, repetition, raw = found
        part = (
            raw
            if raw == NULL
            else piece(raw, segment.delimiters, target.component, target.subcomponent)
        )
        text = segment.data(part).strip()
        if not text and part != NULL:
            return None
        return text, target.place(segment, repetition, shown)

    return get


def _joined(target: _Target, *, family: int, representation: int) -> Getter:
    """Family and given name as one text; `representation` is the component of its code, or 0."""

    def one(segment: Segment, raw: str) -> str:
        parts = [
            segment.data(piece(raw, segment.delimiters, number, 1)).strip()
            for number in (family, family + 1)
        ]
        joined = "".join(parts)
        return joined if _CJK.search(joined) else " ".join(filter(None, parts))

    def get(node: Any) -> tuple[str, str] | None:
        found = target.all(node)
        if found is None:
            return None
        segment, repetitions = found
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

    return get


def _groups(message: Document, name: str) -> list[Group]:
    groups: list[Group] = []
    for segment in message.segments:
        if segment.name == name:
            groups.append(Group(message, segment, []))
        elif groups:
            groups[-1].members.append(segment)
    return groups
