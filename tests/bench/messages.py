"""From the bytes of a message to checked, signed calls, without journal and network.

Targets: a DFT^P03 of 20 FT1 with Chinese names is read, understood, coded and checked within
600 µs of one core, and a Claim of 20 items becomes signed calls within 1,500 µs. Beside the figures
stands what libraries need for the same messages in the same run. A line costs the same however
many lines there are. The collector of cycles runs as seldom as in `gateway serve`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path

import msgspec
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.claimresponse import ClaimResponse
from hl7apy.parser import parse_message

import mappings.codes
from gateway.app import build_adapters, build_sites
from gateway.cli.serving import collect_seldom
from gateway.clock import CHINA, SystemClock
from gateway.crypto.sm import SigningKey
from gateway.demo.messages import HIS, LI, OUTPATIENT_ITEMS, ZHANG, FHIRClient, Item
from gateway.fhir.stored import NothingAnswered
from gateway.fsi.envelope import build_request, signature_text, signed_bytes
from gateway.intents import Call, Intent, Message, Record, Result, Settlement, Status, VisitClass
from gateway.settings import Settings
from gateway.settlement.filling import Filled
from gateway.settlement.preparing import Prepared, Preparer
from gateway.settlement.visits import Visit, VisitState
from tests.bench._timing import fastest, find_python_hl7, run, show, show_ratio

TABLES = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"
CODE = "H43010000001"
LINES = 20
HL7_TARGET = 600
"""Microseconds to read, understand, code and check a DFT^P03 of 20 FT1."""
UNDERSTOOD_TARGET = 1_000
"""Microseconds to read and understand a Claim of 20 items."""
SIGNED_TARGET = 1_500
"""Microseconds from a Claim of 20 items to its signed calls."""
GROWTH = 1.15
"""A line among many may cost so much of a line among twenty: the machine swings."""
HL7_SIZES = (1, 20, 100, 1000)
FHIR_SIZES = (20, 100, 500)

SETTINGS = Settings.model_validate(
    {
        "codes": {"directories": [TABLES]},
        "institutions": [
            {
                "fixmedins_code": CODE,
                "fixmedins_name": "长沙示范医院",
                "mdtrtarea_admvs": "430100",
                "channel": "own",
            }
        ],
        "channels": [{"name": "own", "url": "http://localhost", "profile": "hunan"}],
        "peers": [{"name": "his", "institutions": [CODE]}],
        "limits": {"max_charge_lines": 1000},
    }
)
META = {
    "hl7v2": {},
    "fhir": {"interaction": "create", "type": "Claim", "release": "r4", "base": "http://localhost"},
}


def items_of(count: int) -> Sequence[Item]:
    """So many lines of the five items of an outpatient."""
    return list(islice(cycle(OUTPATIENT_ITEMS), count))


class Way:
    """The way of messages through one gateway."""

    def __init__(self) -> None:
        self.adapters = build_adapters(SETTINGS, SystemClock(), NothingAnswered())
        self.sites = build_sites(SETTINGS)
        self.peer = SETTINGS.peers[0]
        self.key = SigningKey.generate()
        self.now = datetime.now(CHINA)

    def hl7(self, lines: int) -> bytes:
        """A DFT^P03."""
        return HIS("UNICODE UTF-8", "utf-8").charges(ZHANG, "O1", "O", items_of(lines))

    def claim(self, lines: int) -> bytes:
        """A Claim."""
        items = items_of(lines)
        total = str(sum(Decimal(item.amount) for item in items))
        claim = FHIRClient(SETTINGS.fhir.canonical_base).claim(LI, "F1", items, total)
        return msgspec.json.Encoder(decimal_format="number").encode(claim)

    def understood(self, protocol: str, raw: bytes) -> tuple[Message, Intent]:
        """Read and understand."""
        adapter = self.adapters.by_protocol()[protocol]

        async def way() -> tuple[Message, Intent]:
            message = await adapter.read(raw, self.peer, META[protocol])
            intent, problems = await adapter.understand(message, self.peer)
            assert not problems, problems
            return message, intent

        return run(way())

    def prepared(self, protocol: str, raw: bytes) -> tuple[Intent, Preparer, Prepared]:
        """Read, understand, code and check, as if the visit were registered."""
        _, intent = self.understood(protocol, raw)
        known = Visit(
            fixmedins_code=CODE,
            ipt_otp_no="O1",
            visit_class=VisitClass.OUTPATIENT,
            state=VisitState.REGISTERED,
        )
        known.person.values.update(
            psn_no="4301", insutype="310", psn_type="11", insuplc_admdvs="430100"
        )
        known.visit.values.update(mdtrt_id="M1", dept_code="A03", dept_name="内科")
        preparer = self.sites.preparer(intent, self.peer)
        result = preparer.prepare(intent, known, self.now)
        assert not result.stops, result.problems
        return intent, preparer, result

    def signed(self, protocol: str, raw: bytes) -> list[bytes]:
        """The same, and the bytes of each signed upload of lines (2204)."""
        intent, preparer, result = self.prepared(protocol, raw)
        return [
            self.enclosed(
                step.infno,
                result.ready[at] if at < len(result.ready) else preparer.fill(step, intent, None),
                preparer,
            )
            for at, step in enumerate(result.steps)
            if step.infno == "2204"
        ]

    def enclosed(self, infno: str, filled: Filled, preparer: Preparer) -> bytes:
        """The request of a call, signed."""
        call = Call(
            infno=infno,
            input=filled.input,
            fixmedins_code=CODE,
            fixmedins_name="长沙示范医院",
            mdtrtarea_admvs="430100",
            insuplc_admdvs="430100",
        )
        return build_request(
            call,
            msgid=f"{CODE}202603010905070001",
            sign_no="S1",
            now=self.now,
            profile=preparer.site.profile,
            cainfo=signature_text(self.key.sign(signed_bytes(call.input))),
        )

    def response(self, raw: bytes) -> bytes:
        """The ClaimResponse to a claim that was settled."""
        message, intent = self.understood("fhir", raw)
        whole = intent.settlement.get("medfee_sumamt")
        info = {"setl_id": "S-1", "medfee_sumamt": whole, "fund_pay_sumamt": whole}
        made = Settlement(infno="2207", msgid="M-1", info=Record(info))
        result = Result(status=Status.DONE, intent=intent, settlements=[made])
        return self.adapters.fhir.answer(message.kind, message.context, result).body


def main() -> None:
    """Print the figures."""
    way = Way()
    collect_seldom()
    _hl7(way)
    sys.stdout.write("\n")
    _fhir(way)


def _hl7(way: Way) -> None:
    raw = way.hl7(LINES)
    text = raw.decode()
    show(
        f"DFT^P03 of {LINES} FT1: read + understand", fastest(lambda: way.understood("hl7v2", raw))
    )
    ours = show("the same: + code + check", fastest(lambda: way.prepared("hl7v2", raw)), HL7_TARGET)
    show("the same: + sign its 2204", fastest(lambda: way.signed("hl7v2", raw)))
    library = find_python_hl7()
    if library is None:
        sys.stdout.write("python-hl7 is not installed\n")
    else:
        theirs = show("python-hl7: parse the same message", fastest(lambda: library.parse(text)))
        show_ratio("python-hl7 parse / ours, to the checked call", theirs / ours)
    theirs = show("hl7apy: parse the same message", fastest(lambda: parse_message(text), rounds=3))
    show_ratio("hl7apy parse / ours, to the checked call", theirs / ours)
    _growth("FT1", {n: _cost(way, "hl7v2", way.hl7(n)) for n in HL7_SIZES})


def _fhir(way: Way) -> None:
    raw = way.claim(LINES)
    response = way.response(raw)
    show(
        f"Claim of {LINES} items: read + understand",
        fastest(lambda: way.understood("fhir", raw)),
        UNDERSTOOD_TARGET,
    )
    show("the same: + code + check", fastest(lambda: way.prepared("fhir", raw)))
    ours = show(
        "the same: + sign its 2204", fastest(lambda: way.signed("fhir", raw)), SIGNED_TARGET
    )
    content = way.understood("fhir", raw)[0].fingerprint.encode()
    show("of this: one SM2 signature", fastest(lambda: way.key.sign(content)))
    theirs = show("fhir.resources: read and write both", fastest(lambda: _models(raw, response)))
    show_ratio("fhir.resources, Claim and ClaimResponse / ours", theirs / ours)
    _growth("item", {n: _cost(way, "fhir", way.claim(n)) for n in FHIR_SIZES})


def _models(claim: bytes, response: bytes) -> None:
    """Read and write a Claim and a ClaimResponse by the models of fhir.resources."""
    Claim.model_validate_json(claim).model_dump_json()
    ClaimResponse.model_validate_json(response).model_dump_json()


def _cost(way: Way, protocol: str, raw: bytes) -> float:
    return fastest(lambda: way.prepared(protocol, raw), rounds=8)


def _growth(unit: str, costs: dict[int, float]) -> None:
    """Print what a line costs among so many."""
    for size, cost in costs.items():
        if size == LINES:
            continue
        show(f"{size} {unit}: read to check", cost)
        if size > LINES:
            growth = (cost / size) / (costs[LINES] / LINES)
            show_ratio(f"one {unit} of {size} / one of {LINES}", growth, GROWTH)


if __name__ == "__main__":
    main()
