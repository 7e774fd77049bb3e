"""Resources between the form of a release and the one inner form (`gateway.fhir.release`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.fhir import r5
from gateway.fhir.release import R5, Release
from gateway.fhir.shapes import Element, Shape, Shapes, shapes_of


class Inner(NamedTuple):
    """A message in the inner form, and where its moved elements stood."""

    tree: dict[str, Any]
    moves: Mapping[str, str]

    def said(self, place: str) -> str:
        """The place in the sender's message of a place in the inner form.

        >>> Inner({}, {"Encounter.period": "Encounter.actualPeriod"}).said("Encounter.period.start")
        'Encounter.actualPeriod.start'
        """
        return said(self.moves, place)


def said(moves: Mapping[str, str], place: str) -> str:
    """The place in the sender's message of a place in the inner form."""
    if not moves:
        return place
    end = len(place)
    while end > 0:
        moved = moves.get(place[:end])
        if moved is not None:
            return moved + place[end:]
        end = max(place.rfind(".", 0, end), place.rfind("[", 0, end))
    return place


class Forms:
    """The form of one release."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.shapes: Shapes = shapes_of(release.models)

    def inward(self, tree: dict[str, Any]) -> Inner:
        """The inner form of a resource that has the shape of the release."""
        if self.release is not R5:
            return Inner(tree, {})
        moves: dict[str, str] = {}
        return Inner(r5.inward(tree, str(tree["resourceType"]), moves), moves)

    def outward(self, tree: dict[str, Any]) -> dict[str, Any] | None:
        """The resource in the form of the release; None where it cannot have it.

        `tree` is given up. Elements that the release does not have are left out.
        """
        outer = r5.outward(tree) if self.release is R5 else tree
        return self._resource(outer)

    def plain(self, body: bytes) -> bool:
        """True when an answer written by this gateway has the form of the release as it is."""
        return self.release is not R5 and f'"{r5.ORIGINALS}"'.encode() not in body

    def _resource(self, value: Any) -> dict[str, Any] | None:
        shape = self.shapes.of(str(value.get("resourceType"))) if isinstance(value, dict) else None
        return self._object(value, shape) if shape is not None else None

    def _object(self, value: Any, shape: Shape) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            return None
        fitting: dict[str, Any] = {}
        for name, inner in value.items():
            element = shape.elements.get(name)
            if element is not None:
                found = self._element(inner, element)
                if found is not None:
                    fitting[name] = found
            elif name in shape.companions or (name == "resourceType" and shape.is_resource):
                fitting[name] = inner
        if not fitting or any(name not in fitting for name in shape.required):
            return None
        return fitting

    def _element(self, value: Any, element: Element) -> Any:
        if element.many != isinstance(value, list):
            return None
        if not element.many:
            return self._one(value, element)
        if element.check is not None:
            return value
        rows = [self._one(row, element) for row in value]
        return [row for row in rows if row is not None] or None

    def _one(self, value: Any, element: Element) -> Any:
        if element.check is not None:
            fits = element.check(value) and (element.codes is None or value in element.codes)
            return value if fits else None
        if element.type_name == "Resource":
            return self._resource(value)
        return self._object(value, self.shapes.type(element.type_name))
