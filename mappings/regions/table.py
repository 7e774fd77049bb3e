"""Which pooling region a code belongs to, and how far from home a patient is treated.

The interface leaves pooling to data: rules with dates, regions that are pools of their own, codes
that name the same place (docs/reference/regions.md). A code is only interpreted for the decision;
what is sent is always the code that the insurance row of the person has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple

from mappings.codes import region as region_code
from mappings.codes.text import is_province
from mappings.regions.model import PoolingRule, PoolLevel, Region, RegionData, load_region_data

RouteClass = Literal["local", "in-province", "cross-province"]

_LONGEST_CHAIN: Final = 8
"""Codes that a retired one is followed through; the longest real chain has two."""


class RegionCause(StrEnum):
    """Why a code is no region."""

    EMPTY = "empty"
    FORM = "form"
    """Not six digits."""
    PROVINCE = "province"
    """The first two digits are no province."""


class RegionError(LookupError):
    """A text that cannot be taken as a region; both texts are safe to show and to log."""

    def __init__(self, cause: RegionCause, zh: str, en: str) -> None:
        self.cause, self.zh, self.en = cause, zh, en
        super().__init__(en)


class Remark(NamedTuple):
    """Something to tell about a code that is accepted."""

    zh: str
    en: str


class RegionTable:
    """Regions, retired codes, aliases and pooling rules; immutable after loading."""

    def __init__(self, data: RegionData) -> None:
        self._data = data

    @classmethod
    def load(cls, files: Sequence[Path] = ()) -> RegionTable:
        """The built-in tables with the files laid over them in their order.

        Raises:
            ConfigurationError: a file cannot be read or a row has a defect.
        """
        return cls(load_region_data(files))

    def region(self, code: str) -> Region | None:
        """The region of a code, current, retired or known to the insurance only."""
        return self._data.regions.get(code)

    def check(self, code: str) -> None:
        """Accept six digits of a known province.

        Raises:
            RegionError: the code is empty, has another form, or is of no province.
        """
        if not code:
            raise RegionError(RegionCause.EMPTY, "医保区划为空", "the region is empty")
        if not region_code.PATTERN.fullmatch(code):
            raise RegionError(
                RegionCause.FORM,
                f"医保区划“{code[:12]}”不是6位数字",
                f"the region {code[:12]!r} is not six digits",
            )
        if not is_province(code[:2]):
            raise RegionError(
                RegionCause.PROVINCE,
                f"医保区划“{code}”不属于任何省份",
                f"the region {code} is of no province",
            )

    def remarks(self, code: str, on: date) -> list[Remark]:
        """What is unusual about an accepted code on a date: unknown, retired, not yet valid."""
        region = self._data.regions.get(code)
        if region is None:
            zh = f"医保区划 {code} 不在区划表中，按省份和前四位处理"
            en = f"the region {code} is not in the table: taken by province and first four digits"
            return [Remark(zh, en)]
        if on > region.valid_to:
            _, new = self._data.successors[code]
            zh = f"医保区划 {code} 已于 {region.valid_to.year} 年停用"
            en = f"the region {code} was retired in {region.valid_to.year}"
            if new:
                zh, en = f"{zh}，由 {new} 接替", f"{en}; {new} took its place"
            return [Remark(zh, en)]
        if on < region.valid_from:
            zh = f"医保区划 {code} 自 {region.valid_from.year} 年起使用"
            en = f"the region {code} exists since {region.valid_from.year}"
            return [Remark(zh, en)]
        return []

    def canonical(self, code: str, on: date) -> str:
        """The code by which the place is judged on a date: retired codes and aliases followed.

        A code stands to the end of the year in which it was retired, because only the year is
        known. A code without known successor stands for itself.
        """
        for _ in range(_LONGEST_CHAIN):
            year, successor = self._data.successors.get(code, (on.year, ""))
            if successor and on.year > year:
                code = successor
            elif code in self._data.aliases:
                code = self._data.aliases[code]
            else:
                break
        return code

    def pool_of(self, code: str, insutype: str, on: date) -> str:
        """The pooling region (统筹区) of a region for an insurance type on a date.

        In this order: a rule for the region itself; a province that pools as a whole; a region
        that is a pool of its own (scheme run by a province, special unit, county directly under
        a province); the prefecture.

        Raises:
            RegionError: the code is empty, has another form, or is of no province.
        """
        self.check(code)
        place = self.canonical(code, on)
        level = self._level(place, insutype, on)
        if level is PoolLevel.PROVINCE:
            return f"{place[:2]}0000"
        if level is PoolLevel.SELF or self._is_pool(place):
            return place
        region = self._data.regions.get(place)
        prefecture = region.parent if region and region.level == "county" else ""
        prefecture = prefecture or f"{place[:4]}00"
        if self.canonical(prefecture, on) != prefecture:
            return self.pool_of(prefecture, insutype, on)
        return prefecture

    def class_of(
        self,
        insured: str,
        treated: str,
        home_pools: Collection[str],
        insutype: str,
        on: date,
    ) -> RouteClass:
        """How far from home a patient is treated.

        Local means that the pool of the insured region is one of the home pools; where there are
        none, that it is the pool of the place of treatment. A home pool may be given by any of
        its codes, and may lie in another province where the institution has such an agreement.

        Raises:
            RegionError: one of the codes is empty, has another form, or is of no province.
        """
        homes = {self.pool_of(home, insutype, on) for home in home_pools or (treated,)}
        if self.pool_of(insured, insutype, on) in homes:
            return "local"
        if self.canonical(insured, on)[:2] == self.canonical(treated, on)[:2]:
            return "in-province"
        return "cross-province"

    def rule(self, code: str, insutype: str, on: date) -> PoolingRule | None:
        """The pooling rule that speaks for a region: the narrowest scope, then the named type."""
        for scope in (code, code[:2], "*"):
            for kind in (insutype, "*"):
                for rule in self._data.rules.get((scope, kind), ()):
                    if rule.valid_from <= on <= rule.valid_to:
                        return rule
        return None

    def _level(self, place: str, insutype: str, on: date) -> PoolLevel:
        rule = self.rule(place, insutype, on)
        return rule.level if rule is not None else PoolLevel.PREFECTURE

    def _is_pool(self, place: str) -> bool:
        """A pool of its own wherever the province does not pool as a whole."""
        region = self._data.regions.get(place)
        if region is None:
            return False
        return region.pool or (region.level == "county" and region.parent == f"{place[:2]}0000")
