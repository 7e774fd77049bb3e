"""`$status` and `$events` of R5 Subscriptions."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model

OTHER = "t-0011223344556677"
R5 = "/fhir/r5/Subscription"


def numbers(reply: Any) -> list[str]:
    """The event numbers of a notification."""
    told = reply.body["entry"][0]["resource"].get("notificationEvent", [])
    return [event["eventNumber"] for event in told]


@pytest.fixture
async def told(ask: Any, look: Any, topic: Any, make_claim: Any) -> tuple[str, list[str]]:
    """A subscription that was told of three answers: its id, and theirs."""
    made = await ask("POST", R5, topic())
    await look()
    claims = []
    for number in ("C-1", "C-2", "C-3"):
        claims.append((await ask("POST", "/fhir/r5/Claim", make_claim(number))).body["id"])
        await look()
    return made.body["id"], claims


async def test_events_are_asked_for_again_by_their_numbers(
    ask: Any, told: tuple[str, list[str]]
) -> None:
    """subscription-operation-events: from and until a number, names only as the topic has it."""
    identity, claims = told
    every = await ask("GET", f"{R5}/{identity}/$events")
    some = await ask("GET", f"{R5}/{identity}/$events?eventsSinceNumber=2&eventsUntilNumber=2")
    none = await ask("GET", f"{R5}/{identity}/$events?eventsSinceNumber=4")
    for reply in (every, some, none):
        r5_model("Bundle").model_validate(reply.body)
    status = every.body["entry"][0]["resource"]

    assert every.body["type"] == "subscription-notification"
    assert (status["type"], status["eventsSinceSubscriptionStart"]) == ("query-event", "3")
    assert (numbers(every), numbers(some), numbers(none)) == (["1", "2", "3"], ["2"], [])
    assert [
        one["focus"]["reference"].rpartition("/")[2] for one in status["notificationEvent"]
    ] == (claims)
    assert len(every.body["entry"]) == 1


async def test_the_content_of_events_is_as_it_is_asked_for(
    ask: Any, told: tuple[str, list[str]]
) -> None:
    """Full resources as they are now, or not even their names; by POST and in XML too."""
    identity, claims = told
    full = await ask("GET", f"{R5}/{identity}/$events?content=full-resource")
    empty = await ask("GET", f"{R5}/{identity}/$events?content=empty")
    rows = [
        {"name": "eventsSinceNumber", "valueInteger64": "3"},
        {"name": "content", "valueCode": "full-resource"},
    ]
    posted = await ask(
        "POST", f"{R5}/{identity}/$events", {"resourceType": "Parameters", "parameter": rows}
    )
    in_xml = await ask("GET", f"{R5}/{identity}/$events?content=full-resource&_format=xml")
    r5_model("Bundle").model_validate(full.body)

    assert [row["resource"]["id"] for row in full.body["entry"][1:]] == claims
    assert "focus" not in empty.body["entry"][0]["resource"]["notificationEvent"][0]
    assert [row["resource"]["id"] for row in posted.body["entry"][1:]] == claims[2:]
    assert in_xml.raw.count(b"<ClaimResponse ") + in_xml.raw.count(b"<ClaimResponse>") == 3


async def test_events_that_were_not_taken_are_not_told_here(
    *, ask: Any, look: Any, receiver: Any, told: tuple[str, list[str]], make_claim: Any
) -> None:
    """A number is given when the subscriber takes the event; until then there is none to ask by."""
    identity, _ = told
    receiver.status = 500
    await ask("POST", "/fhir/r5/Claim", make_claim("C-4"))
    await look()
    events = await ask("GET", f"{R5}/{identity}/$events")

    assert numbers(events) == ["1", "2", "3"]


async def test_what_cannot_be_meant_or_is_not_there_is_refused(
    *, ask: Any, look: Any, hook: Any, told: tuple[str, list[str]]
) -> None:
    """400 for a number that is none; 404 for another peer's, one that is not, and one of R4."""
    identity, _ = told
    old = await ask("POST", "/Subscription", hook())
    await look()
    statuses = [
        (await ask("GET", f"{R5}/{path}", token=token)).status
        for path, token in (
            (f"{identity}/$events?eventsSinceNumber=x", "t-7f3a9b2c4d5e6f708192"),
            (f"{identity}/$events?content=all", "t-7f3a9b2c4d5e6f708192"),
            (f"{identity}/$events", OTHER),
            (f"{identity}/$status", OTHER),
            ("none/$events", OTHER),
            (f"{old.body['id']}/$events", "t-7f3a9b2c4d5e6f708192"),
        )
    ]
    in_r4 = await ask("GET", f"/Subscription/{old.body['id']}/$events")

    assert statuses == [400, 400, 404, 404, 404, 404]
    assert in_r4.status == 404


async def test_all_subscriptions_say_how_they_stand(
    *, ask: Any, look: Any, topic: Any, told: tuple[str, list[str]]
) -> None:
    """subscription-operation-status: those of the peer, by id and by status, by GET and POST."""
    identity, _ = told
    second = await ask("POST", R5, topic(status="off"))
    await look()
    every = await ask("GET", f"{R5}/$status")
    active = await ask("GET", f"{R5}/$status?status=active")
    both = await ask("GET", f"{R5}/$status?id={identity},{second.body['id']}")
    rows = [{"name": "id", "valueId": identity}]
    posted = await ask("POST", f"{R5}/$status", {"resourceType": "Parameters", "parameter": rows})
    one = await ask("POST", f"{R5}/{identity}/$status")
    other = await ask("GET", f"{R5}/$status", token=OTHER)
    r5_model("Bundle").model_validate(every.body)

    assert [reply.body["total"] for reply in (every, active, both, posted, one, other)] == [
        *(2, 1, 2, 1, 1),
        0,
    ]
    (row,) = active.body["entry"]
    assert row["resource"]["subscription"] == {"reference": f"Subscription/{identity}"}
    assert row["resource"]["eventsSinceSubscriptionStart"] == "3"


async def test_a_client_that_may_not_read_the_type_is_not_told_its_events(
    ask: Any, port: Any, told: tuple[str, list[str]]
) -> None:
    """403: the events of a topic are of its type, whatever the subscription itself allows."""
    identity, _ = told
    peer = port.peer.model_copy(update={"scopes": ["system/Subscription.rs"]})
    narrowed = type(port)(port.settings.model_copy(update={"peers": [peer]}), port.journal)
    await narrowed.server.start()
    host, number = narrowed.server.address
    base = f"http://{host}:{number}{R5}/{identity}"
    events = await ask("GET", f"{base}/$events")
    status = await ask("GET", f"{base}/$status")
    await narrowed.server.stop(0.1)

    assert (events.status, status.status) == (403, 200)
    assert 'scope="system/ClaimResponse.r"' in events.headers["WWW-Authenticate"]
