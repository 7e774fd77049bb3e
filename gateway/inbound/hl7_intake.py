"""What stands between an HL7 v2 port and the pipeline: limits, sequence numbers, fragments.

It has the two halves of the pipeline itself, so that MLLP, HTTP and the drop folder use it alike.
A message passes the bounds of its peer, then the sequence number protocol where the peer speaks it,
then waits for its other fragments where it has any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.clock import Clock
from gateway.errors import GatewayError, JournalError, MessageError, StateError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.continuation import fragment_of
from gateway.hl7v2.header import Header, lenient_header
from gateway.inbound.hl7_deliveries import BookStore
from gateway.inbound.hl7_fragments import Fragments
from gateway.inbound.hl7_limits import LimitError, Limits
from gateway.inbound.hl7_sequence import OutOfSequenceError, Sequences, Step
from gateway.inbound.mllp_client import read_acknowledgement
from gateway.inbound.mllp_exchange import Pipeline, Taken
from gateway.intents import Answer
from gateway.settings import PeerSettings

Refused = Callable[[str, str, GatewayError], None]
"""Is told of a refusal: protocol, peer, error."""

_MAY_COME_AGAIN = frozenset({"AR", "CR"})


class Intake:
    """The pipeline, as the HL7 v2 ports see it; `max_bytes` is the longest joined message."""

    def __init__(
        self,
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        limits: Limits,
        store: BookStore,
        clock: Clock,
        *,
        max_bytes: int = 10_485_760,
        refused: Refused = lambda *_: None,
    ) -> None:
        self._pipeline = pipeline
        self._adapter = adapter
        self._limits = limits
        self._sequences = Sequences(store)
        self._fragments = Fragments(store, adapter.redact, clock, max_bytes=max_bytes)
        self._refused = refused

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Any:
        """Take a message that may come now; the answer is set where it does not go further."""
        header = lenient_header(raw)
        try:
            number = int(meta.get("batch_number", "1"))
            self._limits.admit(peer.name, len(raw), in_batch=number > 1)
            if header is None:
                return await self._pipeline.accept(protocol, raw, peer, meta)
            if peer.hl7v2.sequence_numbers and header.sequence:
                return await self._in_sequence(protocol, raw, peer, meta, header=header)
            return await self._joined(protocol, raw, peer, meta, header=header)
        except OutOfSequenceError as error:
            self._refused(protocol, peer.name, error)
            assert header is not None
            body = self._adapter.acknowledge(
                header, peer, error.problems, expected=str(error.expected)
            )
            return Taken(answer=Answer(body=body))
        except (MessageError, StateError, JournalError) as error:
            self._refused(protocol, peer.name, error)
            limit = error if isinstance(error, LimitError) else None
            return Taken(answer=self._adapter.refuse(raw, meta, error), limit=limit)

    async def work(self, received: Any) -> Answer:
        """Carry the message out."""
        inner = received.received if isinstance(received, Taken) else received
        if inner is None:
            assert received.answer is not None
            answer: Answer = received.answer
            return answer
        return await self._pipeline.work(inner)

    async def _in_sequence(
        self,
        protocol: str,
        raw: bytes,
        peer: PeerSettings,
        meta: Mapping[str, str],
        *,
        header: Header,
    ) -> Any:
        key = f"{peer.name}|{header.sender}"
        async with self._sequences.lock(key):
            decision = await self._sequences.decide(key, header)
            if decision.step is Step.LINK:
                expected = str(decision.expected)
                body = self._adapter.acknowledge(header, peer, (), expected=expected)
                return Taken(answer=Answer(body=body))
            received = await self._joined(protocol, raw, peer, meta, header=header)
            if decision.step is Step.TAKE and _uses_its_number(received):
                await self._sequences.advance(key, decision.expected, header.control_id)
        return received

    async def _joined(
        self,
        protocol: str,
        raw: bytes,
        peer: PeerSettings,
        meta: Mapping[str, str],
        *,
        header: Header,
    ) -> Any:
        fragment = fragment_of(raw, header)
        if fragment is None:
            return await self._pipeline.accept(protocol, raw, peer, meta)
        whole = await self._fragments.take(peer, header, fragment, raw)
        accepted = self._adapter.acknowledge(header, peer, ())
        if whole is None:
            return Taken(answer=Answer(body=accepted))
        received = await self._pipeline.accept(protocol, whole, peer, meta)
        return Taken(received, accepted, answer=received.answer, message=received.message)


def _uses_its_number(received: Any) -> bool:
    """False where the message was refused with AR, and may come again."""
    if received.message is not None or received.answer is None:
        return True
    told = read_acknowledgement(received.answer.body)
    return told is None or told.code not in _MAY_COME_AGAIN
