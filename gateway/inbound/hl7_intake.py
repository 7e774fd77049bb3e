"""What stands between an HL7 v2 port and the pipeline: the bounds of the peer.

It has the two halves of the pipeline itself, so that MLLP, HTTP and the drop folder use it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.errors import GatewayError, MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.mllp_exchange import Pipeline
from gateway.intents import Answer, Message
from gateway.settings import PeerSettings

Refused = Callable[[str, str, GatewayError], None]
"""Is told of a refusal: protocol, peer, error."""


class Settled(NamedTuple):
    """A message that has its answer and does not reach the pipeline."""

    answer: Answer
    message: Message | None = None


class Intake:
    """The pipeline, as the HL7 v2 ports see it."""

    def __init__(
        self,
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        limits: Limits,
        *,
        refused: Refused = lambda *_: None,
    ) -> None:
        self._pipeline = pipeline
        self._adapter = adapter
        self._limits = limits
        self._refused = refused

    async def accept(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Any:
        """Take a message that is within the bounds of its peer."""
        try:
            number = int(meta.get("batch_number", "1"))
            self._limits.admit(peer.name, len(raw), in_batch=number > 1)
        except MessageError as error:
            self._refused(protocol, peer.name, error)
            return Settled(self._adapter.refuse(raw, meta, error))
        return await self._pipeline.accept(protocol, raw, peer, meta)

    async def work(self, received: Any) -> Answer:
        """Carry the message out."""
        if isinstance(received, Settled):
            return received.answer
        return await self._pipeline.work(received)
