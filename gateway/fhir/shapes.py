"""Shapes of resources, compiled from the models of fhir.resources into flat tables.

The models are the definition: elements, cardinalities, types, choices, required bindings. Running
them costs milliseconds for a message, so that each model class is read once and becomes a table
that is walked over the decoded JSON. Differences from the models, all on the strict side:

* required bindings are enforced (the models only name them; where a model cuts its list short,
  `BINDINGS` has the whole one),
* a required element needs a value; an extension that says why there is none is not enough,
* empty strings, lists and objects are refused (https://hl7.org/fhir/R4/json.html),
* null, and a value of another type that the models would convert (`"1"` for 1), are refused,
* a narrative is XHTML without anything active, a text has no control characters,
* `fhir_comments`, a relic of DSTU2, is not an element.

Findings carry FHIRPaths and never values.
"""

from __future__ import annotations

import importlib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import msgspec
from fhir_core.types import FhirBase

from gateway.errors import Problem
from gateway.fhir import problems
from gateway.fhir.bindings import BINDINGS, PACKAGES, Bindings
from gateway.fhir.primitives import CHECKS, Check

MAX_PROBLEMS = 50
"""Findings of one message at most; a body that is wrong everywhere is not worth more."""

_NOT_WHOLE = frozenset({"+", "mime"})
"""What stands in a list of codes that is not the whole value set: `+`, or any MIME type."""
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{0,63}")
_ELEMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


class Element(NamedTuple):
    """One element: a primitive with its check, or a complex type with the name of its table."""

    name: str
    many: bool
    type_name: str
    check: Check | None
    codes: frozenset[str] | None


Quick = tuple[bool, str, Check | None, frozenset[str] | None]
"""An element without its name, taken apart many times as fast as a named tuple."""

_COMPANION = {
    "id": Element("id", many=False, type_name="string", check=CHECKS["string"], codes=None),
    "extension": Element("extension", many=True, type_name="Extension", check=None, codes=None),
}
"""What may stand in the `_name` member of a primitive (json.html#primitive)."""


class Shape(msgspec.Struct, frozen=True):
    """One type: its elements by JSON name, what is required, and its choices."""

    name: str
    elements: dict[str, Element]
    quick: dict[str, Quick]
    required: tuple[str, ...]
    companions: dict[str, bool]
    """`_name` members of primitives, and whether they are lists."""
    choices: tuple[tuple[str, frozenset[str], bool], ...]
    """Name, the elements of which at most one may be there, whether one has to."""
    is_resource: bool
    summary: frozenset[str] = frozenset()
    """The elements of a summary (`_summary=true`)."""
    order: tuple[str, ...] = ()
    """The elements in the order of the definition, which XML has to keep."""


class Shapes:
    """The tables of one release, made when first needed.

    `models` names the models: `R4B` (which serve R4 too) or `R5`.
    """

    def __init__(self, models: str) -> None:
        self._package = PACKAGES[models]
        self._bindings = BINDINGS[models]
        self._shapes: dict[str, Shape] = {}

    def of(self, type_name: str) -> Shape | None:
        """The table of a resource type, or None when the release has no such type."""
        shape = self._shapes.get(type_name)
        if shape is None:
            model = _model(self._package, type_name) if _TYPE_NAME.fullmatch(type_name) else None
            if model is None or not model.has_resource_base():
                return None
            shape = self._add(model)
        return shape if shape.is_resource else None

    def check(self, resource: dict[str, Any], place: str) -> list[Problem]:
        """What is wrong with the form of a resource, in the order of the message."""
        if self._resource_fits(resource):
            return []
        found: list[Problem] = []
        for problem in self._resource(resource, place):
            found.append(problem)
            if len(found) == MAX_PROBLEMS:
                break
        return found

    def type(self, name: str) -> Shape:
        """The table of a type that another table names."""
        return self._shapes[name]

    def _add(self, model: Any) -> Shape:
        name = model.__name__
        if name in self._shapes:
            return self._shapes[name]
        shape = _compile(model, self._bindings)
        self._shapes[name] = shape
        for field in model.model_fields.values():
            for part in _parts(field.annotation)[0]:
                if isinstance(part, type) and issubclass(part, FhirBase):
                    self._add(part.get_model_klass())
        return shape

    def _resource_fits(self, value: Any) -> bool:
        """True when nothing is wrong: the way of nearly every message, without places."""
        type_name = value.get("resourceType") if isinstance(value, dict) else None
        shape = self.of(type_name) if isinstance(type_name, str) else None
        return shape is not None and self._fits(value, shape)

    def _fits(self, value: Any, shape: Shape) -> bool:
        if type(value) is not dict or not value:
            return False
        elements, shapes = shape.quick, self._shapes
        for name, inner in value.items():
            element = elements.get(name)
            if element is None:
                if name == "resourceType" and shape.is_resource:
                    continue
                many = shape.companions.get(name)
                if many is None or next(self._companion(inner, many, ""), None) is not None:
                    return False
                continue
            many, type_name, check, codes = element
            if many:
                if type(inner) is not list or not inner:
                    return False
                for row in inner:
                    gap = row is None and check is not None and f"_{name}" in value
                    if not gap and not self._one_fits(row, element):
                        return False
            elif check is not None:
                if not check(inner) or (codes is not None and inner not in codes):
                    return False
            elif type_name == "Resource":
                if not self._resource_fits(inner):
                    return False
            elif not self._fits(inner, shapes[type_name]):
                return False
        for name in shape.required:
            if name not in value:
                return False
        for _, names, needed in shape.choices:
            count = len(names.intersection(value))
            if count > 1 or (needed and not count):
                return False
        return True

    def _one_fits(self, value: Any, element: Quick) -> bool:
        _, type_name, check, codes = element
        if check is not None:
            return check(value) and (codes is None or value in codes)
        if type_name == "Resource":
            return self._resource_fits(value)
        return self._fits(value, self._shapes[type_name])

    def _resource(self, value: Any, place: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield problems.structure(place, "应为资源对象", "a resource is an object")
            return
        type_name = value.get("resourceType")
        shape = self.of(type_name) if isinstance(type_name, str) else None
        if shape is None:
            yield problems.structure(
                f"{place}.resourceType" if place else "resourceType",
                "没有或不认识resourceType",
                "resourceType is missing or not known",
            )
            return
        yield from self._object(value, shape, place)

    def _object(self, value: dict[str, Any], shape: Shape, place: str) -> Iterator[Problem]:
        elements = shape.elements
        if not value:
            yield problems.structure(place, "对象不能为空", "an object cannot be empty")
        for name, inner in value.items():
            element = elements.get(name)
            if element is not None:
                yield from self._element(inner, element, value, f"{place}.{name}")
            elif name in shape.companions:
                yield from self._companion(inner, shape.companions[name], f"{place}.{name[1:]}")
            elif not (name == "resourceType" and shape.is_resource):
                yield problems.structure(
                    f"{place}.{name}" if _ELEMENT_NAME.fullmatch(name) else place,
                    "未定义的元素",
                    "an element that is not defined",
                )
        for name in shape.required:
            if name not in value:
                yield problems.required(f"{place}.{name}", "必填元素缺失", "a required element")
        for name, names, needed in shape.choices:
            count = sum(1 for one in names if one in value)
            if count > 1:
                yield problems.structure(
                    f"{place}.{name}", "只能有一种类型的取值", "only one type of value is allowed"
                )
            elif needed and not count:
                yield problems.required(f"{place}.{name}", "必填元素缺失", "a required element")

    def _companion(self, value: Any, many: bool, place: str) -> Iterator[Problem]:  # noqa: FBT001 - a column of the table
        """The `_name` member beside a primitive: its id and extensions."""
        rows = value if many and isinstance(value, list) else [value]
        if many != isinstance(value, list) or not rows:
            yield problems.structure(place, "扩展格式不正确", "not the form of an extension")
            return
        for row in rows:
            if row is None and many:
                continue
            if not isinstance(row, dict) or not row or not row.keys() <= {"id", "extension"}:
                yield problems.structure(place, "扩展格式不正确", "not the form of an extension")
                continue
            for name, inner in row.items():
                yield from self._element(inner, _COMPANION[name], row, f"{place}.{name}")

    def _element(
        self, value: Any, element: Element, holder: dict[str, Any], place: str
    ) -> Iterator[Problem]:
        if not element.many:
            yield from self._one(value, element, place)
            return
        if not isinstance(value, list) or not value:
            yield problems.structure(place, "应为非空数组", "a list that is not empty is needed")
            return
        for index, item in enumerate(value):
            if item is None and element.check is not None and f"_{element.name}" in holder:
                continue
            yield from self._one(item, element, f"{place}[{index}]")

    def _one(self, value: Any, element: Element, place: str) -> Iterator[Problem]:
        if element.check is not None:
            if not element.check(value):
                yield _wrong_type(value, element, place)
            elif element.codes is not None and value not in element.codes:
                yield problems.wrong_value(
                    place, "代码不在必须使用的值集中", "the code is not in the required value set"
                )
        elif element.type_name == "Resource":
            yield from self._resource(value, place)
        elif not isinstance(value, dict):
            yield problems.structure(place, "应为对象", "an object is needed")
        else:
            yield from self._object(value, self._shapes[element.type_name], place)


@cache
def shapes_of(models: str) -> Shapes:
    """The tables of these models, made once a process."""
    return Shapes(models)


def _wrong_type(value: Any, element: Element, place: str) -> Problem:
    if isinstance(value, list | dict):
        return problems.structure(place, "应为单个值", "a single value is needed")
    if isinstance(value, str) and not value.strip():
        return problems.structure(place, "文本不能为空", "a text cannot be empty")
    if element.type_name == "xhtml":
        return problems.structure(
            place,
            "叙述必须是一个非空的XHTML div，且不含脚本、表单、框架和事件属性",
            "a narrative is one div of XHTML that is not empty and has no scripts, forms, frames "
            "or event attributes",
        )
    if isinstance(value, Decimal | int) and element.type_name in {"positiveInt", "unsignedInt"}:
        return problems.wrong_type(place, "应为非负整数", f"not of type {element.type_name}")
    return problems.wrong_type(
        place, f"不是{element.type_name}类型的值", f"not of type {element.type_name}"
    )


def _model(package: str, type_name: str) -> Any:
    try:
        return importlib.import_module(package).get_fhir_model_class(type_name)
    except ValueError:
        return None


def _compile(model: Any, bindings: Bindings) -> Shape:
    elements: dict[str, Element] = {}
    required: list[str] = []
    companions: dict[str, bool] = {}
    choices: dict[str, tuple[list[str], bool]] = {}
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        extra = field.json_schema_extra or {}
        if name.startswith("_"):
            companions[name] = _parts(field.annotation)[1]
        if name == "fhir_comments" or name.startswith("_"):
            continue
        elements[name] = _element(
            name, field.annotation, extra, bindings.get((model.__name__, name))
        )
        if field.is_required() or extra.get("element_required"):
            required.append(name)
        if "one_of_many" in extra:
            group = choices.setdefault(
                extra["one_of_many"], ([], bool(extra["one_of_many_required"]))
            )
            group[0].append(name)
    return Shape(
        name=model.__name__,
        elements=elements,
        quick={
            name: (one.many, one.type_name, one.check, one.codes) for name, one in elements.items()
        },
        required=tuple(required),
        companions=companions,
        choices=tuple(
            (name, frozenset(names), needed) for name, (names, needed) in choices.items()
        ),
        is_resource=model.has_resource_base(),
        summary=frozenset(
            field.alias or name
            for name, field in model.model_fields.items()
            if (field.json_schema_extra or {}).get("summary_element_property")
        ),
        order=tuple(dict.fromkeys([*_in_order(model, elements), *elements])),
    )


def _in_order(model: Any, elements: Mapping[str, Element]) -> list[str]:
    """The order that the model states; extensions come first where it leaves them out."""
    stated = [name for name in model.elements_sequence() if name in elements]
    first = [name for name in ("id", "extension") if name in elements and name not in stated]
    return [*first, *stated]


def _element(
    name: str, annotation: Any, extra: dict[str, Any], codes: frozenset[str] | None
) -> Element:
    parts, many = _parts(annotation)
    part = parts[0]
    if isinstance(part, type) and issubclass(part, FhirBase):
        return Element(name, many, part.get_model_klass().__name__, None, None)
    type_name = _primitive(part)
    listed = extra.get("enum_values") if type_name == "code" else None
    if codes is None and listed and not _NOT_WHOLE.intersection(listed):
        codes = frozenset(listed)
    return Element(name, many, type_name, CHECKS[type_name], codes)


def _parts(annotation: Any) -> tuple[list[Any], bool]:
    """The types of an annotation without None, and whether it is a list of them."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        found: list[Any] = []
        many = False
        for inner in typing.get_args(annotation):
            if inner is not type(None):
                more, is_list = _parts(inner)
                found += more
                many = many or is_list
        return found, many
    if origin is list:
        return _parts(typing.get_args(annotation)[0])[0], True
    return [annotation], False


def _primitive(part: Any) -> str:
    """The FHIR name of a primitive type as the models annotate it."""
    for mark in getattr(part, "__metadata__", ()):
        name = getattr(mark, "__visit_name__", None)
        if name in CHECKS:
            return str(name)
    plain = getattr(part, "__origin__", part)
    return {bool: "boolean", str: "string"}.get(plain, "uuid")
