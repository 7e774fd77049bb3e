"""JSON text to a tree, under limits, with every digit of a number kept.

Limits come first: the count of values is taken from the text with its strings blanked out, before
anything is built, so that the memory a body can claim is bounded by `MAX_VALUES` whatever its form.
A member that appears twice in an object is refused (https://hl7.org/fhir/R4/json.html: names are
unique); which of two amounts was meant is nobody's guess. NaN and Infinity are not JSON.
"""

from __future__ import annotations

import codecs
import json
import re
from array import array
from decimal import Decimal
from itertools import accumulate
from typing import Any

import msgspec

from gateway.errors import Problem, ProblemCode, UnreadableError
from gateway.fhir.problems import structure, too_much, unreadable

MAX_VALUES = 200_000
"""Members and list entries of a body at most."""
MAX_NUMBER_DIGITS = 30
"""Digits of a number at most, and the power of ten it may be away from 1."""

_LARGEST: int = 10**MAX_NUMBER_DIGITS

_STRING = re.compile(rb'"[^"\\]*(?:\\(?:.|\Z)[^"\\]*)*(?:"|\Z)', re.DOTALL)
_ODD_NUMBER = re.compile(rb"[0-9.](?:[eE]|[0-9.]{30})")
"""The form of a number that may be out of range."""
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{[}]"))
_ELEMENT_NAME = re.compile(r"_?[A-Za-z]{1,64}")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_CONTROL = re.compile(rb"(?<!\\)((?:\\\\)*)\\(?:u00(?:0[0-8bcefBCEF]|1[0-9a-fA-F])|[bf])")
"""A control character as JSON escapes it, behind whole escapes of backslashes."""
_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
_REPLACED = "\ufffd".encode()
_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")


def decode(raw: bytes, *, max_depth: int) -> dict[str, Any]:
    """The object that a body holds; numbers with a fraction or exponent are `Decimal`.

    Raises:
        UnreadableError: no JSON object, or beyond a limit.
    """
    skeleton = _skeleton(raw)
    if skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{") > MAX_VALUES:
        raise UnreadableError([too_much("内容的元素过多", "too many elements")])
    try:
        tree = _DECODER.decode(raw)
    except RecursionError:
        raise UnreadableError([_too_deep(max_depth)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, ArithmeticError) as error:
        raise UnreadableError([_not_json(raw, error)]) from None
    if not isinstance(tree, dict):
        raise UnreadableError([unreadable("内容不是JSON对象", "the body is not a JSON object")])
    if _depth(skeleton) > max_depth:
        raise UnreadableError([_too_deep(max_depth)])
    if _ODD_NUMBER.search(skeleton) and not _numbers_are_sane(tree):
        raise UnreadableError([too_much("数字超出范围", "a number is out of range")])
    if not _has_members(tree, raw, skeleton):
        raise UnreadableError([_duplicate(raw)])
    return tree


def encode(tree: Any) -> bytes:
    """JSON text of a tree; a `Decimal` is a number with the digits it has (12.50 stays 12.50)."""
    return _ENCODER.encode(tree)


def encode_answer(tree: Any) -> bytes:
    """JSON text of an answer, without the characters that no text of FHIR has.

    A platform may tell some; they are U+FFFD (https://hl7.org/fhir/R4/datatypes.html#string).
    """
    raw = _ENCODER.encode(tree)
    if b"\\" in raw:
        raw = _CONTROL.sub(rb"\1" + _REPLACED, raw)
    return _NONCHARACTER.sub(_REPLACED, raw) if b"\xef\xbf" in raw else raw


def canonical(tree: Any) -> bytes:
    """JSON text that does not depend on the order of members."""
    return _SORTED.encode(tree)


def decode_own(text: str | bytes) -> dict[str, Any]:
    """The tree of JSON that `encode` wrote."""
    tree = _DECODER.decode(text)
    assert isinstance(tree, dict)
    return tree


def decode_list(text: str) -> list[Any]:
    """The list of JSON that `encode` wrote."""
    tree = _DECODER.decode(text)
    assert isinstance(tree, list)
    return tree


def may_be_escaped(raw: bytes) -> bool:
    """False when every letter of the text stands as itself."""
    return b"\\" in raw and b"\\u" in raw


def _skeleton(text: bytes) -> bytes:
    """JSON text without its strings; without escapes these are every second part between quotes."""
    if b"\\" in text:
        return _STRING.sub(b"", text)
    return b"".join(text.split(b'"')[::2])


def _has_members(tree: dict[str, Any], raw: bytes, skeleton: bytes) -> bool:
    """True when the objects of a tree have as many members as the text had.

    Where nothing is escaped, a member that was lost took the quotes of its name with it.
    """
    text = _ENCODER.encode(tree)
    if b"\\" not in raw and b"\\" not in text:
        return text.count(b'"') == raw.count(b'"')
    return _skeleton(text).count(b":") == skeleton.count(b":")


def _depth(skeleton: bytes) -> int:
    """How deep the brackets of a text without its strings are nested."""
    return max(accumulate(array("b", skeleton.translate(_STEPS, _NO_BRACKETS))), default=0)


def _numbers_are_sane(tree: dict[str, Any]) -> bool:
    """False when a number is out of range."""
    stack: list[Any] = [tree]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, Decimal | int) and not _is_sane(value):
            return False
    return True


def _is_sane(number: Decimal | int) -> bool:
    if isinstance(number, int):
        return -_LARGEST < number < _LARGEST
    _, digits, exponent = number.as_tuple()
    return (
        isinstance(exponent, int)
        and len(digits) <= MAX_NUMBER_DIGITS
        and abs(exponent) <= MAX_NUMBER_DIGITS
    )


def _too_deep(max_depth: int) -> Problem:
    return too_much(f"嵌套超过{max_depth}层", f"nested deeper than {max_depth} levels")


def _not_json(raw: bytes, error: Exception) -> Problem:
    if raw.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _charset(
            "内容以字节顺序标记（BOM）开头，请用不带BOM的UTF-8发送",
            "the body begins with a byte order mark: send UTF-8 without one",
        )
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return _charset(
            f"内容不是UTF-8编码 (byte {wrong.start})，FHIR只用UTF-8",
            f"the body is not UTF-8 (byte {wrong.start}), the only encoding of FHIR",
        )
    position = re.search(r"byte (\d+)", str(error))
    where = f" (byte {position[1]})" if position else ""
    return unreadable(f"内容不是有效的JSON{where}", f"the body is not valid JSON{where}")


def _charset(zh: str, en: str) -> Problem:
    return msgspec.structs.replace(unreadable(zh, en), code=ProblemCode.READ_CHARSET)


def _duplicate(raw: bytes) -> Problem:
    """Name the repeated member where its name is an element name."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, value in pairs:
            if name in members and _ELEMENT_NAME.fullmatch(name):
                repeated.append(name)
            members[name] = value
        return members

    json.loads(raw, object_pairs_hook=look)
    name = f" {repeated[0]}" if repeated else ""
    return structure("", f"对象中有重复的成员{name}", f"an object has a member twice:{name}")
