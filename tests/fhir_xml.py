"""XML of FHIR read by its rules and the models of fhir.resources, apart from the product's reader.

https://hl7.org/fhir/R4/xml.html: one namespace, values in attributes, elements in the order of the
definition and never empty, a narrative in XHTML. What is read is the tree that the JSON has.
"""

from __future__ import annotations

import importlib
import re
import typing
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from fhir_core.types import FhirBase
from lxml import etree

FHIR = "{http://hl7.org/fhir}"
XHTML = "{http://www.w3.org/1999/xhtml}"
DIGITS = {"integer", "positiveInt", "unsignedInt"}
"""Types that are numbers without a point in JSON; an integer64 is a text there."""
ACTIVE = {"script", "form", "object", "iframe", "base", "link", "input", "frame"}
"""What a narrative may not have (narrative.html)."""
FOREIGN = re.compile(rb"<!DOCTYPE|<!ENTITY|<\?xml-stylesheet")


class Place(NamedTuple):
    """An element of a model."""

    position: int
    many: bool
    primitive: bool
    kind: Any
    """The model of a complex element, the name of the type of a primitive one."""


def model_of(models: str, name: str) -> Any:
    """The model of a resource type."""
    package = "fhir.resources" if models == "R5" else "fhir.resources.R4B"
    return importlib.import_module(package).get_fhir_model_class(name)


@cache
def places(model: Any) -> dict[str, Place]:
    """The elements of a model, each with its place in the order that XML has to keep."""
    order = model.elements_sequence()
    found = {}
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        if name == "fhir_comments" or name.startswith("_"):
            continue
        many, kind = _kind(field.annotation)
        complex_type = isinstance(kind, type) and issubclass(kind, FhirBase)
        found[name] = Place(
            order.index(name),
            many,
            not complex_type,
            kind.get_model_klass() if complex_type else _named(kind),
        )
    return found


def _kind(annotation: Any) -> tuple[bool, Any]:
    """Whether an element is a list, and its type."""
    inner = [one for one in typing.get_args(annotation) if one is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is list:
        return True, _kind(inner[0])[1]
    if origin is None or hasattr(annotation, "__metadata__"):
        return False, annotation
    return _kind(inner[0])


def _named(kind: Any) -> str:
    """The name of a primitive type."""
    marks = [getattr(mark, "__visit_name__", None) for mark in getattr(kind, "__metadata__", ())]
    known = [mark for mark in marks if mark]
    return str(known[0]) if known else {bool: "boolean"}.get(kind, "string")


class XMLReader:
    """Reads one resource; what is against the rules is noted in `faults`."""

    def __init__(self, models: str) -> None:
        self.models = models
        self.faults: list[str] = []

    def read(self, raw: bytes) -> dict[str, Any]:
        """The tree of a document."""
        if FOREIGN.search(raw):
            self.faults.append("a document type, an entity or a style sheet")
        raw.decode("utf-8")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
        return self._resource(etree.fromstring(raw, parser))

    def _resource(self, node: Any) -> dict[str, Any]:
        name = self._name(node)
        if node.attrib:
            self.faults.append(f"{name} has attributes")
        tree = self._children(node, model_of(self.models, name), name)
        return {"resourceType": name, **tree}

    def _name(self, node: Any) -> str:
        tag = str(node.tag)
        if not tag.startswith(FHIR) and tag != f"{XHTML}div":
            self.faults.append(f"{tag} is not in the namespace of FHIR")
        return etree.QName(node).localname

    def _children(self, node: Any, model: Any, at: str) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        last = -1
        self._has_no_text(node, at)
        for child in node:
            name = self._name(child)
            where = f"{at}.{name}"
            place = places(model).get(name)
            if place is None:
                self.faults.append(f"{where} is not defined")
                continue
            if place.position < last:
                self.faults.append(f"{where} stands behind what comes after it")
            last = place.position
            if name in tree and not place.many:
                self.faults.append(f"{where} stands twice")
            self._add(tree, name, place, child, where)
        return tree

    def _add(self, tree: dict[str, Any], name: str, place: Place, node: Any, at: str) -> None:
        if not place.primitive:
            value = self._complex(node, place.kind, at)
            if place.many:
                tree.setdefault(name, []).append(value)
            else:
                tree[name] = value
            return
        value, beside = self._primitive(node, place.kind, at)
        if place.many:
            tree.setdefault(name, []).append(value)
            tree.setdefault(f"_{name}", []).append(beside or None)
            return
        tree |= {name: value} if value is not None else {}
        tree |= {f"_{name}": beside} if beside else {}

    def _complex(self, node: Any, model: Any, at: str) -> dict[str, Any]:
        if model.__name__ == "Resource":
            if len(node) != 1 or node.attrib:
                self.faults.append(f"{at} does not hold one resource")
            return self._resource(node[0])
        allowed = {"id", "url"} if model.__name__ == "Extension" else {"id"}
        attributes = {str(name): str(value) for name, value in node.attrib.items()}
        if not attributes.keys() <= allowed or not all(attributes.values()):
            self.faults.append(f"{at} has attributes {sorted(attributes)}")
        tree = attributes | self._children(node, model, at)
        if not tree:
            self.faults.append(f"{at} is empty")
        return without_gaps(tree)

    def _primitive(self, node: Any, kind: str, at: str) -> tuple[Any, dict[str, Any]]:
        if kind == "xhtml":
            return self._narrative(node, at), {}
        self._has_no_text(node, at)
        attributes = {str(name): str(value) for name, value in node.attrib.items()}
        text = attributes.pop("value", None)
        beside: dict[str, Any] = attributes
        for child in node:
            extension = model_of(self.models, "Extension")
            if self._name(child) != "extension":
                self.faults.append(f"{at} has another element than an extension")
            row = self._complex(child, extension, f"{at}.extension")
            beside.setdefault("extension", []).append(row)
        if text is None and not beside:
            self.faults.append(f"{at} is empty")
        if text is not None and not text.strip():
            self.faults.append(f"{at} has an empty value")
        if attributes.keys() - {"id", "extension"}:
            self.faults.append(f"{at} has attributes {sorted(attributes)}")
        return (None if text is None else _typed(text, kind)), beside

    def _narrative(self, node: Any, at: str) -> str:
        if node.tag != f"{XHTML}div":
            self.faults.append(f"{at} is no div of XHTML")
        if not "".join(node.itertext()).strip() and node.find(f".//{XHTML}img") is None:
            self.faults.append(f"{at} says nothing")
        for inner in node.iter():
            name = etree.QName(inner).localname
            if name in ACTIVE or any(str(one).startswith("on") for one in inner.attrib):
                self.faults.append(f"{at} has active content")
        return etree.tostring(node, encoding="unicode", with_tail=False)

    def _has_no_text(self, node: Any, at: str) -> None:
        if "".join([node.text or "", *(child.tail or "" for child in node)]).strip():
            self.faults.append(f"{at} has text beside its elements")


def without_gaps(tree: dict[str, Any]) -> dict[str, Any]:
    """Without the lists of extensions that say nothing of any value."""
    return {
        name: value
        for name, value in tree.items()
        if not (name.startswith("_") and isinstance(value, list) and not any(value))
    }


def _typed(text: str, kind: str) -> Any:
    """The JSON value of an attribute."""
    if kind == "boolean":
        return {"true": True, "false": False}[text]
    if kind in DIGITS:
        return int(text)
    return Decimal(text) if kind == "decimal" else text


def read_xml(models: str, raw: bytes) -> tuple[dict[str, Any], list[str]]:
    """The tree of a document, and what is against the rules of XML in it."""
    reader = XMLReader(models)
    tree = without_gaps(reader.read(raw))
    return tree, reader.faults


def same(one: Any, other: Any) -> bool:
    """Whether two trees say the same: narratives as XML says it, gaps of lists left out."""
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = without_gaps(one), without_gaps(other)
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, str) and isinstance(other, str) and one.startswith("<div"):
        return canonical(one) == canonical(other)
    return bool(type(one) is type(other) and str(one) == str(other)) or (
        {type(one), type(other)} == {int, Decimal} and one == other
    )


def canonical(text: str) -> bytes:
    """A narrative in one way of writing it."""
    return etree.tostring(etree.fromstring(text), method="c14n")
