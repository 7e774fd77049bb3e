"""FHIR: what a Claim and its answer cost, beside fhir.resources, and whether it stays linear.

Without journal and network. fhir.resources reads and writes the same Claim and ClaimResponse in
the same run; the machine swings, so that the ratio says more than the figure.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.claimresponse import ClaimResponse

from gateway.app import build_adapters
from gateway.clock import SystemClock
from gateway.demo.messages import LI, FHIRClient, Item
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.decode import decode_own
from gateway.fhir.forms import Forms
from gateway.fhir.release import R4, R5
from gateway.fhir.stored import NothingAnswered
from gateway.fhir.xml import decode_xml, encode_xml
from gateway.intents import Answer, Intent, Message, Record, Result, Settlement, Status
from gateway.settings import Settings
from tests.bench._timing import fastest, run, show, show_ratio

SETTINGS = Settings.model_validate(
    {
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
SIZES = (20, 100, 500)
GROWTH = 1.15
"""An item among many may cost so much of an item among twenty: the machine swings."""
META = {"interaction": "create", "type": "Claim", "release": "r4", "base": "http://localhost"}


class Way:
    """The way of a Claim of some items through the FHIR side."""

    def __init__(self, adapter: FHIRAdapter, items: int) -> None:
        lines = [Item("YP001", "阿莫西林片", "2", "12.60", "25.20")] * items
        claim = FHIRClient(SETTINGS.fhir.canonical_base).claim(
            LI, "F1", lines, str(Decimal("25.20") * items)
        )
        self.raw = msgspec.json.Encoder(decimal_format="number").encode(claim)
        self._adapter = adapter

    def understood(self) -> tuple[Message, Intent]:
        """Read and understand."""

        async def way() -> tuple[Message, Intent]:
            message = await self._adapter.read(self.raw, SETTINGS.peers[0], META)
            intent, problems = await self._adapter.understand(message, SETTINGS.peers[0])
            assert not problems, problems
            return message, intent

        return run(way())

    def answerer(self) -> Callable[[], Answer]:
        """Writes the ClaimResponse to a settlement of the whole sum."""
        message, intent = self.understood()
        whole = intent.settlement.get("medfee_sumamt")
        info = {"setl_id": "S-1", "medfee_sumamt": whole, "fund_pay_sumamt": whole}
        made = Settlement(infno="2207", msgid="M-1", info=Record(info))
        result = Result(status=Status.DONE, intent=intent, settlements=[made])
        return lambda: self._adapter.answer(message.kind, message.context, result)


def model_both(claim: bytes, response: bytes) -> None:
    """Read and write a Claim and a ClaimResponse by the models of fhir.resources."""
    Claim.model_validate_json(claim).model_dump_json()
    ClaimResponse.model_validate_json(response).model_dump_json()


def main() -> None:
    """Print the figures."""
    adapter = build_adapters(SETTINGS, SystemClock(), NothingAnswered()).fhir
    costs: dict[int, float] = {}
    for size in SIZES:
        way = Way(adapter, size)
        answer = way.answerer()
        response = answer().body
        costs[size] = fastest(way.understood)
        ours = costs[size] + fastest(answer)
        theirs = fastest(lambda w=way, r=response: model_both(w.raw, r), rounds=5)
        show(f"Claim of {size} items: read + understand", costs[size])
        show(f"the same, and write its ClaimResponse ({len(response)} bytes)", ours)
        show("fhir.resources: read and write both", theirs)
        show_ratio("fhir.resources / ours", theirs / ours)
    for size in SIZES[1:]:
        growth = (costs[size] / size) / (costs[SIZES[0]] / SIZES[0])
        show_ratio(f"an item of {size} / an item of {SIZES[0]}", growth, GROWTH)
    _forms(Way(adapter, SIZES[0]))


def _forms(way: Way) -> None:
    """The other release and the other format."""
    body = way.answerer()().body
    tree = decode_own(body)
    shapes = Forms(R4).shapes
    xml = encode_xml(tree, shapes)
    show(
        "ClaimResponse of 20 items: decode, to R5",
        fastest(lambda: Forms(R5).outward(decode_own(body))),
    )
    show("the same: to XML", fastest(lambda: encode_xml(tree, shapes)))
    show("the same: from XML", fastest(lambda: decode_xml(xml, shapes, max_depth=32)))


if __name__ == "__main__":
    main()
