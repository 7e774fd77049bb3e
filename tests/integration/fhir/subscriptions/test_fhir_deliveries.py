"""When nobody listens, when two processes deliver, and when a subscription has ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from gateway.fhir.subscribed import BOOK, read_state, write_state
from gateway.journal import BookRow


async def test_what_was_not_taken_is_sent_again_by_another_process(
    *,
    ask: Any,
    make_notifier: Any,
    receiver: Any,
    topic: Any,
    make_claim: Any,
    clock: Any,
) -> None:
    """Rules 2 to 4: under the same number, after the delay, also when the first process died."""
    first, second = make_notifier("one"), make_notifier("two")
    await ask("POST", "/fhir/r5/Subscription", topic())
    await first()
    await ask("POST", "/Claim", make_claim())
    receiver.status = 503
    await first()
    receiver.status = 200
    await first()
    clock.time += timedelta(seconds=2)
    await second()
    await first()

    events = [b["entry"][0]["resource"].get("notificationEvent") for b in receiver.bundles]
    assert [rows and rows[0]["eventNumber"] for rows in events] == [None, "1", "1"]


async def test_two_gateways_do_not_deliver_the_same_at_once(
    *, ask: Any, make_notifier: Any, receiver: Any, hook: Any, make_claim: Any
) -> None:
    """Rule 4: while one is at it the other leaves it alone."""
    first, second = make_notifier("one"), make_notifier("two")
    await ask("POST", "/Subscription", hook())
    await first()
    await ask("POST", "/Claim", make_claim())
    receiver.gate.clear()
    at_it = asyncio.create_task(first())
    await receiver.reached.wait()
    await second()
    receiver.gate.set()
    await at_it
    await second()

    assert len(receiver.got) == 1


async def test_after_too_many_failures_it_is_in_error_until_asked_for_again(
    *,
    ask: Any,
    look: Any,
    receiver: Any,
    hook: Any,
    make_claim: Any,
    clock: Any,
    lines: Any,
) -> None:
    """Three attempts, at 0, 2 and 6 seconds; a PUT with status requested goes on where it stopped."""
    made = await ask("POST", "/Subscription", hook())
    await look()
    claim = await ask("POST", "/Claim", make_claim())
    receiver.status = 500
    for seconds in (0, 1, 1, 3, 1, 600):
        clock.time += timedelta(seconds=seconds)
        await look()
    url = f"/Subscription/{made.body['id']}"
    broken = await ask("GET", url)
    attempts = len(receiver.got)
    receiver.status = 200
    again = await ask("PUT", url, hook() | {"id": made.body["id"]})
    await look()
    healed = await ask("GET", url)

    assert (attempts, broken.body["status"]) == (3, "error")
    assert broken.body["error"] == "3 attempts failed, the last: HTTP status 500"
    assert (made.body["id"], "his", "error") in lines.told
    assert (again.status, healed.body["status"]) == (200, "active")
    assert receiver.got[-1][1] == f"/hook/ClaimResponse/{claim.body['id']}"
    assert len(receiver.got) == 4


async def test_a_redirection_is_not_followed(
    *, ask: Any, look: Any, receiver: Any, topic: Any
) -> None:
    """A subscriber cannot send the gateway elsewhere."""
    receiver.status = 302
    await ask("POST", "/fhir/r5/Subscription", topic())
    await look()

    assert [path for _, path, _, _ in receiver.got] == ["/r5"]


async def test_switched_off_deleted_or_ended_it_is_told_nothing(
    *, ask: Any, look: Any, receiver: Any, hook: Any, make_claim: Any
) -> None:
    """PUT of status off; DELETE, after which it is 410; and an end that has passed."""
    off = await ask("POST", "/Subscription", hook())
    gone = await ask("POST", "/Subscription", hook() | {"reason": "Others"})
    over = await ask("POST", "/Subscription", hook() | {"end": "2026-03-02T10:00:00+08:00"})
    url = f"/Subscription/{gone.body['id']}"
    await ask(
        "PUT",
        f"/Subscription/{off.body['id']}",
        hook() | {"id": off.body["id"], "status": "off"},
    )
    deleted = await ask("DELETE", url)
    twice = await ask("DELETE", url)
    await ask("POST", "/Claim", make_claim())
    await look()
    read = await ask("GET", url)
    ended = await ask("GET", f"/Subscription/{over.body['id']}")
    anew = await ask("POST", "/Subscription", hook() | {"reason": "Others"})

    assert receiver.got == []
    assert [r.status for r in (deleted, twice, read, anew)] == [204, 204, 410, 201]
    assert ended.body["status"] == "off"
    assert anew.body["id"] != gone.body["id"]


async def test_a_retry_does_not_wait_for_a_clock_that_was_set_back(
    *, ask: Any, look: Any, receiver: Any, hook: Any, make_claim: Any, clock: Any
) -> None:
    """It was due two seconds after the failure; the clock is an hour behind then."""
    await ask("POST", "/Subscription", hook())
    await look()
    claim = await ask("POST", "/Claim", make_claim())
    receiver.status = 500
    await look()
    receiver.status = 200
    clock.time -= timedelta(hours=1)
    await look()
    assert receiver.got[-1][1] == f"/hook/ClaimResponse/{claim.body['id']}"
    assert len(receiver.got) == 2


async def test_a_subscription_is_not_left_to_a_gateway_that_died_before_the_clock_was_set_back(
    *,
    ask: Any,
    make_notifier: Any,
    receiver: Any,
    hook: Any,
    make_claim: Any,
    clock: Any,
    port: Any,
) -> None:
    """Its minute is over when it lies an hour ahead."""
    made = await ask("POST", "/Subscription", hook())
    await make_notifier("one")()
    row = await port.journal.book(BOOK, made.body["id"])
    state = read_state(row.data)
    state.owner, state.until = "dead", (clock.time + timedelta(minutes=1)).isoformat()
    await port.journal.put_book(BookRow(BOOK, row.key, row.state, row.version, write_state(state)))
    claim = await ask("POST", "/Claim", make_claim())
    await make_notifier("two")()
    before = len(receiver.got)
    clock.time -= timedelta(hours=1)
    await make_notifier("two")()
    assert before == 0
    assert [one[1] for one in receiver.got] == [f"/hook/ClaimResponse/{claim.body['id']}"]
