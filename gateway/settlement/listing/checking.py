"""Everything that is wrong with a settlement list, at once.

The definition's own rules come first, then those between the list and the settlement: sums to the
fen, one principal diagnosis that is no grey code (灰码), codes that the national lists have. The
grey codes built in are a sample; a site lays the whole list over it (`[codes] directories`, column
`gray`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.fsi.checks import Checker
from gateway.intents import Settlement
from gateway.settlement.listing.collecting import ZERO, amount_of
from mappings.codes import CodeBook

MAIN = "1"
SYSTEMS = {"1": "disease", "2": "tcm", "3": "tcm"}
"""`diag_type` -> the national list of its codes."""


def check(
    infno: str,
    content: Mapping[str, Any],
    settlement: Settlement,
    checker: Checker,
    codes: CodeBook,
    *,
    on: date,
) -> list[Problem]:
    """Every problem of a list, in the order of its nodes; `on` is the date of the codes."""
    found = list(checker.check(infno, content))
    found += _principal(content, codes, on)
    found += _codes(content, codes, on)
    found += _sums(content, settlement)
    return found


def _nodes(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = content.get(name) or []
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _principal(content: Mapping[str, Any], codes: CodeBook, on: date) -> Iterator[Problem]:
    rows = _nodes(content, "diseinfo")
    mains = [at for at, row in enumerate(rows) if str(row.get("maindiag_flag")) == MAIN]
    if rows and len(mains) != 1:
        yield Problem(
            kind=ProblemKind.VALUE,
            code=ProblemCode.FIELD_VALUE,
            field="maindiag_flag",
            place="diseinfo",
            zh=f"主诊断应有且仅有一个，现有{len(mains)}个",
            en=f"{len(mains)} diagnoses are marked as principal, not one",
            remedy_zh="请通过ADT^A08、BAR^P12或附加文件更正：主诊断的maindiag_flag（DG1-15）为1，其余为0",
            remedy_en="correct it by ADT^A08, BAR^P12 or the additions: maindiag_flag (DG1-15) is "
            "1 for one, and 0 for the others",
        )
    for at in mains:
        code = str(rows[at].get("diag_code") or "")
        system = SYSTEMS.get(str(rows[at].get("diag_type")), "disease")
        entry = codes.entry(system, code, on=on) if code else None
        if entry is not None and entry.gray:
            yield Problem(
                kind=ProblemKind.BUSINESS,
                code=ProblemCode.FIELD_VALUE,
                field="diag_code",
                place=f"diseinfo[{at}].diag_code",
                zh=f"灰码{code}不能作为结算清单的主诊断",
                en=f"{code} is a grey code and no principal diagnosis of a settlement list",
                remedy_zh="请选择更具体的诊断作为主诊断",
                remedy_en="choose a more specific diagnosis as the principal one",
            )


def _codes(content: Mapping[str, Any], codes: CodeBook, on: date) -> Iterator[Problem]:
    for node, field, system in (
        ("diseinfo", "diag_code", ""),
        ("oprninfo", "oprn_oprt_code", "surgery"),
    ):
        for at, row in enumerate(_nodes(content, node)):
            code = str(row.get(field) or "")
            named = system or SYSTEMS.get(str(row.get("diag_type")), "disease")
            if not code or codes.entry(named, code, on=on) is not None:
                continue
            whole = any(known.complete and known.system == named for known in codes.lists)
            yield Problem(
                kind=ProblemKind.NO_CODE,
                code=ProblemCode.MAP_NO_CODE,
                field=field,
                place=f"{node}[{at}].{field}",
                zh=f"编码{code}不在已加载的国家编码表中",
                en=f"{code} is not in the national list that is loaded",
                remedy_zh="请核对编码，或加载完整的国家编码表",
                remedy_en="check the code, or load the whole national list",
                severity=Severity.ERROR if whole else Severity.WARNING,
            )


def _sums(content: Mapping[str, Any], settlement: Settlement) -> Iterator[Problem]:
    info = settlement.info
    fund, total = info.amount("fund_pay_sumamt"), info.amount("medfee_sumamt")
    paid = [amount_of(row.get("fund_payamt")) for row in _nodes(content, "payinfo")]
    if paid and sum(paid, ZERO) != fund:
        yield _sum("payinfo", "fund_payamt", "基金支付合计", sum(paid, ZERO), fund)
    charged = [amount_of(row.get("amt")) for row in _nodes(content, "iteminfo")]
    if charged and sum(charged, ZERO) != total:
        yield _sum("iteminfo", "amt", "收费项目合计", sum(charged, ZERO), total)
    head = content.get("setlinfo")
    if not isinstance(head, Mapping):
        return
    parts = ("psn_selfpay", "psn_ownpay")
    if all(code in head for code in parts):
        stated = sum((amount_of(head[code]) for code in parts), ZERO)
        if stated != info.amount("psn_part_amt"):
            due = info.amount("psn_part_amt")
            yield _sum("setlinfo", "psn_selfpay", "个人自付与自费合计", stated, due)
    for code, name, ours in (
        ("acct_pay", "个人账户支出", "acct_pay"),
        ("psn_cashpay", "个人现金支付", "psn_cash_pay"),
    ):
        if code in head and amount_of(head[code]) != info.amount(ours):
            yield _sum("setlinfo", code, name, amount_of(head[code]), info.amount(ours))


def _sum(node: str, field: str, name: str, stated: Decimal, due: Decimal) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH,
        field=field,
        place=f"{node}.{field}",
        zh=f"{name}为{stated}，与结算的{due}不符",
        en=f"{node}.{field} adds up to {stated}, the settlement says {due}",
        remedy_zh="结算金额以平台为准：请更正附加文件中的金额，或去掉该金额后重新生成清单",
        remedy_en="the platform's settlement counts: correct the amount in the additions, or take "
        "it out of them and prepare the list again",
    )
