"""Reads the envelope of the national interface as a hospital sends it, and hides its secrets.

Tolerant where hospitals differ (members we do not know, numbers written as text and the reverse,
`input` sent as JSON inside a string, a byte order mark), strict where a guess could change
money: a key that occurs twice, `NaN`, a number too long to be an amount, text that is not in the
declared charset. Numbers become `Decimal` with the digits that were written.

Source: the envelope table of the interface specification (`gateway/fsi/definitions/envelope.json`).
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind, UnreadableError
from gateway.intents import Source

MAX_DEPTH = 16
"""Nesting of a body; the deepest transaction has four levels."""

MAX_NUMBER = 32
"""Characters of a number; the longest field of the interface has 16 digits."""

MAX_EXPONENT = 20
"""Power of ten of a number."""

TOKEN_KEYS = frozenset({"ecToken", "authNo", "payAuthNo"})
"""Members that hold a secret of the patient's e-voucher, whatever stands beside them."""

CERT_TYPE = "mdtrt_cert_type"
CERT_NUMBER = "mdtrt_cert_no"
LASTING_TYPES = frozenset({"02", "03"})
"""mdtrt_cert_type of identity card and social-security card. Under any other, or none, the number
may be the one-time token of an e-voucher (01)."""

_GB_NAMES = frozenset({"gb18030", "gbk", "gb2312", "cp936", "x-gbk"})
_UTF8_NAMES = frozenset({"", "utf-8", "utf8"})
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]{1,40})", re.IGNORECASE)
_TOKEN_TEXT = re.compile(
    rb'("(?:' + b"|".join(key.encode() for key in sorted({CERT_NUMBER, *TOKEN_KEYS})) + rb')"'
    rb'\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[^\s,}\]]+)'
)

_encoder = msgspec.json.Encoder(decimal_format="number")


class _Stop(Exception):  # noqa: N818 - carries a problem out of the json module's hooks
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem


def charset_of(content_type: str) -> str:
    """The charset of a Content-Type, in lower case; empty when none is named."""
    found = _CHARSET.search(content_type)
    return found.group(1).lower() if found else ""


def parse(raw: bytes, charset: str = "") -> dict[str, Any]:
    """The JSON object in the bytes.

    Raises:
        UnreadableError: wrong charset, no JSON, no object, or one of the limits.
    """
    try:
        document = _loads(_decode(raw, charset))
    except _Stop as stop:
        raise UnreadableError([stop.problem]) from None
    if not isinstance(document, dict):
        raise UnreadableError([_syntax("报文应为 JSON 对象", "the body has to be a JSON object")])
    _inspect(document)
    return document


def _decode(raw: bytes, charset: str) -> str:
    if charset in _UTF8_NAMES:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _Stop(_not_utf8(raw, error.start)) from None
    if charset in _GB_NAMES:
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError as error:
            where = error.start
            raise _Stop(
                _charset(f"第 {where} 字节不是 GB18030", f"byte {where} is not GB18030")
            ) from None
    raise _Stop(_charset("只支持 UTF-8 和 GB18030", "only UTF-8 and GB18030 are read"))


def _not_utf8(raw: bytes, where: int) -> Problem:
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return _charset(f"第 {where} 字节不是 UTF-8", f"byte {where} is not UTF-8")
    problem = _charset(
        f"第 {where} 字节不是 UTF-8，报文可能是 GB18030 编码",
        f"byte {where} is not UTF-8; the body may be GB18030",
    )
    return msgspec.structs.replace(
        problem,
        remedy_zh="请改用 UTF-8，或在 Content-Type 中写明 charset=GB18030",
        remedy_en="send UTF-8, or say charset=GB18030 in Content-Type",
    )


def _loads(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        where = f"第 {error.lineno} 行第 {error.colno} 列"
        raise _Stop(
            _syntax(
                f"JSON 语法错误（{where}）",
                f"not JSON at line {error.lineno}, column {error.colno}",
            )
        ) from None
    except RecursionError:
        raise _Stop(_too_deep()) from None


def _number(text: str) -> Decimal:
    if len(text) <= MAX_NUMBER:
        number = Decimal(text)
        if number.is_zero() or abs(number.adjusted()) <= MAX_EXPONENT:
            return number
    raise _Stop(_limit("数值过长", "a number is too long"))


def _constant(_text: str) -> NoReturn:
    raise _Stop(_syntax("不允许 NaN 或 Infinity", "NaN and Infinity are not JSON"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # set.add returns None, which is false
        safe = twice if re.fullmatch(r"[A-Za-z0-9_]{1,40}", twice) else "?"
        raise _Stop(_syntax(f"成员 {safe} 重复出现", f"member {safe} occurs twice").at(safe))
    return members


def _inspect(document: Any) -> None:
    """Refuse nesting that is too deep and text that cannot be written again.

    Raises:
        UnreadableError: names the place.
    """
    waiting: list[tuple[Any, int, str]] = [(document, 1, "")]
    while waiting:
        value, depth, place = waiting.pop()
        if isinstance(value, dict):
            children = [(f"{place}.{key}" if place else key, inner) for key, inner in value.items()]
            texts = [(place, key) for key in value]
        elif isinstance(value, list):
            children = [(f"{place}[{index}]", inner) for index, inner in enumerate(value)]
            texts = []
        else:
            continue
        if depth > MAX_DEPTH:
            raise UnreadableError([_too_deep()])
        for where, inner in children:
            if isinstance(inner, dict | list):
                waiting.append((inner, depth + 1, where))
            elif isinstance(inner, str):
                texts.append((where, inner))
        for where, text in texts:
            if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
                raise UnreadableError([_syntax("含有无效字符", "holds half a character").at(where)])
            if "\x00" in text:
                raise UnreadableError([_syntax("含有空字符", "holds a NUL character").at(where)])


def input_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The transaction's input: an object, or an object written as text; None when neither.

    Raises:
        UnreadableError: the text is not JSON.
    """
    value = document.get("input")
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = _loads(value)
        except _Stop as stop:
            raise UnreadableError([stop.problem.at("input")]) from None
        _inspect(value)
    return value if isinstance(value, dict) else None


def text_of(value: Any) -> str:
    """A member of the envelope as text; numbers as they were written, anything else as empty."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, Decimal) else ""


def first_value(node: Any, code: str, place: str = "input") -> tuple[str, Source] | None:
    """The first non-empty scalar of this name, breadth first, and where it stands."""
    waiting: deque[tuple[Any, str]] = deque([(node, place)])
    while waiting:
        value, where = waiting.popleft()
        if isinstance(value, dict):
            text = text_of(value.get(code))
            if text:
                return text, Source(f"{where}.{code}", text, "fsi")
            waiting.extend((inner, f"{where}.{key}") for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((inner, f"{where}[{index}]") for index, inner in enumerate(value))
    return None


def without_tokens(value: Any) -> tuple[Any, bool]:
    """A copy with every e-voucher token replaced by asterisks, and whether there was one."""
    if isinstance(value, list):
        items = [without_tokens(item) for item in value]
        return [item for item, _ in items], any(found for _, found in items)
    if not isinstance(value, dict):
        return value, False
    by_token = text_of(value.get(CERT_TYPE)).zfill(2) not in LASTING_TYPES
    copy: dict[str, Any] = {}
    found = False
    for key, inner in value.items():
        if (key in TOKEN_KEYS or (by_token and key == CERT_NUMBER)) and inner not in ("", None):
            copy[key], found = "*" * len(text_of(inner) or "*"), True
        else:
            copy[key], here = without_tokens(inner)
            found = found or here
    return copy, found


def redacted(raw: bytes) -> bytes:
    """The bytes to keep: as they came when there is no token, else written anew without it.

    What cannot be read loses every value that might be a token.
    """
    for charset in ("utf-8", "gb18030"):
        try:
            document = parse(raw, charset)
            carried = input_of(document)
        except UnreadableError:
            continue
        if carried is not None:
            document = {**document, "input": carried}
        copy, found = without_tokens(document)
        return encode(copy) if found else raw
    return _TOKEN_TEXT.sub(rb'\1"***"', raw)


def encode(document: Any) -> bytes:
    """JSON in UTF-8; a `Decimal` is written as a number with its own digits."""
    return _encoder.encode(document)


def canonical(document: Any) -> bytes:
    """One spelling for equal content: members sorted, `12.50` and `"12.50"` alike."""
    return _encoder.encode(_canonical(document))


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _problem(code: ProblemCode, kind: ProblemKind, zh: str, en: str) -> Problem:
    return Problem(kind=kind, code=code, zh=zh, en=en)


def _syntax(zh: str, en: str) -> Problem:
    return _problem(ProblemCode.READ_SYNTAX, ProblemKind.STRUCTURE, zh, en)


def _charset(zh: str, en: str) -> Problem:
    return _problem(ProblemCode.READ_CHARSET, ProblemKind.STRUCTURE, zh, en)


def _limit(zh: str, en: str) -> Problem:
    return _problem(ProblemCode.READ_LIMIT, ProblemKind.TOO_COSTLY, zh, en)


def _too_deep() -> Problem:
    return _limit(f"嵌套超过 {MAX_DEPTH} 层", f"nested deeper than {MAX_DEPTH}")
