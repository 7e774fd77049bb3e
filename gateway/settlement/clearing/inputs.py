"""What 3261 is given and what 3260 and refusals say."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.intents import Record
from gateway.settlement.clearing.month import (
    CONFIRMED,
    LEFT_OUT,
    Batch,
    ClearingLine,
    ClearingMonth,
    LineFinding,
)
from gateway.settlement.clearing.refusals import ClearingError


def decided(
    held: ClearingMonth, accept: Collection[str], leave_out: Collection[str]
) -> dict[str, str]:
    """The flag of every line that is to be given now."""
    lines = {line.setl_sn: line for line in held.open_lines()}
    unknown = [number for number in (*accept, *leave_out) if number not in lines]
    if unknown:
        raise ClearingError(
            f"不是{held.year}-{held.month}待确认的明细：{'、'.join(unknown)}；请核对setl_sn",
            f"no open line of {held.year}-{held.month}: {', '.join(unknown)}; check the setl_sn",
        )
    flags = {}
    undecided = []
    for number, line in lines.items():
        if number in leave_out:
            flags[number] = LEFT_OUT
        elif line.finding is LineFinding.AGREES or number in accept:
            flags[number] = CONFIRMED
        else:
            undecided.append(f"{number} ({line.finding.value})")
    if undecided:
        shown = ", ".join(undecided[:10])
        raise ClearingError(
            f"{len(undecided)}条明细与本院不符，须裁定接受或不确认：{shown}",
            f"{len(undecided)} lines need a decision, to accept them or to leave them out: {shown}",
        )
    return flags


def confirmation(held: ClearingMonth, batch: Batch) -> dict[str, Any]:
    """The input of 3261 for a portion of the lines."""
    lines = {line.setl_sn: line for line in held.lines}
    details = [
        {
            "certno": lines[number].certno,
            "mdtrt_id": lines[number].mdtrt_id,
            "mdtrt_setl_time": lines[number].mdtrt_setl_time,
            "setl_sn": number,
            "medfee_sumamt": lines[number].medfee_sumamt,
            "optins_pay_sumamt": lines[number].optins_pay_sumamt,
            "cnfm_flag": flag,
        }
        for number, flag in batch.flags.items()
    ]
    node = {"trt_year": held.year, "trt_month": held.month, "totalrow": len(details)}
    return {"data": node, "detail": details}


def line_of(row: Record) -> ClearingLine:
    """A row of 3260."""
    return ClearingLine(
        seqno=int(row.amount("seqno")),
        certno=row.get("certno"),
        mdtrt_id=row.get("mdtrt_id"),
        mdtrt_setl_time=row.get("mdtrt_setl_time"),
        setl_sn=row.get("setl_sn"),
        fulamt_advpay_flag=row.get("fulamt_advpay_flag"),
        medfee_sumamt=row.amount("medfee_sumamt"),
        optins_pay_sumamt=row.amount("optins_pay_sumamt"),
    )
