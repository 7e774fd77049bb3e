"""Does an input, or an output, hold what the definition of its transaction asks for?

The rules are those of the interface's tables (reference: rules of the interface, section 1): an
empty number is 0 and every other empty value an empty text; a required field may not be empty;
texts have a length in characters, numbers digits before and behind the point, and fields marked as
dictionary take its values only. This is written apart from the gateway's own check on purpose: a
rule misread there shows here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.fsi.definitions import Definitions, Field, Node

DATE = "%Y-%m-%d"
DATETIME = "%Y-%m-%d %H:%M:%S"

_DATE_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_DATETIME_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\Z", re.ASCII)
_DETAIL_NUMBER = re.compile(r"[1-9]\d{0,14}\Z", re.ASCII)

MAX_FINDINGS = 5
"""Findings named in one refusal; `err_msg` holds about 200 characters."""


class Inspector:
    """Checks inputs and envelopes of one region.

    `open_dictionaries` are the value sets a region extends with its own codes: their fields are
    checked for length only.
    """

    def __init__(self, definitions: Definitions, open_dictionaries: frozenset[str]) -> None:
        self._definitions = definitions
        self._open = open_dictionaries

    def envelope(self, document: dict[str, Any]) -> list[str]:
        """What is wrong with the outer message, in Chinese; `input` is looked at elsewhere."""
        return [
            finding
            for field in self._definitions.envelope.request
            if field.code != "input"
            for finding in self._value(field, document.get(field.code), field.code)
        ]

    def input(self, infno: str, document: dict[str, Any]) -> list[str]:
        """What is wrong with the input of a known transaction, in Chinese."""
        nodes = self._definitions.transaction(infno).input
        return [
            finding
            for node in nodes
            if node.parent is None
            for finding in self._node(node, nodes, document, "")
        ]

    def output(self, infno: str, document: Any) -> list[str]:
        """What is wrong with the output of a known transaction, in Chinese.

        An output that is a list stands bare, or under `data` beside the counts of its pages.
        """
        nodes = self._definitions.transaction(infno).output
        root = next((node for node in nodes if node.name == "" and node.repeats), None)
        if root is not None:
            rows = document.get("data") if isinstance(document, dict) else document
            return list(self._rows(root, nodes, rows or [], ""))
        return [
            finding
            for node in nodes
            if node.parent is None
            for finding in self._node(node, nodes, document, "")
        ]

    def _node(
        self, node: Node, nodes: tuple[Node, ...], holder: dict[str, Any], path: str
    ) -> Iterator[str]:
        content = holder if node.name == "" else holder.get(node.name)
        where = f"{path}{node.name}"
        if content is None or content in ("", [], {}):
            if node.required:
                yield f"缺少节点{where}"
            return
        yield from self._rows(node, nodes, content, where)

    def _rows(self, node: Node, nodes: tuple[Node, ...], content: Any, where: str) -> Iterator[str]:
        rows = content if isinstance(content, list) else [content]
        if not node.repeats and isinstance(content, list) and len(rows) > 1:
            yield f"节点{where}只能有一行"
        for index, row in enumerate(rows):
            place = f"{where}[{index}]" if isinstance(content, list) else where
            if not isinstance(row, dict):
                yield f"节点{place}不是对象"
                continue
            prefix = f"{place}." if place else ""
            for field in node.fields:
                value = row.get(field.code)
                yield from self._value(field, value, prefix + field.code)
            for child in nodes:
                if child.parent == node.name and child.parent is not None:
                    yield from self._node(child, nodes, row, prefix)

    def _value(self, field: Field, value: Any, place: str) -> Iterator[str]:
        if value is None or value == "":
            if field.required and not field.doubtful:
                yield f"{place}({field.label})不能为空"
            return
        if field.code == "feedetl_sn":
            yield from _detail_number(value, place)
        elif field.type == "number":
            yield from _number(field, value, place)
        elif field.type == "json" or (field.code == "exp_content" and not isinstance(value, str)):
            return
        elif not isinstance(value, str):
            yield f"{place}({field.label})应为字符串"
        elif field.type in ("date", "datetime"):
            yield from _time(field, value, place)
        else:
            yield from self._text(field, value, place)

    def _text(self, field: Field, value: str, place: str) -> Iterator[str]:
        if field.max_length is not None and len(value) > field.max_length:
            yield f"{place}({field.label})长度超过{field.max_length}"
        if not field.dictionary or field.dictionary in self._open:
            return
        if value not in self._definitions.dictionary(field.dictionary):
            yield f"{place}({field.label})不在字典{field.dictionary}中"


def _detail_number(value: Any, place: str) -> Iterator[str]:
    """Digits only, not 0, at most 15 (0000 is the sign for all details in a withdrawal)."""
    text = str(value)
    if isinstance(value, bool) or (text != "0000" and not _DETAIL_NUMBER.match(text)):
        yield f"{place}(费用明细流水号)应为不超过15位的非0数字"


def _number(field: Field, value: Any, place: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        yield f"{place}({field.label})应为数字"
        return
    try:
        number = Decimal(value)
    except InvalidOperation:
        yield f"{place}({field.label})应为数字"
        return
    if not number.is_finite():
        yield f"{place}({field.label})应为数字"
        return
    if field.precision is None:
        return
    scale = field.scale or 0
    if _places(number) > scale:
        yield f"{place}({field.label})小数超过{scale}位"
    if number and number.adjusted() + 1 > field.precision - scale:
        yield f"{place}({field.label})整数超过{field.precision - scale}位"


def _places(number: Decimal) -> int:
    """Digits behind the point, without zeros at the end."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    kept = "".join(map(str, digits)).rstrip("0")
    return max(0, -exponent - (len(digits) - len(kept))) if kept else 0


def _time(field: Field, value: str, place: str) -> Iterator[str]:
    """A date-time in full; a field typed date may carry the time (the text's slip for many)."""
    try:
        if _DATETIME_SHAPE.match(value):
            datetime.strptime(value, DATETIME)  # noqa: DTZ007 - China Standard Time, no zone on the wire
            return
        if field.type == "date" and _DATE_SHAPE.match(value):
            datetime.strptime(value, DATE)  # noqa: DTZ007 - a calendar date
            return
    except ValueError:
        pass
    form = "yyyy-MM-dd HH:mm:ss" if field.type == "datetime" else "yyyy-MM-dd"
    yield f"{place}({field.label})格式应为{form}"


def in_one_sentence(findings: list[str]) -> str:
    """The findings as an `err_msg`."""
    named = "；".join(findings[:MAX_FINDINGS])
    more = f"；等{len(findings)}项" if len(findings) > MAX_FINDINGS else ""
    return f"入参校验失败：{named}{more}"
