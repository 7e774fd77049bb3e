"""The report as JSON, CSV and HTML: the same rows, in both languages where people read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from html import escape
from typing import Any

import msgspec

from gateway.settlement.reconciling.report import Report, ReportRow, Side, Totals, less
from gateway.settlement.reconciling.words import (
    COLUMNS,
    FINDINGS,
    GROUPS,
    REPAIRS,
    REPORTS,
    SIDES,
)

_FORMULA = ("=", "+", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula; amounts begin with a digit or minus."""

_STYLE = r"""
body { font-family: "Noto Sans SC", "Microsoft YaHei", sans-serif; margin: 2em; }
table { border-collapse: collapse; margin: 1em 0; font-size: 0.85em; }
th, td { border: 1px solid #999; padding: 0.3em 0.6em; text-align: left; vertical-align: top; }
td { mso-number-format: "\@"; }
td.amount { mso-number-format: General; text-align: right; white-space: nowrap; }
td.amount { font-variant-numeric: tabular-nums; }
.en { color: #555; }
.different, .incomplete { color: #a00; }
.balanced { color: #060; }
"""


class Form(StrEnum):
    """How a report is written."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    FHIR = "fhir"
    """A PaymentReconciliation, which the FHIR room makes."""
    E15 = "e15"
    """EHC^E15, which the HL7 v2 room makes."""


def render(report: Report, form: Form) -> bytes:
    """The report as HTML, CSV or JSON; UTF-8, CSV with the mark by which spreadsheets know it."""
    if form is Form.JSON:
        return msgspec.json.format(msgspec.json.encode(content(report)), indent=2)
    if form is Form.CSV:
        return b"\xef\xbb\xbf" + to_csv(report.rows).encode()
    return to_html(report).encode()


def content(report: Report) -> dict[str, Any]:
    """The report as JSON members; amounts are exact texts in yuan."""
    return {
        "fixmedins_code": report.fixmedins_code,
        "begin": report.begin.isoformat(),
        "end": report.end.isoformat(),
        "made_at": report.made_at,
        "state": report.state.value,
        "totals": msgspec.to_builtins(report.totals),
        "their_totals": _without_cash(report.theirs),
        "difference": _without_cash(less(report.totals, report.theirs)),
        "unstated": report.unstated,
        "differences": len(report.differences),
        "groups": [
            {name: value for name, value in msgspec.to_builtins(group).items() if name != "rows"}
            for group in report.groups
        ],
        "rows": msgspec.to_builtins(report.rows),
    }


def _without_cash(totals: Totals) -> dict[str, Any]:
    """Number and sums as members; no detail of the centre has the cash."""
    found: dict[str, Any] = msgspec.to_builtins(totals)
    del found["cash_payamt"]
    return found


def totals_table(report: Report) -> list[tuple[str, ...]]:
    """Ours, theirs and what we hold more: number, total, fund and account, for people."""
    sides = {
        "医院 ours": report.totals,
        "中心 theirs": report.theirs,
        "差额 ours less theirs": less(report.totals, report.theirs),
    }
    return [
        (
            name,
            str(one.count),
            *map(_amount, (one.medfee_sumamt, one.fund_pay_sumamt, one.acct_pay)),
        )
        for name, one in sides.items()
    ]


TOTALS_HEAD = ("", "笔数 count", "总额 medfee_sumamt", "基金 fund_pay_sumamt", "账户 acct_pay")


def unstated(report: Report) -> str:
    """A sentence about what is in no sum of the centre; empty when all is."""
    count = report.unstated
    if not count:
        return ""
    en = f"{count} more are in no sum of the centre: its amounts are not known"
    return f"另有{count}笔不知中心金额，未计入中心合计 {en}"


def cells(row: ReportRow) -> dict[str, str]:
    """A row as texts, in English where it is a word."""
    return {
        **_values(row),
        "finding": row.finding.value,
        "our_state": row.ours.state.value,
        "their_state": row.theirs.state.value,
        "repair": REPAIRS[row.repair][1],
    }


def to_csv(rows: Iterable[ReportRow]) -> str:
    """A line a settlement under a head of the column names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in cells(row).items()})
    return text.getvalue()


def to_html(report: Report) -> str:
    """One page: state, groups, then the differences, then every settlement."""
    state = report.state
    title = f"{report.fixmedins_code} {_span(report)}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="zh-CN"><head><meta charset="utf-8"><title>对账 {escape(title)}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>对账报告 <span class='en'>Reconciliation</span> {escape(title)}</h1>",
        f"<p class='{state.value}'>{_both(REPORTS[state])}</p>",
        f"<p>时间 made at {escape(report.made_at)}</p>",
        "<h2>合计 <span class='en'>Totals</span></h2>",
        _html_table(TOTALS_HEAD, totals_table(report), amounts=range(1, 5)),
        f"<p>{escape(unstated(report))}</p>",
        f"<h2>分组 <span class='en'>Groups</span> (3201, 3202)</h2>{_groups(report)}",
        f"<h2>差异 <span class='en'>Differences</span>: {len(report.differences)}</h2>",
        _table(report.differences),
        f"<h2>全部结算 <span class='en'>Settlements</span>: {len(report.rows)}</h2>",
        _table(report.rows),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _span(report: Report) -> str:
    if report.begin == report.end:
        return report.begin.isoformat()
    return f"{report.begin.isoformat()} – {report.end.isoformat()}"


def _groups(report: Report) -> str:
    head = [
        *("清算类别 clr_type", "经办机构 setl_optins", "退费 refund", "险种 insutype"),
        *(f"医院 our {name}" for name in TOTALS_HEAD[1:]),
        *("结果 result", "说明 text"),
    ]
    rows = []
    for group in report.groups:
        for asked in group.asked:
            totals = asked.totals
            rows.append(
                (
                    *(group.clr_type, group.setl_optins, group.refd_setl_flag, asked.insutype),
                    *(str(totals.count), _amount(totals.medfee_sumamt)),
                    *(_amount(totals.fund_pay_sumamt), _amount(totals.acct_pay)),
                    " ".join(GROUPS[group.state]),
                    asked.text or group.note,
                )
            )
    return _html_table(head, rows, amounts=range(4, 8))


def _table(rows: Sequence[ReportRow]) -> str:
    if not rows:
        return "<p>无 <span class='en'>none</span></p>"
    head = [f"{zh} {en}" for zh, en in COLUMNS.values()]
    values = []
    for row in rows:
        texts = {
            **_values(row),
            "finding": " ".join(FINDINGS[row.finding]),
            "our_state": " ".join(SIDES[row.ours.state]),
            "their_state": " ".join(SIDES[row.theirs.state]),
            "repair": " ".join(REPAIRS[row.repair]).strip(),
        }
        values.append([texts[name] for name in COLUMNS])
    at = [number for number, name in enumerate(COLUMNS) if name.endswith(("amt", "_pay"))]
    return _html_table(head, values, amounts=at)


def _html_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, amounts: Iterable[int]
) -> str:
    numbers = set(amounts)

    def cell(at: int, value: str) -> str:
        kind = " class='amount'" if at in numbers else ""
        return f"<td{kind}>{escape(value)}</td>"

    lines = ["<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>"]
    lines += ["<tr>" + "".join(cell(*pair) for pair in enumerate(row)) + "</tr>" for row in rows]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _values(row: ReportRow) -> dict[str, str]:
    plain = {name: str(getattr(row, name)) for name in COLUMNS if hasattr(row, name)}
    return {
        **plain,
        **_side("our", row.ours),
        **_side("their", row.theirs),
        "fields": " ".join(row.fields),
    }


def _side(name: str, side: Side) -> dict[str, str]:
    codes = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")
    return {f"{name}_{code}": _amount(getattr(side, code)) for code in codes}


def _amount(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _both(texts: tuple[str, str]) -> str:
    return f"{escape(texts[0])} <span class='en'>{escape(texts[1])}</span>"


def _harmless(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
