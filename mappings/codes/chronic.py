"""Chronic diseases treated in outpatient departments (门诊慢特病): `M` and 5 digits.

Disease (3) and division (2). The list is distributed by 1309 and is a region's own: the same
number may have another name elsewhere.

>>> validate("m03900")
'M03900'
>>> format("M07803")
'M 078 03'
>>> is_valid("M81600/3")  # tumour morphology, another system
False
"""

from __future__ import annotations

import re
from typing import Final

from stdnum.exceptions import ValidationError

from mappings.codes.text import clean_code, match, split_at

LENGTH: Final = 6
PATTERN: Final = re.compile(r"M\d{5}", re.ASCII)


def compact(number: str) -> str:
    """The code in half-width capitals without spaces."""
    return clean_code(number).upper()


def validate(number: str) -> str:
    """The compact code.

    Raises:
        InvalidLength: it has not 6 characters.
        InvalidFormat: it is not `M` and digits.
    """
    return match(compact(number), PATTERN, (LENGTH,))


def is_valid(number: str) -> bool:
    """True when `number` has the form of a chronic disease code."""
    try:
        return bool(validate(number))
    except ValidationError:
        return False


def format(number: str) -> str:  # noqa: A001 - one of the four verbs of python-stdnum
    """The code in its parts: identifier, disease, division."""
    return split_at(compact(number), 1, 4)
