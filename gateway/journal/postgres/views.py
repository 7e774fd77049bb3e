"""The reading side of the journal in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.intents import Answer, Reply, Resource, Result
from gateway.journal import storage
from gateway.journal.audit import audit_row
from gateway.journal.chain import GENESIS, Link
from gateway.journal.postgres import reader
from gateway.journal.postgres.batch import send_row
from gateway.journal.postgres.reader import Readers
from gateway.journal.protocol import Journal
from gateway.journal.records import (
    AuditHead,
    AuditReport,
    AuditRow,
    AuditSearch,
    BookRow,
    ExchangeRow,
    SendRow,
    Stats,
    VisitRow,
)


class Views(Journal):
    """Every method of `Journal` that only reads."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def exchange(self, exchange_id: str) -> ExchangeRow | None:
        """See `Journal.exchange`."""
        row = await self._readers.row("exchange", exchange_id)
        return None if row is None else reader.exchange_row(row)

    async def exchanges(
        self, limit: int = 100, before: str = "", status: str = ""
    ) -> list[ExchangeRow]:
        """See `Journal.exchanges`."""
        return await reader.exchanges(self._readers, limit, before, status)

    async def abandoned(self, limit: int = 1000) -> list[ExchangeRow]:
        """See `Journal.abandoned`."""
        rows = await self._readers.rows("abandoned_exchanges", limit)
        return [reader.exchange_row(row) for row in rows]

    async def stored_answer(self, exchange_id: str) -> Answer | None:
        """See `Journal.stored_answer`."""
        row = await self._readers.row("answer", exchange_id)
        return None if row is None else storage.decode_answer(row["answer"])

    async def stored_result(self, exchange_id: str) -> Result | None:
        """See `Journal.stored_result`."""
        row = await self._readers.row("answer", exchange_id)
        return None if row is None else storage.decode_result(row["result"])

    async def raw(self, exchange_id: str) -> bytes | None:
        """See `Journal.raw`."""
        row = await self._readers.row("message", exchange_id)
        return None if row is None else bytes(row["raw"])

    async def context(self, exchange_id: str) -> dict[str, Any]:
        """See `Journal.context`."""
        row = await self._readers.row("message", exchange_id)
        return {} if row is None else storage.decode_context(row["context"])

    async def send(self, msgid: str) -> SendRow | None:
        """See `Journal.send`."""
        row = await self._readers.row("send", msgid)
        return None if row is None else send_row(row)

    async def sends(
        self, *, state: str = "", visit_key: str = "", exchange_id: str = "", limit: int = 1000
    ) -> list[SendRow]:
        """See `Journal.sends`."""
        return await reader.sends(self._readers, state, visit_key, exchange_id, limit)

    async def reply(self, msgid: str) -> Reply | None:
        """See `Journal.reply`."""
        row = await self._readers.row("reply", msgid)
        return None if row is None else storage.decode_reply(row["reply"])

    async def visit(self, key: str) -> VisitRow | None:
        """See `Journal.visit`."""
        row = await self._readers.row("visit", key)
        return None if row is None else VisitRow(**row)

    async def visits(
        self, *, state: str = "", after: str = "", limit: int = 1000
    ) -> list[VisitRow]:
        """See `Journal.visits`."""
        return await reader.visits(self._readers, state, after, limit)

    async def money_sends(self, begin: str, end: str, infno: str = "") -> list[SendRow]:
        """See `Journal.money_sends`."""
        rows = await self._readers.rows("sends_of_money", begin, end, infno)
        return [send_row(row) for row in rows]

    async def book(self, kind: str, key: str) -> BookRow | None:
        """See `Journal.book`."""
        row = await self._readers.row("book", kind, key)
        return None if row is None else BookRow(**row)

    async def books(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[BookRow]:
        """See `Journal.books`."""
        rows = await self._readers.rows("books", kind, after, prefix, limit)
        return [BookRow(**row) for row in rows]

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - FHIR's words
        """See `Journal.resource`."""
        row = await self._readers.row("resource", type, id)
        return None if row is None else reader.resource(row)

    async def search_resources(
        self,
        type: str,  # noqa: A002 - FHIR's word
        params: Mapping[str, Sequence[str]],
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[int, list[Resource]]:
        """See `Journal.search_resources`."""
        return await reader.search(self._readers, type, params, limit, offset)

    async def changes(
        self,
        type: str,  # noqa: A002 - FHIR's word
        after: int,
        limit: int = 100,
    ) -> list[tuple[int, Resource]]:
        """See `Journal.changes`."""
        rows = await self._readers.rows("changed_resources", type, after, limit)
        return [(row["changed"], reader.resource(row)) for row in rows]

    async def audit_trail(self, exchange_id: str) -> list[AuditRow]:
        """See `Journal.audit_trail`."""
        rows = await self._readers.rows("audit_trail", exchange_id)
        return [audit_row(Link._make(row)) for row in rows]

    async def audit_rows(self, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """See `Journal.audit_rows`."""
        rows = await self._readers.rows("audit_rows", after, limit)
        return [audit_row(Link._make(row)) for row in rows]

    async def audit_found(self, search: AuditSearch) -> tuple[int, list[AuditRow]]:
        """See `Journal.audit_found`."""
        *where, limit, offset = msgspec.structs.astuple(search)
        counted = await self._readers.row("count_audit_found", *where)
        rows = await self._readers.rows("audit_found", *where, limit, offset)
        total = 0 if counted is None else int(counted[0])
        return total, [audit_row(Link._make(row)) for row in rows]

    async def audit_head(self) -> AuditHead:
        """See `Journal.audit_head`."""
        row = await self._readers.row("audit_head")
        seq, digest = (0, GENESIS) if row is None else row
        return AuditHead(seq=seq, hash=digest)

    async def audit_verify(self, heads: Sequence[AuditHead] = ()) -> AuditReport:
        """See `Journal.audit_verify`."""
        return await self._readers.run(lambda db: reader.verify_chain(db, heads))

    async def stats(self) -> Stats:
        """See `Journal.stats`."""
        return await reader.stats(self._readers)
