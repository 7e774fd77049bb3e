"""Whether what a message refers to is there, and is about the person that the message is about.

Sources: https://hl7.org/fhir/R4/references.html#contained (an id stands once, dom-2: no resource is
contained in a contained one), https://hl7.org/fhir/R4/claim-definitions.html#Claim.insurance.focal
(one and only one coverage is used), mapping matrix 2.2. A visit or a coverage of somebody else
would be charged or used up without that person knowing. Persons are told apart by identifiers of
one system; where two mentions have none in common the platform's answer to 1101 decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fhir import problems
from gateway.fhir.paths import encounter_references
from gateway.fhir.references import Node, as_list, local_name

POINTERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Claim": (
        ("patient",),
        ("provider",),
        ("enterer",),
        ("facility",),
        ("insurance", "coverage"),
        ("careTeam", "provider"),
        ("diagnosis", "diagnosisReference"),
        ("prescription",),
    ),
    "CoverageEligibilityRequest": (
        ("patient",),
        ("provider",),
        ("enterer",),
        ("insurance", "coverage"),
    ),
    "Encounter": (
        ("subject",),
        ("serviceProvider",),
        ("participant", "individual"),
        ("location", "location"),
        ("diagnosis", "condition"),
    ),
}
"""Type -> the References that its maps read."""

TARGETS = {"patient": "Patient", "subject": "Patient", "coverage": "Coverage"}
"""Element -> the only type that its reference may lead to here."""

_INSIDE = ("#", "urn:")
"""How a reference begins that cannot lead out of the message."""


def check_belonging(root: Node) -> list[Problem]:
    """Everything in a message that is not there, there twice, or somebody else's."""
    pointers = POINTERS.get(root.value.get("resourceType", ""), ())
    return [
        *_contained(root),
        *(problem for path in pointers for problem in _lost(_at(root, path), path[-1])),
        *_focal(root),
        *_of_others(root),
    ]


def _contained(root: Node) -> Iterator[Problem]:
    seen: set[Any] = set()
    for node in root.child("contained"):
        identity = node.value.get("id")
        if identity is not None and identity in seen:
            yield problems.wrong_value(
                f"{node.place}.id",
                "内嵌资源的id重复，无法确定引用的是哪一个",
                "the id of a contained resource stands twice: which one is meant is not known",
            )
        seen.add(identity)
        if "contained" in node.value:
            yield problems.structure(
                f"{node.place}.contained",
                "内嵌资源中不能再内嵌资源",
                "a contained resource contains no resource",
            )


def _lost(nodes: Iterable[Node], name: str) -> Iterator[Problem]:
    for node in nodes:
        reference = node.value.get("reference")
        if not isinstance(reference, str) or not reference.startswith(_INSIDE):
            continue
        target = node.scope.follow(node)
        kind = TARGETS.get(name)
        if kind and target is not None and target.value.get("resourceType") != kind:
            yield problems.wrong_value(
                f"{node.place}.reference",
                f"此处引用的应为{kind}资源",
                f"the reference leads to a resource that is no {kind}",
            )
        if node.value.get("identifier") is None and target is None:
            yield problems.not_found(
                f"{node.place}.reference",
                ProblemCode.NOT_FOUND,
                "消息中没有所引用的资源",
                "the resource that is referred to is not in the message",
            )


def _focal(root: Node) -> Iterator[Problem]:
    """A claim is settled by the insurance whose `focal` is true, and by no other."""
    insurances = root.child("insurance")
    if root.value.get("resourceType") != "Claim" or not insurances:
        return
    focal = [node for node in insurances if node.value.get("focal") is True]
    if len(focal) == 1:
        return
    wrong = focal[1:2] or (insurances if len(insurances) == 1 else [])
    yield problems.wrong_value(
        f"{wrong[0].place}.focal" if wrong else f"{root.place}.insurance",
        "应有且只有一个focal为true的保险：按它结算",
        "exactly one insurance has focal true: the one that the claim is settled by",
    )


def _of_others(root: Node) -> Iterator[Problem]:
    patients = root.child("patient")
    if not patients:
        return
    for node in _at(root, ("insurance", "coverage")):
        if _differ(patients[0], _followed(node, "beneficiary")):
            yield _others(node, "该保险不属于本次就诊的患者", "the coverage is of another person")
    for node in encounter_references([root]):
        if isinstance(node.value, dict) and _differ(patients[0], _followed(node, "subject")):
            yield _others(node, "该就诊不属于本次就诊的患者", "the encounter is of another person")


def _others(node: Node, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.PERSON_CONFLICT,
        place=node.place,
        zh=zh,
        en=en,
    )


def _followed(node: Node, name: str) -> Node | None:
    """An element of the resource that a Reference leads to."""
    target = node.scope.follow(node)
    return next(iter(target.child(name)), None) if target is not None else None


def _differ(one: Node, other: Node | None) -> bool:
    """True when two References are to persons with different identifiers of one system."""
    if other is None:
        return False
    first, second = one.scope.follow(one), other.scope.follow(other)
    if first is not None and second is not None and first.value is second.value:
        return False
    if first is None and second is None and _names(one) & _names(other):
        return False
    known = dict(_identifiers(one, first))
    return any(known.get(system, value) != value for system, value in _identifiers(other, second))


def _names(node: Node) -> set[str]:
    reference = node.value.get("reference")
    return {local_name(reference)} if isinstance(reference, str) else set()


def _identifiers(node: Node, target: Node | None) -> list[tuple[str, str]]:
    """System and value of every identifier that says who it is."""
    stated = [node.value.get("identifier")]
    if target is not None:
        stated += as_list(target.value.get("identifier"))
    return [
        (str(one["system"]), str(one["value"]).upper())
        for one in stated
        if isinstance(one, dict) and one.get("system") and one.get("value")
    ]


def _at(root: Node, path: tuple[str, ...]) -> list[Node]:
    nodes = [root]
    for name in path:
        nodes = [inner for node in nodes for inner in node.child(name)]
    return [node for node in nodes if isinstance(node.value, dict)]
