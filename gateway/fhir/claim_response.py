"""The answer to a Claim: a ClaimResponse for every outcome that the platform decided or may have.

Rules: mapping matrix part 3 and 2.4; conformance statements X-036 to X-042. `queued` stands for an
outcome that is not known: no total, no payment, until it is. A payment stands only where a
settlement exists. The amounts are the platform's; where they break an identity, the outcome is
`partial` and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import Problem
from gateway.fhir.amounts import (
    adjudications,
    broken_identities,
    item_adjudications,
    read_amount,
    summed,
    totals,
)
from gateway.fhir.building import (
    Exchange,
    concept,
    decimal_of,
    error_place,
    first_stop,
    identifiers,
    money,
    outward,
    patient_reference,
)
from gateway.fhir.decode import decode_list
from gateway.fhir.filings import (
    FILING_VERBS,
    entitled_elements,
    entitled_words,
    filed_elements,
)
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.fhir.texts import scalar
from gateway.intents import Record, Result, Settlement, Status, Verb, VisitClass

PAYMENT_TYPE = "http://terminology.hl7.org/CodeSystem/ex-paymenttype"
CHINESE = "urn:ietf:bcp:47", "zh-CN"
"""System and code of the language of a note."""
NOTE_LENGTH = 1000
"""Characters of a note at most."""


def claim_response(
    names: Names, exchange: Exchange, claim: dict[str, Any], result: Result
) -> dict[str, Any]:
    """The ClaimResponse to a claim or predetermination, as the outcome stands now."""
    settlements = _made(result)
    outcome = _outcome(result, settlements)
    notes = _Notes()
    response: dict[str, Any] = {
        "resourceType": "ClaimResponse",
        "id": exchange.id,
        **_head(names, exchange, claim, result, settlements),
        "outcome": outcome,
        "disposition": _disposition(result, outcome),
    }
    if outcome == "queued":
        return response
    if result.intent.verb in FILING_VERBS:
        response |= filed_elements(result.intent.filing)
    elif result.intent.verb is Verb.ENTITLE:
        response |= entitled_elements(names, result.entitlements)
    for text in broken_identities(settlements) + _other_total(result, settlements):
        if outcome == "complete":
            response["outcome"] = "partial"
        notes.add(f"平台返回的金额不满足恒等式：{text}，请人工核对")
    items = _items(names, exchange, result, notes) if settlements else []
    if items:
        response["item"] = items
    header = [one for settlement in settlements for one in adjudications(names, settlement)]
    if header:
        response["adjudication"] = header
    sums = summed(settlements)
    if sums:
        response["total"] = totals(names, sums)
    response |= _payment(names, result, settlements)
    for settlement in settlements:
        for fund in settlement.funds:
            notes.add(fund.get("setl_proc_info"))
    for problem in result.problems:
        if not problem.stops:
            notes.add(problem.zh)
    if notes.rows:
        response["processNote"] = notes.rows
    errors = [_error(names, claim, p) for p in result.problems if p.stops]
    if errors:
        response["error"] = errors
    return response


def reversal_response(
    names: Names, exchange: Exchange, original: dict[str, Any], result: Result
) -> dict[str, Any]:
    """The ClaimResponse of a cancelled settlement: the amounts of 2208 or 2305 as returned."""
    settlements = [s for s in result.settlements if s.cancels] or result.settlements
    sums = summed(settlements)
    pairs = [("setl-id", s.info.get("setl_id")) for s in settlements]
    pairs += [("fsi-msgid", s.msgid) for s in settlements]
    kept = (
        "type",
        "subType",
        "use",
        "patient",
        "insurer",
        "requestor",
        "request",
        "extension",
    )
    response: dict[str, Any] = {
        "resourceType": "ClaimResponse",
        "id": exchange.id_of("reversal"),
        "identifier": identifiers(names, pairs),
        "status": "active",
        **{name: original[name] for name in kept if name in original},
        "created": exchange.received,
        "outcome": "complete",
        "disposition": _undone(original, result),
    }
    cancelled = [s.cancels for s in settlements if s.cancels]
    if cancelled:
        response["extension"] = [
            *as_list(original.get("extension")),
            *(
                {
                    "url": names.extension("reversed-setl-id"),
                    "valueIdentifier": {"system": names.identifier("setl-id"), "value": number},
                }
                for number in cancelled
            ),
        ]
    if not response["identifier"]:
        del response["identifier"]
    if sums:
        response["total"] = totals(names, sums)
    header = [one for settlement in settlements for one in adjudications(names, settlement)]
    if header:
        response["adjudication"] = header
    return response


def _undone(original: dict[str, Any], result: Result) -> str:
    if original.get("use") == "preauthorization":
        return "备案已撤销"
    return "结算已撤销" if result.settlements else "已上传的费用明细已撤销"


class _Notes:
    """processNote entries; the same text is numbered once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, text: str) -> int | None:
        """The number of the note with this text; None without a text."""
        text = text.strip()[:NOTE_LENGTH]
        if not text:
            return None
        for row in self.rows:
            if row["text"] == text:
                return int(row["number"])
        number = len(self.rows) + 1
        row = {"number": number, "type": "display", "text": text, "language": concept(*CHINESE)}
        self.rows.append(row)
        return number


def _made(result: Result) -> list[Settlement]:
    """The settlements, or the one that would be, whose amounts are shown."""
    if result.intent.verb is Verb.PRESETTLE:
        return [result.presettlement] if result.presettlement is not None else []
    return [s for s in result.settlements if not s.cancels]


def _outcome(result: Result, settlements: Sequence[Settlement]) -> str:
    if result.status is Status.UNKNOWN:
        return "queued"
    if result.status is Status.DONE:
        return "complete"
    return "partial" if settlements else "error"


def _disposition(result: Result, outcome: str) -> str:
    if outcome == "queued":
        return "结算结果尚不明确，请勿重复提交，请稍后查询本回复"
    if result.status is Status.REVERSED:
        return "结算结果曾不明确，平台已冲正，未发生任何费用；如需结算请使用新的标识重新提交"
    problem = first_stop(result.problems)
    if problem is not None:
        return problem.zh
    if result.intent.verb in FILING_VERBS:
        return "备案完成"
    if result.intent.verb is Verb.ENTITLE:
        return entitled_words(result.entitlements)
    return "预结算完成" if result.intent.verb is Verb.PRESETTLE else "结算完成"


def _head(
    names: Names,
    exchange: Exchange,
    claim: dict[str, Any],
    result: Result,
    settlements: Sequence[Settlement],
) -> dict[str, Any]:
    """Everything of the claim and the visit that does not depend on the outcome."""
    intent = result.intent
    visit = intent.visit
    infos = [settlement.info for settlement in settlements]
    mdtrt_id = visit.get("mdtrt_id") or next((i.get("mdtrt_id") for i in infos), "")
    pairs = [("setl-id", info.get("setl_id")) for info in infos]
    pairs += [("filing", intent.filing.get("trt_dcla_detl_sn"))]
    pairs += [("mdtrt-id", mdtrt_id), ("ipt-otp-no", visit.get("ipt_otp_no"))]
    pairs += [("medins-setl-id", info.get("medins_setl_id")) for info in infos]
    pairs += [("fsi-msgid", number) for number in _message_ids(result, settlements)]
    batches = [s.chrg_bchno for s in settlements] + [c.get("chrg_bchno") for c in intent.charges]
    pairs += [("chrg-bchno", number) for number in batches]
    psn_no = intent.person.get("psn_no") or next((i.get("psn_no") for i in infos), "")
    head: dict[str, Any] = {
        "identifier": identifiers(names, pairs),
        "extension": _extensions(names, result, infos),
        "status": "active",
        "type": claim["type"],
        "subType": claim.get("subType"),
        "use": claim["use"],
        "patient": patient_reference(names, claim.get("patient"), psn_no),
        "created": exchange.received,
        "insurer": outward(claim.get("insurer"), "医疗保障经办机构"),
        "requestor": _requestor(names, claim, result),
        "request": {"reference": f"Claim/{exchange.id}"},
        "insurance": [
            {
                "sequence": row["sequence"],
                "focal": row["focal"],
                "coverage": outward(row.get("coverage"), "基本医疗保险"),
            }
            for row in as_list(claim.get("insurance"))
            if "sequence" in row and "focal" in row
        ],
    }
    return {name: value for name, value in head.items() if value}


def _requestor(names: Names, claim: dict[str, Any], result: Result) -> dict[str, Any]:
    requestor = outward(claim.get("provider"), "医疗机构")
    number = result.intent.facility.get("fixmedins_code")
    if number:
        requestor.pop("display", None)
        requestor["identifier"] = {"system": names.identifier("fixmedins"), "value": number}
    return requestor


def _message_ids(result: Result, settlements: Sequence[Settlement]) -> list[str]:
    """The msgids by which support finds the transactions that decided, or may have."""
    if settlements:
        return [settlement.msgid for settlement in settlements]
    return [call.msgid for call in result.calls[-1:]]


def _extensions(names: Names, result: Result, infos: Sequence[Record]) -> list[dict[str, Any]]:
    intent = result.intent
    found: list[dict[str, Any]] = []
    if intent.visit_class is not None:
        found.append({"url": names.extension("visit-class"), "valueCode": intent.visit_class.value})
    if intent.person.has("insuplc_admdvs"):
        found.append(
            {
                "url": names.extension("insuplc-admdvs"),
                "valueCode": intent.person.get("insuplc_admdvs"),
            }
        )
    for info in infos:
        parts = [
            {"url": code, "valueCode": info.get(code)}
            for code in ("clr_optins", "clr_way", "clr_type")
            if info.has(code)
        ]
        if parts:
            found.append({"url": names.extension("setl-clr"), "extension": parts})
    return found


def _items(names: Names, exchange: Exchange, result: Result, notes: _Notes) -> list[dict[str, Any]]:
    """One entry a line of the claim: what the platform said of it, or the amount it was sent for.

    The platform's rows are told apart by feedetl_sn, which the charges of the intent carry beside
    the item sequence. Of a line that was uploaded before, it said so in an earlier answer.
    """
    rows = {row.get("feedetl_sn"): row for row in result.charge_results}
    found: list[dict[str, Any]] = []
    for charge in result.intent.charges:
        sequence = charge.get("item_sequence")
        if not sequence.isdigit():
            continue
        row = rows.get(charge.get("feedetl_sn")) or Record(
            {"det_item_fee_sumamt": charge.get("det_item_fee_sumamt")}
        )
        parts = item_adjudications(names, row)
        if charge.get("feedetl_sn") not in rows and sequence in exchange.items:
            parts = decode_list(exchange.items[sequence])
        if parts:
            item: dict[str, Any] = {"itemSequence": int(sequence)}
            number = notes.add(row.get("memo"))
            if number is not None:
                item["noteNumber"] = [number]
            found.append({**item, "adjudication": parts})
    return found


def _payment(names: Names, result: Result, settlements: Sequence[Settlement]) -> dict[str, Any]:
    """What the fund pays; only where a settlement exists.

    It is known by the institution's number of the settlement, where there is only one.
    """
    benefit = summed(settlements).get("fund_pay_sumamt")
    if benefit is None or result.intent.verb is Verb.PRESETTLE:
        return {}
    payment: dict[str, Any] = {
        "type": concept(PAYMENT_TYPE, "complete"),
        "amount": money(benefit),
    }
    numbers = [("medins-setl-id", s.info.get("medins_setl_id")) for s in settlements]
    known = identifiers(names, numbers)
    if len(known) == 1:
        payment["identifier"] = known[0]
    day = settlements[-1].info.get("setl_time")[:10]
    if day:
        payment["date"] = day
    return {"payment": payment}


def _other_total(result: Result, settlements: Sequence[Settlement]) -> list[str]:
    """The platform settled another sum than the lines of the claim have (F-010).

    An inpatient settlement is of the whole stay, of which the claim may hold the last lines only.
    """
    if result.intent.visit_class is VisitClass.INPATIENT:
        return []
    stated = decimal_of(result.intent.settlement.get("medfee_sumamt") or "-")
    settled = [read_amount(settlement.info, "medfee_sumamt") for settlement in settlements]
    if stated is None or not settled or None in settled:
        return []
    whole = summed(settlements)["medfee_sumamt"]
    return [] if whole == stated else ["medfee_sumamt = Σ det_item_fee_sumamt"]


def _error(names: Names, claim: dict[str, Any], problem: Problem) -> dict[str, Any]:
    code = concept(names.code_system("fsi-gateway-error"), problem.code.value)
    error: dict[str, Any] = {"code": {**code, "text": problem.zh}}
    if problem.place:
        error["extension"] = [error_place(names, problem.place)]
    sequence = item_of(claim, problem.place)
    return {"itemSequence": sequence, **error} if sequence is not None else error


def item_of(claim: dict[str, Any], place: str) -> int | None:
    """The sequence of the item that a place lies in."""
    _, found, rest = place.partition(".item[")
    index = rest.partition("]")[0]
    items = as_list(claim.get("item"))
    if not found or not index.isdigit() or int(index) >= len(items):
        return None
    sequence = scalar(items[int(index)].get("sequence"))
    return int(sequence) if sequence.isdigit() else None
