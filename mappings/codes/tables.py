"""The four forms of code tables, told apart by their columns.

- national list: metadata `system` (a code system of this package), `edition`, `complete`;
  columns code, name, gray, valid_from, valid_to, note;
- crosswalk: from_list, from_code, from_name, to_list, to_code, to_name, note;
- mapping of a site: see `MAPPING_COLUMNS`;
- names of coding systems: alias, edition, kind, note.

docs/reference/codes.md describes every column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from mappings.codes.csvfile import Finding, Row, Table, read_table
from mappings.codes.kinds import (
    KINDS,
    SYSTEMS,
    list_type_agrees,
    shape_error,
    system_of,
)
from mappings.codes.text import private_use

LIST_COLUMNS: Final = ("code", "name")
LIST_OPTIONAL: Final = ("gray", "valid_from", "valid_to", "note")
CROSSWALK_COLUMNS: Final = ("from_list", "from_code", "to_list", "to_code")
CROSSWALK_OPTIONAL: Final = ("from_name", "to_name", "note")
ALIAS_COLUMNS: Final = ("alias", "edition")
ALIAS_OPTIONAL: Final = ("kind", "note")
MAPPING_COLUMNS: Final = (
    "kind",
    "local_code",
    "local_name",
    "national_code",
    "national_name",
    "valid_from",
    "valid_to",
    "source",
    "reviewer",
    "reviewed_on",
)
MAPPING_OPTIONAL: Final = ("system", "caty", "list_type", "relation", "author", "note")
RELATIONS: Final = frozenset(
    {
        "equivalent",
        "source-is-narrower-than-target",
        "source-is-broader-than-target",
        "related-to",
    }
)
"""Relations of FHIR R5 ConceptMap that may settle; `not-related-to` is no mapping."""

_SEPARATORS: Final = re.compile(r"[\s\-_]+")


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A code of a national list."""

    system: str
    edition: str
    code: str
    name: str
    gray: bool
    valid_from: date
    valid_to: date
    row: Row


@dataclass(frozen=True, slots=True)
class NationalList:
    """An edition of a list. `complete` is false for a sample: absence then proves nothing."""

    system: str
    edition: str
    complete: bool
    entries: tuple[ListEntry, ...]


@dataclass(frozen=True, slots=True)
class CrosswalkRow:
    """An official correspondence of two lists."""

    from_list: str
    from_code: str
    to_list: str
    to_code: str
    row: Row


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A site's own correspondence; without a reviewer it is a suggestion and never translates."""

    kind: str
    local_code: str
    system: str
    national_code: str
    national_name: str
    caty: str
    valid_from: date
    valid_to: date
    reviewed: bool
    row: Row


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of a coding system; with an empty `alias`, the default of `kind`."""

    alias: str
    kind: str
    edition: str


Parsed = NationalList | list[CrosswalkRow] | list[MappingRow] | list[Alias]


def alias_key(name: str) -> str:
    """A name of a coding system as it is compared; of an address the part after the last `/`.

    >>> alias_key("http://example.org/CodeSystem/ICD_10-yb")
    'icd10yb'
    """
    return _SEPARATORS.sub("", name.rstrip("/").rpartition("/")[2]).casefold()


def parse(path: Path, findings: list[Finding]) -> Parsed:
    """Read one file of any form; what a person should look at is added to `findings`.

    Raises:
        ConfigurationError: names file and line of the first defect.
    """
    table = read_table(path)
    columns = set(table.columns)
    if "local_code" in columns:
        return _mapping(table, findings)
    if "from_list" in columns:
        return list(_crosswalk(table, findings))
    if "alias" in columns:
        return list(_aliases(table))
    if "code" in columns:
        return _national_list(table, findings)
    raise table.error("the columns are of none of the known forms")


def _national_list(table: Table, findings: list[Finding]) -> NationalList:
    table.require(LIST_COLUMNS, LIST_OPTIONAL)
    system, edition = table.metadata.get("system", ""), table.metadata.get("edition", "")
    if system not in SYSTEMS:
        raise table.error(f"metadata 'system' {system!r} is none of {', '.join(sorted(SYSTEMS))}")
    if not edition:
        raise table.error("no metadata 'edition'")
    complete = table.metadata.get("complete", "no")
    if complete not in {"yes", "no"}:
        raise table.error(f"metadata 'complete' is {complete!r}, not yes or no")
    module, entries = SYSTEMS[system], []
    for row in table.rows:
        code = module.compact(row.code("code"))
        if not module.is_valid(code):
            raise row.error(f"{code!r} has not the form of a {system} code")
        if row["gray"] not in {"", "0", "1"}:
            raise row.error(f"gray is {row['gray']!r}, not 0 or 1")
        _look_at_name(row, "name", findings)
        start, end = row.validity()
        name, gray = row.need("name"), row["gray"] == "1"
        entries.append(ListEntry(system, edition, code, name, gray, start, end, row))
    return NationalList(system, edition, complete == "yes", tuple(entries))


def _crosswalk(table: Table, findings: list[Finding]) -> Iterator[CrosswalkRow]:
    table.require(CROSSWALK_COLUMNS, CROSSWALK_OPTIONAL)
    for row in table.rows:
        codes = row.code("from_code"), row.code("to_code")
        if "from_code" in row.trimmed or "to_code" in row.trimmed:
            findings.append(
                Finding(
                    row.file,
                    row.line,
                    f"编码前后有空格，已去除：{codes[0]} → {codes[1]}",
                    f"spaces around a code were removed: {codes[0]} → {codes[1]}",
                )
            )
        yield CrosswalkRow(row.need("from_list"), codes[0], row.need("to_list"), codes[1], row)


def _mapping(table: Table, findings: list[Finding]) -> list[MappingRow]:
    table.require(MAPPING_COLUMNS, MAPPING_OPTIONAL)
    return [_mapping_row(row, findings) for row in table.rows]


def _mapping_row(row: Row, findings: list[Finding]) -> MappingRow:
    kind = row.need("kind")
    if kind not in KINDS:
        raise row.error(f"unknown kind {kind!r}: it is one of {', '.join(KINDS)}")
    local, national = row.code("local_code"), row.code("national_code")
    row.need("source")
    system = system_of(kind, national)
    if system is None:
        raise row.error(f"national_code {shape_error(kind, national)}")
    code: str = system.compact(national)
    if row["list_type"] and not list_type_agrees(row["list_type"], code):
        raise row.error(f"list_type {row['list_type']} is no list of {code}")
    if (row["relation"] or "equivalent") not in RELATIONS:
        raise row.error(f"relation {row['relation']!r} is none of {', '.join(sorted(RELATIONS))}")
    if bool(row["reviewer"]) != bool(row["reviewed_on"]):
        raise row.error("reviewer and reviewed_on go together")
    _look_at_name(row, "national_name", findings)
    start, end = row.validity()
    return MappingRow(
        kind=kind,
        local_code=local,
        system=row["system"],
        national_code=code,
        national_name=row["national_name"],
        caty=row["caty"] or (code if kind == "department" else ""),
        valid_from=start,
        valid_to=end,
        reviewed=bool(row["reviewer"]),
        row=row,
    )


def _aliases(table: Table) -> Iterator[Alias]:
    table.require(ALIAS_COLUMNS, ALIAS_OPTIONAL)
    for row in table.rows:
        alias, kind = row["alias"], row["kind"]
        if kind and kind not in KINDS:
            raise row.error(f"unknown kind {kind!r}: it is one of {', '.join(KINDS)}")
        if not alias and not kind:
            raise row.error("a row without alias sets the default of a kind: kind is empty")
        yield Alias(alias_key(alias), kind, row["edition"])


def _look_at_name(row: Row, column: str, findings: list[Finding]) -> None:
    if private_use(row[column]):
        findings.append(
            Finding(
                row.file,
                row.line,
                "名称含自造字，可能丢失了生僻字",
                f"{column} has a private-use character: a rare character may have been lost",
            )
        )
