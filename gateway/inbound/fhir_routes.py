"""The routes of one FHIR release as tables, one a subject; a new route is a row.

A row says what is asked, the work that answers it and what it is for. `gateway.inbound.fhir` puts
around each work what all have in common: format, scopes, and how a refusal is told. Of two rows
that fit one path the first is taken, so that the tables with `$` in their paths stand before those
with `{id}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from gateway.errors import MessageError
from gateway.fhir.answers import STATUS_PATH
from gateway.fhir.capability import capability_statement
from gateway.fhir.concept_maps import NATIONAL
from gateway.fhir.guide import GUIDE_TYPES, Guide
from gateway.fhir.reader import CREATED_TYPES, DELETED_TYPES, UPDATED_TYPES
from gateway.fhir.release import R5
from gateway.fhir.search import types_of
from gateway.inbound.fhir_asked import Asked, Parts, Row, RowFinder, Work
from gateway.inbound.fhir_bundles import Bundles
from gateway.inbound.fhir_guide import GuideReader, listing, reading, stated
from gateway.inbound.fhir_inquiring import Inquiring
from gateway.inbound.fhir_interactions import SUBMITTED, Ask, Interactions
from gateway.inbound.fhir_matching import Matching
from gateway.inbound.fhir_messages import Messages
from gateway.inbound.fhir_operations import Operations
from gateway.inbound.fhir_speech import Reply, Speech, reply
from gateway.inbound.fhir_standing import Standing
from gateway.inbound.fhir_terminology import CodeTables
from gateway.inbound.fhir_validating import Validation
from gateway.inbound.http_routes import Permission

ANYONE = Permission.ANYONE
BOTH, READS = ("GET", "POST"), ("GET", "HEAD")


class Tables:
    """The routes of one release, by subject."""

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
        self._inquiring = Inquiring(interactions)
        self._validation = Validation(interactions, speech, guide)
        self._standing = Standing(interactions, speech, adapter.now)
        self._tables = CodeTables(speech, adapter.books, adapter.now)
        self._matching = Matching(interactions, speech)
        self._parts = Parts(speech)
        self._bundles = Bundles(interactions, speech, self._entry)
        self._finder: RowFinder | None = None
        self._messages = Messages(interactions, speech)
        self._release = speech.forms.release
        self._software_version = software_version
        self._token_url = token_url
        self._guide = GuideReader(guide) if guide is not None else None

    def rows(self) -> Iterator[Row]:
        """Every route, in the order in which they are tried."""
        yield from self._parts.rows(self._every())

    def _entry(self, method: str, path: str) -> tuple[Work, dict[str, str]]:
        """The work behind the entry of a Bundle.

        Raises:
            Refusal: 404 or 405.
        """
        if self._finder is None:
            self._finder = RowFinder(self.rows())
        return self._finder.find(method, path)

    def _every(self) -> Iterator[Row]:
        yield from self._base()
        yield from self._later()
        yield from self._operating()
        yield from self._terminology()
        if self._release is R5:
            yield from self._subscribed()
        for name in types_of(self._release):
            yield from self._looking(name)
        yield from self._changing()
        if self._guide is not None:
            yield from self._published(self._guide)

    # The tables

    def _base(self) -> Iterator[Row]:
        """What the release can."""
        yield Row("GET", "/metadata", self._metadata, "What works.", ANYONE)
        yield Row("HEAD", "/metadata", self._metadata, "The same, head only.", ANYONE)

    def _later(self) -> Iterator[Row]:
        """An answer that is not final yet."""
        path = f"/{STATUS_PATH}/{{type}}/{{id}}"
        told = "202 while the outcome behind an answer is not known, then 200 and the answer."
        for method in READS:
            yield Row(method, path, self._status, told)
        yield Row("DELETE", path, self._give_up, "Ask no more for this answer.")

    def _operating(self) -> Iterator[Row]:
        """What works on the resources that are sent along."""
        take, message = self._taken(self._bundles.take), self._taken(self._messages.take)
        inquire = self._taken(self._inquiring.inquire)
        for path in ("/{type}/$validate", "/{type}/{id}/$validate"):
            yield Row("POST", path, self._validate, "Check, and send nothing.")
        yield Row("POST", "", take, "Carry out a batch or transaction.", alone=True)
        yield Row("POST", "/", take, "The same.", alone=True)
        yield Row("POST", "/$process-message", message, "Carry out a message.", alone=True)
        yield Row("POST", "/Claim/$inquire", inquire, "What was answered to a Claim.")
        match = self._taken(self._matching.match)
        yield Row("POST", "/Patient/$match", match, "Who of the known persons this is.")
        for name in SUBMITTED:
            submit = self._given(self._do.submit, name)
            yield Row("POST", f"/{name}/$submit", submit, "Carry out a request.")

    def _terminology(self) -> Iterator[Row]:
        """Codes."""
        translate, lookup = self._operations.translate, self._operations.lookup
        for method in BOTH:
            told = "Look a code up."
            yield Row(method, "/ConceptMap/$translate", self._looked(translate), told)
            yield Row(method, "/CodeSystem/$lookup", self._looked(lookup), told)
        for method in READS:
            yield Row(method, "/ConceptMap", self._maps, "The code tables of the institution.")
            yield Row(method, "/ConceptMap/{id}", self._map, "A code table.")
            yield Row(method, "/CodeSystem/national-{id}", self._list, "A national list.")

    def _looking(self, name: str) -> Iterator[Row]:
        """What is kept of one type."""
        read, search = self._read(name), self._search(name)
        history = self._of_id(self._do.history, name)
        yield Row("POST", f"/{name}/_search", search, "Search.")
        for method in READS:
            yield Row(method, f"/{name}", search, "Search.")
            yield Row(method, f"/{name}/{{id}}", read, "Read.")
            path = f"/{name}/{{id}}/_history"
            yield Row(method, f"{path}/{{version}}", read, "Read this version.")
            yield Row(method, path, history, "The versions.")

    def _changing(self) -> Iterator[Row]:
        """What creates, updates and deletes."""
        for name in CREATED_TYPES:
            yield Row("POST", f"/{name}", self._given(self._do.create, name), "Create.")
        for name in UPDATED_TYPES:
            yield Row("PUT", f"/{name}/{{id}}", self._update(name), "Update.")
        for name in DELETED_TYPES:
            yield Row("DELETE", f"/{name}/{{id}}", self._of_id(self._do.delete, name), "Delete.")

    def _subscribed(self) -> Iterator[Row]:
        """Subscriptions of R5."""
        status, events = self._stood(self._standing.status), self._stood(self._standing.events)
        for method in BOTH:
            told = "How a subscription stands."
            yield Row(method, "/Subscription/$status", status, "How subscriptions stand.")
            yield Row(method, "/Subscription/{id}/$status", status, told)
            told = "What a subscriber was told."
            yield Row(method, "/Subscription/{id}/$events", events, told)

    def _published(self, guide: GuideReader) -> Iterator[Row]:
        """The guide, which anyone may read."""
        expand = self._expanding(guide)
        for path in ("/ValueSet/$expand", "/ValueSet/{id}/$expand"):
            for method in BOTH:
                yield Row(method, path, expand, "The codes of a value set.", ANYONE)
        for name in GUIDE_TYPES:
            for method in READS:
                yield Row(method, f"/{name}", listing(guide, name), "The guide.", ANYONE)
                yield Row(method, f"/{name}/{{id}}", reading(guide, name), "Of the guide.", ANYONE)

    # What changes something

    def _taken(self, take: Callable[[Ask, bytes], Awaitable[Reply]]) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            return await take(ask, await asked.body())

        return work

    def _given(self, do: Callable[[Ask, str, bytes], Awaitable[Reply]], type_name: str) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            return await do(ask, type_name, await asked.body())

        return work

    def _of_id(self, do: Callable[[Ask, str, str], Awaitable[Reply]], type_name: str) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            return await do(ask, type_name, asked.info["id"])

        return work

    def _looked(self, look: Callable[[Ask, bytes], Awaitable[Reply]]) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            return await look(ask, await asked.body() if asked.method == "POST" else b"")

        return work

    def _update(self, type_name: str) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            identity = asked.info["id"]
            return await self._do.update(ask, type_name, identity, await asked.body())

        return work

    # What only looks

    def _stood(self, look: Callable[[Ask, bytes, str], Awaitable[Reply]]) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            body = await asked.body() if asked.method == "POST" else b""
            return await look(ask, body, asked.info.get("id", ""))

        return work

    async def _validate(self, asked: Asked, ask: Ask) -> Reply:
        info = asked.info
        try:
            body = await asked.body()
        except MessageError as error:
            return self._validation.unreadable(info["type"], error)
        return await self._validation.validate(ask, info["type"], body, info.get("id", ""))

    async def _maps(self, asked: Asked, ask: Ask) -> Reply:
        del asked
        return await self._tables.search(ask)

    async def _map(self, asked: Asked, ask: Ask) -> Reply:
        return await self._tables.read(ask, asked.info["id"])

    async def _list(self, asked: Asked, ask: Ask) -> Reply:
        return await self._tables.read_list(ask, f"{NATIONAL}{asked.info['id']}")

    async def _metadata(self, asked: Asked, ask: Ask) -> Reply:
        del asked
        statement = capability_statement(
            self._speech.names,
            self._release,
            ask.base,
            self._software_version,
            token_url=self._token_url,
        )
        return reply(200, statement)

    def _read(self, type_name: str) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            info = asked.info
            return await self._do.read(ask, type_name, info["id"], info.get("version", ""))

        return work

    def _search(self, type_name: str) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            if asked.method == "POST":
                ask.pairs += await asked.form()
            return await self._do.search(ask, type_name)

        return work

    def _expanding(self, guide: GuideReader) -> Work:
        async def work(asked: Asked, ask: Ask) -> Reply:
            body = await asked.body() if asked.method == "POST" else b""
            parameters = stated(ask.pairs, body, self._do.adapter.max_depth)
            return guide.expand(parameters, asked.info.get("id", ""))

        return work

    async def _status(self, asked: Asked, ask: Ask) -> Reply:
        info = asked.info
        return await self._do.status(ask, info["type"], info["id"])

    async def _give_up(self, asked: Asked, ask: Ask) -> Reply:
        info = asked.info
        return await self._do.give_up(ask, info["type"], info["id"])
