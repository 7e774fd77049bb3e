"""Departments by the national classification of clinical subjects: `A03`, `A03.01`.

A letter and two digits, then divisions of a point and two digits. An institution uploads its
departments with 3401, each with its class (`caty`).

>>> validate("a03.01")
'A03.01'
>>> is_valid("A03"), is_valid("NK")
(True, False)
>>> format("A03.01")
'A03.01'
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match

PATTERN: Final = re.compile(r"[A-Z]\d{2}(?:\.\d{2})*", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidFormat: it is not a letter and pairs of digits.
    """
    return match(compact(number), PATTERN)


def is_valid(number: str) -> bool:
    """True when `number` has the form of a department class."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code as it is written in messages."""
    return compact(number)
