"""FHIR REST: `/fhir/r4`, `/fhir/r4b`, `/fhir/r5` and what lies below them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.errors import MessageError
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.answers import STATUS_PATH
from gateway.fhir.capability import capability_statement
from gateway.fhir.forms import Forms
from gateway.fhir.guide import GUIDE_TYPES, Guide
from gateway.fhir.reader import CREATED_TYPES, DELETED_TYPES, UPDATED_TYPES
from gateway.fhir.release import OTHER_RELEASES, R4, R5, RELEASES, Release
from gateway.fhir.search import types_of
from gateway.inbound.clients import CLIENT
from gateway.inbound.fhir_access import require
from gateway.inbound.fhir_bundles import Bundles
from gateway.inbound.fhir_guide import GuideReader, Work, canonical_mounts, listing, reading, stated
from gateway.inbound.fhir_interactions import (
    SUBMITTED,
    Ask,
    Handles,
    Interactions,
    form_pairs,
    problem,
)
from gateway.inbound.fhir_messages import Messages
from gateway.inbound.fhir_negotiation import (
    content_format,
    preferences,
    wanted_format,
)
from gateway.inbound.fhir_operations import Operations
from gateway.inbound.fhir_refusing import refusing_mount
from gateway.inbound.fhir_speech import Reply, Speech, reply
from gateway.inbound.http_routes import (
    DENIED,
    PEER,
    Handler,
    Mount,
    Permission,
    Refusal,
    Route,
)
from gateway.inbound.scopes import ALL
from gateway.inbound.smart_routes import WELL_KNOWN, configuration
from gateway.settings import PeerSettings

FORM = "application/x-www-form-urlencoded"

NOBODY = PeerSettings(name="nobody", institutions=[])
"""Who asks for what anyone may see."""


def fhir_mounts(
    pipeline: Handles,
    adapter: FHIRAdapter,
    *,
    page_size: int,
    software_version: str,
    token_url: str = "",
    guides: Sequence[Guide] = (),
) -> list[Mount]:
    """The mounts of every release that is served, and of those that are refused.

    `token_url` is where a system asks for a token, where one does; `guides` is the published guide
    in every release.
    """
    by_release = {guide.release.segment: guide for guide in guides}
    mounts = [
        fhir_mount(
            pipeline,
            adapter,
            release=release,
            page_size=page_size,
            software_version=software_version,
            token_url=token_url,
            guide=by_release.get(release.segment),
        )
        for release in RELEASES
    ]
    speeches = [Speech(adapter.names, Forms(one.release), adapter.max_depth) for one in guides]
    published = canonical_mounts(guides, speeches, adapter.names) if guides else []
    refusing = [refusing_mount(adapter, segment) for segment in OTHER_RELEASES]
    return [*mounts, *refusing, *published]


def fhir_mount(
    pipeline: Handles,
    adapter: FHIRAdapter,
    *,
    page_size: int,
    software_version: str,
    release: Release = R4,
    token_url: str = "",
    guide: Guide | None = None,
) -> Mount:
    """The mount of one FHIR release; `page_size` is the most entries of a search page."""
    speech = Speech(adapter.names, Forms(release), adapter.max_depth)
    interactions = Interactions(pipeline, adapter, speech, page_size)
    return _Server(interactions, speech, software_version, token_url, guide).mount()


class _Server:
    """The routes of one release."""

    def __init__(
        self,
        interactions: Interactions,
        speech: Speech,
        software_version: str,
        token_url: str,
        guide: Guide | None,
    ) -> None:
        self._do = interactions
        self._speech = speech
        adapter = interactions.adapter
        self._operations = Operations(interactions, speech, adapter.books, adapter.now, guide)
        self._bundles = Bundles(interactions, speech)
        self._messages = Messages(interactions, speech)
        self._release = speech.forms.release
        self._software_version = software_version
        self._token_url = token_url
        self._guide = GuideReader(guide) if guide is not None else None
        self._prefix = f"/fhir/{self._release.segment}"

    def mount(self) -> Mount:
        routes = [
            self._open("GET", "/metadata", self._metadata, "What works."),
            self._open("HEAD", "/metadata", self._metadata, "The same, head only."),
            self._route(
                "GET",
                f"/{STATUS_PATH}/{{type}}/{{id}}",
                self._status,
                "202 while the outcome behind an answer is not known, then 200 and the answer.",
            ),
            self._route(
                "DELETE",
                f"/{STATUS_PATH}/{{type}}/{{id}}",
                self._give_up,
                "Ask no more for this answer.",
            ),
            self._route("POST", "/{type}/$validate", self._validate, "Check, and send nothing."),
        ]
        for path, take, summary in (
            ("", self._bundles.take, "Carry out a batch or transaction."),
            ("/", self._bundles.take, "The same."),
            ("/$process-message", self._messages.take, "Carry out a message."),
            ("/Claim/$inquire", self._operations.inquire, "What was answered to a Claim."),
        ):
            routes.append(self._route("POST", path, self._taken(take), summary))
        routes += [
            self._route(
                "POST",
                f"/{name}/$submit",
                self._given(self._do.submit, name),
                "Carry out a request.",
            )
            for name in SUBMITTED
        ]
        for path, work in (
            ("/ConceptMap/$translate", self._looked(self._operations.translate)),
            ("/CodeSystem/$lookup", self._looked(self._operations.lookup)),
        ):
            routes += [
                self._route(method, path, work, "Look a code up.") for method in ("GET", "POST")
            ]
        for name in types_of(self._release):
            read, search = self._read(name), self._search(name)
            routes += [
                self._route("GET", f"/{name}", search, "Search."),
                self._route("POST", f"/{name}/_search", search, "Search."),
                self._route("GET", f"/{name}/{{id}}", read, "Read."),
                self._route("HEAD", f"/{name}/{{id}}", read, "Read the head."),
                self._route(
                    "GET",
                    f"/{name}/{{id}}/_history/{{version}}",
                    read,
                    "Read this version.",
                ),
                self._route(
                    "GET",
                    f"/{name}/{{id}}/_history",
                    self._of_id(self._do.history, name),
                    "The versions.",
                ),
            ]
        routes += [
            self._route("POST", f"/{name}", self._given(self._do.create, name), "Create.")
            for name in CREATED_TYPES
        ]
        routes += [
            self._route("PUT", f"/{name}/{{id}}", self._update(name), "Update.")
            for name in UPDATED_TYPES
        ]
        if self._guide is not None:
            routes += self._published(self._guide)
        if self._token_url:
            routes.append(
                Route(
                    method="GET",
                    path=WELL_KNOWN,
                    handler=configuration(self._token_url),
                    permission=Permission.ANYONE,
                    summary="Where a system asks for a token.",
                )
            )
        routes += [
            self._route("DELETE", f"/{name}/{{id}}", self._of_id(self._do.delete, name), "Delete.")
            for name in DELETED_TYPES
        ]
        if self._release is R5:
            path = "/Subscription/{id}/$status"
            routes.append(self._route("GET", path, self._standing, "How a subscription stands."))
        return Mount(
            prefix=self._prefix,
            protocol="fhir",
            routes=tuple(routes),
            refuse=self._speech.refuse,
            scoped=True,
        )

    def _published(self, guide: GuideReader) -> list[Route]:
        """The routes of the guide."""

        async def expand(request: web.Request, ask: Ask) -> Reply:
            body = await self._body(request) if request.method == "POST" else b""
            parameters = stated(ask.pairs, body, self._do.adapter.max_depth)
            return guide.expand(parameters, request.match_info.get("id", ""))

        routes = [
            self._open(method, path, expand, "The codes of a value set.")
            for path in ("/ValueSet/$expand", "/ValueSet/{id}/$expand")
            for method in ("GET", "POST")
        ]
        for name in GUIDE_TYPES:
            routes += [
                self._open("GET", f"/{name}", listing(guide, name), "The guide."),
                self._open("GET", f"/{name}/{{id}}", reading(guide, name), "Of the guide."),
            ]
        return routes

    def _route(
        self,
        method: str,
        path: str,
        work: Work,
        summary: str,
        permission: Permission = Permission.PEER,
    ) -> Route:
        return Route(
            method=method,
            path=path,
            handler=self._handler(work),
            permission=permission,
            summary=summary,
        )

    def _open(self, method: str, path: str, work: Work, summary: str) -> Route:
        return self._route(method, path, work, summary, Permission.ANYONE)

    def _handler(self, work: Work) -> Handler:
        """Everything around the work: what the client takes, and how it is told."""

        async def handler(request: web.Request) -> web.StreamResponse:
            form = wanted_format(request, self._release.mime_version)
            ask = self._ask(request)
            try:
                require(ask.scopes, request.method, self._below(request))
                return self._speech.response(await work(request, ask), form)
            except MessageError as error:
                return self._speech.response(self._speech.refused(error), form)
            except Refusal as refusal:
                response = self._speech.refuse(refusal.status, [refusal.problem], form)
                response.headers.update(refusal.headers)
                request[DENIED] = refusal.reason
                return response

        return handler

    def _below(self, request: web.Request) -> list[str]:
        """The parts of the path below the base."""
        return [part for part in request.path.removeprefix(self._prefix).split("/") if part]

    def _ask(self, request: web.Request) -> Ask:
        headers = request.headers
        client = request.get(CLIENT)
        return Ask(
            peer=request.get(PEER, NOBODY),
            base=f"{request.scheme}://{request.host}{self._prefix}",
            pairs=list(request.query.items()),
            preferences=preferences(request),
            if_match=headers.get("If-Match"),
            if_none_match=headers.get("If-None-Match", ""),
            if_none_exist=headers.get("If-None-Exist"),
            scopes=client.scopes if client is not None else ALL,
            proof=client.proof.value if client is not None else "",
        )

    async def _body(self, request: web.Request) -> bytes:
        """The body as JSON."""
        form = content_format(request, self._release.mime_version)
        return self._speech.json_of(await request.read(), form)

    # What changes something

    def _taken(self, take: Callable[[Ask, bytes], Awaitable[Reply]]) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            return await take(ask, await self._body(request))

        return work

    def _given(self, do: Callable[[Ask, str, bytes], Awaitable[Reply]], type_name: str) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            return await do(ask, type_name, await self._body(request))

        return work

    def _of_id(self, do: Callable[[Ask, str, str], Awaitable[Reply]], type_name: str) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            return await do(ask, type_name, request.match_info["id"])

        return work

    def _looked(self, look: Callable[[Ask, bytes], Awaitable[Reply]]) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            return await look(ask, await self._body(request) if request.method == "POST" else b"")

        return work

    def _update(self, type_name: str) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            identity = request.match_info["id"]
            return await self._do.update(ask, type_name, identity, await self._body(request))

        return work

    # What only looks

    async def _standing(self, request: web.Request, ask: Ask) -> Reply:
        return await self._operations.standing(ask, request.match_info["id"])

    async def _validate(self, request: web.Request, ask: Ask) -> Reply:
        body = await self._body(request)
        return await self._operations.validate(ask, request.match_info["type"], body)

    async def _metadata(self, request: web.Request, ask: Ask) -> Reply:
        del request
        statement = capability_statement(
            self._speech.names,
            self._release,
            ask.base,
            self._software_version,
            token_url=self._token_url,
        )
        return reply(200, statement)

    def _read(self, type_name: str) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            info = request.match_info
            return await self._do.read(ask, type_name, info["id"], info.get("version", ""))

        return work

    def _search(self, type_name: str) -> Work:
        async def work(request: web.Request, ask: Ask) -> Reply:
            if request.method == "POST":
                if request.content_type != FORM:
                    raise Refusal(415, problem(f"内容必须是{FORM}", f"The body has to be {FORM}"))
                ask.pairs += form_pairs(await request.read())
            return await self._do.search(ask, type_name)

        return work

    async def _status(self, request: web.Request, ask: Ask) -> Reply:
        info = request.match_info
        return await self._do.status(ask, info["type"], info["id"])

    async def _give_up(self, request: web.Request, ask: Ask) -> Reply:
        info = request.match_info
        return await self._do.give_up(ask, info["type"], info["id"])
