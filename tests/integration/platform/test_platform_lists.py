"""Settlement lists at a centre: kept, moved between states, judged, read and counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from conformance.platform.server import Platform

TOTAL = "336.00"
GRAY = "A15.000"


async def settled(hospital: Any) -> dict[str, Any]:
    """A settled outpatient day; its `setlinfo`."""
    mdtrt_id = await hospital.charged_day("P1")
    output = await hospital.call("2207", hospital.settlement("P1", mdtrt_id, TOTAL))
    info: dict[str, Any] = output["setlinfo"]
    return info


def content(info: dict[str, Any], /, *, diag_code: str = "J06.900", **head: Any) -> dict[str, Any]:
    """A list of the settlement as the Hunan edition has it."""
    setlinfo = {
        **{code: info[code] for code in ("psn_no", "mdtrt_id", "setl_id")},
        "ntly": "CHN",
        "prfs": "17",
        "patn_rlts": "01",
        "coner_addr": "长沙",
        "coner_tel": "0",
        "dscg_caty": "A03",
        "bill_code": "0143",
        "bill_no": "1",
        "biz_sn": "1",
        "setl_begn_date": "2026-03-01",
        "setl_end_date": "2026-03-01",
        "medins_fill_dept": "病案科",
        "medins_fill_psn": "王",
        **head,
    }
    diagnosis = {"diag_type": "1", "diag_code": diag_code, "diag_name": "上感"}
    diagnosis |= {"adm_cond_type": "1", "maindiag_flag": "1"}
    paid = {"fund_pay_type": "310100", "fund_payamt": Decimal(str(info["fund_pay_sumamt"]))}
    return {"setlinfo": setlinfo, "diseinfo": [diagnosis], "payinfo": [paid]}


def order(info: dict[str, Any], stas_type: str) -> dict[str, Any]:
    """The input of 4102."""
    row = {"psn_no": info["psn_no"], "setl_id": info["setl_id"], "stas_type": stas_type}
    return {"stastinfo": [row]}


async def state(hospital: Any, info: dict[str, Any]) -> str:
    """The state that 4103 shows."""
    key = {"psn_no": info["psn_no"], "setl_id": info["setl_id"]}
    found = await hospital.call("4103", {"data": key})
    stas_type: str = found["setlinfo"]["stas_type"]
    return stas_type


async def test_a_list_is_kept_and_replaced_while_it_is_not_submitted(changsha: Any) -> None:
    """The same number for both; 4103 shows the second."""
    info = await settled(changsha)
    first = await changsha.call("4101", content(info, bill_no="1"))
    second = await changsha.call("4101", content(info, bill_no="2"))
    assert first == second
    assert len(first["data"]["setl_list_id"]) == 9
    key = {"psn_no": info["psn_no"], "setl_id": info["setl_id"]}
    found = await changsha.call("4103", {"data": key})
    assert found["setlinfo"]["bill_no"] == "2"
    assert [row["diag_code"] for row in found["diseinfo"]] == ["J06.900"]
    assert await changsha.refused("4103", {"data": {**key, "setl_id": "X"}}) == "未查询到结算清单"


async def test_the_states_that_an_institution_may_order(changsha: Any, platform: Platform) -> None:
    """0 to 1 and 3 to 0 or 1; 1 to 1, 1 to 0 and anything from 2 are refused."""
    info = await settled(changsha)
    await changsha.call("4101", content(info))
    assert await state(changsha, info) == "0"
    await changsha.call("4102", order(info, "1"))
    assert "不能由1改为1" in await changsha.refused("4102", order(info, "1"))
    assert "不能由1改为0" in await changsha.refused("4102", order(info, "0"))
    assert await changsha.refused("4101", content(info)) == "结算清单已提交，不能修改"
    store = platform.centres["430100"]._tables.store
    store.run("UPDATE lists SET stas_type = '3'")
    await changsha.call("4102", order(info, "0"))
    await changsha.call("4101", content(info, bill_no="2"))
    await changsha.call("4102", order(info, "1"))
    store.run("UPDATE lists SET stas_type = '2'")
    assert "不能由2改为1" in await changsha.refused("4102", order(info, "1"))
    assert await state(changsha, info) == "2"


async def test_a_grey_principal_diagnosis_and_a_wrong_sum_are_found(changsha: Any) -> None:
    """The list is refused (3), and 4104 names both with their values."""
    info = await settled(changsha)
    wrong = content(info, diag_code=GRAY)
    wrong["payinfo"][0]["fund_payamt"] += Decimal("0.01")
    await changsha.call("4101", wrong)
    await changsha.call("4102", order(info, "1"))
    assert await state(changsha, info) == "3"
    page = {"setl_ym": "202603", "page_num": 1, "page_size": 10}
    (judged,) = await changsha.call("4104", {"data": page})
    assert (judged["setl_id"], judged["retn_flag"]) == (info["setl_id"], "1")
    assert [(d["exam_data_fld"], d["init_val"]) for d in judged["detailinfo"]] == [
        ("diag_code", GRAY),
        ("fund_payamt", str(wrong["payinfo"][0]["fund_payamt"])),
    ]
    assert await changsha.call("4104", {"data": {**page, "page_num": 2}}) == []
    assert await changsha.call("4104", {"data": {**page, "setl_ym": "202604"}}) == []


async def test_only_a_standing_settlement_of_the_person_has_a_list(changsha: Any) -> None:
    """Another person's, another visit's and a cancelled one's are refused."""
    info = await settled(changsha)
    assert await changsha.refused("4101", content(info, psn_no="X")) == "未查询到结算信息"
    assert await changsha.refused("4101", content(info, mdtrt_id="X")) == "就诊ID与结算不符"
    key = {code: info[code] for code in ("psn_no", "mdtrt_id", "setl_id")}
    await changsha.call("2208", {"data": key})
    assert "已退费或冲正" in await changsha.refused("4101", content(info))


@pytest.mark.parametrize(("kinds", "due"), [("11", 1), ("11,2101", 1), ("2101", 0)])
async def test_what_is_due_and_what_is_there_is_counted(
    changsha: Any, kinds: str, due: int
) -> None:
    """Standing settlements of the medical categories named; one of them has a list."""
    info = await settled(changsha)
    data = {
        "fixmedins_code": "H43010000001",
        "medtype_list": kinds,
        "stt_begntime": "2026-03-01 00:00:00",
        "stt_endtime": "2026-03-31 23:59:59",
    }
    before = await changsha.call("4105", {"data": data})
    await changsha.call("4101", content(info))
    after = await changsha.call("4105", {"data": data})
    assert (int(before["needUploadCnt"]), int(before["uploadedCnt"])) == (due, 0)
    assert (int(after["needUploadCnt"]), int(after["uploadedCnt"])) == (due, due)
