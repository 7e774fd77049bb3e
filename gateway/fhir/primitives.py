"""The primitive types of FHIR: JSON form and regular expression of each.

Source: https://hl7.org/fhir/R4/datatypes.html#primitive and json.html. Times are checked for being
real ones. A leap second (`:60`) is refused although FHIR has it: the interface has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gateway.fhir.narrative import is_narrative

Check = Callable[[Any], bool]

DAY_CHARACTERS = len("yyyy-MM-dd")
MAX_STRING = 1_048_576
"""Characters of a string at most (datatypes.html#string)."""

_CODE = re.compile(r"[^\s\x00-\x1f\ufffe\uffff]+( [^\s\x00-\x1f\ufffe\uffff]+)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that no text has, and that XML cannot carry."""
_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_INSTANT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}{_ZONE}")


def _text(value: Any) -> bool:
    return (
        isinstance(value, str)
        and bool(value.strip())
        and len(value) <= MAX_STRING
        and (value.isprintable() or _CONTROL.search(value) is None)
    )


def _pattern(expression: str) -> Check:
    match = re.compile(expression).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def _code(value: Any) -> bool:
    """No blank at the ends, and single ones within; a word alone is the usual code."""
    return isinstance(value, str) and (value.isalnum() or _CODE.fullmatch(value) is not None)


def _uri(value: Any) -> bool:
    """Not empty, and no blank in it."""
    return (
        isinstance(value, str)
        and value.split(None, 1) == [value]
        and (value.isprintable() or _CONTROL.search(value) is None)
    )


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _date(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= DAY_CHARACTERS and _is_day(value)


def _long(low: int, high: int) -> Check:
    """A text in JSON (https://hl7.org/fhir/R5/json.html#primitive); a number is taken too."""
    digits = re.compile(r"[-+]?[0-9]{1,19}").fullmatch
    number = _whole(low, high)
    return lambda value: number(
        int(value) if isinstance(value, str) and digits(value) is not None else value
    )


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    """A year, month or day that exists; the items of a claim mostly have the same."""
    if not _DATE.fullmatch(text) or text.startswith("0000"):
        return False
    try:
        date.fromisoformat(f"{text}-01-01"[:10] if len(text) < 10 else text)
    except ValueError:
        return False
    return True


def _instant(value: Any) -> bool:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(re.sub(r"\.[0-9]+", "", value))
    except ValueError:
        return False
    return True


def _date_time(value: Any) -> bool:
    return _instant(value) if isinstance(value, str) and "T" in value else _date(value)


CHECKS: dict[str, Check] = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": _whole(-2147483648, 2147483647),
    "unsignedInt": _whole(0, 2147483647),
    "positiveInt": _whole(1, 2147483647),
    "integer64": _long(-9223372036854775808, 9223372036854775807),
    "decimal": lambda value: isinstance(value, Decimal) or type(value) is int,
    "string": _text,
    "markdown": _text,
    "xhtml": is_narrative,
    "code": _code,
    "id": _pattern(r"[A-Za-z0-9\-.]{1,64}"),
    "uri": _uri,
    "url": _uri,
    "canonical": _uri,
    "oid": _pattern(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+"),
    "uuid": _pattern(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "base64Binary": _pattern(r"(\s*([0-9a-zA-Z+/=]){4}\s*)+"),
    "date": _date,
    "dateTime": _date_time,
    "instant": _instant,
    "time": _pattern(_TIME),
}
"""Type name -> does a JSON value have it."""
