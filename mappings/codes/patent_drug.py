"""Chinese patent drugs: 20 to 23 characters that begin with `Z`.

`Z`, class (5), name (a letter and 4 digits), four digits and maker (5). The first eleven
characters were seen on 745 codes; the total of 20 is not confirmed by a list, so up to 23 are
taken until one is loaded. The list is distributed by 1301.

>>> validate("ZA12AAB0505010100594")
'ZA12AAB0505010100594'
>>> format("ZA12AAB0505010100594")
'Z A12AA B0505 0101 00594'
>>> is_valid("ZA12AAB0505")  # a prefix cannot be billed
False
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match, split_at

LENGTHS: Final = range(20, 24)
PATTERN: Final = re.compile(r"Z[A-Z]\d{2}[A-Z]{2}[A-Z]\d{4}\d{9,12}", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 20 to 23 characters.
        InvalidFormat: letters and digits do not stand as they should.
    """
    return match(compact(number), PATTERN, LENGTHS)


def is_valid(number: str) -> bool:
    """True when `number` has the form of a Chinese patent drug code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, class, name, form and pack, maker."""
    code = compact(number)
    return split_at(code, 1, 6, 11, len(code) - 5)
