"""Books of longer work, stored only over the version that was read, and money sends by their time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.errors import StateError
from gateway.journal import AuditEvent, BookRow, Journal, Send

Open = Callable[[], Awaitable[Journal]]
DAY = "reconciliation"


async def test_a_book_reads_back_after_a_restart(open_journal: Open) -> None:
    """The first version is 1; state and data are what was given, and the event is in the audit."""
    journal = await open_journal()
    book = BookRow(DAY, "H1/2026-03-01", "running", 0, b"\x00data")
    stored = await journal.put_book(book, events=[AuditEvent("", "reconcile")])
    assert stored == BookRow(DAY, "H1/2026-03-01", "running", 1, b"\x00data")
    journal = await open_journal()
    assert await journal.book(DAY, "H1/2026-03-01") == stored
    assert await journal.book("clearing", "H1/2026-03-01") is None
    assert (await journal.audit_verify()).rows == 1


async def test_of_two_that_read_the_same_book_one_stores(journal: Journal) -> None:
    """The lease of a day's work rests on this: the second is told, and its event is not kept."""
    first = await journal.put_book(BookRow(DAY, "K", "running"))
    changes = [BookRow(DAY, "K", f"node {number}", first.version) for number in range(16)]
    done = await asyncio.gather(
        *(journal.put_book(one, events=[AuditEvent("", "take")]) for one in changes),
        return_exceptions=True,
    )
    won = [one for one in done if isinstance(one, BookRow)]
    assert [type(one) for one in done].count(StateError) == 15
    assert await journal.book(DAY, "K") == won[0]
    assert (await journal.audit_verify()).rows == 1


async def test_a_book_is_not_made_twice(journal: Journal) -> None:
    """Version 0 says that it is new, any other that it is there."""
    await journal.put_book(BookRow(DAY, "K", "running"))
    with pytest.raises(StateError):
        await journal.put_book(BookRow(DAY, "K", "running"))
    with pytest.raises(StateError):
        await journal.put_book(BookRow(DAY, "other", "running", 3))


async def test_books_are_listed_by_kind_and_prefix_in_pages(journal: Journal) -> None:
    """In the order of their keys; another kind, and another institution, are left out."""
    for kind, key in ((DAY, "H1/3"), (DAY, "H1/1"), (DAY, "H2/1"), ("x", "H1/2"), (DAY, "H1/2")):
        await journal.put_book(BookRow(kind, key, "s"))
    assert [one.key for one in await journal.books(DAY, prefix="H1/")] == ["H1/1", "H1/2", "H1/3"]
    page = await journal.books(DAY, after="H1/1", limit=2)
    assert [one.key for one in page] == ["H1/2", "H1/3"]


async def test_money_sends_are_found_by_their_time(
    journal: Journal, clock: Any, send: Callable[..., Send]
) -> None:
    """From the beginning of the span to before its end; what moves no money is left out."""
    noon = datetime(2026, 3, 2, 12, tzinfo=CHINA)
    for number, hours in enumerate((-13, -12, 0, 11, 12)):
        clock.time = noon + timedelta(hours=hours)
        infno = "2304" if hours == 0 else "2207"
        await journal.record_send(send(msgid=f"M{number}", visit_key=f"V{number}", infno=infno))
    clock.time = noon
    await journal.record_send(send(msgid="Q", visit_key="V9", infno="2206", money=False))
    found = await journal.money_sends("2026-03-02", "2026-03-03")
    assert [one.msgid for one in found] == ["M1", "M2", "M3"]
    assert [one.msgid for one in await journal.money_sends("2026-03-02", "2026-03-03", "2304")] == [
        "M2"
    ]
