"""Reconciliation: totals (3201) and single settlements (3202) against the centre's own books.

A group is clearing class, clearing centre and a range of days by the settlement time that the
centre gave; 3201 adds the insurance type. `fixmedins_refd_setl_flag` 0 asks for settlements, 1 for
refunds, whose amounts are negative (reference: rules of the interface, section 15). A settlement
that was cancelled stands in the books twice, forward and reverse; one that 2601 took back not at
all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from conformance.platform.call import STAMP, Call, Refusal, amount, whole
from conformance.platform.store import Row
from conformance.platform.textfiles import packed, unpacked
from conformance.platform.transactions.files import content_of, put

BALANCED, UNBALANCED = "0", "1"
FORWARD, REFUND = "0", "1"

SENT = (
    "setl_id",
    "mdtrt_id",
    "psn_no",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "acct_pay",
    "refd_setl_flag",
)
"""Columns of the uploaded file."""
AMOUNTS = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")
ANSWERED = (
    "psn_no",
    "mdtrt_id",
    "setl_id",
    "msgid",
    "stmt_rslt",
    "refd_setl_flag",
    "memo",
    *AMOUNTS,
)
"""Columns of the result file."""

_NAMES = {
    "medfee_sumamt": "医疗费总额",
    "fund_pay_sumamt": "基金支付总额",
    "acct_pay": "个人账户支出",
}


def _flag(row: Row) -> str:
    return REFUND if row["state"] == "refund" else FORWARD


def _group(call: Call, data: Mapping[str, Any]) -> list[Row]:
    rows = call.store.all(
        "SELECT settlements.* FROM settlements JOIN visits USING (mdtrt_id) "
        "WHERE settlements.region = ? AND visits.fixmedins_code = ? AND clr_type = ? "
        "AND clr_optins = ? AND substr(setl_time, 1, 10) BETWEEN ? AND ? "
        "AND settlements.state <> 'reversed' ORDER BY setl_id",
        call.region.code,
        call.institution.fixmedins_code,
        data["clr_type"],
        data["setl_optins"],
        data["stmt_begndate"][:10],
        data["stmt_enddate"][:10],
    )
    wanted = data.get("fixmedins_refd_setl_flag") or data.get("refd_setl_flag") or ""
    insutype = data.get("insutype") or ""
    return [row for row in rows if wanted in ("", _flag(row)) and insutype in ("", row["insutype"])]


def totals(call: Call) -> dict[str, Any]:
    """3201: do the sums and the number of settlements agree?"""
    data = call.node("data")
    rows = _group(call, data)
    differences = [
        f"{_NAMES[code]}中心{ours}，机构{theirs}"
        for code in AMOUNTS
        if (ours := _sum(row[code] for row in rows)) != (theirs := amount(data[code]))
    ]
    count = whole(data["fixmedins_setl_cnt"])
    if count != len(rows):
        differences.append(f"结算笔数中心{len(rows)}，机构{count}")
    values = {
        "setl_optins": data["setl_optins"],
        "stmt_rslt": UNBALANCED if differences else BALANCED,
        "stmt_rslt_dscr": "；".join(differences) or "平",
    }
    return {"stmtinfo": call.shape("stmtinfo", values)}


def _sum(values: Iterable[str]) -> Decimal:
    return sum((Decimal(value) for value in values), Decimal("0.00"))


def details(call: Call) -> dict[str, Any]:
    """3202: each uploaded line against the books; writes the result file."""
    data = call.node("data")
    sent = _sent(call, data["file_qury_no"])
    _check_totals(data, sent)
    name = f"{call.now.strftime(STAMP)}_3202"
    lines = list(_compared(sent, _group(call, data)))
    content = packed(f"{name}.txt", lines)
    kept = put(call, call.institution.fixmedins_code, f"{name}.zip", content)
    values = {**kept, "dld_endtime": f"{kept['until']} 23:59:59"}
    return {"fileinfo": call.shape("fileinfo", values)}


def _sent(call: Call, number: str) -> list[dict[str, str]]:
    content = content_of(call, number, call.institution.fixmedins_code)
    try:
        rows = unpacked(content)
        lines = [dict(zip(SENT, row, strict=False)) for row in rows]
        for line in lines:
            for code in AMOUNTS:
                line[code] = str(Decimal(line[code]))
            if line["refd_setl_flag"] not in (FORWARD, REFUND):
                raise ValueError("flag")
    except (ValueError, KeyError, InvalidOperation):
        raise Refusal("明细文件格式错误") from None
    return lines


def _check_totals(data: Mapping[str, Any], sent: list[dict[str, str]]) -> None:
    same = all(
        _sum(line[code] for line in sent) == amount(data[code])
        for code in ("medfee_sumamt", "fund_pay_sumamt")
    )
    if not same or whole(data["fixmedins_setl_cnt"]) != len(sent):
        raise Refusal("明细文件与汇总金额或笔数不一致")


def _compared(sent: list[dict[str, str]], rows: list[Row]) -> Iterable[list[str]]:
    open_rows = {(row["setl_id"], _flag(row)): row for row in rows}
    # The reverse line of a refund may carry the id of the settlement it took back.
    by_origin = {row["origin"]: row for row in rows if row["origin"]}
    for line in sent:
        key = (line["setl_id"], line["refd_setl_flag"])
        row = open_rows.get(key)
        if row is None and line["refd_setl_flag"] == REFUND:
            row = by_origin.get(line["setl_id"])
        if row is None or (row["setl_id"], _flag(row)) not in open_rows:
            yield _line({**line, "msgid": ""}, UNBALANCED, line["refd_setl_flag"], "中心无此结算")
            continue
        del open_rows[row["setl_id"], _flag(row)]
        wrong = [_NAMES[c] for c in AMOUNTS if Decimal(row[c]) != Decimal(line[c])]
        wrong += [c for c in ("mdtrt_id", "psn_no") if row[c] != line[c]]
        memo = f"{'、'.join(wrong)}不一致" if wrong else ""
        yield _line(dict(row), UNBALANCED if wrong else BALANCED, _flag(row), memo)
    for row in open_rows.values():
        yield _line(dict(row), UNBALANCED, _flag(row), "机构无此结算")


def _line(values: Mapping[str, Any], result: str, flag: str, memo: str) -> list[str]:
    known = {**values, "stmt_rslt": result, "refd_setl_flag": flag, "memo": memo}
    return [str(known[code]) for code in ANSWERED]


HANDLERS = {"3201": totals, "3202": details}
