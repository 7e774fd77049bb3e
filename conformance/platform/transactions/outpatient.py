"""Outpatient visits: registration (2201), its cancellation (2202), the visit's facts (2203)."""

from __future__ import annotations

from typing import Any

from conformance.platform.call import OUTPATIENT, Call, Refusal
from conformance.platform.transactions.visits import (
    cancel_visit,
    open_visit,
    store_diagnoses,
    update_detail,
)

ORDINARY = "11"
"""`med_type` of a visit until 2203 says otherwise."""


def register(call: Call) -> dict[str, Any]:
    """2201: the platform issues the visit's number."""
    data = call.node("data")
    mdtrt_id = open_visit(
        call, data, setting=OUTPATIENT, number=data["ipt_otp_no"], med_type=ORDINARY
    )
    return {"data": call.shape("data", {**data, "mdtrt_id": mdtrt_id, "exp_content": ""})}


def unregister(call: Call) -> dict[str, Any]:
    """2202: by person, visit and the institution's own number."""
    data = call.node("data")
    visit = call.visit(data, OUTPATIENT)
    if visit["ipt_otp_no"] != data["ipt_otp_no"]:
        raise Refusal("住院/门诊号与就诊登记信息不符")
    cancel_visit(call, visit)
    return {}


def report(call: Call) -> dict[str, Any]:
    """2203: the one medical type and the diagnoses; may be sent again."""
    data = call.node("mdtrtinfo")
    visit = call.visit(data, OUTPATIENT)
    settled = call.store.one(
        "SELECT 1 FROM settlements WHERE mdtrt_id = ? AND state = 'settled'", visit["mdtrt_id"]
    )
    if settled and visit["med_type"] != data["med_type"]:
        raise Refusal("该就诊已结算，不能变更医疗类别")
    update_detail(call, visit, data, med_type=data["med_type"], reported=1)
    store_diagnoses(call, visit["mdtrt_id"], call.rows("diseinfo"), stage="visit")
    return {}


HANDLERS = {"2201": register, "2202": unregister, "2203": report, "2203A": report}
