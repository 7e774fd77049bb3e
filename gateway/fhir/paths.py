"""The path language of the FHIR maps: a small part of FHIRPath, compiled to closures.

======================================  =====================================================
`billablePeriod.start`                  an element path; a list means each of its entries
`item[1].net.value`                     one entry of a list, counted from 0
`identifier[system=id/psn-no].value`    entries in which an element has this value; the path
                                        before `=` may have several steps
`identifier[system!=id/mdtrt-id]`       entries in which it has not
`identifier[!system]`                   entries without the element
`coding[system^=code/]`                 entries in which it starts with this text
`serviced[x]`, `value[x]`               a choice: whichever type is there
`ext(med-type)`                         the extensions whose URL ends in this name
`patient->identifier`                   `->` follows a Reference to the resource it names, and a
                                        sequence number to the entry of that list of the claim
                                        (where the resource is not at hand, `->identifier` and
                                        `->name` are what the Reference itself says of it)
`%resource.created`                     from the resource, not from the node at hand
`%patient->name`                        the Reference to its patient or subject
`%encounter->class`                     the References to its encounter: the extension of R4, the
                                        element of R5, or those of its items
`patient->name | name`                  a HumanName as one text
`valueQuantity | grams`                 a Quantity of mass in grams
`valueQuantity | duration`              a Quantity of time as days/hours/minutes
======================================  =====================================================

In filters `id/x` and `code/x` stand for the identifier and code systems of `names`. The first
value that a path finds is taken. What a path finds comes with its place as a FHIRPath of the
sender's message: `Claim.item[1].net.value`, `Bundle.entry[2].resource.identifier[0].value`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import partial
from operator import eq, ne
from typing import Any

from gateway.fhir.columns import column_of
from gateway.fhir.finders import (
    Finder,
    Found,
    Linked,
    LocalPart,
    Test,
    TextOf,
    linked_finder,
    local_finder,
)
from gateway.fhir.names import ENCOUNTER, Names, is_extension
from gateway.fhir.references import Node, as_list
from gateway.fhir.texts import duration, grams, human_name, scalar
from mappings.messages.language import ColumnPlace

Step = Callable[[list[Node]], list[Node]]

ROOT = "%resource."
MAX_SHAPED = 50
"""Members of a node at most whose names are remembered."""

LOGICAL = {"identifier": "identifier", "name": "display"}
"""What a Reference itself says of the resource it names, where that resource is not at hand."""

_NAME = r"[A-Za-z][A-Za-z0-9]*"
_PART = re.compile(
    rf"(?P<join>\.|->)?(?:ext\((?P<extension>[A-Za-z0-9-]+)\)|(?P<root>%[a-z]+)"
    rf"|(?P<name>{_NAME}))(?P<filters>(?:\[[^\[\]]+\])*)"
)
_FILTER = re.compile(
    rf"(?P<index>[0-9]{{1,4}})|(?P<choice>x)|!(?P<absent>{_NAME})"
    rf"|(?P<path>{_NAME}(?:\.{_NAME})*)(?P<operator>=|!=|\^=)(?P<text>[^\]]+)"
)


class FHIRPaths:
    """Turns paths of maps into closures over nodes (`mappings.messages.language`)."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._compiled: dict[str, Finder] = {}
        """Paths stand in many rules of many maps: each is compiled once."""

    def value(self, path: str) -> Callable[[Any], tuple[str, str] | None]:
        """The getter of one value: its text and place, or None.

        Raises:
            ValueError: the path cannot be understood.
        """
        if path not in self._compiled:
            self._compiled[path] = self._value(path)
        return self._compiled[path]

    def _value(self, path: str) -> Finder:
        path, bar, function = (part.strip() for part in path.partition("|"))
        if bar and function not in _TEXTS:
            raise ValueError(f"no function {function!r}")
        steps = self._compile(path)
        text_of = _TEXTS[function]
        find = self._finder(path, text_of) or _finder_of_steps(steps, text_of)
        of_root = _first_name(path[len(ROOT) :]) if path.startswith(ROOT) else ""
        first = _first_name(path)
        if not (of_root or first):
            return find

        def get(node: Node) -> Found:
            value = node.value
            if of_root:
                if of_root not in node.scope.root:
                    return None
            elif type(value) is not dict or first not in value:
                return None
            return find(node)

        return get

    def each(self, path: str) -> Callable[[Any], list[Any]]:
        """All nodes of a path, in the order of the message.

        Raises:
            ValueError: the path cannot be understood.
        """
        steps = self._compile(path)
        return lambda node: _run(steps, node)

    def shape(self, node: Any) -> Hashable:
        """The members of a node: nodes with the same ones can state the same things."""
        value = node.value
        if type(value) is not dict or len(value) > MAX_SHAPED:
            return None
        return (node.fixed, *value)

    def narrowed(self, path: str, node: Any) -> Callable[[Any], tuple[str, str] | None] | None:
        """The getter of a path for nodes of this shape; None when it can find nothing in them.

        It is the getter of `value`, which looks whether the first member is there: a shape does
        not say what the members hold, and what is remembered for a path is used for any node.
        """
        first = _first_name(path)
        absent = first and (type(node.value) is not dict or first not in node.value)
        return None if absent else self.value(path)

    def column(self, path: str, node: Any) -> ColumnPlace | None:
        """Where a path that stays below its node begins in nodes of this shape."""
        elements, _, function = (part.strip() for part in path.partition("|"))
        parts = self._local(elements)
        return column_of(parts, node, _TEXTS[function]) if parts else None

    def texts(self, node: Any) -> tuple[tuple[Any, ...], str, None]:
        """The values of the members of a node, which hold its texts."""
        return (None, *node.value.values()), node.place, None

    def _compile(self, path: str) -> tuple[Step, ...]:
        steps: list[Step] = []
        position = 0
        while position < len(path):
            match = _PART.match(path, position)
            if match is None or bool(match["join"]) != bool(steps):
                raise ValueError(f"not a path from {path[position:]!r} on")
            if match["root"]:
                if steps or match["root"] not in _ROOTS:
                    raise ValueError(f"{match['root']} cannot stand here")
                steps.append(_ROOTS[match["root"]])
            else:
                steps += self._part(match)
            position = match.end()
        if not steps:
            raise ValueError("an empty path")
        return tuple(steps)

    def _part(self, match: re.Match[str]) -> list[Step]:
        filters = re.findall(r"\[([^\[\]]+)\]", match["filters"])
        if match["extension"]:
            step = _extension(match["extension"])
        elif filters[:1] == ["x"]:
            step = _choice(match["name"])
            filters = filters[1:]
        else:
            step = _child(match["name"])
        if match["join"] == "->":
            step = _linked(match["name"] or "", step)
        return [step, *(self._filter(text) for text in filters)]

    def _filter(self, text: str) -> Step:
        match = _FILTER.fullmatch(text)
        if match is not None and match["index"]:
            index = int(match["index"])
            return lambda nodes: nodes[index : index + 1]
        test = self._test(text)
        return lambda nodes: [node for node in nodes if test(node.value)]

    def _test(self, text: str) -> Test:
        match = _FILTER.fullmatch(text)
        if match is None or match["choice"] or match["index"]:
            raise ValueError(f"not a filter: [{text}]")
        if match["absent"]:
            absent = match["absent"]
            return lambda value: not (isinstance(value, dict) and value.get(absent))
        names = tuple(match["path"].split("."))
        fits = _COMPARISONS[match["operator"]](self._names.expand(match["text"]))
        some = all if match["operator"] == "!=" else any
        if len(names) > 1:
            return lambda value: some([fits(scalar(found)) for found in _values(value, names)])
        name = names[0]

        def holds(value: Any) -> bool:
            found = value.get(name) if type(value) is dict else None
            if type(found) is str:
                return fits(found.strip())
            return some([fits(scalar(one)) for one in _values(value, names)])

        return holds

    def _finder(self, path: str, text_of: TextOf) -> Finder | None:
        """The quick way to a value, which finds what the steps find; None where there is none."""
        references, arrow, rest = path.partition("->")
        steps = self._compile(references)
        parts = self._local(references)
        if not arrow:
            return local_finder(parts, text_of) if parts is not None else None
        name = _first_name(rest)
        logical = f"{LOGICAL[name]}{rest[len(name) :]}" if name in LOGICAL else ""
        return linked_finder(
            references,
            Linked(
                references=partial(_run, steps),
                resource=self._below(rest, text_of),
                logical=self._below(logical, text_of) if logical else None,
                other=_finder_of_steps(self._compile(path)[len(steps) :], text_of),
            ),
        )

    def _below(self, path: str, text_of: TextOf) -> Finder:
        return self._finder(path, text_of) or _finder_of_steps(self._compile(path), text_of)

    def _local(self, path: str) -> tuple[LocalPart, ...] | None:
        """The names and tests of a path that stays below its node; None for any other path."""
        parts: list[LocalPart] = []
        for match in _PART.finditer(path):
            filters = re.findall(r"\[([^\[\]]+)\]", match["filters"])
            choice = filters[:1] == ["x"] and not match["extension"]
            filters = filters[choice:]
            special = any(text == "x" or text.isdigit() for text in filters)
            if match["root"] or match["join"] == "->" or special:
                return None
            tests = [self._test(text) for text in filters]
            if match["extension"]:
                tests.insert(0, _is_extension(match["extension"]))
            parts.append(LocalPart(match["name"] or "extension", _all_of(tests), choice))
        return tuple(parts)


_TEXTS: dict[str, TextOf] = {
    "": scalar,
    "duration": duration,
    "grams": grams,
    "name": human_name,
}
"""Function behind a path -> what makes a text of the element; the empty one stands for none."""

_COMPARISONS: dict[str, Callable[[str], Test]] = {
    "=": lambda wanted: partial(eq, wanted),
    "!=": lambda wanted: partial(ne, wanted),
    "^=": lambda wanted: lambda text: text.startswith(wanted),
}
"""Operator of a filter -> from the wanted text to the test of a text that is there."""


def _all_of(tests: list[Test]) -> Test | None:
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda value: all(test(value) for test in tests)


def _finder_of_steps(steps: tuple[Step, ...], text_of: TextOf) -> Finder:
    def find(node: Node) -> Found:
        for found in _run(steps, node):
            text = text_of(found.value)
            if text:
                return text, found.place
        return None

    return find


def _first_name(path: str) -> str:
    """The member that has to be there for a path to find anything; empty when that is not known."""
    if path.startswith("ext("):
        return "extension"
    match = re.match(rf"{_NAME}(?!\[x\]|[A-Za-z0-9])", path)
    return match[0] if match else ""


def _values(value: Any, names: tuple[str, ...]) -> list[Any]:
    """The values at the end of a path of elements."""
    found = [value]
    for name in names:
        inner = [one[name] for one in found if type(one) is dict and name in one]
        found = []
        for one in inner:
            if type(one) is list:
                found += one
            else:
                found.append(one)
    return found


def _run(steps: tuple[Step, ...], node: Node) -> list[Node]:
    nodes = [node]
    for step in steps:
        if not nodes:
            break
        nodes = step(nodes)
    return nodes


def _child(name: str) -> Step:
    return lambda nodes: [child for node in nodes for child in node.child(name)]


def _choice(name: str) -> Step:
    def step(nodes: list[Node]) -> list[Node]:
        found: list[Node] = []
        for node in nodes:
            if not isinstance(node.value, dict):
                continue
            for key in node.value:
                if key.startswith(name) and key[len(name) : len(name) + 1].isupper():
                    found += node.child(key)
        return found

    return step


def _extension(name: str) -> Step:
    test = _is_extension(name)
    return lambda nodes: [
        child for node in nodes for child in node.child("extension") if test(child.value)
    ]


def _is_extension(name: str) -> Test:
    return lambda value: isinstance(value, dict) and is_extension(value.get("url"), name)


def _linked(name: str, take: Step) -> Step:
    def linked(node: Node) -> list[Node]:
        if isinstance(node.value, int):
            resource = Node(node.scope.root, node.scope.place, node.scope, node.fixed)
            return [entry for entry in resource.child(name) if _numbered(entry, node.value)]
        target = node.scope.follow(node)
        if target is not None:
            return take([target])
        return node.child(LOGICAL[name]) if name in LOGICAL else []

    return lambda nodes: [found for node in nodes for found in linked(node)]


def _numbered(node: Node, number: int) -> bool:
    return isinstance(node.value, dict) and node.value.get("sequence") == number


def _to_resource(nodes: list[Node]) -> list[Node]:
    return [Node(node.scope.root, node.scope.place, node.scope, node.fixed) for node in nodes[:1]]


def _to_patient(nodes: list[Node]) -> list[Node]:
    return [
        found
        for resource in _to_resource(nodes)
        for name in ("patient", "subject")
        for found in resource.child(name)
    ]


def encounter_references(nodes: list[Node]) -> list[Node]:
    """The References to the encounter of a claim: by extension (R4), element (R5), then by item."""
    resources = _to_resource(nodes)
    if not resources:
        return []
    resource = resources[0]
    remembered = resource.scope.library.remembered
    key = id(resource.value), "%encounter"
    if resource.fixed or key not in remembered:
        remembered[key] = _find_encounters(resource)
    found: list[Node] = remembered[key]
    return found


def _find_encounters(resource: Node) -> list[Node]:
    stated = _choice("value")(_extension(ENCOUNTER)([resource])) + resource.child("encounter")
    if not any("encounter" in item for item in as_list(resource.value.get("item"))):
        return stated
    return stated + _child("encounter")(resource.child("item"))


_ROOTS: dict[str, Step] = {
    "%resource": _to_resource,
    "%patient": _to_patient,
    "%encounter": encounter_references,
}
