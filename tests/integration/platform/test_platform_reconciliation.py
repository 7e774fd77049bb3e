"""Reconciliation and clearing at a centre: its own books against what a hospital says."""

from __future__ import annotations

import base64
import io
import zipfile
from decimal import Decimal
from typing import Any

import pytest

from conformance.platform.server import Platform
from conformance.platform.textfiles import packed, unpacked

TOTAL = "336.00"


async def settled(hospital: Any, psn: str, number: str) -> dict[str, Any]:
    """A settled outpatient day; its `setlinfo`."""
    mdtrt_id = await hospital.charged_day(psn, number=number)
    output = await hospital.call("2207", hospital.settlement(psn, mdtrt_id, TOTAL))
    info: dict[str, Any] = output["setlinfo"]
    return info


def group(rows: list[dict[str, Any]], /, **changes: Any) -> dict[str, Any]:
    """The totals of settlements as 3201 asks for them."""
    return {
        "insutype": "310",
        "clr_type": "11",
        "setl_optins": "430100",
        "stmt_begndate": "2026-03-01",
        "stmt_enddate": "2026-03-31",
        "medfee_sumamt": sum((Decimal(str(r["medfee_sumamt"])) for r in rows), Decimal(0)),
        "fund_pay_sumamt": sum((Decimal(str(r["fund_pay_sumamt"])) for r in rows), Decimal(0)),
        "acct_pay": sum((Decimal(str(r["acct_pay"])) for r in rows), Decimal(0)),
        "fixmedins_setl_cnt": len(rows),
        "fixmedins_refd_setl_flag": "0",
        **changes,
    }


async def verdict(hospital: Any, data: dict[str, Any]) -> tuple[str, str]:
    """The result of a 3201 and what it says."""
    info = (await hospital.call("3201", {"data": data}))["stmtinfo"]
    return info["stmt_rslt"], info["stmt_rslt_dscr"]


async def test_totals_that_agree_are_balanced(changsha: Any) -> None:
    """Two settlements of one group."""
    rows = [await settled(changsha, "P1", "A"), await settled(changsha, "P1", "B")]
    assert await verdict(changsha, group(rows)) == ("0", "平")


async def test_every_total_that_differs_is_named(changsha: Any) -> None:
    """One settlement is not counted by the hospital, and a fen is wrong."""
    rows = [await settled(changsha, "P1", "A"), await settled(changsha, "P1", "B")]
    result, text = await verdict(
        changsha, group(rows, fixmedins_setl_cnt=1, medfee_sumamt=Decimal("671.99"))
    )
    assert (result, text) == ("1", "医疗费总额中心672.00，机构671.99；结算笔数中心2，机构1")


@pytest.mark.parametrize(
    "other",
    [
        {"insutype": "390"},
        {"clr_type": "21"},
        {"setl_optins": "430200"},
        {"stmt_begndate": "2026-03-03"},
        {"stmt_enddate": "2026-03-01"},
    ],
)
async def test_another_group_holds_nothing(changsha: Any, other: dict[str, str]) -> None:
    """Insurance type, clearing class, clearing centre and both days tell groups apart."""
    await settled(changsha, "P1", "A")
    assert await verdict(changsha, group([], **other)) == ("0", "平")


async def test_a_refund_is_a_group_of_its_own(changsha: Any) -> None:
    """The settlement stays in the books, its reverse stands under flag 1."""
    row = await settled(changsha, "P1", "A")
    key = {"setl_id": row["setl_id"], "mdtrt_id": row["mdtrt_id"], "psn_no": row["psn_no"]}
    refund = (await changsha.call("2208", {"data": key}))["setlinfo"]
    assert await verdict(changsha, group([row])) == ("0", "平")
    assert await verdict(changsha, group([refund], fixmedins_refd_setl_flag="1")) == ("0", "平")
    assert Decimal(str(refund["medfee_sumamt"])) == Decimal("-336.00")


# 3202 -------------------------------------------------------------------------------------------


def line(row: dict[str, Any], **changes: str) -> list[str]:
    """A line of the detail file."""
    values = {
        "setl_id": row["setl_id"],
        "mdtrt_id": row["mdtrt_id"],
        "psn_no": row["psn_no"],
        "medfee_sumamt": str(row["medfee_sumamt"]),
        "fund_pay_sumamt": str(row["fund_pay_sumamt"]),
        "acct_pay": str(row["acct_pay"]),
        "refd_setl_flag": "0",
    }
    return list({**values, **changes}.values())


async def upload(hospital: Any, content: bytes) -> str:
    """The number of an uploaded file."""
    node = {
        "in": base64.b64encode(content).decode(),
        "filename": "detail.zip",
        "fixmedins_code": hospital.institution.fixmedins_code,
    }
    number = (await hospital.call("9101", {"fsUploadIn": node}))["file_qury_no"]
    assert isinstance(number, str)
    return number


def asked(number: str, lines: list[list[str]], **changes: Any) -> dict[str, Any]:
    """The input of 3202."""
    data = group([], file_qury_no=number, cash_payamt=0, **changes)
    for unused in ("insutype", "acct_pay"):
        del data[unused]
    data["medfee_sumamt"] = sum((Decimal(row[3]) for row in lines), Decimal(0))
    data["fund_pay_sumamt"] = sum((Decimal(row[4]) for row in lines), Decimal(0))
    data["fixmedins_setl_cnt"] = len(lines)
    return {"data": data}


async def results(hospital: Any, lines: list[list[str]], **changes: Any) -> list[list[str]]:
    """The lines of the result file."""
    number = await upload(hospital, packed("detail.txt", lines))
    info = (await hospital.call("3202", asked(number, lines, **changes)))["fileinfo"]
    file = {"file_qury_no": info["file_qury_no"], "filename": info["filename"]}
    body = hospital.envelope(
        "9102", {"fsDownloadIn": {**file, "fixmedins_code": hospital.institution.fixmedins_code}}
    )
    status, content = await hospital.post("9102", body)
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.namelist()) == 1
    return unpacked(content)


async def test_lines_that_agree_come_back_with_the_message_id(changsha: Any) -> None:
    """The msgid of the settlement is what a 2601 needs."""
    row = await settled(changsha, "P1", "A")
    msgid = changsha.last_msgid
    (result,) = await results(changsha, [line(row)])
    assert result == [
        row["psn_no"],
        row["mdtrt_id"],
        row["setl_id"],
        msgid,
        "0",
        "0",
        "",
        TOTAL,
        str(row["fund_pay_sumamt"]),
        str(row["acct_pay"]),
    ]


async def test_a_settlement_that_the_hospital_lost_is_found(changsha: Any) -> None:
    """One settlement sent, one only in the books: it is named with its msgid."""
    first = await settled(changsha, "P1", "A")
    lost = await settled(changsha, "P1", "B")
    msgid = changsha.last_msgid
    found = await results(changsha, [line(first)])
    assert [(r[2], r[4], r[6]) for r in found] == [
        (first["setl_id"], "0", ""),
        (lost["setl_id"], "1", "机构无此结算"),
    ]
    assert found[1][3] == msgid


async def test_a_line_that_the_centre_does_not_know_is_named(changsha: Any) -> None:
    """Without a msgid, for there is none."""
    row = await settled(changsha, "P1", "A")
    unknown = line(row, setl_id="430100X")
    found = await results(changsha, [line(row), unknown])
    assert [(r[2], r[3] == "", r[4], r[6]) for r in found] == [
        (row["setl_id"], False, "0", ""),
        ("430100X", True, "1", "中心无此结算"),
    ]


async def test_another_amount_is_unbalanced(changsha: Any) -> None:
    """A fen more of the account."""
    row = await settled(changsha, "P1", "A")
    changed = str(Decimal(str(row["acct_pay"])) + Decimal("0.01"))
    (result,) = await results(changsha, [line(row, acct_pay=changed)])
    assert (result[4], result[6], result[9]) == ("1", "个人账户支出不一致", str(row["acct_pay"]))


async def test_a_cancelled_settlement_is_two_lines(changsha: Any) -> None:
    """Forward and reverse; the reverse may carry the id of either."""
    row = await settled(changsha, "P1", "A")
    key = {"setl_id": row["setl_id"], "mdtrt_id": row["mdtrt_id"], "psn_no": row["psn_no"]}
    refund = (await changsha.call("2208", {"data": key}))["setlinfo"]
    for setl_id in (row["setl_id"], refund["setl_id"]):
        reverse = line({**refund, "setl_id": setl_id}, refd_setl_flag="1")
        found = await results(changsha, [reverse], fixmedins_refd_setl_flag="1")
        assert [(r[2], r[4], r[5], r[7]) for r in found] == [
            (refund["setl_id"], "0", "1", "-336.00")
        ]
    (forward,) = await results(changsha, [line(row)])
    assert (forward[2], forward[4], forward[5], forward[7]) == (row["setl_id"], "0", "0", TOTAL)


@pytest.mark.parametrize("content", [b"PK", packed("a.txt", [["1", "2"]]), b"\xff" * 40])
async def test_a_file_of_another_form_is_refused(changsha: Any, content: bytes) -> None:
    """Not a ZIP file, too few columns."""
    number = await upload(changsha, content)
    said = await changsha.refused("3202", asked(number, []))
    assert said == "明细文件格式错误"


async def test_totals_that_are_not_those_of_the_file_are_refused(changsha: Any) -> None:
    """The input says one line more."""
    row = await settled(changsha, "P1", "A")
    number = await upload(changsha, packed("a.txt", [line(row)]))
    content = asked(number, [line(row)])
    content["data"]["fixmedins_setl_cnt"] = 2
    assert await changsha.refused("3202", content) == "明细文件与汇总金额或笔数不一致"


# Clearing ---------------------------------------------------------------------------------------

MONTH = {"trt_year": "2026", "trt_month": "03"}


async def many_from_elsewhere(hospital: Any, platform: Platform, count: int) -> None:
    """Settlements of somebody insured in another city of the province, copied in the books."""
    await settled(hospital, "P1", "A")
    store = platform.centres["430100"]._tables.store
    row = store.one("SELECT * FROM settlements")
    assert row is not None
    for number in range(count):
        store.insert(
            "settlements",
            {
                **dict(row),
                "setl_id": f"430100E{number:04d}",
                "insuplc_admdvs": "430200",
                "pool": "430200",
                "clr_optins": "430200",
            },
        )


async def pages(hospital: Any, start: int | Decimal) -> list[dict[str, Any]]:
    """The rows of a 3260."""
    output = await hospital.call("3260", {"data": {**MONTH, "startrow": start}})
    rows = output["data"]
    assert isinstance(rows, list)
    return rows


async def test_clearing_lines_come_by_pages_of_a_hundred(changsha: Any, platform: Platform) -> None:
    """250 lines: 100, 100, 50, none; the local settlement is not among them."""
    await many_from_elsewhere(changsha, platform, 250)
    found = [await pages(changsha, start) for start in (1, 101, 201, 251)]
    assert [len(rows) for rows in found] == [100, 100, 50, 0]
    assert [row["seqno"] for rows in found for row in rows] == list(range(1, 251))
    first = found[0][0]
    assert first["mdtrt_id"].startswith("S430200260302")
    assert first["setl_sn"].startswith("A430200260302")
    assert len({row["setl_sn"] for rows in found for row in rows}) == 250
    assert await pages(changsha, 0) == found[0]
    assert await pages(changsha, Decimal("1.0")) == found[0]
    other = await changsha.call("3260", {"data": {**MONTH, "trt_month": "04", "startrow": 1}})
    assert other["data"] == []


def detail(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A line of 3261 for a row of 3260."""
    kept = ("certno", "mdtrt_id", "mdtrt_setl_time", "setl_sn", "medfee_sumamt")
    values = {code: row[code] for code in (*kept, "optins_pay_sumamt")}
    return {**values, "cnfm_flag": "1", **changes}


async def confirm(hospital: Any, rows: list[dict[str, Any]]) -> str:
    """The inf_refmsgid of a 3261."""
    content = {"data": {**MONTH, "totalrow": len(rows)}, "detail": rows}
    reply = await hospital.send("3261", content)
    assert (str(reply["infcode"]), reply["err_msg"]) == ("0", "")
    reference = reply["inf_refmsgid"]
    assert isinstance(reference, str)
    return reference


async def test_a_confirmation_stands_until_it_is_taken_back(
    changsha: Any, platform: Platform
) -> None:
    """Twice is refused; after 3262 by its reference it may be given again."""
    await many_from_elsewhere(changsha, platform, 2)
    first, second = (detail(row) for row in await pages(changsha, 1))
    reference = await confirm(changsha, [first])
    await confirm(changsha, [{**second, "cnfm_flag": "0"}])
    content = {"data": {**MONTH, "totalrow": 1}, "detail": [first]}
    assert "已确认" in await changsha.refused("3261", content)
    assert await changsha.call("3262", {"data": {**MONTH, "otransid": reference}}) == {}
    again = {"data": {**MONTH, "otransid": reference}}
    assert await changsha.refused("3262", again) == "未查询到原确认交易"
    await confirm(changsha, [first])
    assert await changsha.call("3262", {"data": {**MONTH, "otransid": "0"}}) == {}
    await confirm(changsha, [first, second])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"medfee_sumamt": Decimal("1.00")}, "金额与清分明细不一致"),
        ({"setl_sn": "A0"}, "不在本期清分明细中"),
        ({"certno": "430199190001010000"}, "不在本期清分明细中"),
        ({"cnfm_flag": "2"}, "确认标志应为0或1"),
    ],
)
async def test_a_wrong_line_confirms_nothing(
    changsha: Any, platform: Platform, changes: dict[str, Any], said: str
) -> None:
    """All lines of a call or none."""
    await many_from_elsewhere(changsha, platform, 2)
    first, second = (detail(row) for row in await pages(changsha, 1))
    content = {"data": {**MONTH, "totalrow": 2}, "detail": [first, {**second, **changes}]}
    assert said in await changsha.refused("3261", content)
    await confirm(changsha, [first, second])


async def test_the_number_of_lines_is_compared(changsha: Any, platform: Platform) -> None:
    """`totalrow` counts the lines of the call."""
    await many_from_elsewhere(changsha, platform, 1)
    (row,) = await pages(changsha, 1)
    content = {"data": {**MONTH, "totalrow": 2}, "detail": [detail(row)]}
    assert await changsha.refused("3261", content) == "总行数与明细行数不一致"
