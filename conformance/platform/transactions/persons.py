"""Who a person is and how insured (1101), and which benefits follow (2001)."""

from __future__ import annotations

from typing import Any

from conformance.platform.call import ACTIVE, Call, Refusal, age_on
from conformance.platform.places import pool_of

_LOOK_UP = {
    "01": "SELECT * FROM persons WHERE token = ?",
    "02": "SELECT * FROM persons WHERE certno = upper(?)",
    "03": "SELECT * FROM persons WHERE card_no = ?",
}
"""Where `mdtrt_cert_type` has the person looked up (reference: rules, section 4)."""


def identify(call: Call) -> dict[str, Any]:
    """1101: the person of a certificate, when insured in the pool asked for.

    Every insurance row is given, wherever it is: the sender chooses one for the visit.
    """
    data = call.node("data")
    kind = data["mdtrt_cert_type"]
    if kind == "03" and not data.get("card_sn"):
        raise Refusal("就诊凭证类型为社会保障卡时，卡识别码不能为空")
    statement = _LOOK_UP.get(kind)
    found = call.store.one(statement, data["mdtrt_cert_no"]) if statement else None
    if found is None:
        raise Refusal("本地查询错误:该参保人的基本信息为空")
    person = call.person(found["psn_no"])
    call.check_certificate(person, data)
    if data.get("psn_name") and data["psn_name"] != person["psn_name"]:
        raise Refusal("姓名与证件信息不符")
    if data.get("certno") and data["certno"].upper() != person["certno"]:
        raise Refusal("证件号码与就诊凭证不符")
    base = {**dict(person), "age": age_on(person["brdy"], call.now.date())}
    rows = call.store.all(
        "SELECT * FROM insurances WHERE psn_no = ? ORDER BY insuplc_admdvs, insutype",
        person["psn_no"],
    )
    return {
        "baseinfo": call.shape("baseinfo", base),
        "insuinfo": [call.shape("insuinfo", dict(row)) for row in rows],
        "idetinfo": [],
    }


def entitle(call: Call) -> dict[str, Any]:
    """2001: one row, whether the basic fund pays, and why not."""
    data = call.node("data")
    person = call.person(data["psn_no"])
    rows = [
        row
        for row in call.store.all(
            "SELECT * FROM insurances WHERE psn_no = ? AND insutype = ?",
            person["psn_no"],
            data["insutype"],
        )
        if pool_of(row["insuplc_admdvs"]) == call.pool
    ]
    if not rows:
        raise Refusal("未查询到该险种的参保信息")
    status = rows[0]["psn_insu_stas"]
    label = call.definitions.dictionary("psn_insu_stas")[status]
    trtinfo = call.shape(
        "trtinfo",
        {
            "psn_no": person["psn_no"],
            "trt_chk_type": "01",
            "fund_pay_type": f"{data['insutype']}100",
            "trt_enjymnt_flag": "1" if status == ACTIVE else "0",
            "begndate": rows[0]["psn_insu_date"],
            "enddate": rows[0]["paus_insu_date"],
            "trt_chk_rslt": "" if status == ACTIVE else f"人员参保状态为【{label}】",
        },
    )
    return {"trtinfo": [trtinfo]}


HANDLERS = {"1101": identify, "2001": entitle}
