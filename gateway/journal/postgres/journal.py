"""The journal in PostgreSQL: for several gateways on one database.

One connection writes, with group commit (`writer`); a few read beside it (`views`). What each
write decides is in `deeds`. Who owns what, and what happens to the work of a dead process, is in
`leases`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

import asyncpg

from gateway.clock import Clock, SystemClock
from gateway.errors import JournalError, UnknownOutcomeError
from gateway.intents import Answer, Message, Outcome, Reply, Result
from gateway.journal.archive import Sink, Source
from gateway.journal.migrations import load_migrations
from gateway.journal.postgres import deeds, dump, server
from gateway.journal.postgres.batch import Batch, Needs, check_text
from gateway.journal.postgres.leases import LEASE_SECONDS, Keeper
from gateway.journal.postgres.reader import Readers
from gateway.journal.postgres.views import Views
from gateway.journal.postgres.writer import Writer
from gateway.journal.queries import POSTGRES
from gateway.journal.records import (
    AuditEvent,
    Begun,
    BookRow,
    Health,
    Send,
    SendRow,
    VisitRow,
)
from gateway.journal.sends import End
from gateway.journal.serials import Serials
from gateway.journal.stamps import china_time, named, new_id

T = TypeVar("T")

READERS: Final = 4
"""Connections that read; a long one (`audit_verify`) leaves the others to the messages."""

ELSEWHERE_SECONDS: Final = 60.0
"""How long a copy of a message waits for the process that works on the first one."""

ELSEWHERE_PAUSE: Final = 0.05
"""Seconds between two looks at whether it is done."""


class PostgresJournal(Views):
    """`Journal` in a PostgreSQL database; made by `open`."""

    def __init__(
        self,
        readers: Readers,
        connect: Callable[[Mapping[str, str]], Awaitable[asyncpg.Connection]],
        clock: Clock,
        new_id: Callable[[], str],
        instance: str,
    ) -> None:
        super().__init__(readers)
        self._connect = connect
        self._clock, self._new_id = clock, new_id
        self._serials = Serials(self._reserve)
        self._writer: Writer | None = None
        self._keeper: Keeper | None = None
        self._lease = LEASE_SECONDS
        self.instance = instance
        """Names this process as the owner of what it works on."""

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], str] = new_id,
        read_only: bool = False,
        lease: float = LEASE_SECONDS,
    ) -> PostgresJournal:
        """Open the journal, creating its tables where there are none.

        `clock` is the machine's when none is given. `new_id` gives exchange and instance ids,
        each only once. `read_only` checks and reads only; every write is refused. `lease` is how
        many seconds the others wait for this process when it goes silent.

        Raises:
            ConfigurationError: the DSN is wrong, the server is not fit, the database holds
                something else, is newer than this code, or (read only) has no journal.
            JournalError: the server cannot be reached.
        """
        clock = clock or SystemClock()
        migrations = load_migrations("postgres")
        now, instance = china_time(clock.now()), new_id()
        connect = functools.partial(server.connect, dsn)
        connection = await connect(server.LONG)
        try:
            if read_only:
                await server.inspect(connection, migrations)
            else:
                await server.prepare(connection, migrations, now)
                with server.explained():
                    await connection.execute(POSTGRES["register"], instance, now, lease)
        finally:
            await connection.close()
        with server.explained():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=READERS,
                timeout=server.CONNECT_SECONDS,
                server_settings=dict(server.READING),
                reset=_as_it_is,
            )
        journal = cls(Readers(pool), connect, clock, new_id, instance)
        if not read_only:
            journal._start(len(migrations), lease)
        return journal

    def _start(self, schema: int, lease: float) -> None:
        self._lease = lease
        writing = functools.partial(self._connect, server.WRITING)
        self._writer = Writer(writing, self.instance, schema)
        self._keeper = Keeper(self._renew, lease)

    def _now(self) -> str:
        return china_time(self._clock.now())

    async def _write(
        self,
        needs: Needs,
        decide: Callable[[Batch, str], T],
        events: Sequence[AuditEvent] = (),
    ) -> T:
        if self._writer is None:
            raise JournalError("the journal is open for reading only")
        now = self._now()
        for event in events:
            check_text(event.exchange_id, event.station, *event.detail, *event.detail.values())

        def write(batch: Batch) -> T:
            value = decide(batch, now)
            batch.tell(now, events)
            return value

        return await self._writer.submit(needs, write)

    async def _renew(self, takeover: bool) -> list[SendRow]:  # noqa: FBT001 - the shape of a callback
        def renew(batch: Batch, now: str) -> list[SendRow]:
            batch.lease = self._lease
            return deeds.recover(batch, now, own=False) if takeover else []

        return await self._write(Needs(abandoned=takeover), renew)

    async def begin_exchange(
        self, message: Message, raw: bytes, now: str, *, events: Sequence[AuditEvent] = ()
    ) -> Begun:
        """See `Journal.begin_exchange`.

        While another process works on the message, its answer is waited for.

        Raises:
            UnknownOutcomeError: the other process is still at it after `ELSEWHERE_SECONDS`.
        """
        exchange_id = self._new_id()
        key = (message.protocol, message.sender, message.control_id)

        def begin(batch: Batch, written: str) -> Begun | str:
            begun = deeds.begin(batch, message, raw, now, exchange_id=exchange_id)
            if isinstance(begun, Begun):
                batch.tell(written, [named(event, begun.exchange_id) for event in events])
            return begun

        end = self._clock.monotonic() + ELSEWHERE_SECONDS
        while isinstance(begun := await self._write(Needs(keys=(key,)), begin), str):
            await self._elsewhere(begun, end)
        return begun

    async def _elsewhere(self, exchange_id: str, end: float) -> None:
        """Wait until nobody works on an exchange any more."""
        while await self._readers.value("is_worked_on", exchange_id):
            if self._clock.monotonic() >= end:
                raise UnknownOutcomeError("another gateway is working on this message")
            await asyncio.sleep(ELSEWHERE_PAUSE)

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
            Needs(exchanges=(exchange_id,)),
            lambda batch, now: deeds.answer(batch, exchange_id, answer, result, now, first=True),
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
            Needs(exchanges=(exchange_id,)),
            lambda batch, now: deeds.answer(batch, exchange_id, answer, result, now, first=False),
            events,
        )

    async def release_exchange(
        self, exchange_id: str, *, events: Sequence[AuditEvent] = ()
    ) -> None:
        """See `Journal.release_exchange`."""
        needs = Needs(exchanges=(exchange_id,))
        await self._write(needs, lambda batch, _: deeds.release(batch, exchange_id), events)

    async def record_send(self, send: Send, *, events: Sequence[AuditEvent] = ()) -> None:
        """See `Journal.record_send`."""
        needs = Needs(
            exchanges=(send.exchange_id,),
            msgids=(send.msgid,),
            held=(send.visit_key,),
            reversed=(send.reverses,),
        )
        await self._write(needs, lambda batch, now: deeds.record(batch, send, now), events)

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
            Needs(msgids=(msgid,), visits=(visit.key,) if visit else ()),
            lambda batch, now: deeds.settle(batch, msgid, outcome, visit, now),
            events,
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
        end = End(state, note, reply)
        return await self._write(
            Needs(msgids=(msgid,), reversed=(msgid,), visits=(visit.key,) if visit else ()),
            lambda batch, now: deeds.resolve(batch, msgid, end, visit, now),
            events,
        )

    async def recover(self) -> list[SendRow]:
        """See `Journal.recover`: the sends of this process and of those that are dead.

        What other processes with a licence have on its way stays on its way.
        """
        needs = Needs(abandoned=True, own=True)
        return await self._write(needs, lambda batch, now: deeds.recover(batch, now, own=True))

    async def put_visit(self, visit: VisitRow, *, events: Sequence[AuditEvent] = ()) -> VisitRow:
        """See `Journal.put_visit`."""
        needs = Needs(visits=(visit.key,))
        return await self._write(
            needs, lambda batch, now: deeds.put_visit(batch, visit, now), events
        )

    async def put_book(self, book: BookRow, *, events: Sequence[AuditEvent] = ()) -> BookRow:
        """See `Journal.put_book`."""
        needs = Needs(books=((book.kind, book.key),))
        return await self._write(needs, lambda batch, now: deeds.put_book(batch, book, now), events)

    async def next_serial(self, fixmedins_code: str, second: str) -> int:
        """See `Journal.next_serial`."""
        return await self._serials.next(fixmedins_code, second)

    async def _reserve(self, fixmedins_code: str, second: str, count: int) -> int:
        needs = Needs(serials=((fixmedins_code, second),))
        return await self._write(
            needs, lambda batch, _: deeds.reserve_serials(batch, fixmedins_code, second, count)
        )

    async def session_get(self, key: str) -> str | None:
        """See `Journal.session_get`."""
        value = await self._readers.value("session", key, self._now())
        return None if value is None else str(value)

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
        await self._write(
            Needs(), lambda batch, now: deeds.put_session(batch, key, value, until, now), events
        )

    async def session_take(self, key: str, value: str, expires: datetime | str) -> bool:
        """See `Journal.session_take`."""
        until = expires if isinstance(expires, str) else china_time(expires)
        return await self._write(
            Needs(sessions=(key,)),
            lambda batch, now: deeds.take_session(batch, key, value, until, now),
        )

    def health(self) -> Health:
        """See `Journal.health`: the connection that writes, and the licence to write."""
        writer, keeper = self._writer, self._keeper
        if writer is None or keeper is None:
            return Health(parts={"journal": True})
        parts = {"journal": writer.is_sound, "lease": keeper.holds and not writer.failure}
        return Health(parts=parts, failure=writer.failure)

    async def dump(self, sink: Sink, before: str = "") -> None:
        """See `Journal.dump`."""
        connection = await self._connect(server.LONG)
        try:
            with server.explained():
                await dump.write_rows(connection, sink.put, before)
        finally:
            connection.terminate()

    async def load(self, source: Source) -> None:
        """See `Journal.load`."""
        if self._writer is None:
            raise JournalError("the journal is open for reading only")
        connection = await self._connect(server.LONG)
        try:
            with server.explained():
                await dump.load_rows(connection, source.whole())
        finally:
            connection.terminate()

    async def trim(self, exchange_ids: Sequence[str], *, events: Sequence[AuditEvent] = ()) -> None:
        """See `Journal.trim`."""
        rows = [(exchange_id,) for exchange_id in exchange_ids]
        await self._write(Needs(), lambda batch, _: batch.trimmed.extend(rows), events)

    async def close(self) -> None:
        """See `Journal.close`."""
        if self._keeper is not None:
            await self._keeper.stop()
            self._keeper = None
        if self._writer is not None:
            await self._writer.close()
        await self._readers.close()


async def _as_it_is(_: object) -> None:
    """What is done to a connection after a read: nothing, for a read leaves nothing behind."""
