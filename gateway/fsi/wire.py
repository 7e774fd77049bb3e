"""JSON of the interface: exact numbers both ways, and the canonical text that is signed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from gateway.errors import UnknownOutcomeError

_MAX_DIGITS = 40
"""Places before or behind the point of a number that is read; no field has more than 30."""


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if number and abs(number.adjusted()) > _MAX_DIGITS:
        raise ValueError("a number is out of range")
    return number


_decoder = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(decimal_format="number")
_ODD_NUMBERS = ((b"+", b"E+"), (b"N", b"NaN"), (b"I", b"Infinity"))
"""In JSON as it is encoded here: a number that `_plain` writes out or refuses, or a text alike.
First a letter of each, for which a text is searched many times as fast."""
_canonical = msgspec.json.Encoder(decimal_format="number", order="sorted")


def decode_json(text: bytes | str) -> Any:
    """The value, fractions as `Decimal` with the digits they were written with.

    Raises:
        ValueError: no JSON in UTF-8, a number of more than 40 places, or nested deeper than the
            interpreter allows.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(f"not JSON: {type(error).__name__}") from error
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None


def encode_json(value: Any) -> bytes:
    """Compact JSON in UTF-8, Chinese as it is, numbers with all their digits.

    Raises:
        ValueError: a number is not finite, or a text cannot be written in UTF-8.
    """
    try:
        return _encoded(value, _encoder)
    except UnicodeError as error:
        raise ValueError("a text cannot be written in UTF-8") from error


def _encoded(value: Any, encoder: msgspec.json.Encoder) -> bytes:
    """The text of a value, its numbers written out (`_plain`)."""
    encoded = encoder.encode(value)
    if any(letter in encoded and word in encoded for letter, word in _ODD_NUMBERS):
        return encoder.encode(_plain(value))
    return encoded


def canonical_text(value: Any) -> str:
    """The text that a signature covers.

    Compact JSON with member names in ascending order at every level and without empty members
    ("", null, an empty object, an empty array), removed at every level, from the inside out; no
    escapes but those JSON demands (reference: signing, section 5.2, step 2). Numbers keep their
    digits: 12.50 stays 12.50. The text of an empty value is "".

    >>> canonical_text({"b": Decimal("12.50"), "a": {"y": "", "x": [None, {}]}, "c": "测试"})
    '{"b":12.50,"c":"测试"}'
    """
    return canonical_bytes(value).decode()


def canonical_bytes(value: Any) -> bytes:
    """The canonical text in UTF-8."""
    kept = _without_empty(value)
    return b"" if kept is None else _encoded(kept, _canonical)


def _without_empty(value: Any) -> Any:
    """The value without its empty members, None when nothing is left.

    Most members are texts, and nearly all others numbers: they are met first, without a call.
    """
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            kind = type(inner)
            if kind is str:
                if inner:
                    kept[name] = inner
            elif kind is Decimal:
                kept[name] = inner
            elif inner is not None:
                left = _without_empty(inner)
                if left is not None:
                    kept[name] = left
        return kept or None
    if isinstance(value, list | tuple):
        return [inner for item in value if (inner := _without_empty(item)) is not None] or None
    return None if value == "" else value


def _plain(value: Any) -> Any:
    """The value with each number written without an exponent that lengthens it."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a number is not finite")
        if "+" in str(value) and value.adjusted() < _MAX_DIGITS:
            return Decimal(f"{value:f}")
        return value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a reply.

    Raises:
        UnknownOutcomeError: the bytes are none, so that nobody knows what the platform did.
    """
    try:
        document = decode_json(body)
    except ValueError as error:
        raise UnknownOutcomeError("the reply is not readable") from error
    if not isinstance(document, dict):
        raise UnknownOutcomeError("the reply is not an object")
    return document
