"""FHIR in XML: to the tree that its JSON would give, and from such a tree.

Source: https://hl7.org/fhir/R4/xml.html. The tables of `gateway.fhir.shapes` say which element is
a list, which a number, and in which order elements stand. A document type, an entity, another
character set than UTF-8 and another namespace are refused; comments and processing instructions
are left out. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.errors import Problem, UnreadableError
from gateway.fhir import problems
from gateway.fhir.decode import MAX_VALUES
from gateway.fhir.narrative import XHTML, narrative
from gateway.fhir.shapes import Element, Shape, Shapes

FHIR = "http://hl7.org/fhir"
NAMESPACES: Any = {None: FHIR}
"""The default namespace of what is written."""
_AS_XHTML: Any = {None: XHTML}
WHOLE = frozenset({"integer", "unsignedInt", "positiveInt"})
MAX_PROBLEMS = 50

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML cannot carry; what another system told may have them."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


def decode_xml(raw: bytes, shapes: Shapes, *, max_depth: int) -> dict[str, Any]:
    """The tree of a resource in XML.

    Raises:
        UnreadableError: it is no XML, is beyond a limit, or has what cannot be put in the tree.
    """
    root = _parse(raw, max_depth)
    reader = _Reader(shapes)
    tree = reader.resource(root, etree.QName(root).localname)
    if reader.found or tree is None:
        raise UnreadableError(reader.found or [_not_xml()])
    return tree


def encode_xml(tree: dict[str, Any], shapes: Shapes) -> bytes:
    """A resource of right shape as XML in UTF-8."""
    shape = shapes.of(str(tree["resourceType"]))
    assert shape is not None
    root = etree.Element(f"{{{FHIR}}}{shape.name}", nsmap=NAMESPACES)
    _Writer(shapes).object(root, tree, shape)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _parse(raw: bytes, max_depth: int) -> etree._Element:
    if raw.count(b"<") > 2 * MAX_VALUES:
        raise UnreadableError([problems.too_much("内容的元素过多", "too many elements")])
    if b"<!DOCTYPE" in raw:
        raise UnreadableError([_doctype()])
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise UnreadableError([_not_xml()]) from None
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise UnreadableError([_doctype()])
    if (info.encoding or "UTF-8").upper() not in {"UTF-8", "ASCII", "US-ASCII"}:
        raise UnreadableError(
            [problems.unreadable("XML的字符集必须是UTF-8", "the XML has to be in UTF-8")]
        )
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        # Each level of the tree is an object, and a list around it where there can be several.
        if depth > max_depth:
            raise UnreadableError(
                [
                    problems.too_much(
                        f"嵌套超过{max_depth}层", f"nested deeper than {max_depth} levels"
                    )
                ]
            )
    return root


class _Reader:
    """Builds the tree and notes what has no place in it."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self.found: list[Problem] = []

    def resource(self, node: etree._Element, place: str) -> dict[str, Any] | None:
        """The resource that an element is."""
        name = self._name(node, place)
        shape = self._shapes.of(name) if name else None
        if shape is None:
            self._note(place if _NAME.fullmatch(place) else "", "不认识的资源", "no such resource")
            return None
        if node.attrib:
            self._note(place, "资源不能有属性", "a resource has no attributes")
        return {"resourceType": name, **self._children(node, shape, place)}

    def _object(self, node: etree._Element, shape: Shape, place: str) -> dict[str, Any]:
        """The members of a complex element: attributes (`id`, `url`) and children."""
        tree: dict[str, Any] = {}
        for name, value in node.attrib.items():
            if name == "id" or (name == "url" and shape.name == "Extension"):
                tree[str(name)] = str(value)
            else:
                self._note(place, "未定义的属性", "an attribute that is not defined")
        return tree | self._children(node, shape, place)

    def _children(self, node: etree._Element, shape: Shape, place: str) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        if (node.text or "").strip():
            self._note(place, "元素中不能有文本", "an element has no text")
        counts: dict[str, int] = {}
        for child in node:
            name = self._name(child, place)
            element = shape.elements.get(name) if name else None
            if (child.tail or "").strip():
                self._note(place, "元素中不能有文本", "an element has no text")
            if element is None:
                self._note(f"{place}.{name}" if name else place, "未定义的元素", "not defined")
                continue
            number = counts.get(name, 0)
            counts[name] = number + 1
            if number and not element.many:
                self._note(f"{place}.{name}", "该元素只能出现一次", "an element stands twice")
                continue
            at = f"{place}.{name}[{number}]" if element.many else f"{place}.{name}"
            self._place(tree, element, child, number, at)
        return tree

    def _place(
        self, tree: dict[str, Any], element: Element, node: etree._Element, number: int, at: str
    ) -> None:
        """Put one element into the tree; of a primitive, its extensions beside it."""
        name = element.name
        if element.check is None:
            value = self._complex(node, element, at)
            if element.many:
                tree.setdefault(name, []).append(value)
            else:
                tree[name] = value
            return
        value, companion = self._primitive(node, element, at)
        if not element.many:
            if value is not None:
                tree[name] = value
            if companion:
                tree[f"_{name}"] = companion
            return
        tree.setdefault(name, []).append(value)
        if companion or f"_{name}" in tree:
            beside = tree.setdefault(f"_{name}", [None] * number)
            beside += [None] * (number - len(beside)) + [companion or None]

    def _complex(self, node: etree._Element, element: Element, at: str) -> Any:
        if element.type_name != "Resource":
            return self._object(node, self._shapes.type(element.type_name), at)
        if len(node) != 1:
            self._note(at, "此处应为一个资源", "one resource is expected here")
            return {}
        return self.resource(node[0], at) or {}

    def _primitive(
        self, node: etree._Element, element: Element, at: str
    ) -> tuple[Any, dict[str, Any]]:
        if element.type_name == "xhtml":
            return etree.tostring(node, encoding="unicode", with_tail=False), {}
        companion: dict[str, Any] = {}
        value: Any = None
        for name, text in node.attrib.items():
            if name == "value":
                value = _typed(str(text), element.type_name)
            elif name == "id":
                companion["id"] = str(text)
            else:
                self._note(at, "未定义的属性", "an attribute that is not defined")
        shape = self._shapes.type("Extension")
        for index, child in enumerate(node):
            if self._name(child, at) != "extension":
                self._note(at, "未定义的元素", "an element that is not defined")
                continue
            row = self._object(child, shape, f"{at}.extension[{index}]")
            companion.setdefault("extension", []).append(row)
        return value, companion

    def _name(self, node: Any, place: str) -> str:
        if not isinstance(node.tag, str):  # an entity reference
            self._note(place, "不支持实体引用", "entity references are not taken")
            return ""
        name = etree.QName(node)
        if name.namespace == FHIR or (name.namespace == XHTML and name.localname == "div"):
            return name.localname if _NAME.fullmatch(name.localname) else ""
        self._note(place if "." in place else "", "命名空间错误", "not in the namespace of FHIR")
        return ""

    def _note(self, place: str, zh: str, en: str) -> None:
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(problems.structure(place, zh, en))


class _Writer:
    """Writes trees in the order of the definitions."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes

    def object(self, node: etree._Element, tree: dict[str, Any], shape: Shape) -> None:
        """The members of an object as attributes and children of `node`."""
        for name in shape.order:
            element = shape.elements[name]
            if name in {"id", "url"} and name in tree and self._is_attribute(name, shape):
                node.set(name, _text(tree[name]))
                continue
            for value, companion in _pairs(tree, element):
                self._element(node, element, value, companion)

    @staticmethod
    def _is_attribute(name: str, shape: Shape) -> bool:
        return shape.name == "Extension" if name == "url" else not shape.is_resource

    def _element(self, parent: etree._Element, element: Element, value: Any, beside: Any) -> None:
        if element.type_name == "xhtml":
            told = narrative(str(value))
            if told is None:  # of a message from before narratives were checked
                told = etree.Element(f"{{{XHTML}}}div", nsmap=_AS_XHTML)
                told.text = _text(value)
            parent.append(told)
            return
        node = etree.SubElement(parent, f"{{{FHIR}}}{element.name}")
        if element.check is not None:
            if value is not None:
                node.set("value", _text(value))
            if beside:
                self.object(node, beside, self._shapes.type("Extension"))
        elif element.type_name == "Resource":
            shape = self._shapes.of(str(value["resourceType"]))
            assert shape is not None
            self.object(etree.SubElement(node, f"{{{FHIR}}}{shape.name}"), value, shape)
        else:
            self.object(node, value, self._shapes.type(element.type_name))


def _pairs(tree: dict[str, Any], element: Element) -> Iterator[tuple[Any, Any]]:
    """Values of an element, each with what stands beside it."""
    value, beside = tree.get(element.name), tree.get(f"_{element.name}")
    if not element.many:
        if value is not None or beside is not None:
            yield value, beside
        return
    values, besides = value or [], beside or []
    for index in range(max(len(values), len(besides))):
        yield (
            values[index] if index < len(values) else None,
            besides[index] if index < len(besides) else None,
        )


def _typed(text: str, type_name: str) -> Any:
    """The JSON value of an attribute; a text of another type is left to the shape check."""
    if type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if type_name in WHOLE and _INTEGER.fullmatch(text):
        return int(text)
    if type_name == "decimal" and _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return _NOT_XML.sub("\ufffd", str(value))


def _doctype() -> Problem:
    return problems.unreadable("XML不能有文档类型声明", "a document type is not taken")


def _not_xml() -> Problem:
    return problems.unreadable("内容不是有效的XML", "the body is not valid XML")
