"""Which answer each event gets, what of the request that needs, and what is kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.hl7v2 import answers, correspondence, invoices
from gateway.hl7v2.acks import acknowledgement
from gateway.hl7v2.filing_replies import write_filing_reply
from gateway.hl7v2.header import Header
from gateway.hl7v2.invoice_replies import (
    kept_in,
    to_keep,
    write_adjudication,
    write_authorization,
    write_reassessment,
    write_status,
)
from gateway.hl7v2.invoices import Kept
from gateway.hl7v2.masterfile_replies import write_master_file_reply
from gateway.hl7v2.query_replies import write_table
from gateway.hl7v2.reader import read_document
from gateway.intents import Intent, Record, Resource, Result, Status, Verb
from gateway.settings import EHCReply, HL7Dialect


class Writer(Protocol):
    """Writes an answer: the acknowledgement code and the bytes."""

    def __call__(
        self,
        kind: str,
        header: Header,
        echoed: Mapping[str, list[str]],
        result: Result,
        *,
        style: answers.Style,
        now: datetime,
    ) -> tuple[str, bytes]:
        """`echoed` holds the segments of the request that an answer repeats."""
        ...  # pragma: no cover - the body of a protocol never runs


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("RQA^I08", "RQA^I09", "RQA^I10", "RQA^I11"), write_filing_reply),
    **dict.fromkeys(("REF^I12", "REF^I13", "REF^I14", "REF^I15"), write_filing_reply),
    **dict.fromkeys(("MFN^M02", "MFN^M04", "MFN^M05"), write_master_file_reply),
    **dict.fromkeys(("QBP^E03", "QBP^E22"), write_status),
    "QBP^Q11": write_table,
    "EHC^E01": write_adjudication,
    "EHC^E04": write_reassessment,
    "EHC^E20": write_authorization,
}
"""Events whose answers are written elsewhere than in `answers`."""

BY_NAME = ("QPD", "PRD", "PID", "GT1")
"""Segments of a query or inquiry that its answer repeats."""

IN_ORDER = {
    "EHC": frozenset({"IVC", "PYE", "IN1", "PSS", "PSG", "PSL"}),
    "MFN": frozenset({"MFI", "MFE"}),
    "REF": frozenset({"RF1", "PRD", "PID", "DG1"}),
    "RQA": frozenset({"RF1", "PRD", "PID", "DG1", "PR1"}),
}
"""Segments of a message type that its answers repeat in their order."""

INVOICED = frozenset({"EHC^E01", "EHC^E20"})
"""Events of which something is kept for those that come later."""

IF_KNOWN = frozenset({"SIU^S15", "SIU^S26"})
"""Events that undo something only where it was done."""

UNDONE = frozenset({"EHC^E02", "EHC^E21"})
"""Events that undo it."""


def writer_of(kind: str) -> Writer:
    """Who writes the answer to an event."""
    return WRITERS.get(kind, answers.write_answer)


def echoed(kind: str, masked: str, dialect: HL7Dialect) -> dict[str, list[str]]:
    """The raw segments of a message that its answer repeats, without an e-voucher token."""
    names = correspondence.SEGMENTS.get(kind, IN_ORDER.get(kind[:3]))
    if names is None and kind[:3] not in {"QBP", "RQI"}:
        return {}
    document = read_document(masked, line_feeds=dialect.accept_line_feeds)
    if names is not None:
        return {"lines": [it.text for it in document.segments if it.name in names]}
    return {name: [it.text for it in document.all(name)] for name in BY_NAME if document.all(name)}


def of_its_authorization(kind: str, kept: Kept | None) -> str:
    """The map of an E21 that does not say what it withdraws: its E20 did."""
    return f"{kind} {kept.word}" if kind == "EHC^E21" and kept is not None else kind


def carry_along(intent: Intent, kind: str, kept: Kept | None) -> None:
    """Give an intent what is kept of its invoice, for its answer, and choose by it what is done."""
    if kind == "EHC^E01":
        intent.own_charges_only = True
        return
    intent.if_known = kind in IF_KNOWN
    if kept is None:
        if kind == "QBP^E03":
            intent.verb = Verb.IGNORE
        return
    intent.query.values["kept"] = msgspec.json.encode(kept).decode()
    if kind == "QBP^E03" and not kept.setl_id:
        intent.verb = Verb.IGNORE
    elif kind == "EHC^E02" and intent.verb is Verb.CANCEL and not kept.setl_id:
        intent.verb = Verb.REFUND  # computed only: its lines are withdrawn
        intent.charges = [
            Record({"feedetl_sn": number, "chrg_bchno": batch}) for number, batch in kept.items
        ]


def is_told_later(kind: str, result: Result, dialect: HL7Dialect) -> bool:
    """True for an invoice whose adjudication follows as a message of its own."""
    if dialect.ehc_reply is not EHCReply.ACK_THEN_E10:
        return False
    if kind == "EHC^E04":
        return result.status is Status.DONE
    return kind == "EHC^E01" and result.status is not Status.INVALID


def acknowledge_invoice(header: Header, style: answers.Style, now: datetime) -> tuple[str, bytes]:
    """ACK^E01 (E04): the invoice was taken; EHC^E10 says what became of it."""
    body = acknowledgement(header, "AA", (), style.identity, now, asks_accept=style.asks_accept)
    return "AA", body


def resources(
    kind: str, context: Mapping[str, Any], header: Header, result: Result, now: datetime
) -> list[Resource]:
    """What is kept with the answer to an invoice, an authorization, or what is about one."""
    echo = context.get("echo", {})
    peer = str(context.get("peer", ""))
    number = _number(header, echo.get("lines", []))
    if not number or result.status in (Status.NOT_SENT, Status.INVALID):
        return []
    if kind in correspondence.SEGMENTS:
        lines, invoice = echo.get("lines", []), kept_in(result).id
        return [correspondence.note(kind, peer, header, lines, invoice=invoice, now=now)]
    if kind in INVOICED:
        return [invoices.keep(kind, peer, number, to_keep(kind, echo, result))]
    kept = kept_in(result)
    if kind in UNDONE and result.status is Status.DONE and kept.lines:
        if result.intent.verb is not Verb.REFUND or not kept.setl_id:
            kept.status = invoices.CANCELLED
        return [invoices.keep(kind, peer, number, kept)]
    return []


def _number(header: Header, lines: list[str]) -> str:
    invoice = next((line for line in lines if line.startswith("IVC")), "")
    fields = invoice.split(header.delimiters.field)
    return fields[1].partition(header.delimiters.component)[0] if fields[1:] else ""
