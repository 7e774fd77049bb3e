"""Tables of several folders laid over one another, and the checks that need more than one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError
from mappings.codes.csvfile import Finding, Row
from mappings.codes.kinds import KINDS, SYSTEMS, system_name
from mappings.codes.tables import (
    Alias,
    CrosswalkRow,
    MappingRow,
    NationalList,
    alias_key,
    parse,
)

BUILT_IN: Final = Path(__file__).with_name("data")
"""The sample lists, the crosswalk and the names of coding systems."""

NATIONAL: Final = "national"
"""The edition by which a system name says: a national code, of whatever list is valid."""

MappingKey = tuple[str, str, str]
"""Kind, coding system (empty: any), local code."""


@dataclass(slots=True)
class Tables:
    """What the files say, later folders over earlier ones.

    A later list replaces one of the same edition, a later crosswalk one between the same lists,
    and the rows of a later mapping all earlier rows of the same kind, system and local code.
    """

    lists: dict[str, NationalList] = field(default_factory=dict)
    crosswalks: dict[tuple[str, str], list[CrosswalkRow]] = field(default_factory=dict)
    mappings: dict[MappingKey, list[MappingRow]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def kinds_of(self, edition: str) -> list[str]:
        """The kinds whose national codes stand in this list."""
        if edition not in self.lists:
            return []
        system = self.lists[edition].system
        return [
            kind.name
            for kind in KINDS.values()
            if system in {system_name(module) for module in kind.systems}
        ]

    def edition(self, system: str) -> str | None:
        """The edition that a sender's system name means; None when the name is not known."""
        return self.aliases.get(alias_key(system))


def load_tables(directories: Sequence[Path], catalogue: str) -> Tables:
    """Read the built-in tables and those of the folders.

    Of each folder the CSV files apply to every catalogue; those in its sub-folder named like
    `catalogue` are laid over them.

    Raises:
        ConfigurationError: a folder is missing or a table has a defect.
    """
    tables = Tables()
    _lay_over(tables, BUILT_IN)
    if not catalogue or Path(catalogue).name != catalogue:
        raise ConfigurationError(f"catalogue {catalogue!r} is not the name of a folder")
    found = catalogue == "default"
    for directory in directories:
        if not directory.is_dir():
            raise ConfigurationError("is not a folder of code tables", file=str(directory))
        _lay_over(tables, directory)
        if (directory / catalogue).is_dir():
            found = True
            _lay_over(tables, directory / catalogue)
    if not found:
        raise ConfigurationError(f"no code folder has a sub-folder for catalogue {catalogue!r}")
    _check_crosswalks(tables)
    return tables


def _lay_over(tables: Tables, folder: Path) -> None:
    lists: dict[str, NationalList] = {}
    crosswalks: dict[tuple[str, str], list[CrosswalkRow]] = {}
    mappings: list[MappingRow] = []
    for path in sorted(folder.glob("*.csv")):
        parsed = parse(path, tables.findings)
        if isinstance(parsed, NationalList):
            _add_list(lists, parsed, path)
            continue
        for item in parsed:
            if isinstance(item, CrosswalkRow):
                crosswalks.setdefault((item.from_list, item.to_list), []).append(item)
            elif isinstance(item, MappingRow):
                mappings.append(item)
            else:
                _add_alias(tables, item)
    for edition in lists.values():
        _refuse_overlaps(
            (entry.code, entry.valid_from, entry.valid_to, entry.row) for entry in edition.entries
        )
    tables.lists.update(lists)
    tables.crosswalks.update(crosswalks)
    tables.mappings.update(_by_key(tables, mappings))


def _add_list(lists: dict[str, NationalList], new: NationalList, path: Path) -> None:
    """A list may stand in several files of a folder."""
    old = lists.get(new.edition)
    if old is None:
        lists[new.edition] = new
        return
    if old.system != new.system or old.complete != new.complete:
        raise ConfigurationError(
            f"edition {new.edition} is of another system or completeness in another file",
            file=str(path),
        )
    lists[new.edition] = NationalList(
        new.system, new.edition, new.complete, old.entries + new.entries
    )


def _add_alias(tables: Tables, alias: Alias) -> None:
    if alias.alias:
        tables.aliases[alias.alias] = alias.edition
    else:
        tables.defaults[alias.kind] = alias.edition


def _by_key(tables: Tables, rows: list[MappingRow]) -> dict[MappingKey, list[MappingRow]]:
    grouped: dict[MappingKey, list[MappingRow]] = {}
    for row in rows:
        edition = tables.edition(row.system) if row.system else ""
        if edition is None:
            edition = alias_key(row.system)
        grouped.setdefault((row.kind, edition, row.local_code), []).append(row)
    for same in grouped.values():
        _refuse_overlaps((row.local_code, row.valid_from, row.valid_to, row.row) for row in same)
    return grouped


def _refuse_overlaps(rows: Iterable[tuple[str, date, date, Row]]) -> None:
    """Raise where two rows of one code are valid on the same day."""
    last: dict[str, tuple[date, Row]] = {}
    for code, start, end, row in sorted(rows, key=lambda item: (item[0], item[1])):
        if code in last and start <= last[code][0]:
            other = last[code][1]
            raise row.error(
                f"{code!r} is valid on the same days in line {other.line} of"
                f" {Path(other.file).name}"
            )
        last[code] = (end, row)


def _check_crosswalks(tables: Tables) -> None:
    """Note the targets that are not in the list they name: such a row is not used.

    Raises:
        ConfigurationError: a crosswalk leads to a list that is not loaded, or gives one code two
            targets.
    """
    for (_, to_list), rows in tables.crosswalks.items():
        if to_list not in tables.lists:
            raise rows[0].row.error(f"to_list {to_list!r} is no loaded list")
        compact = SYSTEMS[tables.lists[to_list].system].compact
        known = {entry.code for entry in tables.lists[to_list].entries}
        targets: dict[str, str] = {}
        for row in rows:
            source, target = compact(row.from_code), compact(row.to_code)
            if targets.setdefault(source, target) != target:
                raise row.row.error(f"{source!r} has two targets: {targets[source]} and {target}")
            if target not in known:
                tables.findings.append(
                    Finding(
                        row.row.file,
                        row.row.line,
                        f"目标编码 {target} 不在{to_list}目录中，该行不使用",
                        f"the target {target} is not in {to_list}: the row is not used",
                    )
                )
