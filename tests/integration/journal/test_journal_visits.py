"""Visits change with the send that changed them; sign-in numbers last until they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import StateError
from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Journal, Send, VisitRow

Open = Callable[[], Awaitable[Journal]]
ACCEPTED = Accepted(Reply(infcode="0"))


async def test_a_visit_is_stored_with_the_outcome_and_reads_back(
    open_journal: Open, send: Callable[..., Send]
) -> None:
    """The first version is 1; state and data are what was given, restarts included."""
    journal = await open_journal()
    one = send()
    await journal.record_send(one)
    stored = await journal.record_outcome(
        one.msgid, ACCEPTED, visit=VisitRow("V1", "settled", 0, b"\x00data")
    )
    assert stored == VisitRow("V1", "settled", 1, b"\x00data")
    journal = await open_journal()
    assert await journal.visit("V1") == stored
    assert await journal.visit("V2") is None


async def test_a_visit_is_stored_only_over_the_version_that_was_read(
    journal: Journal, send: Callable[..., Send]
) -> None:
    """A stale visit takes the outcome it came with along: nothing of both is stored."""
    first = await journal.put_visit(VisitRow("V1", "open"))
    await journal.put_visit(VisitRow("V1", "charged", first.version))
    one = send()
    await journal.record_send(one)
    with pytest.raises(StateError, match="after version 1 was read"):
        await journal.record_outcome(
            one.msgid,
            ACCEPTED,
            visit=VisitRow("V1", "settled", first.version),
            events=[AuditEvent("", "send")],
        )
    row = await journal.send(one.msgid)
    assert row is not None
    assert row.state == "sending"
    assert await journal.visit("V1") == VisitRow("V1", "charged", 2)
    assert (await journal.audit_verify()).rows == 0


async def test_a_visit_is_not_made_twice(journal: Journal) -> None:
    """Version 0 says that it is new; it is not any more."""
    await journal.put_visit(VisitRow("V1", "open"))
    with pytest.raises(StateError):
        await journal.put_visit(VisitRow("V1", "other"))
    with pytest.raises(StateError):
        await journal.put_visit(VisitRow("V2", "open", 7))
    assert await journal.visits() == [VisitRow("V1", "open", 1)]


async def test_of_many_changes_at_once_one_wins(journal: Journal) -> None:
    """Sixty-four writers that read the same version: one stores, the others are told."""
    await journal.put_visit(VisitRow("V1", "open"))
    changes = [VisitRow("V1", f"state {number}", 1) for number in range(64)]
    done = await asyncio.gather(*map(journal.put_visit, changes), return_exceptions=True)
    won = [one for one in done if isinstance(one, VisitRow)]
    assert [type(one) for one in done].count(StateError) == 63
    assert await journal.visit("V1") == won[0]
    assert won[0].version == 2


async def test_a_resolution_changes_the_visit_with_the_send(
    journal: Journal, send: Callable[..., Send]
) -> None:
    """Both in one transaction, with the event."""
    one = send()
    await journal.record_send(one)
    await journal.recover()
    visit = await journal.resolve_send(
        one.msgid, "reversed", "2601", visit=VisitRow("V1", "charged"), events=[AuditEvent("", "x")]
    )
    assert visit == await journal.visit("V1") == VisitRow("V1", "charged", 1)
    assert [row.station for row in await journal.audit_trail("")] == ["recover", "x"]


async def test_visits_are_listed_by_key_and_state(journal: Journal) -> None:
    """Page by page: `after` continues behind a key."""
    for key, state in (("C", "open"), ("A", "open"), ("B", "settled")):
        await journal.put_visit(VisitRow(key, state))
    assert [row.key for row in await journal.visits()] == ["A", "B", "C"]
    assert [row.key for row in await journal.visits(state="open")] == ["A", "C"]
    assert [row.key for row in await journal.visits(after="A", limit=1)] == ["B"]
    assert [row.key for row in await journal.visits(state="open", after="A")] == ["C"]


async def test_a_sign_in_number_lasts_until_it_expires(open_journal: Open, clock: Any) -> None:
    """Noon in China is 04:00 UTC; restarts do not matter, a new number replaces the old one."""
    journal = await open_journal()
    await journal.session_put("H1|gateway", "S1", datetime(2026, 3, 2, 4, 0, 1, tzinfo=UTC))
    assert await journal.session_get("H1|gateway") == "S1"
    assert await journal.session_get("H2|gateway") is None
    journal = await open_journal()
    assert await journal.session_get("H1|gateway") == "S1"
    clock.time += timedelta(seconds=1)
    assert await journal.session_get("H1|gateway") is None
    await journal.session_put("H1|gateway", "S2", "2026-03-02 23:59:59")
    assert await journal.session_get("H1|gateway") == "S2"


async def test_a_key_is_taken_once_until_it_expires(open_journal: Open, clock: Any) -> None:
    """Of ten that ask at once one is first; a restart does not free the key, its end does."""
    journal = await open_journal()
    end = datetime(2026, 3, 2, 4, 0, 1, tzinfo=UTC)
    told = await asyncio.gather(
        *(journal.session_take("jti/his/1", "used", end) for _ in range(10))
    )
    assert sorted(told) == [False] * 9 + [True]
    journal = await open_journal()
    assert not await journal.session_take("jti/his/1", "other", end)
    assert await journal.session_get("jti/his/1") == "used"
    assert await journal.session_take("jti/other/1", "used", end)
    clock.time += timedelta(seconds=1)
    assert await journal.session_take("jti/his/1", "again", "2026-03-02 23:59:59")
    assert await journal.session_get("jti/his/1") == "again"


async def test_a_time_without_zone_is_refused(journal: Journal) -> None:
    """It could be any of two dozen moments."""
    naive = datetime(2026, 3, 2, 4, 0, 1)  # noqa: DTZ001 - the naive time is the point
    with pytest.raises(ValueError, match="must have its zone"):
        await journal.session_put("H1", "S1", naive)


async def test_the_counts_add_up(
    journal: Journal, send: Callable[..., Send], message: Callable[..., Message]
) -> None:
    """Two messages, one answered; three sends in two states; one visit; two events."""
    ids = [
        (await journal.begin_exchange(message(), b"", "2026-03-02 12:00:00")).exchange_id
        for _ in range(2)
    ]
    await journal.finish_exchange(ids[0], Answer(body=b""), None, events=[AuditEvent("", "a")] * 2)
    for key in ("V1", "V2", "V3"):
        await journal.record_send(last := send(visit_key=key))
    await journal.record_outcome(last.msgid, ACCEPTED, visit=VisitRow("V3", "settled"))
    stats = await journal.stats()
    assert stats.exchanges == {"open": 1, "done": 1}
    assert stats.sends == {"sending": 2, "accepted": 1}
    assert stats.visits == {"settled": 1}
    assert (stats.resources, stats.audit_rows) == (0, 2)
    assert stats.size > 0
