"""Inpatient stays: admission (2401), changes (2403), discharge (2402), and taking them back."""

from __future__ import annotations

from typing import Any

from conformance.platform.call import INPATIENT, Call, Refusal
from conformance.platform.transactions.visits import (
    cancel_visit,
    check_diagnosis,
    open_visit,
    store_diagnoses,
    update_detail,
)


def admit(call: Call) -> dict[str, Any]:
    """2401: admission; the reply is the visit's number."""
    data = call.node("mdtrtinfo")
    _check_places(call, data)
    check_diagnosis(data["dscg_maindiag_code"])
    mdtrt_id = open_visit(
        call, data, setting=INPATIENT, number=data["ipt_no"], med_type=data["med_type"]
    )
    store_diagnoses(call, mdtrt_id, call.rows("diseinfo"), stage="visit")
    return {"result": call.shape("result", {"mdtrt_id": mdtrt_id})}


def change(call: Call) -> dict[str, Any]:
    """2403: overwrites the admission while the person is in hospital."""
    data = call.node("adminfo")
    visit = call.visit(data, INPATIENT)
    if visit["state"] == "discharged":
        raise Refusal("患者已办理出院，不能变更入院信息")
    check_diagnosis(data["dscg_maindiag_code"])
    update_detail(call, visit, data, med_type=data["med_type"])
    store_diagnoses(call, visit["mdtrt_id"], call.rows("diseinfo"), stage="visit")
    return {}


def discharge(call: Call) -> dict[str, Any]:
    """2402: the end of the stay, with the discharge diagnoses."""
    data = call.node("dscginfo")
    visit = call.visit(data, INPATIENT)
    if visit["state"] == "discharged":
        raise Refusal("患者已办理出院，不能重复办理")
    if data["endtime"] < visit["begntime"]:
        raise Refusal("出院时间早于入院时间")
    update_detail(call, visit, data, state="discharged", endtime=data["endtime"])
    store_diagnoses(call, visit["mdtrt_id"], call.rows("diseinfo"), stage="discharge")
    return {}


def undischarge(call: Call) -> dict[str, Any]:
    """2405: only of somebody who was discharged and not yet settled."""
    visit = call.visit(call.node("data"), INPATIENT)
    if visit["state"] != "discharged":
        raise Refusal("患者未办理出院，不能撤销出院")
    if call.has_final_settlement(visit["mdtrt_id"]):
        raise Refusal("该次住院已结算，请先撤销结算")
    call.store.run(
        "UPDATE visits SET state = 'open', endtime = '' WHERE mdtrt_id = ?", visit["mdtrt_id"]
    )
    call.store.run(
        "DELETE FROM diagnoses WHERE mdtrt_id = ? AND stage = 'discharge'", visit["mdtrt_id"]
    )
    return {}


def unadmit(call: Call) -> dict[str, Any]:
    """2404: only of somebody in hospital, without charges or settlement."""
    visit = call.visit(call.node("data"), INPATIENT)
    if visit["state"] == "discharged":
        raise Refusal("患者已办理出院，请先撤销出院")
    cancel_visit(call, visit)
    return {}


def _check_places(call: Call, data: dict[str, Any]) -> None:
    """Where the edition repeats the two places in the input, they say what the envelope says."""
    stated = data.get("insuplc_admdvs")
    if stated and stated != call.insuplc:
        raise Refusal("入参参保地医保区划与报文头不一致")


HANDLERS = {
    "2401": admit,
    "2402": discharge,
    "2403": change,
    "2404": unadmit,
    "2405": undischarge,
}
