"""What paths take of the members of a node of known shape, without a node for each step.

The items of a claim have the same members, so that a path begins with the same one in each. A
list that has one entry is walked as that entry, whose place is known beforehand. Anything else
is left to the getter of the path (`gateway.fhir.finders`), which finds the same.
"""

from __future__ import annotations

from typing import Any

from gateway.fhir.finders import LocalPart, Test, TextOf
from gateway.fhir.references import Node
from mappings.messages.language import ColumnPlace, Inside


def column_of(parts: tuple[LocalPart, ...], node: Node, text_of: TextOf) -> ColumnPlace | None:
    """What a path of these parts takes of nodes of the shape of this one."""
    value = node.value
    if node.fixed or any(part.choice for part in parts) or parts[0].name not in value:
        return None
    listed = []
    for part in parts:
        value = value.get(part.name) if type(value) is dict else None
        listed.append(type(value) is list)
        if type(value) is list:
            value = value[0] if value else None
    names = [
        f".{part.name}[0]" if many else f".{part.name}"
        for part, many in zip(parts, listed, strict=True)
    ]
    inside = _text(text_of)
    for part, many in zip(reversed(parts[1:]), reversed(listed[1:]), strict=True):
        inside = _below(part.name, _held(part.test, inside, listed=many))
    return ColumnPlace(
        at=list(node.value).index(parts[0].name) + 1,
        suffix="".join(names),
        whole=True,
        take=lambda text, _: text,
        inside=_held(parts[0].test, inside, listed=listed[0]),
    )


def _text(text_of: TextOf) -> Inside:
    def text(value: Any) -> str | None:
        return None if type(value) is list else text_of(value)

    return text


def _held(test: Test | None, inside: Inside, *, listed: bool) -> Inside:
    """From what a member holds to the text in it."""

    def look(held: Any) -> str | None:
        if listed:
            if type(held) is not list or len(held) != 1:
                return None
            held = held[0]
        elif type(held) is list:
            return None
        return inside(held) if test is None or test(held) else ""

    return look if listed or test is not None else inside


def _below(name: str, inside: Inside) -> Inside:
    """From an object to the text in one of its members."""

    def look(value: Any) -> str | None:
        if type(value) is not dict:
            return None
        held = value.get(name)
        return inside(held) if held is not None else ""

    return look
