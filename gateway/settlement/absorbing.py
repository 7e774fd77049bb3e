"""What each accepted reply means for the visit and the result: one small function a transaction.

A transaction that is not in `ABSORBERS` gives nothing that a later step needs. A reply that lacks
what the transaction must give (no mdtrt_id after 2201, no setl_id after 2207) is not trusted:
`UnreadableReplyError`, which makes a money outcome unknown (conformance statement T-029).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from gateway.errors import (
    InvalidError,
    Problem,
    ProblemCode,
    ProblemKind,
    Severity,
    UnknownOutcomeError,
)
from gateway.fsi import results
from gateway.intents import Record, Settlement, Verb, VisitClass
from gateway.settlement import reading
from gateway.settlement.agreeing import MismatchError, differing, mismatches
from gateway.settlement.charges import batches_of
from gateway.settlement.chronic import choose
from gateway.settlement.coverage import choose_insurance
from gateway.settlement.standing import SettlementEvent, check
from gateway.settlement.visits import Batch, Visit, VisitEvent
from gateway.settlement.work import Absorption, UnreadableReplyError, Work, one_row, rows

SPLITS = {
    "fulamt_ownpay_amt": "fulamt_ownpay_amt",
    "overlmt_amt": "overlmt_selfpay",
    "preselfpay_amt": "preselfpay_amt",
    "inscp_scp_amt": "inscp_scp_amt",
}
"""Split amounts of a line in the 2204 reply -> their sums in the 2207 input."""

COMPUTING = frozenset({"2101", "2206", "2303"})
"""Transactions that compute a settlement and make none."""

CANCELLING = frozenset({"2103", "2208", "2305"})
"""Transactions that cancel a settlement."""

PERSON_FIELDS = ("psn_no", "psn_cert_type", "certno", "psn_name", "gend", "brdy", "naty", "age")
INSURANCE_FIELDS = ("insutype", "psn_type", "insuplc_admdvs", "cvlserv_flag", "emp_name")


Absorber = Callable[[Work, Absorption], None]


def absorb(work: Work, call: Absorption) -> None:
    """Take the reply into the visit and the result.

    Raises:
        UnreadableReplyError: the reply lacks what the transaction must give.
        MismatchError: the reply is about another visit, person or total: what it settled stands at
            the platform.
        InvalidError: the reply shows that the message cannot go on (no insurance, another person).
        StateError: the visit's table has no such transition.
    """
    absorber = ABSORBERS.get(call.infno)
    if absorber is not None:
        absorber(work, call)


def _identified(work: Work, call: Absorption) -> None:
    person = one_row(call, "baseinfo", "psn_no")
    work.result.insurances = rows(call.output, "insuinfo")
    work.result.identities = rows(call.output, "idetinfo")
    intent = work.intent
    if intent.verb is not Verb.IDENTIFY and (problems := other_person(intent.person, person)):
        raise InvalidError(problems)
    for code in PERSON_FIELDS:
        if person.has(code):
            intent.person.values[code] = person.get(code)
    if intent.verb is Verb.IDENTIFY:
        return
    chosen = choose_insurance(
        work.result.insurances,
        insutype=intent.person.get("insutype"),
        insuplc_admdvs=intent.person.get("insuplc_admdvs"),
        today=call.today,
    )
    for code in INSURANCE_FIELDS:
        if chosen.has(code):
            intent.person.values[code] = chosen.get(code)


def other_person(stated: Record, found: Record) -> list[Problem]:
    """A name that arrives garbled, or another person's card or visit, stops the message."""
    return [
        Problem(
            kind=ProblemKind.VALUE,
            code=ProblemCode.PERSON_CONFLICT,
            field=code,
            place=stated.place(code),
            zh=f"{zh}与医保登记不一致",
            en=f"the {en} differs from the one the insurance has",
            remedy_zh="请核对凭证是否为本人，以及消息的字符集",
            remedy_en="check whose certificate it is, and the character set of the message",
        )
        for code, zh, en in (("psn_name", "姓名", "name"), ("psn_no", "人员编号", "person number"))
        if stated.has(code) and found.has(code)
        if _plain(stated.get(code)) != _plain(found.get(code))
    ]


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).replace("•", "·").casefold()


def _entitled(work: Work, call: Absorption) -> None:
    work.result.entitlements = rows(call.output, "trtinfo")


def _filed_diseases(work: Work, call: Absorption) -> None:
    """5301: asked for itself, or for the category of the visit that is about to begin."""
    reading.ABSORBERS["5301"](work, call)
    if work.visit is not None:
        filed = work.result.found[Verb.FIND_CHRONIC.value]
        work.result.problems += choose(work.intent, filed, work.chronic, call.today)


def _registered(work: Work, call: Absorption) -> None:
    reply = one_row(call, "data", "mdtrt_id")
    visit = work.opened()
    _open(work, visit, reply.get("mdtrt_id"), VisitEvent.REGISTERED)


def _admitted(work: Work, call: Absorption) -> None:
    reply = one_row(call, "result", "mdtrt_id")
    visit = work.opened()
    _open(work, visit, reply.get("mdtrt_id"), VisitEvent.ADMITTED)
    visit.diagnoses = work.intent.diagnoses


def _open(work: Work, visit: Visit, mdtrt_id: str, event: VisitEvent) -> None:
    work.intent.visit.values["mdtrt_id"] = mdtrt_id
    visit.apply(event)
    _remember(work, visit)


def _remember(work: Work, visit: Visit) -> None:
    visit.person = work.intent.person
    visit.visit = work.intent.visit


def _described(work: Work, _call: Absorption) -> None:
    visit = work.opened()
    visit.apply(VisitEvent.DESCRIBED)
    _remember(work, visit)
    if work.intent.diagnoses:
        visit.diagnoses = [d for d in work.intent.diagnoses if d.get("vali_flag") != "0"]
        visit.listed.diagnoses = []


def _charged(work: Work, call: Absorption) -> None:
    visit = work.opened()
    results = rows(call.output, "result")
    by_number = {row.get("feedetl_sn"): row for row in results}
    for batch in batches_of(call.lines):
        batch.msgid = call.msgid
        found = [by_number.get(line.feedetl_sn, Record()) for line in batch.lines]
        if all(row.has(code) for row in found for code in SPLITS):
            for of_line, of_batch in SPLITS.items():
                total = sum((row.amount(of_line) for row in found), Decimal("0.00"))
                setattr(batch, of_batch, format(total, "f"))
        visit.batches.append(batch)
    work.result.charge_results += results
    visit.apply(VisitEvent.CHARGED)


def _withdrawn(work: Work, call: Absorption) -> None:
    visit = work.opened()
    visit.batches = [b for b in visit.batches if b.setl_id or b.chrg_bchno != call.batch]
    if not visit.open_batches():
        trimmed = any(b.setl_id for b in visit.batches)
        visit.apply(VisitEvent.TRIMMED if trimmed else VisitEvent.WITHDRAWN)


def _settlement(work: Work, call: Absorption, *required: str) -> Settlement:
    info = one_row(call, "setlinfo", "medfee_sumamt", *required)
    cancelled = work.intent.settlement.get("setl_id") if call.infno in CANCELLING else ""
    total = next(
        (
            made.info.get("medfee_sumamt")
            for made in work.opened().settlements
            if cancelled and made.info.get("setl_id") == cancelled
        ),
        "",
    )
    if fields := differing(call.asked, info, total):
        if call.infno in COMPUTING:
            raise InvalidError(mismatches(call.infno, fields, work.intent))
        raise MismatchError(fields, info.get("setl_id"))
    try:
        amounts = results.settlement(call.output)
    except UnknownOutcomeError as error:
        raise UnreadableReplyError(f"{call.infno}: {error}") from error
    settlement = Settlement(
        infno=call.infno,
        msgid=call.msgid,
        info=info,
        funds=rows(call.output, "setldetail"),
        chrg_bchno=call.batch,
    )
    work.result.problems += [
        _does_not_add_up(settlement, formula) for formula in amounts.broken_identities()
    ]
    return settlement


def _presettled(work: Work, call: Absorption) -> None:
    computed = work.result.presettlement = _settlement(work, call)
    batch = work.opened().batch(call.batch)
    if batch is not None and not batch.is_split and all(map(computed.info.has, SPLITS.values())):
        for code in SPLITS.values():
            setattr(batch, code, computed.info.get(code))


def _settled(work: Work, call: Absorption) -> None:
    visit = work.opened()
    settlement = _settlement(work, call, "setl_id")
    for batch in visit.open_batches():
        if not call.batch or batch.chrg_bchno == call.batch:
            batch.setl_id = settlement.info.get("setl_id")
    in_stay = _is_in_stay(work, call)
    settlement.ends_stay = call.infno == "2304" and not in_stay
    visit.apply(VisitEvent.SETTLED_IN_STAY if in_stay else VisitEvent.SETTLED)
    visit.settlements.append(settlement)
    work.result.settlements.append(settlement)
    work.result.presettlement = None


def _is_in_stay(work: Work, call: Absorption) -> bool:
    return call.infno == "2304" and work.intent.settlement.get("mid_setl_flag") == "1"


def _unsettled(work: Work, call: Absorption) -> None:
    visit = work.opened()
    settlement = _settlement(work, call, "setl_id")
    settlement.cancels = work.intent.settlement.get("setl_id")
    check(visit, settlement.cancels, SettlementEvent.CANCELLED)
    undo_settlement(visit, settlement.cancels)
    visit.settlements.append(settlement)
    work.result.settlements.append(settlement)


def _priced(work: Work, call: Absorption) -> None:
    work.result.presettlement = _settlement(work, call)
    work.result.charge_results = rows(call.output, "detlcutinfo")


def _sold(work: Work, call: Absorption) -> None:
    settlement = _settlement(work, call, "setl_id", "mdtrt_id")
    work.intent.visit.values["mdtrt_id"] = settlement.info.get("mdtrt_id")
    _remember(work, work.opened())
    sell(work.opened(), settlement, batches_of(call.lines))
    work.result.charge_results = rows(call.output, "detlcutinfo")
    work.result.settlements.append(settlement)
    work.result.presettlement = None


def sell(visit: Visit, settlement: Settlement, batches: list[Batch]) -> None:
    """Set a purchase to settled, with its lines."""
    for batch in batches:
        batch.setl_id = settlement.info.get("setl_id")
    visit.batches = batches
    visit.settlements.append(settlement)
    visit.apply(VisitEvent.SETTLED)


def undo_settlement(visit: Visit, setl_id: str) -> None:
    """Set the visit back to before the settlement: its batches are open again.

    A stay that another settlement ended stays settled when one during the stay is undone. A
    purchase is over.
    """
    if visit.visit_class is VisitClass.PHARMACY:
        visit.apply(VisitEvent.CANCELLED)
        visit.batches = []
        return
    for batch in visit.batches:
        if batch.setl_id == setl_id:
            batch.setl_id = ""
    others = (s for s in visit.live_settlements() if s.info.get("setl_id") != setl_id)
    if any(other.ends_stay for other in others):
        return
    in_stay = visit.visit_class.value == "inpatient" and not visit.visit.has("endtime")
    visit.apply(VisitEvent.UNSETTLED_IN_STAY if in_stay else VisitEvent.UNSETTLED)


def _discharged(work: Work, _call: Absorption) -> None:
    visit = work.opened()
    visit.apply(VisitEvent.DISCHARGED)
    _remember(work, visit)
    if work.intent.diagnoses:
        visit.diagnoses = work.intent.diagnoses
        visit.listed.diagnoses = []


def _event(event: VisitEvent) -> Absorber:
    def apply(work: Work, _call: Absorption) -> None:
        visit = work.opened()
        visit.apply(event)
        _remember(work, visit)
        if event is VisitEvent.UNDISCHARGED:
            visit.visit.values.pop("endtime", None)

    return apply


ABSORBERS: dict[str, Absorber] = {
    "1101": _identified,
    "2001": _entitled,
    "2101": _priced,
    "2102": _sold,
    "2103": _unsettled,
    "2201": _registered,
    "2202": _event(VisitEvent.CANCELLED),
    "2203": _described,
    "2204": _charged,
    "2205": _withdrawn,
    "2206": _presettled,
    "2207": _settled,
    "2208": _unsettled,
    "2301": _charged,
    "2302": _withdrawn,
    "2303": _presettled,
    "2304": _settled,
    "2305": _unsettled,
    "2401": _admitted,
    "2402": _discharged,
    "2403": _described,
    "2404": _event(VisitEvent.CANCELLED),
    "2405": _event(VisitEvent.UNDISCHARGED),
    **reading.ABSORBERS,
    "5301": _filed_diseases,
}

REQUIRED = {
    "2102": ("setlinfo", "setl_id"),
    "2103": ("setlinfo", "setl_id"),
    "2207": ("setlinfo", "setl_id"),
    "2208": ("setlinfo", "setl_id"),
    "2304": ("setlinfo", "setl_id"),
    "2305": ("setlinfo", "setl_id"),
    "2401": ("result", "mdtrt_id"),
    "2501": ("result", "trt_dcla_detl_sn"),
    "2503": ("result", "trt_dcla_detl_sn"),
    "2505": ("result", "trt_dcla_detl_sn"),
}
"""What an accepted reply has to hold for its outcome to be known."""


def is_readable(infno: str, output: Mapping[str, Any]) -> bool:
    """True unless an accepted reply lacks what the transaction must give (T-029)."""
    if infno not in REQUIRED:
        return True
    node, code = REQUIRED[infno]
    found = rows(output, node)
    return bool(found) and found[0].has(code)


def _does_not_add_up(settlement: Settlement, formula: str) -> Problem:
    """A money identity of matrix part 3 that does not hold: a warning; nothing is altered."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH,
        severity=Severity.WARNING,
        field=formula.partition(" ")[0],
        zh=f"平台返回的金额不平：{formula} 不成立",
        en=f"the platform's amounts do not add up: {formula} does not hold",
        detail=f"{settlement.infno} {settlement.msgid}",
    )
