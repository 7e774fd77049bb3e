"""Local codes to national codes, as of the date of service.

The order of looking:

1. the site's own mapping, by code and, where its row names one, coding system;
2. the sender's word that the code is a national one (its coding system says so): the code has to
   be in the list, or to have its form where only a sample of the list is loaded;
3. the official crosswalk from the list that the sender names, else from the kind's default;
4. for diagnoses, the one entry of the list that has exactly this name after NFKC.

Equal strings are never taken as equal codes: 250 codes stand in both the clinical and the
insurance edition of ICD-10 with other meanings (reference: the crosswalk of edition 2.0). A
suggestion (a row without reviewer) never translates. Everything is indexed when the tables are
loaded, so that a translation is a look-up and a comparison of dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec

from mappings.codes.csvfile import Finding
from mappings.codes.kinds import KINDS, SYSTEMS, system_name, system_of
from mappings.codes.loader import NATIONAL, MappingKey, Tables, load_tables
from mappings.codes.tables import ListEntry, MappingRow, NationalList, alias_key
from mappings.codes.text import normalise_name
from mappings.codes.translation import (
    NO_MAPPING,
    InForce,
    Method,
    Reason,
    Translation,
    Unmapped,
    reason_of_rows,
    target_invalid,
    target_missing,
    unknown_system,
)


class _Candidate(NamedTuple):
    """A translation and the days on which it holds."""

    valid_from: date
    valid_to: date
    translation: Translation


_Index = Mapping[tuple[str, str, str], Sequence[_Candidate]]


class CodeBook:
    """The code tables of one catalogue; immutable, may be shared by all tasks."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._entries = _entries_by_system(tables)
        self._site = self._index_mappings(tables.mappings)
        self._crossed = self._index_crosswalks()
        self._names = self._index_names()

    @classmethod
    def load(cls, directories: Sequence[Path], catalogue: str) -> CodeBook:
        """The built-in lists, and the tables of the folders laid over them in their order.

        Args:
            directories: folders of CSV tables; a sub-folder named like the catalogue holds rows
                of that catalogue only.
            catalogue: name of the institution's set of tables; `default` needs no sub-folder.

        Raises:
            ConfigurationError: a table has a defect; names file and line.
        """
        return cls(load_tables(directories, catalogue))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should look at in the tables; it did not keep them from being used."""
        return tuple(self._tables.findings)

    @property
    def lists(self) -> tuple[NationalList, ...]:
        """The national lists that are loaded."""
        return tuple(self._tables.lists.values())

    def mappings(self) -> Iterator[MappingRow]:
        """Every row of the site's tables that is in force or in waiting, reviewed or not."""
        for rows in self._tables.mappings.values():
            yield from rows

    def in_force(self, kind: str, *, on: date) -> list[InForce]:
        """Every local code of a kind that translates on the date, by coding system and code.

        The site's rows, and those of the official crosswalks that no row of the site goes before.

        Raises:
            ValueError: `kind` is none of the five.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}")
        found: dict[tuple[str, str], InForce] = {}
        for (of, edition, code), rows in self._tables.mappings.items():
            for one in self._site[of, edition, code] if of == kind else ():
                if one.valid_from <= on <= one.valid_to:
                    named = next(r for r in rows if r.row.reference == one.translation.source_row)
                    name = named.row["local_name"]
                    found.setdefault((edition, code), InForce(code, name, edition, *one))
        for (edition, to_list), crossings in self._tables.crosswalks.items():
            if kind not in self._tables.kinds_of(to_list):
                continue
            compact = KINDS[kind].systems[0].compact
            for crossing in crossings:
                code = crossing.from_code.strip()
                if ("", code) in found:
                    continue
                for one in self._crossed.get((kind, edition, compact(code)), ()):
                    if one.valid_from <= on <= one.valid_to:
                        name = crossing.row["from_name"]
                        found.setdefault((edition, code), InForce(code, name, edition, *one))
        return [found[key] for key in sorted(found)]

    def entries(self, system: str, *, on: date) -> list[ListEntry]:
        """The codes of a national list (name of its code system) that `entry` knows on the date."""
        every = (self.entry(of, code, on=on) for of, code in self._entries if of == system)
        return sorted((one for one in every if one), key=lambda entry: entry.code)

    def entry(self, system: str, code: str, *, on: date) -> ListEntry | None:
        """The entry of a national code (`system`: name of a code system) valid on the date."""
        for entry in self._entries.get((system, SYSTEMS[system].compact(code)), ()):
            if entry.valid_from <= on <= entry.valid_to:
                return entry
        return None

    def translate(
        self, kind: str, code: str, *, on: date, name: str = "", system: str = ""
    ) -> Translation:
        """The national code of a local code.

        Args:
            kind: `item`, `diagnosis`, `operation`, `physician` or `department`.
            code: the code as the sender wrote it.
            on: date of service.
            name: the sender's name of it, compared only for diagnoses.
            system: the sender's name of the coding system, empty when it gave none.

        Raises:
            Unmapped: no row leads to a national code on that date.
            ValueError: `kind` is none of the five.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}")
        local = code.strip()
        edition = self._tables.edition(system) if system else ""
        found = self._from_site(kind, local, edition, system, on)
        if found is None and edition is not None:
            found = self._from_lists(kind, local, edition, name, on)
        if found is None and kind == "diagnosis" and name:
            found = _pick_only(self._names.get(normalise_name(name), ()), on)
        if found is None:
            raise Unmapped(kind, local, self._reason(kind, local, edition, system, on))
        return found

    def _site_keys(
        self, kind: str, local: str, edition: str | None, system: str
    ) -> Iterator[MappingKey]:
        """Where the site's rows of a code may stand: of its coding system, then of any."""
        if edition is None:
            yield kind, alias_key(system), local
        else:
            yield kind, edition or self._tables.defaults.get(kind, ""), local
        yield kind, "", local

    def _from_site(
        self, kind: str, local: str, edition: str | None, system: str, on: date
    ) -> Translation | None:
        for key in self._site_keys(kind, local, edition, system):
            found = _pick(self._site.get(key, ()), on)
            if found is not None:
                return found
        return None

    def _from_lists(
        self, kind: str, local: str, edition: str, name: str, on: date
    ) -> Translation | None:
        source = edition or self._tables.defaults.get(kind, "")
        if not source:
            return None
        if source == NATIONAL or kind in self._tables.kinds_of(source):
            found = self._stated(kind, local, source, name, on)
            if found is not None:
                return found
        compact = KINDS[kind].systems[0].compact
        return _pick(self._crossed.get((kind, source, compact(local)), ()), on)

    def _stated(
        self, kind: str, local: str, edition: str, name: str, on: date
    ) -> Translation | None:
        """The code itself, because the sender says that it is a national one."""
        module = system_of(kind, local)
        if module is None:
            return None
        system, code = system_name(module), module.compact(local)
        entries = self._entries.get((system, code), ())
        for entry in entries:
            if entry.valid_from <= on <= entry.valid_to and edition in {NATIONAL, entry.edition}:
                return _translation(entry, Method.NATIONAL, entry.row.reference)
        if entries or self._complete(system, edition):
            return None
        caty = code if kind == "department" else ""
        return Translation(code=code, name=name, method=Method.NATIONAL, system=system, caty=caty)

    def _complete(self, system: str, edition: str) -> bool:
        return any(
            known.complete and known.system == system and edition in {NATIONAL, known.edition}
            for known in self._tables.lists.values()
        )

    def _reason(self, kind: str, local: str, edition: str | None, system: str, on: date) -> Reason:
        rows = [
            row
            for key in self._site_keys(kind, local, edition, system)
            for row in self._tables.mappings.get(key, ())
        ]
        reason = reason_of_rows(rows, on)
        if reason is not None:
            return reason
        if edition is None:
            return unknown_system(system)
        source = edition or self._tables.defaults.get(kind, "")
        return self._reason_of_lists(kind, local, source, on) or NO_MAPPING

    def _reason_of_lists(self, kind: str, local: str, source: str, on: date) -> Reason | None:
        module = system_of(kind, local)
        if module and (source == NATIONAL or kind in self._tables.kinds_of(source)):
            return self._reason_of_target(system_name(module), module.compact(local), source, on)
        compact = KINDS[kind].systems[0].compact
        for (from_list, to_list), rows in self._tables.crosswalks.items():
            if from_list != source or kind not in self._tables.kinds_of(to_list):
                continue
            for row in rows:
                if compact(row.from_code) == compact(local):
                    system = self._tables.lists[to_list].system
                    return self._reason_of_target(system, compact(row.to_code), to_list, on)
        return None

    def _reason_of_target(self, system: str, code: str, edition: str, on: date) -> Reason:
        entries = self._entries.get((system, code), ())
        if any(edition in {NATIONAL, entry.edition} for entry in entries):
            return target_invalid(code, on)
        return target_missing(code, edition)

    def _index_mappings(self, mappings: Mapping[MappingKey, Sequence[MappingRow]]) -> _Index:
        return {
            key: [candidate for row in rows if row.reviewed for candidate in self._candidates(row)]
            for key, rows in mappings.items()
        }

    def _candidates(self, row: MappingRow) -> Iterator[_Candidate]:
        """The row with the entries of its national code, on the days that both are valid.

        Raises:
            ConfigurationError: the code is in no list and the row has no name for it, or a
                complete list does not have it.
        """
        module = system_of(row.kind, row.national_code)
        assert module is not None  # the loader refused any other row
        system = system_name(module)
        entries = self._entries.get((system, row.national_code), ())
        if not entries:
            if any(known.complete and known.system == system for known in self.lists):
                raise row.row.error(
                    f"national_code {row.national_code} is not in the {system} list"
                )
            yield _Candidate(
                row.valid_from,
                row.valid_to,
                Translation(
                    code=row.national_code,
                    name=row.row.need("national_name"),
                    method=Method.SITE,
                    source_row=row.row.reference,
                    caty=row.caty,
                    system=system,
                    relation=row.row["relation"] or "equivalent",
                ),
            )
        for entry in entries:
            self._compare_names(row, entry)
            start, end = max(row.valid_from, entry.valid_from), min(row.valid_to, entry.valid_to)
            found = msgspec.structs.replace(
                _translation(entry, Method.SITE, row.row.reference, caty=row.caty),
                relation=row.row["relation"] or "equivalent",
            )
            yield _Candidate(start, end, found)

    def _compare_names(self, row: MappingRow, entry: ListEntry) -> None:
        stated = row.national_name
        if stated and normalise_name(stated) != normalise_name(entry.name):
            self._tables.findings.append(
                Finding(
                    row.row.file,
                    row.row.line,
                    f"{entry.code} 在目录中的名称为“{entry.name}”，不是“{stated}”；以目录为准",
                    f"the list calls {entry.code} {entry.name!r}, not {stated!r}: its name is sent",
                )
            )

    def _index_crosswalks(self) -> _Index:
        index: dict[tuple[str, str, str], list[_Candidate]] = {}
        for (from_list, to_list), rows in self._tables.crosswalks.items():
            system = self._tables.lists[to_list].system
            compact = SYSTEMS[system].compact
            for kind in self._tables.kinds_of(to_list):
                for row in rows:
                    index[kind, from_list, compact(row.from_code)] = [
                        _Candidate(
                            entry.valid_from,
                            entry.valid_to,
                            _translation(entry, Method.CROSSWALK, row.row.reference),
                        )
                        for entry in self._entries.get((system, compact(row.to_code)), ())
                        if entry.edition == to_list
                    ]
        return index

    def _index_names(self) -> Mapping[str, Sequence[_Candidate]]:
        index: dict[str, list[_Candidate]] = {}
        systems = {system_name(module) for module in KINDS["diagnosis"].systems}
        for entries in self._entries.values():
            for entry in entries:
                if entry.system in systems:
                    found = _translation(entry, Method.NAME, entry.row.reference)
                    index.setdefault(normalise_name(entry.name), []).append(
                        _Candidate(entry.valid_from, entry.valid_to, found)
                    )
        return index


def _entries_by_system(tables: Tables) -> dict[tuple[str, str], list[ListEntry]]:
    entries: dict[tuple[str, str], list[ListEntry]] = {}
    for known in tables.lists.values():
        for entry in known.entries:
            entries.setdefault((entry.system, entry.code), []).append(entry)
    return entries


def _translation(
    entry: ListEntry, method: Method, source_row: str, *, caty: str = ""
) -> Translation:
    return Translation(
        code=entry.code,
        name=entry.name,
        method=method,
        source_row=source_row,
        gray=entry.gray,
        caty=caty,
        system=entry.system,
    )


def _pick(candidates: Iterable[_Candidate], on: date) -> Translation | None:
    for candidate in candidates:
        if candidate.valid_from <= on <= candidate.valid_to:
            return candidate.translation
    return None


def _pick_only(candidates: Iterable[_Candidate], on: date) -> Translation | None:
    """The translation when all that are valid on the date lead to one code."""
    valid = [item.translation for item in candidates if item.valid_from <= on <= item.valid_to]
    return valid[0] if len({found.code for found in valid}) == 1 else None
