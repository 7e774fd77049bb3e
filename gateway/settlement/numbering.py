"""The platform's number of a visit, and the visit that has it.

A visit is kept under the hospital's own number. What the hospital does by national JSON names the
platform's number only (mdtrt_id), and it may do so before any transaction of the visit has stood
in the journal under that number: right behind an admission, or a purchase. So the number of every
visit that a message opens is kept, before the message has its answer.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.errors import StateError
from gateway.intents import Verb
from gateway.journal import BookRow, Journal, VisitRow
from gateway.settlement.visits import Visit, visit_key

KIND = "visit-number"

NUMBERED = frozenset({"2102", "2201", "2401"})
"""Transactions whose reply gives the visit its mdtrt_id."""

OPENING = frozenset({Verb.REGISTER, Verb.ADMIT, Verb.PRESETTLE, Verb.SETTLE})
"""Verbs that open a visit where there is none, or had opened it before a crash."""


async def remember(journal: Journal, visit: Visit) -> None:
    """Keep which visit has this mdtrt_id; nothing to do while it has none."""
    number = visit.visit.get("mdtrt_id")
    if not number:
        return
    key = visit_key(visit.fixmedins_code, number)
    if await journal.book(KIND, key) is None:
        with suppress(StateError):  # another process was first, with the same
            await journal.put_book(BookRow(KIND, key, "", data=visit.key.encode()))


async def numbered(journal: Journal, key: str) -> VisitRow | None:
    """The visit whose mdtrt_id makes this key; None when no message opened one."""
    book = await journal.book(KIND, key)
    return await journal.visit(book.data.decode()) if book is not None else None
