"""The model hospital's language: JSON that is an intent already, and an answer in a few members."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from gateway.errors import MessageError, NotSentError, Problem, UnknownOutcomeError
from gateway.intents import Answer, Intent, Message, Record, Result, Status, Verb, VisitClass
from gateway.settings import PeerSettings
from tests.simulation.books import rows_of

PROTOCOL = "hl7v2"
"""The journal's name of the protocol that this stands for."""


class Asked(msgspec.Struct, kw_only=True):
    """A message of the hospital; amounts are yuan as text."""

    id: str
    verb: str
    visit: str
    setting: str
    psn_no: str
    lines: list[tuple[str, str, str]] = []
    """Number, item, amount."""
    batch: str = ""
    batches: list[str] = []
    """Of a claim: the charge batch of each line. It brings its visit and settles its own lines."""
    total: str = ""
    setl_id: str = ""
    setl_ids: list[str] = []
    """Settlements that are cancelled together, in the order in which they were made."""
    account: str = "0"
    infno: str = ""
    """Of verb `carry`: the transaction that the hospital composed itself."""
    carried: dict[str, Any] = {}
    """Its input."""
    in_stay: bool = False
    """Settle during the stay (mid_setl_flag 1)."""
    owned: bool = False
    """The hospital was told that we have the message (A-005)."""


class Told(msgspec.Struct, kw_only=True):
    """An answer; `code` is AA, AE, AR or UN (the outcome is not known)."""

    code: str
    status: str
    settlements: list[tuple[str, str, str]] = []
    """setl_id, total, setl_id that it cancels."""
    problems: list[str] = []


def is_final(answer: Told | None) -> bool:
    """The hospital need not ask again."""
    return (
        answer is not None and answer.code in ("AA", "AE") and "VISIT-HELD" not in answer.problems
    )


_encode = msgspec.json.Encoder().encode
_asked = msgspec.json.Decoder(Asked).decode
told = msgspec.json.Decoder(Told).decode

_CODES = {Status.DONE: "AA", Status.NOT_SENT: "AR", Status.UNKNOWN: "UN"}


class Speech:
    """The adapter of the pipeline."""

    protocol = PROTOCOL

    async def read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        """The message."""
        asked = _asked(raw)
        return Message(
            protocol=PROTOCOL,
            peer=peer.name,
            sender="HIS",
            control_id=asked.id,
            kind=asked.verb,
            fingerprint=hashlib.sha256(raw).hexdigest(),
            context={"owned": asked.owned, "id": asked.id},
            document=asked,
        )

    async def understand(
        self, message: Message, peer: PeerSettings
    ) -> tuple[Intent, list[Problem]]:
        """The intent."""
        return _intent(message.document), []

    def answer(self, message_kind: str, context: dict[str, Any], result: Result) -> Answer:
        """What the hospital is told."""
        return _answer(
            Told(
                code=_CODES.get(result.status, "AE"),
                status=result.status.value,
                settlements=_settlements(result),
                problems=[p.code.value for p in result.problems],
            )
        )

    def refuse(
        self,
        raw: bytes,
        meta: Mapping[str, str],
        error: Exception,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """What the hospital is told when nothing was begun."""
        problems = [p.code.value for p in getattr(error, "problems", ())]
        if isinstance(error, MessageError):
            return _answer(Told(code="AE", status="invalid", problems=problems))
        if isinstance(error, UnknownOutcomeError):
            return _answer(Told(code="UN", status="unknown"))
        retry = "not-sent" if isinstance(error, NotSentError) else "failed"
        return _answer(Told(code="AR", status=retry))

    def redact(self, raw: bytes) -> bytes:
        """There is no token in it."""
        return raw

    def meta(self, context: Mapping[str, Any]) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def owns(self, context: Mapping[str, Any]) -> bool:
        """True when the hospital waits for nothing but the answer."""
        return bool(context.get("owned"))


def _settlements(result: Result) -> list[tuple[str, str, str]]:
    """setl_id, total and setl_id that it cancels; of the output where the hospital composed it."""
    told = [
        (s.info.get("setl_id"), s.info.get("medfee_sumamt"), s.cancels) for s in result.settlements
    ]
    info = result.output.get("setlinfo") if result.status is Status.DONE else None
    if isinstance(info, dict) and not told:
        told.append((str(info["setl_id"]), format(Decimal(str(info["medfee_sumamt"])), "f"), ""))
    return told


def encode(asked: Asked) -> bytes:
    """The bytes that the hospital sends."""
    return _encode(asked)


def _answer(words: Told) -> Answer:
    return Answer(body=_encode(words))


def _intent(asked: Asked) -> Intent:
    verb = Verb(asked.verb)
    if verb is Verb.CARRY:
        return _carried(asked)
    intent = Intent(verb=verb, visit_class=VisitClass(asked.setting), place="message")
    # The number of the certificate is the person's: the model platform looks it up as it is.
    intent.person = Record({"mdtrt_cert_type": "02", "mdtrt_cert_no": asked.psn_no})
    intent.visit = Record({"ipt_otp_no": asked.visit})
    if verb in (Verb.REGISTER, Verb.ADMIT, Verb.UPDATE, Verb.DISCHARGE) or asked.batches:
        doctor = {"atddr_no": "D430100000001", "dr_name": "陈医生"}
        place = {"dept_code": "A03", "dept_name": "内科", "caty": "A03", "adm_bed": "12"}
        intent.visit.values |= doctor | place
        names = {"diag_code": "J06.900", "diag_name": "急性上呼吸道感染", "maindiag_flag": "1"}
        order = {"diag_type": "1", "diag_srt_no": "1", "vali_flag": "1", "adm_cond": "1"}
        intent.diagnoses = [Record(names | order)]
    if verb is Verb.DISCHARGE:
        intent.visit.values |= {"endtime": "2026-03-05 10:00:00", "dscg_way": "1"}
    for number, item, amount in asked.lines:
        line = {"feedetl_sn": number, "medins_list_codg": item, "medins_list_name": item}
        sums = {"det_item_fee_sumamt": amount, "cnt": "1", "pric": amount}
        flags = {"rx_circ_flag": "0", "hosp_appr_flag": "0"}
        intent.charges.append(Record(line | sums | flags))
    batches = asked.batches or [asked.batch] * len(intent.charges)
    for charge, batch in zip(intent.charges, batches, strict=True):
        if batch:
            charge.values["chrg_bchno"] = batch
    intent.own_charges_only = bool(asked.batches)
    intent.numbers = asked.setl_ids if len(asked.setl_ids) > 1 else []
    options = {"psn_setlway": "01", "mid_setl_flag": "1" if asked.in_stay else "0"}
    stated = {
        "medfee_sumamt": asked.total,
        "setl_id": asked.setl_id or (asked.setl_ids[0] if asked.setl_ids else ""),
        "acct_used_flag": asked.account,
        "invono": f"N{asked.id}",
    }
    intent.settlement = Record(options | {code: text for code, text in stated.items() if text})
    return intent


def _carried(asked: Asked) -> Intent:
    """What the adapter of national JSON makes of a transaction."""
    stated = [row["mdtrt_id"] for row in rows_of(asked.carried) if "mdtrt_id" in row]
    return Intent(
        verb=Verb.CARRY,
        visit_class=VisitClass(asked.setting),
        place="message",
        person=Record({"psn_no": asked.psn_no, "insuplc_admdvs": "430100"}),
        visit=Record({"mdtrt_id": stated[0]} if stated else {}),
        carried_infno=asked.infno,
        carried=msgspec.json.decode(msgspec.json.encode(asked.carried)),
        carried_header=Record({"insuplc_admdvs": "430100"}),
    )
