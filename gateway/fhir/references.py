"""Nodes of a message, and where its references lead.

A reference is looked for, in this order, among the resources contained in the resource that holds
it (`#id`), the entries of the Bundle it came in (fullUrl, then `Type/id`), and the resources the
adapter was given because this gateway answered them before. A reference that leads nowhere states
nothing: whether that matters is decided by whoever needs the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec


class Library:
    """The resources that references of one message may lead to."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[dict[str, Any], str]] = {}
        self._given: dict[str, dict[str, Any]] = {}
        self.remembered: dict[tuple[int, str], Any] = {}
        """What was found of a resource before, by its `id()` and a word for what was asked."""

    def add_entry(self, resource: dict[str, Any], place: str, full_url: str) -> None:
        """An entry of the Bundle; the first one of a name counts."""
        if full_url:
            self._entries.setdefault(full_url, (resource, place))
        kind, identity = resource.get("resourceType"), resource.get("id")
        if isinstance(kind, str) and isinstance(identity, str):
            self._entries.setdefault(f"{kind}/{identity}", (resource, place))

    def give(self, resources: Mapping[str, dict[str, Any]]) -> None:
        """Resources from elsewhere, by `Type/id`."""
        self._given.update(resources)

    def entry(self, reference: str) -> tuple[dict[str, Any], str] | None:
        """The entry with this fullUrl or `Type/id`, and its place."""
        return self._entries.get(reference) or self._entries.get(local_name(reference))

    def entries(self) -> list[tuple[dict[str, Any], str]]:
        """The entries that a reference can lead to, each once, with their places."""
        return list(
            {id(resource): (resource, at) for resource, at in self._entries.values()}.values()
        )

    def given(self, reference: str) -> dict[str, Any] | None:
        """The given resource of this `Type/id`."""
        return self._given.get(local_name(reference))


def local_name(reference: str) -> str:
    """`Type/id` at the end of a reference, without base and version.

    >>> local_name("http://h.example/fhir/r4/Encounter/e1/_history/3")
    'Encounter/e1'
    >>> local_name("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7")
    'urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7'
    """
    return "/".join(reference.partition("/_history/")[0].rsplit("/", 2)[-2:])


class Scope(NamedTuple):
    """The resource that a node stands in, for contained references and sequence numbers."""

    root: dict[str, Any]
    place: str
    library: Library

    def follow(self, node: Node) -> Node | None:
        """The resource that a Reference names, or None.

        A given resource is not part of the sender's message, so that the place of what is found
        there is the place of the reference.
        """
        reference = node.value.get("reference") if isinstance(node.value, dict) else None
        if not isinstance(reference, str) or not reference:
            return None
        if reference.startswith("#"):
            return self._contained(reference[1:])
        entry = self.library.entry(reference)
        if entry is not None:
            resource, place = entry
            return Node(resource, place, Scope(resource, place, self.library))
        given = self.library.given(reference)
        if given is None:
            return None
        return Node(given, node.place, Scope(given, "", self.library), fixed=True)

    def _contained(self, identity: str) -> Node | None:
        key = id(self.root), f"#{identity}"
        remembered = self.library.remembered
        if key not in remembered:
            remembered[key] = self._find_contained(identity)
        node: Node | None = remembered[key]
        return node

    def _find_contained(self, identity: str) -> Node | None:
        for index, resource in enumerate(as_list(self.root.get("contained"))):
            if isinstance(resource, dict) and resource.get("id") == identity:
                return Node(resource, f"{self.place}.contained[{index}]", self)
        return None


class Node(msgspec.Struct, frozen=True):
    """A value in a message, its FHIRPath, and the resource it stands in.

    `fixed` nodes keep the place they were reached from.
    """

    value: Any
    place: str
    scope: Scope
    fixed: bool = False

    def child(self, name: str) -> list[Node]:
        """The values of an element: none, one, or one a list entry."""
        value = self.value.get(name) if isinstance(self.value, dict) else None
        if value is None:
            return []
        scope, fixed = self.scope, self.fixed
        place = self.place if fixed else f"{self.place}.{name}"
        if type(value) is not list:
            return [Node(value, place, scope, fixed)]
        if fixed:
            return [Node(item, place, scope, fixed) for item in value]
        return [Node(item, f"{place}[{i}]", scope) for i, item in enumerate(value)]


def root_node(resource: dict[str, Any], place: str, library: Library) -> Node:
    """The node of a whole resource."""
    return Node(resource, place, Scope(resource, place, library))


def as_list(value: Any) -> list[Any]:
    """The list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def references_in(value: Any) -> Iterable[str]:
    """Every `Reference.reference` below a value."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            reference = current.get("reference")
            if isinstance(reference, str):
                yield reference
            stack.extend(current.values())
        elif isinstance(current, list):
            stack.extend(current)
