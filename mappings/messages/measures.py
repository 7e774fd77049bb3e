"""Weights and durations as the national interface writes them, from a number and its unit.

A weight is in grams, a duration is days/hours/minutes (`1/13/24`). A message may state either in
another unit, by its UCUM code. What cannot be converted stays as it was stated, its unit with it:
the check of the settlement list names it, and the message is not refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

GRAMS: Mapping[str, Decimal] = {
    "mg": Decimal("0.001"),
    "g": Decimal(1),
    "克": Decimal(1),
    "kg": Decimal(1000),
    "千克": Decimal(1000),
    "公斤": Decimal(1000),
}
"""Unit of a mass -> grams."""
MINUTES: Mapping[str, int] = {
    "min": 1,
    "分钟": 1,
    "h": 60,
    "hr": 60,
    "小时": 60,
    "d": 1440,
    "天": 1440,
}
"""Unit of a duration -> minutes."""
LONGEST = 12
"""Characters of a number that is converted."""
_DURATION = re.compile(r"[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,2}")


def grams(number: str, unit: str) -> str:
    """A mass in grams.

    >>> grams("3.25", "kg"), grams("3250", "g"), grams("7.2", "[lb_av]"), grams("3250", "")
    ('3250', '3250', '7.2 [lb_av]', '3250 (no unit)')
    """
    factor, value = GRAMS.get(unit), _decimal(number)
    if factor is None or value is None:
        return _as_stated(number, unit)
    text = format(value * factor, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(number: str, unit: str) -> str:
    """A duration as days/hours/minutes, down to the whole minute.

    >>> duration("1/13/24", ""), duration("37.4", "h"), duration("2244", "min")
    ('1/13/24', '1/13/24', '1/13/24')
    >>> duration("3", "wk")
    '3 wk'
    """
    if _DURATION.fullmatch(number):
        return number
    factor, value = MINUTES.get(unit), _decimal(number)
    if factor is None or value is None:
        return _as_stated(number, unit)
    return days_hours_minutes(int(value * factor))


def days_hours_minutes(minutes: int) -> str:
    """Minutes as days/hours/minutes (reference: rules section 17).

    >>> days_hours_minutes(2244)
    '1/13/24'
    """
    hours, rest = divmod(minutes, 60)
    return "/".join(map(str, (*divmod(hours, 24), rest)))


def _decimal(text: str) -> Decimal | None:
    """A number that is not negative; None for anything else, and for one too long to be meant."""
    try:
        value = Decimal(text) if len(text) <= LONGEST else None
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() and value >= 0 else None


def _as_stated(number: str, unit: str) -> str:
    return f"{number} {unit or '(no unit)'}"
