"""FHIR REST: `/fhir/r4` and what lies below it.

Create, update and `$submit` go the way of every message. Read, search and the status of a queued
answer look at what was answered before, and never ask a platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.answers import MEDIA_TYPE, POLL_AFTER, STATUS_PATH, http_date
from gateway.fhir.building import is_waiting
from gateway.fhir.capability import capability_statement
from gateway.fhir.decode import decode_own, encode
from gateway.fhir.outcome import operation_outcome
from gateway.fhir.reader import CREATED_TYPES, UPDATED_TYPES
from gateway.fhir.search import PARAMETERS, parse_search, searchset
from gateway.inbound.fhir_negotiation import check_accept, check_content_type, preferences
from gateway.inbound.http_routes import (
    PEER,
    UNKNOWN_PATH,
    Handler,
    Mount,
    Permission,
    Refusal,
    Route,
    respond,
)
from gateway.intents import Answer, Resource
from gateway.settings import PeerSettings

FORM = "application/x-www-form-urlencoded"


class Handles(Protocol):
    """What the routes need of the pipeline."""

    async def handle(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Answer:
        """Carry a message the whole way."""
        ...


def fhir_mount(
    pipeline: Handles, adapter: FHIRAdapter, *, page_size: int, software_version: str
) -> Mount:
    """The mount of one FHIR release; `page_size` is the most entries of a search page."""
    return _Server(pipeline, adapter, page_size, software_version).mount()


class _Server:
    def __init__(
        self, pipeline: Handles, adapter: FHIRAdapter, page_size: int, software_version: str
    ) -> None:
        self._pipeline = pipeline
        self._adapter = adapter
        self._page_size = page_size
        self._software_version = software_version
        self._prefix = f"/fhir/{adapter.release.segment}"

    def mount(self) -> Mount:
        routes = [
            _route("GET", "/metadata", self._metadata, "What works.", Permission.ANYONE),
            _route("HEAD", "/metadata", self._metadata, "The same, head only.", Permission.ANYONE),
            _route(
                "GET",
                f"/{STATUS_PATH}/{{type}}/{{id}}",
                self._status,
                "202 while the outcome behind an answer is not known, then 200 and the answer.",
            ),
            _route("POST", "/Claim/$submit", self._submit, "Carry out a Claim or a Bundle."),
        ]
        for name in sorted(PARAMETERS):
            routes += [
                _route("GET", f"/{name}", self._bound(self._search, name), "Search."),
                _route("POST", f"/{name}/_search", self._bound(self._search, name), "Search."),
                _route("GET", f"/{name}/{{id}}", self._bound(self._read, name), "Read."),
                _route("HEAD", f"/{name}/{{id}}", self._bound(self._read, name), "Read the head."),
                _route(
                    "GET",
                    f"/{name}/{{id}}/_history/{{version}}",
                    self._bound(self._read, name),
                    "Read, if this is the present version.",
                ),
            ]
        for name in CREATED_TYPES:
            routes.append(_route("POST", f"/{name}", self._bound(self._create, name), "Create."))
        for name in UPDATED_TYPES:
            routes.append(
                _route("PUT", f"/{name}/{{id}}", self._bound(self._update, name), "Update.")
            )
        return Mount(
            prefix=self._prefix, protocol="fhir", routes=tuple(routes), refuse=self._refuse
        )

    def _bound(self, method: Any, type_name: str) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            check_accept(request, self._adapter.release.mime_version)
            response: web.StreamResponse = await method(request, type_name)
            return response

        return handler

    def _base(self, request: web.Request) -> str:
        return f"{request.scheme}://{request.host}{self._prefix}"

    def _refuse(self, status: int, problems: Sequence[Problem]) -> web.Response:
        body = encode(operation_outcome(self._adapter.names, problems))
        return _response(status, body)

    # What changes something

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        check_accept(request, self._adapter.release.mime_version)
        return await self._carry(request, {"interaction": "submit", "type": "Claim"})

    async def _create(self, request: web.Request, type_name: str) -> web.StreamResponse:
        condition = request.headers.get("If-None-Exist")
        if condition is not None:
            found = await self._existing(request, type_name, condition)
            if found is not None:
                return _read_response(200, found)
        return await self._carry(request, {"interaction": "create", "type": type_name})

    async def _update(self, request: web.Request, type_name: str) -> web.StreamResponse:
        identity = request.match_info["id"]
        wanted = request.headers.get("If-Match")
        if wanted is not None:
            found = await self._adapter.store(request[PEER]).resource(type_name, identity)
            if found is None or _etag(decode_own(found.body)) != wanted.strip():
                raise Refusal(412, _problem("资源的版本已经改变", "The version has changed"))
        meta = {"interaction": "update", "type": type_name, "id": identity}
        return await self._carry(request, meta)

    async def _carry(self, request: web.Request, meta: dict[str, str]) -> web.StreamResponse:
        check_content_type(request, self._adapter.release.mime_version)
        meta["base"] = self._base(request)
        raw = await request.read()
        answer = await self._pipeline.handle("fhir", raw, request[PEER], meta)
        response = respond(answer)
        wish = preferences(request).get("return")
        if answer.status in {200, 201} and wish == "minimal":
            response.body = None
        elif answer.status in {200, 201} and wish == "operationoutcome":
            response.body = encode(operation_outcome(self._adapter.names, []))
        return response

    async def _existing(
        self, request: web.Request, type_name: str, condition: str
    ) -> Resource | None:
        """The only resource that fits If-None-Exist; for a request, its response."""
        search, problems = parse_search(
            type_name, parse_qsl(condition.lstrip("?")), page_size=2, strict=True
        )
        if problems or not search.tokens:
            raise Refusal(412, _problem("If-None-Exist的条件无效", "If-None-Exist is not valid"))
        store = self._adapter.store(request[PEER])
        total, found = await store.search(type_name, search.tokens, 2)
        if total > 1:
            raise Refusal(412, _problem("有多个符合条件的资源", "Several resources fit"))
        if not found:
            return None
        answers = {
            "Claim": "ClaimResponse",
            "CoverageEligibilityRequest": "CoverageEligibilityResponse",
        }
        if type_name in answers:
            return await store.resource(answers[type_name], found[0].id)
        return found[0]

    # What only looks

    async def _metadata(self, request: web.Request) -> web.StreamResponse:
        check_accept(request, self._adapter.release.mime_version)
        statement = capability_statement(
            self._adapter.names,
            self._adapter.release,
            self._base(request),
            self._software_version,
        )
        return _response(200, encode(statement))

    async def _read(self, request: web.Request, type_name: str) -> web.StreamResponse:
        found = await self._adapter.store(request[PEER]).resource(
            type_name, request.match_info["id"]
        )
        if found is None:
            raise Refusal(404, _problem("没有这个资源", "There is no such resource"))
        body = decode_own(found.body)
        version = request.match_info.get("version")
        if version is not None and version != body["meta"]["versionId"]:
            raise Refusal(404, _problem("没有保存这个版本", "This version is not kept"))
        if _etag(body) in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={"ETag": _etag(body)})
        return _read_response(200, found)

    async def _search(self, request: web.Request, type_name: str) -> web.StreamResponse:
        pairs = list(request.query.items())
        if request.method == "POST":
            if request.content_type != FORM:
                raise Refusal(415, _problem(f"内容必须是{FORM}", f"The body has to be {FORM}"))
            pairs += parse_qsl((await request.read()).decode("utf-8", "replace"))
        strict = preferences(request).get("handling") == "strict"
        search, problems = parse_search(type_name, pairs, page_size=self._page_size, strict=strict)
        if problems:
            return self._refuse(400, problems)
        store = self._adapter.store(request[PEER])
        # A page of no entries asks for the total only.
        total, found = await store.search(
            type_name, search.tokens, max(1, search.count), search.offset
        )
        bundle = searchset(self._base(request), search, total, found[: search.count])
        return _response(200, encode(bundle))

    async def _status(self, request: web.Request) -> web.StreamResponse:
        type_name = request.match_info["type"]
        check_accept(request, self._adapter.release.mime_version)
        if type_name not in PARAMETERS:
            raise Refusal(404, UNKNOWN_PATH)
        found = await self._adapter.store(request[PEER]).resource(
            type_name, request.match_info["id"]
        )
        if found is None:
            raise Refusal(404, _problem("没有这个资源", "There is no such resource"))
        if is_waiting(decode_own(found.body)):
            response = self._refuse(202, [_waiting()])
            response.headers.update({"Retry-After": str(POLL_AFTER), "X-Progress": "unknown"})
            return response
        return _read_response(200, found)


def _route(
    method: str,
    path: str,
    handler: Handler,
    summary: str,
    permission: Permission = Permission.PEER,
) -> Route:
    return Route(method=method, path=path, handler=handler, permission=permission, summary=summary)


def _response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=body,
        headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **(headers or {})},
    )


def _read_response(status: int, resource: Resource) -> web.Response:
    body = decode_own(resource.body)
    headers = {"ETag": _etag(body), "Last-Modified": http_date(body["meta"]["lastUpdated"])}
    return _response(status, resource.body, headers)


def _etag(resource: Mapping[str, Any]) -> str:
    return f'W/"{resource["meta"]["versionId"]}"'


def _problem(zh: str, en: str) -> Problem:
    return Problem(kind=ProblemKind.NOT_FOUND, code=ProblemCode.NOT_FOUND, zh=zh, en=en)


def _waiting() -> Problem:
    return Problem(
        kind=ProblemKind.UNKNOWN,
        code=ProblemCode.FSI_UNKNOWN,
        severity=Severity.INFORMATION,
        zh="结果尚不明确，请勿重复提交",
        en="the outcome is not known yet: do not repeat",
    )
