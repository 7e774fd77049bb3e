"""What a map may do to a value: text in, the form of the national interface out.

==================  ==============================================================================
`date`              HL7 TS or ISO 8601 to `yyyy-MM-dd`, the calendar day as it was written
`datetime`          the same to `yyyy-MM-dd HH:mm:ss` in China Standard Time: a stated offset is
                    converted, none means CST; a day without a time is a problem
`datetime midnight` as `datetime`, and a day without a time becomes 00:00:00 of that day
`amount`            exact decimal text in yuan: no exponent, no blanks, every digit kept
`quantity`          the same for a count, price or ratio
`digits`            passes if the text has ASCII digits only
`identity`          an identity number (GB 11643) in upper case, its check digit verified
`matching PATTERN`  passes if the whole text fits the regular expression, else states nothing
`upper`, `strip`    upper case; without blanks at both ends
`map NAME`          the entry of the value map; `*` stands for any other value; an empty entry
                    states nothing; without a fitting entry the value is a problem
`default TEXT`      the text where nothing is stated so far
==================  ==============================================================================

Every function leaves an empty value (the sender stated that there is none) as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind

CHINA_STANDARD_TIME = timezone(timedelta(hours=8))
MAX_NUMBER_LENGTH = 40
MAX_TIME_LENGTH = 40
MAX_EXPONENT = 20

Function = Callable[[str | None], str | None]
Maker = Callable[[tuple[str, ...], Mapping[str, Mapping[str, str]]], Function]

FILLS = frozenset({"default"})
"""Functions that may give a value where nothing was stated."""

_PLAIN_NUMBER = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?)?")
"""What is taken as it stands: nothing, or a number of at most `MAX_NUMBER_LENGTH` characters."""
_NUMBER = re.compile(r"([+-]?)(?=\.?[0-9])0*([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")
_IDENTITY = re.compile(r"[0-9]{15}|[0-9]{17}[0-9X]")
_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>-?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})"
    r"(?:(?P<sep>[T ]?)(?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})"
    r"(?::?(?P<second>[0-9]{2})(?:\.[0-9]{1,9})?)?)?"
    r"(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def make_function(
    name: str, arguments: tuple[str, ...], value_maps: Mapping[str, Mapping[str, str]]
) -> Function:
    """The function as a closure over text; None in and out means nothing stated.

    The closure raises `InvalidError` with one problem when the value does not fit.

    Raises:
        ValueError: no such function, wrong arguments, or no such value map.
    """
    if name not in _MAKERS:
        raise ValueError(f"no function {name!r}")
    return _MAKERS[name](arguments, value_maps)


def is_function(name: str) -> bool:
    """True when the compiler knows the function, so that it is not the language's own."""
    return name in _MAKERS


def _fault(kind: ProblemKind, code: ProblemCode, zh: str, en: str) -> InvalidError:
    return InvalidError([Problem(kind=kind, code=code, zh=zh, en=en)])


def _bad_time(zh: str, en: str) -> InvalidError:
    return _fault(ProblemKind.TYPE, ProblemCode.FIELD_TYPE, zh, en)


def _no_time() -> InvalidError:
    return _bad_time("不是有效的日期或时间", "not a date or time")


def _read_time(text: str) -> tuple[datetime, bool]:
    """The time, aware when it has an offset, and whether a time of day was given."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise _no_time()
    try:
        time = datetime(
            int(match["year"]),
            int(match["month"]),
            int(match["day"]),
            int(match["hour"] or 0),
            int(match["minute"] or 0),
            int(match["second"] or 0),
            tzinfo=_zone(match["offset"]),
        )
    except ValueError:
        raise _bad_time("日期或时间不存在", "no such date or time") from None
    return time, match["hour"] is not None


def _zone(offset: str | None) -> timezone:
    if not offset:
        return CHINA_STANDARD_TIME
    if offset == "Z":
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


@lru_cache(maxsize=1024)
def _day(text: str) -> str:
    """Eight digits as a calendar day; the lines of a message mostly have the same."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise _bad_time("日期或时间不存在", "no such date or time") from None


def _date(text: str) -> str:
    if len(text) == 8 and text.isdigit() and text.isascii():
        return _day(text)
    return f"{_read_time(text)[0]:%Y-%m-%d}".rjust(10, "0")


@lru_cache(maxsize=1024)
def _datetime(text: str, *, midnight: bool) -> str:
    """A moment in China Standard Time; the lines of a message mostly have the same."""
    if len(text) == 14 and text.isdigit() and text.isascii():
        hour, minute, second = text[8:10], text[10:12], text[12:]
        if hour < "24" and minute < "60" and second < "60":
            return f"{_day(text[:8])} {hour}:{minute}:{second}"
    time, has_time_of_day = _read_time(text)
    if not has_time_of_day:
        if not midnight:
            raise _bad_time("只有日期，缺少时间", "a date without the time of day")
        return f"{_date(text)} 00:00:00"
    try:
        local = time.astimezone(CHINA_STANDARD_TIME)
    except OverflowError:
        raise _bad_time("日期或时间不存在", "no such date or time") from None
    return f"{local:%Y-%m-%d %H:%M:%S}".rjust(19, "0")


def _number(text: str) -> str:
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_NUMBER_LENGTH else None
    if match is None:
        raise _fault(ProblemKind.TYPE, ProblemCode.FIELD_TYPE, "不是有效的数字", "not a number")
    sign, whole, fraction, exponent = match.groups()
    plain = f"{'-' if sign == '-' else ''}{whole or '0'}{'.' + fraction if fraction else ''}"
    if exponent is None:
        return plain
    if abs(int(exponent)) > MAX_EXPONENT:
        raise _fault(
            ProblemKind.TYPE, ProblemCode.FIELD_TYPE, "数字超出范围", "number out of range"
        )
    return f"{Decimal(plain).scaleb(int(exponent)):f}"


def _digits(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise _fault(ProblemKind.TYPE, ProblemCode.FIELD_TYPE, "只能是数字字符", "digits only")
    return text


def _identity(text: str) -> str:
    """GB 11643: 17 digits and a check digit of ISO 7064 MOD 11-2; 15 digits before 1999."""
    number = text.upper()
    if not _IDENTITY.fullmatch(number):
        wrong = True
    elif len(number) == 15:
        wrong = False
    else:
        total = sum(int(digit) << (17 - at) for at, digit in enumerate(number[:17]))
        wrong = "10X98765432"[total % 11] != number[17]
    if wrong:
        raise _fault(
            ProblemKind.VALUE,
            ProblemCode.FIELD_VALUE,
            "身份证号码无效",
            "not a valid identity number",
        )
    return number


def _lifted(function: Callable[[str], str]) -> Function:
    return lambda text: function(text) if text else text


def _plain(function: Callable[[str], str]) -> Maker:
    def make(arguments: tuple[str, ...], _: Mapping[str, Mapping[str, str]]) -> Function:
        if arguments:
            raise ValueError("the function takes no argument")
        return _lifted(function)

    return make


def _make_number(arguments: tuple[str, ...], _: Mapping[str, Mapping[str, str]]) -> Function:
    if arguments:
        raise ValueError("the function takes no argument")
    plain = _PLAIN_NUMBER.fullmatch
    return lambda text: text if text is None or plain(text) else _number(text)


def _make_datetime(arguments: tuple[str, ...], _: Mapping[str, Mapping[str, str]]) -> Function:
    if arguments not in {(), ("midnight",)}:
        raise ValueError("datetime takes no argument but `midnight`")
    midnight = bool(arguments)

    def convert(text: str) -> str:
        if len(text) > MAX_TIME_LENGTH:
            raise _no_time()
        return _datetime(text, midnight=midnight)

    return _lifted(convert)


def _make_map(arguments: tuple[str, ...], value_maps: Mapping[str, Mapping[str, str]]) -> Function:
    if len(arguments) != 1:
        raise ValueError("map takes the name of one value map")
    if arguments[0] not in value_maps:
        raise ValueError(f"no value map {arguments[0]!r}")
    entries = value_maps[arguments[0]]
    other = entries.get("*")

    def translate(text: str | None) -> str | None:
        if not text:
            return text
        value = entries.get(text, other)
        if value is None:
            raise _fault(
                ProblemKind.VALUE,
                ProblemCode.FIELD_VALUE,
                "取值不在值域表中",
                "value not in its table",
            )
        return value or None

    return translate


def _make_matching(arguments: tuple[str, ...], _: Mapping[str, Mapping[str, str]]) -> Function:
    if len(arguments) != 1:
        raise ValueError("matching takes one regular expression")
    try:
        pattern = re.compile(arguments[0])
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return lambda text: text if not text or pattern.fullmatch(text) else None


def _make_default(arguments: tuple[str, ...], _: Mapping[str, Mapping[str, str]]) -> Function:
    if len(arguments) != 1:
        raise ValueError("default takes one text")
    return lambda text: arguments[0] if text is None else text


_MAKERS: dict[str, Maker] = {
    "amount": _make_number,
    "date": _plain(_date),
    "datetime": _make_datetime,
    "default": _make_default,
    "digits": _plain(_digits),
    "identity": _plain(_identity),
    "map": _make_map,
    "matching": _make_matching,
    "quantity": _make_number,
    "strip": _plain(str.strip),
    "upper": _plain(str.upper),
}
