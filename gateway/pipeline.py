"""The ten stations in order: the only place that knows the way of a message.

receive → read → understand → plan → code → check → route → record → send → answer

`accept` ends when the message is durable, `work` when it is answered. Between the two nothing is
lost: an exchange without an answer is taken up again when the same message comes, and what a
crash leaves behind is "not sent" or a recorded send of unknown outcome, never a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from gateway.auditing import answered, arrived
from gateway.clock import Clock, stamp
from gateway.errors import (
    DuplicateError,
    GatewayError,
    JournalError,
    MessageError,
    NotSentError,
    Problem,
    UnknownOutcomeError,
)
from gateway.intents import Answer, Intent, Message, Result, Status, Verb
from gateway.journal import AuditEvent, ExchangeRow, Journal, SendState
from gateway.settings import PeerSettings
from gateway.settlement import reporting
from gateway.settlement.carrying import Carrier
from gateway.settlement.conducting import Conductor
from gateway.settlement.explaining import Explainer, Explanation
from gateway.settlement.plans import is_repeatable
from gateway.telemetry import StationLine


class Adapter(Protocol):
    """Speaks one protocol: to the pipeline it is the sender's language."""

    @property
    def protocol(self) -> str:
        """`hl7v2`, `fhir` or `fsi`."""
        ...

    async def read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        """Station 2; raises `MessageError`."""
        ...

    async def understand(
        self, message: Message, peer: PeerSettings
    ) -> tuple[Intent, list[Problem]]:
        """Station 3; raises `MessageError`."""
        ...

    def answer(self, message_kind: str, context: dict[str, Any], result: Result) -> Answer:
        """Station 10: the same context and result give the same answer, now or later."""
        ...

    def refuse(
        self,
        raw: bytes,
        meta: Mapping[str, str],
        error: Exception,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """The answer to what cannot be carried out, read or not."""
        ...

    def redact(self, raw: bytes) -> bytes:
        """The bytes to keep: without an e-voucher token."""
        ...

    def owns(self, context: Mapping[str, Any]) -> bool:
        """True when the sender was told that we have the message, and waits for its answer."""
        ...

    def meta(self, context: Mapping[str, Any]) -> Mapping[str, str]:
        """What `read` was told of a kept message besides its bytes."""
        ...


class Watcher(Protocol):
    """Is told what passes, for log lines and metrics; is given no patient data."""

    def station(self, name: str, **fields: Any) -> AbstractContextManager[StationLine]:
        """A passage of a station."""
        ...

    def exchange(self, exchange_id: str, message: Message) -> AbstractContextManager[None]:
        """The work on one message."""
        ...

    def refused(self, protocol: str, peer: str, error: GatewayError) -> None:
        """A message was refused before it had an exchange."""
        ...

    def accepted(self, exchange_id: str, message: Message, kind: str) -> None:
        """A message is durable; `kind` is new, resume, replay or running."""
        ...

    def answered(self, message: Message, result: Result, seconds: float) -> None:
        """A message has its answer."""
        ...

    def failed(self, error: Exception) -> None:
        """Something of ours broke."""
        ...


Deliver = Callable[[str, PeerSettings, Answer], Awaitable[None]]
"""Takes an answer to a sender that is not connected any more: protocol, peer, answer."""

Tell = Callable[[ExchangeRow, Answer], Awaitable[None]]
"""Takes the answer that comes in place of an unknown outcome, before it is stored."""

TAKE_UP_PAGE = 1_000


class Received(msgspec.Struct, kw_only=True):
    """A message that is durable, or the answer to one that is not carried out."""

    protocol: str
    peer: PeerSettings
    exchange_id: str = ""
    message: Message | None = None
    answer: Answer | None = None
    proof: str = ""
    """How the sender proved who it is: `token`, `access-token`, `certificate`, `application`."""
    kind: str = ""
    """What the journal knew: `new`, `resume`, `running` (a copy is being worked on), `replay`."""


class Pipeline:
    """Takes messages of every protocol the whole way."""

    def __init__(
        self,
        *,
        adapters: Mapping[str, Adapter],
        journal: Journal,
        conductor: Conductor,
        carrier: Carrier,
        clock: Clock,
        watcher: Watcher,
        max_in_flight: int,
    ) -> None:
        self._adapters = adapters
        self._journal = journal
        self._conductor = conductor
        self._carrier = carrier
        self._clock = clock
        self._watcher = watcher
        self._max_in_flight = max_in_flight
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._left_alone: set[str] = set()
        """Exchanges of dead processes that are not ours to take up."""
        self._begun_by_copy: set[str] = set()
        """Exchanges whose second copy came to `work` before the first, as it can happen when an
        accept acknowledgement is written between `accept` and `work`."""

    @property
    def in_flight(self) -> int:
        """Messages being worked on."""
        return len(self._running)

    async def handle(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Answer:
        """Accept and work."""
        return await self.work(await self.accept(protocol, raw, peer, meta))

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Received:
        """Read a message and make it durable.

        `answer` is set when it is refused, or was answered before.
        """
        adapter = self._adapters[protocol]
        received = Received(protocol=protocol, peer=peer, proof=meta.get("proof", ""))
        message: Message | None = None
        try:
            if self.in_flight >= self._max_in_flight:
                raise NotSentError("the gateway is busy", retry_after=1)
            with self._watcher.station("read", protocol=protocol, bytes=len(raw)):
                message = await adapter.read(raw, peer, meta)
            with self._watcher.station("receive", protocol=protocol, kind=message.kind):
                stored = adapter.redact(raw)
                begun = await self._journal.begin_exchange(
                    message,
                    stored,
                    stamp(self._clock.now()),
                    events=[arrived(message, stored, received.proof)],
                )
            if begun.kind == "conflict":
                raise DuplicateError([reporting.conflict(message)])
        except (MessageError, NotSentError) as error:
            self._watcher.refused(protocol, peer.name, error)
            received.answer = adapter.refuse(raw, meta, error, message.context if message else None)
            return received
        except GatewayError as error:
            self._watcher.failed(error)
            received.answer = adapter.refuse(raw, meta, error, message.context if message else None)
            return received
        received.exchange_id = begun.exchange_id
        received.message = message
        received.kind = begun.kind
        received.answer = begun.answer if begun.kind == "replay" else None
        self._watcher.accepted(begun.exchange_id, message, begun.kind)
        return received

    async def work(self, received: Received) -> Answer:
        """Carry an accepted message out and answer it.

        A second copy of a message waits for the first. A caller that goes away does not stop
        the work: what was begun is finished and stored.
        """
        if received.answer is not None:
            return received.answer
        exchange_id = received.exchange_id
        task = self._running.get(exchange_id)
        if task is None and (received.kind == "running" or exchange_id in self._begun_by_copy):
            stored = await self._journal.stored_answer(exchange_id)
            task = self._running.get(exchange_id)
            if stored is not None and task is None:
                self._begun_by_copy.discard(exchange_id)
                return stored
        if task is None:
            if received.kind == "running":
                self._begun_by_copy.add(exchange_id)
            task = asyncio.create_task(self._work(received))
            self._running[exchange_id] = task
            task.add_done_callback(lambda _: self._running.pop(exchange_id, None))
        return await asyncio.shield(task)

    def uncoded(self, intent: Intent, peer: PeerSettings) -> list[Problem]:
        """The codes of an intent that have no national one; nothing is sent or stored.

        Raises:
            InvalidError: the institution is not the peer's.
        """
        return self._conductor.uncoded(intent, peer)

    async def drain(self) -> None:
        """Wait for everything that is being worked on."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def _work(self, received: Received) -> Answer:
        message, adapter = received.message, self._adapters[received.protocol]
        assert message is not None
        with self._watcher.exchange(received.exchange_id, message):
            began = self._clock.monotonic()
            result = await self._carry_out(received, message, adapter)
            with self._watcher.station("answer", outcome=result.status.value):
                answer = self._worded(message, adapter, result)
                await self._store(received, answer, result)
            self._watcher.answered(message, result, self._clock.monotonic() - began)
        return answer

    def _worded(self, message: Message, adapter: Adapter, result: Result) -> Answer:
        """Station 10: the answer in the sender's language."""
        try:
            answer = adapter.answer(message.kind, message.context, result)
        except Exception as error:  # noqa: BLE001 - whatever broke, the sender gets an answer
            self._watcher.failed(error)
            told = UnknownOutcomeError() if result.calls else error
            answer = adapter.refuse(b"", {}, told, message.context)
        answer.final = result.status is not Status.UNKNOWN
        answer.outcome = result.status
        return answer

    async def _store(self, received: Received, answer: Answer, result: Result) -> None:
        """Keep the answer; a message of which nothing was sent may come again and is tried again.

        Where this fails the answer is still true, and goes out: the sends are on record, and the
        same message again finds what they did.
        """
        exchange_id = received.exchange_id
        event = answered(exchange_id, result, peer=received.peer.name, proof=received.proof)
        try:
            if reporting.may_come_again(result):
                await self._journal.release_exchange(exchange_id, events=[event])
            else:
                await self._journal.finish_exchange(exchange_id, answer, result, events=[event])
        except GatewayError as error:
            self._watcher.failed(error)

    async def take_up(self, peers: Mapping[str, PeerSettings], deliver: Deliver) -> int:
        """Finish what an earlier process had told its senders it has (A-005); how many there were.

        To be called again and again, beside open ports: another gateway of the same journal may
        die at any time. A message whose sender still waits for a first word is left: the sender
        will come again, or has gone elsewhere.
        """
        count = 0
        for row in await self._journal.abandoned(TAKE_UP_PAGE + len(self._left_alone)):
            if row.exchange_id in self._left_alone:
                continue
            adapter, peer = self._adapters.get(row.protocol), peers.get(row.peer)
            context = await self._journal.context(row.exchange_id)
            if adapter is None or peer is None or not adapter.owns(context):
                self._left_alone.add(row.exchange_id)
                continue
            raw = await self._journal.raw(row.exchange_id)
            if raw is None:
                continue
            count += 1
            answer = await self.work(
                await self.accept(row.protocol, raw, peer, adapter.meta(context))
            )
            await deliver(row.protocol, peer, answer)
        return count

    async def _carry_out(self, received: Received, message: Message, adapter: Adapter) -> Result:
        """Stations 3 to 9; whatever happens there becomes a result."""
        intent = Intent(verb=Verb.IGNORE)
        try:
            with self._watcher.station("understand"):
                intent, problems = await adapter.understand(message, received.peer)
            _number_unnumbered(intent, message)
            if any(problem.stops for problem in problems):
                return Result(status=Status.INVALID, intent=intent, problems=problems)
            if intent.verb is Verb.CARRY:
                return await self._carrier.carry(intent, received.peer, received.exchange_id)
            result = await self._conductor.conduct(intent, received.peer, received.exchange_id)
        except MessageError as error:
            return Result(status=Status.INVALID, intent=intent, problems=list(error.problems))
        except Exception as error:  # noqa: BLE001 - whatever broke, the sender gets an answer
            self._watcher.failed(error)
            return Result(
                status=await self._after_failure(received.exchange_id, error),
                intent=intent,
                problems=[reporting.internal(error)],
            )
        result.problems = [*problems, *result.problems]
        return result

    async def _after_failure(self, exchange_id: str, error: Exception) -> Status:
        """Something of ours broke: unknown as soon as one send of the message may have worked.

        Where nothing did, and only the journal failed, the sender may try again.
        """
        try:
            sends = await self._journal.sends(exchange_id=exchange_id)
        except GatewayError:
            return Status.UNKNOWN
        without = (SendState.REJECTED, SendState.NOT_SENT)
        if any(not is_repeatable(s.infno) and s.state not in without for s in sends):
            return Status.UNKNOWN
        return Status.NOT_SENT if isinstance(error, JournalError) else Status.INVALID

    async def replace(
        self, exchange_id: str, result: Result, note: str, *, tell: Tell | None = None
    ) -> None:
        """Answer an exchange anew after its unknown outcome was resolved; `tell` is told first."""
        row = await self._journal.exchange(exchange_id)
        if row is None or row.final:
            return
        adapter = self._adapters[row.protocol]
        context = await self._journal.context(exchange_id)
        answer = adapter.answer(row.kind, context, result)
        answer.final = result.status is not Status.UNKNOWN
        answer.outcome = result.status
        if tell is not None:
            await tell(row, answer)
        event = AuditEvent(exchange_id, "resolve", {"status": result.status.value, "note": note})
        await self._journal.replace_answer(exchange_id, answer, result, events=[event])


async def explain(
    adapter: Adapter, explainer: Explainer, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
) -> Explanation:
    """What would be sent, field by field; nothing is stored or sent.

    Raises:
        MessageError: the message cannot be read.
    """
    message = await adapter.read(raw, peer, meta)
    intent, problems = await adapter.understand(message, peer)
    _number_unnumbered(intent, message)
    explanation = explainer.explain(intent, peer)
    explanation.kind = message.kind
    explanation.problems = [*problems, *explanation.problems]
    return explanation


def _number_unnumbered(intent: Intent, message: Message) -> None:
    """A line that the sender did not number is known by its message and position."""
    for index, charge in enumerate(intent.charges):
        if not charge.has("feedetl_sn"):
            charge.values["feedetl_key"] = f"{message.sender}|{message.control_id}|{index}"
