"""Invoices and authorizations (EHC, chapter 16): what is checked first, and what is kept of them.

An EHC^E02 names neither patient nor visit, and an EHC^E21 no patient: what the answer to their E01
or E20 said is kept under the provider's invoice number (IVC-1) and found again by it. Kept are the
invoice's own segments and the platform's numbers; of the patient the person number only.

Source: v2.6 chapter 16 (E01 to E24), statements F-028 and F-029; mapping matrix 1.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Protocol

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.hl7v2.places import Place
from gateway.hl7v2.reader import Document, Segment
from gateway.intents import Resource

INVOICE, AUTHORIZATION = "EHCInvoice", "EHCAuthorization"
"""Types under which they are kept; neither is a type of FHIR."""

TYPES = {
    "EHC^E01": INVOICE,
    "EHC^E02": INVOICE,
    "EHC^E04": INVOICE,
    "EHC^E10": INVOICE,
    "EHC^E12": INVOICE,
    "EHC^E13": INVOICE,
    "QBP^E03": INVOICE,
    "EHC^E20": AUTHORIZATION,
    "EHC^E21": AUTHORIZATION,
    "EHC^E24": AUTHORIZATION,
    "QBP^E22": AUTHORIZATION,
}
"""Event to the type that it writes or reads."""

ASKED = frozenset({"QBP^E03", "QBP^E22"})
"""Events that only ask."""

ADJUDICATED, PREDICTED, PENDING = "ADJ", "PRED", "PEND"
REJECTED, CANCELLED = "REJECT", "CANCEL"
"""What became of an invoice; all but the last are values of IPR-4 (table 0571)."""
ADJUDICATED_TO_ZERO = "ADJZER"
"""IPR-4 of a cancelled invoice: the funds pay nothing of it."""

REASSESS = "RA"
"""IVC-4 of an invoice that is to be assessed again (table 0553)."""


class Kept(msgspec.Struct, kw_only=True):
    """What is kept of an invoice or authorization. Amounts are exact text in yuan."""

    id: str = ""
    """Under which it is kept."""
    status: str = ""
    lines: list[str] = []
    """Its IVC, PYE, PSS, PSG and PSL as they came."""
    amount: str = ""
    """Of the invoice (IVC-8)."""
    paid: str = ""
    """By the funds."""
    ipt_otp_no: str = ""
    mdtrt_id: str = ""
    setl_id: str = ""
    psn_no: str = ""
    insuplc_admdvs: str = ""
    msgid: str = ""
    inf_refmsgid: str = ""
    trt_dcla_detl_sn: str = ""
    word: str = ""
    """What was authorized."""
    items: list[tuple[str, str]] = []
    """Number and charge batch of each of its lines."""

    def constants(self) -> dict[str, str]:
        """What a map may ask for with `$`."""
        names = ("ipt_otp_no", "mdtrt_id", "setl_id", "psn_no", "insuplc_admdvs")
        found = {name: getattr(self, name) for name in (*names, "trt_dcla_detl_sn")}
        return {name: value for name, value in found.items() if value}


class ResourceReader(Protocol):
    """The part of the journal that keeps what was answered."""

    async def resource(self, type: str, id: str) -> Resource | None:  # noqa: A002 - its words
        """What was kept last under this id."""
        ...


def identity(peer: str, number: str) -> str:
    """The id of what a peer's invoice number stands for."""
    return sm3(f"{peer}|{number}".encode()).hex()[:40]


def numbers(kind: str, document: Document) -> list[str]:
    """The invoice numbers that a message may mean: IVC-1, in a query any parameter (QPD-3 on)."""
    if kind in ASKED:
        query = document.first("QPD")
        fields = query.fields if query is not None else []
        return [query.get(at) for at in range(3, len(fields)) if query and query.get(at)]
    invoice = document.first("IVC")
    return [invoice.get(1)] if invoice is not None and invoice.get(1) else []


async def find(
    reader: ResourceReader, kind: str, peers: Iterable[str], document: Document
) -> Kept | None:
    """What is kept of the invoice or authorization that a message means, of the first such peer."""
    for number, peer in product(numbers(kind, document), peers):
        found = await reader.resource(TYPES[kind], identity(peer, number))
        if found is not None:
            return msgspec.structs.replace(
                msgspec.json.decode(found.body, type=Kept), id=identity(peer, number)
            )
    return None


def keep(kind: str, peer: str, number: str, kept: Kept) -> Resource:
    """The resource to be stored with an answer."""
    return Resource(type=TYPES[kind], id=identity(peer, number), body=msgspec.json.encode(kept))


def check_invoice(document: Document) -> list[Problem]:
    """An E01: a group's amount is the sum of its lines, and one group is one patient's (F-029)."""
    problems: list[Problem] = []
    for group, lines, patients in _groups(document):
        stated, total = _money(group, 5), [_money(line, 16) for line in lines]
        amounts = [amount for amount in total if amount is not None]
        if stated is not None and len(amounts) == len(total) and stated != sum(amounts):
            problems.append(_group_sum(group, stated, sum(amounts, Decimal(0))))
        if len(patients) > 1 and len(lines) > 1:
            problems.append(_mixed_group(patients[1]))
    return problems


_Group = tuple[Segment, list[Segment], list[Segment]]


def _groups(document: Document) -> list[_Group]:
    """Each PSG with its PSL and its PID."""
    found: list[_Group] = []
    for segment in document.segments:
        if segment.name == "PSG":
            found.append((segment, [], []))
        elif found and segment.name == "PSL":
            found[-1][1].append(segment)
        elif found and segment.name == "PID":
            found[-1][2].append(segment)
    return found


def _money(segment: Segment, field: int) -> Decimal | None:
    try:
        return Decimal(text) if (text := segment.get(field)) else None
    except InvalidOperation:
        return None  # the map reports it


def check_repeat(document: Document, kept: Kept | None) -> list[Problem]:
    """A correction needs a new number: an invoice that was settled is not settled again."""
    if kept is None or kept.status not in {ADJUDICATED, CANCELLED}:
        return []
    del document
    return [
        Problem(
            kind=ProblemKind.DUPLICATE,
            code=ProblemCode.DUPLICATE_KEY,
            place="IVC[1]-1",
            zh="该发票号已结算，更正的发票请使用新的发票号",
            en="the invoice was settled: a corrected one needs a new number",
        )
    ]


def check_cancel(document: Document, kept: Kept | None) -> list[Problem]:
    """An E02: the invoice is known, and IVC-2, IVC-8 and PYE-4 are those of its E01."""
    if kept is None:
        return [unknown_invoice("IVC[1]-1")]
    if kept.status in {CANCELLED, REJECTED}:
        return [already_done("IVC[1]-1")]
    invoice, payee = document.first("IVC"), document.first("PYE")
    assert invoice is not None
    problems = []
    if kept.setl_id and invoice.get(2) not in ("", kept.setl_id):
        problems.append(_differs("IVC[1]-2"))
    amount = _money(invoice, 8)
    if amount is not None and kept.amount and amount != Decimal(kept.amount):
        problems.append(_differs("IVC[1]-8"))
    stated = _payee(kept.lines, invoice)
    if payee is not None and stated and payee.get(4) not in ("", stated):
        problems.append(_differs("PYE[1]-4"))
    note = document.first("NTE")
    if note is None or not note.get(3):
        problems.append(
            _required("NTE[1]-3", "缺少撤销原因", "the reason of the cancellation is missing")
        )
    return problems


def check_reassessment(document: Document, kept: Kept | None) -> list[Problem]:
    """An E04: IVC-4 says RA, and the invoice was settled here."""
    invoice = document.first("IVC")
    assert invoice is not None
    if invoice.get(4) not in ("", REASSESS):
        return [_differs("IVC[1]-4")]
    if kept is None:
        return [unknown_invoice("IVC[1]-1")]
    if not kept.setl_id:
        return [already_done("IVC[1]-1")]
    return [_differs("IVC[1]-2")] if invoice.get(2) not in ("", kept.setl_id) else []


def check_known(_: Document, kept: Kept | None) -> list[Problem]:
    """What a payer says or asks is about an invoice or authorization that was sent from here."""
    return [] if kept is not None else [unknown_invoice("IVC[1]-1")]


def check_asked(_: Document, kept: Kept | None) -> list[Problem]:
    """An E13 is about an invoice of ours; `correspondence` sees whether it was asked for."""
    return [] if kept is not None else [not_asked()]


def not_asked() -> Problem:
    """An E13 without its E12: the interface asks for no information."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NOT_SUPPORTED,
        place="MSA[1]-2",
        zh="医保接口没有补充资料，也没有收到对应的补充资料请求（EHC^E12）",
        en="the insurance asks for no further information, and no request (EHC^E12) is on file",
    )


def check_remittance(document: Document, _: Kept | None) -> list[Problem]:
    """An E15: PMT-6 is the sum of IPR-6 and of ADJ-5 that are not of category IN (F-030)."""
    payment = document.first("PMT")
    assert payment is not None
    if not payment.get(1):
        return [_required("PMT[1]-1", "缺少付款编号", "the number of the payment is missing")]
    counted = [it for it in document.all("ADJ") if it.get(4) != "IN"]
    parts = [
        *(_money(it, 6) for it in document.all("IPR")),
        *(_money(it, 5) for it in counted),
    ]
    total, sums = _money(payment, 6), sum((it for it in parts if it is not None), Decimal(0))
    if total is None or total == sums:
        return []  # the map reports what is no amount
    return [
        Problem(
            kind=ProblemKind.BUSINESS,
            code=ProblemCode.AMOUNT_MISMATCH,
            place="PMT[1]-6",
            zh=f"付款金额{total}与明细合计{sums}不一致",
            en=f"the amount of the payment {total} is not the sum of its lines {sums}",
        )
    ]


def _required(place: str, zh: str, en: str) -> Problem:
    kind, code = ProblemKind.REQUIRED, ProblemCode.FIELD_REQUIRED
    return Problem(kind=kind, code=code, place=place, zh=zh, en=en)


def _payee(lines: Sequence[str], invoice: Segment) -> str:
    raw = next((line for line in lines if line.startswith("PYE")), "")
    return Segment("PYE", 1, raw, invoice.delimiters, invoice.codec).get(4) if raw else ""


def unknown_invoice(place: str) -> Problem:
    """Nothing of this number was answered here."""
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.NOT_FOUND,
        place=place,
        zh="没有该发票号的记录",
        en="nothing is known of this invoice number",
    )


def already_done(place: str) -> Problem:
    """What is to be undone was undone."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.SETTLEMENT_UNKNOWN,
        place=place,
        zh="该发票已撤销或没有结算",
        en="the invoice was cancelled, or was never settled",
    )


def _differs(place: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        place=place,
        zh="与原发票不一致",
        en="differs from the invoice that is to be cancelled",
    )


def _group_sum(group: Segment, stated: Decimal, total: Decimal) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH,
        place=str(Place("PSG", group.occurrence, 5)),
        zh=f"费用组金额{stated}与组内明细合计{total}不一致",
        en=f"the amount of the group {stated} is not the sum of its lines {total}",
    )


def _mixed_group(patient: Segment) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NOT_SUPPORTED,
        place=str(Place("PID", patient.occurrence)),
        zh="一个费用组不能既有多个患者又有多条明细",
        en="a group may not hold both several patients and several lines",
    )


CHECKS: Mapping[str, Callable[[Document, Kept | None], list[Problem]]] = {
    "EHC^E01": lambda document, kept: [*check_invoice(document), *check_repeat(document, kept)],
    "EHC^E02": check_cancel,
    "EHC^E04": check_reassessment,
    **dict.fromkeys(("EHC^E10", "EHC^E12", "EHC^E24"), check_known),
    "EHC^E13": check_asked,
    "EHC^E15": check_remittance,
}
"""What is looked at before anything else of a message."""
