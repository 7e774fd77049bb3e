"""Charge lines: outpatient (2204, 2205) and inpatient (2301, 2302)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from conformance.platform.benefits import FEN, split_line, to_fen
from conformance.platform.call import INPATIENT, OUTPATIENT, PHARMACY, Call, Refusal, amount
from conformance.platform.store import Row
from conformance.platform.transactions.visits import encode_detail

EVERY = "0000"
"""The batch or line number that means all of the visit that is not settled."""

_DOCTOR = re.compile(r"[DN]\d{12}\Z", re.ASCII)
"""National code of a doctor or nurse (reference: code standards)."""


def upload_outpatient(call: Call) -> dict[str, Any]:
    """2204: lines of charge batches; the reply splits each."""
    rows = call.rows("feedetail")
    diseases: dict[str, str] = {}
    for row in rows:
        disease = row.get("dise_codg") or ""
        if diseases.setdefault(row["chrg_bchno"], disease) != disease:
            raise Refusal(f"收费批次{row['chrg_bchno']}只能有一个病种编码")
    return {"result": [upload_line(call, row, OUTPATIENT) for row in rows]}


def upload_inpatient(call: Call) -> dict[str, Any]:
    """2301: lines of a stay, among them return lines with a negative quantity."""
    return {"result": [upload_line(call, row, INPATIENT) for row in call.rows("feedetail")]}


def upload_line(
    call: Call, row: Mapping[str, Any], setting: str, node: str = "result"
) -> dict[str, Any]:
    """Store a line of a visit; its row of the output `node`, with the parts it splits into.

    Raises:
        Refusal: the visit, the number, the physician or the amounts do not fit.
    """
    visit = call.visit(row, setting)
    number, batch = str(row["feedetl_sn"]), row.get("chrg_bchno") or ""
    _check_open(call, visit, batch)
    if call.store.one(
        "SELECT 1 FROM charges WHERE mdtrt_id = ? AND feedetl_sn = ?", visit["mdtrt_id"], number
    ):
        raise Refusal(f"费用明细流水号{number}重复")
    doctor = row.get("bilg_dr_codg") or ""
    if (doctor or setting != PHARMACY) and not _DOCTOR.match(doctor):
        raise Refusal(f"费用明细{number}：开单医师编码未在医保医师库中备案")
    total, quantity = amount(row["det_item_fee_sumamt"]), amount(row["cnt"])
    price = amount(row["pric"])
    _check_arithmetic(number, total, quantity, price)
    _check_return(call, visit, row, quantity)
    code = row["med_list_codg"]
    item = call.tables.catalogue.item(call.region.code, code, call.level)
    parts = split_line(total, quantity, price, item, row.get("hosp_appr_flag") or "")
    result = call.shape(
        node,
        {
            "feedetl_sn": number,
            "det_item_fee_sumamt": total,
            "cnt": quantity,
            "pric": price,
            "pric_uplmt_amt": item.ceiling,
            "selfpay_prop": item.selfpay_prop,
            "fulamt_ownpay_amt": parts.own,
            "overlmt_amt": parts.over,
            "preselfpay_amt": parts.first,
            "inscp_scp_amt": parts.scope,
            "chrgitm_lv": item.chrgitm_lv,
            "med_chrgitm_type": item.med_chrgitm_type,
            "bas_medn_flag": "0",
            "hi_nego_drug_flag": "0",
            "chld_medc_flag": "0",
            "list_sp_item_flag": "0",
            "lmt_used_flag": "1" if item.restricted else "0",
            "drt_reim_flag": "0",
            "memo": item.memo,
        },
    )
    call.store.insert(
        "charges",
        {
            "mdtrt_id": visit["mdtrt_id"],
            "feedetl_sn": number,
            "chrg_bchno": batch,
            "dise_codg": row.get("dise_codg") or "",
            "init_feedetl_sn": str(row.get("init_feedetl_sn") or ""),
            "med_list_codg": code,
            "det_item_fee_sumamt": str(total),
            "cnt": str(quantity),
            "pric": str(price),
            "fulamt_ownpay_amt": str(parts.own),
            "overlmt_amt": str(parts.over),
            "preselfpay_amt": str(parts.first),
            "inscp_scp_amt": str(parts.scope),
            "input": encode_detail(row),
            "result": encode_detail(result),
        },
    )
    return result


def _check_open(call: Call, visit: Row, batch: str) -> None:
    if visit["setting"] == INPATIENT:
        if call.has_final_settlement(visit["mdtrt_id"]):
            raise Refusal("该次住院已结算，不能上传费用明细")
    elif call.store.one(
        "SELECT 1 FROM charges WHERE mdtrt_id = ? AND chrg_bchno = ? AND setl_id <> ''",
        visit["mdtrt_id"],
        batch,
    ):
        raise Refusal(f"收费批次{batch}已结算，不能上传费用明细")


def _check_arithmetic(number: str, total: Decimal, quantity: Decimal, price: Decimal) -> None:
    """Price x quantity, rounded half up, is the amount within a fen (reference: rules, 7)."""
    if price < 0:
        raise Refusal(f"费用明细{number}：单价不能为负")
    if quantity == 0:
        raise Refusal(f"费用明细{number}：数量不能为0")
    if abs(to_fen(price * quantity) - total) > FEN:
        raise Refusal(f"费用明细{number}：金额与单价乘数量不符")


def _check_return(call: Call, visit: Row, row: Mapping[str, Any], quantity: Decimal) -> None:
    """A return has a negative quantity, names its line and gives back no more than was charged."""
    number, origin = str(row["feedetl_sn"]), str(row.get("init_feedetl_sn") or "")
    if visit["setting"] == OUTPATIENT or not origin:
        if quantity < 0:
            raise Refusal(f"费用明细{number}：数量为负的退费明细缺少原费用明细流水号")
        return
    if quantity > 0:
        raise Refusal(f"费用明细{number}：退费明细的数量应为负数")
    charged = call.store.one(
        "SELECT cnt FROM charges WHERE mdtrt_id = ? AND feedetl_sn = ? AND med_list_codg = ?",
        visit["mdtrt_id"],
        origin,
        row["med_list_codg"],
    )
    if charged is None:
        raise Refusal(f"费用明细{number}：未查询到原费用明细{origin}")
    returned = call.store.all(
        "SELECT cnt FROM charges WHERE mdtrt_id = ? AND init_feedetl_sn = ?",
        visit["mdtrt_id"],
        origin,
    )
    left = Decimal(charged["cnt"]) + sum((Decimal(each["cnt"]) for each in returned), Decimal(0))
    if left + quantity < 0:
        raise Refusal(f"费用明细{number}：退费数量超过原费用明细数量")


def withdraw_outpatient(call: Call) -> dict[str, Any]:
    """2205: a batch, or with 0000 every line of the visit that is not settled."""
    data = call.node("data")
    visit, batch = call.visit(data, OUTPATIENT), data["chrg_bchno"]
    if batch == EVERY:
        deleted = call.store.run(
            "DELETE FROM charges WHERE mdtrt_id = ? AND setl_id = ''", visit["mdtrt_id"]
        )
    else:
        if call.store.one(
            "SELECT 1 FROM charges WHERE mdtrt_id = ? AND chrg_bchno = ? AND setl_id <> ''",
            visit["mdtrt_id"],
            batch,
        ):
            raise Refusal(f"收费批次{batch}已参与结算，不能撤销费用明细")
        deleted = call.store.run(
            "DELETE FROM charges WHERE mdtrt_id = ? AND chrg_bchno = ?", visit["mdtrt_id"], batch
        )
    if not deleted:
        raise Refusal("未查询到可撤销的费用明细")
    return {}


def withdraw_inpatient(call: Call) -> dict[str, Any]:
    """2302: lines by number, or with 0000 every line of the stay that is not settled."""
    for row in call.rows("data"):
        visit, number = call.visit(row, INPATIENT), str(row["feedetl_sn"])
        mdtrt_id = visit["mdtrt_id"]
        if number == EVERY:
            deleted = call.store.run(
                "DELETE FROM charges WHERE mdtrt_id = ? AND setl_id = ''", mdtrt_id
            )
        else:
            found = call.store.one(
                "SELECT setl_id FROM charges WHERE mdtrt_id = ? AND feedetl_sn = ?",
                mdtrt_id,
                number,
            )
            if found is not None and found["setl_id"]:
                raise Refusal(f"费用明细{number}已参与结算，不能撤销")
            deleted = call.store.run(
                "DELETE FROM charges WHERE mdtrt_id = ? AND feedetl_sn = ?", mdtrt_id, number
            )
        if not deleted:
            raise Refusal("未查询到可撤销的费用明细")
    for row in call.rows("data"):
        _check_orphans(call, row["mdtrt_id"])
    return {}


def _check_orphans(call: Call, mdtrt_id: str) -> None:
    orphan = call.store.one(
        "SELECT feedetl_sn FROM charges AS back WHERE mdtrt_id = ? AND init_feedetl_sn <> '' "
        "AND NOT EXISTS (SELECT 1 FROM charges AS line WHERE line.mdtrt_id = back.mdtrt_id "
        "AND line.feedetl_sn = back.init_feedetl_sn)",
        mdtrt_id,
    )
    if orphan is not None:
        raise Refusal(f"存在退费明细{orphan['feedetl_sn']}，请先撤销退费明细")


HANDLERS = {
    "2204": upload_outpatient,
    "2205": withdraw_outpatient,
    "2301": upload_inpatient,
    "2302": withdraw_inpatient,
}
