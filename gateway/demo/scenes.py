"""The six scenes of the demonstration; every claim is checked against figures worked out by hand.

The policies and prices are those of the reference platform's data files (made up): in Changsha an
employee's outpatient deductible is 50.00 and the share 70 % in a hospital of grade three, a
resident's share is 50 % without deductible; Shenzhen's inpatient deductible is 400.00 and the
share 90 %.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from gateway.demo import messages as m
from gateway.demo.sandbox import Sandbox
from gateway.demo.showing import Show
from gateway.demo.talking import FHIRAnswer, FHIRSender, HL7Answer, HL7Sender, PlatformAdmin
from gateway.journal import SendRow

RESOLVE_SECONDS = 20.0
"""Seconds within which the gateway has to have resolved the unknown outcome."""


class Stage:
    """What the scenes share: the sandbox, the senders, the screen."""

    def __init__(self, sandbox: Sandbox, show: Show) -> None:
        self.sandbox = sandbox
        self.show = show
        host, port = sandbox.gateway.mllp_address
        where = sandbox.describe()
        self.his = m.HIS("GB 18030-2000", "gb18030")
        self.hl7 = HL7Sender(host, port, "gb18030")
        self.client = m.FHIRClient(sandbox.gateway.settings.fhir.canonical_base)
        self.fhir = FHIRSender(where["fhir"], sandbox.token)
        self.admin = PlatformAdmin(where["admin"], sandbox.admin_token)
        self._shown: set[str] = set()

    async def close(self) -> None:
        """Close every connection."""
        await self.hl7.close()
        await self.fhir.close()
        await self.admin.close()

    async def tell(self, title: str, message: bytes) -> HL7Answer:
        """Send an HL7 message and show question, calls and answer."""
        text = message.decode("gb18030")
        self.show.question(f"HL7 v2  {title}", text.strip("\r").split("\r"))
        answer = await self.hl7.send(message)
        self.show.calls(await self.new_sends())
        self.show.answer(f"HL7 v2  MSA-1 {answer.code}", answer.lines())
        return answer

    async def post(self, title: str, path: str, resource: dict[str, object]) -> FHIRAnswer:
        """Post a FHIR resource and show question, calls and answer."""
        kind = resource["resourceType"]
        self.show.question(f"FHIR  {title}", [f"POST {path}  {kind}", *_summary(resource)])
        answer = await self.fhir.post(path, resource)
        self.show.calls(await self.new_sends())
        self.show.answer(f"FHIR  HTTP {answer.status}  {answer.kind}", _summary(answer.resource))
        return answer

    async def new_sends(self) -> list[SendRow]:
        """The transactions since the last look, sign-ins left out."""
        sends = await self.sandbox.gateway.journal.sends(limit=10_000)
        new = [s for s in sends if s.msgid not in self._shown and s.infno[:2] != "90"]
        self._shown.update(send.msgid for send in sends)
        return new

    async def requests(self) -> int:
        """How many requests the platform has seen."""
        return len(await self.admin.rows("requests"))


def _summary(resource: dict[str, object]) -> list[str]:
    """The telling lines of a resource."""
    names = ("id", "use", "outcome", "disposition", "status")
    lines = [f"{name}: {resource[name]}" for name in names if name in resource]
    if resource.get("resourceType") in {"Claim", "ClaimResponse"}:
        total = resource.get("total")
        for entry in total if isinstance(total, list) else []:
            code = entry["category"]["coding"][0]["code"]
            lines.append(f"total {code}: {entry['amount']['value']}")
        if isinstance(total, dict):
            lines.append(f"total: {total['value']} {total['currency']}")
    for issue in _list(resource, "issue"):
        where = ", ".join(issue.get("expression", []))
        lines.append(f"{issue['severity']} {issue['code']} {where}: {issue['details']['text']}")
    lines += [f"error: {error['code']}" for error in _list(resource, "error")]
    return lines


def _list(resource: dict[str, object], name: str) -> list[dict[str, Any]]:
    found = resource.get(name)
    return found if isinstance(found, list) else []


async def outpatient_day(stage: Stage) -> None:
    """1: registration, charges, settlement over HL7 v2 in GB18030."""
    show, his = stage.show, stage.his
    show.scene(
        1,
        "An outpatient day over HL7 v2",
        "A GB18030 hospital registers 张伟示, uploads five charge lines and takes the payment.",
    )
    answer = await stage.tell(
        "A04: register",
        his.visit(
            "A04",
            m.ZHANG,
            "O1001",
            "O",
            his.diagnosis("J06.900", "急性上呼吸道感染", "A"),
            his.insurance(m.ZHANG),
        ),
    )
    show.equal("registered", "AA", answer.code)
    answer = await stage.tell(
        "P03: five charge lines", his.charges(m.ZHANG, "O1001", "O", m.OUTPATIENT_ITEMS)
    )
    show.equal("charges uploaded and computed", "AA", answer.code)
    show.equal("pre-settlement: fund would pay", "43.37", answer.field("ZSL", 8))
    answer = await stage.tell("P03: payment", his.payment(m.ZHANG, "O1001", "O", "117.70"))
    show.equal("settled", "AA", answer.code)
    show.equal("total", "117.70", answer.field("ZSL", 7))
    show.equal("fund: (111.95 in scope - 50.00) x 70 %", "43.37", answer.field("ZSL", 8))
    show.equal("personal share", "74.33", answer.field("ZSL", 9))
    live = await stage.admin.rows("settlements", setl_id=answer.field("ZSL", 3), state="settled")
    found = [row for row in live if row["setl_id"] == answer.field("ZSL", 3)]
    show.equal("settlements of this id at the platform", 1, len(found))


FHIR_ITEMS = (
    m.Item("SF001", "普通门诊诊查费", "1", "15.00", "15.00"),
    m.Item("YP002", "地喹氯铵含片", "2", "12.50", "25.00"),
)
"""40.00 yuan, of which 37.50 in scope (class B: 10 % of 25.00 first by the patient)."""


async def fhir_claims(stage: Stage) -> None:
    """2: eligibility, predetermination, claim, cancellation over FHIR."""
    show, client = stage.show, stage.client
    show.scene(
        2,
        "A claim over FHIR R4",
        "An app asks whether 李娜范 is insured, what a claim would bring, claims, and cancels.",
    )
    answer = await stage.post(
        "is she insured?", "CoverageEligibilityRequest", client.eligibility(m.LI)
    )
    insurance = answer.resource.get("insurance", [{}])
    show.check("insured", holds=bool(insurance and insurance[0].get("inforce") is True))
    number = "F2001"
    answer = await stage.post(
        "what would it be?",
        "Claim",
        client.claim(m.LI, number, FHIR_ITEMS, "40.00", "predetermination"),
    )
    show.equal("outcome", "complete", answer.resource.get("outcome"))
    show.equal("fund would pay 37.50 x 50 %", Decimal("18.75"), answer.total("benefit"))
    show.check("no payment in a predetermination", holds="payment" not in answer.resource)
    answer = await stage.post("claim", "Claim", client.claim(m.LI, number, FHIR_ITEMS, "40.00"))
    show.equal("outcome", "complete", answer.resource.get("outcome"))
    show.equal("submitted", Decimal("40.00"), answer.total("submitted"))
    show.equal("fund pays", Decimal("18.75"), answer.total("benefit"))
    show.equal("personal share", Decimal("21.25"), answer.total("copay"))
    claim_id = str(answer.resource.get("request", {}).get("reference", "")).rpartition("/")[2]
    read = await stage.fhir.get(f"ClaimResponse?request=Claim/{claim_id}")
    show.equal("ClaimResponses found by search", 1, read.resource.get("total"))
    answer = await stage.post("cancel", "Task", client.cancellation(claim_id))
    show.equal("task", "completed", answer.resource.get("status"))
    visits = await stage.admin.rows("visits")
    mine = [v["mdtrt_id"] for v in visits if v["ipt_otp_no"] == number]
    left = [
        row
        for visit in mine
        for row in await stage.admin.rows("settlements", mdtrt_id=visit, state="settled")
    ]
    show.equal("live settlements after the cancellation", 0, len(left))


async def unmapped_code(stage: Stage) -> None:
    """3: a code without a national code stops the message before anything is sent."""
    show, his, client = stage.show, stage.his, stage.client
    show.scene(
        3,
        "An unmapped code",
        "A drug is missing in the mapping: the message stops, and both worlds are told where.",
    )
    answer = await stage.tell(
        "A04: register a name with rare characters",
        his.visit(
            "A04",
            m.RARE,
            "O3001",
            "O",
            his.diagnosis("J06.900", "急性上呼吸道感染", "A"),
            his.insurance(m.RARE),
        ),
    )
    show.equal("registered, name intact", "AA", answer.code)
    before = await stage.requests()
    items = (m.OUTPATIENT_ITEMS[0], m.UNMAPPED_ITEM)
    answer = await stage.tell("P03: one line unmapped", his.charges(m.RARE, "O3001", "O", items))
    show.equal("answer", "AE", answer.code)
    show.check(
        f"the error names segment FT1, the 2nd, field 7: {answer.field('ERR', 2)}",
        holds=answer.field("ERR", 2).startswith("FT1^2^7"),
    )
    reply = await stage.post(
        "the same over FHIR", "Claim", client.claim(m.LI, "F3001", items, "24.90")
    )
    show.equal("status", 422, reply.status)
    expressions = [e for issue in reply.resource["issue"] for e in issue.get("expression", [])]
    show.check(
        f"the expression names the item: {', '.join(expressions)}",
        holds=any("item[1].productOrService" in e for e in expressions),
    )
    show.equal("requests that reached the platform", 0, await stage.requests() - before)


async def unknown_outcome(stage: Stage) -> None:
    """4: the reply to a settlement is lost; nobody pays twice."""
    show, his = stage.show, stage.his
    show.scene(
        4,
        "An unknown outcome",
        "The platform settles and drops the connection: is the fund charged? Nobody guesses.",
    )
    register = his.visit(
        "A04",
        m.ZHANG,
        "O4001",
        "O",
        his.diagnosis("J06.900", "急性上呼吸道感染", "A"),
        his.insurance(m.ZHANG),
    )
    show.equal("registered", "AA", (await stage.tell("A04: register", register)).code)
    items = (m.Item("CT001", "X线计算机体层(CT)平扫", "1", "240.00", "240.00"),)
    charges = his.charges(m.ZHANG, "O4001", "O", items)
    show.equal("charged", "AA", (await stage.tell("P03: one line", charges)).code)
    await stage.admin.fault("drop-after", "2207")
    payment = his.payment(m.ZHANG, "O4001", "O", "240.00")
    answer = await stage.tell("P03: payment", payment)
    show.equal("answer while unknown (never AR, which invites a repeat)", "AE", answer.code)
    show.check(
        f"the HIS is told: {answer.field('ERR', 8)}",
        holds="请勿重复" in answer.field("ERR", 8),
    )
    final = await _ask_again(stage, payment)
    show.calls(await stage.new_sends())
    show.answer(f"HL7 v2  the same message again: MSA-1 {final.code}", final.lines())
    show.equal("the repeat of the message gets the final answer", "AA", final.code)
    visits = await stage.admin.rows("visits")
    (mdtrt_id,) = [v["mdtrt_id"] for v in visits if v["ipt_otp_no"] == "O4001"]
    live = await stage.admin.rows("settlements", mdtrt_id=mdtrt_id, state="settled")
    show.equal("live settlements of the visit at the platform", 1, len(live))
    show.equal("its id is the one in the answer", live[0]["setl_id"], final.field("ZSL", 3))


async def _ask_again(stage: Stage, message: bytes) -> HL7Answer:
    """Repeat a message until its answer is final, as a cashier's screen would."""
    async with asyncio.timeout(RESOLVE_SECONDS):
        while True:
            answer = await stage.hl7.send(message)
            if answer.code == "AA" or "FSI-UNKNOWN" not in answer.field("ERR", 5):
                return answer
            await asyncio.sleep(0.25)


async def other_province(stage: Stage) -> None:
    """5: an inpatient insured in another province."""
    show, his = stage.show, stage.his
    show.scene(
        5,
        "An inpatient of another province",
        "王芳跨 is insured in Shenzhen and admitted in Changsha: her own fund has to pay.",
    )
    admit = his.visit(
        "A01",
        m.WANG,
        "I5001",
        "I",
        his.diagnosis("K35.900", "急性阑尾炎", "A"),
        his.insurance(m.WANG),
    )
    show.equal("admitted", "AA", (await stage.tell("A01: admit", admit)).code)
    charges = his.charges(m.WANG, "I5001", "I", m.INPATIENT_ITEMS)
    show.equal("charged", "AA", (await stage.tell("P03: four lines", charges)).code)
    discharge = his.visit("A03", m.WANG, "I5001", "I", his.diagnosis("K35.900", "急性阑尾炎", "F"))
    show.equal("discharged", "AA", (await stage.tell("A03: discharge", discharge)).code)
    answer = await stage.tell("P03: payment", his.payment(m.WANG, "I5001", "I", "1720.00"))
    show.equal("settled", "AA", answer.code)
    show.equal("fund: (1696.00 in scope - 400.00) x 90 %", "1166.40", answer.field("ZSL", 8))
    sends = await stage.sandbox.gateway.journal.sends(limit=10_000)
    regions = {s.pooling_region for s in sends if s.infno == "2304"}
    show.equal("pooling region of the settlement", {"440300"}, regions)
    ledger = {row["region"]: row for row in await stage.admin.rows("ledger")}
    show.equal("settlements funded by Shenzhen", 1, ledger["440300"]["funded_settlements"])


async def audit(stage: Stage) -> None:
    """6: what was done is written down, and the chain is whole."""
    stage.show.scene(6, "The audit", "Every station of every message, in an SM3 hash chain.")
    report = await stage.sandbox.gateway.journal.audit_verify()
    stage.show.console.print(f"  gateway audit verify: {report.rows} rows, head {report.head}")
    stage.show.check("the chain is whole", holds=report.intact and report.rows > 0)


SCENES: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    outpatient_day,
    fhir_claims,
    unmapped_code,
    unknown_outcome,
    other_province,
    audit,
)
