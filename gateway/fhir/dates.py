"""Date parameters of a search: `date=ge2026-03-01` as a span of China Standard Time.

Source: https://hl7.org/fhir/R4/search.html#date. A date without a time is a day (month, year) of
China; a time needs its zone. The prefixes `eq`, `ge`, `gt`, `le`, `lt`, `sa` and `eb` are served.

>>> span("2026-03-01")
Span(begin='2026-03-01 00:00:00.000', end='2026-03-02 00:00:00.000')
>>> span("ge2026-03")
Span(begin='2026-03-01 00:00:00.000', end='')
>>> span("lt2026-03-01T01:00:00Z")
Span(begin='', end='2026-03-01 09:00:00.000')
>>> span("tomorrow")
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.clock import CHINA

_FORM = re.compile(
    r"(eq|ge|gt|le|lt|sa|eb)?(\d{4})(?:-(\d\d))?(?:-(\d\d))?"
    r"(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?(Z|[ +-]\d\d:\d\d))?"
)


class Span(NamedTuple):
    """From `begin` to before `end`, `yyyy-MM-dd HH:mm:ss.fff`; empty where it is open."""

    begin: str = ""
    end: str = ""


def span(value: str) -> Span | None:
    """The span that a value of the parameter means; None for what is no date."""
    found = _FORM.fullmatch(value)
    if found is None or (found[5] and not found[4]):
        return None
    try:
        low, high = _edges(found)
    except (ValueError, OverflowError):
        return None
    begin, end = _text(low), _text(high)
    spans = {
        "ge": Span(begin=begin),
        "gt": Span(begin=end),
        "sa": Span(begin=end),
        "le": Span(end=end),
        "lt": Span(end=begin),
        "eb": Span(end=begin),
    }
    return spans.get(found[1] or "eq", Span(begin, end))


def _edges(found: re.Match[str]) -> tuple[datetime, datetime]:
    year, month, day = int(found[2]), int(found[3] or 1), int(found[4] or 1)
    if found[5]:
        zone = found[8].replace(" ", "+")  # a plus sign that the URL did not escape
        clock = f"{found[5]}:{found[6]}:{found[7] or '00'}"
        low = datetime.fromisoformat(f"{year:04d}-{month:02d}-{day:02d}T{clock}{zone}")
        return low, low + timedelta(seconds=1 if found[7] else 60)
    low = datetime(year, month, day, tzinfo=CHINA)
    if found[4]:
        return low, low + timedelta(days=1)
    if found[3]:
        return low, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=CHINA)
    return low, datetime(year + 1, 1, 1, tzinfo=CHINA)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M:%S}.000"
