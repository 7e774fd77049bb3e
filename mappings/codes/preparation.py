"""Preparations of a hospital: 16 characters that begin with `J`.

Only the length and the first letter are known; the parts (maker hospital, standard, class, name)
are told differently by the sources. The list is distributed by 1303.

>>> validate("J430100000010001")
'J430100000010001'
>>> is_valid("J4301")
False
>>> format("j430100000010001")
'J430100000010001'
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match

LENGTH: Final = 16
PATTERN: Final = re.compile(r"J[0-9A-Z]{15}", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 16 characters.
        InvalidFormat: it does not begin with `J`.
    """
    return match(compact(number), PATTERN, (LENGTH,))


def is_valid(number: str) -> bool:
    """True when `number` has the form of a code of a hospital preparation."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code as it is written in messages."""
    return compact(number)
