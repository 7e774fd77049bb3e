"""The simple subset of FHIRPath, as OperationOutcome.expression has it (fhirpath.html#simple).

Apart from the product: names of elements and places in lists, a choice of types by its common name.
"""

from __future__ import annotations

import re
from typing import Any

STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[([0-9]+)\])?")


def resolve(tree: dict[str, Any], expression: str) -> list[Any]:
    """The values at an expression in a resource; none where there is nothing."""
    root, *steps = expression.split(".")
    found = [tree] if root == tree.get("resourceType") else []
    for step in steps:
        match = STEP.fullmatch(step)
        if match is None:
            return []
        found = [value for node in found for value in _children(node, match[1])]
        if match[2] is not None:
            found = found[int(match[2]) : int(match[2]) + 1]
    return found


def _children(node: Any, name: str) -> list[Any]:
    """The values of an element; of a primitive, what is said beside it."""
    if not isinstance(node, dict):
        return []
    typed = re.compile(rf"_?{name}(?:[A-Z][A-Za-z0-9]*)?")
    keys = [name] if name in node else [key for key in node if typed.fullmatch(key)]
    return [
        value
        for key in keys
        for value in (node[key] if isinstance(node[key], list) else [node[key]])
    ]


def points_into(tree: dict[str, Any], expression: str) -> bool:
    """Whether an expression leads to something, or to where something is missing."""
    holder, _, last = expression.rpartition(".")
    if not holder:
        return expression == tree.get("resourceType")
    return bool(resolve(tree, expression)) or any(
        isinstance(one, dict) and STEP.fullmatch(last) for one in resolve(tree, holder)
    )
