"""The journal as every implementation offers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, Self

from gateway.intents import Answer, Message, Outcome, Reply, Resource, Result
from gateway.journal.archive import Sink, Source
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


class Journal(Protocol):
    """What happened and what is owed.

    A write is durable when it returns; `events` reach the audit in the same database transaction.
    Waiting for a write may be cancelled; the write itself is not withdrawn by that.

    Every method raises `JournalError` when the store fails. After a commit of which it is not
    known whether it took effect, every further write is refused until the journal was opened
    anew. A write that is refused for its content (`StateError`) changes nothing and appends no
    event.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def begin_exchange(
        self, message: Message, raw: bytes, now: str, *, events: Sequence[AuditEvent] = ()
    ) -> Begun:
        """Store a message that arrived, or say what is known of it.

        The key is protocol, sender and control id; it never expires. `raw` must have no e-voucher
        token. `now` is when the message arrived. An event without exchange id gets the one of
        this exchange.
        """
        ...

    async def finish_exchange(
        self,
        exchange_id: str,
        answer: Answer,
        result: Result | None,
        *,
        events: Sequence[AuditEvent] = (),
    ) -> None:
        """Store the first answer, its resources and the result.

        The result is stored without sources and without e-voucher token, the answer without its
        resources, which are read by `resource` and `search_resources`.

        Raises:
            StateError: there is no such exchange, or it was answered.
        """
        ...

    async def replace_answer(
        self,
        exchange_id: str,
        answer: Answer,
        result: Result | None,
        *,
        events: Sequence[AuditEvent] = (),
    ) -> None:
        """Store the answer after an unknown outcome was resolved.

        Raises:
            StateError: there is no such exchange, or its answer is final.
        """
        ...

    async def release_exchange(
        self, exchange_id: str, *, events: Sequence[AuditEvent] = ()
    ) -> None:
        """Leave an exchange without answer: the same message again gets `resume`.

        For a message of which provably nothing was sent, so that its sender may try again.

        Raises:
            StateError: there is no such exchange, or it was answered.
        """
        ...

    async def exchange(self, exchange_id: str) -> ExchangeRow | None:
        """The exchange of this id."""
        ...

    async def exchanges(
        self, limit: int = 100, before: str = "", status: str = ""
    ) -> list[ExchangeRow]:
        """Exchanges, newest first, older than the exchange `before`."""
        ...

    async def abandoned(self, limit: int = 1000) -> list[ExchangeRow]:
        """Unanswered exchanges of processes that are gone, oldest first.

        Their messages get `resume` when they come again. Released ones are not among them.
        """
        ...

    async def stored_answer(self, exchange_id: str) -> Answer | None:
        """The answer of an exchange as it stands now."""
        ...

    async def stored_result(self, exchange_id: str) -> Result | None:
        """The result of an exchange as it stands now; its numbers are `Decimal` or `int`."""
        ...

    async def raw(self, exchange_id: str) -> bytes | None:
        """The bytes of the message."""
        ...

    async def context(self, exchange_id: str) -> dict[str, Any]:
        """What the adapter needs to write the answer; empty for an unknown exchange."""
        ...

    async def record_send(self, send: Send, *, events: Sequence[AuditEvent] = ()) -> None:
        """Store the intent to send; durable before the first byte leaves.

        Raises:
            StateError: the msgid was used, the exchange does not exist, a money send has no
                visit, or the rule of one open money send a visit forbids it; or it is the
                gateway's own 2601 of what is not unknown any more.
        """
        ...

    async def record_outcome(
        self,
        msgid: str,
        outcome: Outcome,
        *,
        visit: VisitRow | None = None,
        events: Sequence[AuditEvent] = (),
    ) -> VisitRow | None:
        """Store what became of a send, and the visit as it is now; returns the visit as stored.

        Raises:
            StateError: the table has no such transition, or the visit was changed meanwhile.
        """
        ...

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
        """End an unknown outcome: `accepted`, `rejected`, `reversed`, `confirmed` or `manual`.

        `reply` is the platform's, where it came late. `unknown` gives it another note.

        Raises:
            StateError: the send is not unknown, it is being reversed by a 2601 on its way, or
                the visit was changed meanwhile.
        """
        ...

    async def recover(self) -> list[SendRow]:
        """At start: every send found `sending` becomes `unknown`; returns those."""
        ...

    async def send(self, msgid: str) -> SendRow | None:
        """The send of this msgid."""
        ...

    async def sends(
        self, *, state: str = "", visit_key: str = "", exchange_id: str = "", limit: int = 1000
    ) -> list[SendRow]:
        """Sends that fit every criterion given, oldest first."""
        ...

    async def reply(self, msgid: str) -> Reply | None:
        """The platform's reply to a send; its numbers are `Decimal` or `int`."""
        ...

    async def visit(self, key: str) -> VisitRow | None:
        """The visit of this key."""
        ...

    async def visits(
        self, *, state: str = "", after: str = "", limit: int = 1000
    ) -> list[VisitRow]:
        """Visits in the order of their keys, from the one behind `after`."""
        ...

    async def put_visit(self, visit: VisitRow, *, events: Sequence[AuditEvent] = ()) -> VisitRow:
        """Store a visit that changed without a send; returns it as stored.

        Raises:
            StateError: the visit was changed meanwhile.
        """
        ...

    async def money_sends(self, begin: str, end: str, infno: str = "") -> list[SendRow]:
        """Money transactions recorded from `begin` to before `end`, oldest first.

        Both are times or their beginnings (`2026-03-02`); `infno` keeps those of one number.
        """
        ...

    async def book(self, kind: str, key: str) -> BookRow | None:
        """The book of this key."""
        ...

    async def books(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[BookRow]:
        """Books in the order of their keys, of those that begin with `prefix`."""
        ...

    async def put_book(self, book: BookRow, *, events: Sequence[AuditEvent] = ()) -> BookRow:
        """Store a book; returns it as stored.

        Raises:
            StateError: the book was changed meanwhile.
        """
        ...

    async def next_serial(self, fixmedins_code: str, second: str) -> int:
        """A number from 0 to 9999, given once for an institution and a second, restarts included.

        Numbers are reserved in blocks; those of a block that are not used are left out.

        Raises:
            NotSentError: the ten thousand numbers of this second are used up.
        """
        ...

    async def session_get(self, key: str) -> str | None:
        """What is kept under a key (a sign-in number, a job), unless it expired."""
        ...

    async def session_put(
        self,
        key: str,
        value: str,
        expires: datetime | str,
        *,
        events: Sequence[AuditEvent] = (),
    ) -> None:
        """Keep a short text until `expires` (aware time, or text in China Standard Time)."""
        ...

    async def session_take(self, key: str, value: str, expires: datetime | str) -> bool:
        """Keep a value like `session_put`, only if the key has none: True for who came first.

        Of all processes of a journal that ask for the same key, one is told True until `expires`.
        """
        ...

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - FHIR's words
        """The resource as last answered."""
        ...

    async def search_resources(
        self,
        type: str,  # noqa: A002 - FHIR's word
        params: Mapping[str, Sequence[str]],
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[int, list[Resource]]:
        """How many resources fit, and one page of them, last changed first.

        A resource fits when it has, for every parameter, one of its tokens. `_id` is always a
        parameter. No parameters fit every resource of the type.
        """
        ...

    async def changes(
        self,
        type: str,  # noqa: A002 - FHIR's word
        after: int,
        limit: int = 100,
    ) -> list[tuple[int, Resource]]:
        """Resources of a type that were stored behind `after`, each with its place in that order.

        A resource that was stored again stands where it was stored last. Places grow, over every
        process of the journal: what is stored later never comes to stand before what was seen.
        """
        ...

    async def audit_trail(self, exchange_id: str) -> list[AuditRow]:
        """The audit of one exchange, in order."""
        ...

    async def audit_rows(self, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """Rows of the audit in order, from the one behind number `after`."""
        ...

    async def audit_found(self, search: AuditSearch) -> tuple[int, list[AuditRow]]:
        """How many rows of the audit fit, and one page of them, last first."""
        ...

    async def audit_head(self) -> AuditHead:
        """The last row of the audit, as recorded; number 0 while there is none."""
        ...

    async def audit_verify(self, heads: Sequence[AuditHead] = ()) -> AuditReport:
        """Check the whole hash chain and say which rows are not what was written.

        `heads` were written down elsewhere, at earlier times: their rows have to be there, with
        their hashes.
        """
        ...

    async def stats(self) -> Stats:
        """Counts for operators."""
        ...

    def health(self) -> Health:
        """What is known of the store at this moment; asks nobody."""
        ...

    async def dump(self, sink: Sink, before: str = "") -> None:
        """Give the whole journal, as it is at one moment, to a file.

        With `before` (`yyyy-MM-dd`) only the exchanges that arrived before that day, have their
        final answer and no send whose outcome is still to come, with their sends.
        """
        ...

    async def load(self, source: Source) -> None:
        """Store a whole journal from a file; the audit continues it.

        Raises:
            StateError: this journal is not empty.
        """
        ...

    async def trim(self, exchange_ids: Sequence[str], *, events: Sequence[AuditEvent] = ()) -> None:
        """Remove the message bytes, the results and the platform's replies of exchanges.

        For what is over and kept elsewhere; an exchange without a final answer is left as it is.
        Keys, fingerprints, answers, sends, visits, serials and the audit always stay: the same
        message again gets the same answer for ever.
        """
        ...

    async def close(self) -> None:
        """Finish the writes that wait, then close; a second call does nothing."""
        ...
