"""The input of 4101 or 4101A from everything a list is collected from.

A field is taken from the additions of the records department, then from what messages said of the
stay, then from what follows from the records, then from the records themselves, then from the
settings. A list is filled by the field codes of its definition: the vocabulary of the records is
that of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.fsi.definitions import Definitions
from gateway.intents import Record, Source, VisitClass
from gateway.settlement.filling import Filler
from gateway.settlement.listing import chronic
from gateway.settlement.listing.ages import age, age_in_days, is_newborn
from gateway.settlement.listing.collecting import ZERO, Sources
from gateway.settlement.listing.movements import (
    Department,
    Departments,
    departments,
    intensive_care,
    standing,
)
from gateway.settlement.listing.operations import operations, ventilated

ADMISSION_WEIGHT = "adm_wt"
"""What somebody weighed at the admission; the list has it of newborns alone (`nwb_adm_wt`)."""
DAY_SURGERY = "28"
"""`med_type` of day surgery, whose `ipt_med_type` is 2; that of every other stay is 1."""

PAYMENT_METHODS = {"1": "1", "2": "2", "3": "5", "9": "9", "40": "4", "50": "3"}
"""`clr_way` of the settlement -> `hi_paymtd`, where the two dictionaries say the same."""

Additions = Mapping[str, Any]
"""Nodes of 4101: an object for `setlinfo`, a list of objects for the others."""


class Origin(StrEnum):
    """Where a field of a list is from."""

    ADDITIONS = "additions"
    """What the records department gave beside it."""
    MESSAGE = "message"
    """What a message of the stay said for the list."""
    STORED = "stored"
    """The visit, the settlement and the replies of the platform, and what follows from them."""
    SETTINGS = "settings"
    """`[settlement_list] additions`."""


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say about lists (`[settlement_list]`)."""

    additions: Mapping[str, str] = {}
    intensive_care: Mapping[str, str] = {}
    nursing: Mapping[str, str] = {}
    ventilation: Sequence[str] = ()


class Composed(msgspec.Struct, kw_only=True):
    """A list, the origin of each field by its path, and what could not be filled."""

    input: dict[str, Any]
    origins: dict[str, str]
    notes: list[Problem] = []


def compose(
    sources: Sources,
    additions: Additions,
    *,
    filler: Filler,
    definitions: Definitions,
    infno: str,
    habits: Habits,
    department_of: Callable[[str], Department | None],
) -> Composed:
    """The input of 4101 or 4101A; an empty node is left out."""
    visit, settlement, stay = sources.visit, sources.settlement, sources.stay
    code = sources.send.fixmedins_code
    ended = visit.visit.get("endtime")
    places = departments(stay.movements, department_of)
    blood = _blood(stay.transfusions)
    care = intensive_care(stay.movements, habits.intensive_care, code, ended)
    done = operations(sources.procedures)
    own = additions.get("setlinfo")
    head = {k: str(v) for k, v in own.items()} if isinstance(own, Mapping) else {}
    said = {**(blood[0] if len(blood) == 1 else {}), **_said(sources)}
    stored = {
        **_derived(sources, places),
        **_nursing(sources, habits.nursing),
        **_given("vent_used_dura", ventilated(done, habits.ventilation)),
    }
    notes = _unfitting(stored, definitions, infno)
    records = [
        _from(Origin.ADDITIONS, [head]),
        _from(Origin.MESSAGE, [said]),
        _from(Origin.STORED, [stored, *_values(settlement.info, visit.visit, visit.person)]),
        _from(Origin.SETTINGS, [habits.additions]),
    ]
    lists = {
        "opspdiseinfo": _rows(Origin.STORED, chronic.diseases(visit, done)),
        "diseinfo": _rows(Origin.STORED, map(_diagnosis, sources.diagnoses)),
        "oprninfo": _rows(Origin.MESSAGE, _values(*done)),
        "icuinfo": _rows(Origin.MESSAGE, _values(*care)),
        "bldinfo": _rows(Origin.MESSAGE, _numbered(blood, settlement.info.get("setl_id"))),
        "payinfo": _rows(Origin.STORED, _values(*settlement.funds)),
        "iteminfo": _rows(Origin.STORED, _values(*sources.items)),
    }
    for node, content in additions.items():
        if node != "setlinfo" and isinstance(content, list):
            given = [row for row in content if isinstance(row, Mapping)]
            lists[node] = _rows(
                Origin.ADDITIONS, ({k: str(v) for k, v in row.items()} for row in given)
            )
    filled = filler.fill(infno, rows=lists, records=records)
    return Composed(
        input={node: content for node, content in filled.input.items() if content},
        origins={path: source.place for path, source in filled.sources.items()},
        notes=notes,
    )


def _values(*records: Record) -> list[Mapping[str, str]]:
    return [record.values for record in records]


def _from(origin: Origin, values: Iterable[Mapping[str, str]]) -> Record:
    """One record of several, the first going before the others, each value with its origin."""
    merged: dict[str, str] = {}
    for one in reversed(list(values)):
        merged |= one
    return Record(merged, dict.fromkeys(merged, Source(origin.value)))


def _rows(origin: Origin, rows: Iterable[Mapping[str, str]]) -> list[Record]:
    return [_from(origin, [row]) for row in rows]


def _given(code: str, value: str) -> dict[str, str]:
    return {code: value} if value else {}


def _said(sources: Sources) -> dict[str, str]:
    """The fields that messages stated; the weight at the admission only of a newborn."""
    facts = dict(sources.stay.facts.values)
    weight = facts.pop(ADMISSION_WEIGHT, "")
    if weight and is_newborn(_born(sources), sources.visit.visit.get("begntime")):
        facts.setdefault("nwb_adm_wt", weight)
    return facts


def _diagnosis(stored: Record) -> dict[str, str]:
    values = {"maindiag_flag": "0", **stored.values}
    if stored.has("adm_cond"):
        present = _PRESENT.get(stored.get("adm_cond").upper(), "3")
        values.setdefault("adm_cond_type", present)
    return values


_PRESENT = {"Y": "1", "W": "2", "U": "3", "N": "4", "1": "1", "2": "2", "3": "3", "4": "4"}
"""DG1-26 or onAdmission of FHIR (HL7 table 0895, or the national list) -> `adm_cond_type`."""


def _derived(sources: Sources, places: Departments) -> dict[str, str]:
    """What follows from the records under another name, or by arithmetic."""
    visit, info = sources.visit.visit, sources.settlement.info
    person = sources.visit.person
    begin, end = visit.get("begntime"), visit.get("endtime") or info.get("setl_time")
    own_pay = info.amount("fulamt_ownpay_amt") + info.amount("overlmt_selfpay")
    part = info.amount("psn_part_amt")
    inpatient = sources.visit.visit_class is VisitClass.INPATIENT
    kind = "2" if visit.get("med_type") == DAY_SURGERY else "1"
    values = {
        "mdtrt_id": visit.get("mdtrt_id"),
        "psn_no": person.get("psn_no"),
        "hi_no": person.get("psn_no"),
        "medcasno": visit.get("medcasno") or visit.get("ipt_otp_no"),
        "ipt_med_type": kind if inpatient else "",
        "adm_time": begin,
        "dscg_time": visit.get("endtime"),
        "setl_begn_date": begin[:10],
        "setl_end_date": end[:10],
        "act_ipt_days": _days(begin, visit.get("endtime")),
        "age": age(_born(sources), begin),
        "nwb_age": age_in_days(_born(sources), begin),
        "patn_cert_type": person.get("psn_cert_type"),
        "insuplc": person.get("insuplc_admdvs"),
        "hi_type": info.get("insutype") or person.get("insutype"),
        "hi_paymtd": PAYMENT_METHODS.get(info.get("clr_way"), ""),
        "chfpdr_code": visit.get("atddr_no"),
        "chfpdr_name": visit.get("dr_name"),
        "bill_no": info.get("invono") or sources.invono or visit.get("invono"),
        "biz_sn": sources.send.msgid,
        "fixmedins_code": sources.send.fixmedins_code,
        "fixmedins_name": sources.fixmedins_name,
        "psn_ownpay": format(own_pay, "f"),
        "psn_selfpay": format(part - own_pay, "f"),
        "psn_cashpay": info.get("psn_cash_pay"),
        "maindiag_flag": _principal(sources.diagnoses),
        "diag_code_cnt": str(len(sources.diagnoses)),
        "oprn_oprt_code_cnt": str(len(sources.procedures)),
        **_places(visit, places, sources),
        **chronic.head(sources.visit),
    }
    return {code: value for code, value in values.items() if value}


def _born(sources: Sources) -> str:
    """The day of birth that the list has: the platform's word goes before that of a message."""
    return sources.settlement.info.get("brdy") or sources.visit.person.get("brdy")


def _places(visit: Record, places: Departments, sources: Sources) -> dict[str, str]:
    """The departments of admission and discharge; the visit has that of the last message."""
    now = Department(
        code=visit.get("dept_code"), name=visit.get("dept_name"), caty=visit.get("caty")
    )
    moved = len(standing(sources.stay.movements)) > 1
    first = places.first or now
    last = places.last if moved and places.last else now
    return {
        "adm_caty": first.caty,
        "adm_dept_code": first.code,
        "adm_dept_name": first.name,
        "refldept_dept": places.transfers,
        "dscg_caty": last.caty,
        "dscg_dept_code": last.code,
        "dscg_dept_name": last.name,
    }


def _principal(diagnoses: Sequence[Record]) -> str:
    return "1" if any(one.get("maindiag_flag") == "1" for one in diagnoses) else ""


def _blood(transfusions: Sequence[Record]) -> list[dict[str, str]]:
    """One row of a product and a unit; a row without an amount stays by itself."""
    rows: list[dict[str, str]] = []
    known: dict[tuple[str, str], dict[str, str]] = {}
    for one in transfusions:
        amount = _number(one.get("bld_amt"))
        key = (one.get("bld_cat"), one.get("bld_unt"))
        if amount is None or key not in known:
            row = dict(one.values)
            rows.append(row)
            if amount is not None:
                known[key] = row
        else:
            row = known[key]
            row["bld_amt"] = format(amount + Decimal(row["bld_amt"]), "f")
    return rows


def _numbered(blood: Iterable[Mapping[str, str]], setl_id: str) -> list[dict[str, str]]:
    """`setl_List_bld_Id` is the hospital's own number of a row: that of the settlement goes on."""
    return [
        {"setl_List_bld_Id": f"{setl_id}{at:02d}"[-30:], **row} for at, row in enumerate(blood, 1)
    ]


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _nursing(sources: Sources, items: Mapping[str, str]) -> dict[str, str]:
    """Days of nursing by level: the quantities of the charge items that the settings name."""
    days: dict[str, Decimal] = {}
    for item, field in items.items():
        quantity = sources.quantities.get(item, ZERO)
        if quantity > 0:
            days[field] = days.get(field, Decimal(0)) + quantity
    return {field: format(count.normalize(), "f") for field, count in days.items()}


def _days(begin: str, end: str) -> str:
    """Days of a stay; one within a day counts as one."""
    if not begin or not end:
        return ""
    days = (date.fromisoformat(end[:10]) - date.fromisoformat(begin[:10])).days
    return str(max(1, days))


def _unfitting(stored: dict[str, str], definitions: Definitions, infno: str) -> list[Problem]:
    """Leave out the transfers where the field of this edition has no room for all of them."""
    fields = next((node.fields for node in definitions.transaction(infno).input), ())
    room = next((one.max_length for one in fields if one.code == "refldept_dept"), None)
    transfers = stored.get("refldept_dept", "")
    if room is None or len(transfers) <= room:
        return []
    del stored["refldept_dept"]
    return [
        Problem(
            kind=ProblemKind.LENGTH,
            code=ProblemCode.FIELD_LENGTH,
            severity=Severity.WARNING,
            field="refldept_dept",
            place="setlinfo.refldept_dept",
            zh=f"转科科别“{transfers}”超过{room}个字符，未填写",
            en=f"the transfers {transfers} exceed {room} characters and were left out",
            remedy_zh="如需上报，请在附加文件中填写refldept_dept",
            remedy_en="where the region wants them, give refldept_dept in the additions",
        )
    ]
