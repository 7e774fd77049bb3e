"""Settlement amounts of the platform as FHIR totals and adjudications (mapping matrix part 3).

Codes of amounts: the standard adjudication code where one exists, else the national field code in
the code system `fsi-amount`. No amount is ever changed, and none is computed except the sum over
several settlements of one claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gateway.fhir.building import concept, decimal_of, money
from gateway.fhir.names import ADJUDICATION, Names
from gateway.intents import Record, Settlement

STANDARD: dict[str, str] = {
    "medfee_sumamt": "submitted",
    "inscp_scp_amt": "eligible",
    "act_pay_dedc": "deductible",
    "fund_pay_sumamt": "benefit",
    "psn_part_amt": "copay",
}
"""National field code -> standard adjudication code."""

LABELS: dict[str, str] = {
    "medfee_sumamt": "医疗费总额",
    "inscp_scp_amt": "符合政策范围金额",
    "act_pay_dedc": "实际支付起付线",
    "fund_pay_sumamt": "基金支付总额",
    "psn_part_amt": "个人负担总金额",
    "fulamt_ownpay_amt": "全自费金额",
    "overlmt_selfpay": "超限价自费费用",
    "preselfpay_amt": "先行自付金额",
    "hifp_pay": "基本医疗保险统筹基金支出",
    "cvlserv_pay": "公务员医疗补助资金支出",
    "hifes_pay": "企业补充医疗保险基金支出",
    "hifmi_pay": "居民大病保险资金支出",
    "hifob_pay": "职工大额医疗费用补助基金支出",
    "hifdm_pay": "伤残人员医疗保障基金支出",
    "maf_pay": "医疗救助基金支出",
    "oth_pay": "其他支出",
    "acct_pay": "个人账户支出",
    "acct_mulaid_pay": "个人账户共济支付金额",
    "psn_cash_pay": "个人现金支出",
    "hosp_part_amt": "医院负担金额",
    "balc": "余额",
}
"""Amounts of setlinfo in the order in which they are answered, with their national names."""

FUND_PARTS = (
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "hifdm_pay",
    "maf_pay",
    "oth_pay",
)
"""The parts whose sum is fund_pay_sumamt."""

ALIASES = {"psn_cash_pay": "pdn_cash_pay"}
"""Field code -> how the 2208 output misspells it (F-016)."""

NOT_SUMMED = frozenset({"balc"})
"""Not part of any sum: of several settlements, the last one's counts."""

ITEM_AMOUNTS: dict[str, tuple[str, str]] = {
    "det_item_fee_sumamt": ("submitted", "明细项目费用总额"),
    "inscp_scp_amt": ("eligible", "符合政策范围金额"),
    "fulamt_ownpay_amt": ("", "全自费金额"),
    "overlmt_amt": ("", "超限价金额"),
    "preselfpay_amt": ("", "先行自付金额"),
    "pric_uplmt_amt": ("", "定价上限金额"),
}
"""Amounts of a 2204 or 2301 result row, with the standard adjudication code if there is one."""


def read_amount(info: Record, code: str) -> Decimal | None:
    """An amount of setlinfo, under either spelling; None when absent or no number."""
    text = info.get(code) or info.get(ALIASES.get(code, code))
    return decimal_of(text) if text else None


def summed(settlements: Sequence[Settlement]) -> dict[str, Decimal]:
    """Amounts by field code over the settlements of one claim."""
    sums: dict[str, Decimal] = {}
    for settlement in settlements:
        for code in LABELS:
            amount = read_amount(settlement.info, code)
            if amount is not None:
                sums[code] = (
                    amount if code in NOT_SUMMED or code not in sums else sums[code] + amount
                )
    return sums


def broken_identities(settlements: Sequence[Settlement]) -> list[str]:
    """The identities of mapping matrix part 3 that the platform's amounts do not hold to the fen.

    An identity one of whose main amounts is absent is not judged.
    """
    broken: list[str] = []
    for settlement in settlements:
        amounts = {code: read_amount(settlement.info, code) for code in LABELS}
        for text, whole, parts in (
            (
                "medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt",
                "medfee_sumamt",
                ("fund_pay_sumamt", "psn_part_amt", "hosp_part_amt"),
            ),
            ("fund_pay_sumamt = Σ fund parts", "fund_pay_sumamt", FUND_PARTS),
            (
                "psn_part_amt = acct_pay + psn_cash_pay",
                "psn_part_amt",
                ("acct_pay", "psn_cash_pay"),
            ),
        ):
            stated = amounts[whole]
            if stated is None or all(amounts[part] is None for part in parts):
                continue
            if sum((amounts[part] or Decimal(0) for part in parts), Decimal(0)) != stated:
                broken.append(text)
    return list(dict.fromkeys(broken))


def totals(names: Names, sums: dict[str, Decimal]) -> list[dict[str, Any]]:
    """ClaimResponse.total: one entry an amount."""
    return [
        {
            "category": _category(names, code, STANDARD.get(code, ""), LABELS[code]),
            "amount": money(sums[code]),
        }
        for code in LABELS
        if code in sums
    ]


def adjudications(names: Names, settlement: Settlement) -> list[dict[str, Any]]:
    """ClaimResponse.adjudication: the pool's ratio, and each fund with its base and limit."""
    found: list[dict[str, Any]] = []
    ratio = decimal_of(settlement.info.get("pool_prop_selfpay") or "x")
    if ratio is not None:
        category = _category(names, "pool_prop_selfpay", "eligpercent", "统筹基金支付比例")
        category["coding"].append(
            {"system": names.code_system("fsi-amount"), "code": "pool_prop_selfpay"}
        )
        found.append({"category": category, "value": ratio})
    for fund in settlement.funds:
        kind = fund.get("fund_pay_type")
        if not kind:
            continue
        which = concept(
            names.code_system("fsi-fund-pay-type"), kind, fund.get("fund_pay_type_name")
        )
        paid = decimal_of(fund.get("fund_payamt"))
        if paid is not None:
            found.append({"category": which, "amount": money(paid)})
        for code, label in (
            ("inscp_scp_amt", "符合政策范围金额"),
            ("crt_payb_lmt_amt", "本次可支付限额金额"),
        ):
            amount = decimal_of(fund.get(code))
            if amount is not None:
                category = concept(names.code_system("fsi-amount"), code, label)
                found.append({"category": category, "reason": which, "amount": money(amount)})
    return found


def item_adjudications(names: Names, row: Record) -> list[dict[str, Any]]:
    """ClaimResponse.item.adjudication from a row of the 2204 or 2301 result."""
    found: list[dict[str, Any]] = []
    for code, (standard, label) in ITEM_AMOUNTS.items():
        amount = decimal_of(row.get(code)) if row.has(code) else None
        if amount is not None:
            category = _category(names, code, standard, label)
            found.append({"category": category, "amount": money(amount)})
    ratio = decimal_of(row.get("selfpay_prop")) if row.has("selfpay_prop") else None
    if ratio is not None:
        category = concept(names.code_system("fsi-amount"), "selfpay_prop", "自付比例")
        found.append({"category": category, "value": ratio})
    if row.has("chrgitm_lv"):
        found.append(
            {
                "category": concept(names.code_system("fsi-amount"), "chrgitm_lv", "收费项目等级"),
                "reason": concept(names.code_system("chrgitm-lv"), row.get("chrgitm_lv")),
            }
        )
    return found


def _category(names: Names, code: str, standard: str, label: str) -> dict[str, Any]:
    if standard:
        return {**concept(ADJUDICATION, standard), "text": label}
    return concept(names.code_system("fsi-amount"), code, label)
