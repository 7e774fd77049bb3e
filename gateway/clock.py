"""The clock, passed in everywhere so that a simulation can turn it.

All times of the interface are China Standard Time (UTC+8, no summer time).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

CHINA = timezone(timedelta(hours=8), "CST")


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The time of day, aware, in China Standard Time."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start, for durations and deadlines."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The time of day, aware, in China Standard Time."""
        return datetime.now(UTC).astimezone(CHINA)

    def monotonic(self) -> float:
        """Seconds from some start."""
        return time.monotonic()


def stamp(moment: datetime) -> str:
    """The interface's date-time form, `yyyy-MM-dd HH:mm:ss`.

    >>> stamp(datetime(2026, 3, 1, 9, 5, tzinfo=CHINA))
    '2026-03-01 09:05:00'
    """
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


class Age:
    """How long ago something was, whatever is done to the machine's clock meanwhile.

    The clock is asked once, when the age is made; from then on seconds are counted that no step
    changes. What lies ahead of the clock then, because that was set back, is of age 0: who waits
    for an age waits for it once more, never until the clock has caught up.
    """

    def __init__(self, clock: Clock, since: datetime) -> None:
        """`since` is aware."""
        self._clock = clock
        self._at_first = max(0.0, (clock.now() - since).total_seconds())
        self._first = clock.monotonic()

    @property
    def seconds(self) -> float:
        """The age now."""
        return self._at_first + self._clock.monotonic() - self._first


SKEW = timedelta(minutes=5)
"""By how much the clocks of two gateways may differ before one distrusts what the other stored."""


def read_stamp(text: str) -> datetime:
    """The moment of a `stamp`; raises ValueError for any other text.

    >>> read_stamp("2026-03-01 09:05:00").isoformat()
    '2026-03-01T09:05:00+08:00'
    """
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def is_awaited(until: datetime, now: datetime, longest: timedelta) -> bool:
    """True while a stored moment has not come that was set at most `longest` ahead.

    One that lies further ahead (by more than `SKEW`) was set before the clock was set back, and
    counts as come: nobody waits for the clock to catch up.

    >>> nine = datetime(2026, 3, 1, 9, tzinfo=CHINA)
    >>> is_awaited(nine + timedelta(minutes=2), nine, timedelta(minutes=2))
    True
    >>> is_awaited(nine + timedelta(hours=1), nine, timedelta(minutes=2))
    False
    """
    return now < until <= now + longest + SKEW
