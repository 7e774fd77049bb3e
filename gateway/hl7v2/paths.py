"""Paths into HL7 v2 messages, compiled once when a map is.

==========================  ======================================================================
`PV1-7.1`                   segment, field, component; sub-component as a third number; the first
                            segment and the first repetition
`PID-3[NNCHN].1`            the repetition whose CX.5 is of this identifier type, the peer's names
                            for types resolved (`identifier_aliases`)
`FT1[PY]-3`                 the first segment of this transaction type (FT1-6); `PRD[RT]-7` of this
                            role (PRD-1, CTD-1, NK1-7, ROL-3), `LCH[caty]-5` of this characteristic
                            (LCH-4), `OBX[8339-4]-5` of this observation (OBX-3)
`ROL[PS/PR]-4`              the first of either; `NK1[!E]-2` the first of any other
`PV1[4=N]-14`               the first with this value in its field 4; `!=` with another or none
`PID-5 | name`              an XPN as one name: the CJK representation first, without a blank
`PV1-7 | staff`             an XCN as one name
`PID-3[NNCHN] | type`       the identifier type itself, where such an identifier is stated
`FT1-11 | money`            the amount of an MO or CP; another currency than CNY is a problem
`FT1-7 | coded NHSA`        the code of a CWE that is of this coding system, main or alternate
`OBX[x]-5 | grams`          a weight in the unit of OBX-6, in grams
`OBX[x]-5 | duration`       a duration in the unit of OBX-6, as days/hours/minutes
==========================  ======================================================================

`each FT1[CG]` gives one group a segment: the segment and what follows it up to the next of that
name. In a block, a path to a segment of such groups (`GROUPED`) is looked up in the group only,
`NTE` and `ROL` directly behind the segment; every other path in the whole message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from gateway.hl7v2 import columns, getters, measures
from gateway.hl7v2.escapes import Delimiters
from gateway.hl7v2.getters import GROUPED, Group, Read, Target
from gateway.hl7v2.kinds import FORM, TYPE_FIELDS, kind_of
from gateway.hl7v2.reader import Document
from mappings.messages import Getter
from mappings.messages.language import ColumnPlace

_PATH = re.compile(
    rf"(?P<segment>[A-Z][A-Z0-9]{{2}})(?P<kinds>(?:{FORM})*)"
    r"-(?P<field>[1-9][0-9]{0,2})"
    r"(?:\[(?P<identifier>[A-Za-z0-9]{1,20})\])?"
    r"(?:\.(?P<component>[1-9][0-9]?))?(?:\.(?P<subcomponent>[1-9][0-9]?))?"
    r"(?: \| (?P<view>[a-z]+)(?: (?P<argument>[A-Za-z0-9_.-]+))?)?"
)
_EACH = re.compile(r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<type>[A-Z0-9]{1,8})\])?")


MAX_SHAPE = 60
"""Fields and following segments of a group whose shape is remembered."""


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
        self._known: dict[str, tuple[Target, Read]] = {}
        """Paths stand in many rules of many maps: each is read once."""
        self._views: dict[str, Callable[[Target, str], Read]] = {
            "name": lambda target, _: getters.joined_of(target, family=1, representation=8),
            "staff": lambda target, _: getters.joined_of(target, family=2, representation=0),
            "type": lambda target, _: getters.type_of(target),
            "money": lambda target, _: getters.money_of(target, amount_component),
            "coded": getters.coded_of,
            "grams": lambda target, _: measures.grams_of(target),
            "duration": lambda target, _: measures.duration_of(target),
        }

    def value(self, path: str) -> Getter:
        """The getter of a path; see the module for the forms.

        Raises:
            ValueError: the path is not one of the forms.
        """
        return getters.getter(*self._read(path))

    def each(self, path: str) -> Callable[[Any], list[Any]]:
        """The groups of a segment, of one transaction type where that is given.

        Raises:
            ValueError: the path is not a segment name.
        """
        match = _EACH.fullmatch(path)
        if match is None:
            raise ValueError(f"not a segment: {path!r}")
        name, wanted = match["segment"], match["type"]
        if wanted and name not in TYPE_FIELDS:
            raise ValueError(f"{name} has no transaction type")

        def groups(message: Document) -> list[Any]:
            found = getters.groups(message, name)
            if not wanted:
                return list[Any](found)
            return [group for group in found if group.anchor.get(TYPE_FIELDS[name]) == wanted]

        return groups

    def shape(self, node: Document | Group) -> Hashable | None:
        """Which fields of the segment are filled, if it is plain, and which segments follow.

        Of a message, which fields are filled in the first segment of each name. None for what is
        above `MAX_SHAPE`: a shape is remembered, and has to be small.
        """
        if isinstance(node, Document):
            return _shape_of_message(node)
        fields, _, plain = node.anchor.parts or node.anchor.split()
        if len(fields) > MAX_SHAPE or len(node.members) > MAX_SHAPE:
            return None
        members = tuple([it.name for it in node.members]) if node.members else ()
        return bytes(map(bool, fields)), plain, members

    def narrowed(self, path: str, node: Document | Group) -> Getter | None:
        """The getter of a path for groups or messages like this one.

        None for an empty field of the segment and for a segment that is not there.
        """
        target, read = self._read(path)
        if isinstance(node, Document):
            first = node.first(target.segment)
            if first is None or not (target.wanted or first.field(target.field)):
                return None
            return getters.getter(target, read)
        if target.segment == node.anchor.name:
            if not node.anchor.field(target.field):
                return None
            plain = (node.anchor.parts or node.anchor.split())[2] and " | " not in path
            return getters.anchored(target, read, plain=plain)
        if target.segment in GROUPED and node.member(target.segment) is None:
            return None
        return getters.getter(target, read)

    def column(self, path: str, node: Group) -> ColumnPlace | None:
        """The number of the field, for a path into a plain segment's own."""
        target, _ = self._read(path)
        fields, _, plain = node.anchor.parts or node.anchor.split()
        if not plain or target.segment != node.anchor.name or target.field >= len(fields):
            return None
        view, _, argument = path.partition(" | ")[2].partition(" ")
        return columns.column_of(target, view, argument, self._amount_component)

    def texts(self, node: Group) -> tuple[list[str], str, Delimiters]:
        """The fields of the segment, its name in places, and its delimiters."""
        segment = node.anchor
        fields, label, _ = segment.parts or segment.split()
        return fields, label, segment.delimiters

    def target(self, path: str) -> Target:
        """What a path points at, without the function behind it.

        Raises:
            ValueError: the path is not one of the forms.
        """
        return self._read(path)[0]

    def _read(self, path: str) -> tuple[Target, Read]:
        if path not in self._known:
            self._known[path] = self._understood(path)
        return self._known[path]

    def _understood(self, path: str) -> tuple[Target, Read]:
        match = _PATH.fullmatch(path)
        if match is None:
            raise ValueError(f"not an HL7 v2 path: {path!r}")
        target = self._target(match)
        view = match["view"]
        if view is None:
            return target, getters.text_of(target)
        if view not in self._views:
            raise ValueError(f"no function {view!r}")
        if bool(match["argument"]) != (view == "coded"):
            raise ValueError(f"wrong argument for {view}")
        return target, self._views[view](target, match["argument"] or "")

    def _target(self, match: re.Match[str]) -> Target:
        segment = match["segment"]
        component = int(match["component"] or 1)
        return Target(
            segment=segment,
            field=int(match["field"]),
            component=component,
            subcomponent=int(match["subcomponent"] or 1),
            shown=component if match["component"] else 0,
            wanted=kind_of(segment, match["kinds"]),
            identifier=match["identifier"] or "",
            aliases=self._aliases,
        )


def _shape_of_message(message: Document) -> Hashable | None:
    firsts = [segments[0] for segments in message.by_name.values()]
    if len(firsts) > MAX_SHAPE or any(len(it.fields) > MAX_SHAPE for it in firsts):
        return None
    return tuple([(it.name, bytes(map(bool, it.fields))) for it in firsts])


__all__ = ["Group", "HL7Language"]
