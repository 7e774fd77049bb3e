"""The platform's `pay_loc` against our own class of route: the platform's word counts.

Values of dictionary `pay_loc`: 1 centre, 2 institution, 3 within the province, 4 across
provinces, 5 internet hospital, 6 within the city.
"""

from __future__ import annotations

from typing import Final

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from mappings.regions import RouteClass

_EXPECTED: Final[dict[RouteClass, frozenset[str]]] = {
    "local": frozenset("1256"),
    "in-province": frozenset("36"),
    "cross-province": frozenset("4"),
}
"""6 (another district of the city) fits both: districts pool together or apart by city."""

_CLASS_ZH: Final[dict[RouteClass, str]] = {
    "local": "本地",
    "in-province": "省内异地",
    "cross-province": "跨省异地",
}
_PAY_LOC_ZH: Final = {
    "1": "中心",
    "2": "医疗机构",
    "3": "省内异地",
    "4": "跨省异地",
    "5": "互联网医院",
    "6": "市内异地",
}


def compare_pay_loc(route_class: RouteClass, pay_loc: str) -> Problem | None:
    """A warning when the platform saw the patient elsewhere than we did, else None.

    An empty value, or one that the dictionary does not have, says nothing.
    """
    if pay_loc not in _PAY_LOC_ZH or pay_loc in _EXPECTED[route_class]:
        return None
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REPLY,
        field="pay_loc",
        zh=f"平台返回的支付地点为“{_PAY_LOC_ZH[pay_loc]}”，网关判断为“{_CLASS_ZH[route_class]}”；以平台为准",
        en=f"the platform's pay_loc is {pay_loc}, the gateway took the visit as {route_class}:"
        " the platform's word counts",
        remedy_zh="请核对该机构的 home_pools 配置和统筹区规则",
        remedy_en="check the home_pools of the institution and the pooling rules",
        severity=Severity.WARNING,
    )
