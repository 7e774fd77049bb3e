"""How old the patient of a stay was, and what a list has of newborns alone."""

from __future__ import annotations

from datetime import date

INFANT_DAYS = 366
"""Days of age below which the age is given in days."""
NEWBORN_DAYS = 28
"""Days of age up to which somebody is a newborn, whose weight at the admission the list wants."""


def age(brdy: str, on: str) -> str:
    """Full years, empty below one year.

    >>> age("1980-03-02", "2026-03-01"), age("2026-02-01", "2026-03-01")
    ('45', '')
    """
    days = _born(brdy, on)
    if days is None or (days[1] - days[0]).days < INFANT_DAYS:
        return ""
    born, day = days
    return str(day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


def age_in_days(brdy: str, on: str) -> str:
    """Days of life of somebody below one year, else empty.

    >>> age_in_days("2026-02-01", "2026-03-01"), age_in_days("1980-03-02", "2026-03-01")
    ('28', '')
    """
    days = _born(brdy, on)
    if days is None or not 0 <= (lived := (days[1] - days[0]).days) < INFANT_DAYS:
        return ""
    return str(lived)


def is_newborn(brdy: str, on: str) -> bool:
    """True for somebody who was born at most 28 days before.

    >>> is_newborn("2026-02-01", "2026-03-01"), is_newborn("2026-01-31", "2026-03-01")
    (True, False)
    """
    lived = age_in_days(brdy, on)
    return bool(lived) and int(lived) <= NEWBORN_DAYS


def _born(brdy: str, on: str) -> tuple[date, date] | None:
    try:
        return date.fromisoformat(brdy[:10]), date.fromisoformat(on[:10])
    except ValueError:
        return None
