"""Whether a resource is what a profile of the guide says: `$validate?profile=`.

Looked at are the constraints that our profiles have: how often an element is there, fixed values
and patterns. A binding is extensible and refuses nothing. What else the gateway asks of a message
is checked by taking it (`mode=create`); a profile says only what a stranger can read in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.errors import Problem
from gateway.fhir import problems

MAX_PROBLEMS = 50
CHOICE = "[x]"


def check_profile(resource: Mapping[str, Any], profile: Mapping[str, Any]) -> list[Problem]:
    """Where a resource is not what the differential of a profile says, each at its FHIRPath."""
    type_name = str(profile["type"])
    if resource.get("resourceType") != type_name:
        return [
            problems.wrong_value(
                "", f"该profile用于{type_name}", f"the profile is one of {type_name}"
            )
        ]
    found: list[Problem] = []
    for element in profile["differential"]["element"]:
        steps = str(element["path"]).split(".")[1:]
        if not steps or "sliceName" in element:
            continue
        for holder, place in _holders(resource, type_name, steps[:-1]):
            found += _check(element, holder, place, steps[-1])
    return found[:MAX_PROBLEMS]


def _holders(
    resource: Mapping[str, Any], place: str, steps: Sequence[str]
) -> list[tuple[Mapping[str, Any], str]]:
    """The objects that these steps lead to, with their places."""
    holders = [(resource, place)]
    for step in steps:
        holders = [
            (one, at)
            for holder, before in holders
            for one, at in _values(holder, before, step)
            if isinstance(one, dict)
        ]
    return holders


def _values(holder: Mapping[str, Any], place: str, name: str) -> Iterator[tuple[Any, str]]:
    """The values of an element; of a choice, whichever is there."""
    names = [name]
    if name.endswith(CHOICE):
        start = name.removesuffix(CHOICE)
        names = [one for one in holder if one.startswith(start) and one[len(start) :][:1].isupper()]
    for one in names:
        value = holder.get(one)
        if isinstance(value, list):
            yield from ((row, f"{place}.{one}[{index}]") for index, row in enumerate(value))
        elif value is not None:
            yield value, f"{place}.{one}"


def _check(
    element: Mapping[str, Any], holder: Mapping[str, Any], place: str, name: str
) -> Iterator[Problem]:
    values = list(_values(holder, place, name))
    where = f"{place}.{name.removesuffix(CHOICE)}"
    least, most = int(element.get("min", 0)), str(element.get("max", "*"))
    if len(values) < least:
        yield problems.required(where, "profile要求此元素", "the profile requires the element")
    if most != "*" and len(values) > int(most):
        yield problems.wrong_value(
            where,
            f"profile最多允许{most}个此元素",
            f"the profile allows the element {most} times at most",
        )
    for key, wanted in element.items():
        fixed, pattern = key.startswith("fixed"), key.startswith("pattern")
        if not fixed and not pattern:
            continue
        for value, at in values:
            if not (_same(wanted, value) if fixed else _fits(wanted, value)):
                yield problems.wrong_value(
                    at, "不是profile规定的值", "not the value that the profile states"
                )


def _same(wanted: Any, value: Any) -> bool:
    """Equal, numbers as numbers: a factor of 1.0 is 1."""
    if isinstance(wanted, int | Decimal) and isinstance(value, int | Decimal):
        return Decimal(wanted) == Decimal(value)
    return bool(wanted == value)


def _fits(wanted: Any, value: Any) -> bool:
    """True when everything of a pattern is in the value."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(inner, value.get(name)) for name, inner in wanted.items()
        )
    return _same(wanted, value)
