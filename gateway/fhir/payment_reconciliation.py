"""A reconciliation report as a PaymentReconciliation of R4 and R5 (mapping matrix 2.7).

Each settlement of the report is a detail (R5: allocation) with the amount that the fund pays,
negative in a refund; `paymentAmount` is their sum as we hold it, so that it is that of the stored
settlements of the period. `outcome` is `complete` when both sides agree, `partial` when they differ
and `error` when a part was not compared. What differs, and what the centre remarks, stands in
`processNote`. No person is named.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from gateway.fhir.building import money
from gateway.fhir.names import Names
from gateway.fhir.release import R5, Release
from gateway.settlement.reconciling.report import (
    Finding,
    Report,
    ReportRow,
    ReportState,
    SideState,
)
from gateway.settlement.reconciling.words import FINDINGS, REPAIRS

PAYMENT_TYPE: Final = "http://terminology.hl7.org/CodeSystem/payment-type"
"""Codes of a detail and, in R5, of the whole: payment, adjustment, advance."""

OUTCOMES: Final = {
    ReportState.BALANCED: "complete",
    ReportState.DIFFERENT: "partial",
    ReportState.INCOMPLETE: "error",
}
_STATED: Final = (SideState.SETTLED, SideState.REFUND)


def payment_reconciliation(report: Report, names: Names, release: Release) -> dict[str, Any]:
    """The resource; its `id` is that of the institution and the first day."""
    day = report.begin.isoformat()
    resource: dict[str, Any] = {
        "resourceType": "PaymentReconciliation",
        "id": f"{report.fixmedins_code}-{day}",
        "status": "active",
        "period": {"start": day, "end": report.end.isoformat()},
        "created": _moment(report, day),
        "requestor": {
            "identifier": {
                "system": names.identifier("fixmedins"),
                "value": report.fixmedins_code,
            }
        },
        "outcome": OUTCOMES[report.state],
        "disposition": f"{len(report.rows)} settlements, {len(report.differences)} differences",
    }
    amount = money(report.totals.fund_pay_sumamt)
    details = [_detail(row, names, release) for row in report.rows if _amount(row) is not None]
    notes = [_note(row) for row in report.differences]
    notes += [
        {"type": "print", "text": f"{group.clr_type} {group.setl_optins}: {group.note}"}
        for group in report.groups
        if group.note
    ]
    if release is R5:
        resource |= {"type": _payment("payment"), "date": day, "amount": amount}
        resource |= {"allocation": details} if details else {}
    else:
        resource |= {"paymentDate": day, "paymentAmount": amount}
        resource |= {"detail": details} if details else {}
    if notes:
        resource["processNote"] = notes
    return resource


def _moment(report: Report, day: str) -> str:
    return f"{report.made_at.replace(' ', 'T')}+08:00" if report.made_at else day


def _payment(code: str) -> dict[str, Any]:
    return {"coding": [{"system": PAYMENT_TYPE, "code": code}]}


def _amount(row: ReportRow) -> Decimal | None:
    """What the fund pays of a settlement: as we hold it, else as the centre states it."""
    if row.ours.state in _STATED and row.ours.fund_pay_sumamt is not None:
        return row.ours.fund_pay_sumamt
    return row.theirs.fund_pay_sumamt


def _detail(row: ReportRow, names: Names, release: Release) -> dict[str, Any]:
    """One settlement; a row that only the centre has is an adjustment, and counts in no sum."""
    amount = _amount(row)
    assert amount is not None
    ours = row.ours.state in _STATED
    detail: dict[str, Any] = {"type": _payment("payment" if ours else "adjustment")}
    if row.msgid:
        detail["identifier"] = {"system": names.identifier("fsi-msgid"), "value": row.msgid}
    if row.setl_id:
        settlement = {"system": names.identifier("setl-id"), "value": row.setl_id}
        detail["response"] = {"type": "ClaimResponse", "identifier": settlement}
    if row.exchange_id:
        exchange = {"system": names.identifier("exchange"), "value": row.exchange_id}
        claim = {"type": "Claim", "identifier": exchange}
        detail["target" if release is R5 else "request"] = claim
    if row.setl_time:
        detail["date"] = row.setl_time[:10]
    return {**detail, "amount": money(amount)}


def _note(row: ReportRow) -> dict[str, Any]:
    """What is so about a settlement that does not agree, and what is proposed."""
    zh, en = FINDINGS[row.finding]
    repair_zh, repair_en = REPAIRS[row.repair]
    said = f" ({row.memo})" if row.memo and row.finding is not Finding.BALANCED else ""
    name = row.msgid or row.setl_id or "-"
    return {
        "type": "print",
        "text": f"{name}: {zh}{said}；{repair_zh} / {en}; {repair_en}",
    }
