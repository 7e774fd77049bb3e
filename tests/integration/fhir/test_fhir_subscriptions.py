"""Subscribers with a real HTTP receiver: who is told what, when, and what happens if nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.clock import CHINA
from gateway.fhir.decode import decode_own, encode
from gateway.inbound.fhir_access import require_subscribed
from gateway.inbound.fhir_hooks import Hooks
from gateway.inbound.fhir_notifier import Notifier
from gateway.inbound.http_routes import Refusal
from gateway.inbound.scopes import Scopes
from gateway.intents import Status, Verb
from gateway.settings import SubscriptionSettings

BASE = "https://fsi-gateway.example/fhir"
SECRET = "Bearer s-2f81c4a07d"


class HandClock:
    """A clock that stands until somebody turns it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 10, 30, 0, tzinfo=CHINA)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


class Receiver:
    """An HTTP server of a hospital; keeps what it was sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200
        self.url = ""
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.got.append((request.method, request.path_qs, headers, body))
        self.reached.set()
        await self.gate.wait()
        where = {"Location": f"{self.url}/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=where)

    @property
    def bundles(self) -> list[Any]:
        """The bodies as trees."""
        return [decode_own(body) for _, _, _, body in self.got]


class Lines:
    """What the log is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.failures: list[Exception] = []

    def notified(self, subscription: str, status: int, events: int) -> None:
        self.told.append((subscription, status, events))

    def subscription_ended(self, subscription: str, peer: str, status: str) -> None:
        self.told.append((subscription, peer, status))

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """The subscriber."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
def clock() -> HandClock:
    """The clock of the notifier."""
    return HandClock()


@pytest.fixture
def lines() -> Lines:
    """The log."""
    return Lines()


@pytest.fixture
async def make_notifier(
    port: Any, receiver: Receiver, clock: HandClock, lines: Lines
) -> AsyncIterator[Any]:
    """A notifier as a process has it; `look` works until nothing is left to do."""
    hooks = Hooks()
    port.peer.subscription_origins.append(receiver.url)

    def make(node: str = "one") -> Any:
        notifier = Notifier(
            settings=SubscriptionSettings(timeout=5, first_delay=2, max_attempts=3),
            peers={port.peer.name: port.peer},
            names=port.adapter.names,
            journal=port.journal,
            send=hooks,
            clock=clock,
            watcher=lines,
            node=node,
        )

        async def look() -> None:
            await notifier.look()
            await notifier.settle()
            assert lines.failures == []

        return look

    yield make
    await hooks.close()


@pytest.fixture
def look(make_notifier: Any) -> Any:
    """The notifier of the gateway."""
    return make_notifier()


@pytest.fixture
def hook(receiver: Receiver) -> Any:
    """An R4 Subscription; keywords replace elements of the channel."""

    def make(criteria: str = "ClaimResponse?outcome=complete", **channel: Any) -> dict[str, Any]:
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "Results",
            "criteria": criteria,
            "channel": {
                "type": "rest-hook",
                "endpoint": f"{receiver.url}/hook",
                "payload": "application/fhir+json",
                "header": [f"Authorization: {SECRET}"],
            }
            | channel,
        }

    return make


@pytest.fixture
def topic(receiver: Receiver) -> Any:
    """An R5 Subscription; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "topic": f"{BASE}/SubscriptionTopic/claim-response",
            "channelType": {"code": "rest-hook"},
            "endpoint": f"{receiver.url}/r5",
            "content": "id-only",
        } | changes

    return make


async def test_r4_sends_the_resource_as_an_update_at_the_endpoint(
    *, ask: Any, look: Any, receiver: Receiver, hook: Any, make_claim: Any
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
    *, ask: Any, look: Any, receiver: Receiver, hook: Any, make_claim: Any
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
    *, ask: Any, look: Any, receiver: Receiver, hook: Any, make_claim: Any
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
    *, ask: Any, look: Any, receiver: Receiver, topic: Any, make_claim: Any
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
    receiver: Receiver,
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


async def test_r5_in_xml(*, ask: Any, look: Any, receiver: Receiver, topic: Any) -> None:
    """The element contentType says the form."""
    await ask("POST", "/fhir/r5/Subscription", topic(contentType="application/fhir+xml"))
    await look()

    ((_, _, headers, body),) = receiver.got
    assert headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert b"<SubscriptionStatus" in body


async def test_a_heartbeat_comes_when_nothing_else_did(
    *, ask: Any, look: Any, receiver: Receiver, topic: Any, clock: HandClock
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
    *, ask: Any, port: Any, look: Any, receiver: Receiver, hook: Any, make_claim: Any
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


async def test_what_was_not_taken_is_sent_again_by_another_process(
    *,
    ask: Any,
    make_notifier: Any,
    receiver: Receiver,
    topic: Any,
    make_claim: Any,
    clock: HandClock,
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
    *, ask: Any, make_notifier: Any, receiver: Receiver, hook: Any, make_claim: Any
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
    receiver: Receiver,
    hook: Any,
    make_claim: Any,
    clock: HandClock,
    lines: Lines,
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
    *, ask: Any, look: Any, receiver: Receiver, topic: Any
) -> None:
    """A subscriber cannot send the gateway elsewhere."""
    receiver.status = 302
    await ask("POST", "/fhir/r5/Subscription", topic())
    await look()

    assert [path for _, path, _, _ in receiver.got] == ["/r5"]


async def test_switched_off_deleted_or_ended_it_is_told_nothing(
    *, ask: Any, look: Any, receiver: Receiver, hook: Any, make_claim: Any
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
    *, ask: Any, look: Any, hook: Any, receiver: Receiver
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
