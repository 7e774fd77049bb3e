"""Intents sent straight to a running gateway: what every protocol's adapter can ask for.

The whole way is gone but for reading and wording, so that what a verb does is seen alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
import pytest

from gateway.app import Adapters
from gateway.crypto.sm import sm3
from gateway.errors import NotSentError, Problem
from gateway.intents import Answer, Intent, Message, Record, Result, VisitClass
from gateway.settings import PeerSettings

PHARMACY = "P43010000001"

SHOP = f"""
[[institutions]]
fixmedins_code = "{PHARMACY}"
fixmedins_name = "长沙示范大药房"
mdtrtarea_admvs = "430100"
channel = "changsha"

[[peers]]
name = "shop"
institutions = ["{PHARMACY}"]
"""
"""A pharmacy beside the hospital, for `open_world(limits=SHOP)`."""

PERSON = {
    "mdtrt_cert_type": "02",
    "mdtrt_cert_no": "430199198001010010",
    "psn_cert_type": "01",
    "certno": "430199198001010010",
    "psn_name": "张伟示",
}
"""P1 of the platform: an employee of 430100 with 1000.00 in the account."""


class IntentAdapter:
    """The adapter of a protocol whose messages are intents and whose answers are results."""

    protocol = "intent"

    async def read(self, raw: bytes, peer: PeerSettings, _meta: Mapping[str, str]) -> Message:
        """JSON of a number and an intent."""
        number, intent = msgspec.json.decode(raw, type=tuple[str, Intent])
        return Message(
            protocol="intent",
            peer=peer.name,
            sender=peer.name,
            control_id=number,
            kind=intent.verb.value,
            fingerprint=sm3(raw).hex(),
            document=intent,
        )

    async def understand(self, message: Message, _: PeerSettings) -> tuple[Intent, list[Problem]]:
        """The intent itself."""
        return message.document, []

    def answer(self, _kind: str, _context: dict[str, Any], result: Result) -> Answer:
        """The result as it is."""
        return Answer(body=msgspec.json.encode(result))

    def refuse(self, _raw: bytes, _meta: Any, error: Exception, _context: Any = None) -> Answer:
        """Nothing is refused in these tests but what could not be sent."""
        assert isinstance(error, NotSentError), error
        raise error

    def redact(self, raw: bytes) -> bytes:
        """The bytes as they are: the certificates are made up."""
        return raw

    def owns(self, _context: Mapping[str, Any]) -> bool:
        """The sender waits."""
        return False


def let_intents_in(patch: pytest.MonkeyPatch) -> None:
    """Give every gateway that starts from now on the adapter of intents."""
    standard = Adapters.by_protocol

    def by_protocol(adapters: Adapters) -> dict[str, Any]:
        return {**standard(adapters), "intent": IntentAdapter()}

    patch.setattr(Adapters, "by_protocol", by_protocol)


class Asker:
    """Sends intents to the gateway of a world."""

    def __init__(self, world: Any, peer: str = "his") -> None:
        self._world = world
        self._peer = peer
        self._numbers = count(1)

    async def ask(self, intent: Intent, number: str = "") -> Result:
        """The result of an intent; the same number again is the same message."""
        settings = self._world.gateway.settings
        peer = next(each for each in settings.peers if each.name == self._peer)
        raw = msgspec.json.encode((number or f"{self._peer}-{next(self._numbers)}", intent))
        answer = await self._world.gateway.pipeline.handle("intent", raw, peer, {})
        return msgspec.json.decode(answer.body, type=Result)


def intent(verb: Any, **records: Any) -> Intent:
    """An intent of a verb about P1; keywords are records by name, `person` a change to P1."""
    person = {**PERSON, **records.pop("person", {})}
    made = Intent(verb=verb, person=Record(person), place="intent")
    for name, values in records.items():
        setattr(made, name, Record(values) if isinstance(values, dict) else values)
    return made


def purchase(verb: Any, number: str, *amounts: str, **records: Any) -> Intent:
    """A purchase of packets of amoxicillin under the shop's own number."""
    lines = [
        Record(
            {
                "feedetl_sn": str(index),
                "medins_list_codg": "YP001",
                "med_list_codg": "XJ01CAA040A001010405611",
                "cnt": "1",
                "det_item_fee_sumamt": amount,
            }
        )
        for index, amount in enumerate(amounts, start=1)
    ]
    made = intent(verb, visit={"ipt_otp_no": number}, **records)
    made.charges, made.visit_class = lines, VisitClass.PHARMACY
    return made
