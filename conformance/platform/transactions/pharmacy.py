"""Purchases in a pharmacy: computed (2101), made (2102) and taken back (2103).

The lines travel in the transaction itself; there is no registration and no upload before it. A
purchase stands among the visits, with a setting of its own, so that 5201 and 5203 find it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from conformance.platform.call import PHARMACY, Call, Refusal, amount
from conformance.platform.transactions.books import Quote, record
from conformance.platform.transactions.charges import upload_line
from conformance.platform.transactions.settlements import answer, cancel_settlement, quoted
from conformance.platform.transactions.visits import open_visit


def presell(call: Call) -> dict[str, Any]:
    """2101: what 2102 would give; nothing is recorded."""
    made, lines = _bought(call)
    mdtrt_id = made.visit["mdtrt_id"]
    call.store.run("DELETE FROM charges WHERE mdtrt_id = ?", mdtrt_id)
    call.store.run("DELETE FROM visits WHERE mdtrt_id = ?", mdtrt_id)
    return {**answer(call, made), "detlcutinfo": lines}


def sell(call: Call) -> dict[str, Any]:
    """2102: takes the lines and settles them."""
    made, lines = _bought(call)
    return {**answer(call, made, record(call, made, batch="")), "detlcutinfo": lines}


def take_back(call: Call) -> dict[str, Any]:
    """2103: the whole purchase, its settlement and its lines."""
    data = call.node("data")
    visit = call.visit(data, PHARMACY)
    output = cancel_settlement(call, visit, data["setl_id"])
    call.store.run("UPDATE visits SET state = 'cancelled' WHERE mdtrt_id = ?", visit["mdtrt_id"])
    return output


def _bought(call: Call) -> tuple[Quote, list[dict[str, Any]]]:
    """The purchase with its lines, computed."""
    data, rows = call.node("druginfo"), call.rows("drugdetail")
    mdtrt_id = open_visit(
        call, data, setting=PHARMACY, number=call.msgid, med_type=data["med_type"]
    )
    named = {"mdtrt_id": mdtrt_id, "psn_no": data["psn_no"]}
    lines = [upload_line(call, {**row, **named}, PHARMACY, node="detlcutinfo") for row in rows]
    total = sum((amount(row["det_item_fee_sumamt"]) for row in rows), Decimal("0.00"))
    if amount(data["medfee_sumamt"]) != total:
        raise Refusal(f"医疗费总额{data['medfee_sumamt']}与费用明细合计{total}不一致")
    stored = call.store.all("SELECT * FROM charges WHERE mdtrt_id = ?", mdtrt_id)
    visit = call.visit(named, PHARMACY)
    return quoted(call, visit, stored, data, middle="0"), lines


HANDLERS = {"2101": presell, "2102": sell, "2103": take_back}
