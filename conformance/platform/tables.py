"""The data files of the platform: catalogue, policies, persons and insurance rows.

The treatment place's catalogue and the insured place's policy meet here (reference:
cross-province, section 7): `Catalogue.item` is asked for the region of the hospital,
`Policies.terms` for the pooling region of the person.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

import mappings.codes
from conformance.platform.benefits import CLASS_C, Item, Supplement, Terms
from gateway.errors import ConfigurationError

DATA = Path(__file__).parent / "data"

OTHER_FEES = "14"
"""`med_chrgitm_type` of an item that the catalogue does not list."""

_LEVELS = {
    **dict.fromkeys(("1", "2", "3", "4", "12"), "3"),
    **dict.fromkeys(("5", "6", "7", "13"), "2"),
    **dict.fromkeys(("8", "9", "10", "11", "14"), "1"),
}
"""`hosp_lv` to the level (3, 2, 1) that ceilings and policies are written for."""


def level_of(hosp_lv: str) -> str:
    """The level of an institution: 3, 2 or 1; one without a known grade counts as 1."""
    return _LEVELS.get(hosp_lv.lstrip("0"), "1")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a heading, with their line numbers; `#` starts a comment line.

    Raises:
        ConfigurationError: the file cannot be read, or a row is not as wide as the heading.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {error}", file=str(path)) from error
    numbered = [(n, text) for n, text in enumerate(lines, 1) if text and not text.startswith("#")]
    if not numbered:
        raise ConfigurationError("no heading", file=str(path))
    parsed = list(csv.reader(text for _, text in numbered))
    heading = parsed[0]
    for (number, _), row in zip(numbered[1:], parsed[1:], strict=True):
        if len(row) != len(heading):
            raise ConfigurationError(
                f"{len(row)} columns where the heading has {len(heading)}",
                file=str(path),
                line=number,
            )
        yield number, dict(zip(heading, row, strict=True))


@cache
def gray_codes() -> frozenset[str]:
    """Diagnoses that a settlement list does not take as principal (灰码), as far as listed."""
    path = Path(mappings.codes.__file__).parent / "data" / "disease.csv"
    return frozenset(row["code"] for _, row in read_rows(path) if row["gray"] == "1")


class CatalogueRow:
    """One row of the catalogue, for every level of hospital."""

    def __init__(self, row: dict[str, str]) -> None:
        self.code = row["code"]
        self.name = row["name"]
        self.list_type = row["list_type"]
        self._items = {
            level: Item(
                chrgitm_lv=row["chrgitm_lv"],
                med_chrgitm_type=row["med_chrgitm_type"],
                selfpay_prop=Decimal(row["selfpay_prop"]),
                ceiling=Decimal(row[f"uplmt_{level}"] or "0"),
                restricted=row["lmt_used_flag"] == "1",
            )
            for level in ("3", "2", "1")
        }

    def item(self, level: str) -> Item:
        """The item on a hospital of the level 3, 2 or 1."""
        return self._items[level]


class Catalogue:
    """The items a region pays for; a row of the region goes before the general one."""

    EVERYWHERE = "*"

    def __init__(self, rows: dict[tuple[str, str], CatalogueRow]) -> None:
        self._rows = rows

    @classmethod
    def load(cls, path: Path = DATA / "catalogue.csv") -> Catalogue:
        """Read the table.

        Raises:
            ConfigurationError: a row is wrong; names file and line.
        """
        rows: dict[tuple[str, str], CatalogueRow] = {}
        for number, row in read_rows(path):
            try:
                rows[row["region"], row["code"]] = CatalogueRow(row)
            except (KeyError, InvalidOperation) as error:
                raise ConfigurationError(
                    f"wrong row: {error!r}", file=str(path), line=number
                ) from error
        return cls(rows)

    def row(self, region: str, code: str) -> CatalogueRow | None:
        """The row of a national code at a treatment place."""
        return self._rows.get((region, code)) or self._rows.get((self.EVERYWHERE, code))

    def listed(self, region: str) -> list[CatalogueRow]:
        """Every row that holds at a treatment place, by code."""
        codes = {code for where, code in self._rows if where in (region, self.EVERYWHERE)}
        return [row for code in sorted(codes) if (row := self.row(region, code)) is not None]

    def item(self, region: str, code: str, level: str) -> Item:
        """The item; one that is not listed is paid by the person in full."""
        row = self.row(region, code)
        if row is not None:
            return row.item(level)
        return Item(
            chrgitm_lv=CLASS_C,
            med_chrgitm_type=OTHER_FEES,
            selfpay_prop=Decimal(1),
            memo="未在医保目录内，按全自费处理",
        )


class Policies:
    """What each pooling region pays, by insurance type, setting, hospital level and age."""

    def __init__(self, document: dict[str, Any], file: str) -> None:
        self._document = document
        self._file = file

    @classmethod
    def load(cls, path: Path = DATA / "policies.toml") -> Policies:
        """Read the table and work out every entry once.

        Raises:
            ConfigurationError: the file or an entry is wrong.
        """
        try:
            policies = cls(tomllib.loads(path.read_text("utf-8")), str(path))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(str(error), file=str(path)) from error
        for pool, kinds in policies._document.items():
            for insutype in kinds:
                for setting in ("outpatient", "inpatient"):
                    for level in ("3", "2", "1"):
                        policies.terms(pool, insutype, setting, level, age=0)
        return policies

    def covers(self, pool: str, insutype: str) -> bool:
        """True when the pooling region has a policy for the insurance type."""
        return insutype in self._document.get(pool, {})

    def terms(self, pool: str, insutype: str, setting: str, level: str, *, age: int) -> Terms:
        """The terms of one settlement; `setting` is outpatient or inpatient, `age` in years.

        Raises:
            ConfigurationError: there is no such policy, or it is written wrongly.
        """
        try:
            policy = self._document[pool][insutype]
            kind = policy[setting]
            ratio = Decimal(kind["ratio"][level][0][1])
            for from_age, share in kind["ratio"][level]:
                if age >= from_age:
                    ratio = Decimal(share)
            extra = policy.get("supplement")
            return Terms(
                fund=kind["fund"],
                fund_name=kind["fund_name"],
                deductible=Decimal(kind["deductible"][level]),
                ratio=ratio,
                cap=Decimal(policy["annual_cap"]),
                supplement=None
                if extra is None
                else Supplement(
                    field=extra["field"],
                    fund=extra["fund"],
                    name=extra["name"],
                    ratio=Decimal(extra["ratio"]),
                ),
                account_parts=frozenset(policy.get("account_parts", ())),
            )
        except (KeyError, IndexError, TypeError, InvalidOperation) as error:
            raise ConfigurationError(
                f"no policy, or a wrong one, for {pool}.{insutype}.{setting}, "
                f"level {level}: {error!r}",
                file=self._file,
            ) from error
