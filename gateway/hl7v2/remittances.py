"""EHC^E15 of a reconciled day: what the funds owe the institution for it, settlement by settlement.

A remittance is written of a day that balances, so that nothing in it is disputed. Each settlement
is one IPR group with the amount of the funds in IPR-6; a refund is one of its own, `CN` in IVC-4,
with negative amounts. IVC-1 is the number of the sender's invoice (EHC^E01, and E02 of a refund),
and our msgid where there was none. PMT-6 is the sum of IPR-6 and of ADJ-5, but for ADJ of category
IN (F-030): all of ours are, as they repeat amounts that IPR-6 has or that the patient paid. No
person is named.

The control id is made of the content: the same day with the same settlements is the same message,
whenever it is written. Source: v2.6 chapter 16 (E15, PMT, IPR); mapping matrix 1.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.crypto.sm import sm3
from gateway.errors import StateError
from gateway.hl7v2.acks import Identity, reply_header
from gateway.hl7v2.adjustments import PATIENT, PAYER, Adjustments
from gateway.hl7v2.charset import encode
from gateway.hl7v2.header import Header
from gateway.hl7v2.invoice_replies import checksum
from gateway.hl7v2.invoices import ADJUDICATED
from gateway.hl7v2.reader import Segment
from gateway.hl7v2.segments import SYSTEM, built, changed, money, of, stamp
from gateway.hl7v2.writer import Components, components, message
from gateway.settlement.reconciling.report import Report, ReportRow, ReportState, Side, SideState

VERSION = "2.6"
"""The first version that has EHC^E15."""

PAYMENT_METHOD = "DDPO"
"""PMT-4, table 0570: direct deposit."""
INVOICE, CANCELLATION = "OR", "CN"
"""IVC-4, table 0553: an original invoice, and the cancellation of one."""
PAYER_NAME = "医疗保障经办机构"

_CONTROL_ID = 9
"""Where MSH-10 stands among the parts of MSH."""


class Payee(NamedTuple):
    """The institution that is paid."""

    fixmedins_code: str
    name: str


class Contexts(Protocol):
    """The part of the journal that knows what a message was about."""

    async def context(self, exchange_id: str) -> dict[str, Any]:
        """What was kept to write its answer with."""
        ...  # pragma: no cover - the body of a protocol never runs


async def invoice_numbers(contexts: Contexts, report: Report) -> dict[str, str]:
    """The sender's invoice number of each settlement that an invoice made, by its msgid."""
    found: dict[str, str] = {}
    for row in report.rows:
        context = await contexts.context(row.exchange_id) if row.exchange_id else {}
        raw = next(iter(of(context.get("echo", {}).get("lines", []), "IVC")), "")
        if raw:
            header = msgspec.convert(context["header"], Header)
            number = Segment("IVC", 1, raw, header.delimiters, header.codec).get(1)
            found |= {row.msgid: number} if number else {}
    return found


def remittance(
    report: Report,
    payee: Payee,
    identity: Identity,
    to: Header,
    numbers: Mapping[str, str] | None = None,
) -> bytes:
    """The message; `to` says to whom it goes: its sending side is the receiver.

    `numbers` are those of `invoice_numbers`.

    Raises:
        StateError: the day does not balance.
    """
    if report.state is not ReportState.BALANCED:
        raise StateError(f"{report.begin.isoformat()} does not balance: there is no remittance")
    rows = [row for row in report.rows if _amount(row) is not None]
    total = sum((_amount(row) or Decimal(0) for row in rows), Decimal("0.00"))
    made = _time(report.made_at, report)
    head = reply_header(to, "EHC", identity, made, code="AA", event="E15", structure="EHC_E15")
    lines = [
        changed(head, to.reply_delimiters, {_CONTROL_ID: control_id(report)}),
        _payment(report, total, made, to),
        built("PYE", {1: "1", 2: "ORG", 4: _organization(*payee)}, to),
    ]
    for row in rows:
        lines += _settlement(row, report, payee, to, (numbers or {}).get(row.msgid, ""))
    return encode(message(lines), to.codec)


def control_id(report: Report) -> str:
    """MSH-10: 20 hex digits of SM3 over what the day holds, without the time of the comparison."""
    content = (report.fixmedins_code, report.begin, report.end, report.rows)
    return sm3(msgspec.json.encode(content)).hex()[:20].upper()


def receiver(
    application: str = "", facility: str = "", charset: str = "UNICODE UTF-8", codec: str = "utf-8"
) -> Header:
    """Who a remittance goes to: its MSH-3 and MSH-4, already escaped, and its character set."""
    return Header(
        sending_application=application,
        sending_facility=facility,
        processing="P",
        version=VERSION,
        charset=charset,
        codec=codec,
    )


def _amount(row: ReportRow) -> Decimal | None:
    """What the funds pay of a settlement; None for what moved no money."""
    stated = row.ours.state in (SideState.SETTLED, SideState.REFUND)
    return row.ours.fund_pay_sumamt if stated else None


def _payment(report: Report, total: Decimal, made: datetime, to: Header) -> str:
    """PMT: the number of the day, from when to when, and the sum."""
    day = report.begin.isoformat()
    centres = sorted({group.setl_optins for group in report.groups if group.rows})
    return built(
        "PMT",
        {
            1: components(f"{report.fixmedins_code}-{day}"),
            2: f"{report.begin:%Y%m%d}000000",
            3: f"{report.end:%Y%m%d}235959",
            4: components(PAYMENT_METHOD),
            5: stamp(made),
            6: money(f"{total:f}"),
            11: _organization(centres[0] if len(centres) == 1 else "", PAYER_NAME),
        },
        to,
    )


def _settlement(
    row: ReportRow, report: Report, payee: Payee, to: Header, invoice: str
) -> list[str]:
    """IPR, IVC, and one line that stands for all of the settlement."""
    paid, billed = f"{_amount(row) or 0:f}", f"{row.ours.medfee_sumamt or 0:f}"
    refund = row.ours.state is SideState.REFUND
    number, time = row.msgid or row.setl_id, _time(row.setl_time, report)
    invoice = invoice or number
    text = "医疗费总额"
    return [
        built(
            "IPR",
            {
                1: components(number),
                2: components(number),
                3: components(row.setl_id or number),
                4: components(ADJUDICATED),
                5: stamp(time),
                6: money(paid),
                8: checksum(invoice, ADJUDICATED, paid, stamp(time)),
            },
            to,
        ),
        built(
            "IVC",
            {
                1: components(invoice),
                2: components(row.setl_id),
                4: CANCELLATION if refund else INVOICE,
                5: "NORM",
                6: "FS",
                7: stamp(time),
                8: money(billed),
                10: _organization(*payee),
                11: _organization(row.setl_optins, PAYER_NAME),
                25: row.insutype or SYSTEM,
            },
            to,
        ),
        built("PSS", {1: components("1"), 3: "1", 4: money(billed), 5: text}, to),
        built("PSG", {1: components("1"), 3: "1", 4: "N", 5: money(billed), 6: text}, to),
        built(
            "PSL",
            {
                1: components("1"),
                3: "1",
                6: components("P"),
                7: components("medfee_sumamt", text, SYSTEM),
                9: text,
                15: money(billed),
                16: money(billed),
                21: "N",
            },
            to,
        ),
        *_told(row.ours, Adjustments(to, row.setl_id or number, time), number),
    ]


def _told(side: Side, adjustments: Adjustments, number: str) -> list[str]:
    """ADJ that tell and change no sum."""
    told = (
        ("fund_pay_sumamt", "基金支付总额", PAYER, side.fund_pay_sumamt),
        ("acct_pay", "个人账户支出", PATIENT, side.acct_pay),
    )
    return [
        adjustments.one(number, code, label, "IN", action, amount=f"{amount:f}")
        for code, label, action, amount in told
        if amount is not None
    ]


def _organization(code: str, name: str) -> Components:
    """XON: the name, and the code as identifier (XON-10)."""
    return components(name, *([""] * 8), code)


def _time(text: str, report: Report) -> datetime:
    return datetime.fromisoformat(text or f"{report.end.isoformat()} 23:59:59")
