"""ER7 to HL7 v2.xml: groups, segments, fields and data types named by the tables of the version.

Source: HL7 Version 2: XML Encoding Syntax. What the tables do not have is written all the same, so
that reading it gives the message back: a segment out of place stands in the group that is open, a
field of a Z segment has components `UNKNOWN.1`, and so on. OBX-5 is of the type that OBX-2 names.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from gateway.errors import ConfigurationError
from gateway.hl7v2.charset import header_text
from gateway.hl7v2.definitions import (
    UNBOUNDED,
    Composite,
    Definitions,
    Element,
    Value,
    definitions_of,
)
from gateway.hl7v2.escapes import Delimiters
from gateway.hl7v2.header import Header, lenient_header
from gateway.hl7v2.reader import NULL, Segment, read_document

NAMESPACE = "urn:hl7-org:v2xml"
UNKNOWN = "UNKNOWN"
"""Name of a data type that the tables do not have."""

_NAMESPACES: Any = {None: NAMESPACE}
_SAME_SHAPE = {"RSP_K22": "RSP_K21"}
"""Structures that the tables lack, and one of the same groups."""
_ILLEGAL = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"


def er7_to_xml(raw: bytes) -> bytes:
    """A message of ours, or one that was read, as v2.xml in UTF-8.

    Raises:
        UnreadableError: the bytes are no message.
    """
    header = lenient_header(raw) or Header()
    text = raw.decode(header.codec, "replace") if header.codec else header_text(raw)
    document = read_document(text, codec=header.codec)
    name = _structure_name(header)
    writer = _Writer(_tables(header.version), document.delimiters, header.codec)
    root = etree.Element(_tag(name), nsmap=_NAMESPACES)
    writer.message(root, name, document.segments)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _structure_name(header: Header) -> str:
    """MSH-9.3, or what stands for it up to 2.3; a general acknowledgement is an ACK."""
    name = header.structure or (header.type if header.is_acknowledgement else "")
    name = name or "_".join(filter(None, (header.type, header.event)))
    return name if re.fullmatch(r"[A-Z][A-Z0-9_]{1,15}", name) else UNKNOWN


def _tables(version: str) -> Definitions:
    try:
        return definitions_of(version)
    except ConfigurationError:
        return definitions_of("2.5")


class _Writer:
    def __init__(self, tables: Definitions, marks: Delimiters, codec: str) -> None:
        self._tables = tables
        self._marks = marks
        self._codec = codec
        self._prefix = ("", "")
        self._segments: list[Segment] = []
        self._at = 0
        mark = re.escape(marks.escape) if marks.escape else "(?!)"
        self._special = re.compile(f"{mark}([^{mark}]{{1,8192}}){mark}|([{_ILLEGAL}])")

    def message(self, root: etree._Element, name: str, segments: list[Segment]) -> None:
        """All segments, in the groups of the structure."""
        shape = _SAME_SHAPE.get(name, name)
        element = self._tables.structure(name) or self._tables.structure(shape)
        self._prefix = (f"{element.name}_", f"{name}.") if element else ("", "")
        self._segments = segments
        if element is not None:
            self._group(root, element, _names(element))
        for segment in self._segments[self._at :]:
            self._segment(root, segment)

    def _group(self, node: etree._Element, group: Element, known: frozenset[str]) -> None:
        """One occurrence of a group, as far as the segments fit it."""
        for child in group.children:
            count = 0
            while self._at < len(self._segments):
                segment = self._segments[self._at]
                if segment.name not in known:
                    self._segment(node, segment)
                    self._at += 1
                    continue
                full = child.most != UNBOUNDED and count >= child.most
                if full or segment.name not in child.starts:
                    break
                before = self._at
                if child.children:
                    self._group(etree.SubElement(node, _tag(self._group_name(child))), child, known)
                else:
                    self._segment(node, segment)
                    self._at += 1
                count += 1
                if self._at == before:
                    break
            if group.choice and count:
                return

    def _group_name(self, group: Element) -> str:
        old, new = self._prefix
        return new + group.name.removeprefix(old)

    def _segment(self, parent: etree._Element, segment: Segment) -> None:
        node = etree.SubElement(parent, _tag(segment.name))
        rules = {rule.number: rule.value for rule in self._tables.segment(segment.name) or ()}
        for number, raw in enumerate(segment.fields[1:], start=1):
            if not raw:
                continue
            name = _tag(f"{segment.name}.{number}")
            if segment.name == "MSH" and number <= 2:
                etree.SubElement(node, name).text = raw
                continue
            value = rules.get(number)
            if segment.name == "OBX" and number == 5:
                value = self._tables.datatype(segment.get(2)) or value
            mark = self._marks.repetition
            for repetition in raw.split(mark) if mark else [raw]:
                self._value(etree.SubElement(node, name), repetition, value, 0)

    def _value(self, node: etree._Element, raw: str, value: Value | None, depth: int) -> None:
        marks = (self._marks.component, self._marks.subcomponent)
        mark = marks[depth] if depth < len(marks) else ""
        parts = raw.split(mark) if mark else [raw]
        composite = isinstance(value, Composite) and bool(mark)
        divided = len(parts) > 1 or any(inner and inner in raw for inner in marks[depth + 1 :])
        if raw in {"", NULL} or not (divided or composite):
            self._text(node, raw)
            return
        name = value.type.removesuffix("_SIMPLE") if isinstance(value, Composite) else UNKNOWN
        for number, part in enumerate(parts, start=1):
            inner: Value | None = None
            if isinstance(value, Composite) and number <= len(value.parts):
                inner = value.parts[number - 1][1]
            if part:
                self._value(
                    etree.SubElement(node, _tag(f"{name}.{number}")), part, inner, depth + 1
                )

    def _text(self, node: etree._Element, raw: str) -> None:
        """Text with what is no plain text as escape elements."""
        last: etree._Element | None = None
        at = 0
        for match in self._special.finditer(raw):
            meaning = self._meaning(match)
            _append(node, last, raw[at : match.start()] + (meaning or ""))
            if meaning is None:
                last = etree.SubElement(node, _tag("escape"))
                last.set("V", match[1] or f"X{ord(match[2]):02X}")
            at = match.end()
        _append(node, last, raw[at:])

    def _meaning(self, match: re.Match[str]) -> str | None:
        """The text behind an escape; None for one that stays an escape."""
        body = match[1]
        if body is None:
            return None
        marks = self._marks
        named = {
            "F": marks.field, "S": marks.component, "T": marks.subcomponent,
            "R": marks.repetition, "E": marks.escape, "P": marks.truncation,
        }  # fmt: skip
        if named.get(body):
            return named[body]
        if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", body):
            try:
                text = bytes.fromhex(body[1:]).decode(self._codec)
            except UnicodeDecodeError:
                return None
            return None if re.search(f"[{_ILLEGAL}]", text) else text
        return None if re.fullmatch(r"[A-Za-z0-9.+-]+", body) else match[0]


def _append(node: etree._Element, last: etree._Element | None, text: str) -> None:
    if last is None:
        node.text = (node.text or "") + text or None
    else:
        last.tail = (last.tail or "") + text or None


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _names(element: Element) -> frozenset[str]:
    if not element.children:
        return frozenset({element.name})
    return frozenset().union(*(_names(child) for child in element.children))
