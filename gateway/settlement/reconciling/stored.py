"""Reports as the journal holds them: for whoever shows them (FHIR, EHC^E15, commands)."""

from __future__ import annotations

from datetime import date, timedelta

from gateway.journal import Journal
from gateway.settlement.reconciling.report import Report
from gateway.settlement.reconciling.scheduling import KIND, book_key, decode_book

MAX_REPORTS = 400
"""Reports of one question at most."""


async def report_of(journal: Journal, fixmedins_code: str, day: date) -> Report | None:
    """The report of a day as it stands; None when the day was never worked on."""
    row = await journal.book(KIND, book_key(fixmedins_code, day))
    return None if row is None else decode_book(row).report


async def reports_of(
    journal: Journal, fixmedins_code: str, begin: date, end: date = date.max
) -> list[Report]:
    """The reports of a span of days, both included, oldest first."""
    before = book_key(fixmedins_code, begin - timedelta(days=1)) if begin > date.min else ""
    rows = await journal.books(KIND, prefix=f"{fixmedins_code}/", after=before, limit=MAX_REPORTS)
    return [decode_book(row).report for row in rows if row.key <= book_key(fixmedins_code, end)]
