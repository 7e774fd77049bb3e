"""What HL7 says is valid, compiled from hl7apy's version tables into small structs.

The tables are the definition; what is made of them is only their flat form, so that a message is
checked in microseconds. A version is compiled when it is first needed and kept. 2.7.1 has no
tables of its own and is checked as 2.7. 2.3 has no value tables: there is nothing to check there.
hl7apy states no lengths; those of each version are in `lengths/`, with their sources in
docs/decisions/0023-lengths-of-hl7.md.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from gateway.errors import ConfigurationError

MODULES = {
    version: f"hl7apy.v{version.replace('.', '_')}"
    for version in ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
} | {"2.7.1": "hl7apy.v2_7"}
LENGTHS = Path(__file__).parent / "lengths"
ANY_SEGMENT = "ANYHL7SEGMENT"
UNBOUNDED = -1
LONGEST_NUMBER = 16
"""Characters of a value of type NM, from 2.5 on (chapter 2A)."""


class Leaf(msgspec.Struct, frozen=True):
    """A value: its base data type, and the values it may have (None: any)."""

    type: str
    table: str = ""
    values: frozenset[str] | None = None


class Composite(msgspec.Struct, frozen=True):
    """A value of several parts: whether each is required, what it is, its most characters."""

    type: str
    parts: tuple[tuple[bool, Value, int], ...]


Value = Leaf | Composite


class FieldRule(msgspec.Struct, frozen=True):
    """A field of a segment: how often it may stand there, and what each repetition is.

    `length` is the most characters that a repetition may have; 0: none is stated.
    """

    number: int
    least: int
    most: int
    value: Value
    length: int = 0


class Element(msgspec.Struct, frozen=True):
    """A segment (`children` empty) or a group of a structure, and how often it may come."""

    name: str
    least: int
    most: int
    children: tuple[Element, ...] = ()
    choice: bool = False
    starts: frozenset[str] = frozenset()
    """Names of segments that it may begin with."""


class Definitions:
    """The tables of one version."""

    def __init__(self, module: ModuleType, lengths: Lengths) -> None:
        self._module = module
        self.lengths = lengths
        self.only_normative = lengths.only_normative
        """Every length that is stated here is normative: so it is from 2.7 on."""
        self._tables: dict[str, Any] = getattr(module, "TABLES", {})
        self._segments: dict[str, tuple[FieldRule, ...] | None] = {}
        self._structures: dict[str, Element | None] = {}
        self._datatypes: dict[str, Value | None] = {}

    def structure(self, name: str) -> Element | None:
        """A message structure (`ADT_A01`); None when the version has none of that name."""
        if name not in self._structures:
            reference = self._module.MESSAGES.get(name)
            self._structures[name] = None if reference is None else _group(name, reference, (1, 1))
        return self._structures[name]

    def raw_structure(self, name: str) -> Any:
        """A message structure as the tables have it, with groups and names of fields.

        Raises:
            KeyError: the version has none of that name.
        """
        return self._module.MESSAGES[name]

    def raw_segment(self, name: str) -> Any:
        """The fields of a segment as the tables have them; none where they have no such segment."""
        reference = self._module.SEGMENTS.get(name)
        return () if reference is None else _rows(reference)

    def raw_table(self, name: str) -> tuple[str, ...]:
        """The values of a table (`HL70553`); none where the version states none."""
        known = self._tables.get(name)
        return tuple(known[1]) if known else ()

    def length(self, segment: str, field: int) -> int:
        """The most characters of a field, as stated for it; 0 where none is."""
        return _at(self.lengths.segments.get(segment, ()), field)

    def part_length(self, data_type: str, component: int) -> int:
        """The most characters of a component of a data type, as stated for it; 0 where none is."""
        return _at(self.lengths.types.get(data_type, ()), component)

    def segment(self, name: str) -> tuple[FieldRule, ...] | None:
        """The fields of a segment; None when the version has none of that name."""
        if name not in self._segments:
            reference = self._module.SEGMENTS.get(name)
            self._segments[name] = None if reference is None else self._fields(name, reference)
        return self._segments[name]

    def datatype(self, name: str) -> Value | None:
        """A data type by its name (`CX`); None for one without parts and for one not known."""
        if name not in self._datatypes:
            parts = self._module.DATATYPES_STRUCTS.get(name)
            known = None if parts is None else self._value(("sequence", parts, name))
            self._datatypes[name] = known
        return self._datatypes[name]

    def _fields(self, segment: str, reference: Any) -> tuple[FieldRule, ...]:
        rules = []
        for name, row, (least, most), _ in _rows(reference):
            if row is not None:
                number, value = int(name.rpartition("_")[2]), self._value(row)
                length = self.length(segment, number) or self._usual(value)
                rules.append(FieldRule(number, least, most, value, length))
        return tuple(rules)

    def _value(self, reference: Any) -> Value:
        if reference[0] == "leaf" or reference[1] is None:
            table = reference[4] or ""
            known = self._tables.get(table)
            return Leaf(reference[2] or "", table, frozenset(known[1]) if known else None)
        parts = []
        for number, (_, row, (least, _), _) in enumerate(reference[1], start=1):
            value = self._value(row)
            length = self.part_length(reference[2], number) or self._usual(value)
            parts.append((least > 0, value, length))
        return Composite(reference[2], tuple(parts))

    def _usual(self, value: Value) -> int:
        """The length that the data type itself has."""
        return LONGEST_NUMBER if value.type == "NM" and self.lengths.types else 0


class Lengths(msgspec.Struct, frozen=True):
    """The most characters of fields by segment, and of components by data type (from 2.5 on)."""

    segments: Mapping[str, tuple[int, ...]]
    types: Mapping[str, tuple[int, ...]]
    only_normative: bool


def _lengths_of(version: str) -> Lengths:
    rows = tomllib.loads((LENGTHS / f"{version}.toml").read_text("utf-8"))
    segments, types = (
        {
            name: tuple(0 if it == "-" else int(it) for it in text.split())
            for name, text in rows.get(part, {}).items()
        }
        for part in ("segments", "types")
    )
    return Lengths(segments, types, only_normative=version >= "2.7")


def _at(row: tuple[int, ...], number: int) -> int:
    return row[number - 1] if 0 < number <= len(row) else 0


def _rows(reference: Any) -> Any:
    """The fields of a segment; a segment that a version only has the name of has none."""
    return reference[1] if len(reference) > 1 else ()


_SEQUENCES = ("EHC_", "QBP_E", "RSP_E")
"""Beginnings of the groups of chapter 16: its abstract messages have groups in sequence and no
choice at all, which the tables say of some of them."""


def _group(name: str, reference: Any, cardinality: tuple[int, int]) -> Element:
    children = tuple(
        _group(child, nested, counts) if kind == "GRP" else _segment(child, counts)
        for child, nested, counts, kind in reference[1]
    )
    choice = reference[0] == "choice" and not name.startswith(_SEQUENCES)
    starts: set[str] = set()
    for child in children:
        starts |= child.starts
        if child.least and not choice:
            break
    return Element(name, *cardinality, children, choice, frozenset(starts))


def _segment(name: str, cardinality: tuple[int, int]) -> Element:
    return Element(name, *cardinality, starts=frozenset({name}))


@lru_cache(maxsize=len(MODULES))
def definitions_of(version: str) -> Definitions:
    """The tables of a version.

    Raises:
        ConfigurationError: the version has no tables.
    """
    if version not in MODULES:
        raise ConfigurationError(f"no tables of HL7 v{version}")
    return Definitions(importlib.import_module(MODULES[version]), _lengths_of(version))


def load_definitions() -> None:
    """Load the tables of every version, so that no message waits for them."""
    for version in MODULES:
        definitions_of(version)
