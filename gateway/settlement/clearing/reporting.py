"""The report of a clearing month by pooling region; amounts are exact, in yuan.

It holds no person: lines are named by the centre's `setl_sn` and our message ids.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from gateway.settlement.clearing.month import (
    CONFIRMED,
    ClearingLine,
    ClearingMonth,
    LineFinding,
)

ZERO = Decimal("0.00")


class PoolTotals(msgspec.Struct, kw_only=True):
    """One pooling region of a month; `pay` is what its agency pays.

    `listed` are the lines of the centre, `agreeing` those that are ours to the fen, `confirmed`
    and `left_out` those that stand so, `missing` settlements of ours that are not listed. `our_pay`
    is what all of ours make, the missing ones too, and `difference_pay` is listed less ours.
    """

    pool: str
    listed: int = 0
    listed_medfee: Decimal = ZERO
    listed_pay: Decimal = ZERO
    agreeing: int = 0
    agreeing_pay: Decimal = ZERO
    confirmed: int = 0
    confirmed_medfee: Decimal = ZERO
    confirmed_pay: Decimal = ZERO
    left_out: int = 0
    left_out_pay: Decimal = ZERO
    missing: int = 0
    missing_pay: Decimal = ZERO
    our_pay: Decimal = ZERO
    difference_pay: Decimal = ZERO


COLUMNS = tuple(PoolTotals.__struct_fields__)


def by_pool(month: ClearingMonth) -> list[PoolTotals]:
    """The pooling regions of a month in their order."""
    flags = month.flags()
    found: dict[str, PoolTotals] = {}
    for line in month.lines:
        totals = found.setdefault(line.pool, PoolTotals(pool=line.pool))
        if not line.gone:
            totals.listed += 1
            totals.listed_medfee += line.medfee_sumamt
            totals.listed_pay += line.optins_pay_sumamt
            totals.our_pay += line.our_pay or ZERO
        if line.finding is LineFinding.AGREES and not line.gone:
            totals.agreeing += 1
            totals.agreeing_pay += line.optins_pay_sumamt
        flag = flags.get(line.setl_sn)
        if flag == CONFIRMED:
            totals.confirmed += 1
            totals.confirmed_medfee += line.medfee_sumamt
            totals.confirmed_pay += line.optins_pay_sumamt
        elif flag is not None:
            totals.left_out += 1
            totals.left_out_pay += line.optins_pay_sumamt
    for missing in month.missing:
        totals = found.setdefault(missing.pool, PoolTotals(pool=missing.pool))
        totals.missing += 1
        totals.missing_pay += missing.pay_sumamt
        totals.our_pay += missing.pay_sumamt
    for totals in found.values():
        totals.difference_pay = totals.listed_pay - totals.our_pay
    return [found[pool] for pool in sorted(found)]


def total(pools: Iterable[PoolTotals]) -> PoolTotals:
    """The sum of every pooling region."""
    whole = PoolTotals(pool="")
    for one in pools:
        for name in COLUMNS[1:]:
            setattr(whole, name, getattr(whole, name) + getattr(one, name))
    return whole


def to_csv(month: ClearingMonth) -> str:
    """A line a pooling region, and one of all of them, whose region is `total`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("fixmedins_code", "month", *COLUMNS))
    head = (month.fixmedins_code, f"{month.year}-{month.month}")
    for row in table(by_pool(month)):
        writer.writerow((*head, *row))
    return text.getvalue()


def table(pools: list[PoolTotals]) -> list[list[str]]:
    """The rows of `COLUMNS`, the sum of all last."""
    rows = [[str(getattr(one, name)) for name in COLUMNS] for one in (*pools, total(pools))]
    rows[-1][0] = "total"
    return rows


def content(month: ClearingMonth) -> dict[str, Any]:
    """The month as JSON members, without persons."""
    flags = month.flags()
    pools = by_pool(month)
    return {
        "fixmedins_code": month.fixmedins_code,
        "month": f"{month.year}-{month.month}",
        "state": month.state.value,
        "fetched_at": month.fetched_at,
        "note": month.note,
        "pools": msgspec.to_builtins(pools),
        "total": msgspec.to_builtins(total(pools)),
        "lines": [shown(line, flags.get) for line in month.lines],
        "missing": msgspec.to_builtins(month.missing),
        "confirmations": [
            {
                "msgid": batch.msgid,
                "state": batch.state.value,
                "lines": len(batch.flags),
                "inf_refmsgid": batch.inf_refmsgid,
                "rolled_back_by": batch.undone_by,
                "roll_back": batch.undo_state.value if batch.undo_state else "",
            }
            for batch in month.batches
        ],
    }


def shown(line: ClearingLine, flag: Callable[[str], str | None]) -> dict[str, str]:
    """A line without its person."""
    return {
        "setl_sn": line.setl_sn,
        "pool": line.pool,
        "mdtrt_setl_time": line.mdtrt_setl_time,
        "medfee_sumamt": str(line.medfee_sumamt),
        "optins_pay_sumamt": str(line.optins_pay_sumamt),
        "finding": "gone" if line.gone else line.finding.value,
        "our_medfee": "" if line.our_medfee is None else str(line.our_medfee),
        "our_pay": "" if line.our_pay is None else str(line.our_pay),
        "msgid": line.msgid,
        "setl_id": line.setl_id,
        "cnfm_flag": flag(line.setl_sn) or "",
    }
