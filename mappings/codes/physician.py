"""Staff of designated institutions: `D` a physician, `N` a nurse, `HY`/`HJ` others.

The letters (`HY` pharmacist, `HJ` technician of a hospital), the region (6) and a serial number
(6) that runs within the city. The list is distributed by 5102.

>>> validate("d430100000001")
'D430100000001'
>>> format("D430100000001")
'D 430100 000001'
>>> is_valid("HY430100000001"), is_valid("1001")
(True, False)
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import check_region, clean_code, match, split_at

LENGTHS: Final = (13, 14)
PATTERN: Final = re.compile(r"(?:[DN]|H[YJ])(\d{6})(\d{6})", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 13 characters (14 with two letters).
        InvalidFormat: letters and digits do not stand as they should.
        InvalidComponent: its region is in no province.
    """
    code = match(compact(number), PATTERN, LENGTHS)
    check_region(code[-12:-6])
    return code


def is_valid(number: str) -> bool:
    """True when `number` has the form of a staff code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, region, serial number."""
    code = compact(number)
    return split_at(code, len(code) - 12, len(code) - 6)
