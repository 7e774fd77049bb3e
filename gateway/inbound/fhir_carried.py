"""A resource in Parameters, and findings on it in the words of what was sent.

The resource that an operation is about may be the whole body, or the parameter `resource`. What is
wrong with it is found as if it stood alone: its places begin at it (`Patient.birthDate`), and are
said where the sender has them (`Parameters.parameter[0].resource.birthDate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from gateway.errors import Problem
from gateway.fhir.decode import encode
from gateway.fhir.references import as_list
from gateway.inbound.fhir_speech import Reply


class Carried(NamedTuple):
    """The resource that is meant, and its place in Parameters; empty where it is the body."""

    resource: dict[str, Any]
    place: str = ""


def carried(tree: dict[str, Any]) -> Carried:
    """The resource that is meant: of Parameters, the one named `resource`; another, itself."""
    rows = as_list(tree.get("parameter")) if tree.get("resourceType") == "Parameters" else []
    for at, row in enumerate(rows):
        if isinstance(row, dict) and row.get("name") == "resource" and "resource" in row:
            inner = row["resource"]
            place = f"Parameters.parameter[{at}].resource"
            return Carried(inner if isinstance(inner, dict) else {}, place)
    return Carried(tree)


def within(inner: str, place: str) -> str:
    """A place of a resource, in the words of what it stands in."""
    _, dot, rest = inner.partition(".")
    return f"{place}{dot}{rest}"


def placed(found: Iterable[Problem], place: str) -> list[Problem]:
    """The findings on a resource at their places in Parameters; without `place` as they are."""
    return [one.at(within(one.place, place)) if place and one.place else one for one in found]


def reply_placed(answer: Reply, place: str) -> Reply:
    """The same of the OperationOutcome of a refusal."""
    tree = answer.tree() if place and answer.body else {}
    if tree.get("resourceType") != "OperationOutcome":
        return answer
    for issue in as_list(tree.get("issue")):
        if "expression" in issue:
            issue["expression"] = [within(one, place) for one in issue["expression"]]
    return msgspec.structs.replace(answer, body=encode(tree))


def unplaced(answer: Reply) -> Reply:
    """The refusal of a resource that the sender has never seen: its places say nothing to it."""
    tree = answer.tree()
    for issue in as_list(tree.get("issue")):
        issue.pop("expression", None)
    return msgspec.structs.replace(answer, body=encode(tree))
