"""Values of FHIR as one text."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gateway.fhir.references import as_list
from mappings.messages import measures


def scalar(value: Any) -> str:
    """A value of a primitive type as text, empty for anything else; decimals keep every digit."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Decimal):
        text = str(value)
        return format(value, "f") if "E" in text else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else ""


def human_name(value: Any) -> str:
    """A HumanName as one text: `text`, else family and given names; a text as it is.

    Chinese names are joined without a blank (mapping matrix 1.1).
    """
    if not isinstance(value, dict):
        return scalar(value)
    if scalar(value.get("text")):
        return scalar(value.get("text"))
    parts = [scalar(value.get("family")), *map(scalar, as_list(value.get("given")))]
    chinese = any(ord(character) > 0x2E7F for part in parts for character in part)
    return ("" if chinese else " ").join(part for part in parts if part)


def grams(value: Any) -> str:
    """A Quantity of mass in grams (`mappings.messages.measures`)."""
    return _measure(value, measures.grams)


def duration(value: Any) -> str:
    """A Quantity of time as days/hours/minutes (`mappings.messages.measures`)."""
    return _measure(value, measures.duration)


def _measure(value: Any, convert: Callable[[str, str], str]) -> str:
    """A Quantity as text, by the code of its unit; what is not exact (`comparator`) is none."""
    if not isinstance(value, dict) or value.get("comparator"):
        return ""
    number = scalar(value.get("value"))
    unit = scalar(value.get("code")) or scalar(value.get("unit"))
    return convert(number, unit) if number else ""
