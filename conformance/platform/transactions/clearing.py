"""Clearing of patients from elsewhere in the province (3260, 3261, 3262).

3260 lists the settlements of a month by pages of 100, 3261 confirms them line by line, 3262 takes
confirmations back (reference: cross-province, section 8). The identifiers of these lines are their
own: S or A, the insured pooling region, yyMMdd of the settlement, a serial of seven digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from conformance.platform.call import Call, Refusal, amount, whole
from conformance.platform.places import IN_PROVINCE, distance
from conformance.platform.store import Row

PAGE = 100
"""Rows of a 3260 at most."""

CONFIRMED, LEFT_OUT = "1", "0"


def _lines(call: Call, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The clearing lines of a month by their `setl_sn`, in the order of settlement."""
    rows = call.store.all(
        "SELECT settlements.*, settlements.rowid AS number, persons.certno "
        "FROM settlements JOIN visits USING (mdtrt_id) "
        "JOIN persons ON persons.psn_no = settlements.psn_no "
        "WHERE settlements.region = ? AND visits.fixmedins_code = ? "
        "AND substr(setl_time, 1, 7) = ? AND settlements.state <> 'reversed' "
        "ORDER BY settlements.rowid",
        call.region.code,
        call.institution.fixmedins_code,
        f"{data['trt_year']}-{data['trt_month']}",
    )
    abroad = [
        row for row in rows if distance(row["insuplc_admdvs"], call.region.code) == IN_PROVINCE
    ]
    return {
        line["setl_sn"]: line
        for line in (_line(call, row, at) for at, row in enumerate(abroad, start=1))
    }


def _line(call: Call, row: Row, at: int) -> dict[str, Any]:
    day = row["setl_time"][2:10].replace("-", "")
    tail = f"{row['pool']}{day}{row['number'] % 10_000_000:07d}"
    return {
        "seqno": at,
        "mdtrtarea": call.region.code,
        "medins_no": call.institution.fixmedins_code,
        "certno": row["certno"],
        "mdtrt_id": f"S{tail}",
        "mdtrt_setl_time": row["setl_time"],
        "setl_sn": f"A{tail}",
        "fulamt_advpay_flag": "0",
        "medfee_sumamt": Decimal(row["medfee_sumamt"]),
        "optins_pay_sumamt": Decimal(row["fund_pay_sumamt"]) + Decimal(row["acct_pay"]),
        "setl_id": row["setl_id"],
    }


def extract(call: Call) -> dict[str, Any]:
    """3260: 100 lines from `startrow`, counted from 1; 0 means the first as well."""
    data = call.node("data")
    start = max(1, whole(data["startrow"]))
    lines = list(_lines(call, data).values())
    shown = lines[start - 1 : start - 1 + PAGE]
    return {"data": [call.shape("data", line) for line in shown]}


def confirm(call: Call) -> dict[str, Any]:
    """3261: every line must be one of the month, with its amounts, and not confirmed before."""
    data, details = call.node("data"), call.rows("detail")
    if amount(data["totalrow"]) != len(details):
        raise Refusal("总行数与明细行数不一致")
    lines = _lines(call, data)
    for detail in details:
        line = lines.get(detail["setl_sn"])
        if line is None or line["certno"] != detail["certno"]:
            raise Refusal(f"结算流水号{detail['setl_sn']}不在本期清分明细中")
        if any(amount(detail[c]) != line[c] for c in ("medfee_sumamt", "optins_pay_sumamt")):
            raise Refusal(f"结算流水号{detail['setl_sn']}金额与清分明细不一致")
        flag = detail.get("cnfm_flag") or CONFIRMED
        if flag not in (CONFIRMED, LEFT_OUT):
            raise Refusal("确认标志应为0或1")
        if call.store.one("SELECT 1 FROM confirmations WHERE setl_id = ?", line["setl_id"]):
            raise Refusal(f"结算流水号{detail['setl_sn']}已确认")
        call.store.insert(
            "confirmations",
            {
                "setl_id": line["setl_id"],
                "region": call.region.code,
                "fixmedins_code": call.institution.fixmedins_code,
                "period": f"{data['trt_year']}{data['trt_month']}",
                "transid": _reference(call),
                "cnfm_flag": flag,
            },
        )
    return {}


def _reference(call: Call) -> str:
    """The `inf_refmsgid` that the reply to this request carries."""
    row = call.store.one("SELECT inf_refmsgid FROM requests WHERE msgid = ?", call.msgid)
    assert row is not None
    return str(row["inf_refmsgid"])


def roll_back(call: Call) -> dict[str, Any]:
    """3262: takes back the confirmation `otransid`, or with 0 every one of the period."""
    data = call.node("data")
    undone = call.store.run(
        "DELETE FROM confirmations WHERE region = ? AND fixmedins_code = ? AND period = ? "
        "AND ? IN ('0', transid)",
        call.region.code,
        call.institution.fixmedins_code,
        f"{data['trt_year']}{data['trt_month']}",
        data["otransid"],
    )
    if not undone:
        raise Refusal("未查询到原确认交易")
    return {}


HANDLERS = {"3260": extract, "3261": confirm, "3262": roll_back}
