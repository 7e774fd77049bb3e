"""A made-up hospital, its adapter, and messages of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.errors import Problem
from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import Intent, Message
from gateway.settings import Settings
from tests.hl7_answers import check_answer
from tests.unit.hl7v2.invoicing import Desk

NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)


class FixedClock:
    """Stands still."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Settings with one institution and one peer, whose dialect and members can be changed."""

    def make(dialect: dict[str, Any] | None = None, **peer: Any) -> Settings:
        return Settings.model_validate(
            {
                "facility": "GW",
                "institutions": [
                    {
                        "fixmedins_code": "H43010000001",
                        "fixmedins_name": "长沙示范医院",
                        "mdtrtarea_admvs": "430100",
                        "channel": "c",
                        "aliases": ["MAIN"],
                    },
                    {
                        "fixmedins_code": "H43010000002",
                        "fixmedins_name": "另一医院",
                        "mdtrtarea_admvs": "430100",
                        "channel": "c",
                    },
                ],
                "channels": [{"name": "c", "url": "http://127.0.0.1:9"}],
                "peers": [
                    {
                        "name": "his",
                        "institutions": ["H43010000001"],
                        "hl7v2": dialect or {},
                        **peer,
                    }
                ],
            }
        )

    return make


@pytest.fixture
def make_adapter(make_settings: Callable[..., Settings]) -> Callable[..., HL7Adapter]:
    """An adapter at a clock that stands at 2026-03-01 09:05:07."""

    def make(dialect: dict[str, Any] | None = None, **peer: Any) -> HL7Adapter:
        return HL7Adapter(make_settings(dialect, **peer), FixedClock())

    return make


@pytest.fixture
def make_raw() -> Callable[..., bytes]:
    """A message: MSH with the given fields changed by number, then the segments."""

    def make(event: str, *segments: str, codec: str = "utf-8", **changes: str) -> bytes:
        fields = dict.fromkeys(range(3, 19), "")
        fields |= {3: "HIS", 4: "MAIN", 5: "GATE", 6: "FSI", 7: "20260301090000", 9: event}
        fields |= {10: "C1", 11: "P", 12: "2.5.1", 18: "UNICODE UTF-8"}
        fields |= {int(name[1:]): value for name, value in changes.items()}
        head = "MSH|^~\\&|" + "|".join(fields[number] for number in sorted(fields))
        return "".join(f"{text}\r" for text in (head.rstrip("|"), *segments)).encode(codec)

    return make


@pytest.fixture(scope="session")
def conforms() -> Callable[[bytes], None]:
    """Holds an answer to its version's tables, by our own check and by hl7apy."""

    def check(body: bytes) -> None:
        check_answer(body.decode())

    return check


Understood = tuple[Message, Intent, list[Problem]]


@pytest.fixture
def understand(make_settings: Callable[..., Settings]) -> Callable[..., Any]:
    """Reads and understands a message as the only peer; dialect and peer can be changed."""

    async def run(raw: bytes, dialect: dict[str, Any] | None = None, **peer: Any) -> Understood:
        settings = make_settings(dialect, **peer)
        adapter = HL7Adapter(settings, FixedClock())
        message = await adapter.read(raw, settings.peers[0], {})
        intent, problems = await adapter.understand(message, settings.peers[0])
        return message, intent, problems

    return run


@pytest.fixture
def desk(make_settings: Callable[..., Settings]) -> Callable[..., Desk]:
    """Makes a desk for a dialect: an adapter, and a shelf for what its answers keep."""

    def make(**dialect: Any) -> Desk:
        return Desk(make_settings(dialect), FixedClock())

    return make
