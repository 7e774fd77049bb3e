"""Regions, pooling rules and the files that hold them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from mappings.codes import region as region_code
from mappings.codes.csvfile import OPEN_END, OPEN_START, Row, Table, read_table

BUILT_IN: Final = Path(__file__).parent

_SCOPE: Final = re.compile(r"\*|\d{2}|\d{6}", re.ASCII)
_INSUTYPE: Final = re.compile(r"\*|\d{3,6}", re.ASCII)
_POOL_KINDS: Final = frozenset({"province-direct", "non-GB city-level unit"})
_EXTENSION_COLUMNS: Final = ("code", "name", "level", "parent", "kind", "evidence")
_POOLING_COLUMNS: Final = ("scope", "insutype", "valid_from", "valid_to", "level", "evidence")


class PoolLevel(StrEnum):
    """At which level a fund is pooled."""

    PROVINCE = "province"
    PREFECTURE = "prefecture"
    SELF = "self"
    """The region is a pool of its own."""


@dataclass(frozen=True, slots=True)
class Region:
    """A region of GB/T 2260 or one that only the insurance knows.

    `level`: nation, province, prefecture, county, pool, division, special or virtual. `parent` is
    empty above the provinces. `pool` marks one that is a pooling region wherever its province
    does not pool as a whole. Both dates are inclusive; only years of changes are known, so an old
    and a new code are both valid in the year of the change.
    """

    code: str
    name: str
    level: str
    parent: str
    kind: str = ""
    pool: bool = False
    valid_from: date = OPEN_START
    valid_to: date = OPEN_END


@dataclass(frozen=True, slots=True)
class PoolingRule:
    """Who pools at which level, from when to when.

    `scope` is a province (two digits), a region (six) or `*`; `insutype` an insurance type or
    `*`. `evidence`: S seen in public source or messages, P on a public page, B not confirmed.
    """

    scope: str
    insutype: str
    valid_from: date
    valid_to: date
    level: PoolLevel
    evidence: str
    row: Row


@dataclass(slots=True)
class RegionData:
    """What the files say."""

    regions: dict[str, Region] = field(default_factory=dict)
    successors: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Retired code -> year of its end and the code that took its place (empty: none known)."""
    aliases: dict[str, str] = field(default_factory=dict)
    rules: dict[tuple[str, str], list[PoolingRule]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Scope and insurance type -> rules, those of later files first."""


def load_region_data(files: Sequence[Path]) -> RegionData:
    """Read the built-in tables and lay the files over them.

    A file has the columns of pooling.csv (rules) or those of regions-hi-ext.csv (regions).

    Raises:
        ConfigurationError: a file cannot be read or a row has a defect.
    """
    data = RegionData()
    data.regions.update(_built_in_regions())
    _read_retired(data)
    _add_extensions(data, read_table(BUILT_IN / "regions-hi-ext.csv"))
    for row in read_table(BUILT_IN / "aliases.csv").rows:
        data.aliases[_code(row, "alias")] = _code(row, "code")
    _add_rules(data, read_table(BUILT_IN / "pooling.csv"))
    for path in files:
        table = read_table(path)
        if "scope" in table.columns:
            _add_rules(data, table)
        else:
            _add_extensions(data, table)
    return data


@cache
def _built_in_regions() -> Mapping[str, Region]:
    """The regions of today by code; they belong to the program and are read once in a process."""
    since = {
        row["code"]: date(int(row["year"]), 1, 1)
        for row in read_table(BUILT_IN / "regions-new.csv").rows
    }
    return {
        row["code"]: Region(
            row["code"],
            row["name"],
            row["level"],
            row["parent"],
            valid_from=since.get(row["code"], OPEN_START),
        )
        for row in read_table(BUILT_IN / "regions.csv").rows
    }


def _read_retired(data: RegionData) -> None:
    """Rows that keep their code are renamings and lead nowhere."""
    for row in read_table(BUILT_IN / "regions-retired.csv").rows:
        old, new, year = row["old_code"], row["new_code"], int(row["year"])
        if old == new:
            continue
        data.successors[old] = (year, new)
        data.regions.setdefault(
            old,
            Region(
                old,
                row["old_name"],
                "prefecture" if old.endswith("00") else "county",
                "",
                kind="retired",
                valid_to=date(year, 12, 31),
            ),
        )


def _add_extensions(data: RegionData, table: Table) -> None:
    table.require(_EXTENSION_COLUMNS)
    for row in table.rows:
        code = row.need("code") if row["kind"] == "nation" else _code(row, "code")
        data.regions[code] = Region(
            code,
            row.need("name"),
            row.need("level"),
            row["parent"],
            kind=row["kind"],
            pool=row["kind"] in _POOL_KINDS,
        )


def _add_rules(data: RegionData, table: Table) -> None:
    table.require(_POOLING_COLUMNS, ("note",))
    layer: dict[tuple[str, str], list[PoolingRule]] = defaultdict(list)
    for row in table.rows:
        rule = _rule(row)
        same = layer[rule.scope, rule.insutype]
        _refuse_overlap(rule, same)
        same.append(rule)
    for key, rules in layer.items():
        data.rules[key][:0] = rules


def _rule(row: Row) -> PoolingRule:
    scope, insutype = row.need("scope"), row.need("insutype")
    if not _SCOPE.fullmatch(scope):
        raise row.error(f"scope {scope!r} is not a province (2 digits), a region (6) or *")
    if not _INSUTYPE.fullmatch(insutype):
        raise row.error(f"insutype {insutype!r} is not a number of 3 to 6 digits or *")
    if row["level"] not in set(PoolLevel):
        raise row.error(f"level {row['level']!r} is none of {', '.join(PoolLevel)}")
    start, end = row.validity()
    return PoolingRule(
        scope, insutype, start, end, PoolLevel(row["level"]), row.need("evidence"), row
    )


def _refuse_overlap(rule: PoolingRule, others: Iterable[PoolingRule]) -> None:
    for other in others:
        if rule.valid_from <= other.valid_to and other.valid_from <= rule.valid_to:
            raise rule.row.error(
                f"the rule of {rule.scope} {rule.insutype} is valid on the same days"
                f" as that in line {other.row.line}"
            )


def _code(row: Row, column: str) -> str:
    code = row.need(column)
    if not region_code.is_valid(code):
        raise row.error(f"{column} {code!r} is no region code")
    return code
