"""A hospital's invoice, what the platform might say of it, and the shelf that answers are kept on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.hl7v2.adapter import HL7Adapter
from gateway.intents import CallReport, Record, Resource, Result, Settlement, Status, Verb

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK||||1001^陈||||||||||||V1"
IN1 = "IN1|1|310^职工|430100^^^^XX"
PYE = "PYE|1|ORG||长沙示范医院^^^^^^^^^H43010000001"


def ivc(control: str = "OR", amount: str = "252.60", payer: str = "", number: str = "INV1") -> str:
    """IVC of the hospital's invoice."""
    return (
        f"IVC|{number}|{payer}||{control}|NORM|FS|20260301091000|{amount}&CNY||"
        "长沙示范医院^^^^^^^^^H43010000001|长沙医保^^^^^^^^^430100||||||||||||||FSI"
    )


PSS = "PSS|S1||1|252.60&CNY|门诊"
PSG = "PSG|B1||1|N|252.60&CNY|检查"
LINE_1 = "PSL|11||1|||P|CT001^CT平扫||CT平扫|20260301091000||1|240.00&CNY|||240.00&CNY|||||N"
LINE_2 = "PSL|12||2|||P|YP001^阿莫西林片||阿莫西林片|20260301091000||1|12.60&CNY|||12.60&CNY|||||N"
INVOICE = [ivc(), PYE, PSS, PSG, PID, PV1, IN1, LINE_1, LINE_2]
SETTLED = {
    "setl_id": "S77",
    "mdtrt_id": "M5",
    "medfee_sumamt": "252.60",
    "fund_pay_sumamt": "126.00",
    "hifp_pay": "126.00",
    "psn_part_amt": "126.60",
    "acct_pay": "100.00",
    "psn_cash_pay": "26.60",
    "inscp_scp_amt": "230.00",
    "pool_prop_selfpay": "0.7",
    "balc": "900.00",
}
Make = Callable[..., bytes]


class Shelf:
    """Keeps what answers ask to be kept."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Resource] = {}

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - the reader's words
        """What was kept last."""
        return self.kept.get((type, id))

    def put(self, resources: list[Resource]) -> None:
        """Keep."""
        self.kept |= {(each.type, each.id): each for each in resources}


class Desk:
    """An adapter with a shelf behind it, and a platform of the test's choice."""

    def __init__(self, settings: Any, clock: Any) -> None:
        self.shelf = Shelf()
        self.adapter = HL7Adapter(settings, clock, kept=self.shelf)
        self._peer = settings.peers[0]

    async def understand(self, raw: bytes) -> tuple[Any, Any, list[Any]]:
        """Message, intent and problems."""
        message = await self.adapter.read(raw, self._peer, {})
        intent, problems = await self.adapter.understand(message, self._peer)
        return message, intent, problems

    def answer(self, message: Any, result: Result) -> Any:
        """The answer, whose resources are kept."""
        answer = self.adapter.answer(message.kind, message.context, result)
        self.shelf.put(answer.resources)
        return answer


def settled(intent: Any, status: Status = Status.DONE) -> Result:
    """A result with the settlement, its lines and its call."""
    intent.visit.values["mdtrt_id"] = "M5"
    intent.person.values |= {"psn_no": "4301", "insuplc_admdvs": "430100"}
    result = Result(status=status, intent=intent)
    result.calls = [CallReport(infno="2207", msgid="H1", outcome="accepted", inf_refmsgid="R1")]
    if status is Status.DONE:
        made = Settlement(infno="2207", msgid="H1", info=Record(dict(SETTLED)))
        if intent.verb is Verb.PRESETTLE:
            made.info.values.pop("setl_id")
            result.presettlement = made
        else:
            result.settlements = [made]
        result.charge_results = [
            Record({"feedetl_sn": "11", "inscp_scp_amt": "216.00", "preselfpay_amt": "24.00"}),
            Record({"feedetl_sn": "12", "inscp_scp_amt": "14.00", "selfpay_prop": "0"}),
        ]
    return result


def lines_of(body: bytes, name: str) -> list[list[str]]:
    """The fields of every segment of a name."""
    return [line.split("|") for line in body.decode().split("\r") if line.startswith(name)]


async def kept_invoice(at: Desk, make_raw: Make, control: str = "OR") -> None:
    """An invoice that was answered."""
    raw = make_raw("EHC^E01", ivc(control), *INVOICE[1:], m12="2.6")
    message, intent, _ = await at.understand(raw)
    at.answer(message, settled(intent))
