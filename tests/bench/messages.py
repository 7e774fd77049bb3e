"""From the bytes of a message to checked, signed calls, without journal and network.

Beside each figure stands what a library needs to parse the same message, in the same run.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
from fhir.resources.R4B.claim import Claim
from hl7apy.parser import parse_message

import mappings.codes
from gateway.app import NothingAnswered, build_adapters, build_sites
from gateway.clock import CHINA, SystemClock
from gateway.crypto.sm import SigningKey
from gateway.demo.messages import HIS, LI, ZHANG, FHIRClient, Item
from gateway.fsi.envelope import signed_bytes
from gateway.intents import Intent, VisitClass
from gateway.settings import PeerSettings, Settings
from gateway.settlement.sites import Sites
from gateway.settlement.totals import Step
from gateway.settlement.visits import Visit, VisitState

ITEMS = [Item("YP001", "阿莫西林片", "2", "12.60", "25.20")] * 20
TABLES = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"

SETTINGS = Settings.model_validate(
    {
        "codes": {"directories": [TABLES]},
        "institutions": [
            {
                "fixmedins_code": "H43010000001",
                "fixmedins_name": "长沙示范医院",
                "mdtrtarea_admvs": "430100",
                "channel": "own",
            }
        ],
        "channels": [{"name": "own", "url": "http://localhost", "profile": "hunan"}],
        "peers": [{"name": "his", "institutions": ["H43010000001"]}],
    }
)


def timed(work: Callable[[], object], *, rounds: int = 7, count: int = 30) -> float:
    """Microseconds of one call: the median of several rounds."""
    work()
    seconds = []
    for _ in range(rounds):
        gc.collect()
        began = time.perf_counter()
        for _ in range(count):
            work()
        seconds.append((time.perf_counter() - began) / count)
    return statistics.median(seconds) * 1e6


def main() -> None:
    """Print the figures."""
    clock = SystemClock()
    adapters = build_adapters(SETTINGS, clock, NothingAnswered())
    sites = build_sites(SETTINGS)
    peer = SETTINGS.peers[0]
    loop = asyncio.new_event_loop()
    hl7 = HIS("UNICODE UTF-8", "utf-8").charges(ZHANG, "O1", "O", ITEMS)
    client = FHIRClient(SETTINGS.fhir.canonical_base)
    claim = msgspec.json.Encoder(decimal_format="number").encode(
        client.claim(LI, "F1", ITEMS, "504.00")
    )
    meta = {"interaction": "create", "type": "Claim"}

    def understood(protocol: str, raw: bytes) -> Intent:
        adapter = adapters.by_protocol()[protocol]

        async def way() -> Intent:
            message = await adapter.read(raw, peer, meta)
            intent, problems = await adapter.understand(message, peer)
            assert not problems, problems
            return intent

        return loop.run_until_complete(way())

    def prepared(protocol: str, raw: bytes) -> None:
        intent = understood(protocol, raw)
        known = Visit(
            fixmedins_code="H43010000001",
            ipt_otp_no="O1",
            visit_class=VisitClass.OUTPATIENT,
            state=VisitState.REGISTERED,
        )
        known.person.values.update(
            psn_no="4301", insutype="310", psn_type="11", insuplc_admdvs="430100"
        )
        known.visit.values.update(mdtrt_id="M1", dept_code="A03", dept_name="内科")
        result = sites.preparer(intent, peer).prepare(intent, known, datetime.now(CHINA))
        assert not result.stops, result.problems

    rows = [
        ("DFT^P03 of 20 FT1: read + understand", timed(lambda: understood("hl7v2", hl7))),
        ("the same: + code + check", timed(lambda: prepared("hl7v2", hl7))),
        (
            "hl7apy: parse the same message",
            timed(lambda: parse_message(hl7.decode()), rounds=3, count=3),
        ),
        ("Claim of 20 items: read + understand", timed(lambda: understood("fhir", claim))),
        ("the same: + code + check", timed(lambda: prepared("fhir", claim))),
        (
            "fhir.resources: validate the same Claim",
            timed(lambda: Claim.model_validate_json(claim)),
        ),
    ]
    for label, microseconds in rows:
        sys.stdout.write(f"{label:<45} {microseconds:>10.0f} µs\n")
    sys.stdout.write(f"hl7apy / ours (HL7 v2)  {rows[2][1] / rows[1][1]:>6.1f}\n")
    sys.stdout.write(f"fhir.resources / ours (FHIR)  {rows[5][1] / rows[4][1]:>6.1f}\n")
    _signing(sites, peer, prepared_intent=understood("hl7v2", hl7))
    loop.close()


def _signing(sites: Sites, peer: PeerSettings, *, prepared_intent: Intent) -> None:
    """The parts of a 20-line 2204: fill, check, canonical text, sign."""
    preparer = sites.preparer(prepared_intent, peer)
    prepared_intent.person.values.update(psn_no="4301", insuplc_admdvs="430100")
    prepared_intent.visit.values.update(mdtrt_id="M1", dept_code="A03", dept_name="内科")
    preparer.site.coder.code(prepared_intent, datetime.now(CHINA).date())
    for charge in prepared_intent.charges:
        charge.values["chrg_bchno"] = "1"
    step = Step(infno="2204", lines=prepared_intent.charges)
    filled = preparer.fill(step, prepared_intent, None)
    checker = preparer.site.checker
    key = SigningKey.generate()
    text = signed_bytes(filled.input)
    encoded = msgspec.json.encode(filled.input)
    decode = timed(lambda: msgspec.json.decode(encoded))
    check = timed(lambda: checker.check("2204", filled.input))
    for label, microseconds in (
        ("2204 of 20 lines: fill", timed(lambda: preparer.fill(step, prepared_intent, None))),
        ("2204 of 20 lines: check", check),
        ("2204 of 20 lines: canonical text", timed(lambda: signed_bytes(filled.input))),
        ("2204 of 20 lines: SM2 with SM3", timed(lambda: key.sign(text))),
        ("msgspec: decode the same JSON", decode),
    ):
        sys.stdout.write(f"{label:<45} {microseconds:>10.0f} µs\n")
    sys.stdout.write(f"check / msgspec decode  {check / decode:>6.1f}\n")
    assert filled.input["feedetail"][0]["cnt"] == Decimal(2)


if __name__ == "__main__":
    main()
