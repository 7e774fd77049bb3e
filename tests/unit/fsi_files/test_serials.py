"""Message numbers of files: never twice, whatever clocks and processes do."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import CHINA
from gateway.errors import NotSentError
from gateway.fsi.files.line import Serials

TEN = datetime(2026, 3, 2, 10, 0, 0, tzinfo=CHINA)


class Clock:
    """A clock in the test's hand."""

    def __init__(self) -> None:
        self.moment = TEN

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> Clock:
    """Ten o'clock."""
    return Clock()


def test_numbers_count_down_from_the_top_of_each_second(clock: Clock) -> None:
    """Where the journal of a gateway counts up from 0."""
    serials = Serials(clock)
    assert [serials.next() for _ in range(2)] == [(TEN, 9_999), (TEN, 9_998)]
    clock.moment += timedelta(seconds=1)
    assert serials.next() == (clock.moment, 9_999)


def test_a_second_has_ten_thousand_numbers(clock: Clock) -> None:
    """Then nothing is sent until the next one."""
    serials = Serials(clock)
    assert {serials.next()[1] for _ in range(10_000)} == set(range(10_000))
    with pytest.raises(NotSentError, match="used up"):
        serials.next()


def test_a_clock_that_goes_back_brings_no_number_back(clock: Clock) -> None:
    """The later second is counted on."""
    serials = Serials(clock)
    serials.next()
    clock.moment -= timedelta(hours=1)
    assert serials.next() == (TEN, 9_998)


def test_two_processes_share_a_file(clock: Clock, tmp_path: Path) -> None:
    """One after the other, in any order."""
    first, second = (Serials(clock, tmp_path / "deep/serials") for _ in range(2))
    given = [first.next(), second.next(), second.next(), first.next()]
    assert [serial for _, serial in given] == [9_999, 9_998, 9_997, 9_996]


@pytest.mark.parametrize(
    "content", ["", "nonsense", "20260302100000 x", "99999999999999 5", "\0" * 100]
)
def test_a_damaged_file_is_begun_anew(clock: Clock, tmp_path: Path, content: str) -> None:
    """It was cut off while it was written, or is not ours."""
    path = tmp_path / "serials"
    path.write_text(content, "utf-8")
    assert Serials(clock, path).next() == (TEN, 9_999)


def test_without_a_place_for_the_file_nothing_is_sent(clock: Clock, tmp_path: Path) -> None:
    """A number that is not kept could be given out again."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(NotSentError, match="cannot be kept"):
        Serials(clock, tmp_path / "file/serials").next()
