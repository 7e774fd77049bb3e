"""What a subscriber is told: the resource, the event, or that there is something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.fhir.decode import decode_own
from gateway.fhir.subscriptions import MAX_EVENTS
from gateway.intents import Status

SECRET = "Bearer s-2f81c4a07d"


async def test_r4_sends_the_resource_as_an_update_at_the_endpoint(
    *, ask: Any, look: Any, receiver: Any, hook: Any, make_claim: Any
) -> None:
    """With a payload: PUT of the resource below the endpoint, with the headers that were asked for."""
    made = await ask("POST", "/Subscription", hook())
    await look()
    claim = await ask("POST", "/Claim", make_claim())
    await look()
    read = await ask("GET", f"/Subscription/{made.body['id']}")
    get_fhir_model_class("Subscription").model_validate(read.body)

    assert (made.status, made.body["status"], read.body["status"]) == (201, "requested", "active")
    ((method, path, headers, body),) = receiver.got
    assert (method, path) == ("PUT", f"/hook/ClaimResponse/{claim.body['id']}")
    assert (headers["authorization"], body) == (SECRET, claim.raw)
    assert headers["content-type"] == "application/fhir+json; charset=utf-8"


async def test_r4_without_payload_says_only_that_there_is_something(
    *, ask: Any, look: Any, receiver: Any, hook: Any, make_claim: Any
) -> None:
    """POST without a body; nothing of the patient leaves."""
    subscription = hook()
    del subscription["channel"]["payload"]
    await ask("POST", "/fhir/r4b/Subscription", subscription)
    await ask("POST", "/Claim", make_claim())
    await look()

    assert [(method, path, body) for method, path, _, body in receiver.got] == [
        ("POST", "/hook", b"")
    ]


async def test_only_what_fits_the_criteria_of_the_same_peer_is_told(
    *, ask: Any, look: Any, receiver: Any, hook: Any, make_claim: Any
) -> None:
    """Neither what happened before, nor another use, nor another peer's claim."""
    await ask("POST", "/Claim", make_claim("C-0"))
    await ask("POST", "/Subscription", hook("ClaimResponse?use=claim&outcome=complete,partial"))
    await look()
    await ask("POST", "/Claim", make_claim("C-1", use="predetermination"))
    await ask("POST", "/Claim", make_claim("C-2"), token="t-0011223344556677")
    wanted = await ask("POST", "/Claim", make_claim("C-3"))
    await look()

    assert [path for _, path, _, _ in receiver.got] == [f"/hook/ClaimResponse/{wanted.body['id']}"]


async def test_r5_shakes_hands_and_then_tells_events(
    *, ask: Any, look: Any, receiver: Any, topic: Any, make_claim: Any
) -> None:
    """Handshake first; an event names the resource and not its content (id-only)."""
    made = await ask("POST", "/fhir/r5/Subscription", topic())
    await look()
    claim = await ask("POST", "/fhir/r5/Claim", make_claim())
    await look()
    for bundle in receiver.bundles:
        r5_model("Bundle").model_validate(bundle)
    shake, event = (bundle["entry"][0]["resource"] for bundle in receiver.bundles)

    assert (made.status, made.body["status"]) == (201, "requested")
    assert (shake["type"], shake["status"]) == ("handshake", "requested")
    assert shake["eventsSinceSubscriptionStart"] == "0"
    assert (event["type"], event["eventsSinceSubscriptionStart"]) == ("event-notification", "1")
    assert event["subscription"] == {"reference": f"Subscription/{made.body['id']}"}
    (told,) = event["notificationEvent"]
    host = ask.base.partition("/fhir")[0]
    focus = f"{host}/fhir/r5/ClaimResponse/{claim.body['id']}"
    assert (told["eventNumber"], told["focus"]) == ("1", {"reference": focus})
    assert [len(bundle["entry"]) for bundle in receiver.bundles] == [1, 1]
    assert {bundle["type"] for bundle in receiver.bundles} == {"subscription-notification"}


@pytest.mark.parametrize(("content", "entries"), [("empty", 1), ("full-resource", 3)])
async def test_r5_tells_as_much_as_was_asked_for(
    *,
    ask: Any,
    look: Any,
    receiver: Any,
    topic: Any,
    make_claim: Any,
    content: str,
    entries: int,
) -> None:
    """`empty` names no resource; `full-resource` has them; several events go together."""
    await ask("POST", "/fhir/r5/Subscription", topic(content=content, maxCount=5))
    await look()
    for number in ("C-1", "C-2"):
        await ask("POST", "/Claim", make_claim(number))
    await look()
    bundle = receiver.bundles[-1]
    r5_model("Bundle").model_validate(bundle)
    events = bundle["entry"][0]["resource"]["notificationEvent"]

    assert [row["eventNumber"] for row in events] == ["1", "2"]
    assert ["focus" in row for row in events] == [content == "full-resource"] * 2
    assert len(bundle["entry"]) == entries
    decisions = [row["resource"]["decision"]["coding"][0]["code"] for row in bundle["entry"][1:]]
    assert decisions == ["approved"] * (entries - 1)


async def test_r5_tells_100_events_at_once_at_most(
    *, ask: Any, look: Any, receiver: Any, topic: Any, make_claim: Any
) -> None:
    """More were asked for: the one that is left comes in a notification of its own."""
    await ask("POST", "/fhir/r5/Subscription", topic(maxCount=MAX_EVENTS + 1))
    await look()
    for number in range(MAX_EVENTS + 1):
        await ask("POST", "/Claim", make_claim(f"C-{number}"))
    await look()
    await look()
    heads = [bundle["entry"][0]["resource"] for bundle in receiver.bundles]
    told = [head["notificationEvent"] for head in heads if head["type"] == "event-notification"]

    assert [len(events) for events in told] == [MAX_EVENTS, 1]


async def test_r5_in_xml(*, ask: Any, look: Any, receiver: Any, topic: Any) -> None:
    """The element contentType says the form."""
    await ask("POST", "/fhir/r5/Subscription", topic(contentType="application/fhir+xml"))
    await look()

    ((_, _, headers, body),) = receiver.got
    assert headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert b"<SubscriptionStatus" in body


async def test_a_heartbeat_comes_when_nothing_else_did(
    *, ask: Any, look: Any, receiver: Any, topic: Any, clock: Any
) -> None:
    """After heartbeatPeriod seconds of silence, and not before."""
    await ask("POST", "/fhir/r5/Subscription", topic(heartbeatPeriod=60))
    await look()
    clock.time += timedelta(seconds=59)
    await look()
    clock.time += timedelta(seconds=1)
    await look()

    kinds = [bundle["entry"][0]["resource"]["type"] for bundle in receiver.bundles]
    assert kinds == ["handshake", "heartbeat"]


async def test_a_later_result_reaches_the_subscriber(
    *, ask: Any, port: Any, look: Any, receiver: Any, hook: Any, make_claim: Any
) -> None:
    """The queued answer is not complete; the answer that replaces it is told."""
    await ask("POST", "/Subscription", hook())
    port.centre.status = Status.UNKNOWN
    queued = await ask("POST", "/Claim", make_claim())
    await look()
    before = list(receiver.got)
    (row,) = await port.journal.exchanges(status=Status.UNKNOWN.value)
    port.centre.status = Status.DONE
    result = await port.journal.stored_result(row.exchange_id)
    await port.pipeline.replace(
        row.exchange_id, await port.centre.conduct(result.intent, port.peer, row.exchange_id)
    )
    await look()

    assert (queued.status, before) == (202, [])
    assert decode_own(receiver.got[0][3])["outcome"] == "complete"
