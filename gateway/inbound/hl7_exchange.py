"""A message or batch of a known peer to its one answer, where no connection waits for two.

HTTP and the drop folder carry one answer a request: the application acknowledgement, or the accept
acknowledgement where MSH-16 wants no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.batch import batch_meta, is_batch, read_batch
from gateway.hl7v2.beside import beside
from gateway.hl7v2.header import lenient_header
from gateway.inbound.hl7_limits import LimitError
from gateway.inbound.mllp_exchange import PROTOCOL, Pipeline, Taken
from gateway.intents import Message, Status
from gateway.settings import PeerSettings


class Carried(NamedTuple):
    """The answer to a message or batch."""

    body: bytes
    read: bool
    """False where the whole was refused: it could not be read, or was not let in."""
    limit: LimitError | None = None
    """The bound of the peer that kept it out."""


class SingleAnswer:
    """Carries messages and batches through the pipeline."""

    def __init__(self, pipeline: Pipeline[Any], adapter: HL7Adapter) -> None:
        self._pipeline = pipeline
        self._adapter = adapter

    async def answer(
        self, raw: bytes, peer: PeerSettings, remote: str, *, proof: str = ""
    ) -> bytes:
        """The answer; empty where the sender wants none, and to an acknowledgement.

        `proof` is how the sender proved who it is.
        """
        return (await self.carry(raw, peer, remote, proof=proof)).body

    async def carry(
        self, raw: bytes, peer: PeerSettings, remote: str, *, proof: str = ""
    ) -> Carried:
        """As `answer`, and whether there was something to be answered."""
        meta = {"remote": remote, "peer": peer.name, "proof": proof}
        if await beside(len(raw), is_batch, raw):
            return await self._batch(raw, peer, meta)
        return await self._message(raw, peer, meta)

    async def _message(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Carried:
        header = lenient_header(raw)
        if header is not None and header.is_acknowledgement:
            return Carried(b"", read=True)
        received = await self._pipeline.accept(PROTOCOL, raw, peer, meta)
        message: Message | None = received.message
        limit = received.limit if isinstance(received, Taken) else None
        answer = received.answer or await self._pipeline.work(received)
        if answer.body or message is None:
            kept = answer.outcome is Status.DONE
            return Carried(answer.body, read=kept or message is not None, limit=limit)
        return Carried(self._adapter.accept_answer(message.context), read=True)

    async def _batch(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Carried:
        try:
            file = await beside(len(raw), read_batch, raw)
        except MessageError as error:
            return Carried(self._adapter.refuse_batch(raw, error), read=False)
        answers: list[list[bytes]] = []
        for batch in file.batches:
            bodies: list[bytes] = []
            for number, message in enumerate(batch.messages, start=1):
                more = {**meta, **batch_meta(file, batch, number)}
                one = await self._message(message, peer, more)
                if one.limit is not None and not (bodies or answers):
                    body = self._adapter.refuse_batch(raw, one.limit)
                    return Carried(body, read=False, limit=one.limit)
                bodies.append(one.body)
                await asyncio.sleep(0)  # a long batch lets others in between its messages
            answers.append([body for body in bodies if body])
        return Carried(self._adapter.write_batch(file, answers), read=True)
