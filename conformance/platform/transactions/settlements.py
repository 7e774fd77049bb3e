"""Computing, making and cancelling settlements (2206-2208, 2303-2305)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from conformance.platform.benefits import FundShare, Parts, add_parts
from conformance.platform.call import INPATIENT, OUTPATIENT, Call, Refusal, amount
from conformance.platform.store import Row
from conformance.platform.transactions.books import (
    Quote,
    later_settlement,
    quote,
    record,
    record_refund,
    setlinfo,
)

_SPLIT = {
    "fulamt_ownpay_amt": "own",
    "overlmt_selfpay": "over",
    "preselfpay_amt": "first",
    "inscp_scp_amt": "scope",
}
"""The four stated sums, and which part of the lines each must equal."""


def presettle_outpatient(call: Call) -> dict[str, Any]:
    """2206: what 2207 would give; nothing is recorded."""
    return answer(call, _quote_outpatient(call))


def settle_outpatient(call: Call) -> dict[str, Any]:
    """2207: settles one charge batch of one visit."""
    made = _quote_outpatient(call)
    return answer(call, made, record(call, made, batch=call.node("data")["chrg_bchno"]))


def presettle_inpatient(call: Call) -> dict[str, Any]:
    """2303: what 2304 would give; nothing is recorded."""
    return answer(call, _quote_inpatient(call))


def settle_inpatient(call: Call) -> dict[str, Any]:
    """2304: settles every line of the stay that is not settled."""
    made = _quote_inpatient(call)
    return answer(call, made, record(call, made, batch=""))


def answer(call: Call, made: Quote, setl_id: str = "") -> dict[str, Any]:
    """The settlement and its funds; without `setl_id` it was only computed."""
    info = setlinfo(call, made, setl_id)
    return {"setlinfo": info, "setldetail": _funds(call, made.benefit.shares)}


def _funds(call: Call, shares: tuple[FundShare, ...]) -> list[dict[str, Any]]:
    return [
        call.shape(
            "setldetail",
            {
                "fund_pay_type": share.fund,
                "inscp_scp_amt": share.in_scope,
                "crt_payb_lmt_amt": share.limit_left,
                "fund_payamt": share.amount,
                "fund_pay_type_name": share.name,
            },
        )
        for share in shares
    ]


def _quote_outpatient(call: Call) -> Quote:
    data = call.node("data")
    visit = call.visit(data, OUTPATIENT)
    if not visit["reported"]:
        raise Refusal("未上传门诊就诊信息，不能结算")
    if visit["med_type"] != data["med_type"]:
        raise Refusal("医疗类别与就诊信息不一致")
    rows = call.store.all(
        "SELECT * FROM charges WHERE mdtrt_id = ? AND chrg_bchno = ?",
        visit["mdtrt_id"],
        data["chrg_bchno"],
    )
    if not rows:
        raise Refusal("未查询到该收费批次的费用明细")
    if any(row["setl_id"] for row in rows):
        raise Refusal("该收费批次已结算，不能重复结算")
    return quoted(call, visit, rows, data, middle="0")


def _quote_inpatient(call: Call) -> Quote:
    data = call.node("data")
    visit, middle = call.visit(data, INPATIENT), data["mid_setl_flag"]
    if call.has_final_settlement(visit["mdtrt_id"]):
        raise Refusal("该次住院已结算，不能重复结算")
    making = call.infno == "2304"
    discharged = visit["state"] == "discharged"
    if making and middle == "0" and call.region.discharge_first and not discharged:
        raise Refusal("患者未办理出院，不能进行出院结算")
    rows = call.store.all(
        "SELECT * FROM charges WHERE mdtrt_id = ? AND setl_id = ''", visit["mdtrt_id"]
    )
    if not rows:
        raise Refusal("没有待结算的费用明细")
    return quoted(call, visit, rows, data, middle=middle)


def quoted(
    call: Call, visit: Row, rows: list[Row], data: Mapping[str, Any], *, middle: str
) -> Quote:
    """Compute the settlement of stored lines.

    Raises:
        Refusal: the insurance, the certificate or a stated sum does not fit.
    """
    if visit["insutype"] != data["insutype"]:
        raise Refusal("险种类型与就诊登记信息不一致")
    person = call.person(visit["psn_no"])
    call.check_certificate(person, data)
    if data.get("acct_used_flag") == "2":
        raise Refusal("未查询到家庭共济账户绑定关系")
    parts = add_parts(line_parts(row) for row in rows)
    if parts.total < 0:
        raise Refusal("结算费用合计不能为负")
    _check_sums(data, parts)
    return quote(
        call,
        visit,
        parts,
        tuple(row["feedetl_sn"] for row in rows),
        data,
        use_account=data.get("acct_used_flag") == "1",
        middle=middle,
    )


def line_parts(row: Row) -> Parts:
    """The parts of a stored line."""
    return Parts(
        Decimal(row["fulamt_ownpay_amt"]),
        Decimal(row["overlmt_amt"]),
        Decimal(row["preselfpay_amt"]),
        Decimal(row["inscp_scp_amt"]),
    )


def _check_sums(data: Mapping[str, Any], parts: Parts) -> None:
    """The stated sums are those of the uploaded lines, to the fen."""
    stated = amount(data["medfee_sumamt"])
    if stated != parts.total:
        raise Refusal(f"医疗费总额{stated}与已上传费用明细合计{parts.total}不一致")
    for code, name in _SPLIT.items():
        value = data.get(code)
        if value not in (None, "") and amount(value) != getattr(parts, name):
            raise Refusal(f"{code}与已上传费用明细合计{getattr(parts, name)}不一致")


def cancel(call: Call) -> dict[str, Any]:
    """2208, 2305: the whole settlement; answered by a row of its own with the sign turned."""
    data = call.node("data")
    setting = OUTPATIENT if call.infno == "2208" else INPATIENT
    return cancel_settlement(call, call.visit(data, setting), data["setl_id"])


def cancel_settlement(call: Call, visit: Row, setl_id: str) -> dict[str, Any]:
    """Cancel the settlement of a visit.

    Raises:
        Refusal: there is none, it was undone before, or a later one stands in the way.
    """
    settlement = call.store.one(
        "SELECT * FROM settlements WHERE setl_id = ? AND mdtrt_id = ?", setl_id, visit["mdtrt_id"]
    )
    if settlement is None or settlement["state"] == "refund":
        raise Refusal("未查询到结算信息")
    if settlement["state"] == "refunded":
        raise Refusal("该结算已撤销，不能重复撤销")
    if settlement["state"] == "reversed":
        raise Refusal("该结算已冲正，不能撤销")
    if visit["setting"] == INPATIENT and later_settlement(call, settlement):
        raise Refusal("存在之后的结算，请先撤销之后的结算")
    values = record_refund(call, settlement)
    shares = msgspec.json.decode(settlement["shares"], type=tuple[FundShare, ...])
    turned = tuple(
        msgspec.structs.replace(share, in_scope=-share.in_scope, amount=-share.amount)
        for share in shares
    )
    return {"setlinfo": call.shape("setlinfo", values), "setldetail": _funds(call, turned)}


HANDLERS = {
    "2206": presettle_outpatient,
    "2207": settle_outpatient,
    "2208": cancel,
    "2303": presettle_inpatient,
    "2304": settle_inpatient,
    "2305": cancel,
}
