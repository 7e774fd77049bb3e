"""How a subscription stands, and the notifications of it.

What the client wrote is kept as a resource; what became of it is a book beside it: its status, how
far it was told, and when the next attempt is due. A notification has no patient data beyond what
the content of the subscription asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.fhir.building import identity, instant
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.names import Names
from gateway.fhir.subscriptions import ACTIVE, EMPTY, FULL, REQUESTED, Wish
from gateway.intents import Resource

BOOK = "subscription"
"""Kind of the books."""
HANDSHAKE, HEARTBEAT, EVENTS, QUERY, QUERY_EVENTS = (
    "handshake",
    "heartbeat",
    "event-notification",
    "query-status",
    "query-event",
)
MAX_TOLD = 100
"""Events of a subscription that are remembered after they were told, the last ones."""


class Told(msgspec.Struct, array_like=True):
    """An event that the subscriber took; names the resource, and says nothing of it."""

    number: int
    type: str
    id: str
    at: str
    """When the resource was made or changed: a FHIR instant."""


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How a subscription stands. Times are ISO texts in China Standard Time."""

    version: str = ""
    """Version of the Subscription that this is about."""
    status: str = REQUESTED
    error: str = ""
    """Why it has status error."""
    turn: int = 0
    """Changes of status since that version."""
    changed: str = ""
    """When the status changed last."""
    after: int = 0
    """Place in the order of changes up to which it was told."""
    events: int = 0
    """Events that it was told."""
    told: list[Told] = []
    """The last of them."""
    sent: str = ""
    """When something was delivered last."""
    failures: int = 0
    """Failures in a row."""
    due: str = ""
    """When the next attempt may be made."""
    owner: str = ""
    """The gateway that delivers, until `until`."""
    until: str = ""


def read_state(data: bytes) -> State:
    """The state in a book."""
    return msgspec.json.decode(data, type=State)


def write_state(state: State) -> bytes:
    """The state for a book."""
    return msgspec.json.encode(state)


def with_status(found: Resource, state: State) -> Resource:
    """A Subscription with the status that its delivery gave it."""
    body = decode_own(found.body)
    meta = body["meta"]
    if state.version != meta["versionId"] or not state.turn:
        return found
    meta |= {"versionId": f"{state.version}.{state.turn}", "lastUpdated": state.changed}
    body["status"] = state.status
    if state.error and "criteria" in body:
        body["error"] = state.error
    return Resource(type=found.type, id=found.id, body=encode(body), search=found.search)


class Event(msgspec.Struct):
    """Something to tell: the number of it, and the resource as it is now.

    `told` is there for an event that was told before, whose resource may be gone.
    """

    number: int
    resource: Resource | None
    told: Told | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Type and id of the resource."""
        one = self.told or self.resource
        assert one is not None
        return one.type, one.id

    @property
    def at(self) -> str:
        """When the resource was made or changed."""
        if self.told is not None:
            return self.told.at
        assert self.resource is not None
        return str(decode_own(self.resource.body)["meta"]["lastUpdated"])

    def remembered(self) -> Told:
        """What is kept of it once it was told."""
        return Told(self.number, *self.name, self.at)


def notification(
    *,
    names: Names,
    base: str,
    identity_: str,
    wish: Wish,
    state: State,
    kind: str,
    now: datetime,
    events: Sequence[Event] = (),
) -> dict[str, Any]:
    """A subscription-notification Bundle of R5, in the inner form.

    Source: https://hl7.org/fhir/R5/subscriptions.html#payloads.
    """
    url = f"{base}/Subscription/{identity_}"
    count = events[-1].number if events and kind == EVENTS else state.events
    status: dict[str, Any] = {
        "resourceType": "SubscriptionStatus",
        "status": ACTIVE if kind in {HEARTBEAT, EVENTS} else state.status,
        "type": kind,
        "eventsSinceSubscriptionStart": str(count),
        "subscription": {"reference": f"Subscription/{identity_}"},
        "topic": wish.topic,
    }
    if events:
        status["notificationEvent"] = [_event(base, one, wish.content) for one in events]
    if kind in {QUERY, QUERY_EVENTS} and state.error:
        system = names.code_system("fsi-gateway-error")
        coding = {"system": system, "code": "FSI-NOTSENT"}
        status["error"] = [{"coding": [coding], "text": state.error}]
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": _urn(identity_, kind, str(count), state.version),
            "resource": status,
            "request": {
                "method": "GET",
                "url": f"{url}/${'events' if kind == QUERY_EVENTS else 'status'}",
            },
            "response": {"status": "200"},
        }
    ]
    if wish.content == FULL:
        entries += [_entry(base, one.resource) for one in events if one.resource is not None]
    kind_of = "searchset" if kind == QUERY else "subscription-notification"
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind_of}
    if kind == QUERY:
        for entry in entries:
            del entry["request"], entry["response"]
            entry["search"] = {"mode": "match"}
        return bundle | {"total": 1, "entry": entries}
    return bundle | {"timestamp": instant(now), "entry": entries}


def _event(base: str, event: Event, content: str) -> dict[str, Any]:
    told: dict[str, Any] = {"eventNumber": str(event.number), "timestamp": event.at}
    if content != EMPTY:
        told["focus"] = {"reference": "/".join((base, *event.name))}
    return told


def _entry(base: str, resource: Resource) -> dict[str, Any]:
    body = decode_own(resource.body)
    name = f"{resource.type}/{resource.id}"
    return {
        "fullUrl": f"{base}/{name}",
        "resource": body,
        "request": {"method": "PUT", "url": name},
        "response": {
            "status": "200",
            "etag": f'W/"{body["meta"]["versionId"]}"',
            "lastModified": body["meta"]["lastUpdated"],
        },
    }


def _urn(*parts: str) -> str:
    digits = identity(*parts)
    cuts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "urn:uuid:" + "-".join(cuts)
