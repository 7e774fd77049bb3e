"""Operations that look codes up: $translate, $lookup."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway.errors import MessageError
from gateway.fhir.decode import decode
from gateway.fhir.guide import Guide
from gateway.fhir.terminology import Books, looked_up, lookup, parse_wanted, translate
from gateway.inbound.fhir_interactions import Ask, Interactions, problem
from gateway.inbound.fhir_speech import Reply, Speech, reply


class Operations:
    """The operations of one release that send nothing to a platform."""

    def __init__(
        self,
        interactions: Interactions,
        speech: Speech,
        books: Books,
        now: Callable[[], datetime],
        guide: Guide | None = None,
    ) -> None:
        self._do = interactions
        self._speech = speech
        self._books = books
        self._now = now
        self._guide = guide

    async def translate(self, ask: Ask, raw: bytes) -> Reply:
        """ConceptMap/$translate by the tables of the institution."""
        wanted = parse_wanted(ask.pairs, self._parameters(raw), self._now().date())
        book = await self._books.of(ask.peer)
        return reply(200, translate(book, self._speech.names, self._do.release, wanted))

    async def lookup(self, ask: Ask, raw: bytes) -> Reply:
        """CodeSystem/$lookup in the code systems of the guide and the lists that are loaded."""
        wanted = parse_wanted(ask.pairs, self._parameters(raw), self._now().date())
        label = self._guide.display(wanted.system, wanted.code) if self._guide else ""
        if label:
            return reply(200, looked_up(wanted.system.rpartition("/")[2], "", label))
        book = await self._books.of(ask.peer)
        return reply(200, lookup(book, self._speech.names, wanted))

    def _parameters(self, raw: bytes) -> dict[str, Any] | None:
        if not raw:
            return None
        tree = decode(raw, max_depth=self._do.adapter.max_depth)
        found = self._speech.forms.shapes.check(tree, "Parameters")
        if found or tree.get("resourceType") != "Parameters":
            raise MessageError(found or [problem("此处应为Parameters", "Parameters are expected")])
        return tree
