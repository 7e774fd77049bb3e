"""What outpatient and inpatient visits have in common: opening, diagnoses, cancelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from conformance.platform.call import Call, Refusal
from conformance.platform.store import Row

WESTERN = "1"
"""`diag_type` of a diagnosis of western medicine; 2 and 3 are of Chinese medicine."""

_DISEASE = re.compile(
    r"[A-Z]\d{2}(?:\.(?:\d{1,3}|x\d{2})(?:x\d{3})?)?(?:\+[A-Z]\d{2}(?:\.\d)?)?\*?\Z", re.ASCII
)
"""Shape of a disease code of the insurance edition, releases 1.0 and 2.0 (code standards)."""

_CHINESE_MEDICINE = re.compile(r"[A-Z][A-Z0-9.]{2,19}\Z", re.ASCII)


def open_visit(
    call: Call, data: Mapping[str, Any], *, setting: str, number: str, med_type: str
) -> str:
    """Register a visit of an insured person; its new `mdtrt_id`.

    `number` is the institution's own visit number, which no other visit of it may have.
    """
    insurance = call.insurance(data["psn_no"], data["insutype"])
    call.check_certificate(call.person(data["psn_no"]), data)
    taken = call.store.one(
        "SELECT 1 FROM visits WHERE fixmedins_code = ? AND ipt_otp_no = ? AND state <> 'cancelled'",
        call.institution.fixmedins_code,
        number,
    )
    if taken:
        raise Refusal("住院/门诊号已存在，不能重复登记")
    serial = call.store.next_serial(f"visit:{call.region.code}")
    mdtrt_id = f"{call.region.code}{call.now.strftime('%Y%m%d')}{serial:08d}"
    call.store.insert(
        "visits",
        {
            "mdtrt_id": mdtrt_id,
            "region": call.region.code,
            "fixmedins_code": call.institution.fixmedins_code,
            "setting": setting,
            "psn_no": data["psn_no"],
            "insutype": data["insutype"],
            "insuplc_admdvs": insurance["insuplc_admdvs"],
            "pool": call.pool,
            "med_type": med_type,
            "ipt_otp_no": number,
            "begntime": data["begntime"],
            "endtime": "",
            "state": "open",
            "reported": 0,
            "msgid": call.msgid,
            "detail": encode_detail(data),
        },
    )
    return mdtrt_id


def encode_detail(data: Mapping[str, Any]) -> str:
    """The members of an input node as the text that is kept."""
    return msgspec.json.encode(dict(data)).decode()


def update_detail(call: Call, visit: Row, data: Mapping[str, Any], **columns: Any) -> None:
    """Lay the members of a later input over what the visit holds, and set columns of it."""
    kept = {**msgspec.json.decode(visit["detail"]), **data}
    columns["detail"] = encode_detail(kept)
    places = ", ".join(f"{name} = ?" for name in columns)
    # Column names are ours, never the sender's.
    statement = f"UPDATE visits SET {places} WHERE mdtrt_id = ?"  # noqa: S608 - see above
    call.store.run(statement, *columns.values(), visit["mdtrt_id"])


def store_diagnoses(
    call: Call, mdtrt_id: str, rows: Iterable[Mapping[str, Any]], *, stage: str
) -> None:
    """Add diagnoses or change those of the same number; `vali_flag` 0 withdraws one.

    Raises:
        Refusal: a code has not the shape of one; whether it is in the list is not asked.
    """
    for row in rows:
        number, kind = str(row["diag_srt_no"]), row["diag_type"]
        check_diagnosis(row["diag_code"], kind)
        call.store.run(
            "DELETE FROM diagnoses "
            "WHERE mdtrt_id = ? AND stage = ? AND diag_srt_no = ? AND diag_type = ?",
            mdtrt_id,
            stage,
            number,
            kind,
        )
        if row.get("vali_flag") != "0":
            call.store.insert(
                "diagnoses",
                {
                    "mdtrt_id": mdtrt_id,
                    "stage": stage,
                    "diag_srt_no": number,
                    "diag_code": row["diag_code"],
                    "diag_name": row["diag_name"],
                    "diag_type": kind,
                    "maindiag_flag": row.get("maindiag_flag") or "",
                },
            )


def check_diagnosis(code: str, kind: str = WESTERN) -> None:
    """The shape of a diagnosis code.

    Raises:
        Refusal: it has another one.
    """
    if not (_DISEASE if kind == WESTERN else _CHINESE_MEDICINE).match(code):
        raise Refusal(f"诊断编码{code}格式错误")


def cancel_visit(call: Call, visit: Row) -> None:
    """Take a registration back; nothing may hang on it.

    Raises:
        Refusal: charges or a settlement stand in the way.
    """
    mdtrt_id = visit["mdtrt_id"]
    if call.store.one(
        "SELECT 1 FROM settlements WHERE mdtrt_id = ? AND state = 'settled'", mdtrt_id
    ):
        raise Refusal("该就诊已结算，请先撤销结算")
    if call.store.one("SELECT 1 FROM charges WHERE mdtrt_id = ?", mdtrt_id):
        raise Refusal("该就诊已上传费用明细，请先撤销费用明细")
    call.store.run("UPDATE visits SET state = 'cancelled' WHERE mdtrt_id = ?", mdtrt_id)
