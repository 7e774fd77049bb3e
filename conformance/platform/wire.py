"""Bytes of the wire: JSON with exact numbers, the text that is signed, the headers of gateways.

Written from the facts (reference: signing, sections 1, 2 and 5.2) and apart from the gateway's own
code, so that an error on one side does not hide an equal one on the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

CSB = "csb"
X_TIF = "x-tif"
APIKEY = "apikey"
OPEN = "none"

SCHEMES = (CSB, X_TIF, APIKEY, OPEN)

HEADER_MISSING = "缺少服务网关的请求头!"
TIME_EXPIRED = "签名时间戳超时!"
UNKNOWN_ACCOUNT = "非法用户!"
SIGNATURE_DIFFERS = "签名不一致!"

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(body: bytes) -> Any:
    """JSON with every fraction as `Decimal`.

    Raises:
        ValueError: the bytes are no JSON in UTF-8, or nested deeper than the interpreter allows.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError("not JSON") from error


def encode(document: Any) -> bytes:
    """Compact JSON in UTF-8; a `Decimal` becomes a number with all its places."""
    return _encoder.encode(document)


def canonical_text(value: Any) -> str:
    """The text that a signature covers: compact, names ascending, empty members left out.

    Empty are "", null, {} and [], at every level, also when they become so (reference: signing,
    section 5.2). The text of an empty value is the empty text.
    """
    kept = _without_empty(value)
    return "" if kept is None else encode(kept).decode()


def _without_empty(value: Any) -> Any:
    kept: Any = value
    if isinstance(value, dict):
        inner = ((name, _without_empty(value[name])) for name in sorted(value))
        kept = {name: member for name, member in inner if member is not None}
    elif isinstance(value, list | tuple):
        members = (_without_empty(member) for member in value)
        kept = [member for member in members if member is not None]
    return None if isinstance(kept, str | dict | list) and not kept else kept


class GatewayCheck:
    """The header check of a region's service gateway.

    `milliseconds` tells the unit of the CSB timestamp; x-tif counts seconds. `tolerance` is the
    most a timestamp may be off, in seconds, 30 minutes by default. `clock` gives an aware time.
    """

    def __init__(
        self,
        scheme: str,
        account: str,
        secret: str,
        clock: Callable[[], datetime],
        *,
        milliseconds: bool = True,
        tolerance: float = 1800.0,
    ) -> None:
        checks: dict[str, Callable[[Mapping[str, str]], str]] = {
            CSB: self._csb,
            X_TIF: self._x_tif,
            APIKEY: self._apikey,
            OPEN: _let_through,
        }
        self._check = checks[scheme]
        self._account = account
        self._secret = secret
        self._clock = clock
        self._unit = 1000 if milliseconds and scheme == CSB else 1
        self._tolerance = tolerance

    def refusal(self, headers: Mapping[str, str]) -> str:
        """Why the gateway refuses the request; empty when it lets it through."""
        return self._check(headers)

    def _csb(self, headers: Mapping[str, str]) -> str:
        names = ("_api_access_key", "_api_name", "_api_timestamp", "_api_version")
        signature = headers.get("_api_signature", "")
        if not signature or not all(headers.get(name) for name in names):
            return HEADER_MISSING
        if refusal := self._time_and_account(headers["_api_timestamp"], headers[names[0]]):
            return refusal
        text = "&".join(f"{name}={headers[name]}" for name in names)
        # The gateway product fixes the algorithm.
        digest = hmac.new(self._secret.encode(), text.encode(), hashlib.sha1).digest()
        return _compared(base64.b64encode(digest).decode(), signature)

    def _x_tif(self, headers: Mapping[str, str]) -> str:
        account = headers.get("x-tif-paasid", "")
        time = headers.get("x-tif-timestamp", "")
        nonce = headers.get("x-tif-nonce", "")
        signature = headers.get("x-tif-signature", "")
        if not (account and time and nonce and signature):
            return HEADER_MISSING
        if refusal := self._time_and_account(time, account):
            return refusal
        text = f"{time}{self._secret}{nonce}{time}"
        return _compared(hashlib.sha256(text.encode()).hexdigest(), signature)

    def _apikey(self, headers: Mapping[str, str]) -> str:
        key = headers.get("apikey", "")
        if not key:
            return HEADER_MISSING
        return "" if hmac.compare_digest(key.encode(), self._secret.encode()) else UNKNOWN_ACCOUNT

    def _time_and_account(self, time: str, account: str) -> str:
        if not (time.isascii() and time.isdigit() and len(time) <= 16):
            return TIME_EXPIRED
        off = abs(self._clock().timestamp() - int(time) / self._unit)
        if off > self._tolerance:
            return TIME_EXPIRED
        return "" if account == self._account else UNKNOWN_ACCOUNT


def _let_through(_headers: Mapping[str, str]) -> str:
    return ""


def _compared(expected: str, given: str) -> str:
    same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
    return "" if same else SIGNATURE_DIFFERS
