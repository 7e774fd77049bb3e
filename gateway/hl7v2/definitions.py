"""What HL7 says is valid, compiled from hl7apy's version tables into small structs.

The tables are the definition; what is made of them is only their flat form, so that a message is
checked in microseconds. A version is compiled when it is first needed and kept. 2.7.1 has no
tables of its own and is checked as 2.7. No version's tables state lengths, and 2.3 has no value
tables: there is nothing to check there.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType
from typing import Any

import msgspec

from gateway.errors import ConfigurationError

MODULES = {
    version: f"hl7apy.v{version.replace('.', '_')}"
    for version in ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
} | {"2.7.1": "hl7apy.v2_7"}
ANY_SEGMENT = "ANYHL7SEGMENT"
UNBOUNDED = -1


class Leaf(msgspec.Struct, frozen=True):
    """A value: its base data type, and the values it may have (None: any)."""

    type: str
    table: str = ""
    values: frozenset[str] | None = None


class Composite(msgspec.Struct, frozen=True):
    """A value of several parts: whether each is required, and what it is."""

    type: str
    parts: tuple[tuple[bool, Value], ...]


Value = Leaf | Composite


class FieldRule(msgspec.Struct, frozen=True):
    """A field of a segment: how often it may stand there, and what each repetition is."""

    number: int
    least: int
    most: int
    value: Value


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

    def __init__(self, module: ModuleType) -> None:
        self._module = module
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
        return () if reference is None else reference[1]

    def segment(self, name: str) -> tuple[FieldRule, ...] | None:
        """The fields of a segment; None when the version has none of that name."""
        if name not in self._segments:
            reference = self._module.SEGMENTS.get(name)
            self._segments[name] = None if reference is None else self._fields(reference)
        return self._segments[name]

    def datatype(self, name: str) -> Value | None:
        """A data type by its name (`CX`); None for one without parts and for one not known."""
        if name not in self._datatypes:
            parts = self._module.DATATYPES_STRUCTS.get(name)
            known = None if parts is None else self._value(("sequence", parts, name))
            self._datatypes[name] = known
        return self._datatypes[name]

    def _fields(self, reference: Any) -> tuple[FieldRule, ...]:
        return tuple(
            FieldRule(int(name.rpartition("_")[2]), least, most, self._value(value))
            for name, value, (least, most), _ in reference[1]
            if value is not None
        )

    def _value(self, reference: Any) -> Value:
        if reference[0] == "leaf":
            table = reference[4] or ""
            known = self._tables.get(table)
            return Leaf(reference[2] or "", table, frozenset(known[1]) if known else None)
        parts = tuple((least > 0, self._value(part)) for _, part, (least, _), _ in reference[1])
        return Composite(reference[2], parts)


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
    return Definitions(importlib.import_module(MODULES[version]))


def load_definitions() -> None:
    """Load the tables of every version, so that no message waits for them."""
    for version in MODULES:
        definitions_of(version)
