"""Medical service items: 15 digits, and what a province hangs on with `-`.

Scope (2; 00 is national, else the first two digits of a province), item of the price standard
(9), sub-item (2), surcharge or extension (2). A province may return the code followed by `-` and
its own code, even twice. The list is distributed by 1305, new items by 1321.

>>> validate("001102000010000")
'001102000010000'
>>> format("001102000010000-110200006-a")
'00 110200001 00 00-110200006-a'
>>> is_valid("1102000010000")  # a spreadsheet took the leading zeros
False
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import check_region, clean_code, match, split_at

PATTERN: Final = re.compile(r"\d{15}(?:-[0-9A-Za-z.]+)*", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width characters without spaces."""
    return clean_code(number)


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidFormat: it is not 15 digits and suffixes.
        InvalidComponent: its scope is neither 00 nor a province.
    """
    code = match(compact(number), PATTERN)
    if not code.startswith("00"):
        check_region(code)
    return code


def is_valid(number: str) -> bool:
    """True when `number` has the form of a service item code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: scope, item, sub-item, surcharge, and the suffixes."""
    return split_at(compact(number), 2, 11, 13)
