"""Rules about what is asked for: ranges, pages and keys of queries, and reversals."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import Problem
from gateway.fsi.findings import wrong_value
from gateway.fsi.rules.conditions import formed, one_of, ordered, whole_above_zero
from gateway.fsi.rules.model import Rows, Rule, Scope

FILE_INSTITUTION = "plc"
"""fixmedins_code of 9102 for catalogue files: a constant."""

MOST_ROWS_OF_7211 = 100

ITEM_OR_BATCH = ("medins_list_codg", "fixmedins_bchno")

QUERY_RANGES = {
    ("begndate", "enddate"): (
        *("1318", "1319", "3508", "3509", "3510", "3511", "3512", "3513", "3601"),
    ),
    ("begntime", "endtime"): ("2001", "5201", "5205", "5303", "5304", "7211"),
    ("opt_begn_time", "opt_end_time"): ("1304",),
    ("startTime", "endTime"): ("3701",),
    ("stt_begntime", "stt_endtime"): ("4105",),
    ("stmt_begndate", "stmt_enddate"): ("3201", "3202"),
}
"""Ranges of queries and of reconciliation."""

PERIODS = {
    ("begndate", "enddate"): ("2501", "2501A", "2503", "2505", "2507", "3203", "3301"),
    ("begntime", "endtime"): ("2403", "3401", "3401A", "3402", "4202", "4205", "4261"),
    ("adm_date", "dscg_date"): ("3101", "3102", "4401"),
    ("adm_time", "dscg_time"): ("3602", "3603", "4101", "4101A"),
    ("setl_begn_date", "setl_end_date"): ("4101", "4101A"),
    ("drord_begn_date", "drord_stop_date"): ("3101", "3102"),
    ("drord_begntime", "drord_endtime"): ("4402A",),
    ("oprn_oprt_begntime", "oprn_oprt_endtime"): ("4101A",),
    ("anst_begntime", "anst_endtime"): ("4101A", "4401"),
    ("pacu_begntime", "pacu_endtime"): ("4401",),
    ("medc_begntime", "medc_endtime"): ("4301", "4402", "4402A"),
    ("medcBegntime", "medcEndtime"): ("7101",),
    ("resc_begntime", "resc_endtime"): ("4302", "4701"),
}
"""Periods that records state."""

PAGES = (("page_num", "page_size"), ("pageNum", "pageSize"), ("currentPage", "pageSize"))


def is_reversible(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """2601 undoes only some transactions, and the profile says which."""
    listed = sorted(scope.reversible)
    problem = wrong_value(
        scope.fields["oinfno"],
        f"不可冲正，可冲正的交易为{'、'.join(listed) or '无'}",
        f"cannot be reversed; {', '.join(listed) or 'nothing'} can",
    )
    for path, row in rows:
        infno = row.get("oinfno")
        if isinstance(infno, str) and infno.strip() and infno not in scope.reversible:
            yield scope.at(problem, path)


def _range(first: str, last: str, infnos: tuple[str, ...], *, query: bool) -> Rule:
    codes = frozenset({first, last})
    name = f"{first}-{last}".replace("_", "-").lower()
    return Rule(
        name=f"{'range' if query else 'period'}-{name}",
        text=f"`{last}` is not before `{first}`.",
        source=("1.14", *(["15.8"] if "3202" in infnos else [])),
        doubt="" if query else "the text speaks of the ranges of queries",
        check=ordered(first, last),
        needs=codes,
        only=frozenset(infnos),
    )


RULES = (
    *(_range(first, last, infnos, query=True) for (first, last), infnos in QUERY_RANGES.items()),
    *(_range(first, last, infnos, query=False) for (first, last), infnos in PERIODS.items()),
    *(
        Rule(
            name=f"pages-{number}-{size}".replace("_", "-").lower(),
            text=f"`{number}` and `{size}` are whole numbers above 0.",
            source=("5.6", "5.7"),
            doubt="the text asks for both numbers and not for their size",
            check=whole_above_zero(number, size),
            needs=frozenset({number, size}),
        )
        for number, size in PAGES
    ),
    Rule(
        name="prescription-list-page",
        text=f"A page of 7211 has at most {MOST_ROWS_OF_7211} rows.",
        source=("19.11",),
        check=whole_above_zero("pageSize", most=MOST_ROWS_OF_7211),
        needs=frozenset({"pageSize"}),
        only=frozenset({"7211"}),
    ),
    Rule(
        name="stock-item-or-batch",
        text="A stock query names the item or the batch.",
        source=("16.13",),
        check=one_of(*ITEM_OR_BATCH),
        needs=frozenset(ITEM_OR_BATCH),
        only=frozenset({"3508", "3509", "3510", "3511"}),
    ),
    Rule(
        name="trace-in-key",
        text="A query of incoming trace codes has one of its three keys.",
        source=("16.13",),
        check=one_of("med_list_codg", *ITEM_OR_BATCH),
        needs=frozenset({"med_list_codg", *ITEM_OR_BATCH}),
        only=frozenset({"3512"}),
    ),
    Rule(
        name="trace-out-key",
        text="A query of trace codes sold has one of its five keys.",
        source=("16.13",),
        check=one_of("med_list_codg", *ITEM_OR_BATCH, "mdtrt_id", "certno"),
        needs=frozenset({"med_list_codg", *ITEM_OR_BATCH, "mdtrt_id", "certno"}),
        only=frozenset({"3513"}),
    ),
    Rule(
        name="audit-scene-or-rules",
        text="An audit names `trig_scen` or `rule_ids`.",
        source=("16.1",),
        check=one_of("trig_scen", "rule_ids"),
        needs=frozenset({"trig_scen", "rule_ids"}),
        only=frozenset({"3101", "3102"}),
    ),
    Rule(
        name="settlement-month",
        text="`setl_ym` is a year and a month, yyyymm.",
        source=("17.10",),
        check=formed(("setl_ym",), r"\d{4}(0[1-9]|1[0-2])", "应为yyyymm格式", "should be yyyymm"),
        needs=frozenset({"setl_ym"}),
        only=frozenset({"4104"}),
    ),
    Rule(
        name="file-institution",
        text=f"`fixmedins_code` of a download is the constant {FILE_INSTITUTION}.",
        source=("5.10",),
        doubt="open for files of 3202 and 5204",
        check=formed(
            ("fixmedins_code",),
            FILE_INSTITUTION,
            f"固定为{FILE_INSTITUTION}",
            f"is the constant {FILE_INSTITUTION}",
        ),
        needs=frozenset({"fixmedins_code", "file_qury_no"}),
        only=frozenset({"9102"}),
    ),
    Rule(
        name="reversible-transaction",
        text="`oinfno` is a transaction that the profile lists as `reversible`.",
        source=("13.2", "13.4"),
        check=is_reversible,
        needs=frozenset({"oinfno"}),
        only=frozenset({"2601"}),
    ),
    Rule(
        name="reversed-message-id",
        text="`omsgid` is a message id: institution (12), yyyyMMddHHmmss, serial (4).",
        source=("1.2", "13.3"),
        doubt="a deployed client sends shorter message ids",
        check=formed(
            ("omsgid",),
            r"[0-9A-Z]{12}\d{18}",
            "应为30位报文ID(机构编号12位、时间14位、流水号4位)",
            "should be a message id of 12 + 14 + 4 characters",
        ),
        needs=frozenset({"omsgid"}),
        only=frozenset({"2601"}),
    ),
)
