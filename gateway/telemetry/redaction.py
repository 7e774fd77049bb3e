"""What may stand in a log line: known keys with values of a known shape, and nothing else.

Two nets, one behind the other:

1. The allow-list `SHAPES`. A key that is not in it is dropped; a value that does not have the
   shape of its key is replaced by `MASK`. So a name cannot travel in `infno`, and a certificate
   number cannot travel in `msgid`.
2. The patterns of `mask`. They run over every text that the first net lets through, the event
   itself included, and take out identity numbers, long digit runs, secrets and Chinese text.

Exceptions are reduced to their type and the line that raised them: messages and local variables
of an exception may hold anything.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any

MASK = "***"
"""Stands where a value was taken out."""

MAX_TEXT = 200
"""Characters of a text in a log line."""

MAX_ITEMS = 20
"""Items of a list in a log line."""

MAX_NUMBER = 10**9
"""A number as long as a card number is not a count: it is taken out."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_:.-]{1,64}")
_KIND = re.compile(
    r"[A-Z]{3}(\^[A-Z0-9]{3}(\^[A-Z0-9_]{3,7})?)?"  # an HL7 message type
    r"|\d{4,6}[A-Z]?"  # a transaction
    r"|[a-z][a-z-]{2,19}( [A-Z][A-Za-z]{2,39}(/?\$[a-z-]+)?)?"  # a FHIR interaction
)
_INFNO = re.compile(r"\d{4,6}[A-Z]?")
_MSGID = re.compile(r"[HP]\d{11}20\d{12}\d{4}")
_REFMSGID = re.compile(r"\d{6}20\d{12}\d{10}")
_CODE = re.compile(r"[A-Z]{2,12}(-[A-Z]{2,14}){0,2}")
_PLACE = re.compile(r"[A-Za-z0-9_.\[\]()$/^ -]{1,80}")
_REGION = re.compile(r"\d{6}")
_ROUTE = re.compile(r"/[A-Za-z0-9_/{}$.-]{0,99}|unmatched")
_WHERE = re.compile(r"[A-Za-z0-9_.<>]{1,100}:\d{1,6}( [a-zA-Z0-9_<>.]{1,80})?")
_TIME = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_ADDRESS = re.compile(r"[0-9a-fA-F.:\[\]]{2,45}|localhost")
_NAME = re.compile(r"[^\s\d][^\r\n]{0,63}")
_TEXT = re.compile(r"[^\r\n]*")

NUMBER = re.compile(r"-?\d+(\.\d+)?")
"""Shape of keys that hold a number."""

SHAPES: Mapping[str, re.Pattern[str]] = {
    "timestamp": _TIME,
    "level": _WORD,
    "event": _TEXT,
    "logger": _IDENTIFIER,
    # which exchange
    "exchange": re.compile(r"[0-9a-f]{16}"),
    "peer": _NAME,
    "protocol": _WORD,
    "kind": _KIND,
    "station": _WORD,
    # which transaction
    "infno": _INFNO,
    "calls": _INFNO,
    "msgid": _MSGID,
    "inf_refmsgid": _REFMSGID,
    "channel": _IDENTIFIER,
    "profile": _IDENTIFIER,
    "region": _REGION,
    "pooling_region": _REGION,
    "route_class": _WORD,
    "institution": re.compile(r"[HP]\d{11}"),
    # what became of it
    "outcome": _WORD,
    "state": _WORD,
    "subscription": re.compile(r"[0-9a-f]{32}"),
    "status": NUMBER,
    "seconds": NUMBER,
    "problems": _CODE,
    "code": _CODE,
    "places": _PLACE,
    "verb": _WORD,
    "visit_class": _WORD,
    "policy": _WORD,
    "step": _WORD,
    "reason": _WORD,
    "answer": _WORD,
    # errors
    "error": _IDENTIFIER,
    "cause": _IDENTIFIER,
    "where": _WHERE,
    # life cycle and counts
    "host": _ADDRESS,
    "port": NUMBER,
    "mllp_port": NUMBER,
    "http_port": NUMBER,
    "method": re.compile(r"[A-Z]{3,10}"),
    "route": _ROUTE,
    "version": re.compile(r"[0-9A-Za-z.+-]{1,30}"),
    "bytes": NUMBER,
    "lines": NUMBER,
    "count": NUMBER,
    "differences": NUMBER,
    "day": re.compile(r"20\d\d-[01]\d-[0-3]\d"),
    "rows": NUMBER,
    "open": NUMBER,
    "in_flight": NUMBER,
    "attempt": NUMBER,
    "retry_after": NUMBER,
    "peers": NUMBER,
    "institutions": NUMBER,
    "channels": NUMBER,
    "dropped": NUMBER,
    "signal": _WORD,
}
"""Key of a log line to the shape of its value, in the order in which a line has them."""

_TRUSTED = frozenset({"exchange", "timestamp", "msgid", "inf_refmsgid", "institution", "peer"})
"""Keys whose shape (or whose origin, the settings) already excludes what the second net hunts."""

_IDENTITY = re.compile(r"(?<![0-9A-Za-z])\d{17}[0-9Xx](?![0-9A-Za-z])|\d{15,}[Xx]?")
_SHORTEST_IDENTITY = 15
_DIGITS = re.compile(r"[A-Za-z]?\d(?:[ -]?\d){7,}")
_SECRET = re.compile(r"(?=[A-Za-z+/=_.~-]*\d)[A-Za-z0-9+/=_.~-]{20,}")
_HAN = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u00b7]+"
)

EventDict = MutableMapping[str, Any]


def mask(text: str) -> str:
    """The text without identity numbers, long digit runs, secrets and Chinese characters.

    >>> mask("person 430199198001010019 of 长沙")
    'person *** of ***'
    """
    for pattern in (_IDENTITY, _DIGITS, _SECRET, _HAN):
        text = pattern.sub(MASK, text)
    return text[:MAX_TEXT]


class Redactor:
    """The structlog processor in front of every renderer.

    `on_drop` is told how many keys and values a line lost; the line itself says it in `dropped`.
    """

    def __init__(self, on_drop: Callable[[int], None] = lambda _count: None) -> None:
        self._on_drop = on_drop

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Give the line as it may be written."""
        kept: dict[str, Any] = {}
        for key, shape in SHAPES.items():
            if key in event:
                kept[key] = _shaped(key, shape, event[key])
        lost = len(event) - len(kept) + sum(map(_masked, kept.values()))
        if lost:
            kept["dropped"] = lost
            self._on_drop(lost)
        return kept


def _masked(value: Any) -> int:
    """How many values were taken out: of a list, those of its items."""
    return sum(map(_masked, value)) if isinstance(value, list) else int(value == MASK)


def _shaped(key: str, shape: re.Pattern[str], value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
        return [_shaped(key, shape, item) for item in items[:MAX_ITEMS]]
    if value is None or isinstance(value, bool):
        return value
    if shape is NUMBER:
        if isinstance(value, float):
            return round(value, 6) if abs(value) < MAX_NUMBER else MASK
        return value if isinstance(value, int) and abs(value) < MAX_NUMBER else MASK
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    if shape is _TEXT:
        return mask(text.replace("\r", " ").replace("\n", " "))
    if not shape.fullmatch(text):
        return MASK
    return text if key in _TRUSTED or not _identifies(text) else MASK


def _identifies(text: str) -> bool:
    """True for Chinese characters or an identity number anywhere in a text of the right shape."""
    if not text.isascii() and _HAN.search(text):
        return True
    return len(text) >= _SHORTEST_IDENTITY and _IDENTITY.search(text) is not None


def describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the type of the exception and the line that raised it."""
    error: BaseException | None = None
    info = event.pop("exc_info", None)
    if info is True:
        error = sys.exc_info()[1]
    elif isinstance(info, BaseException):
        error = info
    elif isinstance(info, tuple) and len(info) == 3:
        error = info[1]
    if error is not None:
        event["error"] = type(error).__name__
        event["where"] = location(error.__traceback__)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            event["cause"] = type(cause).__name__
    return event


def location(trace: TracebackType | None) -> str:
    """`package.module:line function` of the innermost frame of ours, else of the innermost."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(trace)]
    if not frames:
        return ""
    ours = [
        (frame, line)
        for frame, line in frames
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _OUR_PACKAGES
    ]
    frame, line = (ours or frames)[-1]
    return f"{frame.f_globals.get('__name__', '')}:{line} {frame.f_code.co_name}"


_OUR_PACKAGES = frozenset({"gateway", "mappings", "certs"})
