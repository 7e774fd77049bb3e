"""Settlement lists (4101, 4101A, 4102 to 4105): kept, submitted, read, judged, counted.

A list belongs to a standing settlement and replaces the one before it while it is not submitted.
The institution may move 0 to 1, and 3 to 0 or 1 (reference: rules of the interface, section 17).
The centre judges a list when it is submitted: findings make it refused (3), otherwise it waits as
submitted (1) until somebody at the centre approves it (2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from conformance.platform import wire
from conformance.platform.call import TIME, Call, Refusal, amount, whole
from conformance.platform.store import Row
from conformance.platform.tables import gray_codes
from conformance.platform.transactions.books import amounts_of

OPEN, SUBMITTED, APPROVED, REFUSED = "0", "1", "2", "3"
MOVES = {(OPEN, SUBMITTED), (REFUSED, OPEN), (REFUSED, SUBMITTED)}
"""`stas_type` before and after that an institution may order."""
MAIN = "1"


def _settlement(call: Call, setl_id: object, psn_no: object) -> Row:
    row = call.store.one(
        "SELECT settlements.* FROM settlements JOIN visits USING (mdtrt_id) "
        "WHERE setl_id = ? AND settlements.region = ? AND visits.fixmedins_code = ?",
        setl_id,
        call.region.code,
        call.institution.fixmedins_code,
    )
    if row is None or row["psn_no"] != psn_no:
        raise Refusal("未查询到结算信息")
    if row["state"] != "settled":
        raise Refusal("该结算已退费或冲正，不能上传结算清单")
    return row


def _held(call: Call, setl_id: object) -> Row | None:
    return call.store.one(
        "SELECT * FROM lists WHERE setl_id = ? AND region = ? AND fixmedins_code = ?",
        setl_id,
        call.region.code,
        call.institution.fixmedins_code,
    )


def upload(call: Call) -> dict[str, Any]:
    """4101, 4101A: keep the list of a settlement; its `setl_list_id`."""
    info = call.node("setlinfo")
    settlement = _settlement(call, info["setl_id"], info.get("psn_no") or _psn_no(call, info))
    if info["mdtrt_id"] != settlement["mdtrt_id"]:
        raise Refusal("就诊ID与结算不符")
    held = _held(call, info["setl_id"])
    if held is not None and held["stas_type"] != OPEN:
        raise Refusal("结算清单已提交，不能修改")
    number = held["setl_list_id"] if held is not None else _number(call)
    call.store.run("DELETE FROM lists WHERE setl_id = ?", info["setl_id"])
    call.store.insert(
        "lists",
        {
            "setl_id": info["setl_id"],
            "region": call.region.code,
            "fixmedins_code": call.institution.fixmedins_code,
            "psn_no": settlement["psn_no"],
            "setl_list_id": number,
            "stas_type": OPEN,
            "setl_ym": settlement["setl_time"][:7].replace("-", ""),
            "uploaded": call.now.strftime(TIME),
            "input": wire.encode(call.input).decode(),
            "findings": "[]",
        },
    )
    outputs = call.definitions.transaction(call.infno).output
    if not outputs:
        return {}
    shaped = call.shape(outputs[0].name, {"setl_list_id": number})
    return {outputs[0].name: shaped} if outputs[0].name else shaped


def _psn_no(call: Call, info: Mapping[str, Any]) -> str:
    """Editions without `psn_no` in the list name the person by the certificate."""
    row = call.store.one("SELECT psn_no FROM persons WHERE certno = ?", info.get("certno"))
    return str(row["psn_no"]) if row is not None else ""


def _number(call: Call) -> str:
    return f"{call.store.next_serial(f'list:{call.region.code}'):09d}"


def submit(call: Call) -> dict[str, Any]:
    """4102: move lists between the states that an institution may order."""
    for row in call.rows("stastinfo"):
        held = _held(call, row["setl_id"])
        if held is None or held["psn_no"] != row["psn_no"]:
            raise Refusal("未查询到结算清单")
        wanted = row["stas_type"]
        if (held["stas_type"], wanted) not in MOVES:
            raise Refusal(f"结算清单状态不能由{held['stas_type']}改为{wanted}")
        findings = list(_findings(call, held)) if wanted == SUBMITTED else []
        call.store.run(
            "UPDATE lists SET stas_type = ?, findings = ? WHERE setl_id = ?",
            REFUSED if findings else wanted,
            msgspec.json.encode(findings).decode(),
            row["setl_id"],
        )
    return {}


def _findings(call: Call, held: Row) -> Iterator[dict[str, str]]:
    """What the centre's quality control says of a list."""
    content = wire.decode(held["input"].encode())
    settlement = _settlement(call, held["setl_id"], held["psn_no"])
    diagnoses = content.get("diseinfo") or []
    mains = [row for row in diagnoses if row.get("maindiag_flag") == MAIN]
    if len(mains) != 1:
        yield _finding("maindiag_flag", "主诊断应有且仅有一个", str(len(mains)))
    for row in mains:
        if row["diag_code"] in gray_codes():
            yield _finding("diag_code", "主诊断编码为灰码", row["diag_code"])
    paid = sum((amount(row["fund_payamt"]) for row in content.get("payinfo") or []), Decimal(0))
    fund = Decimal(settlement["fund_pay_sumamt"])
    if content.get("payinfo") and paid != fund:
        yield _finding("fund_payamt", f"基金支付合计应为{fund}", str(paid))
    total = sum((amount(row["amt"]) for row in content.get("iteminfo") or []), Decimal(0))
    whole_amount = amounts_of(settlement)["medfee_sumamt"]
    if content.get("iteminfo") and total != whole_amount:
        yield _finding("amt", f"收费项目合计应为{whole_amount}", str(total))


def _finding(field: str, said: str, value: str) -> dict[str, str]:
    return {"exam_data_fld": field, "qltctrl_chk_rslt": said, "err_lv": "1", "init_val": value}


def read(call: Call) -> dict[str, Any]:
    """4103: the list as it is held, with its state."""
    data = call.node("data")
    held = _held(call, data["setl_id"])
    if held is None or held["psn_no"] != data["psn_no"]:
        raise Refusal("未查询到结算清单")
    content = wire.decode(held["input"].encode())
    common = {code: held[code] for code in ("setl_id", "psn_no")}
    output: dict[str, Any] = {}
    for node in call.definitions.transaction(call.infno).output:
        rows = content.get(node.name) or []
        if node.repeats:
            output[node.name] = [call.shape(node.name, {**common, **row}) for row in rows]
        else:
            values = {
                **content.get(node.name, {}),
                **common,
                "setl_list_sn": held["setl_list_id"],
                "stas_type": held["stas_type"],
                "dcla_time": held["uploaded"],
            }
            shaped = call.shape(node.name, values)
            # The state is given beside the defined fields.
            output[node.name] = {**shaped, "stas_type": held["stas_type"]}
    return output


def quality(call: Call) -> list[dict[str, Any]]:
    """4104: lists of a month that were judged, by pages."""
    data = call.node("data")
    rows = call.store.all(
        "SELECT * FROM lists WHERE region = ? AND fixmedins_code = ? AND setl_ym = ? "
        "AND ? IN ('', setl_id) AND ? IN ('', psn_no) AND stas_type <> '0' ORDER BY setl_list_id",
        call.region.code,
        call.institution.fixmedins_code,
        data["setl_ym"],
        data.get("setl_id") or "",
        data.get("psn_no") or "",
    )
    size = max(1, whole(data["page_size"]))
    start = (max(1, whole(data["page_num"])) - 1) * size
    return [_judged(call, row) for row in rows[start : start + size]]


def _judged(call: Call, held: Row) -> dict[str, Any]:
    findings = msgspec.json.decode(held["findings"], type=list[dict[str, str]])
    values = {
        "fixmedins_code": call.institution.fixmedins_code,
        "fixmedins_name": call.institution.fixmedins_name,
        "setl_ym": held["setl_ym"],
        "setl_id": held["setl_id"],
        "psn_no": held["psn_no"],
        "qltctrl_rslt": "0" if findings else "1",
        "err_lv": "1" if findings else "0",
        "retn_flag": "1" if held["stas_type"] == REFUSED else "0",
    }
    details = [call.shape("detailinfo", finding) for finding in findings]
    return {**call.shape("", values), "detailinfo": details}


def count(call: Call) -> dict[str, Any]:
    """4105: settlements that need a list, and those that have one."""
    data = call.node("data")
    kinds = [text for text in str(data["medtype_list"]).replace("，", ",").split(",") if text]
    rows = call.store.all(
        "SELECT settlements.setl_id, settlements.med_type, lists.setl_list_id FROM settlements "
        "JOIN visits USING (mdtrt_id) LEFT JOIN lists ON lists.setl_id = settlements.setl_id "
        "WHERE settlements.region = ? AND visits.fixmedins_code = ? "
        "AND settlements.state = 'settled' AND setl_time BETWEEN ? AND ?",
        call.region.code,
        data["fixmedins_code"],
        data["stt_begntime"],
        data["stt_endtime"],
    )
    due = [row for row in rows if row["med_type"] in kinds]
    done = [row for row in due if row["setl_list_id"]]
    return call.shape("", {"needUploadCnt": len(due), "uploadedCnt": len(done)})


HANDLERS = {
    "4101": upload,
    "4101A": upload,
    "4102": submit,
    "4103": read,
    "4104": quality,
    "4105": count,
}
