"""`$status` and `$events` of R5 Subscriptions: how they stand, and what they were told.

Source: https://hl7.org/fhir/R5/subscription-operation-status.html and
subscription-operation-events.html. Both look only: nothing is delivered or changed by them. Events
are those that the subscriber took, of which the last `MAX_TOLD` are remembered; a resource comes
as it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gateway.errors import MessageError
from gateway.fhir import problems
from gateway.fhir.decode import decode, decode_own
from gateway.fhir.references import as_list
from gateway.fhir.stored import FORM
from gateway.fhir.subscribed import QUERY, QUERY_EVENTS, Event, State, notification
from gateway.fhir.subscriptions import (
    EMPTY,
    FULL,
    ID_ONLY,
    MAX_SUBSCRIPTIONS,
    Wish,
    read_wish,
)
from gateway.inbound.fhir_access import require
from gateway.inbound.fhir_interactions import Ask, Interactions, problem
from gateway.inbound.fhir_speech import Reply, Speech, reply
from gateway.inbound.http_routes import Refusal
from gateway.intents import Resource

Parameters = Mapping[str, Sequence[str]]


class Standing:
    """The operations upon Subscriptions of R5."""

    def __init__(
        self, interactions: Interactions, speech: Speech, now: Callable[[], datetime]
    ) -> None:
        self._do = interactions
        self._speech = speech
        self._now = now

    async def status(self, ask: Ask, raw: bytes, identity: str = "") -> Reply:
        """The SubscriptionStatus of one, or of all whose `id` and `status` are asked for.

        Raises:
            Refusal: 404.
            MessageError: the body is none of Parameters.
        """
        stated = self._stated(ask, raw)
        found = [await self._kept(ask, identity)] if identity else await self._every(ask)
        rows = []
        for one in found:
            wish, state = await self._read(one)
            bundle = notification(
                names=self._speech.names,
                base=ask.base,
                identity_=one.id,
                wish=wish,
                state=state,
                kind=QUERY,
                now=self._now(),
            )
            (row,) = bundle["entry"]
            wanted = {"id": one.id, "status": row["resource"]["status"]}
            if identity or all(wanted[n] in v for n, v in stated.items() if n in wanted):
                rows.append(row)
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(rows)}
        return reply(200, bundle | ({"entry": rows} if rows else {}))

    async def events(self, ask: Ask, raw: bytes, identity: str) -> Reply:
        """What a subscriber was told, from `eventsSinceNumber` to `eventsUntilNumber`.

        Raises:
            Refusal: 404; 403, the client may not read what it was told of.
            MessageError: a number or `content` cannot be meant.
        """
        stated = self._stated(ask, raw)
        kept = await self._kept(ask, identity)
        wish, state = await self._read(kept)
        require(ask.scopes, "GET", [wish.type_name, identity])
        wish.content = _content(stated, wish)
        first, last = _number(stated, "eventsSinceNumber"), _number(stated, "eventsUntilNumber")
        store = self._do.store(ask)
        events = [
            Event(told.number, await store.resource(told.type, told.id), told)
            for told in state.told
            if first <= told.number and (not last or told.number <= last)
        ]
        bundle = notification(
            names=self._speech.names,
            base=ask.base,
            identity_=identity,
            wish=wish,
            state=state,
            kind=QUERY_EVENTS,
            now=self._now(),
            events=events,
        )
        return reply(200, bundle)

    async def _kept(self, ask: Ask, identity: str) -> Resource:
        found = await self._do.store(ask).resource("Subscription", identity)
        if found is None or "topic" not in decode_own(found.body):
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        return found

    async def _every(self, ask: Ask) -> list[Resource]:
        store = self._do.store(ask)
        _, found = await store.search("Subscription", {FORM: ["r5"]}, MAX_SUBSCRIPTIONS)
        return found

    async def _read(self, kept: Resource) -> tuple[Wish, State]:
        wish, _ = read_wish(self._speech.names, decode_own(kept.body), [])
        return wish, await self._do.adapter.standing(kept.id)

    def _stated(self, ask: Ask, raw: bytes) -> Parameters:
        """The parameters of the URL and of a body, each with its values."""
        found: dict[str, list[str]] = {}
        for name, value in ask.pairs:
            found.setdefault(name, []).extend(value.split(","))
        tree = decode(raw, max_depth=self._do.adapter.max_depth) if raw else {}
        wrong = self._speech.forms.shapes.check(tree, "Parameters") if raw else []
        if wrong or (raw and tree.get("resourceType") != "Parameters"):
            raise MessageError(wrong or [problem("此处应为Parameters", "Parameters are expected")])
        for row in as_list(tree.get("parameter")):
            given = next((row[key] for key in row if key.startswith("value")), "")
            found.setdefault(str(row.get("name", "")), []).append(str(given))
        return found


def _number(stated: Parameters, name: str) -> int:
    """A number of an event; 0 where none is stated."""
    text = (stated.get(name) or ["0"])[0]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise MessageError(
            [problems.wrong_type("", f"{name}应为非负整数", f"{name} is no whole number")]
        )
    return int(text)


def _content(stated: Parameters, wish: Wish) -> str:
    """How much of each resource comes: as it is asked for, else as the Subscription has it."""
    wanted = (stated.get("content") or [wish.content])[0]
    if wanted not in {EMPTY, ID_ONLY, FULL}:
        words = f"{EMPTY}, {ID_ONLY}, {FULL}"
        raise MessageError(
            [problems.wrong_value("", f"content应为：{words}", f"content is one of {words}")]
        )
    return wanted
