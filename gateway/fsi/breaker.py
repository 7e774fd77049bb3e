"""A breaker: after several connection failures in a row, nothing is tried for a while."""

from __future__ import annotations

from gateway.clock import Clock


class Breaker:
    """Closed while things work; open after `failures` in a row; then one trial at a time.

    Only connection failures count: a platform that answers anything, or swallows a request,
    is reached.
    """

    def __init__(self, failures: int, seconds: float, clock: Clock) -> None:
        self._limit, self._seconds, self._clock = failures, seconds, clock
        self._failures = 0
        self._closed_at = 0.0
        self._trial = False

    @property
    def is_open(self) -> bool:
        """True while nothing is tried."""
        return self._failures >= self._limit and self._clock.monotonic() < self._closed_at

    def allows(self) -> bool:
        """True when a call may be tried; after the pause only one, until it has its outcome."""
        if self._failures < self._limit:
            return True
        if self.is_open or self._trial:
            return False
        self._trial = True
        return True

    def seconds_left(self) -> int:
        """Whole seconds until the next trial, at least 1."""
        return max(1, round(self._closed_at - self._clock.monotonic()))

    def reached(self) -> None:
        """The platform was reached."""
        self._failures, self._trial = 0, False

    def failed(self) -> None:
        """No connection was made."""
        self._failures, self._trial = self._failures + 1, False
        if self._failures >= self._limit:
            self._closed_at = self._clock.monotonic() + self._seconds

    def abandoned(self) -> None:
        """A call ended without telling whether the platform can be reached."""
        self._trial = False
