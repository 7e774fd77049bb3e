"""Filings and purchases at a centre: what it keeps, finds, and refuses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

TRANSFER = {
    "psn_no": "43010000000000000001",
    "diag_code": "K35.900",
    "diag_name": "急性阑尾炎",
    "reflin_medins_no": "H44030000001",
    "reflin_medins_name": "深圳示范医院",
    "mdtrtarea_admdvs": "440300",
    "refl_type": "3",
    "refl_date": "2026-03-02",
    "refl_rea": "本地不能治疗",
    "refl_opnn": "同意转院",
}
KEY = {"psn_no": TRANSFER["psn_no"]}
PURCHASE = {
    "psn_no": "43010000000000000001",
    "mdtrt_cert_type": "02",
    "mdtrt_cert_no": "430199198001010010",
    "psn_cert_type": "01",
    "certno": "430199198001010010",
    "psn_name": "张伟示",
    "psn_type": "11",
    "begntime": "2026-03-02 09:30:00",
    "medfee_sumamt": Decimal("37.20"),
    "insutype": "310",
    "acct_used_flag": "1",
    "med_type": "41",
}
LINE = {
    "feedetl_sn": 1,
    "rx_circ_flag": "0",
    "fee_ocur_time": "2026-03-02 09:40:00",
    "med_list_codg": "XJ01CAA040A001010405611",
    "medins_list_codg": "L1",
    "det_item_fee_sumamt": Decimal("37.20"),
    "cnt": Decimal(2),
    "pric": Decimal("18.600000"),
}


async def file(changsha: Any, **changes: str) -> str:
    """2501: the number of the filing."""
    output = await changsha.call("2501", {"refmedin": {**TRANSFER, **changes}}, insuplc="430100")
    number = output["result"]["trt_dcla_detl_sn"]
    assert isinstance(number, str)
    return number


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"refl_type": "1"}, "转院类型1与就医地行政区划440300不符"),
        ({"refl_type": "3", "mdtrtarea_admdvs": "430200"}, "转院类型3与就医地行政区划430200不符"),
        ({"enddate": "2026-03-01"}, "备案结束日期早于开始日期"),
        ({"diag_code": "腹痛"}, "诊断编码腹痛格式错误"),
    ],
)
async def test_a_transfer_that_contradicts_itself_is_refused(
    changsha: Any, changes: dict[str, str], reason: str
) -> None:
    """Rules section 12: refl_type says where the receiving hospital lies."""
    content = {"refmedin": {**TRANSFER, **changes}}
    assert await changsha.refused("2501", content, insuplc="430100") == reason
    assert await changsha.admin("GET", "filings") == []


async def test_a_transfer_ends_by_its_withdrawal_and_only_once(changsha: Any) -> None:
    """A second valid one to the same hospital is refused; after 2502 it is not."""
    number = await file(changsha)
    again = await changsha.refused("2501", {"refmedin": TRANSFER}, insuplc="430100")
    assert again == "该人员已有有效的同类备案，不能重复备案"
    other = {"data": {"trt_dcla_detl_sn": number, "psn_no": "43010000000000000002"}}
    assert await changsha.refused("2502", other, insuplc="430100") == "未查询到备案信息"
    mine = {"data": {"trt_dcla_detl_sn": number, **KEY}}
    assert await changsha.call("2502", mine, insuplc="430100") == {}
    assert await changsha.refused("2502", mine, insuplc="430100") == "该备案已撤销，不能重复撤销"
    assert await file(changsha) != number


async def test_transfers_are_found_by_when_they_were_filed(changsha: Any) -> None:
    """5304: the day of the filing, whatever the days of the transfer."""
    await file(changsha)
    for begin, end, count in (("2026-03-01", "2026-03-02", 1), ("2026-03-03", "2026-03-09", 0)):
        data = {**KEY, "begntime": f"{begin} 00:00:00", "endtime": f"{end} 23:59:59"}
        output = await changsha.call("5304", {"data": data}, insuplc="430100")
        assert len(output["refmedin"]) == count
        assert [row["insutype"] for row in output["refmedin"]] == ["310"] * count


async def test_only_chronic_filings_that_hold_today_are_found(changsha: Any) -> None:
    """Rules section 21: 5301 gives filings valid now."""
    base = {
        **KEY,
        "insutype": "310",
        "insu_optins": "430100",
        "ide_fixmedins_no": "H43010000001",
        "ide_fixmedins_name": "长沙示范医院",
        "hosp_ide_date": "2026-02-01",
        "diag_dr_codg": "D430100000001",
        "diag_dr_name": "陈医生",
    }
    for code, begin, end in (
        ("M03900", "2026-01-01", "2026-12-31"),
        ("M01600", "2026-04-01", "2026-12-31"),
        ("M02200", "2025-01-01", "2025-12-31"),
    ):
        data = {**base, "opsp_dise_code": code, "opsp_dise_name": code, "begndate": begin}
        await changsha.call("2503", {"data": {**data, "enddate": end}}, insuplc="430100")
    output = await changsha.call("5301", {"data": KEY}, insuplc="430100")
    assert [row["opsp_dise_code"] for row in output["feedetail"]] == ["M03900"]


async def test_a_purchase_is_settled_in_one_step_and_found(changsha: Any) -> None:
    """2102: 37.20 in scope is below the deductible of 50; the account of 1000.00 pays all of it.

    5201 lists it as a visit of medical type 41, and 2103 gives the account back.
    """
    content = {"druginfo": PURCHASE, "drugdetail": [LINE]}
    computed = await changsha.call("2101", content, insuplc="430100")
    assert await changsha.admin("GET", "visits") == []
    made = (await changsha.call("2102", content, insuplc="430100"))["setlinfo"]
    assert computed["setlinfo"]["acct_pay"] == made["acct_pay"] == Decimal("37.20")
    assert made["balc"] == Decimal("962.80")
    when = {"begntime": "2026-03-01 00:00:00", "endtime": "2026-03-02 23:59:59"}
    query = {"data": {**KEY, **when, "med_type": "41"}}
    found = await changsha.call("5201", query, insuplc="430100")
    assert [row["mdtrt_id"] for row in found["mdtrtinfo"]] == [made["mdtrt_id"]]
    back = {"data": {"setl_id": made["setl_id"], "mdtrt_id": made["mdtrt_id"], **KEY}}
    undone = (await changsha.call("2103", back, insuplc="430100"))["setlinfo"]
    assert (undone["acct_pay"], undone["balc"]) == (Decimal("-37.20"), Decimal("1000.00"))
    assert await changsha.refused("2103", back, insuplc="430100") == "该就诊登记已撤销"


@pytest.mark.parametrize(
    ("changes", "line", "reason"),
    [
        ({"medfee_sumamt": Decimal("38.00")}, {}, "医疗费总额38.00与费用明细合计37.20不一致"),
        ({}, {"bilg_dr_codg": "1001"}, "费用明细1：开单医师编码未在医保医师库中备案"),
        ({}, {"cnt": Decimal(3)}, "费用明细1：金额与单价乘数量不符"),
    ],
)
async def test_a_purchase_that_does_not_add_up_is_refused(
    changsha: Any, changes: dict[str, Any], line: dict[str, Any], reason: str
) -> None:
    """Nothing of it stays."""
    content = {"druginfo": {**PURCHASE, **changes}, "drugdetail": [{**LINE, **line}]}
    assert await changsha.refused("2102", content, insuplc="430100") == reason
    assert await changsha.admin("GET", "visits") == []
