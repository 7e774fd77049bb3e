"""Answers of chapter 16: EHC^E10 to an invoice, E24 to an authorization, RSP^E03, RSP^E22.

An E10 has one IPR with the request's PYE, IN1, IVC, PSS, PSG and PSL, also on rejection, because
the structure demands them (F-032); the numbers of provider and payer come back in them (F-031).
IPR-4 is ADJ for a settlement, PRED for a computation, PEND for an unknown outcome, REJECT for
anything else; IVC-2 is the setl_id. ADJ behind a line has the parts of its amount; behind the last
line of the invoice stand the amounts of the settlement (matrix part 3). An AUT in E24 says that it
is approved. ACK answers E02, E21 and whatever fails before it has an invoice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from gateway.crypto.sm import sm3
from gateway.hl7v2 import answers, invoices
from gateway.hl7v2.acks import err, msa, reply_header
from gateway.hl7v2.adjustments import AMOUNTS, LINE_AMOUNTS, PAYER, Adjustments
from gateway.hl7v2.charset import encode
from gateway.hl7v2.header import Header
from gateway.hl7v2.invoices import Kept
from gateway.hl7v2.segments import SYSTEM, authorization, built, changed, money, of, stamp
from gateway.hl7v2.writer import Field, Raw, components, message
from gateway.intents import CallReport, Record, Result, Settlement, Status

NOTHING = "0.00"
"""What the funds pay of a cancelled invoice, yuan."""

INVOICE_LINES = ("PSS", "PSG", "PSL")


class Told(NamedTuple):
    """What an answer is written from."""

    header: Header
    lines: list[str]
    result: Result
    style: answers.Style
    now: datetime

    def head(self, message_type: str, code: str, event: str = "", structure: str = "") -> list[str]:
        """MSH, MSA and ERR."""
        problems = answers.problems_of(self.result)
        found = reply_header(
            self.header,
            message_type,
            self.style.identity,
            self.now,
            code=code,
            event=event,
            structure=structure,
            asks_accept=self.style.asks_accept,
        )
        return [found, msa(self.header, code, problems), *err(self.header, problems)]

    def number(self, raw: str) -> str:
        """The provider's number of a segment, without its namespace."""
        fields = raw.split(self.header.delimiters.field)
        return fields[1].partition(self.header.delimiters.component)[0] if fields[1:] else ""

    def text(self, segments: Sequence[str]) -> bytes:
        """The message."""
        return encode(message(segments), self.header.codec)


def write_adjudication(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of EHC^E10."""
    told = Told(header, echoed.get("lines", []), result, style, now)
    if not all(of(told.lines, name) for name in ("IVC", *INVOICE_LINES)):
        return answers.write_answer(kind, header, echoed, result, style=style, now=now)
    code = answers.CODES[result.status]
    status, made = status_of(result), settlement_of(result)
    (invoice,) = of(told.lines, "IVC")[:1]
    setl_id = made.info.get("setl_id") if made else ""
    payer = setl_id or _message_id(told)
    values = {2: setl_id} if setl_id else {}
    body = [
        *told.head("EHC", code, "E10", "EHC_E10"),
        _processed(told, invoice, status, made),
        *(of(told.lines, "PYE")[:1] or [built("PYE", {1: "1", 2: "ORG"}, header)]),
        *(of(told.lines, "IN1")[:1] or [_insurance(told)]),
        changed(invoice, header.delimiters, values),
        *_adjudicated(told, status, made, Adjustments(header, payer, now)),
    ]
    return code, told.text(body)


def write_reassessment(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of the EHC^E10 to an E04: the settlement as the platform has it now.

    It has the segments of the invoice itself; one that was not read back is told by ACK.
    """
    kept, told = kept_in(result), result.settlements[-1:]
    if result.status is not Status.DONE or not told:
        return answers.write_answer(kind, header, echoed, result, style=style, now=now)
    found = msgspec.structs.replace(result, calls=[_made(kept)])
    return write_adjudication("EHC^E01", header, {"lines": kept.lines}, found, style=style, now=now)


def _made(kept: Kept) -> CallReport:
    """The call that settled the invoice: an E10 names it, not the query that read it back."""
    reference = kept.inf_refmsgid
    return CallReport(infno="", msgid=kept.msgid, outcome="accepted", inf_refmsgid=reference)


def status_of(result: Result) -> str:
    """IPR-4."""
    if result.status is Status.UNKNOWN:
        return invoices.PENDING
    if result.status is not Status.DONE:
        return invoices.REJECTED
    if result.settlements and result.settlements[-1].info.get("refd_setl_flag") == "1":
        return invoices.ADJUDICATED_TO_ZERO
    return invoices.ADJUDICATED if result.settlements else invoices.PREDICTED


def settlement_of(result: Result) -> Settlement | None:
    """The settlement of an answer: what was made, else what was computed."""
    if result.status is not Status.DONE:
        return None
    return result.settlements[-1] if result.settlements else result.presettlement


def _message_id(told: Told) -> str:
    seed = f"{told.header.sender}|{told.header.control_id}"
    return sm3(seed.encode("utf-8", "replace")).hex()[:20].upper()


def _processed(told: Told, invoice: str, status: str, made: Settlement | None) -> str:
    """IPR: our number, the msgid, the platform's reference, the status, what the funds pay."""
    calls = told.result.calls
    msgid = calls[-1].msgid if calls else ""
    reference = calls[-1].inf_refmsgid if calls else ""
    paid = made.info.get("fund_pay_sumamt") if made else ""
    if status == invoices.ADJUDICATED_TO_ZERO:
        paid = NOTHING
    number, time = told.number(invoice), stamp(told.now)
    return built(
        "IPR",
        {
            1: components(_message_id(told)),
            2: components(msgid or number),
            3: components(reference or _message_id(told)),
            4: components(status),
            5: time,
            6: money(paid) if paid else "",
            8: checksum(number, status, paid, time),
        },
        told.header,
    )


def checksum(*parts: str) -> str:
    """IPR-8: 10 hex digits of SM3 over the parts, `|` between. The standard fixes no algorithm.

    It has 10 characters in 2.6.
    """
    return sm3("|".join(parts).encode()).hex()[:10].upper()


def _insurance(told: Told) -> str:
    person = told.result.intent.person
    values: dict[int, Field] = {
        1: "1",
        2: components(person.get("insutype") or SYSTEM),
        3: components(person.get("insuplc_admdvs") or SYSTEM, "", "", "", "XX"),
    }
    return built("IN1", values, told.header)


def _adjudicated(
    told: Told, status: str, made: Settlement | None, adjustments: Adjustments
) -> list[str]:
    """PSS, PSG and PSL of the request, each PSL with its status and its ADJ."""
    marks = told.header.delimiters
    processed = "P" if status in {invoices.ADJUDICATED, invoices.PREDICTED} else "R"
    processed = "" if status == invoices.PENDING else processed
    if status == invoices.ADJUDICATED_TO_ZERO:
        made = None
    by_number = {row.get("feedetl_sn"): row for row in told.result.charge_results}
    sent = [charge.get("feedetl_sn") for charge in told.result.intent.charges]
    found: list[str] = []
    lines = of(told.lines, *INVOICE_LINES)
    last = max(index for index, line in enumerate(lines) if line.startswith("PSL"))
    count = 0
    for index, line in enumerate(lines):
        if not line.startswith("PSL"):
            found.append(line)
            continue
        number = told.number(line)
        found.append(changed(line, marks, {6: processed} if processed else {}))
        row = by_number.get(sent[count]) if count < len(sent) else None
        count += 1
        if row is not None:
            found += adjustments.all(number, LINE_AMOUNTS, row)
        if index == last and made is not None:
            found += adjustments.all(number, AMOUNTS, made.info)
    return found


def write_authorization(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of EHC^E24."""
    told = Told(header, echoed.get("lines", []), result, style, now)
    invoice, lines = of(told.lines, "IVC")[:1], of(told.lines, "PSL")
    if not invoice or not lines:
        return answers.write_answer(kind, header, echoed, result, style=style, now=now)
    code, intent = answers.CODES[result.status], result.intent
    adjustments = Adjustments(header, _message_id(told), now)
    body = [*told.head("EHC", code, "E24", "EHC_E24"), *invoice]
    for line in lines:
        body.append(line)
        if result.status is Status.DONE:
            values = {**intent.person.values, **intent.filing.values}
            body.append(authorization(header, values, now, intent.verb.value))
        else:
            problem = answers.problems_of(result)[0]
            number = told.number(line)
            label = problem.zh[:100]
            body.append(adjustments.one(number, problem.code.value, label, "IN", PAYER))
    return code, told.text(body)


def write_status(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of RSP^E03 and RSP^E22: how an invoice or authorization stands."""
    code = answers.CODES[result.status]
    if result.status is not Status.DONE:
        problems = answers.problems_of(result)
        return code, answers.refuse_query(header, code, problems, echoed, style=style, now=now)
    kept = kept_in(result)
    told = Told(header, kept.lines, result, style, now)
    rows = _invoice_rows(told, kept) if kind == "QBP^E03" else _authorization_rows(told, kept)
    body = [
        *answers.query_head(header, "AA", [], style, now),
        *answers.query_tail(header, echoed, "OK" if rows else "NF", 1 if rows else 0),
        *rows,
    ]
    return code, told.text(body)


def kept_in(result: Result) -> Kept:
    """What was found of an invoice, as its message carried it along."""
    text = result.intent.query.get("kept")
    return msgspec.json.decode(text, type=Kept) if text else Kept()


def _invoice_rows(told: Told, kept: Kept) -> list[str]:
    if not kept.lines:
        return []
    status, paid = kept.status, kept.paid
    if told.result.settlements:  # read back just now
        info = told.result.settlements[-1].info
        paid = info.get("fund_pay_sumamt")
        if info.get("refd_setl_flag") == "1":
            status = invoices.CANCELLED
    if status == invoices.CANCELLED:
        status, paid = invoices.ADJUDICATED_TO_ZERO, NOTHING
    number, time = told.number(kept.lines[0]), stamp(told.now)
    values: dict[int, Field] = {
        1: components(_message_id(told)),
        2: components(kept.msgid or number),
        3: components(kept.inf_refmsgid or kept.setl_id or _message_id(told)),
        4: components(status),
        5: time,
        6: money(paid) if paid else "",
        8: checksum(number, status, paid, time),
    }
    return [built("IPR", values, told.header)]


def _authorization_rows(told: Told, kept: Kept) -> list[str]:
    """IVC, a group that holds the lines, and PSL with the number of the filing in PSL-5."""
    invoice, lines = of(kept.lines, "IVC")[:1], of(kept.lines, "PSL")
    if not invoice or not lines:
        return []
    number = told.number(invoice[0])
    group: dict[int, Field] = {
        1: components(number),
        3: "1",
        4: "N",
        5: money(kept.amount or "0"),
        6: kept.word or kept.status,
    }
    marks = told.header.delimiters
    status = {"ADJ": "P", "REJECT": "R", "CANCEL": "R"}.get(kept.status, "")
    values = {5: kept.trt_dcla_detl_sn, 6: status}
    values = {at: text for at, text in values.items() if text}
    return [
        Raw(invoice[0]),
        built("PSG", group, told.header),
        *(changed(line, marks, values) for line in lines),
    ]


def _key(charge: Record) -> str:
    return charge.get("feedetl_key") or charge.get("feedetl_sn")


def to_keep(kind: str, echoed: Mapping[str, list[str]], result: Result) -> Kept:
    """What is kept of an E01 or E20 with its answer."""
    intent, made = result.intent, settlement_of(result)
    kept_lines = of(echoed.get("lines", []), "IVC", "PYE", *INVOICE_LINES)
    last = result.calls[-1] if result.calls else None
    filed = kind == "EHC^E20" and result.status is Status.DONE
    return Kept(
        status=invoices.ADJUDICATED if filed else status_of(result),
        lines=kept_lines,
        amount=intent.settlement.get("medfee_sumamt"),
        paid=made.info.get("fund_pay_sumamt") if made else "",
        ipt_otp_no=intent.visit.get("ipt_otp_no"),
        mdtrt_id=intent.visit.get("mdtrt_id"),
        setl_id=made.info.get("setl_id") if made else "",
        psn_no=intent.person.get("psn_no"),
        insuplc_admdvs=intent.person.get("insuplc_admdvs"),
        msgid=last.msgid if last else "",
        inf_refmsgid=last.inf_refmsgid if last else "",
        trt_dcla_detl_sn=intent.filing.get("trt_dcla_detl_sn"),
        items=[(_key(charge), charge.get("chrg_bchno")) for charge in intent.charges],
        word=intent.verb.value.rpartition("-")[2].upper() if kind == "EHC^E20" else "",
    )
