"""The clock in the hand of a test."""

from __future__ import annotations

from datetime import datetime

from gateway.clock import CHINA

TEN = datetime(2026, 3, 2, 10, 0, tzinfo=CHINA)


class HandClock:
    """China Standard Time that stands until `time` is set; its seconds pass with it."""

    def __init__(self, time: datetime = TEN) -> None:
        self.time = time

    def now(self) -> datetime:
        """The time that was set."""
        return self.time

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.time.timestamp()
