"""Constants that a peer's program expects in acknowledgements (`reply_constants`).

`{"MSA-4" = "100"}` fills MSA-4 of every answer that leaves it empty. What an answer says itself is
never replaced. The text stands as it is, in the delimiters that answers have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.errors import ConfigurationError
from gateway.settings import HL7Dialect

_PLACE = re.compile(r"(MSH|MSA)-([1-9][0-9]?)")
_FIRST_OF_MSH = 3
"""MSH-1 and MSH-2 are the delimiters themselves."""


def check_constants(peer: str, constants: Mapping[str, str]) -> None:
    """Refuse a constant that has no place.

    Raises:
        ConfigurationError: a place is no field of MSH or MSA, or a text would break its segment.
    """
    for place, text in constants.items():
        match = _PLACE.fullmatch(place)
        if match is None or (match[1] == "MSH" and int(match[2]) < _FIRST_OF_MSH):
            raise ConfigurationError(f"peer {peer}: reply_constants names no field: {place!r}")
        if not text.isprintable() or not text.isascii() or "|" in text:
            raise ConfigurationError(f"peer {peer}: reply_constants, {place}: {text!r}")


def stated(body: bytes, dialect: HL7Dialect) -> bytes:
    """The answer with the peer's constants where it says nothing."""
    if not dialect.reply_constants or body[:3] != b"MSH":
        return body
    mark = body[3:4]
    segments = body.split(b"\r")
    for place, text in dialect.reply_constants.items():
        name, _, number = place.partition("-")
        for index, segment in enumerate(segments):
            if segment[:3] == name.encode():
                at = int(number) - (1 if name == "MSH" else 0)
                segments[index] = _filled(segment, mark, at, text.encode())
    return b"\r".join(segments)


def _filled(segment: bytes, mark: bytes, at: int, text: bytes) -> bytes:
    fields = segment.split(mark)
    fields += [b""] * (at + 1 - len(fields))
    fields[at] = fields[at] or text
    return mark.join(fields)
