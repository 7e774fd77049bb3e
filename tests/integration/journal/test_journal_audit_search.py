"""The rows of the audit by whose message they are of, when they were written and what became of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.intents import Message
from gateway.journal import AuditEvent, AuditSearch, Journal

NOW = "2026-03-02 11:59:58"
ALL = AuditSearch(
    peer="his", after=0, until=10**9, begin="", end="9999", outcomes="048", limit=100, offset=0
)
DETAILS = (
    {"peer": "his"},
    {"infno": "2207", "outcome": "accepted"},
    {"infno": "2207", "outcome": "rejected"},
    {"infno": "2207", "outcome": "not-sent"},
    {"infno": "2207", "outcome": "unknown"},
    {"status": "invalid"},
    {"status": "unknown", "verb": "settle"},
    {"status": "done", "note": 'said "unknown" and "rejected"'},
)


async def filled(journal: Journal, message: Callable[..., Message]) -> None:
    """A message of his with eight rows, one of hers with one, and a row of nobody's."""
    one = await journal.begin_exchange(message(), b"", NOW, events=[])
    events = [AuditEvent(one.exchange_id, "send", detail) for detail in DETAILS]
    await journal.session_put("k", "v", NOW, events=events)
    other = await journal.begin_exchange(message(peer="hers"), b"", NOW, events=[])
    hers = AuditEvent(other.exchange_id, "send", {"outcome": "unknown"})
    await journal.session_put("k", "v", NOW, events=[hers, AuditEvent("", "office", {})])


async def test_only_the_rows_of_the_peers_messages_last_first(
    journal: Journal, message: Callable[..., Message]
) -> None:
    """Neither another peer's nor nobody's; each as the trail has it."""
    await filled(journal, message)
    total, rows = await journal.audit_found(ALL)
    assert (total, [row.seq for row in rows]) == (8, [8, 7, 6, 5, 4, 3, 2, 1])
    assert [row.detail for row in reversed(rows)] == list(DETAILS)
    hers = msgspec.structs.replace(ALL, peer="hers")
    assert [row.seq for row in (await journal.audit_found(hers))[1]] == [9]


async def test_by_what_became_of_it(journal: Journal, message: Callable[..., Message]) -> None:
    """8 unknown, 4 refused, not sent or invalid, 0 the rest: a word in a note counts for nothing."""
    await filled(journal, message)
    found = {}
    for outcomes in ("0", "4", "8", "48", ""):
        search = msgspec.structs.replace(ALL, outcomes=outcomes)
        found[outcomes] = [row.seq for row in (await journal.audit_found(search))[1]]
    assert found == {"0": [8, 2, 1], "4": [6, 4, 3], "8": [7, 5], "48": [7, 6, 5, 4, 3], "": []}


async def test_by_number_and_time_page_by_page(
    journal: Journal, message: Callable[..., Message]
) -> None:
    """The span is open at its lower number and at its later time; the total is that of all pages."""
    await filled(journal, message)
    span = msgspec.structs.replace(ALL, after=2, until=6, limit=3)
    assert [row.seq for row in (await journal.audit_found(span))[1]] == [6, 5, 4]
    rest = msgspec.structs.replace(span, offset=3)
    total, rows = await journal.audit_found(rest)
    assert (total, [row.seq for row in rows]) == (4, [3])
    time = rows[0].time
    assert (await journal.audit_found(msgspec.structs.replace(ALL, end=time)))[0] == 0
    assert (await journal.audit_found(msgspec.structs.replace(ALL, begin=time)))[0] == 8
