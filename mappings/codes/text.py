"""How codes and names are brought into one form before they are compared."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

from stdnum.exceptions import InvalidComponent, InvalidFormat, InvalidLength

_SPACE: Final = re.compile(r"\s+")
_PROVINCE: Final = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-6]|71|8[12]")
_MARKS: Final = str.maketrans({"†": "+", "∗": "*", "‐": "-", "–": "-", "—": "-"})


def clean_code(number: str) -> str:
    """A code without spaces, in half-width characters, with plain `+`, `*` and `-`.

    >>> clean_code(" Ａ０１．００１ † K77.0*")
    'A01.001+K77.0*'
    """
    return _SPACE.sub("", unicodedata.normalize("NFKC", number).translate(_MARKS))


def normalise_name(name: str) -> str:
    """A name as it is compared: NFKC, no spaces, one case.

    >>> normalise_name("Ⅱ型 糖尿病（重）") == normalise_name("II型糖尿病(重)")
    True
    >>> normalise_name("丁型肝炎HDV") == normalise_name("丁型肝炎hdv")
    True
    """
    return _SPACE.sub("", unicodedata.normalize("NFKC", name)).casefold()


def private_use(text: str) -> bool:
    r"""True when a character stands in the private-use area: a rare Han character lost on the way.

    >>> private_use("\ue863"), private_use("㐂龘𠮷")
    (True, False)
    """
    return any(unicodedata.category(character) == "Co" for character in text)


def match(number: str, pattern: re.Pattern[str], lengths: range | tuple[int, ...] = ()) -> str:
    """`number` when it has one of the lengths and the pattern.

    Raises:
        InvalidLength: it is shorter or longer than the code system allows.
        InvalidFormat: its characters do not stand as the pattern says.
    """
    if lengths and len(number) not in lengths:
        raise InvalidLength
    if not pattern.fullmatch(number):
        raise InvalidFormat
    return number


def is_province(digits: str) -> bool:
    """True when a province has these two digits in GB/T 2260, or the Xinjiang corps (66).

    >>> is_province("43"), is_province("66"), is_province("99")
    (True, True, False)
    """
    return _PROVINCE.fullmatch(digits) is not None


def check_region(digits: str) -> None:
    """Refuse a code or a region part whose first two digits are no province.

    Raises:
        InvalidComponent: no province has this number.
    """
    if not is_province(digits[:2]):
        raise InvalidComponent


def split_at(code: str, *places: int) -> str:
    """The parts of `code` between the places, with a space between them.

    >>> split_at("430199", 2, 4)
    '43 01 99'
    """
    return " ".join(filter(None, (code[i:j] for i, j in pairwise((0, *places, len(code))))))
