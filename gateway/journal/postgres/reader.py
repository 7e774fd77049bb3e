"""Reading beside the writer: a few connections, each statement in one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

from gateway.errors import JournalError
from gateway.intents import Resource
from gateway.journal import storage
from gateway.journal.chain import Link, Verifier
from gateway.journal.postgres.batch import send_row
from gateway.journal.postgres.server import BROKEN, CONNECT_SECONDS, STORE
from gateway.journal.queries import POSTGRES
from gateway.journal.records import AuditHead, AuditReport, ExchangeRow, SendRow, Stats, VisitRow

T = TypeVar("T")

PORTION: Final = 5_000
"""Rows of the audit that are held at a time while it is verified."""


class Readers:
    """A pool of connections that read."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._closed = False

    async def run(self, read: Callable[[asyncpg.pool.PoolConnectionProxy], Awaitable[T]]) -> T:
        """What `read` gives; a broken connection is replaced once.

        Raises:
            JournalError: the store cannot be read, or is closed.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        for patient in (True, False):
            try:
                async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                    return await read(connection)
            except BROKEN as error:
                if not patient:
                    detail = str(error) or type(error).__name__
                    raise JournalError(f"{STORE} cannot be read: {detail}") from error
            except asyncpg.PostgresError as error:
                raise JournalError(f"{STORE} cannot be read: {error}") from error
        raise AssertionError

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """The rows of a named query."""
        return await self.run(lambda db: db.fetch(POSTGRES[query], *values))

    async def row(self, query: str, *values: Any) -> asyncpg.Record | None:
        """The row of a named query, or None."""
        return await self.run(lambda db: db.fetchrow(POSTGRES[query], *values))

    async def value(self, query: str, *values: Any) -> Any:
        """The first column of the row of a named query, or None."""
        return await self.run(lambda db: db.fetchval(POSTGRES[query], *values))

    async def close(self) -> None:
        """Wait for the reads under way, then close the connections."""
        if not self._closed:
            self._closed = True
            await self._pool.close()


async def exchanges(readers: Readers, limit: int, before: str, status: str) -> list[ExchangeRow]:
    """Exchanges, newest first."""
    found = (
        await readers.rows("exchanges_of_status", limit, before, status)
        if status
        else await readers.rows("exchanges", limit, before)
    )
    return [exchange_row(row) for row in found]


def exchange_row(row: asyncpg.Record) -> ExchangeRow:
    """A stored exchange."""
    return msgspec.convert(dict(row), ExchangeRow)


async def sends(
    readers: Readers, state: str, visit_key: str, exchange_id: str, limit: int
) -> list[SendRow]:
    """Sends, oldest first."""
    if visit_key:
        found = await readers.rows("sends_of_visit", limit, visit_key, state, exchange_id)
    elif exchange_id:
        found = await readers.rows("sends_of_exchange", limit, exchange_id, state)
    elif state:
        found = await readers.rows("sends_in_state", limit, state)
    else:
        found = await readers.rows("sends", limit)
    return [send_row(row) for row in found]


async def visits(readers: Readers, state: str, after: str, limit: int) -> list[VisitRow]:
    """Visits in the order of their keys."""
    found = (
        await readers.rows("visits_in_state", limit, after, state)
        if state
        else await readers.rows("visits", limit, after)
    )
    return [VisitRow(**row) for row in found]


async def search(
    readers: Readers, kind: str, params: Mapping[str, Sequence[str]], limit: int, offset: int
) -> tuple[int, list[Resource]]:
    """Count of the resources that fit, and one page of them, in one snapshot."""
    wanted = [(name, token) for name, tokens in params.items() for token in tokens]
    criteria: list[Any] = [kind]
    count, page = "count_resources_of_type", "resources"
    if params:
        names, tokens = [name for name, _ in wanted], [token for _, token in wanted]
        criteria += [names, tokens, len(params)]
        count, page = "count_found_resources", "find_resources"

    async def read(db: asyncpg.pool.PoolConnectionProxy) -> tuple[int, list[Resource]]:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            total = await db.fetchval(POSTGRES[count], *criteria)
            rows = await db.fetch(POSTGRES[page], *criteria, limit, offset)
        return int(total), [resource(row) for row in rows]

    return await readers.run(read)


def resource(row: asyncpg.Record) -> Resource:
    """A stored resource."""
    return Resource(
        type=row["type"],
        id=row["id"],
        body=row["body"],
        search=storage.decode_search(row["search"]),
    )


async def verify_chain(
    db: asyncpg.pool.PoolConnectionProxy, heads: Sequence[AuditHead]
) -> AuditReport:
    """Check every row; memory does not grow with the length of the chain."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        # Portions are checked while the server waits in the transaction.
        await db.execute("SET LOCAL statement_timeout = 0")
        await db.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        head = await db.fetchrow(POSTGRES["audit_head"])
        seq, digest = (0, None) if head is None else (head["seq"], head["hash"])
        verifier = Verifier(seq, digest, heads)
        cursor = await db.cursor(POSTGRES["audit"])
        while rows := await cursor.fetch(PORTION):
            await asyncio.to_thread(verifier.take, map(Link._make, rows))
    return await asyncio.to_thread(verifier.report)


async def stats(readers: Readers) -> Stats:
    """Counts for operators."""
    counts: dict[str, dict[str, int]] = {"exchanges": {}, "sends": {}, "visits": {}}
    for kind, name, count in await readers.rows("counts"):
        counts.setdefault(kind, {})[name] = count
    return Stats(
        exchanges=counts["exchanges"],
        sends=counts["sends"],
        visits=counts["visits"],
        resources=counts["resources"][""],
        audit_rows=counts["audit"][""],
        size=counts["size"][""],
    )
