"""Reading back: visits (5201), settlements (5203) and lines (5204), totals (5206), stays (5303)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from conformance.platform.benefits import FundShare
from conformance.platform.call import INPATIENT, Call, Refusal, age_on
from conformance.platform.places import LOCAL
from conformance.platform.store import Row
from conformance.platform.transactions.books import BY_ITEM, amounts_of


def find_visits(call: Call) -> dict[str, Any]:
    """5201: visits of a person and a medical type that began in the time given."""
    data = call.node("data")
    person = call.person(data["psn_no"])
    rows = [
        row
        for row in _visits(call, data)
        if row["med_type"] == data["med_type"] and _named(row, data.get("mdtrt_id"))
    ]
    return {"mdtrtinfo": [call.shape("mdtrtinfo", _visit(call, row, person)) for row in rows]}


def _visits(call: Call, data: Mapping[str, Any]) -> list[Row]:
    """Visits that are not cancelled; a range given as dates holds both days in full."""
    begin, end = data["begntime"], data["endtime"]
    return call.store.all(
        "SELECT * FROM visits WHERE ? IN ('', psn_no) AND region = ? AND fixmedins_code = ? "
        "AND state <> 'cancelled' AND begntime >= ? AND begntime <= ? ORDER BY mdtrt_id",
        data.get("psn_no") or "",
        call.region.code,
        call.institution.fixmedins_code,
        begin,
        end if len(end) > len("yyyy-MM-dd") else f"{end} 23:59:59",
    )


def _named(row: Row, mdtrt_id: object) -> bool:
    return not mdtrt_id or row["mdtrt_id"] == mdtrt_id


def _visit(call: Call, row: Row, person: Row) -> dict[str, Any]:
    insurance = call.store.one(
        "SELECT * FROM insurances WHERE psn_no = ? AND insutype = ? AND insuplc_admdvs = ?",
        row["psn_no"],
        row["insutype"],
        row["insuplc_admdvs"],
    )
    assert insurance is not None
    inpatient = row["setting"] == INPATIENT
    return {
        **msgspec.json.decode(row["detail"]),
        **dict(insurance),
        **dict(person),
        **dict(row),
        "age": age_on(person["brdy"], call.now.date()),
        "insu_optins": row["pool"],
        "endtime": row["endtime"] or row["begntime"],
        "inhosp_stas": ("1" if row["state"] == "open" else "0") if inpatient else "",
    }


def find_stays(call: Call) -> dict[str, Any]:
    """5303: people in hospital whose admission lies in the time given."""
    data = call.node("data")
    if data.get("psn_no"):
        call.person(data["psn_no"])
    rows = [
        row
        for row in _visits(call, data)
        if row["setting"] == INPATIENT and row["state"] == "open" and row["pool"] == call.pool
    ]
    return {"data": [call.shape("data", _stay(call, row)) for row in rows]}


def _stay(call: Call, row: Row) -> dict[str, Any]:
    return {
        **_visit(call, row, call.person(row["psn_no"])),
        "begndate": row["begntime"][:10],
        "out_flag": "0" if call.distance == LOCAL else "1",
    }


def _settlement(call: Call) -> Row:
    data = call.node("data")
    row = call.store.one(
        "SELECT * FROM settlements WHERE setl_id = ? AND mdtrt_id = ? AND psn_no = ? "
        "AND region = ? AND state <> 'reversed'",
        data["setl_id"],
        data["mdtrt_id"],
        data["psn_no"],
        call.region.code,
    )
    if row is None or row["pool"] != call.pool:
        raise Refusal("未查询到结算信息")
    return row


def find_settlement(call: Call) -> dict[str, Any]:
    """5203: one settlement, with the place of payment; `refd_setl_flag` 1 when cancelled."""
    row = _settlement(call)
    person = call.person(row["psn_no"])
    visit = call.store.one("SELECT * FROM visits WHERE mdtrt_id = ?", row["mdtrt_id"])
    assert visit is not None
    amounts = amounts_of(row)
    values = {
        **_visit(call, visit, person),
        **dict(row),
        **amounts,
        "insu_optins": row["pool"],
        "fixmedins_code": call.institution.fixmedins_code,
        "fixmedins_name": call.institution.fixmedins_name,
        "hosp_lv": call.institution.hosp_lv,
        "fixmedins_poolarea": call.region.code,
        "lmtpric_hosp_lv": call.institution.hosp_lv,
        "dedc_hosp_lv": call.institution.hosp_lv,
        "begndate": visit["begntime"][:10],
        "enddate": (visit["endtime"] or row["setl_time"])[:10],
        "clr_way": BY_ITEM,
        "psn_pay": amounts["psn_part_amt"],
        "cash_payamt": amounts["psn_cash_pay"],
        "medins_setl_id": row["msgid"],
        "refd_setl_flag": "0" if row["state"] == "settled" else "1",
    }
    shares = msgspec.json.decode(row["shares"], type=tuple[FundShare, ...])
    return {
        "setlinfo": call.shape("setlinfo", values),
        "setldetail": [
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
        ],
    }


def find_lines(call: Call) -> list[dict[str, Any]]:
    """5204: the lines of one settlement; the output is the list itself."""
    row = _settlement(call)
    numbers = msgspec.json.decode(row["lines"], type=tuple[str, ...])
    found = call.store.all(
        "SELECT * FROM charges WHERE mdtrt_id = ? ORDER BY length(feedetl_sn), feedetl_sn",
        row["mdtrt_id"],
    )
    return [_line(call, row, line) for line in found if line["feedetl_sn"] in numbers]


def _line(call: Call, settlement: Row, line: Row) -> dict[str, Any]:
    listed = call.tables.catalogue.row(call.region.code, line["med_list_codg"])
    sent = msgspec.json.decode(line["input"])
    values = {
        "dosform_name": "-",
        **sent,
        **msgspec.json.decode(line["result"]),
        "med_type": settlement["med_type"],
        "setl_id": settlement["setl_id"],
        "rx_drord_no": sent.get("rxno") or sent.get("drord_no"),
        "hilist_code": line["med_list_codg"],
        "hilist_name": listed.name if listed else sent.get("medins_list_name") or "目录外项目",
        "list_type": listed.list_type if listed else "105",
        "medins_list_name": sent.get("medins_list_name") or (listed.name if listed else "-"),
    }
    return call.shape("", values)


TOTALS = {
    "MEDFEE": "medfee_sumamt",
    "FUND": "fund_pay_sumamt",
    "BASIC": "hifp_pay",
    "DEDUCTIBLE": "act_pay_dedc",
    "ACCOUNT": "acct_pay",
}
"""`cum_type_code` of this platform to the amount that is added up: no public list is known."""


def find_totals(call: Call) -> dict[str, Any]:
    """5206: what the person's settlements add up to, by insurance, month and kind.

    `cum_ym` (yyyyMM) narrows it to a month; otherwise the running year is told.
    """
    data = call.node("data")
    call.person(data["psn_no"])
    when = data.get("cum_ym") or call.time[:4]
    rows = call.store.all(
        "SELECT insutype, replace(substr(setl_time, 1, 7), '-', '') AS month, medfee_sumamt, "
        "fund_pay_sumamt, hifp_pay, act_pay_dedc, acct_pay FROM settlements "
        "WHERE psn_no = ? AND pool = ? AND state = 'settled' ORDER BY insutype, month",
        data["psn_no"],
        call.pool,
    )
    sums: dict[tuple[str, str, str], Decimal] = {}
    for row in rows:
        if row["month"].startswith(when):
            for kind, code in TOTALS.items():
                key = (row["insutype"], row["month"], kind)
                sums[key] = sums.get(key, Decimal(0)) + Decimal(row[code])
    found = [
        {
            "insutype": insutype,
            "year": month[:4],
            "cum_ym": month,
            "cum_type_code": kind,
            "cum": cum,
        }
        for (insutype, month, kind), cum in sums.items()
    ]
    return {"cuminfo": [call.shape("cuminfo", row) for row in found]}


HANDLERS = {
    "5201": find_visits,
    "5203": find_settlement,
    "5204": find_lines,
    "5206": find_totals,
    "5303": find_stays,
}
