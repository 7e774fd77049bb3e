"""A message against its version: structure, cardinality, types, lengths, table values.

Rules, in the order in which a message is looked at:

1. Segments of the structure have to stand in its order (100), required ones have to be there, and
   none more often than it may. A segment that the structure does not have is ignored, Z segments
   among them (chapter 2, 2.6.1).
2. A required field or component has to be there (101). A field that repeats too often is a
   warning, for its first repetition is used. Fields and components beyond the known ones are
   ignored.
3. A value has to fit its data type (102). HL7 null fits any.
4. A value may not be longer than its version says (104, before 2.7 it is 102); it is counted as
   chapter 2, 2.7 counts (`escapes.length_of`). From 2.7 on only normative lengths are stated, all
   of values without parts. Before, the length of a field is normative too, unless a site agrees on
   another one; those of fields with parts and of components, which contradict one another and have
   no room for an identity card (CX.1 has 15), are warnings. That a sender has cut a value off (the
   truncation character at its end, from 2.7) is a warning.
5. A value of an HL7 table (type ID) has to be in it (103), of a user table (type IS) it is a
   warning. `OPEN_TABLES` are not looked at.

The findings are problems with places. Nothing of a value is repeated in them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.hl7v2.definitions import (
    ANY_SEGMENT,
    LONGEST_NUMBER,
    UNBOUNDED,
    Definitions,
    Element,
    FieldRule,
    Leaf,
    Value,
    definitions_of,
)
from gateway.hl7v2.escapes import length_of
from gateway.hl7v2.reader import NULL, Document, Segment

MAX_FINDINGS = 100
"""Errors in a message, and warnings in a message. What follows the last error is not looked at;
further warnings are not told, so that they do not stand in the way of an error."""

OPEN_TABLES = frozenset({
    "HL70003", "HL70076", "HL70354", "HL70104", "HL70211",
    "HL70203", "HL70396", "HL70399", "HL70363",
})  # fmt: skip
"""Tables of MSH that are checked elsewhere, and tables that sites extend: identifier types (CX.5,
where peers have aliases), coding systems, countries, assigning authorities."""

_HOUR = r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,4})?)?)?"
_OFFSET = r"(?:\+(?:0[0-9]|1[0-4])[0-5][0-9]|-(?:0[0-9]|1[0-2])[0-5][0-9])?"
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12][0-9]|3[01])"
_YEAR = r"(?!0000)[0-9]{4}"
_TIME = rf"{_YEAR}(?:{_MONTH}(?:{_DAY}(?:{_HOUR})?)?)?{_OFFSET}"


def _form(expression: str) -> Callable[[str], bool]:
    match = re.compile(expression).fullmatch
    return lambda text: match(text) is not None


def _dated(expression: str) -> Callable[[str], bool]:
    """The form, and where it has a day, that the day exists."""
    match = re.compile(expression).fullmatch

    def fits(text: str) -> bool:
        if match(text) is None:
            return False
        return not text[:8].isdigit() or len(text) < 8 or _is_day(text[:8])

    return fits


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    """Eight digits that are a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


_TYPES: dict[str, Callable[[str], bool]] = {
    "NM": _form(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"),
    "SI": _form(r"[0-9]{1,4}"),
    "DT": _dated(rf"{_YEAR}(?:{_MONTH}(?:{_DAY})?)?"),
    "TM": _form(_HOUR + _OFFSET),
    "DTM": _dated(_TIME),
    "TS": _dated(_TIME),
}
"""Base types that not every text fits, and whether a text does."""


def fits_type(text: str, data_type: str) -> bool:
    """True when a value, which is not empty, fits the base data type."""
    fits = _TYPES.get(data_type)
    return fits is None or fits(text.strip())


class _Full(Exception):  # noqa: N818 - ends the search, no fault
    """The limit of findings is reached."""


def validate(document: Document, structure: str, version: str) -> list[Problem]:
    """What breaks the tables of the version, in the order of the message; errors and warnings.

    A structure that the version does not have leaves the order of segments unchecked.
    """
    check = _Check(document, definitions_of(version))
    with contextlib.suppress(_Full):
        check.run(structure)
    return check.problems


class _Check:
    """One message."""

    def __init__(self, document: Document, definitions: Definitions) -> None:
        self.problems: list[Problem] = []
        self._definitions = definitions
        self._document = document
        self._segments: list[Segment] = []
        self._at = 0
        self._counts = dict.fromkeys(Severity, 0)

    def run(self, structure: str) -> None:
        """All rules."""
        element = self._definitions.structure(structure)
        if element is not None:
            self._structure(element)
        for segment in self._document.segments:
            fields = segment.fields
            for rule in self._definitions.segment(segment.name) or ():
                if rule.least or (rule.number < len(fields) and fields[rule.number]):
                    self._field(segment, rule)

    def _structure(self, element: Element) -> None:
        known = _names(element)
        if ANY_SEGMENT in known:
            return
        self._segments = [it for it in self._document.segments if it.name in known]
        self._at = 0
        missing: list[str] = []
        self._group(element, missing)
        left = self._segments[self._at :]
        moved = {segment.name for segment in left}
        missing = [name for name in missing if name not in moved]
        for name in missing:
            self._add(
                f"{name}[1]", ProblemKind.STRUCTURE, ProblemCode.FIELD_REQUIRED,
                f"缺少 {name} 段", f"segment {name} is missing",
            )  # fmt: skip
        # where a segment is missing, what comes behind it has no place because of that
        for segment in left[: not missing]:
            self._add(
                f"{segment.name}[{segment.occurrence}]",
                ProblemKind.STRUCTURE,
                ProblemCode.READ_SYNTAX,
                f"{segment.name} 段的位置或次数不对",
                f"segment {segment.name} is out of order or comes too often",
            )

    def _group(self, group: Element, missing: list[str]) -> None:
        """Take the segments of one occurrence of a group."""
        taken = False
        for child in group.children:
            count = 0
            while (
                self._at < len(self._segments)
                and self._segments[self._at].name in child.starts
                and (child.most == UNBOUNDED or count < child.most)
            ):
                before = self._at
                if child.children:
                    self._group(child, missing)
                else:
                    self._at += 1
                count += 1
                if self._at == before:
                    break
            taken = taken or count > 0
            if group.choice and taken:
                return
            if count < child.least and not group.choice:
                missing.extend(sorted(child.starts)[:1] if child.children else [child.name])

    def _field(self, segment: Segment, rule: FieldRule) -> None:
        raw = segment.field(rule.number)
        if not raw:
            if rule.least:
                self._add(
                    _place(segment, rule.number), ProblemKind.REQUIRED,
                    ProblemCode.FIELD_REQUIRED, "必填字段缺失", "required field is missing",
                )  # fmt: skip
            return
        if segment.name == "MSH" and rule.number <= 2:
            return
        repetitions = segment.repetitions(rule.number)
        if rule.most not in {UNBOUNDED, 0} and len(repetitions) > rule.most:
            self._add(
                _place(segment, rule.number), ProblemKind.STRUCTURE, ProblemCode.NODE_COUNT,
                "字段重复次数过多，只取前面的", "the field repeats too often; the first are used",
                severity=Severity.WARNING,
            )  # fmt: skip
            repetitions = repetitions[: rule.most]
        for number, repetition in enumerate(repetitions, start=1):
            if repetition and repetition != NULL:
                place = f"{_place(segment, rule.number)}[{number}]"
                if rule.length and len(repetition) > rule.length:
                    self._too_long(segment, repetition, rule.value, rule.length, place)
                self._value(segment, repetition, rule.value, place, 0)

    def _value(self, segment: Segment, raw: str, value: Value, place: str, depth: int) -> None:
        marks = segment.delimiters
        mark = (marks.component, marks.subcomponent, "")[depth]
        if isinstance(value, Leaf):
            self._leaf(segment, raw.partition(mark)[0] if mark else raw, value, place)
            return
        parts = raw.split(mark) if mark else [raw]
        for number, (required, part, length) in enumerate(value.parts, start=1):
            text = parts[number - 1] if number <= len(parts) else ""
            inner = f"{place}.{number}"
            if text and text != NULL:
                if length and len(text) > length:
                    self._too_long(segment, text, part, length, inner)
                self._value(segment, text, part, inner, min(depth + 1, 2))
            elif required and not text:
                self._add(
                    inner, ProblemKind.REQUIRED, ProblemCode.FIELD_REQUIRED,
                    "必填组件缺失", "required component is missing",
                )  # fmt: skip

    def _too_long(self, segment: Segment, raw: str, value: Value, most: int, place: str) -> None:
        """Tell that a value is too long, if it is where escapes count as the standard says."""
        if isinstance(value, Leaf):
            if value.table in OPEN_TABLES or (value.type == "ID" and value.values is not None):
                return
            marks = segment.delimiters
            mark = marks.component if place[-1] == "]" else marks.subcomponent
            raw = raw.partition(mark)[0] if mark else raw
        length = length_of(raw, segment.delimiters)
        if length <= most:
            return
        whole = isinstance(value, Leaf) and place[-1] == "]"
        number = value.type == "NM" and most == LONGEST_NUMBER
        stops = self._definitions.only_normative or whole or number
        self._add(
            place, ProblemKind.LENGTH, ProblemCode.FIELD_LENGTH,
            f"取值过长：{length} 个字符，最多 {most} 个",
            f"the value is too long: {length} characters, at most {most}",
            severity=Severity.ERROR if stops else Severity.WARNING,
        )  # fmt: skip

    def _leaf(self, segment: Segment, raw: str, leaf: Leaf, place: str) -> None:
        if not raw or raw == NULL:
            return
        cut = segment.delimiters.truncation
        if cut and raw.endswith(cut):
            self._add(
                place, ProblemKind.LENGTH, ProblemCode.FIELD_LENGTH,
                "取值已被发送方截断", "the sender has cut the value off", severity=Severity.WARNING,
            )  # fmt: skip
        if not fits_type(raw, leaf.type):
            self._add(
                place, ProblemKind.TYPE, ProblemCode.FIELD_TYPE,
                f"取值不符合数据类型 {leaf.type}", f"not a value of data type {leaf.type}",
            )  # fmt: skip
        elif leaf.values is not None and leaf.table not in OPEN_TABLES:
            text = segment.data(raw).strip()
            if text not in leaf.values:
                table = leaf.table.removeprefix("HL7")
                severity = Severity.ERROR if leaf.type == "ID" else Severity.WARNING
                self._add(
                    place, ProblemKind.VALUE, ProblemCode.FIELD_VALUE,
                    f"取值不在表 {table} 中", f"not a value of table {table}", severity=severity,
                )  # fmt: skip

    def _add(
        self,
        place: str,
        kind: ProblemKind,
        code: ProblemCode,
        zh: str,
        en: str,
        *,
        severity: Severity = Severity.ERROR,
    ) -> None:
        if self._counts[severity] < MAX_FINDINGS:
            self._counts[severity] += 1
            self.problems.append(
                Problem(kind=kind, code=code, zh=zh, en=en, place=place, severity=severity)
            )
        if self._counts[Severity.ERROR] >= MAX_FINDINGS:
            raise _Full


def as_warnings(problems: list[Problem]) -> list[Problem]:
    """The findings as warnings, so that none of them stops the message."""
    return [msgspec.structs.replace(it, severity=Severity.WARNING) for it in problems]


def _names(element: Element) -> frozenset[str]:
    if not element.children:
        return frozenset({element.name})
    return frozenset(_walk(element))


def _walk(element: Element) -> Iterator[str]:
    for child in element.children:
        if child.children:
            yield from _walk(child)
        else:
            yield child.name


def _place(segment: Segment, field: int) -> str:
    return f"{segment.name}[{segment.occurrence}]-{field}"
