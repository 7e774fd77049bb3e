"""Reports as the journal holds them: for whoever shows them (FHIR, EHC^E15, commands)."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from gateway.journal import Journal
from gateway.settlement.reconciling.report import Report, decode_report
from gateway.settlement.reconciling.scheduling import (
    KIND,
    REPORTS,
    TRIMMED,
    book_key,
    decode_book,
)

MAX_DAYS = 400
"""Days of one question at most."""


class Day(msgspec.Struct, kw_only=True, frozen=True):
    """How a day stands: `count` settlements of ours, `findings` counted by kind."""

    day: date
    state: str
    count: int
    findings: dict[str, int]

    @property
    def differences(self) -> int:
        """How many settlements do not agree."""
        return sum(self.findings.values())


async def report_of(journal: Journal, fixmedins_code: str, day: date) -> Report | None:
    """The report of a day as it stands; None when nothing was compared yet, or it was emptied."""
    row = await journal.book(REPORTS, book_key(fixmedins_code, day))
    return None if row is None or row.state == TRIMMED else decode_report(row.data)


async def reports_of(
    journal: Journal, fixmedins_code: str, begin: date, end: date = date.max
) -> list[Report]:
    """The reports of a span of days, both included, oldest first, with every settlement."""
    rows = await journal.books(
        REPORTS,
        prefix=f"{fixmedins_code}/",
        after=_before(fixmedins_code, begin),
        limit=MAX_DAYS,
    )
    last = book_key(fixmedins_code, end)
    kept = [row for row in rows if row.key <= last and row.state != TRIMMED]
    return [decode_report(row.data) for row in kept]


def _before(fixmedins_code: str, day: date) -> str:
    return book_key(fixmedins_code, day - timedelta(days=1)) if day > date.min else ""


async def days_of(
    journal: Journal, fixmedins_code: str, begin: date, end: date = date.max
) -> list[Day]:
    """The days of a span that were worked on, both included, oldest first; without settlements."""
    before = _before(fixmedins_code, begin)
    rows = await journal.books(KIND, prefix=f"{fixmedins_code}/", after=before, limit=MAX_DAYS)
    return [
        Day(
            day=date.fromisoformat(row.key.partition("/")[2]),
            state=row.state,
            count=kept.count,
            findings=kept.findings,
        )
        for row in rows
        for kept in [decode_book(row)]
        if row.key <= book_key(fixmedins_code, end)
    ]
