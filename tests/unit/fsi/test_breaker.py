"""The breaker: failures in a row open it, a pause and one trial close it."""

from __future__ import annotations

from datetime import datetime

from gateway.clock import CHINA
from gateway.fsi.breaker import Breaker


class _Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=CHINA)

    def monotonic(self) -> float:
        return self.seconds


def _opened() -> tuple[Breaker, _Clock]:
    clock = _Clock()
    breaker = Breaker(3, 10.0, clock)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    return breaker, clock


def test_it_opens_after_failures_in_a_row() -> None:
    """The third of three opens it; the pause is told in whole seconds."""
    breaker, _ = _opened()
    assert breaker.is_open
    assert not breaker.allows()
    assert breaker.seconds_left() == 10


def test_an_answer_in_between_starts_the_count_anew() -> None:
    """Two failures, an answer, two failures: still closed."""
    breaker = Breaker(3, 10.0, _Clock())
    for _ in range(2):
        breaker.failed()
    breaker.reached()
    for _ in range(2):
        breaker.failed()
    assert breaker.allows()


def test_after_the_pause_one_trial_is_allowed_at_a_time() -> None:
    """The second call waits for what the first finds out."""
    breaker, clock = _opened()
    clock.seconds += 10
    assert not breaker.is_open
    assert breaker.allows()
    assert not breaker.allows()


def test_a_trial_that_arrives_closes_it() -> None:
    """Everything goes again."""
    breaker, clock = _opened()
    clock.seconds += 10
    assert breaker.allows()
    breaker.reached()
    assert breaker.allows()
    assert breaker.allows()


def test_a_trial_that_fails_opens_it_again() -> None:
    """One failure is enough after the pause."""
    breaker, clock = _opened()
    clock.seconds += 10
    assert breaker.allows()
    breaker.failed()
    assert breaker.is_open


def test_a_trial_that_ends_without_a_finding_makes_room_for_another() -> None:
    """A cancelled call does not leave the channel closed for ever."""
    breaker, clock = _opened()
    clock.seconds += 10
    assert breaker.allows()
    breaker.abandoned()
    assert breaker.allows()
