"""Reversal of a request whose outcome the sender does not know (2601)."""

from __future__ import annotations

from typing import Any

from conformance.platform.call import PHARMACY, Call, Refusal
from conformance.platform.store import Row
from conformance.platform.transactions.books import later_settlement, reverse, reverse_refund
from conformance.platform.transactions.visits import cancel_visit


def undo(call: Call) -> dict[str, Any]:
    """2601: removes what one request did; doing so again changes nothing.

    A request that never arrived cannot be reversed: it may still be on its way.
    """
    data = call.node("data")
    original = call.store.one(
        "SELECT * FROM requests WHERE msgid = ? AND fixmedins_code = ?",
        data["omsgid"],
        call.institution.fixmedins_code,
    )
    if original is None or original["infno"] != data["oinfno"]:
        raise Refusal("未查询到原交易信息")
    if original["psn_no"] != data["psn_no"]:
        raise Refusal("人员编号与原交易不符")
    if data["oinfno"] not in call.region.reversible:
        raise Refusal(f"交易{data['oinfno']}不支持冲正")
    if original["infcode"] != 0:
        raise Refusal("原交易未成功，无需冲正")
    if data["oinfno"] == "2401":
        _undo_admission(call, original)
    else:
        _undo_settlement(call, original)
    return {}


def _undo_admission(call: Call, original: Row) -> None:
    visit = call.store.one("SELECT * FROM visits WHERE msgid = ?", original["msgid"])
    if visit is None:
        raise Refusal("未查询到原交易信息")
    if visit["state"] == "discharged":
        raise Refusal("患者已办理出院，请先撤销出院")
    if visit["state"] == "open":
        cancel_visit(call, visit)


def _undo_settlement(call: Call, original: Row) -> None:
    settlement = call.store.one("SELECT * FROM settlements WHERE msgid = ?", original["msgid"])
    if settlement is None:
        raise Refusal("未查询到原交易信息")
    if settlement["state"] == "reversed":
        return
    if settlement["state"] == "refunded":
        raise Refusal("该结算已撤销，不能冲正")
    if settlement["state"] == "refund":
        reverse_refund(call, settlement)
        return
    if settlement["setting"] == "inpatient" and later_settlement(call, settlement):
        raise Refusal("存在之后的结算，请先撤销之后的结算")
    reverse(call, settlement)
    if settlement["setting"] == PHARMACY:
        call.store.run(
            "UPDATE visits SET state = 'cancelled' WHERE mdtrt_id = ?", settlement["mdtrt_id"]
        )


HANDLERS = {"2601": undo}
