"""Designated institutions: 12 characters, `H` a hospital or `P` a retail pharmacy.

The letter, the region (6) and a serial number (5). The region may be one that only the insurance
knows, as 450199. The list is distributed by 1201.

>>> validate("h43010000001")
'H43010000001'
>>> format("H43010000001")
'H 430100 00001'
>>> is_valid("H99010000001")  # no province has the number 99
False
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import check_region, clean_code, match, split_at

LENGTH: Final = 12
PATTERN: Final = re.compile(r"[HP]\d{11}", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 12 characters.
        InvalidFormat: it is not `H` or `P` and digits.
        InvalidComponent: its region is in no province.
    """
    code = match(compact(number), PATTERN, (LENGTH,))
    check_region(code[1:7])
    return code


def is_valid(number: str) -> bool:
    """True when `number` has the form of an institution code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, region, serial number."""
    return split_at(compact(number), 1, 7)
