"""Every limit of the FHIR side: the status, the kind of the issue, and the place that it names.

The value at the limit is served and the next one is refused, where both can be tried; a limit that
cuts an answer (events, polled answers, included resources) gives the others the next time.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.decode import MAX_VALUES, encode
from gateway.fhir.stored import NothingAnswered, PeerStore
from gateway.fhir.subscriptions import MAX_EVENTS, MAX_HEADERS, MAX_SUBSCRIPTIONS, read_wish
from gateway.fhir.tasks import MAX_POLLED
from gateway.inbound.fhir_bundles import MAX_ENTRIES
from gateway.inbound.fhir_includes import MAX_INCLUDED, included
from gateway.intents import Resource

XML = {"Content_Type": "application/fhir+xml"}
NAMESPACE = 'xmlns="http://hl7.org/fhir"'
MAX_BODY = 1_000_000
"""The setting of the port of these tests."""
MAX_ITEMS = 500
"""The setting as it is when nobody sets it (mapping matrix part 4)."""


def nested(levels: int) -> bytes:
    """A Claim whose extensions lie in one another: this many brackets deep."""
    inner = b'{"url":"urn:x","extension":[' * ((levels - 2) // 2)
    closing = b"]}" * ((levels - 2) // 2)
    return b'{"resourceType":"Claim","extension":[' + inner + closing + b"]}"


def told(reply: Any) -> tuple[int, str, list[str]]:
    """Status, type and place of the first issue."""
    issue = reply.body["issue"][0]
    return reply.status, issue["code"], issue.get("expression", [])


@pytest.fixture
def hook(port: Any) -> Any:
    """An R4 Subscription at a place that is allowed; the number makes it another one."""
    port.peer.subscription_origins.append("http://127.0.0.1:1")

    def make(number: int = 0, headers: int = 0) -> dict[str, Any]:
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": f"Results {number}",
            "criteria": "ClaimResponse?outcome=complete",
            "channel": {
                "type": "rest-hook",
                "endpoint": f"http://127.0.0.1:1/hook/{number}",
                "header": [f"X-Ward-{index}: 1" for index in range(headers)] or ["X-Ward: 1"],
            },
        }

    return make


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(nested(34), "too-costly", id="depth"),
        pytest.param(b"[" * 400_000, "too-costly", id="values"),
        pytest.param(b"[" * 50_000, "too-costly", id="deep and never closed"),
        pytest.param(
            b'{"resourceType":"Claim","item":[{"factor":1e999}]}', "too-costly", id="a huge number"
        ),
        pytest.param(
            b'{"resourceType":"Claim","item":[{"factor":1.' + b"0" * 40 + b"}]}",
            "too-costly",
            id="too many digits",
        ),
        pytest.param(
            b'{"resourceType":"Claim","use":"claim","use":"predetermination"}',
            "structure",
            id="a member twice",
        ),
        pytest.param(
            b'{"resourceType":"Claim","total":{"value":1,"\\u0076alue":2}}',
            "structure",
            id="a member twice, once escaped",
        ),
        pytest.param(b'{"resourceType":"Claim","total":{"value":NaN}}', "structure", id="NaN"),
        pytest.param(
            b'{"resourceType":"Claim","total":{"value":-Infinity}}', "structure", id="Infinity"
        ),
    ],
)
async def test_json_beyond_a_limit_is_400(ask: Any, port: Any, raw: bytes, code: str) -> None:
    """Nothing of it is a resource yet: the issue has no place, and nothing is sent."""
    reply = await ask("POST", "/Claim", raw)

    assert told(reply) == (400, code, [])
    assert port.centre.carried == []


async def test_a_body_of_the_deepest_nesting_is_read(ask: Any) -> None:
    """One level less than what is refused: its findings are of its content, with their places."""
    status, code, places = told(await ask("POST", "/Claim", nested(32)))

    assert (status, code != "too-costly") == (400, True)
    assert places[0].startswith("Claim")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(f"<!DOCTYPE Claim><Claim {NAMESPACE}/>", "structure", id="DTD"),
        pytest.param(
            f'<!DOCTYPE Claim [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><Claim {NAMESPACE}>&c;</Claim>',
            "structure",
            id="entities",
        ),
        pytest.param(
            f'<!DOCTYPE Claim SYSTEM "file:///etc/hostname"><Claim {NAMESPACE}/>',
            "structure",
            id="DTD of elsewhere",
        ),
        pytest.param(
            f"<Claim {NAMESPACE}>" + "<extension>" * 32 + "</extension>" * 32 + "</Claim>",
            "too-costly",
            id="depth",
        ),
        pytest.param("<" * (2 * MAX_VALUES + 1), "too-costly", id="values"),
    ],
)
async def test_xml_beyond_a_limit_is_refused(ask: Any, port: Any, text: str, code: str) -> None:
    """400 as of JSON; nothing that the body names is opened, and nothing is sent."""
    reply = await ask("POST", "/Claim", text.encode(), **XML)

    assert told(reply) == (400, code, [])
    assert port.centre.carried == []


async def test_a_body_over_the_setting_is_413(ask: Any, port: Any, make_claim: Any) -> None:
    """[http] max_body_bytes: to the byte, with an OperationOutcome."""
    claim = make_claim(text={"status": "empty", "div": ""})
    claim["text"]["div"] = "x" * (MAX_BODY - len(encode(claim)))
    at_limit = await ask("POST", "/Claim", encode(claim))
    over = await ask("POST", "/Claim", encode(claim) + b" ")

    assert at_limit.status != 413
    assert told(over) == (413, "too-costly", [])
    assert len(port.centre.carried) == (at_limit.status == 201)


async def test_a_claim_of_500_items_is_settled_and_one_of_501_refused(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """[fhir] max_items: 422 at Claim.item, and nothing is sent."""
    (item,) = make_claim()["item"]
    rows = [{**item, "sequence": number} for number in range(1, MAX_ITEMS + 2)]
    taken = await ask("POST", "/Claim", make_claim("C-1", item=rows[:-1]))
    refused = await ask("POST", "/Claim", make_claim("C-2", item=rows))

    assert (taken.status, len(taken.body["item"])) == (201, MAX_ITEMS)
    assert told(refused) == (422, "too-costly", ["Claim.item"])
    assert len(port.centre.carried) == 1


@pytest.mark.parametrize(
    ("path", "kind"), [("", "batch"), ("", "transaction"), ("/$process-message", "message")]
)
async def test_a_bundle_of_101_entries_is_refused(
    ask: Any, port: Any, path: str, kind: str
) -> None:
    """422 at Bundle.entry, before the first entry is carried out."""
    one = {"request": {"method": "GET", "url": "Claim"}} if kind != "message" else {}
    rows = [{"fullUrl": f"urn:uuid:{number}", **one} for number in range(MAX_ENTRIES + 1)]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": rows}
    refused = await ask("POST", path, bundle)

    assert told(refused) == (422, "too-costly", ["Bundle.entry"])
    assert port.centre.carried == []


async def test_a_batch_of_100_entries_is_carried_out(ask: Any) -> None:
    """The limit itself is served."""
    rows = [{"request": {"method": "GET", "url": "Claim?_count=0"}}] * MAX_ENTRIES
    reply = await ask("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": rows})

    assert (reply.status, len(reply.body["entry"])) == (200, MAX_ENTRIES)
    assert {row["response"]["status"] for row in reply.body["entry"]} == {"200"}


async def test_a_peer_has_50_subscriptions_at_most(ask: Any, hook: Any) -> None:
    """422 at Subscription; another peer is not counted, and a deleted one makes room."""
    made = [await ask("POST", "/Subscription", hook(n)) for n in range(MAX_SUBSCRIPTIONS)]
    refused = await ask("POST", "/Subscription", hook(MAX_SUBSCRIPTIONS))
    again = await ask("POST", "/Subscription", hook(0))
    await ask("DELETE", f"/Subscription/{made[0].body['id']}")
    after = await ask("POST", "/Subscription", hook(MAX_SUBSCRIPTIONS))

    assert {reply.status for reply in made} == {201}
    assert told(refused) == (422, "too-costly", ["Subscription"])
    assert (again.body["id"], after.status) == (made[0].body["id"], 201)


async def test_a_subscription_has_10_headers_at_most(ask: Any, hook: Any) -> None:
    """422 at the headers of the channel."""
    taken = await ask("POST", "/Subscription", hook(1, headers=MAX_HEADERS))
    refused = await ask("POST", "/Subscription", hook(2, headers=MAX_HEADERS + 1))

    assert taken.status == 201
    assert told(refused)[0::2] == (422, ["Subscription.channel.header"])


async def test_a_notification_has_100_events_at_most(port: Any) -> None:
    """More were asked for: the others come in the next notification."""
    wanted = {
        "resourceType": "Subscription",
        "status": "requested",
        "topic": f"{port.adapter.names.base}/SubscriptionTopic/claim-response",
        "channelType": {"code": "rest-hook"},
        "endpoint": "http://127.0.0.1:1/hook",
        "content": "id-only",
        "maxCount": MAX_EVENTS + 1,
    }
    wish, found = read_wish(port.adapter.names, wanted, ["http://127.0.0.1:1"])

    assert (wish.most, found) == (MAX_EVENTS, [])


async def test_a_poll_gives_100_answers_at_most(ask: Any, port: Any, make_claim: Any) -> None:
    """The next poll gives the others."""
    for number in range(MAX_POLLED + 1):
        accepted = await ask("POST", "/Claim", make_claim(f"C-{number}"), Prefer="respond-async")
        assert accepted.status == 202
    await port.pipeline.idle()
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"code": "poll"}]},
    }
    polls = [await ask("POST", "/Task", task) for _ in range(3)]

    assert [len(poll.body.get("output", [])) for poll in polls] == [MAX_POLLED, 1, 0]


async def test_100_resources_are_included_at_most() -> None:
    """A page that refers to more includes the first 100 of them."""
    patients = [
        Resource(type="Patient", id=f"p{number}", body=b'{"resourceType":"Patient"}')
        for number in range(MAX_INCLUDED + 1)
    ]
    links = [{"reference": f"Patient/{one.id}"} for one in patients]
    found = Resource(type="Task", id="t", body=encode({"for": links}))
    store = PeerStore(NothingAnswered(), "his", fixed={"Patient": patients})
    entries = await included("http://gateway.test", store, [found], [("for", "Patient")])

    assert len(entries) == MAX_INCLUDED
    assert entries[-1]["fullUrl"] == f"http://gateway.test/Patient/p{MAX_INCLUDED - 1}"
