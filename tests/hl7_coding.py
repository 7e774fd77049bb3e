"""Codes of a message that are in no table of HL7: what the validator lets sites extend as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.hl7v2.definitions import definitions_of
from gateway.hl7v2.reader import Document, Segment

NEWEST = "2.8.2"
"""Tables of chapter 16 that 2.6 has no values of are those of later versions."""
CODED = frozenset({"CE", "CWE", "CNE", "CF"})
"""Types whose first component is a code of the field's table, unless the third names another."""
OF_THE_SITE = {
    "HL70203": "CX.5: types of identifiers, which the settings of a peer name",
    "HL70211": "MSH-18 comes back as it was sent; before 2.5 the table has no UTF-8",
    "HL70281": "RF1-3: the national type of a transfer",
    "HL70282": "RF1-4: comes back as it was asked",
    "HL70336": "RF1-10: comes back as it was asked",
    "HL70338": "PRD-7: comes back as it was asked",
    "HL70396": "coding systems: HL7 and the number of a table is one",
    "HL70556": "IVC-25: the national type of insurance, which is the benefit group of a settlement",
}
"""Tables that the standard leaves to the site, and what is written of them."""


def foreign_codes(document: Document) -> list[tuple[str, str, str]]:
    """Place, table and code of every value that its table does not have."""
    version = document.segments[0].get(12, 1)
    return [
        (f"{segment.name}[{segment.occurrence}]-{number}", table, code)
        for segment in document.segments
        for number, table, code in _codes(segment, version)
        if (known := _values(version, table)) and code not in known and table not in OF_THE_SITE
    ]


def _values(version: str, table: str) -> list[str]:
    for one in (version, NEWEST):
        known = definitions_of(one).raw_table(table)
        if known:
            return list(known)
    return []


def _codes(segment: Segment, version: str) -> Iterator[tuple[int, str, str]]:
    """Number, table and code of every field, and component of one, that has a table."""
    rows: Any = definitions_of(version).raw_segment(segment.name)
    for name, reference, _, _ in rows:
        number = int(name.rpartition("_")[2])
        if reference is None or (segment.name == "MSH" and number <= 2):
            continue
        for raw in segment.repetitions(number):
            yield from ((number, *found) for found in _coded(segment, raw, reference))


def _coded(segment: Segment, raw: str, reference: Any) -> Iterator[tuple[str, str]]:
    kind, parts, data_type, _, table, *_ = reference
    texts = [segment.data(it) for it in raw.split(segment.delimiters.component)]
    if kind == "leaf" or parts is None:
        if table and texts[0]:
            yield table, texts[0]
        return
    if table and data_type in CODED and texts[0]:
        system = texts[2] if len(texts) > 2 else ""
        if not system or system == table:
            yield table, texts[0]
    for text, (_, inner, _, _) in zip(texts, parts, strict=False):
        if text and inner is not None and inner[0] == "leaf" and inner[4]:
            yield inner[4], text
