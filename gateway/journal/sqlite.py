"""The journal in one SQLite file: the default, and enough for a hospital.

Write-ahead log, synchronous=FULL, one writing thread with group commit, reading threads beside
it. Each method is one function run on the right thread; a write and its audit are one transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.clock import Clock, SystemClock
from gateway.errors import JournalError
from gateway.intents import Answer, Message, Outcome, Reply, Resource, Result
from gateway.journal import audit, books, counting, database, dump, exchanges, sends
from gateway.journal.archive import Sink, Source
from gateway.journal.migrations import load_migrations
from gateway.journal.protocol import Journal
from gateway.journal.readers import Readers
from gateway.journal.records import (
    AuditEvent,
    AuditHead,
    AuditReport,
    AuditRow,
    AuditSearch,
    Begun,
    BookRow,
    ExchangeRow,
    Health,
    Send,
    SendRow,
    Stats,
    VisitRow,
)
from gateway.journal.serials import Serials
from gateway.journal.stamps import china_time, named, new_id
from gateway.journal.writer import Writer

T = TypeVar("T")

READERS: Final = 4
"""Threads that read; a long one (`audit_verify`) leaves the others to the messages."""


class SQLiteJournal(Journal):
    """`Journal` in one SQLite file; made by `open`."""

    def __init__(
        self,
        writer: Writer | None,
        readers: Readers,
        lock: database.Lock | None,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._writer, self._readers, self._lock = writer, readers, lock
        self._clock, self._new_id = clock, new_id
        self._serials = Serials(self._reserve)
        self.instance = new_id()
        """Names this process as the owner of the exchanges it works on."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], str] = new_id,
        read_only: bool = False,
    ) -> SQLiteJournal:
        """Open the journal, creating it where there is none.

        `clock` is the machine's when none is given. `new_id` gives exchange and instance ids,
        each only once. `read_only` reads beside the process that has the journal open; every
        write is refused.

        Raises:
            ConfigurationError: the file is no journal, is newer than this code, or (read only)
                is not there.
            JournalError: another process has it, or it is damaged, locked or not writable.
        """
        return await asyncio.to_thread(
            cls._open, path, clock or SystemClock(), new_id, read_only=read_only
        )

    @classmethod
    def _open(
        cls,
        path: Path,
        clock: Clock,
        new_id: Callable[[], str],
        *,
        read_only: bool,
    ) -> SQLiteJournal:
        def reading() -> sqlite3.Connection:
            return database.connect(path, read_only=True)

        if read_only:
            database.inspect(path, load_migrations())
            return cls(None, Readers(reading, READERS), None, clock, new_id)
        lock = database.Lock(path)
        try:
            connection = database.prepare(path, load_migrations(), china_time(clock.now()))
            readers = Readers(reading, READERS)
            return cls(Writer(connection), readers, lock, clock, new_id)
        except BaseException:
            lock.release()
            raise

    def _now(self) -> str:
        return china_time(self._clock.now())

    async def _write(
        self,
        operation: Callable[[sqlite3.Connection, str], T],
        events: Sequence[AuditEvent] = (),
    ) -> T:
        if self._writer is None:
            raise JournalError("the journal is open for reading only")
        now = self._now()

        def write(db: sqlite3.Connection) -> T:
            value = operation(db, now)
            audit.append(db, now, events)
            return value

        return await self._writer.submit(write)

    async def begin_exchange(
        self, message: Message, raw: bytes, now: str, *, events: Sequence[AuditEvent] = ()
    ) -> Begun:
        """See `Journal.begin_exchange`."""
        exchange_id = self._new_id()

        def begin(db: sqlite3.Connection, written: str) -> Begun:
            begun = exchanges.begin(
                db, message, raw, now, exchange_id=exchange_id, owner=self.instance
            )
            audit.append(db, written, [named(event, begun.exchange_id) for event in events])
            return begun

        return await self._write(begin)

    async def finish_exchange(
        self,
        exchange_id: str,
        answer: Answer,
        result: Result | None,
        *,
        events: Sequence[AuditEvent] = (),
    ) -> None:
        """See `Journal.finish_exchange`."""
        await self._write(
            lambda db, now: exchanges.answer(db, exchange_id, answer, result, now, first=True),
            events,
        )

    async def replace_answer(
        self,
        exchange_id: str,
        answer: Answer,
        result: Result | None,
        *,
        events: Sequence[AuditEvent] = (),
    ) -> None:
        """See `Journal.replace_answer`."""
        await self._write(
            lambda db, now: exchanges.answer(db, exchange_id, answer, result, now, first=False),
            events,
        )

    async def release_exchange(
        self, exchange_id: str, *, events: Sequence[AuditEvent] = ()
    ) -> None:
        """See `Journal.release_exchange`."""
        await self._write(lambda db, _: exchanges.release(db, exchange_id), events)

    async def exchange(self, exchange_id: str) -> ExchangeRow | None:
        """See `Journal.exchange`."""
        return await self._readers.run(lambda db: exchanges.row(db, exchange_id))

    async def exchanges(
        self, limit: int = 100, before: str = "", status: str = ""
    ) -> list[ExchangeRow]:
        """See `Journal.exchanges`."""
        return await self._readers.run(lambda db: exchanges.rows(db, limit, before, status))

    async def abandoned(self, limit: int = 1000) -> list[ExchangeRow]:
        """See `Journal.abandoned`."""
        return await self._readers.run(lambda db: exchanges.abandoned(db, self.instance, limit))

    async def stored_answer(self, exchange_id: str) -> Answer | None:
        """See `Journal.stored_answer`."""
        return await self._readers.run(lambda db: exchanges.stored_answer(db, exchange_id))

    async def stored_result(self, exchange_id: str) -> Result | None:
        """See `Journal.stored_result`."""
        return await self._readers.run(lambda db: exchanges.stored_result(db, exchange_id))

    async def raw(self, exchange_id: str) -> bytes | None:
        """See `Journal.raw`."""
        return await self._readers.run(lambda db: exchanges.raw(db, exchange_id))

    async def context(self, exchange_id: str) -> dict[str, Any]:
        """See `Journal.context`."""
        return await self._readers.run(lambda db: exchanges.context(db, exchange_id))

    async def record_send(self, send: Send, *, events: Sequence[AuditEvent] = ()) -> None:
        """See `Journal.record_send`."""
        await self._write(lambda db, now: sends.record(db, send, now), events)

    async def record_outcome(
        self,
        msgid: str,
        outcome: Outcome,
        *,
        visit: VisitRow | None = None,
        events: Sequence[AuditEvent] = (),
    ) -> VisitRow | None:
        """See `Journal.record_outcome`."""
        return await self._write(
            lambda db, now: sends.settle(db, msgid, outcome, visit, now), events
        )

    async def resolve_send(
        self,
        msgid: str,
        state: str,
        note: str,
        *,
        reply: Reply | None = None,
        visit: VisitRow | None = None,
        events: Sequence[AuditEvent] = (),
    ) -> VisitRow | None:
        """See `Journal.resolve_send`."""
        end = sends.End(state, note, reply)
        return await self._write(lambda db, now: sends.resolve(db, msgid, end, visit, now), events)

    async def recover(self) -> list[SendRow]:
        """See `Journal.recover`."""
        return await self._write(sends.recover)

    async def send(self, msgid: str) -> SendRow | None:
        """See `Journal.send`."""
        return await self._readers.run(lambda db: sends.one(db, msgid))

    async def sends(
        self, *, state: str = "", visit_key: str = "", exchange_id: str = "", limit: int = 1000
    ) -> list[SendRow]:
        """See `Journal.sends`."""
        return await self._readers.run(
            lambda db: sends.rows(db, state, visit_key, exchange_id, limit)
        )

    async def reply(self, msgid: str) -> Reply | None:
        """See `Journal.reply`."""
        return await self._readers.run(lambda db: sends.reply(db, msgid))

    async def visit(self, key: str) -> VisitRow | None:
        """See `Journal.visit`."""
        return await self._readers.run(lambda db: sends.visit(db, key))

    async def visits(
        self, *, state: str = "", after: str = "", limit: int = 1000
    ) -> list[VisitRow]:
        """See `Journal.visits`."""
        return await self._readers.run(lambda db: sends.visits(db, state, after, limit))

    async def put_visit(self, visit: VisitRow, *, events: Sequence[AuditEvent] = ()) -> VisitRow:
        """See `Journal.put_visit`."""
        return await self._write(lambda db, now: sends.put_visit(db, visit, now), events)

    async def money_sends(self, begin: str, end: str, infno: str = "") -> list[SendRow]:
        """See `Journal.money_sends`."""
        return await self._readers.run(lambda db: books.money_sends(db, begin, end, infno))

    async def book(self, kind: str, key: str) -> BookRow | None:
        """See `Journal.book`."""
        return await self._readers.run(lambda db: books.one(db, kind, key))

    async def books(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[BookRow]:
        """See `Journal.books`."""
        return await self._readers.run(lambda db: books.rows(db, kind, prefix, after, limit))

    async def put_book(self, book: BookRow, *, events: Sequence[AuditEvent] = ()) -> BookRow:
        """See `Journal.put_book`."""
        return await self._write(lambda db, now: books.put(db, book, now), events)

    async def next_serial(self, fixmedins_code: str, second: str) -> int:
        """See `Journal.next_serial`."""
        return await self._serials.next(fixmedins_code, second)

    async def _reserve(self, fixmedins_code: str, second: str, count: int) -> int:
        return await self._write(
            lambda db, _: sends.reserve_serials(db, fixmedins_code, second, count)
        )

    async def session_get(self, key: str) -> str | None:
        """See `Journal.session_get`."""
        now = self._now()
        return await self._readers.run(lambda db: sends.session(db, key, now))

    async def session_put(
        self,
        key: str,
        value: str,
        expires: datetime | str,
        *,
        events: Sequence[AuditEvent] = (),
    ) -> None:
        """See `Journal.session_put`."""
        until = expires if isinstance(expires, str) else china_time(expires)
        await self._write(lambda db, now: sends.put_session(db, key, value, until, now), events)

    async def session_take(self, key: str, value: str, expires: datetime | str) -> bool:
        """See `Journal.session_take`."""
        until = expires if isinstance(expires, str) else china_time(expires)
        return await self._write(lambda db, now: sends.take_session(db, key, value, until, now))

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - FHIR's words
        """See `Journal.resource`."""
        return await self._readers.run(lambda db: exchanges.resource(db, type, id))

    async def search_resources(
        self,
        type: str,  # noqa: A002 - FHIR's word
        params: Mapping[str, Sequence[str]],
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[int, list[Resource]]:
        """See `Journal.search_resources`."""
        return await self._readers.run(lambda db: exchanges.search(db, type, params, limit, offset))

    async def changes(
        self,
        type: str,  # noqa: A002 - FHIR's word
        after: int,
        limit: int = 100,
    ) -> list[tuple[int, Resource]]:
        """See `Journal.changes`."""
        return await self._readers.run(lambda db: exchanges.changes(db, type, after, limit))

    async def audit_trail(self, exchange_id: str) -> list[AuditRow]:
        """See `Journal.audit_trail`."""
        return await self._readers.run(lambda db: audit.trail(db, exchange_id))

    async def audit_rows(self, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """See `Journal.audit_rows`."""
        return await self._readers.run(lambda db: audit.rows(db, after, limit))

    async def audit_found(self, search: AuditSearch) -> tuple[int, list[AuditRow]]:
        """See `Journal.audit_found`."""
        return await self._readers.run(lambda db: audit.found(db, search))

    async def audit_head(self) -> AuditHead:
        """See `Journal.audit_head`."""
        return await self._readers.run(audit.head)

    async def audit_verify(self, heads: Sequence[AuditHead] = ()) -> AuditReport:
        """See `Journal.audit_verify`."""
        return await self._readers.run(lambda db: audit.verify_chain(db, heads))

    async def stats(self) -> Stats:
        """See `Journal.stats`."""
        return await self._readers.run(counting.stats)

    def health(self) -> Health:
        """See `Journal.health`."""
        failure = "" if self._writer is None else self._writer.failure
        return Health(parts={"journal": not failure}, failure=failure)

    async def dump(self, sink: Sink, before: str = "") -> None:
        """See `Journal.dump`."""
        await self._readers.run(lambda db: dump.write_rows(db, sink.put, before))

    async def load(self, source: Source) -> None:
        """See `Journal.load`."""
        await self._write(lambda db, _: dump.load_rows(db, source.whole()))

    async def trim(self, exchange_ids: Sequence[str], *, events: Sequence[AuditEvent] = ()) -> None:
        """See `Journal.trim`."""
        await self._write(lambda db, _: dump.trim(db, exchange_ids), events)

    async def close(self) -> None:
        """See `Journal.close`."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.close()
        if self._writer is not None:
            self._writer.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
