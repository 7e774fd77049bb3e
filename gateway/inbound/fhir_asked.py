"""A request as the work of a route sees it: alone over HTTP, or as the entry of a Bundle.

Both have a method, the values of the path's template and a body, so that one table of routes
answers both (`gateway.inbound.fhir_routes`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from gateway.fhir.decode import encode
from gateway.fhir.problems import not_supported
from gateway.fhir.subsets import NO_SUBSET, Subset, parse_subset
from gateway.inbound.fhir_interactions import Ask, form_pairs
from gateway.inbound.fhir_negotiation import content_format
from gateway.inbound.fhir_speech import Reply, Speech
from gateway.inbound.http_routes import METHOD, UNKNOWN_PATH, Permission, Refusal

FORM = "application/x-www-form-urlencoded"
READING = frozenset({"GET", "HEAD"})


class Asked(Protocol):
    """One request at a FHIR base."""

    @property
    def method(self) -> str:
        """GET, POST and so on."""
        ...

    @property
    def info(self) -> Mapping[str, str]:
        """The values of the path's template."""
        ...

    async def body(self) -> bytes:
        """The body as JSON; empty where there is none.

        Raises:
            Refusal: 415, it is of another type.
            MessageError: the XML cannot be read.
        """
        ...

    async def form(self) -> Iterable[tuple[str, str]]:
        """The parameters in the body of a search.

        Raises:
            Refusal: 415, it is no form.
        """
        ...


Work = Callable[[Asked, Ask], Awaitable[Reply]]
"""Answers one request at a FHIR base, apart from format and release."""


class HTTPAsked:
    """A request of its own."""

    def __init__(self, request: web.Request, speech: Speech) -> None:
        self._request = request
        self._speech = speech
        self.method = request.method
        self.info: Mapping[str, str] = request.match_info

    async def body(self) -> bytes:
        """The body as JSON; where there is none, there is no type of it."""
        raw = await self._request.read()
        if not raw:
            return raw
        form = content_format(self._request, self._speech.forms.release.mime_version)
        return self._speech.json_of(raw, form)

    async def form(self) -> Iterable[tuple[str, str]]:
        """The parameters in the body of a search."""
        if self._request.content_type != FORM:
            told = f"内容必须是{FORM}", f"The body has to be {FORM}"
            raise Refusal(415, not_supported("", *told))
        return form_pairs(await self._request.read())


class EntryAsked(NamedTuple):
    """The entry of a Bundle: its resource is the body."""

    method: str
    info: Mapping[str, str]
    resource: dict[str, Any] | None

    async def body(self) -> bytes:
        """The resource."""
        return encode(self.resource) if self.resource is not None else b""

    async def form(self) -> Iterable[tuple[str, str]]:
        """An entry has no form: its parameters stand in its URL."""
        return ()


class Row(NamedTuple):
    """One method on one path below the base of the release."""

    method: str
    path: str
    work: Work
    summary: str
    permission: Permission = Permission.PEER
    alone: bool = False
    """It is no entry of a Bundle: it takes a Bundle itself."""


class RowFinder:
    """Finds the route of an entry as the HTTP port finds that of a request: the first that fits."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = [
            (row, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(row.path))))
            for row in rows
            if not row.alone
        ]

    def find(self, method: str, path: str) -> tuple[Work, dict[str, str]]:
        """The work, and the values of the path's template.

        Raises:
            Refusal: 404, there is no such path; 405, it does not offer the method.
        """
        fits = [(row, found) for row, shape in self._rows if (found := shape.fullmatch(path))]
        for row, found in fits:
            if row.method == method:
                return row.work, found.groupdict()
        if fits:
            allow = ",".join(sorted({row.method for row, _ in fits}))
            raise Refusal(405, METHOD, {"Allow": allow})
        raise Refusal(404, UNKNOWN_PATH)


class Parts:
    """`_summary` and `_elements` for whatever is read, in one place."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    def rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows; those that read give the part of a resource that is wanted."""
        for row in rows:
            reads = row.method in READING or row.path.endswith("/_search")
            yield row._replace(work=self._of(row.work)) if reads else row

    def _of(self, work: Work) -> Work:
        async def part(asked: Asked, ask: Ask) -> Reply:
            return self.cut(await work(asked, ask), ask)

        return part

    def cut(self, reply: Reply, ask: Ask) -> Reply:
        """The part of an answer that its client wants.

        Raises:
            Refusal: 400, a value of `_summary` or `_elements` that is not served.
        """
        subset, wrong = parse_subset(ask.pairs)
        if wrong is not None:
            raise Refusal(400, wrong)
        if subset is NO_SUBSET or reply.status != 200 or not reply.body:
            return reply
        tree = reply.tree()
        outer = tree if reply.formed else self._speech.outer(tree)
        body = encode(self._part(outer, subset))
        return Reply(status=reply.status, body=body, headers=reply.headers, formed=True)

    def _part(self, tree: dict[str, Any], subset: Subset) -> dict[str, Any]:
        """Of a Bundle, the part of each of its resources; of an OperationOutcome, everything."""
        shapes = self._speech.forms.shapes
        if tree["resourceType"] == "OperationOutcome":
            return tree
        if tree["resourceType"] != "Bundle":
            return subset.of(tree, shapes)
        if subset.count_only and tree.get("type") == "searchset":
            return {name: value for name, value in tree.items() if name != "entry"}
        for entry in tree.get("entry", []):
            if "resource" in entry:
                entry["resource"] = self._part(entry["resource"], subset)
        return tree
