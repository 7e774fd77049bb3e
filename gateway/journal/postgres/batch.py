"""What one batch of writes knows and changes.

A batch has the database to itself (`begin_batch` waits for every other one). It reads at once all
that its writes ask for (`load`), lets each write decide in memory, one after the other, and writes
what they decided as whole sets of rows (`flush`). A write that is refused must not have changed
anything: each decides first and changes last.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import asyncpg
import msgspec

from gateway.errors import JournalError
from gateway.journal.audit import chained
from gateway.journal.queries import POSTGRES
from gateway.journal.records import AuditEvent, Send, SendRow
from gateway.journal.states import SendState, Stage

Key = tuple[str, str, str]
"""Protocol, sender and control id of a message."""


class Needs(NamedTuple):
    """What a write asks for; a batch loads what all of its writes ask for."""

    keys: tuple[Key, ...] = ()
    exchanges: tuple[str, ...] = ()
    msgids: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    """Visits whose open money send is looked for."""
    reversed: tuple[str, ...] = ()
    """Sends whose open reversal is looked for, and which exchange they stand in."""
    visits: tuple[str, ...] = ()
    serials: tuple[tuple[str, str], ...] = ()
    """Institution and second."""
    books: tuple[tuple[str, str], ...] = ()
    """Kind and key."""
    sessions: tuple[str, ...] = ()
    abandoned: bool = False
    """Sends that nobody waits for any more."""
    own: bool = False
    """With `abandoned`: also those of this instance."""

    def check(self) -> None:
        """Refuse what could not even be asked for."""
        texts = (*self.exchanges, *self.msgids, *self.held, *self.reversed, *self.visits)
        check_text(*texts, *self.sessions, *itertools.chain(*self.keys, *self.serials, *self.books))


class Fenced(Exception):  # noqa: N818 - not an error of ours: the writer makes one of it
    """This process may not write any more."""


@dataclass(slots=True)
class KnownExchange:
    """An exchange as far as a write needs it; all but the stage only where asked for by key."""

    exchange_id: str
    stage: Stage
    fingerprint: str = ""
    owner: str = ""
    alive: bool = False
    context: bytes = b""
    answer: bytes | None = None


@dataclass(slots=True)
class NewSend:
    """A send that the batch stores, with what became of it within the batch."""

    send: Send
    owner: str
    created_at: str
    state: SendState = SendState.SENDING
    note: str = ""
    infcode: str = ""
    inf_refmsgid: str = ""
    updated_at: str = ""

    def row(self) -> tuple[Any, ...]:
        """The columns of `insert_sends`."""
        one = self.send
        return (
            *(one.msgid, one.exchange_id, one.infno, one.visit_key, one.fixmedins_code),
            *(one.insuplc_admdvs, one.pooling_region, one.channel, one.digest, one.money),
            *(one.psn_no, one.reverses, self.owner, self.state.value, self.note),
            *(self.infcode, self.inf_refmsgid, self.created_at, self.updated_at),
        )


@dataclass(slots=True)
class Batch:
    """The facts of a batch and its changes; see the module."""

    instance: str
    transaction: str = ""
    seq: int = 0
    hash: str = ""
    by_key: dict[Key, KnownExchange] = field(default_factory=dict)
    exchanges: dict[str, KnownExchange] = field(default_factory=dict)
    sends: dict[str, SendState] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    reversed: dict[str, str] = field(default_factory=dict)
    undone: dict[str, str] = field(default_factory=dict)
    """Sends -> the reversal of it that was accepted or confirmed."""
    originals: dict[str, str] = field(default_factory=dict)
    """The exchange of what is reversed."""
    visits: dict[str, int] = field(default_factory=dict)
    serials: dict[tuple[str, str], int] = field(default_factory=dict)
    books: dict[tuple[str, str], int] = field(default_factory=dict)
    sessions_until: dict[str, str] = field(default_factory=dict)
    """When what is kept of a session key ends."""
    abandoned: list[SendRow] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    """Those of the abandoned sends that are this instance's."""

    new_exchanges: list[tuple[Any, ...]] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    answers: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    new_sends: dict[str, NewSend] = field(default_factory=dict)
    changed_sends: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    replies: dict[str, bytes] = field(default_factory=dict)
    put_visits: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    put_serials: dict[tuple[str, str], int] = field(default_factory=dict)
    put_books: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    sessions: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    over: str = ""
    """Time before which sessions that expired go; empty keeps all."""
    resources: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    tokens: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    trimmed: list[tuple[str]] = field(default_factory=list)
    """Exchanges that lose what is large."""
    events: list[tuple[str, AuditEvent]] = field(default_factory=list)
    lease: float = 0.0
    """Seconds from now until which the licence is to last; 0 leaves it."""

    @classmethod
    async def load(
        cls, db: asyncpg.Connection, instance: str, schema: int, needs: Sequence[Needs]
    ) -> Self:
        """What the writes ask for.

        Raises:
            Fenced: another process took the licence, or the schema is not ours any more.
        """
        batch = cls(instance)
        every = _together(needs)
        if every.keys:
            await batch._load_keys(db, every.keys)
        await batch._load_facts(db, schema, every)
        if every.abandoned:
            await db.execute(POSTGRES["shorten"], instance)
            await db.fetch(POSTGRES["reap"], instance)
            for record in await db.fetch(POSTGRES["abandoned_sends"], instance, every.own):
                row = send_row(record)
                batch.abandoned.append(row)
                if record["owner"] == instance:
                    batch.own.add(row.msgid)
                batch.sends.setdefault(row.msgid, row.state)
        return batch

    async def _load_keys(self, db: asyncpg.Connection, keys: Sequence[Key]) -> None:
        for row in await db.fetch(POSTGRES["exchanges_by_key"], *_columns(keys)):
            protocol, sender, control_id, exchange_id, stage, *rest = row
            fingerprint, owner, context, answer, alive = rest
            known = KnownExchange(
                exchange_id, Stage(stage), fingerprint, owner, alive, context, answer
            )
            self.by_key[protocol, sender, control_id] = known
            self.exchanges[exchange_id] = known

    async def _load_facts(self, db: asyncpg.Connection, schema: int, every: Needs) -> None:
        rows = await db.fetch(
            POSTGRES["facts"],
            *(self.instance, every.exchanges, every.msgids, every.held, every.reversed),
            *(every.visits, *_columns(every.serials, 2), *_columns(every.books, 2)),
            every.sessions,
        )
        always: dict[str, tuple[str, str]] = {}
        for kind, key, value in rows:
            if kind == "exchange":
                self.exchanges.setdefault(key, KnownExchange(key, Stage(value)))
            elif kind == "send":
                self.sends[key] = SendState(value)
            elif kind == "held":
                self.held[key] = value
            elif kind == "reversed":
                self.reversed[key] = value
            elif kind == "undone":
                self.undone[key] = value
            elif kind == "original":
                self.originals[key] = value
            elif kind == "visit":
                self.visits[key] = int(value)
            elif kind == "serial":
                institution, _, second = key.partition("\n")
                self.serials[institution, second] = int(value)
            elif kind == "book":
                name, _, book = key.partition("\n")
                self.books[name, book] = int(value)
            elif kind == "session":
                self.sessions_until[key] = value
            else:
                always[kind] = (key, value)
        self.transaction = always["transaction"][0]
        if int(always["schema"][0]) != schema:
            raise Fenced("its schema was changed by another version: start this one anew")
        if "licence" not in always:
            raise Fenced("another gateway took over the work of this one: start it anew")
        if "head" not in always:
            raise JournalError("the record of the last row of the audit is missing")
        self.hash, seq = always["head"]
        self.seq = int(seq)

    def tell(self, now: str, events: Iterable[AuditEvent]) -> None:
        """Append events to the audit."""
        self.events.extend((now, event) for event in events)

    def change_send(
        self,
        msgid: str,
        state: SendState,
        note: str,
        now: str,
        reply: tuple[str, str] | None = None,
    ) -> None:
        """Give a send its state; `reply` is infcode and inf_refmsgid, None keeps what is there."""
        self.sends[msgid] = state
        for open_ in (self.held, self.reversed):
            for key in [key for key, holder in open_.items() if holder == msgid]:
                if state not in (SendState.SENDING, SendState.UNKNOWN):
                    del open_[key]
                if open_ is self.reversed and state in (SendState.ACCEPTED, SendState.CONFIRMED):
                    self.undone[key] = msgid
        new = self.new_sends.get(msgid)
        if new is None:
            infcode, inf_refmsgid = reply or self.changed_sends.get(msgid, (None,) * 5)[2:4]
            self.changed_sends[msgid] = (state.value, note, infcode, inf_refmsgid, now)
            return
        new.state, new.note, new.updated_at = state, note, now
        if reply is not None:
            new.infcode, new.inf_refmsgid = reply

    async def flush(self, db: asyncpg.Connection) -> None:
        """Write every change; the caller commits."""
        for query, rows in (
            ("insert_exchanges", self.new_exchanges),
            ("own_exchanges", list(self.owners.items())),
            ("answer_exchanges", _with_keys(self.answers)),
            # Changes first: what they free may be taken by what is inserted.
            ("update_sends", _with_keys(self.changed_sends)),
            ("insert_sends", [send.row() for send in self.new_sends.values()]),
            ("insert_replies", list(self.replies.items())),
            ("put_visits", _with_keys(self.put_visits)),
            ("put_books", [(*key, *rest) for key, rest in self.put_books.items()]),
            ("put_serials", [(*key, last) for key, last in self.put_serials.items()]),
            ("drop_sessions", [(self.over,)] if self.over else []),
            ("put_sessions", _with_keys(self.sessions)),
            ("delete_resources", list(self.resources)),
            ("insert_resources", [(*key, *rest) for key, rest in self.resources.items()]),
            ("insert_tokens", [(*key, *one) for key, all_ in self.tokens.items() for one in all_]),
            ("trim_messages", self.trimmed),
            ("trim_answers", self.trimmed),
            ("trim_replies", self.trimmed),
        ):
            if rows:
                await db.execute(POSTGRES[query], *_columns(rows))
        if self.lease:
            await db.execute(POSTGRES["renew"], self.instance, self.lease)
        if self.events:
            await self._append_audit(db)

    async def _append_audit(self, db: asyncpg.Connection) -> None:
        links = []
        for now, event in self.events:
            self.seq += 1
            links.append(chained(self.seq, self.hash, now, event))
            self.hash = links[-1].hash
        await db.execute(POSTGRES["append_audit"], *_columns(links), self.seq, self.hash)


def send_row(record: asyncpg.Record) -> SendRow:
    """A stored send."""
    values = dict(record)
    values["exchange_id"] = values["exchange_id"] or ""
    return msgspec.convert(values, SendRow, strict=False)


def check_text(*texts: str) -> None:
    """Refuse text that PostgreSQL cannot store, before it stands among the writes of others.

    Raises:
        UnicodeEncodeError: a lone surrogate.
        JournalError: a NUL character.
    """
    for text in texts:
        text.encode()
        if "\0" in text:
            raise JournalError("text with a NUL character cannot be stored in PostgreSQL")


def _together(needs: Sequence[Needs]) -> Needs:
    """What any of the writes asks for, each once."""

    def every(name: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(itertools.chain(*(getattr(one, name) for one in needs))))

    return Needs(
        keys=every("keys"),
        exchanges=every("exchanges"),
        msgids=every("msgids"),
        held=every("held"),
        reversed=every("reversed"),
        visits=every("visits"),
        serials=every("serials"),
        books=every("books"),
        sessions=every("sessions"),
        abandoned=any(one.abandoned for one in needs),
        own=any(one.own for one in needs),
    )


def _columns(rows: Sequence[Sequence[Any]], width: int = 0) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _with_keys(rows: dict[str, tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(key, *values) for key, values in rows.items()]
