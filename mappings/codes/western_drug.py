"""Western and chemical drugs: 23 characters that begin with `X`.

`X`, the ATC class to its fourth level (5), name (4), dose form (4), specification (2), pack (2)
and maker (5). The list is distributed by 1301. Only the full code may be billed; published tables
often hold the first 12 characters. There is no check digit.

>>> validate("xj01caa040a001010405611")
'XJ01CAA040A001010405611'
>>> format("XA01ABD075A002010100594")
'X A01AB D075 A002 01 01 00594'
>>> is_valid("XJ01CAA04501010113")  # invented by a demonstration programme
False
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match, split_at

LENGTH: Final = 23
PATTERN: Final = re.compile(r"X[A-Z]\d{2}[A-Z]{2}[A-Z]\d{3}[A-Z]\d{3}\d{4}\d{5}", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 23 characters.
        InvalidFormat: letters and digits do not stand as they should.
    """
    return match(compact(number), PATTERN, (LENGTH,))


def is_valid(number: str) -> bool:
    """True when `number` has the form of a western drug code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, class, name, form, specification, pack, maker."""
    return split_at(compact(number), 1, 6, 10, 14, 16, 18)
