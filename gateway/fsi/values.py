"""Checks of single values, compiled from the definition of a field.

Strict, because this is what is sent: a text is a text, a number is exact. A number may also be
written as a text of plain digits, which deployed senders do and platforms read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from gateway.errors import Problem
from gateway.fsi.definitions import Field
from gateway.fsi.findings import not_in_dictionary, too_long, too_precise, wrong_type

ValueCheck = Callable[[Any], Problem | None]
"""Takes a value that is not empty, gives the first finding without its place."""

MAX_NUMBER_TEXT = 64
"""Characters of a number written as text; no field has more than 30 digits."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


def is_empty(value: Any) -> bool:
    """True for what the interface calls empty: null, no text, or blanks alone."""
    return value is None or (isinstance(value, str) and not value.strip())


def exact(value: Any) -> Decimal | None:
    """The number that a value stands for, None when it stands for none."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str) and len(value) <= MAX_NUMBER_TEXT and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def value_check(field: Field, dictionary: Mapping[str, str] | None) -> ValueCheck:
    """The check of one field; `dictionary` is None when any value may be sent."""
    if field.type == "json":
        return lambda _value: None
    if field.type == "number":
        return _number_check(field)
    if field.type == "date":
        return _time_check(field, _DATE, date.fromisoformat, "yyyy-MM-dd")
    if field.type == "datetime":
        return _time_check(field, _DATETIME, datetime.fromisoformat, "yyyy-MM-dd HH:mm:ss")
    return _text_check(field, dictionary)


def _text_check(field: Field, dictionary: Mapping[str, str] | None) -> ValueCheck:
    no_text = wrong_type(field, "字符串", "a text")
    limit = field.max_length

    def check(value: Any) -> Problem | None:
        if not isinstance(value, str):
            return no_text
        if limit is not None and len(value) > limit:
            return too_long(field, len(value))
        if dictionary is not None and value not in dictionary:
            return not_in_dictionary(field, value)
        return None

    return check


def _number_check(field: Field) -> ValueCheck:
    no_number, too_many = wrong_type(field, "数字", "a number"), too_precise(field)
    precision, scale = field.precision, field.scale

    def check(value: Any) -> Problem | None:
        number = exact(value)
        if number is None:
            return no_number
        if precision is None:
            return None
        whole, behind = _digits(number)
        if scale is None:
            return too_many if whole + behind > precision else None
        return too_many if behind > scale or whole > precision - scale else None

    return check


def _digits(number: Decimal) -> tuple[int, int]:
    """Digits before and behind the point that count; 0.50 has none and one."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if not number:
        return 0, 0
    trailing = 0
    while digits[-1 - trailing] == 0:
        trailing += 1
    return max(len(digits) + exponent, 0), max(-exponent - trailing, 0)


def _time_check(
    field: Field, form: re.Pattern[str], parse: Callable[[str], date], zh: str
) -> ValueCheck:
    wrong = wrong_type(field, f"{zh}格式", f"in the form {zh}")

    def check(value: Any) -> Problem | None:
        if not isinstance(value, str) or not form.fullmatch(value):
            return wrong
        try:
            parse(value)
        except ValueError:
            return wrong
        return None

    return check
