"""ER7 text to segments that are split only where they are looked into.

Worst case linear in the length of the message: one pass finds the segments, and a field is split
when a path asks for it. Segments that are not known, Z segments among them, are kept and disturb
nobody (HL7 v2 chapter 2, 2.6.1). An ADD segment continues the segment before it.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind, UnreadableError
from gateway.hl7v2.escapes import Delimiters, unescape

MAX_SEGMENTS = 20_000
MAX_REPETITIONS = 2_000
"""Repetitions in a segment, of all its fields together."""
NULL = '""'

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")


Parts = tuple[list[str], str, bool]
"""A segment split once: its fields, how places in it begin (`FT1[2]`), and if it is plain.

A plain segment has neither repetitions, nor escapes, nor a null: the data of a component is its
raw text.
"""


class Segment:
    """One segment: its name, which one of that name it is (1 is the first), its raw text."""

    __slots__ = ("_identifiers", "codec", "delimiters", "name", "occurrence", "parts", "text")

    def __init__(
        self, name: str, occurrence: int, text: str, delimiters: Delimiters, codec: str = "utf-8"
    ) -> None:
        self.name = name
        self.occurrence = occurrence
        self.text = text
        self.delimiters = delimiters
        self.codec = codec
        self.parts: Parts | None = None
        self._identifiers: tuple[int, dict[str, tuple[int, str]]] | None = None

    def split(self) -> Parts:
        """The parts; they stay in `parts`, so that a segment is split once and only when asked."""
        marks = self.delimiters
        fields = self.text.split(marks.field)
        if self.name == "MSH":
            fields.insert(1, marks.field)
        parts = fields, f"{self.name}[{self.occurrence}]", self._is_plain()
        self.parts = parts
        return parts

    def _is_plain(self) -> bool:
        text, marks = self.text, self.delimiters
        return not (
            (marks.escape and marks.escape in text)
            or (marks.repetition and marks.repetition in text)
            or '"' in text
        )

    @property
    def fields(self) -> list[str]:
        """Raw fields: index 0 is the name, and index n is field n, in MSH too."""
        return (self.parts or self.split())[0]

    def field(self, number: int) -> str:
        """The raw field, empty when it is not there."""
        fields = (self.parts or self.split())[0]
        return fields[number] if number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The raw repetitions of a field; none when it is empty."""
        field = self.field(number)
        return field.split(self.delimiters.repetition) if field else []

    def identifiers(self, number: int) -> dict[str, tuple[int, str]]:
        """The first repetition of each identifier type (CX.5) of a field: number and raw text."""
        if self._identifiers is None or self._identifiers[0] != number:
            found: dict[str, tuple[int, str]] = {}
            for place, raw in enumerate(self.repetitions(number), start=1):
                found.setdefault(self.data(piece(raw, self.delimiters, 5, 1)), (place, raw))
            self._identifiers = number, found
        return self._identifiers[1]

    def data(self, raw: str) -> str:
        """The data behind a raw piece; HL7 null (`""`) is the empty text."""
        return "" if raw == NULL else unescape(raw, self.delimiters, self.codec)

    def get(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """The data at a place of the first repetition; empty when absent or null."""
        first = self.field(field)
        if first.isalnum():
            return first if component == subcomponent == 1 else ""
        if not first:
            return ""
        first = first.partition(self.delimiters.repetition)[0]
        return self.data(piece(first, self.delimiters, component, subcomponent))


class Document:
    """A message: its delimiters and its segments in order."""

    def __init__(self, segments: list[Segment], delimiters: Delimiters, codec: str) -> None:
        self.segments = segments
        self.delimiters = delimiters
        self.codec = codec
        self.memo: dict[object, Any] = {}
        """What readers of the message found once and may need again, by keys of their own."""

    @cached_property
    def size(self) -> int:
        """Characters of all segments."""
        return sum(len(segment.text) for segment in self.segments)

    @cached_property
    def by_name(self) -> dict[str, list[Segment]]:
        """Segments of each name, in order."""
        found: dict[str, list[Segment]] = {}
        for segment in self.segments:
            found.setdefault(segment.name, []).append(segment)
        return found

    def first(self, name: str) -> Segment | None:
        """The first segment of the name."""
        found = self.by_name.get(name)
        return found[0] if found else None

    def all(self, name: str) -> list[Segment]:
        """All segments of the name."""
        return self.by_name.get(name, [])


def piece(raw: str, delimiters: Delimiters, component: int, subcomponent: int) -> str:
    """The raw sub-component of a raw repetition, empty when absent.

    A component that has no sub-components is its own first one.
    """
    parts = raw.split(delimiters.component, component)
    if len(parts) < component:
        return ""
    part = parts[component - 1]
    if not delimiters.subcomponent or part == NULL:
        return part if subcomponent == 1 else ""
    parts = part.split(delimiters.subcomponent, subcomponent)
    return parts[subcomponent - 1] if len(parts) >= subcomponent else ""


def read_delimiters(text: str) -> Delimiters:
    """The delimiters in force, from the first characters of the message.

    Two of the four encoding characters, those of component and repetition, have to be there; of
    the others, what is not declared is not in use.

    Raises:
        UnreadableError: the text does not begin with MSH, or a delimiter cannot be one.
    """
    if text[:3] != "MSH" or len(text) < 5:
        raise unreadable("报文不以 MSH 段开头", "the message does not begin with MSH")
    field = text[3]
    encoding = re.split(r"[\r\n]", text[4:16].partition(field)[0], maxsplit=1)[0]
    marks = field + encoding
    if (
        not 2 <= len(encoding) <= 5
        or len(set(marks)) != len(marks)
        or any(mark.isalnum() or mark.isspace() or not mark.isprintable() for mark in marks)
    ):
        raise unreadable(
            "MSH-1、MSH-2 分隔符无效", "the delimiters of MSH-1 and MSH-2 are not valid"
        )
    return Delimiters(field, *encoding[:1], *(encoding[i : i + 1] for i in range(1, 5)))


def read_document(text: str, *, codec: str = "utf-8", line_feeds: bool = False) -> Document:
    """Split a message into segments.

    `line_feeds` takes LF and CRLF as segment ends too; the standard knows CR only.

    Raises:
        UnreadableError: it does not begin with MSH, its delimiters are no delimiters, a segment
            has no proper name, or there are more segments or repetitions than the limits.
    """
    delimiters = read_delimiters(text)
    if line_feeds:
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    if text.count("\r") > 2 * MAX_SEGMENTS:
        raise unreadable("段数超过上限", "too many segments", code=ProblemCode.READ_LIMIT)
    if "\n" in text.partition("\r")[0]:
        raise unreadable(
            "段以换行符结束，应以 CR 结束",
            "segments end with a line feed: the standard knows CR alone",
        )
    few = text.count(delimiters.repetition) <= MAX_REPETITIONS
    segments: list[Segment] = []
    counts: dict[str, int] = {}
    added: dict[int, list[str]] = {}
    for number, line in enumerate(filter(None, text.split("\r")), start=1):
        name = line[:3]
        if (name not in counts and not _NAME.fullmatch(name)) or line[3:4] not in {
            "",
            delimiters.field,
        }:
            raise _bad_segment(number, line, segments[-1:])
        if not few and line.count(delimiters.repetition) > MAX_REPETITIONS:
            raise unreadable(
                "段内重复次数超过上限",
                "too many repetitions in a segment",
                place=f"{name}[1]",
                code=ProblemCode.READ_LIMIT,
            )
        if name == "ADD" and segments:
            added.setdefault(len(segments) - 1, []).append(line[4:])
            continue
        counts[name] = occurrence = counts.get(name, 0) + 1
        segments.append(Segment(name, occurrence, line, delimiters, codec))
    for at, parts in added.items():
        segments[at].text = "".join([segments[at].text, *parts])
    if len(segments) > MAX_SEGMENTS:
        raise unreadable("段数超过上限", "too many segments", code=ProblemCode.READ_LIMIT)
    return Document(segments, delimiters, codec)


def unreadable(
    zh: str, en: str, *, place: str = "", code: ProblemCode = ProblemCode.READ_SYNTAX
) -> UnreadableError:
    """The error of a message that cannot be split."""
    kind = ProblemKind.TOO_COSTLY if code is ProblemCode.READ_LIMIT else ProblemKind.STRUCTURE
    return UnreadableError([Problem(kind=kind, code=code, zh=zh, en=en, place=place)])


def _bad_segment(number: int, line: str, before: list[Segment]) -> UnreadableError:
    """The place is the segment before, because a name that is none may be anything."""
    place = "".join(f"{it.name}[{it.occurrence}]" for it in before)
    if line.startswith("\n"):
        return unreadable(
            f"第 {number} 段以换行符开头，段应以 CR 结束",
            f"segment {number} begins with a line feed: segments end with CR alone",
            place=place,
        )
    return unreadable(
        f"第 {number} 段没有有效的段名", f"segment {number} has no valid name", place=place
    )
