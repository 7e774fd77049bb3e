"""Medical consumables: 15, 20 or 27 characters that begin with `C`.

`C`, class (6), common name (3), material (2), feature (3); with 20 characters the maker (5)
follows, with 27 the product (7). The list is distributed by 1306 and 1306A. The 15 characters
were tested on 9,011 rows.

>>> validate("C01024003300007")
'C01024003300007'
>>> format("C0101010010100104937")
'C 010101 001 01 001 04937'
>>> is_valid("C010240033")
False
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match, split_at

LENGTHS: Final = (15, 20, 27)
PATTERN: Final = re.compile(r"C\d+", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 15, 20 or 27 characters.
        InvalidFormat: it is not `C` and digits.
    """
    return match(compact(number), PATTERN, LENGTHS)


def is_valid(number: str) -> bool:
    """True when `number` has the form of a consumable code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, class, name, material, feature, maker, product."""
    return split_at(compact(number), 1, 7, 10, 12, 15, 20)
