"""`$process-message`: what the focus asks for is done, and the answer is a message."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.intents import Status

EVENTS = "https://fsi-gateway.example/fhir/CodeSystem/message-event"
CODES = "http://terminology.hl7.org/CodeSystem/financialtaskcode"


@pytest.fixture
def make_message() -> Any:
    """A message of an event about a resource."""

    def make(event: str, resource: dict[str, Any], release: str = "r4") -> dict[str, Any]:
        source = "endpointUrl" if release == "r5" else "endpoint"
        header = {
            "resourceType": "MessageHeader",
            "id": "m-1",
            "eventCoding": {"system": EVENTS, "code": event},
            "source": {source: "https://his.example/fhir"},
            "focus": [{"reference": "urn:uuid:6f1d5b9e-0c0e-4f53-9e4d-3f7b6f1f3a10"}],
        }
        return {
            "resourceType": "Bundle",
            "type": "message",
            "entry": [
                {"fullUrl": "urn:uuid:0d8f7a52-1b8c-4b0c-8f1e-0a8d2c3b4e5f", "resource": header},
                {
                    "fullUrl": "urn:uuid:6f1d5b9e-0c0e-4f53-9e4d-3f7b6f1f3a10",
                    "resource": resource,
                },
            ],
        }

    return make


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_a_claim_is_settled_by_a_message_once(
    *, ask: Any, port: Any, make_message: Any, make_claim: Any, release: str
) -> None:
    """The response names the header that it answers; the same message again settles nothing."""
    message = make_message("claim-request", make_claim(), release)
    first = await ask("POST", f"/fhir/{release}/$process-message", message)
    second = await ask("POST", f"/fhir/{release}/$process-message", message)
    model = r5_model("Bundle") if release == "r5" else get_fhir_model_class("Bundle")
    model.model_validate(first.body)
    header, answer = (row["resource"] for row in first.body["entry"])
    answered = header["response"]["identifier"]

    assert (first.status, first.body["type"]) == (200, "message")
    assert header["eventCoding"]["code"] == "claim-response"
    assert (answered["value"] if release == "r5" else answered) == "m-1"
    assert header["response"]["code"] == "ok"
    assert header["focus"][0]["reference"] == first.body["entry"][1]["fullUrl"]
    assert (answer["resourceType"], answer["outcome"]) == ("ClaimResponse", "complete")
    assert second.body["entry"][1] == first.body["entry"][1]
    assert len(port.centre.carried) == 1


async def test_a_cancellation_and_a_poll_are_tasks(
    ask: Any, make_message: Any, make_claim: Any
) -> None:
    """What a Task alone does."""
    made = await ask("POST", "/Claim", make_claim())
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": CODES, "code": "cancel"}]},
        "focus": {"reference": f"Claim/{made.body['id']}"},
    }
    poll = {name: value for name, value in task.items() if name != "focus"} | {
        "code": {"coding": [{"system": CODES, "code": "poll"}]}
    }
    cancelled = await ask("POST", "/$process-message", make_message("cancel-request", task))
    polled = await ask("POST", "/$process-message", make_message("poll-request", poll))
    statuses = [
        (
            reply.body["entry"][0]["resource"]["eventCoding"]["code"],
            reply.body["entry"][1]["resource"]["status"],
        )
        for reply in (cancelled, polled)
    ]

    assert statuses == [("cancel-response", "completed"), ("poll-response", "completed")]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (Status.UNKNOWN, "ok", "ClaimResponse"),
        (Status.NOT_SENT, "transient-error", "OperationOutcome"),
    ],
)
async def test_the_header_says_whether_it_may_be_tried_again(
    *,
    ask: Any,
    port: Any,
    make_message: Any,
    make_claim: Any,
    status: Status,
    code: str,
    kind: str,
) -> None:
    """Unknown is queued and no error; not sent may come again."""
    port.centre.status = status
    reply = await ask("POST", "/$process-message", make_message("claim-request", make_claim()))
    header, body = (row["resource"] for row in reply.body["entry"])

    assert (reply.status, header["response"]["code"]) == (200, code)
    assert body["resourceType"] == kind
    assert body.get("outcome", "") in {"queued", ""}


async def test_a_refusal_of_ours_is_a_fatal_error_with_its_place(
    ask: Any, port: Any, make_message: Any, make_claim: Any
) -> None:
    """Another currency: nothing is sent, and the issue names the element."""
    claim = make_claim()
    claim["item"][0]["net"]["currency"] = "USD"
    reply = await ask("POST", "/$process-message", make_message("claim-request", claim))
    header, outcome = (row["resource"] for row in reply.body["entry"])

    assert header["response"]["code"] == "fatal-error"
    assert header["response"]["details"]["reference"] == reply.body["entry"][1]["fullUrl"]
    assert outcome["issue"][0]["expression"][0].endswith("item[0].net.currency")
    assert port.centre.carried == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda tree: tree.update(type="collection"), "Bundle.type"),
        (lambda tree: tree["entry"].reverse(), "Bundle.entry[0].resource"),
        (
            lambda tree: tree["entry"][0]["resource"]["eventCoding"].update(code="admit"),
            "Bundle.entry[0].resource.eventCoding",
        ),
        (
            lambda tree: tree["entry"][0]["resource"]["eventCoding"].update(code="poll-request"),
            "Bundle.entry[0].resource.focus",
        ),
        (
            lambda tree: tree["entry"][1]["resource"].update(use="predetermination"),
            "Bundle.entry[0].resource.focus",
        ),
    ],
)
async def test_what_is_no_message_of_ours_is_refused(
    *, ask: Any, port: Any, make_message: Any, make_claim: Any, change: Any, place: str
) -> None:
    """400 with the place; nothing is carried out."""
    message = make_message("claim-request", make_claim())
    change(message)
    reply = await ask("POST", "/$process-message", message)

    assert (reply.status, reply.body["resourceType"]) == (400, "OperationOutcome")
    assert reply.body["issue"][0]["expression"] == [place]
    assert port.centre.carried == []
