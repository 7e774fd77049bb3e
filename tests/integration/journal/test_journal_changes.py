"""Resources in the order in which they were stored, in both stores."""

from __future__ import annotations

from typing import Any

from gateway.intents import Answer, Resource
from gateway.journal import Journal


def resource(kind: str, ident: str, text: bytes = b"{}") -> Resource:
    """A resource that one peer may see."""
    return Resource(type=kind, id=ident, body=text, search={"_peer": ["his"]})


async def test_changes_are_read_in_their_order_and_once(journal: Journal, message: Any) -> None:
    """Behind a place stands what was stored later; what was stored again stands last."""
    first, second = [
        (await journal.begin_exchange(message(control_id=name), b"", "2026-03-02 12:00:00"))
        for name in ("A1", "A2")
    ]
    made = [resource("Task", "a"), resource("Claim", "x"), resource("Task", "b")]
    await journal.finish_exchange(first.exchange_id, Answer(body=b"", resources=made), None)
    seen = await journal.changes("Task", 0)
    again = [resource("Task", "a", b"[]"), resource("Task", "c")]
    await journal.finish_exchange(second.exchange_id, Answer(body=b"", resources=again), None)
    later = await journal.changes("Task", seen[-1][0])
    page = await journal.changes("Task", 0, 1)

    assert [one.id for _, one in seen] == ["a", "b"]
    assert [(one.id, one.body) for _, one in later] == [("a", b"[]"), ("c", b"{}")]
    assert [place for place, _ in later] == sorted(place for place, _ in later)
    assert [one.id for _, one in page] == ["b"]
    assert later[0][1].search == {"_peer": ["his"]}
    assert await journal.changes("Task", later[-1][0]) == []
