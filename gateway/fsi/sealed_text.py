"""The pure parts of the sealed envelope: names, sign text, keys, times, hexadecimal, base64.

Source: reference, signing, section 5. The whole envelope is made and read in `sealed`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from gateway.clock import CHINA
from gateway.crypto.sm import sm4_ecb_encrypt
from gateway.fsi.wire import canonical_text, encode_json

APP_ID: Final = "appId"
APP_CODE: Final = "appCode"
ENC_TYPE: Final = "encType"
SIGN_TYPE: Final = "signType"
VERSION: Final = "version"
TIMESTAMP: Final = "timestamp"
TRANS_TYPE: Final = "transType"
DATA: Final = "data"
ENC_DATA: Final = "encData"
SIGN_DATA: Final = "signData"
EXTRA: Final = "extra"

SM4: Final = "SM4"
SM2: Final = "SM2"
UNSIGNED: Final = frozenset({SIGN_DATA, ENC_DATA, EXTRA})
"""Top-level members that take no part in the signature."""
KEY_CHARACTERS: Final = 16
"""Characters of `appId`, and of T, that are a key of SM4."""
MAX_DEPTH: Final = 64
"""Levels of objects and arrays in a message; no transaction of the interface has more than six."""

Scalars = Literal["json", "text"]
"""The two readings of the canonical text: numbers and booleans as JSON writes them, or strings."""
TimestampForm = Literal["calendar", "milliseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CALENDAR_DIGITS, _MILLISECOND_DIGITS = 14, 13
_MAX_DIGITS = 40
"""Places of a number before or behind the point, as `wire.decode_json` reads it."""
_MAX_INTEGER = 10**_MAX_DIGITS


def encrypted_secret(app_id: str, app_secret: str) -> str:
    """T: the secret under K1, the first 16 characters of the id; hexadecimal in upper case.

    >>> encrypted_secret("43AF047BBA47FC8A1AE8EFB232BDBBCB", "4117E877F5FA0A01")[:32]
    '863B5F40C70B71EAE121C3A63F5A17B0'

    Raises:
        ValueError: the id has fewer than 16 ASCII characters.
    """
    key = app_id[:KEY_CHARACTERS].encode()
    return sm4_ecb_encrypt(key, app_secret.encode()).hex().upper()


def data_key(app_id: str, app_secret: str) -> bytes:
    """K2, the key of `encData`: the first 16 characters of T, so 64 unknown bits and not 128.

    Raises:
        ValueError: the id has fewer than 16 ASCII characters.
    """
    return encrypted_secret(app_id, app_secret)[:KEY_CHARACTERS].encode()


def sign_text(members: Mapping[str, Any], app_secret: str, scalars: Scalars) -> str:
    """The text that is signed: `name=value` joined by `&`, names ascending, then `&key=`.

    `members` has the clear `data`; `signData`, `encData`, `extra` and members with an empty value
    are left out.

    >>> sign_text({"version": "2.0.1", "appId": "A", "data": {"n": 1}, "extra": "x"}, "S", "text")
    'appId=A&data={"n":"1"}&version=2.0.1&key=S'
    """
    texts = ((name, _member_text(members[name], scalars)) for name in sorted(members))
    parts = [f"{name}={text}" for name, text in texts if text and name not in UNSIGNED]
    return "&".join([*parts, f"key={app_secret}"])


def _member_text(value: Any, scalars: Scalars) -> str:
    """A text as it is, a number without quotes in either reading, anything else canonical."""
    if isinstance(value, str):
        return value
    return canonical_data(value, scalars if isinstance(value, dict | list | tuple) else "json")


def canonical_data(value: Any, scalars: Scalars) -> str:
    """The canonical text of `data` in one of the two readings; "" when all of it is empty.

    A number keeps the digits it was written with: 12.50 is `12.50` or `"12.50"`.

    >>> canonical_data({"b": 2, "a": True, "c": None, "d": [Decimal("12.30")]}, "json")
    '{"a":true,"b":2,"d":[12.30]}'
    >>> canonical_data({"b": 2, "a": True, "c": None, "d": [Decimal("12.30")]}, "text")
    '{"a":"true","b":"2","d":["12.30"]}'
    """
    return canonical_text(_scalars_as_text(value) if scalars == "text" else value)


def _scalars_as_text(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, dict):
        return {name: _scalars_as_text(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scalars_as_text(item) for item in value]
    return encode_json(value).decode()


def is_ambiguous(members: Mapping[str, Any]) -> bool:
    """True when a signed member could be read as two, because it holds `&`, or its name `=`.

    `data` is left out: as an object or array it ends where its bracket closes.
    """
    for name in members.keys() - UNSIGNED - {DATA}:
        value = members[name]
        if "&" in name or "=" in name or (isinstance(value, str) and "&" in value):
            return True
    return False


def check_exact(value: Any) -> None:
    """Refuse what would not arrive as it was sent.

    Raises:
        ValueError: a float (an amount is a `Decimal`), a number of more than 40 places, something
            JSON does not know, or more than `MAX_DEPTH` levels.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for item in level:
            if item is None or isinstance(item, str):
                continue
            if isinstance(item, dict):
                if not {str}.issuperset(map(type, item)):
                    raise ValueError("a member name is not text")
                inner.extend(item.values())
            elif isinstance(item, list | tuple):
                inner.extend(item)
            elif not _is_exact(item):
                raise ValueError(f"no exact JSON for this value of type {type(item).__name__}")
        if not inner:
            return
        level = inner
    raise ValueError("nested too deeply")


def _is_exact(number: Any) -> bool:
    if isinstance(number, Decimal):
        return number.is_finite() and abs(number.adjusted()) <= _MAX_DIGITS
    return isinstance(number, int) and abs(number) <= _MAX_INTEGER


def timestamp_text(now: datetime, form: TimestampForm) -> str:
    """The time as an envelope carries it.

    >>> timestamp_text(datetime(2026, 1, 1, tzinfo=CHINA), "calendar")
    '20260101000000'
    >>> timestamp_text(datetime(2026, 1, 1, tzinfo=CHINA), "milliseconds")
    '1767196800000'

    Raises:
        ValueError: `now` is naive.
    """
    if now.tzinfo is None:
        raise ValueError("a time without zone")
    if form == "calendar":
        return f"{now.astimezone(CHINA):%Y%m%d%H%M%S}"
    return str((now - _EPOCH) // _MILLISECOND)


def read_timestamp(value: Any) -> datetime | None:
    """The time of a `timestamp`, text or number, in either form; None for anything else.

    >>> read_timestamp(20260101000000) == read_timestamp("1767196800000")
    True
    """
    if isinstance(value, int):
        value = str(value) if 0 < value < 10**_CALENDAR_DIGITS else ""
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()):
        return None
    if len(value) == _MILLISECOND_DIGITS:
        return (_EPOCH + int(value) * _MILLISECOND).astimezone(CHINA)
    if len(value) != _CALENDAR_DIGITS:
        return None
    try:
        return datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
    except ValueError:
        return None


def read_hex(text: Any) -> bytes | None:
    """The bytes of hexadecimal text in upper or in lower case; None for a mixture or no text."""
    if not isinstance(text, str):
        return None
    try:
        data = binascii.unhexlify(text)
    except ValueError:
        return None
    lower = data.hex()
    return data if text in (lower, lower.upper()) else None


def read_base64(text: Any) -> bytes | None:
    """The bytes of base64 text in its one form, None for anything else.

    The last character of a text with padding has bits that decode to nothing; they must be zero,
    or one signature would have sixteen spellings.
    """
    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None
