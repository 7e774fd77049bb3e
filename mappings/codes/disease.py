"""Diagnosis codes of the medical insurance: ICD-10 医保版.

A category of three characters, a point, a subcategory of one character (`x` where ICD-10 has
none), two characters of extension, and for a further division `x` and three digits. A pair of
dagger and asterisk codes is one code joined by `+`. The list is distributed by 1307. The shape
was tested on all 33,307 codes of edition 2.0; it has no check digit, so only the list finds a
typing error.

>>> validate("I10.x00x002")
'I10.x00x002'
>>> compact("i10.X00 X002")
'I10.x00x002'
>>> is_valid("A01.001+K77.0*")
True
>>> is_valid("C22.101M81600/3")  # the clinical edition glues the morphology on
False
>>> format("j06.900")
'J06.900'
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match

PATTERN: Final = re.compile(
    r"[A-Z]\d{2}\.(?:\d{3}|x\d{2})(?:x\d{3})?(?:\+[A-Z]\d{2}(?:\.\d)?\*)?", re.ASCII
)
_FILLER: Final = re.compile(r"(?<=[.\d])X")


def compact(number: str) -> str:
    """The code in half-width characters, letters in capitals, fillers as small `x`."""
    return _FILLER.sub("x", clean_code(number).upper())


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidFormat: it has not the form of a code of the list.
    """
    return match(compact(number), PATTERN)


def is_valid(number: str) -> bool:
    """True when `number` has the form of a diagnosis code of the insurance list."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code as it is written in messages."""
    return compact(number)
