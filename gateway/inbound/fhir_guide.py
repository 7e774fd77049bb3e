"""The published guide over HTTP: at every FHIR base, and at its canonical URLs.

At a base the guide is that of its release. At the canonical URLs, which have no release in them,
the `fhirVersion` of Accept chooses; R4 is given to a client that does not say. Nothing of a
patient or of the settings stands in it, so that anyone may read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from gateway.errors import MessageError, Problem, ProblemCode, ProblemKind
from gateway.fhir import problems
from gateway.fhir.decode import decode, encode
from gateway.fhir.guide import GUIDE_TYPES, Guide
from gateway.fhir.guide.frame import DATE
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.fhir.search import CONTROLS
from gateway.inbound.fhir_asked import Asked, Parts, Work
from gateway.inbound.fhir_interactions import NOBODY, Ask
from gateway.inbound.fhir_negotiation import Format, wanted_format
from gateway.inbound.fhir_speech import Reply, Speech
from gateway.inbound.http_routes import Handler, Mount, Permission, Refusal, Route

CRITERIA = ("_id", "url", "name", "version", "status")
"""Search parameters of the guide; each is matched exactly."""
MAX_CODES = 1_000
"""Codes of an expansion at most, at a time."""


class GuideReader:
    """Reads, finds and expands what is published."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide

    def read(self, type_name: str, identity: str) -> Reply:
        """One resource.

        Raises:
            Refusal: 404.
        """
        found = self.guide.find(type_name, identity)
        if found is None:
            raise Refusal(404, _missing())
        return _reply(found)

    def search(
        self, type_name: str, pairs: Sequence[tuple[str, str]], base: str, *, strict: bool = False
    ) -> Reply:
        """A searchset of everything that fits.

        Raises:
            Refusal: 400, a parameter is not served and the client is strict.
        """
        if strict and not {name for name, _ in pairs} <= {*CRITERIA, *CONTROLS}:
            raise Refusal(400, _not_served())
        wanted = [(name, value) for name, value in pairs if name in CRITERIA]
        found = [
            one
            for one in self.guide.of_type(type_name)
            if all(_fits(one, name, value) for name, value in wanted)
        ]
        query = urlencode(wanted)
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": [
                {"relation": "self", "url": f"{base}/{type_name}" + (f"?{query}" * bool(query))}
            ],
        }
        if found:
            bundle["entry"] = [
                {
                    "fullUrl": f"{base}/{type_name}/{one['id']}",
                    "resource": one,
                    "search": {"mode": "match"},
                }
                for one in found
            ]
        return _reply(bundle)

    def expand(self, parameters: Mapping[str, str], identity: str = "") -> Reply:
        """ValueSet/$expand: the codes of a value set, filtered by a part of code or label.

        Raises:
            Refusal: 404, no such value set; 422, its codes are not all known here.
            MessageError: `count` or `offset` is no number.
        """
        if identity:
            found = self.guide.find("ValueSet", identity)
        else:
            found = self.guide.by_url(parameters.get("url", ""))
        if found is None or found["resourceType"] != "ValueSet":
            raise Refusal(404, _missing())
        codings = self.guide.codings(found)
        if codings is None:
            raise Refusal(422, _too_many())
        text = parameters.get("filter", "").lower()
        fitting = [
            one
            for one in codings
            if text in one["code"].lower() or text in one.get("display", "").lower()
        ]
        offset, count = _number(parameters, "offset", 0), _number(parameters, "count", MAX_CODES)
        expansion = {
            "timestamp": f"{DATE}T00:00:00+08:00",
            "total": len(fitting),
            "offset": offset,
        }
        page = fitting[offset : offset + min(count, MAX_CODES)]
        return _reply({**found, "expansion": expansion | ({"contains": page} if page else {})})


def canonical_mounts(
    guides: Sequence[Guide], speeches: Sequence[Speech], names: Names
) -> list[Mount]:
    """The mounts of the canonical URLs, one a type; guide and speech of each release, R4 first."""
    readers = [(GuideReader(guide), speech) for guide, speech in zip(guides, speeches, strict=True)]
    prefix = urlsplit(names.base).path.rstrip("/")
    return [_canonical_mount(readers, f"{prefix}/{name}", name, names.base) for name in GUIDE_TYPES]


def _canonical_mount(
    readers: Sequence[tuple[GuideReader, Speech]], prefix: str, type_name: str, base: str
) -> Mount:
    def route(method: str, path: str, summary: str) -> Route:
        return Route(
            method=method,
            path=path,
            handler=_handler(readers, type_name, base),
            permission=Permission.ANYONE,
            summary=summary,
        )

    return Mount(
        prefix=prefix,
        protocol="fhir",
        routes=tuple(
            route(method, path, summary)
            for method in ("GET", "HEAD")
            for path, summary in (
                ("", "The resources of the guide."),
                ("/{id}", "A resource of the guide at its canonical URL."),
            )
        ),
        refuse=readers[0][1].refuse,
    )


def _handler(readers: Sequence[tuple[GuideReader, Speech]], type_name: str, base: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        reader, speech, form = _chosen(readers, request)
        identity, pairs = request.match_info.get("id", ""), list(request.query.items())
        try:
            if identity:
                answer = reader.read(type_name, identity)
            else:
                answer = reader.search(type_name, pairs, base)
            ask = Ask(peer=NOBODY, base=base, pairs=pairs)
            return speech.response(Parts(speech).cut(answer, ask), form)
        except Refusal as refusal:
            return speech.response(speech.outcome(refusal.status, [refusal.problem]), form)

    return handler


def _chosen(
    readers: Sequence[tuple[GuideReader, Speech]], request: web.Request
) -> tuple[GuideReader, Speech, Format]:
    """The first release that the client takes.

    Raises:
        Refusal: 406, it takes none.
    """
    refused: Refusal | None = None
    for reader, speech in readers:
        try:
            return reader, speech, wanted_format(request, speech.forms.release.mime_version)
        except Refusal as refusal:
            refused = refused or refusal
    assert refused is not None
    raise refused


def listing(guide: GuideReader, name: str) -> Work:
    """The work of a search of the guide."""

    async def work(_asked: Asked, ask: Ask) -> Reply:
        strict = ask.preferences.get("handling") == "strict"
        return guide.search(name, ask.pairs, ask.base, strict=strict)

    return work


def reading(guide: GuideReader, name: str) -> Work:
    """The work of a read of the guide."""

    async def work(asked: Asked, _ask: Ask) -> Reply:
        return guide.read(name, asked.info["id"])

    return work


def stated(pairs: Sequence[tuple[str, str]], raw: bytes, max_depth: int) -> dict[str, str]:
    """The parameters of an operation, from the URL and from Parameters in the body.

    Raises:
        MessageError: the body cannot be read.
    """
    found = dict(pairs)
    tree = decode(raw, max_depth=max_depth) if raw else {}
    for row in as_list(tree.get("parameter")):
        if isinstance(row, dict):
            value = next((row[name] for name in row if name.startswith("value")), "")
            found[str(row.get("name", ""))] = str(value)
    return found


def _fits(resource: Mapping[str, Any], name: str, value: str) -> bool:
    return str(resource.get(name.removeprefix("_"), "")) == value


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise MessageError([problems.wrong_type("", f"{name}应为整数", f"{name} is no number")])
    return int(text)


def _reply(resource: Mapping[str, Any]) -> Reply:
    return Reply(status=200, body=encode(resource), formed=True)


def _missing() -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.NOT_FOUND,
        zh="实施指南中没有这个资源",
        en="there is no such resource in the guide",
    )


def _not_served() -> Problem:
    return Problem(
        kind=ProblemKind.UNSUPPORTED_TYPE,
        code=ProblemCode.NOT_SUPPORTED,
        zh=f"只支持这些搜索参数：{', '.join(CRITERIA)}",
        en=f"these search parameters are served: {', '.join(CRITERIA)}",
    )


def _too_many() -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.NOT_SUPPORTED,
        zh="该值集的编码不在指南中，请用CodeSystem/$lookup查询单个编码",
        en="its codes are not part of the guide: look one up by CodeSystem/$lookup",
    )
