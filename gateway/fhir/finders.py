"""The closures behind paths of FHIR maps: run for every value of every message.

A path that stays below its node walks the values themselves and makes no nodes. A path over a
Reference finds the resource once: many rules read the same patient, encounter and coverage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from gateway.fhir.references import Node

Found = tuple[str, str] | None
"""The text of a value, and its place."""
Finder = Callable[[Node], Found]
Test = Callable[[Any], bool]
"""Does a value pass a filter?"""
TextOf = Callable[[Any], str]
"""The text of a value, empty where it has none."""


class LocalPart(NamedTuple):
    """An element below a node, and the filter of its values."""

    name: str
    test: Test | None
    choice: bool = False
    """Every element of this name and a type: `valueCode` for `value[x]`."""

    def elements(self, value: dict[str, Any]) -> list[str]:
        """The elements of a choice that are there."""
        end = len(self.name)
        return [
            name for name in value if name.startswith(self.name) and name[end : end + 1].isupper()
        ]


_Look = Callable[[Any], Found]
"""Finds a text below a value, with the place as seen from there."""


def local_finder(parts: tuple[LocalPart, ...], text_of: TextOf) -> Finder:
    """The finder of a path that stays below its node."""
    names = tuple(part.name for part in parts)
    whole = "." + ".".join(names)
    plain = not any(part.test or part.choice for part in parts)
    look = _look_of(parts, text_of)

    def find(node: Node) -> Found:
        value = node.value
        if plain:
            for name in names:
                value = value.get(name) if type(value) is dict else None
                if value is None:
                    return None
                if type(value) is list:
                    break
            else:
                text = text_of(value)
                if not text:
                    return None
                return text, node.place if node.fixed else node.place + whole
        found = look(node.value)
        if found is None:
            return None
        return found[0], node.place if node.fixed else node.place + found[1]

    return find


def _look_of(parts: tuple[LocalPart, ...], text_of: TextOf) -> _Look:
    def here(value: Any) -> Found:
        text = text_of(value)
        return (text, "") if text else None

    look: _Look = here
    for part in reversed(parts):
        look = _look_at_choice(part, look) if part.choice else _look_below(*part[:2], look)
    return look


def _look_at_choice(part: LocalPart, inner: _Look) -> _Look:
    def look(value: Any) -> Found:
        for name in part.elements(value) if type(value) is dict else ():
            found = _look_below(name, part.test, inner)(value)
            if found is not None:
                return found
        return None

    return look


def _look_below(name: str, test: Test | None, inner: _Look) -> _Look:
    def look(value: Any) -> Found:
        held = value.get(name) if type(value) is dict else None
        if held is None:
            return None
        if type(held) is not list:
            found = inner(held) if test is None or test(held) else None
            return found and (found[0], f".{name}{found[1]}")
        for index, item in enumerate(held):
            found = inner(item) if test is None or test(item) else None
            if found is not None:
                return found[0], f".{name}[{index}]{found[1]}"
        return None

    return look


class Linked(msgspec.Struct, frozen=True):
    """The parts of a path over a Reference, each a finder of the value from where it begins."""

    references: Callable[[Node], list[Node]]
    resource: Finder
    """From the resource that a Reference names."""
    logical: Finder | None
    """From a Reference to what is not at hand, which says something itself."""
    other: Finder
    """From what is no Reference: a sequence number."""


def linked_finder(path: str, linked: Linked) -> Finder:
    """The finder of a path over the References that `path` names."""
    asked = f"{path}->"

    def targets(node: Node) -> list[tuple[Node, Node | None]]:
        return [(one, one.scope.follow(one)) for one in linked.references(node)]

    def targets_once(node: Node) -> list[tuple[Node, Node | None]]:
        if node.fixed or node.value is not node.scope.root:
            return targets(node)
        remembered = node.scope.library.remembered
        key = id(node.value), asked
        if key not in remembered:
            remembered[key] = targets(node)
        found: list[tuple[Node, Node | None]] = remembered[key]
        return found

    def find(node: Node) -> Found:
        for reference, resource in targets_once(node):
            if resource is not None:
                found = linked.resource(resource)
            elif isinstance(reference.value, int):
                found = linked.other(reference)
            else:
                found = linked.logical(reference) if linked.logical is not None else None
            if found is not None:
                return found
        return None

    return find
