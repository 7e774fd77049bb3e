"""Filings: transfers (2501), chronic diseases (2503), designated institutions (2505).

Each is stored, found by its query (5304, 5301, 5302) and withdrawn (2502, 2504, 2506). Nobody
reviews filings here, so that each may be withdrawn until it was (reference: rules, section 12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from conformance.platform.call import Call, Refusal
from conformance.platform.places import LOCAL
from conformance.platform.store import Row
from conformance.platform.transactions.visits import check_diagnosis, encode_detail

TRANSFER, CHRONIC, DESIGNATION = "transfer", "chronic", "designation"

LAST_DAY = "9999-12-31"
"""End of a filing that states none."""

BY_INSTITUTION = "01"
"""`dcla_souc`: filed by a designated institution."""

_REFERRAL_PLACES = {"1": 4, "2": 2}
"""`refl_type` to the digits of the region that the receiving hospital shares with this centre."""


def file_transfer(call: Call) -> dict[str, Any]:
    """2501: to a hospital in the city (`refl_type` 1), the province (2) or elsewhere (3)."""
    data = call.node("refmedin")
    check_diagnosis(data["diag_code"])
    _check_place(call, data)
    begin = data.get("begndate") or data["refl_date"]
    return _file(call, data, TRANSFER, subject=data["reflin_medins_no"], begin=begin)


def _check_place(call: Call, data: Mapping[str, Any]) -> None:
    there, kind = data["mdtrtarea_admdvs"], data["refl_type"]
    same = next((k for k, n in _REFERRAL_PLACES.items() if there[:n] == call.region.code[:n]), "3")
    if kind != same:
        raise Refusal(f"转院类型{kind}与就医地行政区划{there}不符")


def file_chronic(call: Call) -> dict[str, Any]:
    """2503: one disease of one person, identified by a physician of the institution."""
    data = call.node("data")
    insutype = data["insutype"]
    call.insurance(data["psn_no"], insutype)
    subject = data["opsp_dise_code"]
    return _file(call, data, CHRONIC, subject=subject, begin=data["begndate"])


def file_designation(call: Call) -> dict[str, Any]:
    """2505: an institution for one kind of business, at a place in the person's order."""
    data = call.node("data")
    subject = f"{data['biz_appy_type']}/{data['fix_srt_no']}"
    return _file(call, data, DESIGNATION, subject=subject, begin=data["begndate"])


def _file(
    call: Call, data: Mapping[str, Any], kind: str, *, subject: str, begin: str
) -> dict[str, Any]:
    """Store a filing that no valid one of the same subject overlaps; its number."""
    call.person(data["psn_no"])
    begndate, enddate = begin[:10], (data.get("enddate") or LAST_DAY)[:10]
    if enddate < begndate:
        raise Refusal("备案结束日期早于开始日期")
    if call.store.one(
        "SELECT 1 FROM filings WHERE psn_no = ? AND kind = ? AND subject = ? AND state = 'filed' "
        "AND begndate <= ? AND enddate >= ?",
        data["psn_no"],
        kind,
        subject,
        enddate,
        begndate,
    ):
        raise Refusal("该人员已有有效的同类备案，不能重复备案")
    number = f"{call.region.code}{call.store.next_serial(f'filing:{call.region.code}'):014d}"
    call.store.insert(
        "filings",
        {
            "trt_dcla_detl_sn": number,
            "region": call.region.code,
            "fixmedins_code": call.institution.fixmedins_code,
            "pool": call.pool,
            "kind": kind,
            "subject": subject,
            "psn_no": data["psn_no"],
            "begndate": begndate,
            "enddate": enddate,
            "filed": call.time,
            "state": "filed",
            "msgid": call.msgid,
            "detail": encode_detail(data),
        },
    )
    return {"result": call.shape("result", {"trt_dcla_detl_sn": number})}


def withdraw(call: Call, kind: str) -> dict[str, Any]:
    """2502, 2504, 2506: by the filing's number and the person."""
    data = call.node("data")
    row = call.store.one(
        "SELECT * FROM filings WHERE trt_dcla_detl_sn = ? AND kind = ? AND region = ?",
        data["trt_dcla_detl_sn"],
        kind,
        call.region.code,
    )
    if row is None or row["psn_no"] != data["psn_no"] or row["pool"] != call.pool:
        raise Refusal("未查询到备案信息")
    if row["state"] == "withdrawn":
        raise Refusal("该备案已撤销，不能重复撤销")
    call.store.run(
        "UPDATE filings SET state = 'withdrawn' WHERE trt_dcla_detl_sn = ?", row["trt_dcla_detl_sn"]
    )
    return {}


def find_transfers(call: Call) -> dict[str, Any]:
    """5304: transfers of the person that were filed in the time given."""
    data = call.node("data")
    person = call.person(data["psn_no"])
    end = data.get("endtime") or LAST_DAY
    rows = [
        row
        for row in _filed(call, data["psn_no"], TRANSFER)
        if data["begntime"][:10] <= row["filed"][:10] <= end[:10]
    ]
    return {"refmedin": [call.shape("refmedin", _transfer(call, row, person)) for row in rows]}


def _transfer(call: Call, row: Row, person: Row) -> dict[str, Any]:
    detail = msgspec.json.decode(row["detail"])
    return {
        **dict(person),
        "insutype": _insutype(call, row["psn_no"]),
        "insu_optins": row["pool"],
        "dcla_souc": BY_INSTITUTION,
        "out_flag": "0" if call.distance == LOCAL else "1",
        "hosp_agre_refl_flag": "1",
        "opter_id": call.opter,
        "opter_name": call.opter_name,
        "opt_time": row["filed"],
        **{code: value for code, value in detail.items() if value},
        **_term(row),
    }


def find_chronic(call: Call) -> dict[str, Any]:
    """5301: the person's chronic-disease filings that are valid today."""
    psn_no = call.node("data")["psn_no"]
    call.person(psn_no)
    rows = [
        {**msgspec.json.decode(row["detail"]), **_term(row)}
        for row in _filed(call, psn_no, CHRONIC)
        if row["begndate"] <= call.time[:10] <= row["enddate"]
    ]
    return {"feedetail": [call.shape("feedetail", row) for row in rows]}


def find_designations(call: Call) -> dict[str, Any]:
    """5302: the institutions that the person designated for a kind of business."""
    data = call.node("data")
    call.person(data["psn_no"])
    found = [
        {
            "insutype": _insutype(call, row["psn_no"]),
            **msgspec.json.decode(row["detail"]),
            **_term(row),
        }
        for row in _filed(call, data["psn_no"], DESIGNATION)
    ]
    rows = [row for row in found if row["biz_appy_type"] == data["biz_appy_type"]]
    rows.sort(key=lambda row: str(row["fix_srt_no"]))
    return {"psnfixmedin": [call.shape("psnfixmedin", row) for row in rows]}


def _filed(call: Call, psn_no: str, kind: str) -> list[Row]:
    return call.store.all(
        "SELECT * FROM filings WHERE psn_no = ? AND kind = ? AND region = ? AND pool = ? "
        "AND state = 'filed' ORDER BY trt_dcla_detl_sn",
        psn_no,
        kind,
        call.region.code,
        call.pool,
    )


def _term(row: Row) -> dict[str, str]:
    return {"begndate": row["begndate"], "enddate": row["enddate"]}


def _insutype(call: Call, psn_no: str) -> str:
    row = call.store.one(
        "SELECT insutype FROM insurances WHERE psn_no = ? ORDER BY insutype", psn_no
    )
    return row["insutype"] if row is not None else ""


HANDLERS: dict[str, Callable[[Call], Any]] = {
    "2501": file_transfer,
    "2502": partial(withdraw, kind=TRANSFER),
    "2503": file_chronic,
    "2504": partial(withdraw, kind=CHRONIC),
    "2505": file_designation,
    "2506": partial(withdraw, kind=DESIGNATION),
    "5301": find_chronic,
    "5302": find_designations,
    "5304": find_transfers,
}
