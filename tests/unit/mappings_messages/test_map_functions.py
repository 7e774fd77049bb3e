"""The functions of message maps, value by value."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidError
from mappings.messages.functions import make_function


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260102030405", "2026-01-02 03:04:05"),
        ("202601020304", "2026-01-02 03:04:00"),
        ("20260102030405.1234", "2026-01-02 03:04:05"),
        ("20260102030405+0800", "2026-01-02 03:04:05"),
        ("20260101200000+0000", "2026-01-02 04:00:00"),
        ("20260102000000-0530", "2026-01-02 13:30:00"),
        ("2026-01-02T03:04:05+08:00", "2026-01-02 03:04:05"),
        ("2026-01-01T20:04:05.999Z", "2026-01-02 04:04:05"),
        ("2026-01-02 03:04:05", "2026-01-02 03:04:05"),
        ("2026-01-02T03:04", "2026-01-02 03:04:00"),
        ("20240229235959", "2024-02-29 23:59:59"),
        ("", ""),
    ],
)
def test_date_times_become_china_standard_time(text: str, expected: str) -> None:
    """HL7 TS and ISO 8601 are read; a stated offset is converted, none means CST."""
    assert make_function("datetime", (), {})(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "20260102",
        "2026-01-02",
        "202601",
        "20260230000000",
        "20260102240000",
        "20260102030460",
        "2026-0102030405",
        "00010101000000+1400",
        "20260102030405+9900",
        "２０２６０１０２０３０４",
        "20260102030405 ",
        "now",
    ],
)
def test_what_is_no_date_time_is_refused(text: str) -> None:
    """A day alone, a day that does not exist, and other digits than ASCII are problems."""
    with pytest.raises(InvalidError):
        make_function("datetime", (), {})(text)


def test_midnight_is_assumed_only_where_the_map_says_so() -> None:
    """`datetime midnight` takes a day without a time, and leaves a time as it is."""
    function = make_function("datetime", ("midnight",), {})
    assert function("20260102") == "2026-01-02 00:00:00"
    assert function("20260102030405") == "2026-01-02 03:04:05"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("19800101", "1980-01-01"), ("1980-01-01", "1980-01-01"), ("198001012330+0000", "1980-01-01")],
)
def test_a_date_is_the_calendar_day_as_written(text: str, expected: str) -> None:
    """A birthday does not move with an offset."""
    assert make_function("date", (), {})(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.50", "12.50"),
        ("12.5000", "12.5000"),
        ("-3", "-3"),
        ("+3", "3"),
        ("007.10", "7.10"),
        (".5", "0.5"),
        ("5.", "5"),
        ("0", "0"),
        ("0.00", "0.00"),
        ("1.25E2", "125"),
        ("125e-2", "1.25"),
        ("99999999999999.99", "99999999999999.99"),
        ("", ""),
    ],
)
def test_amounts_keep_every_digit_and_lose_the_exponent(text: str, expected: str) -> None:
    """Exact decimal text: nothing is rounded, nothing is added."""
    assert make_function("amount", (), {})(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1,000.00",
        "12.5元",
        "¥1",
        "1 2",
        ".",
        "-",
        "e5",
        ".E5",
        "1e99",
        "NaN",
        "Infinity",
        "１",
        "9" * 41,
    ],
)
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    """Separators, currency signs, full-width digits and absurd sizes are problems."""
    with pytest.raises(InvalidError):
        make_function("amount", (), {})(text)


def test_digits_passes_digits_only() -> None:
    """A code of digits keeps its leading zeros; anything else is a problem."""
    function = make_function("digits", (), {})
    assert function("0012") == "0012"
    with pytest.raises(InvalidError):
        function("12-1")
    with pytest.raises(InvalidError):
        function("１２")


@pytest.mark.parametrize("text", ["11010519491231002X", "11010519491231002x", "440524188001010014"])
def test_an_identity_number_with_the_right_check_digit_passes(text: str) -> None:
    """The two worked examples of GB 11643-1999; the check character becomes upper case."""
    assert make_function("identity", (), {})(text) == text.upper()


@pytest.mark.parametrize(
    "text", ["110105194912310021", "1101051949123100", "11010519491231002Y", "A"]
)
def test_an_identity_number_with_another_check_digit_is_refused(text: str) -> None:
    """A typing error in the number is found before anything is sent."""
    with pytest.raises(InvalidError):
        make_function("identity", (), {})(text)


def test_an_old_identity_number_of_fifteen_digits_passes() -> None:
    """It has no check digit."""
    assert make_function("identity", (), {})("110105491231002") == "110105491231002"


def test_matching_turns_other_values_into_nothing_stated() -> None:
    """A hint that has not the expected form is passed over, not refused."""
    function = make_function("matching", ("[0-9]{6}",), {})
    assert (function("430100"), function("Org-12345"), function(None)) == ("430100", None, None)
    with pytest.raises(ValueError, match="regular expression"):
        make_function("matching", ("[",), {})
