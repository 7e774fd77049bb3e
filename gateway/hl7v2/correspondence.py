"""Messages about an invoice or authorization that are kept beside it: E10, E12, E13, E24.

A payer that speaks HL7 v2 itself (another insurer, a hub in front of one) tells how it adjudicated
an invoice (E10) or an authorization (E24), or asks for further information (E12), which the
hospital gives in E13. None of them has a transaction of the interface: what they say is kept under
the invoice that they name (IVC-1), shown by `gateway invoices`, and changes nothing that was
settled, since only the platform's word does.

Who sent the invoice is another peer than the payer: it is looked for among the peers of the same
institutions. An E13 names the E12 that it answers in MSA-2; without one on file it is refused, as
the interface asks for no information (mapping matrix 1.8).

Source: v2.6 chapter 16 (E10, E12, E13, E24, RFI); mapping matrix 1.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from gateway.clock import stamp
from gateway.crypto.sm import sm3
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, Severity
from gateway.hl7v2.events import OF_PAYERS
from gateway.hl7v2.header import Header
from gateway.hl7v2.invoices import (
    ADJUDICATED_TO_ZERO,
    CANCELLED,
    Kept,
    ResourceReader,
    not_asked,
)
from gateway.hl7v2.reader import Document
from gateway.intents import Resource
from gateway.settings import PeerSettings

MESSAGE = "EHCMessage"
"""Type under which they are kept; it is none of FHIR."""

REQUEST, RESPONSE = "EHC^E12", "EHC^E13"

SEGMENTS = {
    "EHC^E10": frozenset({"MSA", "ERR", "IPR", "NTE", "IVC", "PSS", "PSG", "PSL", "ADJ"}),
    REQUEST: frozenset({"RFI", "CTD", "IVC", "PSS", "PSG", "PSL", "OBR", "NTE", "OBX"}),
    RESPONSE: frozenset(
        {"MSA", "RFI", "CTD", "IVC", "PSS", "PSG", "PSL", "OBR", "NTE", "OBX", "TXA"}
    ),
    "EHC^E24": frozenset({"MSA", "ERR", "IVC", "PSL", "AUT", "ADJ"}),
}
"""The segments that are kept of each: all but those of the patient and the insured."""


class Noted(msgspec.Struct, kw_only=True):
    """One of them as it came."""

    kind: str
    peer: str
    control_id: str
    received_at: str
    number: str
    """Of the invoice (IVC-1)."""
    answers: str = ""
    """MSA-2: the message that it answers."""
    status: str = ""
    """IPR-4."""
    paid: str = ""
    """IPR-6, yuan."""
    due: str = ""
    """RFI-2: until when an answer is wanted."""
    lines: list[str] = []


def message_id(invoice: str, control_id: str) -> str:
    """The id of a message about an invoice; `invoice` is the id of the invoice."""
    return sm3(f"{invoice}|{control_id}".encode()).hex()[:40]


def senders(kind: str, peer: PeerSettings, peers: Iterable[PeerSettings]) -> list[str]:
    """Who may have sent the invoice that a message of a peer is about.

    The peer itself; of what a payer sends, every peer that speaks for one of its institutions.
    """
    if kind not in OF_PAYERS:
        return [peer.name]
    own = set(peer.institutions)
    return [peer.name, *(it.name for it in peers if it is not peer and own & set(it.institutions))]


async def remarks(
    reader: ResourceReader | None, kind: str, document: Document, kept: Kept | None
) -> list[Problem]:
    """What is to be told about a message that is only kept.

    Raises:
        InvalidError: an E13 that answers nothing.
    """
    if kind not in SEGMENTS or kept is None or reader is None:
        return []
    if kind != RESPONSE:
        return compare(kind, document, kept)
    if await request_of(reader, document, kept.id) is None:
        raise InvalidError([not_asked()])
    return [only_kept()]


async def request_of(reader: ResourceReader, document: Document, invoice: str) -> Noted | None:
    """The request that an E13 answers (MSA-2)."""
    told = document.first("MSA")
    found = await reader.resource(MESSAGE, message_id(invoice, told.get(2) if told else ""))
    noted = msgspec.json.decode(found.body, type=Noted) if found is not None else None
    return noted if noted is not None and noted.kind == REQUEST else None


def note(
    kind: str, peer: str, header: Header, lines: Sequence[str], *, invoice: str, now: datetime
) -> Resource:
    """The resource to be stored with the answer; `lines` are the raw segments of `SEGMENTS`."""

    def field(name: str, number: int) -> str:
        raw = next((line for line in lines if line.startswith(name)), "")
        fields = raw.split(header.delimiters.field)
        text = fields[number] if number < len(fields) else ""
        return text.partition(header.delimiters.component)[0]

    noted = Noted(
        kind=kind,
        peer=peer,
        control_id=header.control_id,
        received_at=stamp(now),
        number=field("IVC", 1),
        answers=field("MSA", 2),
        status=field("IPR", 4),
        paid=field("IPR", 6).partition(header.delimiters.subcomponent)[0],
        due=field("RFI", 2),
        lines=list(lines),
    )
    search = {"invoice": [invoice], "kind": [kind]}
    body = msgspec.json.encode(noted)
    return Resource(
        type=MESSAGE, id=message_id(invoice, header.control_id), body=body, search=search
    )


def compare(kind: str, document: Document, kept: Kept) -> list[Problem]:
    """Where a payer's answer is not what we hold: warnings, as nothing is changed by it."""
    invoice, result, found = document.first("IVC"), document.first("IPR"), []
    payer = invoice.get(2) if invoice is not None else ""
    if kept.setl_id and payer not in ("", kept.setl_id):
        found.append(_differs("IVC[1]-2", "setl_id", kept.setl_id))
    if kind == "EHC^E10" and result is not None:
        cancelled = kept.status == CANCELLED
        status = ADJUDICATED_TO_ZERO if cancelled else kept.status
        ours, paid = "0.00" if cancelled else kept.paid, _decimal(result.get(6))
        if ours and paid is not None and paid != Decimal(ours):
            found.append(_differs("IPR[1]-6", "fund_pay_sumamt", ours))
        if status and result.get(4) not in ("", status):
            found.append(_differs("IPR[1]-4", "status", status))
    number = next((it.get(6) for it in document.all("AUT") if it.get(6)), "")
    if kept.trt_dcla_detl_sn and number not in ("", kept.trt_dcla_detl_sn):
        found.append(_differs("AUT[1]-6", "trt_dcla_detl_sn", kept.trt_dcla_detl_sn))
    return found


def only_kept() -> Problem:
    """What an E13 comes to."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NOT_SUPPORTED,
        severity=Severity.WARNING,
        place="MSH[1]-9",
        zh="补充资料已随发票保存，医保接口没有可转送的交易，请另行提交付款方",
        en="kept with the invoice; the interface has no transaction to pass it on: hand it to the "
        "payer",
    )


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def _differs(place: str, field: str, ours: str) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH if "amt" in field else ProblemCode.FIELD_VALUE,
        severity=Severity.WARNING,
        field=field,
        place=place,
        zh=f"与网关保存的不一致，网关为{ours}，未作更改",
        en=f"is not what is kept here ({ours}); nothing was changed",
    )
