"""Regions and distances: whose person is this, and how far from home.

The rule is the fallback one of the reference (pooling, section 5): a county and the city-direct
scheme (PPCC99) belong to the pool of their city, a municipality is one pool, a province-direct
scheme (PP9900) is its own. The class follows from it: same pool local, same province in-province,
otherwise cross-province.
"""

from __future__ import annotations

from collections.abc import Iterable

LOCAL = "local"
IN_PROVINCE = "in_province"
CROSS_PROVINCE = "cross_province"

PAY_LOC = {LOCAL: "2", IN_PROVINCE: "3", CROSS_PROVINCE: "4"}
"""`pay_loc` of a settlement: 2 institution, 3 in the province, 4 across provinces."""

_MUNICIPALITIES = frozenset({"11", "12", "31", "50"})


def pool_of(region: str) -> str:
    """The pooling region of a region of six digits."""
    if region[:2] in _MUNICIPALITIES:
        return region[:2] + "0000"
    if region[2:] == "9900":
        return region
    return region[:4] + "00"


def distance(insured: str, treated: str) -> str:
    """How far the insured place lies from the treatment place."""
    if pool_of(insured) == pool_of(treated):
        return LOCAL
    return IN_PROVINCE if insured[:2] == treated[:2] else CROSS_PROVINCE


def home_region(insured: str, regions: Iterable[str]) -> str:
    """The centre of the process that answers for an insured place; empty when there is none.

    A centre of the pool goes before one that only shares the province.
    """
    known = list(regions)
    for code in known:
        if pool_of(code) == pool_of(insured):
            return code
    for code in known:
        if code[:2] == insured[:2]:
            return code
    return ""
