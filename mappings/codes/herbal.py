"""Chinese herbal pieces (10 characters) and granules (20), both beginning with `T`.

Pieces: `T`, standard (2; 00 is national, else a province), function class (2), name (5, beginning
with 0). Granules: the same with a name that begins with 3, a flag of genuine origin (0 or 1),
four digits and maker (5); the widths of the last parts are inferred. The lists are distributed
by 1302 and 1320.

>>> validate("T001700368")
'T001700368'
>>> is_valid("T00013" + "0001" + "1" + "0001" + "00594")
True
>>> is_valid("T00013")
False
>>> format("t001700368")
'T 00 17 00368'
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match, split_at

LENGTHS: Final = (10, 20)
PATTERN: Final = re.compile(r"T\d{4}(?:0\d{4}|3\d{4}[01]\d{9})", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has neither 10 nor 20 characters.
        InvalidFormat: the digits do not stand as they should.
    """
    return match(compact(number), PATTERN, LENGTHS)


def is_valid(number: str) -> bool:
    """True when `number` has the form of a code of herbal pieces or granules."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, standard, class, name, and what follows."""
    return split_at(compact(number), 1, 3, 5, 10)
