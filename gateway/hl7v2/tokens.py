"""The e-voucher token: found wherever a message may carry one, and masked.

A token is the value of an identifier of type ECTOKEN (PID-3, MRG-1) or of a query parameter that
says so (QPD-3). It serves once, so it is neither stored, nor logged, nor part of what makes two
messages the same.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.errors import UnreadableError
from gateway.hl7v2.escapes import Delimiters
from gateway.hl7v2.reader import read_delimiters

TOKEN_TYPE = "ECTOKEN"  # noqa: S105 - the name of an identifier type, not a secret
MASK = "*"

_FIELDS = {"PID": 3, "MRG": 1, "QPD": 3}


def mask_tokens(text: str, token_types: Collection[str]) -> str:
    """The message with every token replaced by `*`, everything else as it was.

    `token_types` are the values of CX.5 that mean a token: ECTOKEN and the peers' names for it.
    """
    if not any(name in text for name in token_types):
        return text
    try:
        delimiters = read_delimiters(text)
    except UnreadableError:
        return text
    lines = text.split("\r")
    return "\r".join(_masked_line(line, delimiters, token_types) for line in lines)


def _masked_line(line: str, delimiters: Delimiters, types: Collection[str]) -> str:
    """A line; with LF as segment end several segments stand in one, each is looked at."""
    if "\n" in line:
        parts = line.split("\n")
        return "\n".join(_masked_line(part, delimiters, types) for part in parts)
    number = _FIELDS.get(line[:3])
    if number is None:
        return line
    fields = line.split(delimiters.field)
    if len(fields) <= number:
        return line
    separator = delimiters.repetition
    repetitions = fields[number].split(separator) if separator else [fields[number]]
    if line[:3] == "QPD":
        repetitions = _masked_query(repetitions, delimiters, types)
    else:
        repetitions = [_masked_identifier(it, delimiters, types) for it in repetitions]
    fields[number] = separator.join(repetitions)
    return delimiters.field.join(fields)


def _masked_identifier(raw: str, delimiters: Delimiters, types: Collection[str]) -> str:
    parts = raw.split(delimiters.component)
    if len(parts) > 4 and _says(parts[4], delimiters, types) and parts[0]:
        parts[0] = MASK
    return delimiters.component.join(parts)


def _masked_query(raws: list[str], delimiters: Delimiters, types: Collection[str]) -> list[str]:
    """Mask the identifiers of a query that names a token type anywhere in its demographics."""
    raws = [_masked_identifier(raw, delimiters, types) for raw in raws]
    pairs = [raw.split(delimiters.component, 1) for raw in raws]
    if not any(len(pair) == 2 and _says(pair[1], delimiters, types) for pair in pairs):
        return raws
    return [
        delimiters.component.join([pair[0], MASK])
        if len(pair) == 2 and pair[0].lstrip("@") in {"PID.3", "PID.3.1"} and pair[1]
        else raw
        for pair, raw in zip(pairs, raws, strict=True)
    ]


def _says(raw: str, delimiters: Delimiters, types: Collection[str]) -> bool:
    parts = raw.split(delimiters.subcomponent) if delimiters.subcomponent else [raw]
    return any(part.strip() in types for part in parts)
