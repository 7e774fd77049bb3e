"""What can be asked of a FHIR base, apart from how it came: alone, or as the entry of a Bundle.

Create, update and `$submit` go the way of every message. Read, search and the status of a queued
answer look at what was answered before, and never ask a platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from gateway.errors import MessageError, Problem, ProblemCode, ProblemKind
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.answers import POLL_AFTER, STATUS_PATH, http_date
from gateway.fhir.building import is_waiting
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.outcome import operation_outcome
from gateway.fhir.problems import unmet
from gateway.fhir.release import R5, Release
from gateway.fhir.search import PARAMETERS, parse_search, searchset
from gateway.fhir.stored import FORM, REFUSED_TYPE, PeerStore
from gateway.inbound.fhir_access import require_subscribed, shown
from gateway.inbound.fhir_history import history_bundle, parse_window, versions_of
from gateway.inbound.fhir_includes import included, referring
from gateway.inbound.fhir_jobs import Jobs, Ledger, Standing, batch_of, released, waiting, working
from gateway.inbound.fhir_speech import Reply, Speech
from gateway.inbound.http_routes import UNKNOWN_PATH, Refusal
from gateway.inbound.scopes import ALL, Scopes
from gateway.intents import Answer, Intent, Resource
from gateway.pipeline import Received
from gateway.settings import PeerSettings

ANSWERS = {
    "Claim": "ClaimResponse",
    "CoverageEligibilityRequest": "CoverageEligibilityResponse",
}
"""Type of a request -> type of the resource that answers it."""
SUBMITTED = tuple(ANSWERS)
"""Types with a $submit."""


NOBODY = PeerSettings(name="nobody", institutions=[])
"""Who asks for what anyone may see."""


class Handles(Protocol):
    """What the routes need of the pipeline."""

    async def handle(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Answer:
        """Carry a message the whole way."""
        ...

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Received:
        """Read a message and make it durable."""
        ...

    async def work(self, received: Received) -> Answer:
        """Carry an accepted message out."""
        ...

    def uncoded(self, intent: Intent, peer: PeerSettings) -> list[Problem]:
        """The codes of an intent that have no national one; nothing is sent or stored."""
        ...


class Ask(msgspec.Struct, kw_only=True):
    """Who asks, where, and how it wants its answer."""

    peer: PeerSettings
    base: str
    """Base URL as the client sees it."""
    pairs: list[tuple[str, str]] = []
    """Parameters of the URL and of a form."""
    preferences: dict[str, str] = {}
    if_match: str | None = None
    if_none_match: str = ""
    if_none_exist: str | None = None
    scopes: Scopes = ALL
    """What the client may do."""
    proof: str = ""
    """How it proved who it is."""


class Interactions:
    """The interactions of one release."""

    def __init__(
        self,
        pipeline: Handles,
        adapter: FHIRAdapter,
        speech: Speech,
        page_size: int,
        ledger: Ledger,
    ) -> None:
        self.pipeline = pipeline
        self.adapter = adapter
        self._speech = speech
        self._page_size = page_size
        self._jobs = Jobs(ledger, adapter.now)

    @property
    def release(self) -> Release:
        """The release that is spoken."""
        return self._speech.forms.release

    def store(self, ask: Ask) -> PeerStore:
        """What the client may see."""
        return self.adapter.store(ask.peer)

    # What changes something

    async def create(self, ask: Ask, type_name: str, raw: bytes) -> Reply:
        """POST of a resource; with If-None-Exist only where none is there."""
        if ask.if_none_exist is not None:
            found = await self._existing(ask, type_name, ask.if_none_exist)
            if found is not None:
                return found
        return await self.carry(ask, raw, {"interaction": "create", "type": type_name})

    async def update(self, ask: Ask, type_name: str, identity: str, raw: bytes) -> Reply:
        """PUT of a resource; with If-Match only upon this version."""
        if ask.if_match is not None:
            found = await self.store(ask).resource(type_name, identity)
            if found is None or ask.if_match.strip() not in {"*", etag(decode_own(found.body))}:
                raise Refusal(412, unmet("资源的版本已经改变", "The version has changed"))
        meta = {"interaction": "update", "type": type_name, "id": identity}
        return await self.carry(ask, raw, meta)

    async def delete(self, ask: Ask, type_name: str, identity: str) -> Reply:
        """DELETE of a resource; a second one is answered as the first.

        Raises:
            Refusal: 404.
        """
        store = self.store(ask)
        if await store.is_gone(type_name, identity):
            return Reply(status=204)
        if await store.kept(type_name, identity) is None:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        raw = encode({"resourceType": type_name, "id": identity})
        meta = {"interaction": "delete", "type": type_name, "id": identity}
        plain = msgspec.structs.replace(ask, preferences={})
        return await self.carry(plain, raw, meta)

    async def submit(self, ask: Ask, type_name: str, raw: bytes) -> Reply:
        """$submit of a request, or of a Bundle that begins with one."""
        return await self.carry(ask, raw, {"interaction": "submit", "type": type_name})

    async def check(
        self, ask: Ask, type_name: str, raw: bytes, meta: Mapping[str, str] | None = None
    ) -> list[Problem]:
        """What a create of this resource, or what `meta` says, would be refused for.

        Nothing is sent, and nothing is stored.

        Raises:
            MessageError: it cannot be read.
        """
        told = self.meta(ask, meta or {"interaction": "create", "type": type_name})
        message = await self.adapter.read(raw, ask.peer, told)
        intent, found = await self.adapter.understand(message, ask.peer)
        return found or self.pipeline.uncoded(intent, ask.peer)

    async def identity(self, ask: Ask, type_name: str, raw: bytes) -> str:
        """The id that a create of this resource would give it; empty when it cannot be read."""
        meta = self.meta(ask, {"interaction": "create", "type": type_name})
        try:
            message = await self.adapter.read(raw, ask.peer, meta)
        except MessageError:
            return ""
        return str(message.context["id"])

    def meta(self, ask: Ask, meta: Mapping[str, str]) -> dict[str, str]:
        """What the pipeline is told of a question."""
        return {
            **meta,
            "base": ask.base,
            "release": self.release.segment,
            "proof": ask.proof,
        }

    async def carry(self, ask: Ask, raw: bytes, meta: Mapping[str, str]) -> Reply:
        """Carry a message the whole way."""
        if meta["type"] == "Subscription":
            require_subscribed(ask.scopes, raw)
        if "respond-async" in ask.preferences:
            return await self._later(ask, raw, meta)
        answer = await self.pipeline.handle("fhir", raw, ask.peer, self.meta(ask, meta))
        answered = self.worded(ask, answer)
        # An update may answer with what was kept, which another release may have made.
        answered.made_here = meta["interaction"] != "update"
        return answered

    async def _later(self, ask: Ask, raw: bytes, meta: Mapping[str, str]) -> Reply:
        """202 as soon as the message is durable; what is refused or was answered, at once."""
        told = {**self.meta(ask, meta), "wait": "async"}
        received = await self.pipeline.accept("fhir", raw, ask.peer, told)
        if received.answer is not None or received.message is None:
            return self.worded(ask, received.answer or await self.pipeline.work(received))
        context = received.message.context
        type_name = ANSWERS.get(context["type"], context["type"])
        name = f"{ask.peer.name}|{type_name}/{context['id']}"
        await self._jobs.begin(name, received.exchange_id, self.pipeline.work(received))
        begun = self._speech.outcome(202, [working()])
        begun.headers |= {
            "Content-Location": f"{ask.base}/{STATUS_PATH}/{type_name}/{context['id']}",
            "Preference-Applied": "respond-async",
            "Retry-After": str(POLL_AFTER),
        }
        return begun

    def worded(self, ask: Ask, answer: Answer) -> Reply:
        """The reply with an answer of the pipeline, as much of it as the client wants."""
        body = answer.body
        wish = ask.preferences.get("return")
        if answer.status in {200, 201} and wish == "minimal":
            body = b""
        elif answer.status in {200, 201} and wish == "operationoutcome":
            body = encode(operation_outcome(self.adapter.names, []))
        return Reply(status=answer.status, body=body, headers=dict(answer.headers), made_here=True)

    async def _existing(self, ask: Ask, type_name: str, condition: str) -> Reply | None:
        """The only resource that fits If-None-Exist; for a request, its response."""
        search, problems = parse_search(
            type_name, parse_qsl(condition.lstrip("?")), page_size=2, strict=True
        )
        if problems or not search.tokens:
            raise Refusal(412, unmet("If-None-Exist的条件无效", "If-None-Exist is not valid"))
        total, found = await self.store(ask).search(type_name, search.tokens, 2)
        if total > 1:
            raise Refusal(412, unmet("有多个符合条件的资源", "Several resources fit"))
        if not found:
            return None
        own = decode_own(found[0].body)
        answer: Resource | None = found[0]
        if type_name in ANSWERS:
            answer = await self.store(ask).resource(ANSWERS[type_name], found[0].id)
        version = own["meta"]["versionId"]
        location = f"{ask.base}/{type_name}/{own['id']}/_history/{version}"
        headers = {**validators(own), "Location": location}
        return Reply(status=200, body=(answer or found[0]).body, headers=headers)

    # What only looks

    async def read(self, ask: Ask, type_name: str, identity: str, version: str = "") -> Reply:
        """The present version of a resource, or the stated one.

        Raises:
            Refusal: 404 or 400.
        """
        found = await self.store(ask).resource(type_name, identity)
        if found is None and await self.store(ask).is_gone(type_name, identity):
            raise Refusal(410, problem("资源已删除", "The resource was deleted"))
        if found is None:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        body = decode_own(found.body)
        if version and version != body["meta"]["versionId"]:
            found = await self.store(ask).version(type_name, identity, version)
            if found is None:
                raise Refusal(404, problem("没有保存这个版本", "This version is not kept"))
            body = decode_own(found.body)
        headers = validators(body)
        if headers["ETag"] in ask.if_none_match:
            return Reply(status=304, headers={"ETag": headers["ETag"]})
        return Reply(status=200, body=found.body, headers=headers)

    async def search(self, ask: Ask, type_name: str) -> Reply:
        """A page of what was answered."""
        strict = ask.preferences.get("handling") == "strict"
        search, problems = parse_search(
            type_name, ask.pairs, page_size=self._page_size, strict=strict
        )
        if problems:
            return self._speech.outcome(400, problems)
        if type_name == "Subscription":
            # It has another form in R5, and none of the two can be had from the other.
            search.tokens[FORM] = ["r5"] if self.release is R5 else ["r4", "r4b"]
        if ("_summary", "count") in ask.pairs:
            search.count = 0
        # A page of no entries asks for the total only.
        total, found = await self.store(ask).search(
            type_name, search.tokens, max(1, search.count), search.offset
        )
        found = found[: search.count]
        bundle = searchset(ask.base, search, total, found)
        if search.includes and found:
            bundle["entry"] += await included(ask.base, self.store(ask), found, search.includes)
        if search.revincludes and found:
            store = self.store(ask)
            bundle["entry"] += await referring(ask.base, store, found, search.revincludes)
        bundle = shown(ask.scopes, bundle)
        return Reply(status=200, body=encode(bundle))

    async def history(self, ask: Ask, type_name: str, identity: str) -> Reply:
        """A page of the versions of a resource.

        Raises:
            Refusal: 404 or 400.
        """
        strict = ask.preferences.get("handling") == "strict"
        window, problems = parse_window(ask.pairs, page_size=self._page_size, strict=strict)
        if problems:
            return self._speech.outcome(400, problems)
        versions = await versions_of(self.store(ask), type_name, identity)
        if not versions:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        bundle = history_bundle(ask.base, versions, window)
        return Reply(status=200, body=encode(bundle))

    async def status(self, ask: Ask, type_name: str, identity: str) -> Reply:
        """202 while the outcome behind an answer is not known, then the answer."""
        name, standing = await self._job(ask, type_name, identity)
        if standing is Standing.BEGUN:
            told = self._speech.outcome(202, [working()])
            told.headers |= {"Retry-After": str(POLL_AFTER), "X-Progress": "working"}
            return told
        refused = self._jobs.answer(name, standing)
        if refused is not None and refused.status >= 400:
            return self.worded(ask, refused)
        if standing is Standing.RELEASED:
            told = self._speech.outcome(503, [released()])
            told.headers["Retry-After"] = str(POLL_AFTER)
            return told
        left = await self.store(ask).body(REFUSED_TYPE, identity)
        if left is not None and "outcome" in left:
            return Reply(status=left["status"], body=encode(left["outcome"]))
        found = await self.store(ask).resource(type_name, identity)
        if found is None:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        body = decode_own(found.body)
        if is_waiting(body):
            told = self._speech.outcome(202, [waiting()])
            told.headers |= {"Retry-After": str(POLL_AFTER), "X-Progress": "unknown"}
            return told
        headers = validators(body)
        if self.release is R5:
            return Reply(status=200, body=encode(batch_of(body, headers)), headers=headers)
        return Reply(status=200, body=found.body, headers=headers)

    async def give_up(self, ask: Ask, type_name: str, identity: str) -> Reply:
        """DELETE of a status: nothing more is shown of it; what was sent goes on (X-033, X-034)."""
        name, standing = await self._job(ask, type_name, identity)
        kept = await self.store(ask).resource(type_name, identity)
        if standing is Standing.UNKNOWN and kept is None:
            raise Refusal(404, problem("没有这个资源", "There is no such resource"))
        await self._jobs.give_up(name)
        return self._speech.outcome(202, [])

    async def _job(self, ask: Ask, type_name: str, identity: str) -> tuple[str, Standing]:
        """The name of a job that may be asked for, and how it stands.

        Raises:
            Refusal: 404, there are none of this type, or its client gave it up.
        """
        name = f"{ask.peer.name}|{type_name}/{identity}"
        standing = Standing.UNKNOWN
        if type_name in PARAMETERS:
            standing = await self._jobs.standing(name)
        if type_name not in PARAMETERS or standing is Standing.GIVEN_UP:
            raise Refusal(404, UNKNOWN_PATH)
        return name, standing


def validators(resource: Mapping[str, Any]) -> dict[str, str]:
    """ETag and Last-Modified of a resource."""
    return {"ETag": etag(resource), "Last-Modified": http_date(resource["meta"]["lastUpdated"])}


def etag(resource: Mapping[str, Any]) -> str:
    """The version of a resource as an entity tag."""
    return f'W/"{resource["meta"]["versionId"]}"'


def problem(zh: str, en: str) -> Problem:
    """A finding of the request as a whole."""
    return Problem(kind=ProblemKind.NOT_FOUND, code=ProblemCode.NOT_FOUND, zh=zh, en=en)


def form_pairs(raw: bytes) -> Iterable[tuple[str, str]]:
    """The parameters in the body of a search."""
    return parse_qsl(raw.decode("utf-8", "replace"))
