"""Operation codes of the medical insurance: ICD-9-CM-3 医保版.

Two digits, a point, four characters (`x` where ICD-9-CM-3 has no digit) and for a further
division `x` and three or four digits; procedures of Chinese medicine have five characters after
the point, one of which may be a letter. The list is distributed by 1308; the shape was tested on
all 13,686 codes of edition 2.0.

>>> validate("00.0200X001")
'00.0200x001'
>>> [is_valid(code) for code in ("40.0x00", "17.91100", "17.912A0", "86.700x0013")]
[True, True, True, True]
>>> is_valid("0.01")  # a spreadsheet took the zeros of 00.0100
False
>>> format("47.0100")
'47.0100'
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match

PATTERN: Final = re.compile(
    r"\d{2}\.(?:\d{4}|\dx\d{2}|\d{5}|\d{3}[A-Z]\d|\d{3}(?=x\d{4}$))(?:x\d{3,4})?", re.ASCII
)


def compact(number: str) -> str:
    """The code in half-width characters, letters in capitals, fillers as small `x`."""
    return clean_code(number).upper().replace("X", "x")


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidFormat: it has not the form of a code of the list.
    """
    return match(compact(number), PATTERN)


def is_valid(number: str) -> bool:
    """True when `number` has the form of an operation code of the insurance list."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code as it is written in messages."""
    return compact(number)
