"""One message on the HL7 v2 port: who sends it, CA once it is durable, then its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from gateway.errors import (
    InvalidError,
    MessageError,
    Problem,
    ProblemCode,
    ProblemKind,
    UnsupportedError,
)
from gateway.hl7v2.acks import is_accept_acknowledgement
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.batch import batch_meta, is_batch, read_batch
from gateway.hl7v2.beside import beside
from gateway.hl7v2.header import Header, Mode, lenient_header
from gateway.inbound.hl7_deliveries import Deliveries
from gateway.inbound.hl7_forms import Form, form_of, to_er7, written
from gateway.inbound.hl7_limits import LimitError, Seat
from gateway.inbound.peers import PeerDirectory, needs_certificate
from gateway.inbound.tls import Presented
from gateway.intents import Answer, Message, Status
from gateway.settings import Encoding, PeerSettings, ReplyMode
from gateway.telemetry import get_logger

PROTOCOL = "hl7v2"

Write = Callable[[bytes], Awaitable[None]]
"""Writes one message to the connection that is served; OSError when it is gone."""
Commit = Callable[[bool], Awaitable[None]]
"""Release 2: tells the sender that the message is stored, or that storing failed."""


class Line(NamedTuple):
    """The connection that a message came over: how it is answered, and whose it is."""

    remote: str
    write: Write
    commit: Commit | None = None
    seat: Seat | None = None
    """Counts the connection among those of its peer."""
    certificate: Presented | None = None
    """What the client of the connection has shown."""
    form: Form = Form.ER7
    """What the message was written in, and its answers are."""

    async def committed(self, *, stored: bool = True) -> None:
        """Tell the sender in release 2 that the message is stored, or that storing failed."""
        if self.commit is not None:
            await self.commit(stored)


class MLLPEvent(StrEnum):
    """What the port counts."""

    CONNECTED = "connected"
    REFUSED = "refused"
    """A connection above the limit of the port, or of its peer."""
    CLOSED = "closed"
    MESSAGE = "message"
    EMPTY_FRAME = "empty-frame"
    GARBAGE = "garbage"
    ABANDONED = "abandoned"
    OVERSIZE = "oversize"
    FRAME_TIMEOUT = "frame-timeout"
    IDLE_TIMEOUT = "idle-timeout"
    UNKNOWN_PEER = "unknown-peer"
    ACKNOWLEDGEMENT = "acknowledgement"
    """A message that acknowledges one of ours; it gets no reply."""
    BATCH = "batch"
    """A batch; each of its messages is counted beside."""
    LATE_COMMIT = "late-commit"
    """A commit acknowledgement (release 2) that nothing waits for."""
    REPLY_LOST = "reply-lost"
    """An answer that its connection did not take; it stays stored."""
    INTERNAL = "internal"


class Received(Protocol):
    """What the pipeline gives for a message it has taken; `answer` when that is all."""

    @property
    def message(self) -> Message | None:
        """The message, where it could be read."""
        ...  # pragma: no cover - the body of a protocol never runs

    @property
    def answer(self) -> Answer | None:
        """The answer of a message that was refused or is repeated."""
        ...  # pragma: no cover - the body of a protocol never runs


class Taken(NamedTuple):
    """What came of a message in front of the pipeline, or of the fragments of one.

    `received` is what the pipeline gave for the whole, `accepted` the accept acknowledgement of the
    last fragment, which has a control id of its own, `limit` the bound that kept the message out.
    """

    received: Any = None
    accepted: bytes = b""
    answer: Answer | None = None
    message: Message | None = None
    limit: LimitError | None = None


R = TypeVar("R", bound=Received)


class Pipeline(Protocol[R]):
    """The two halves of the pipeline that the port needs."""

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> R:
        """Read a message and make it durable."""
        ...  # pragma: no cover - the body of a protocol never runs

    async def work(self, received: R) -> Answer:
        """Carry the message out; the work goes on when the caller goes away."""
        ...  # pragma: no cover - the body of a protocol never runs


class Exchanger:
    """Carries single messages through the pipeline and gives their answers out."""

    def __init__(
        self,
        peers: list[PeerSettings],
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        deliveries: Deliveries,
        observe: Callable[[MLLPEvent], None],
    ) -> None:
        self._directory = PeerDirectory(peers)
        self._deliveries = deliveries
        self._pipeline = pipeline
        self._adapter = adapter
        self._observe = observe
        self._log = get_logger()
        self._halves: set[str] = set()

    async def handle(self, raw: bytes, line: Line) -> None:
        """One message or batch, to the last acknowledgement that is due on its connection.

        Raises:
            OSError: the connection is gone; the answer stays stored.
        """
        if form_of(raw) is Form.XML:
            line = line._replace(write=_writer(line.write, Form.XML), form=Form.XML)
            try:
                raw = await to_er7(raw)
            except MessageError as error:
                self._observe(MLLPEvent.GARBAGE)
                await line.committed()
                meta = {"remote": line.remote, "peer": ""}
                await _write_answer(line.write, self._adapter.refuse(b"", meta, error))
                return
        if await beside(len(raw), is_batch, raw):
            await self._batch(raw, line)
        else:
            await self._message(raw, line, {})

    async def _batch(self, raw: bytes, line: Line) -> None:
        """Every message in order, each for itself; one reply with all the answers.

        The batch as a whole is committed when it is done, for a repeated batch meets the stored
        answers of its messages.
        """
        self._observe(MLLPEvent.BATCH)
        try:
            file = await beside(len(raw), read_batch, raw)
        except MessageError as error:
            await line.committed()
            await line.write(self._adapter.refuse_batch(raw, error))
            return
        answers: list[list[bytes]] = []
        for batch in file.batches:
            bodies: list[bytes] = []
            for number, message in enumerate(batch.messages, start=1):
                found: list[bytes] = []
                meta = batch_meta(file, batch, number)
                inner = line._replace(write=_collector(found), commit=None)
                await self._message(message, inner, meta)
                bodies += found[-1:]
                await asyncio.sleep(0)  # a long batch lets others in between its messages
            answers.append(bodies)
        await line.committed()
        await line.write(self._adapter.write_batch(file, answers))

    async def _message(self, raw: bytes, line: Line, more: Mapping[str, str]) -> None:
        header = lenient_header(raw)
        if header is not None and header.is_acknowledgement:
            self._observe(MLLPEvent.ACKNOWLEDGEMENT)
            await line.committed()
            return
        self._observe(MLLPEvent.MESSAGE)
        sender = header or Header()
        peer = self._directory.by_application(
            sender.application,
            sender.facility,
            address=line.remote,
            certificate=line.certificate,
        )
        proof = "certificate" if peer and needs_certificate(peer) else "application"
        meta = {
            **more,
            "remote": line.remote,
            "peer": peer.name if peer else "",
            "proof": proof,
        }
        if peer is None:
            self._observe(MLLPEvent.UNKNOWN_PEER)
            answer = self._adapter.refuse(raw, meta, _unknown_peer())
            await line.committed()
            await _write_answer(line.write, answer)
            return
        try:
            if line.form is Form.XML and peer.hl7v2.encoding is not Encoding.XML:
                raise UnsupportedError([_NO_XML])
            if line.seat is not None:
                line.seat.take(peer.name)
        except MessageError as error:
            self._observe(MLLPEvent.REFUSED)
            await line.committed()
            await _write_answer(line.write, self._adapter.refuse(raw, meta, error))
            return
        self._warn_of_half(sender, peer)
        try:
            received = await self._pipeline.accept(PROTOCOL, raw, peer, meta)
        except Exception as error:  # noqa: BLE001 - the last guard: any fault becomes one answer
            await line.committed(stored=False)
            await _write_answer(line.write, self._failed(error, raw, meta, None))
            return
        message: Message | None = received.message
        stored: Answer | None = received.answer
        if message is None or _refused(stored):
            retry = stored is not None and stored.outcome is Status.NOT_SENT
            await line.committed(stored=not retry)
            await _write_answer(line.write, stored or Answer(body=b""))
            return
        await line.committed()
        if isinstance(received, Taken):
            await _write_accepted(line.write, received)
        else:
            await self._accepted(message.context, line.write)
        try:
            answer = stored or await self._pipeline.work(received)
        except Exception as error:  # noqa: BLE001 - the same guard
            answer = self._failed(error, b"", meta, message.context)
        for further in answer.further:
            await self._deliveries.put(peer.name, further)
        if _connects(header, peer):
            if answer.body:
                await self._deliveries.put(peer.name, answer.body)
        else:
            await _write_answer(line.write, answer)

    def _warn_of_half(self, header: Header, peer: PeerSettings) -> None:
        """Say once of a peer that it values only one of MSH-15 and MSH-16, against chapter 2."""
        half = bool(header.accept_ack) != bool(header.application_ack)
        if half and peer.name not in self._halves:
            self._halves.add(peer.name)
            absent = "MSH-16" if header.accept_ack else "MSH-15"
            self._log.warning("hl7v2 acknowledgement", peer=peer.name, field=absent, counts_as="NE")

    def refuse_oversize(self, head: bytes, remote: str) -> bytes:
        """The answer to a frame above the limit, whose beginning `head` is; empty without MSH."""
        if lenient_header(head) is None:
            return b""
        problem = Problem(
            kind=ProblemKind.TOO_COSTLY,
            code=ProblemCode.READ_LIMIT,
            zh="报文超过长度上限",
            en="the message is longer than the limit",
        )
        meta = {"remote": remote, "peer": ""}
        return self._adapter.refuse(head, meta, InvalidError([problem])).body

    async def _accepted(self, context: Mapping[str, Any], write: Write) -> None:
        body = self._adapter.accept_answer(context)
        if body:
            await write(body)

    def _failed(
        self, error: Exception, raw: bytes, meta: Mapping[str, str], context: dict[str, Any] | None
    ) -> Answer:
        self._observe(MLLPEvent.INTERNAL)
        self._log.error("message failed", error=type(error).__name__, peer=meta["peer"])
        return self._adapter.refuse(raw, meta, error, context)


def _connects(header: Header | None, peer: PeerSettings) -> bool:
    connects = peer.hl7v2.reply_mode is ReplyMode.CONNECT
    return connects and header is not None and header.mode is Mode.ENHANCED


def _writer(write: Write, form: Form) -> Write:
    async def write_in_form(body: bytes) -> None:
        await write(await written(body, form))

    return write_in_form


def _collector(found: list[bytes]) -> Write:
    async def collect(body: bytes) -> None:
        found.append(body)

    return collect


async def _write_accepted(write: Write, taken: Taken) -> None:
    """The accept acknowledgement of a last fragment; in original mode there is none."""
    if is_accept_acknowledgement(taken.accepted):
        await write(taken.accepted)


async def _write_answer(write: Write, answer: Answer) -> None:
    if answer.body:
        await write(answer.body)


def _refused(stored: Answer | None) -> bool:
    """The stored answer itself says that the message is not accepted."""
    return stored is not None and is_accept_acknowledgement(stored.body)


_NO_XML = Problem(
    kind=ProblemKind.UNSUPPORTED_TYPE,
    code=ProblemCode.NOT_SUPPORTED,
    zh="该发送方未约定使用 XML",
    en="XML is not agreed with this sender",
    remedy_zh="请发送 ER7 报文，或将该发送方的 encoding 设为 xml",
    remedy_en="send ER7, or set encoding of the peer to xml",
)


def _unknown_peer() -> InvalidError:
    return InvalidError(
        [
            Problem(
                kind=ProblemKind.FORBIDDEN,
                code=ProblemCode.PEER_DENIED,
                zh="发送方未登记",
                en="the sender is not known",
                place="MSH[1]-3",
            )
        ]
    )
