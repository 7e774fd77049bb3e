"""Diseases (`B`) and syndromes (`Z`) of Chinese medicine, release of 2019.

Three letters, or these and three further characters. The lists are distributed by 1314 and 1315.
A release 2.0 exists whose codes are not public; a site that uses it loads its list.

>>> validate("bnf010")
'BNF010'
>>> is_valid("ZBMR40"), is_valid("BNF"), is_valid("J06.900")
(True, True, False)
>>> format("ZBF000")
'ZBF000'
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match

LENGTHS: Final = (3, 6)
PATTERN: Final = re.compile(r"B[A-Z]{2}(?:\d{3})?|Z[A-Z]{2}(?:[A-Z0-9]{3})?", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has neither 3 nor 6 characters.
        InvalidFormat: letters and digits do not stand as they should.
    """
    return match(compact(number), PATTERN, LENGTHS)


def is_valid(number: str) -> bool:
    """True when `number` has the form of a disease or syndrome code of Chinese medicine."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code as it is written in messages."""
    return compact(number)
