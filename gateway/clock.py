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
