"""What changes the meaning of a message and is not understood: the message is refused.

Sources: https://hl7.org/fhir/R4/extensibility.html#modifierExtension (whoever does not understand a
modifier extension shall not process the element that holds it), resource.html#implicitRules, and
the modifier elements `status` and `verificationStatus` of the resources that a message brings with
it. An element with a status that says "this is not so" would otherwise be read as if it were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.decode import may_be_escaped
from gateway.fhir.references import Library, as_list

_NAMES = ("modifierExtension", "implicitRules")
_DENIED = frozenset({"refuted", "entered-in-error"})
"""Condition.verificationStatus of what was not so."""


def may_be_modified(raw: bytes) -> bool:
    """False when no such element can stand in these bytes, plainly or escaped."""
    return b"odifierExtension" in raw or b"mplicitRules" in raw or may_be_escaped(raw)


def check_modifiers(resource: dict[str, Any], place: str, library: Library) -> list[Problem]:
    """Every modifier extension and implicit rule of a resource and of what came with it."""
    found = list(_modifiers(resource, place))
    for other, where in library.entries():
        if other is not resource:
            found += _modifiers(other, where)
    return found


def check_companions(resource: dict[str, Any], place: str, library: Library) -> list[Problem]:
    """Contained resources and entries of the Bundle whose status says that they do not count."""
    contained = [
        (one, f"{place}.contained[{number}]")
        for number, one in enumerate(as_list(resource.get("contained")))
    ]
    others = [row for row in library.entries() if row[0] is not resource]
    return [
        problem for one, where in (*contained, *others) for problem in _not_counting(one, where)
    ]


def _modifiers(value: Any, place: str) -> Iterator[Problem]:
    if isinstance(value, dict):
        for name in _NAMES:
            if name in value:
                yield problems.not_supported(
                    f"{place}.{name}",
                    "不认识的修饰扩展或隐含规则，可能改变此元素的含义",
                    "a modifier extension or implicit rule that is not known may change the "
                    "meaning of the element",
                )
        for name, inner in value.items():
            if name not in _NAMES:
                yield from _modifiers(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _modifiers(inner, f"{place}[{number}]")


def _not_counting(resource: dict[str, Any], place: str) -> Iterator[Problem]:
    status = resource.get("status")
    if status == "entered-in-error" or (
        resource.get("resourceType") == "Coverage" and status not in {None, "active"}
    ):
        yield problems.wrong_value(
            f"{place}.status",
            "此资源的状态表示它无效，不能作为依据",
            "by its status the resource does not count",
        )
    verification = resource.get("verificationStatus")
    codings = as_list(verification.get("coding")) if isinstance(verification, dict) else []
    if any(isinstance(one, dict) and one.get("code") in _DENIED for one in codings):
        yield problems.wrong_value(
            f"{place}.verificationStatus",
            "此诊断已被否定，不能作为依据",
            "the condition was refuted",
        )
