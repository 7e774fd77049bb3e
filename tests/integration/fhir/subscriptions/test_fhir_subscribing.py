"""Which subscriptions are taken, and how one stands."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model

from gateway.fhir.decode import encode
from gateway.inbound.fhir_access import require_subscribed
from gateway.inbound.http_routes import Refusal
from gateway.inbound.scopes import Scopes
from gateway.intents import Verb

BASE = "https://fsi-gateway.example/fhir"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"endpoint": "http://127.0.0.1:1/hook"}, "Subscription.channel.endpoint"),
        ({"endpoint": "file:///etc/hostname"}, "Subscription.channel.endpoint"),
        ({"endpoint": "http://169.254.169.254/"}, "Subscription.channel.endpoint"),
        ({"type": "email"}, "Subscription.channel.type"),
        ({"payload": "text/plain"}, "Subscription.channel.payload"),
        ({"header": ["Host: elsewhere"]}, "Subscription.channel.header"),
    ],
)
async def test_a_channel_that_is_not_allowed_is_refused_with_its_place(
    *, ask: Any, look: Any, hook: Any, changes: dict[str, Any], place: str
) -> None:
    """422; no subscription can make the gateway speak to a host of nobody's list."""
    refused = await ask("POST", "/Subscription", hook(**changes))

    assert look is not None
    assert refused.status == 422
    assert [issue["expression"] for issue in refused.body["issue"]] == [[place]]


async def test_an_endpoint_with_credentials_is_refused(
    *, ask: Any, look: Any, hook: Any, receiver: Any
) -> None:
    """user@host could name another host than it seems to."""
    told = receiver.url.replace("http://", "http://his@")
    refused = await ask("POST", "/Subscription", hook(endpoint=told))

    assert look is not None
    assert refused.status == 422


@pytest.mark.parametrize(
    "criteria",
    ["Observation?code=1", "ClaimResponse?created=2026", "ClaimResponse?outcome:not=error", ""],
)
async def test_criteria_that_are_not_served_are_refused(
    *, ask: Any, look: Any, hook: Any, criteria: str
) -> None:
    """What could not be searched for cannot be subscribed to."""
    refused = await ask("POST", "/Subscription", hook(criteria or "?"))

    assert look is not None
    assert refused.status == 422
    assert refused.body["issue"][0]["expression"] == ["Subscription.criteria"]


async def test_topics_are_published_and_a_subscription_says_how_it_stands(
    *, ask: Any, look: Any, topic: Any
) -> None:
    """R5: SubscriptionTopic by its URL, and Subscription/$status."""
    url = f"{BASE}/SubscriptionTopic/claim-response"
    found = await ask("GET", f"/fhir/r5/SubscriptionTopic?url={url}")
    made = await ask("POST", "/fhir/r5/Subscription", topic())
    await look()
    standing = await ask("GET", f"/fhir/r5/Subscription/{made.body['id']}/$status")
    (published,) = [row["resource"] for row in found.body["entry"]]
    r5_model("SubscriptionTopic").model_validate(published)
    r5_model("Bundle").model_validate(standing.body)
    filters = {row["filterParameter"] for row in published["canFilterBy"]}
    unknown = await ask("POST", "/fhir/r5/Subscription", topic(topic=f"{BASE}/none"))
    r4 = await ask("GET", "/SubscriptionTopic")

    assert filters == {"identifier", "outcome", "patient", "request", "status", "use"}
    (row,) = standing.body["entry"]
    assert (row["resource"]["type"], row["resource"]["status"]) == ("query-status", "active")
    assert (unknown.status, r4.status) == (422, 404)
    assert unknown.body["issue"][0]["expression"] == ["Subscription.topic"]


async def test_the_two_kinds_of_subscription_are_not_mixed(
    *, ask: Any, look: Any, hook: Any, topic: Any
) -> None:
    """A Subscription of R5 has no form in R4, and the other way round."""
    old = await ask("POST", "/Subscription", hook())
    new = await ask("POST", "/fhir/r5/Subscription", topic())
    found = [
        [
            row["resource"]["id"]
            for row in (await ask("GET", f"/fhir/{name}/Subscription")).body["entry"]
        ]
        for name in ("r4", "r4b", "r5")
    ]
    wrong = await ask("GET", f"/Subscription/{new.body['id']}")

    assert look is not None
    assert found == [[old.body["id"]], [old.body["id"]], [new.body["id"]]]
    assert wrong.status == 406


async def test_a_subscription_sends_nothing_to_a_platform(
    *, ask: Any, port: Any, look: Any, hook: Any
) -> None:
    """It is only kept."""
    await ask("POST", "/Subscription", hook())

    assert look is not None
    assert {intent.verb for intent in port.centre.carried} == {Verb.IGNORE}


async def test_a_client_hears_only_of_what_it_may_read(*, hook: Any, topic: Any) -> None:
    """A subscription needs the scope to read what it would be told of."""
    may = Scopes.parse(["system/Subscription.c", "system/Task.r"])
    refused = []
    for wanted in (hook(), topic(), hook("Task?status=completed")):
        try:
            require_subscribed(may, encode(wanted))
        except Refusal as refusal:
            refused.append((refusal.status, wanted.get("criteria", "topic")))

    assert refused == [(403, "ClaimResponse?outcome=complete"), (403, "topic")]
