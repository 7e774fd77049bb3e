"""Message profiles of the gateway's own interface, from the message maps and the version tables.

A profile says of one event in one version which segments and fields are read, how often they may
come, and what each becomes. It is shown as a page, and as the XML of HL7 v2.5 chapter 2.12
(`HL7v2xConformanceProfile`, profile type `Constrainable`). Usage is R where the version's table or
the event requires it, RE where a map or the gateway reads it, X where the version has withdrawn
it, and O elsewhere: what is O is ignored. Segments that are neither read nor required are left out.
Lengths are those of the version, where it states one: maximum lengths before 2.7, and from then on
normative ones.

`python -m gateway.hl7v2.profile_pages docs/reference` writes the pages of all events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from lxml import etree

from gateway.hl7v2 import measures
from gateway.hl7v2.definitions import UNBOUNDED, Definitions, definitions_of
from gateway.hl7v2.events import REQUIRED, SINCE, STRUCTURES, VERSIONS
from gateway.hl7v2.kinds import WITHDRAWN
from gateway.hl7v2.paths import HL7Language
from mappings.messages.grammar import Sheet, SourceText

DEFAULT_VERSION = "2.5.1"
"""The version of a profile, unless the event came later."""
ORGANISATION = "FSI-GATEWAY"

READ_BY_THE_GATEWAY: Mapping[tuple[str, int], str] = {
    ("MSH", 1): "delimiters",
    ("MSH", 2): "delimiters",
    ("MSH", 3): "sender; with MSH-10 the key of the message",
    ("MSH", 4): "sender; the institution",
    ("MSH", 5): "MSH-3 of the answer",
    ("MSH", 6): "MSH-4 of the answer",
    ("MSH", 7): "time of the message",
    ("MSH", 9): "event",
    ("MSH", 10): "key of the message; MSA-2 of the answer",
    ("MSH", 11): "processing id",
    ("MSH", 12): "version",
    ("MSH", 14): "has to be empty",
    ("MSH", 15): "accept acknowledgement",
    ("MSH", 16): "application acknowledgement",
    ("MSH", 18): "character set",
    ("PV1", 2): "visit class; P opens no visit",
    ("PV1", 3): "PV1-3.4: the institution, where MSH-4 does not name it",
    ("PV1", 20): "self-pay classes of the peer lead to no transaction",
    ("FT1", 6): "CG charge, CD credit, PY payment",
    ("DG1", 21): "D withdraws the diagnosis",
    ("QPD", 3): "the person who is asked for",
}
"""Fields that are read by code and not by a map, and what for."""

VIEWS: Mapping[str, tuple[int, ...]] = {
    "name": (1, 2),
    "staff": (2, 3),
    "type": (5,),
    "money": (1,),
    "grams": (1,),
    "duration": (1,),
    "coded": (1, 3, 4, 6),
}
"""Components that a function of the path language reads."""


BEHIND = {"ROL": "PR1"}
"""Segments that are read only where another one stands in the same group."""
MEASURES = frozenset({"grams", "duration"})
"""Functions that read the type and the unit of a value as well."""


class Use(msgspec.Struct, frozen=True):
    """A place that a rule of a map reads: its components (0: the value), and what it becomes."""

    segment: str
    field: int
    components: tuple[int, ...]
    becomes: str
    line: str


class Part(msgspec.Struct, kw_only=True):
    """A field or component. `length` is the most characters that it may have; 0: any number."""

    name: str
    usage: str
    least: int = 0
    most: int = 1
    type: str = "ST"
    length: int = 0
    table: str = ""
    becomes: list[str] = []
    parts: list[Part] = []


class SegmentProfile(msgspec.Struct, kw_only=True):
    """A segment with its fields, or a group of them (`fields` is empty)."""

    name: str
    usage: str
    least: int
    most: int
    fields: list[Part] = []
    members: list[SegmentProfile] = []

    def segments(self) -> Iterator[SegmentProfile]:
        """The segments in it, itself if it is one."""
        if self.fields:
            yield self
        for member in self.members:
            yield from member.segments()


class Profile(msgspec.Struct, kw_only=True):
    """What is read of one event in one version."""

    event: str
    structure: str
    version: str
    verbs: list[str]
    members: list[SegmentProfile]


def versions_of(event: str) -> list[str]:
    """The versions that have the structure of an event, the oldest first."""
    structure, since = STRUCTURES.get(event, ""), SINCE.get(event, VERSIONS[0])
    return [
        version
        for version in VERSIONS[VERSIONS.index(since) :]
        if definitions_of(version).structure(structure) is not None
    ]


def profile_of(event: str, sheets: Iterable[Sheet], version: str = "") -> Profile:
    """The profile of an event; `sheets` are its maps, the one for credits among them.

    Raises:
        KeyError: the event has no structure in this version, or in any.
    """
    versions = versions_of(event)
    if not versions or (version and version not in versions):
        raise KeyError(event)
    chosen = version or (DEFAULT_VERSION if DEFAULT_VERSION in versions else versions[0])
    maps = list(sheets)
    builder = _Builder(definitions_of(chosen), event, [use for it in maps for use in uses_of(it)])
    verbs = dict.fromkeys(
        f"{verb.value} ({visit_class.value})" if visit_class else verb.value
        for sheet in maps
        for visit_class, verb in sheet.verbs.items()
    )
    structure = STRUCTURES[event]
    return Profile(
        event=event,
        structure=structure,
        version=chosen,
        verbs=list(verbs),
        members=builder.members(definitions_of(chosen).raw_structure(structure), least=1),
    )


def uses_of(sheet: Sheet) -> Iterator[Use]:
    """Every place that the rules of a map read."""
    for becomes, rule in sheet.every_rule():
        for source in rule.sources:
            if source.path:
                yield from _chosen_by(source, str(rule.where))
                yield _use(source, becomes, str(rule.where))


def _chosen_by(source: SourceText, line: str) -> Iterator[Use]:
    """The fields that say which of several segments a path means, and the unit of a measure."""
    target = HL7Language().target(source.path)
    kind = target.wanted
    while kind is not None:
        yield Use(target.segment, kind.field, (1,), f"which {target.segment} is meant", line)
        kind = kind.also
    if target.wanted is not None and target.segment in WITHDRAWN:
        field = WITHDRAWN[target.segment][0]
        yield Use(target.segment, field, (1,), f"whether this {target.segment} counts", line)
    if source.functions and source.functions[0].name in MEASURES:
        for field in (measures.TYPE, measures.UNIT):
            yield Use(target.segment, field, (1,), "type and unit of the value", line)


def _use(source: SourceText, becomes: str, line: str) -> Use:
    target = HL7Language().target(source.path)
    view = source.functions[0].name if source.functions else ""
    return Use(target.segment, target.field, VIEWS.get(view, (target.component,)), becomes, line)


class _Builder:
    """Lays the uses of an event over the tables of a version."""

    def __init__(self, definitions: Definitions, event: str, uses: list[Use]) -> None:
        self._definitions = definitions
        self._required = REQUIRED.get(event, REQUIRED.get(event.partition("^")[0], ()))
        self._uses = uses
        self._read = {use.segment for use in uses} | {"MSH"}

    def members(self, reference: Any, *, least: int) -> list[SegmentProfile]:
        """The segments and groups that are read, or required where their group has to be there."""
        names = {name for name, *_ in reference[1]}
        found = [
            self._member(*child)
            for child in reference[1]
            if child[0] not in BEHIND or BEHIND[child[0]] in names
        ]
        kept = [
            one
            for one in found
            if (least and one.least)
            or any(it.name in self._read or it.name in self._required for it in one.segments())
        ]
        return [one for one in kept if one.fields or one.members]

    def _member(self, name: str, nested: Any, times: tuple[int, int], kind: str) -> SegmentProfile:
        least, most = times
        if kind == "GRP":
            members = self.members(nested, least=least)
            if any(it.usage == "R" and it.name in self._required for it in members):
                least = max(least, 1)
            short = name.partition("_")[2].partition("_")[2] or name
            return SegmentProfile(
                name=short, usage="R" if least else "RE", least=least, most=most, members=members
            )
        if name in self._required:
            least = max(least, 1)
        return SegmentProfile(
            name=name, usage="R" if least else "RE", least=least, most=most,
            fields=self._fields(name),
        )  # fmt: skip

    def _fields(self, segment: str) -> list[Part]:
        raw = self._definitions.raw_segment(segment)
        return [self._field(segment, number, row) for number, row in enumerate(raw, start=1)]

    def _field(self, segment: str, number: int, row: tuple[Any, ...]) -> Part:
        _, reference, (least, most), _ = row
        uses = [it for it in self._uses if (it.segment, it.field) == (segment, number)]
        reason = READ_BY_THE_GATEWAY.get((segment, number))
        part = _part(reference, least, most, read=bool(uses) or reason is not None)
        part.length = self._definitions.length(segment, number)
        part.becomes = list(dict.fromkeys([*([reason] if reason else []), *_shown(uses)]))
        if uses and reference is not None and reference[0] != "leaf":
            read = {component for use in uses for component in use.components}
            part.parts = [
                _part(
                    inner, *times, read=at in read,
                    length=self._definitions.part_length(part.type, at),
                )
                for at, (_, inner, times, _) in enumerate(reference[1], start=1)
            ]  # fmt: skip
        return part


def _shown(uses: list[Use]) -> list[str]:
    return [f"{use.becomes} ({use.line})" for use in uses]


def _part(reference: Any, least: int, most: int, *, read: bool, length: int = 0) -> Part:
    if reference is None:  # a field that the version has left without a type
        return Part(name="Reserved", usage="O", least=0, most=1)
    usage = "X" if most == 0 else "R" if least else "RE" if read else "O"
    return Part(
        name=str(reference[3] or "").replace("_", " ").title(),
        usage=usage,
        least=least,
        most=most,
        type=str(reference[2] or "ST"),
        length=length,
        table=str(reference[4] or "").removeprefix("HL7"),
    )


def to_xml(profile: Profile) -> bytes:
    """The profile as an XML document in UTF-8."""
    root = etree.Element(
        "HL7v2xConformanceProfile", HL7Version=profile.version, ProfileType="Constrainable"
    )
    name = f"{profile.event} {profile.version}"
    etree.SubElement(root, "MetaData", Name=name, OrgName=ORGANISATION, Version="1", Status="DRAFT")
    encodings = etree.SubElement(root, "Encodings")
    for encoding in ("ER7", "XML"):
        etree.SubElement(encodings, "Encoding").text = encoding
    etree.SubElement(root, "DynamicDef", AccAck="NE", AppAck="AL", MsgAckMode="Immediate")
    kind, _, event = profile.event.partition("^")
    body = etree.SubElement(
        root, "HL7v2xStaticDef", MsgType=kind, EventType=event, MsgStructID=profile.structure,
        EventDesc=", ".join(profile.verbs), Role="Receiver",
    )  # fmt: skip
    etree.SubElement(body, "MetaData", Name=name, OrgName=ORGANISATION, Version="1", Status="DRAFT")
    for member in profile.members:
        _member_to_xml(body, member)
    return etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")


def _times(least: int, most: int) -> dict[str, str]:
    return {"Min": str(least), "Max": "*" if most == UNBOUNDED else str(most)}


def _member_to_xml(parent: Any, member: SegmentProfile) -> None:
    common = {"Name": member.name, "LongName": member.name, "Usage": member.usage}
    tag = "Segment" if member.fields else "SegGroup"
    element = etree.SubElement(parent, tag, {**common, **_times(member.least, member.most)})
    for inner in member.members:
        _member_to_xml(element, inner)
    for field in member.fields:
        _part_to_xml(element, "Field", field)


def _part_to_xml(parent: Any, tag: str, part: Part) -> None:
    attributes = {"Name": part.name, "Usage": part.usage, "Datatype": part.type}
    if tag == "Field":
        attributes |= _times(part.least, part.most)
    if part.length:
        attributes["Length"] = str(part.length)
    if part.table:
        attributes["Table"] = part.table
    element = etree.SubElement(parent, tag, attributes)
    if part.becomes:
        etree.SubElement(element, "ImpNote").text = "; ".join(part.becomes)
    for inner in part.parts:
        _part_to_xml(element, "Component", inner)
