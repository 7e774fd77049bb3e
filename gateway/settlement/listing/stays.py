"""What messages said of a stay for its settlement list alone, in a book of its own.

It does not stand with the visit: a message that has something for the list never meets another one
that settles the same visit, on this gateway or on another.
"""

from __future__ import annotations

import msgspec

from gateway.intents import Record
from gateway.journal import BookRow, Journal
from gateway.settlement.visits import Visit

KIND = "stay"

DiagnosisKey = tuple[str, str, str]
"""Code, number and main flag of a diagnosis."""


class Stay(msgspec.Struct, kw_only=True):
    """What was said of a visit for its list.

    `facts` are fields of `setlinfo`. `diagnoses` were said after the stay was over, or by a claim;
    `over` are those that the platform had then: once it has others, those count again.
    """

    facts: Record = msgspec.field(default_factory=Record)
    procedures: list[Record] = []
    diagnoses: list[Record] = []
    over: list[DiagnosisKey] = []
    movements: list[Record] = []
    transfusions: list[Record] = []

    def diagnoses_of(self, visit: Visit) -> list[Record]:
        """The diagnoses that count for the list of this visit."""
        if self.diagnoses and self.over == keys(visit.diagnoses):
            return self.diagnoses
        return visit.diagnoses


def keys(diagnoses: list[Record]) -> list[DiagnosisKey]:
    """What a list of diagnoses is recognised by."""
    return [(d.get("diag_code"), d.get("diag_srt_no"), d.get("maindiag_flag")) for d in diagnoses]


def of_visit(visit: Visit) -> Stay:
    """What an earlier release kept with the visit."""
    listed = visit.listed
    return Stay(
        procedures=listed.procedures, diagnoses=listed.diagnoses, over=keys(visit.diagnoses)
    )


async def read(journal: Journal, visit: Visit) -> tuple[BookRow | None, Stay]:
    """The book of a visit, and what it says; empty where nothing was said yet."""
    row = await journal.book(KIND, visit.key)
    if row is None:
        return None, of_visit(visit)
    return row, msgspec.json.decode(row.data, type=Stay)


def book(visit: Visit, stay: Stay, row: BookRow | None) -> BookRow:
    """The book for the journal, over the one that was read."""
    version = row.version if row is not None else 0
    return BookRow(KIND, visit.key, "", version, msgspec.json.encode(stay))
