"""Where each field of a settlement list is taken from.

The page of the reference is drawn from it, and who misses a field is told the places to give it in.
What a message map fills says so itself, by record and field code. This module has what the code of
the list makes of it: fields that follow from others, and what is stored.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

import mappings.messages
from gateway.errors import Problem, ProblemCode
from mappings.messages.compiler import read_maps
from mappings.messages.grammar import Block, Sheet

FOLDER = Path(mappings.messages.__file__).parent
EVENTS = (
    *("ADT^A01", "ADT^A02", "ADT^A03", "ADT^A06", "ADT^A08", "ADT^A12"),
    *("BAR^P01", "BAR^P05", "BAR^P06", "BAR^P12"),
)
INTERACTIONS = ("open Encounter", "change Encounter", "finish Encounter", "claim Claim")
_CATEGORY = re.compile(r"supportingInfo\[category\.coding\.code=(\w+)\].*")
_FILTERS = re.compile(r"\[.*")
_ROW = re.compile(r"\[\d+\]")
MOST_PATHS = 3
"""Paths of a field that somebody who misses it is told."""

ROWS: Mapping[str, str] = {
    "diseinfo": "diagnoses",
    "oprninfo": "procedures",
    "bldinfo": "transfusions",
}
"""Nodes that repeat -> the list of records that fills them."""

RECORDS = ("listing", "person", "visit", "settlement")
"""Records that fill `setlinfo`."""

FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "setlinfo.medcasno": ("listing.medcasno", "visit.ipt_otp_no"),
    "setlinfo.adm_time": ("visit.begntime",),
    "setlinfo.dscg_time": ("visit.endtime",),
    "setlinfo.setl_begn_date": ("visit.begntime",),
    "setlinfo.setl_end_date": ("visit.endtime",),
    "setlinfo.act_ipt_days": ("visit.begntime", "visit.endtime"),
    "setlinfo.adm_caty": ("visit.dept_code", "movements.ward"),
    "setlinfo.adm_dept_code": ("visit.dept_code", "movements.ward"),
    "setlinfo.adm_dept_name": ("visit.dept_code", "movements.ward"),
    "setlinfo.dscg_caty": ("visit.dept_code", "movements.ward"),
    "setlinfo.dscg_dept_code": ("visit.dept_code", "movements.ward"),
    "setlinfo.dscg_dept_name": ("visit.dept_code", "movements.ward"),
    "setlinfo.refldept_dept": ("movements.ward", "movements.begntime"),
    "setlinfo.otp_wm_dise": ("diagnoses.diag_name", "diagnoses.inout"),
    "setlinfo.wm_dise_code": ("diagnoses.diag_code", "diagnoses.inout"),
    "setlinfo.otp_tcm_dise": ("diagnoses.diag_name", "diagnoses.inout"),
    "setlinfo.tcm_dise_code": ("diagnoses.diag_code", "diagnoses.inout"),
    "setlinfo.maindiag_flag": ("diagnoses.maindiag_flag",),
    "setlinfo.chfpdr_code": ("visit.atddr_no",),
    "setlinfo.chfpdr_name": ("visit.dr_name",),
    "setlinfo.bill_no": ("listing.bill_no", "settlement.invono"),
    "setlinfo.vent_used_dura": ("listing.vent_used_dura", "procedures.minutes"),
    "setlinfo.bld_cat": ("transfusions.bld_cat",),
    "setlinfo.bld_amt": ("transfusions.bld_amt",),
    "setlinfo.bld_unt": ("transfusions.bld_unt",),
    "setlinfo.nwb_adm_wt": ("listing.nwb_adm_wt", "listing.adm_wt"),
    "setlinfo.opsp_mdtrt_date": ("visit.begntime",),
    "setlinfo.opsp_diag_caty": ("visit.dept_code",),
    "opspdiseinfo.diag_code": ("visit.opsp_dise_code",),
    "opspdiseinfo.diag_name": ("visit.opsp_dise_code",),
    "opspdiseinfo.oprn_oprt_code": ("procedures.oprn_oprt_code",),
    "opspdiseinfo.oprn_oprt_name": ("procedures.oprn_oprt_name",),
    "diseinfo.adm_cond_type": ("diagnoses.adm_cond",),
    "oprninfo.oprn_oprt_endtime": (
        "procedures.oprn_oprt_endtime",
        "procedures.minutes",
    ),
    "oprninfo.anst_endtime": (
        "procedures.anst_endtime",
        "procedures.anst_begntime",
        "procedures.anst_minutes",
    ),
    "icuinfo.scs_cutd_ward_type": ("movements.ward", "movements.scs_cutd_ward_type"),
    "icuinfo.scs_cutd_inpool_time": ("movements.begntime",),
    "icuinfo.scs_cutd_exit_time": ("movements.endtime", "movements.begntime", "visit.endtime"),
    "icuinfo.scs_cutd_sum_dura": ("movements.begntime", "movements.endtime"),
}
"""Field of the list -> what it follows from, as record and field code."""

OF_PLATFORM = frozenset({"psn_name", "gend", "brdy", "naty", "certno", "insuplc", "psn_no"})
"""Fields of the person in which the platform's word goes before that of a message."""

STORED: Mapping[str, str] = {
    **dict.fromkeys(
        ("psn_no", "psn_name", "gend", "brdy", "naty", "certno", "patn_cert_type", "insuplc"),
        "1101",
    ),
    "hi_no": "1101: `psn_no`",
    "emp_name": "1101",
    "mdtrt_id": "2401",
    "setl_id": "2304",
    "fixmedins_code": "settings",
    "fixmedins_name": "settings",
    "age": "1101: `brdy`, at the admission",
    "nwb_age": "1101: `brdy`, in days below one year",
    "hi_type": "2304: `insutype`",
    "hi_paymtd": "2304: `clr_way`, where both dictionaries say the same",
    "ipt_med_type": "1, of day surgery (`med_type` 28) 2",
    "acct_pay": "2304",
    "psn_cashpay": "2304: `psn_cash_pay`",
    "psn_ownpay": "2304: `fulamt_ownpay_amt` and `overlmt_selfpay`",
    "psn_selfpay": "2304: the rest of `psn_part_amt`",
    "bill_no": "2304: `invono` of its input",
    "biz_sn": "2304: message id",
    "diag_code_cnt": "counted",
    "oprn_oprt_code_cnt": "counted",
    "adm_caty": "code tables",
    "adm_dept_code": "code tables",
    "adm_dept_name": "code tables",
    "dscg_caty": "code tables",
    "dscg_dept_code": "code tables",
    "dscg_dept_name": "code tables",
    "refldept_dept": "code tables",
    "opsp_mdtrt_date": "2203: of an outpatient visit with a filed disease",
    "opsp_diag_caty": "2203: of an outpatient visit with a filed disease",
    "opspdiseinfo.diag_code": "5301: `dise_codg` of the visit",
    "opspdiseinfo.diag_name": "5301: `dise_name` of the visit",
    "opspdiseinfo.oprn_oprt_code": "code tables",
    "vent_used_dura": "`ventilation`: how long those procedures took",
    **dict.fromkeys(
        ("spga_nurscare_days", "lv1_nurscare_days", "scd_nurscare_days", "lv3_nurscare_days"),
        "2301: quantities of the items of `nursing`",
    ),
    "payinfo.fund_pay_type": "2304: `setldetail`",
    "payinfo.fund_payamt": "2304: `setldetail`",
    **dict.fromkeys(
        (
            *("iteminfo.med_chrgitm", "iteminfo.amt", "iteminfo.claa_sumfee"),
            *("iteminfo.clab_amt", "iteminfo.fulamt_ownpay_amt", "iteminfo.oth_amt"),
        ),
        "2301: its lines by class",
    ),
    "diseinfo.diag_code": "code tables",
    "diseinfo.diag_name": "code tables",
    "oprninfo.oprn_oprt_code": "code tables",
    "oprninfo.oper_dr_code": "code tables",
    "oprninfo.anst_dr_code": "code tables",
    "icuinfo.scs_cutd_ward_type": "`intensive_care`: type of the ward",
    "icuinfo.scs_cutd_sum_dura": "computed",
    **dict.fromkeys(("bldinfo.psn_no", "bldinfo.mdtrt_id", "bldinfo.setl_id"), "as in `setlinfo`"),
    "bldinfo.setl_List_bld_Id": "`setl_id` and the number of the row",
}
"""Field (of `setlinfo` without its node) -> what is stored or set of it."""


OF_THE_CENTRE = frozenset({"setlinfo.dcla_time"})
"""Fields that the centre fills in when it takes the list (rules section 17)."""

Paths = Mapping[str, list[str]]
"""Record and field code -> the paths that fill it, in the order of the messages."""


@cache
def message_paths() -> tuple[Paths, Paths]:
    """The paths of the standard maps of HL7 v2 and of FHIR; read once."""
    hl7 = read_maps(FOLDER / "hl7v2")
    return _paths(hl7, EVENTS), _paths(read_maps(FOLDER / "fhir"), INTERACTIONS)


def sources_of(field: str) -> tuple[str, ...]:
    """What a field of the list follows from, as record and field code of the maps."""
    node, _, code = field.partition(".")
    if field in FOLLOWS:
        return FOLLOWS[field]
    if node in ROWS:
        return (f"{ROWS[node]}.{code}",)
    if node != "setlinfo" or code in OF_PLATFORM:
        return ()
    return tuple(f"{record}.{code}" for record in RECORDS)


def stored_of(field: str) -> str:
    """What is stored or set of a field; empty where nothing is."""
    node, _, code = field.partition(".")
    return STORED.get(field, STORED.get(code, "") if node == "setlinfo" else "")


def paths_of(field: str, found: Paths) -> list[str]:
    """The paths of a field in the messages of one protocol."""
    paths = (path for source in sources_of(field) for path in found.get(source, ()))
    return list(dict.fromkeys(paths))


async def advised(problems: Sequence[Problem]) -> list[Problem]:
    """The problems, those of missing fields with the places that each may be given in."""
    if not any(map(_is_missing, problems)):
        return list(problems)
    known = await asyncio.to_thread(message_paths)  # reads files when it is first asked
    return [_advised(one, known) if _is_missing(one) else one for one in problems]


def _is_missing(problem: Problem) -> bool:
    return problem.code is ProblemCode.FIELD_REQUIRED and "." in problem.place


def _advised(problem: Problem, known: tuple[Paths, Paths]) -> Problem:
    field = _ROW.sub("", problem.place)
    hl7, fhir = (" ".join(paths_of(field, found)[:MOST_PATHS]) for found in known)
    places = [f"{name} {paths}" for name, paths in (("HL7", hl7), ("FHIR", fhir)) if paths]
    zh = [*places, f"附加文件（--with）{problem.place}"]
    en = [*places, f"the additions (--with) {problem.place}"]
    return msgspec.structs.replace(
        problem,
        remedy_zh=f"可填写于：{'；'.join(zh)}",
        remedy_en=f"give it in one of: {'; '.join(en)}",
    )


def _paths(sheets: Mapping[str, Sheet], kinds: tuple[str, ...]) -> dict[str, list[str]]:
    """Record and field code -> the paths that fill it, in the order of the messages."""
    found: dict[str, list[str]] = {}
    for kind in kinds:
        sheet = sheets[kind]
        for target, rule in sheet.every_rule():
            block = sheet.blocks.get(target.partition(".")[0])
            found.setdefault(target, []).extend(
                _shown(source.path, block) for source in rule.sources if source.path
            )
    return found


def _shown(path: str, block: Block | None) -> str:
    """A path of a map as a reader of the page looks for it; of a block, with the block's own."""
    if block is not None and not block.path.isupper() and not path.startswith("%"):
        known = _CATEGORY.sub(r"supportingInfo[\1]", block.path)
        return f"{known if known != block.path else _FILTERS.sub('', block.path)}.{path}"
    return _CATEGORY.sub(r"supportingInfo[\1]", path)
