"""Regions of the medical insurance (医保区划): 6 digits in the pattern of GB/T 2260.

Province (2), city (2), county (2). Codes that only the insurance knows follow the same pattern:
`PP9900` the scheme run by a province, `PPCC99` the one run by a city, `66DD00` a division of the
Xinjiang corps. Here the form is checked; `mappings.regions` knows the regions.

>>> validate("430199")
'430199'
>>> format("430199")
'43 01 99'
>>> is_valid("4301"), is_valid("990100")
(False, False)
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import check_region, clean_code, match, split_at

LENGTH: Final = 6
PATTERN: Final = re.compile(r"\d{6}", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width characters without spaces."""
    return clean_code(number)


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 6 digits.
        InvalidFormat: a character is no digit.
        InvalidComponent: its first two digits are no province.
    """
    code = match(compact(number), PATTERN, (LENGTH,))
    check_region(code)
    return code


def is_valid(number: str) -> bool:
    """True when `number` has the form of a region code of a known province."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: province, city, county."""
    return split_at(compact(number), 2, 4)
