"""RSP^K11: what a query by parameter found, as a table (RDF and RDT).

QPD-1 names the query; the columns of its rows are national field codes. A failed query has QAK
and QPD too, and one ERR at most. An unknown name is AR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.errors import ProblemCode
from gateway.hl7v2 import answers
from gateway.hl7v2.charset import encode
from gateway.hl7v2.header import Header
from gateway.hl7v2.reader import NULL
from gateway.hl7v2.writer import Field, Raw, components, message, segment
from gateway.intents import Record, Result, Status, Verb

COLUMNS: dict[Verb, tuple[str, ...]] = {
    Verb.ENTITLE: (
        *("fund_pay_type", "trt_enjymnt_flag", "begndate", "enddate", "trt_chk_type"),
        *("trt_chk_rslt", "insutype", "insuplc_admdvs", "psn_insu_stas", "balc"),
    ),
    Verb.FIND_VISITS: (
        *("mdtrt_id", "ipt_otp_no", "med_type", "begntime", "endtime", "insutype"),
        *("adm_dept_codg", "adm_dept_name", "dise_codg", "dise_name", "inhosp_stas"),
    ),
    Verb.FIND_STAYS: ("mdtrt_id", "ipt_otp_no", "med_type", "begndate", "insutype", "out_flag"),
    Verb.READ_CHARGES: (
        *("feedetl_sn", "fee_ocur_time", "med_list_codg", "medins_list_codg"),
        *("medins_list_name", "cnt", "pric", "det_item_fee_sumamt", "inscp_scp_amt"),
        *("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "chrgitm_lv"),
    ),
    Verb.READ_SETTLEMENT: (*answers.SETTLEMENT_FIELDS, "refd_setl_flag", "medins_setl_id"),
    Verb.FIND_TOTALS: ("insutype", "year", "cum_ym", "cum_type_code", "cum"),
    Verb.FIND_CHRONIC: ("opsp_dise_code", "opsp_dise_name", "begndate", "enddate"),
    Verb.FIND_DESIGNATIONS: (
        *("fix_srt_no", "fixmedins_code", "fixmedins_name", "insutype", "begndate", "enddate"),
    ),
    Verb.FIND_TRANSFERS: (
        *("refl_date", "reflin_medins_no", "reflin_medins_name", "begndate", "enddate"),
        *("insutype", "diag_code", "diag_name", "refl_rea", "out_flag"),
    ),
    Verb.FIND_PHYSICIANS: (
        *("prac_psn_code", "prac_psn_name", "prac_psn_type", "prac_psn_no"),
        *("hi_dr_flag", "begntime", "endtime"),
    ),
}
"""Columns of the table of each query, in their order."""

MAX_COLUMN = 250
"""Characters of a column, as RDF-2 says."""


def write_table(
    kind: str,
    header: Header,
    echoed: Mapping[str, list[str]],
    result: Result,
    *,
    style: answers.Style,
    now: datetime,
) -> tuple[str, bytes]:
    """The code and the bytes of RSP^K11."""
    problems = answers.problems_of(result)
    del kind
    code = answers.CODES[result.status]
    if any(problem.code is ProblemCode.QUERY_UNKNOWN for problem in problems):
        code = "AR"
    if result.status is not Status.DONE:
        return code, answers.refuse_query(header, code, problems, echoed, style=style, now=now)
    columns, rows = COLUMNS[result.intent.verb], _rows(result)
    lines = [
        *answers.query_head(header, "AA", problems, style, now),
        *answers.query_tail(header, echoed, "OK" if rows else "NF", len(rows)),
    ]
    if rows:
        lines += _table(header, columns, rows)
    return code, encode(message(lines), header.codec)


def _rows(result: Result) -> Sequence[Mapping[str, str]]:
    verb = result.intent.verb
    if verb is Verb.READ_SETTLEMENT:
        return [made.info.values for made in result.settlements]
    if verb is Verb.ENTITLE:
        person = result.intent.person.values
        insured = next(
            (row for row in result.insurances if row.get("insutype") == person.get("insutype")),
            Record(),
        )
        return [{**insured.values, **row.values} for row in result.entitlements]
    return [row.values for row in result.found.get(verb.value, [])]


def _table(header: Header, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    marks = header.reply_delimiters
    # the width (RCD.3) has two digits in 2.5 to 2.6
    width = "" if header.at_least("2.5") and not header.at_least("2.7") else str(MAX_COLUMN)
    described = [components(code, "ST", width) for code in columns]
    head: list[Field] = [str(len(columns)), [*described]]
    return [
        segment("RDF", head, marks),
        *(segment("RDT", _columns(columns, row), marks) for row in rows),
    ]


def _columns(columns: Sequence[str], row: Mapping[str, Any]) -> list[Field]:
    """The values; the first column is required, and null where nothing was said."""
    first, *rest = columns
    return [row.get(first) or Raw(NULL), *(row.get(code, "") for code in rest)]
