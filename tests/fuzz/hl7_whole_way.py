"""The way of a frame from its bytes to its answer, without sockets and without a platform."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gateway.clock import CHINA
from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_deliveries import Deliveries
from gateway.inbound.hl7_intake import Intake
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.mllp_exchange import Exchanger, Line
from gateway.intents import Answer, Message, Result, Status
from gateway.journal.memory import MemoryJournal
from gateway.settings import PeerSettings, Settings

SETTINGS = Settings.model_validate(
    {
        "institutions": [
            {
                "fixmedins_code": "H43010000001",
                "fixmedins_name": "长沙示范医院",
                "mdtrtarea_admvs": "430100",
                "channel": "c",
            }
        ],
        "channels": [{"name": "c", "url": "http://127.0.0.1:9"}],
        "peers": [
            {
                "name": "his",
                "institutions": ["H43010000001"],
                "hl7v2": {"encoding": "xml", "sequence_numbers": True, "validation": "warn"},
            }
        ],
    }
)


class FixedClock:
    """Stands still, so that the same bytes have the same answer."""

    def now(self) -> datetime:
        """A day in March."""
        return datetime(2026, 3, 1, 9, tzinfo=CHINA)

    def monotonic(self) -> float:
        """No time passes."""
        return 0.0


class _Received(NamedTuple):
    message: Message | None
    answer: Answer | None = None


class Understanding:
    """A pipeline that understands each message and says that it was done; nothing is sent."""

    def __init__(self, adapter: HL7Adapter) -> None:
        self._adapter = adapter

    async def accept(
        self, _: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> _Received:
        """Read a message."""
        try:
            message = await self._adapter.read(raw, peer, meta)
        except MessageError as error:
            return _Received(None, self._adapter.refuse(raw, meta, error))
        self._adapter.redact(raw)
        return _Received(message)

    async def work(self, received: _Received) -> Answer:
        """Understand it."""
        message = received.message
        assert message is not None
        try:
            intent, problems = await self._adapter.understand(message, SETTINGS.peers[0])
        except MessageError as error:
            return self._adapter.refuse(b"", {}, error, message.context)
        stopped = any(problem.stops for problem in problems)
        status = Status.INVALID if stopped else Status.DONE
        result = Result(status=status, intent=intent, problems=problems)
        return self._adapter.answer(message.kind, message.context, result)


CLOCK = FixedClock()
ADAPTER = HL7Adapter(SETTINGS, CLOCK)


def make_exchanger() -> Exchanger:
    """An exchanger with an empty memory."""
    pipeline: Any = Understanding(ADAPTER)
    limits = Limits(SETTINGS.peers, CLOCK)
    intake = Intake(pipeline, ADAPTER, limits, MemoryJournal(), CLOCK)
    deliveries = Deliveries(SETTINGS.peers, CLOCK)
    return Exchanger(SETTINGS.peers, intake, ADAPTER, deliveries, lambda _: None)


def answer_to(raw: bytes) -> bytes:
    """The last reply to a frame; empty where none is due."""
    found = [b""]

    async def write(body: bytes) -> None:
        found.append(body)

    async def run() -> None:
        await make_exchanger().handle(raw, Line("127.0.0.1", write))

    asyncio.run(run())
    return found[-1]
