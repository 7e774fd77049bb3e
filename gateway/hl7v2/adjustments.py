"""ADJ segments: the amounts of a settlement and of its lines, each with its national field code.

Source: chapter 16, ADJ; tables 0564 (category) and 0569 (action); mapping matrix part 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.hl7v2.header import Header
from gateway.hl7v2.segments import SYSTEM, built, money, stamp
from gateway.hl7v2.writer import Field, components
from gateway.intents import Record

PAYER, PATIENT = "EOB", "PAT"
"""ADJ-11: what the payer does, and what the patient pays."""

AMOUNTS = (
    ("fund_pay_sumamt", "基金支付总额", "EA", PAYER),
    ("hifp_pay", "基本医疗保险统筹基金支出", "EA", PAYER),
    ("cvlserv_pay", "公务员医疗补助资金支出", "EA", PAYER),
    ("hifes_pay", "企业补充医疗保险基金支出", "EA", PAYER),
    ("hifmi_pay", "居民大病保险资金支出", "EA", PAYER),
    ("hifob_pay", "职工大额医疗费用补助基金支出", "EA", PAYER),
    ("hifdm_pay", "伤残人员医疗保障基金支出", "EA", PAYER),
    ("maf_pay", "医疗救助基金支出", "EA", PAYER),
    ("oth_pay", "其他支出", "EA", PAYER),
    ("hosp_part_amt", "医院负担金额", "EA", PAYER),
    ("psn_part_amt", "个人负担总金额", "EA", PATIENT),
    ("acct_pay", "个人账户支出", "EA", PATIENT),
    ("acct_mulaid_pay", "个人账户共济支付金额", "EA", PATIENT),
    ("psn_cash_pay", "个人现金支出", "EA", PATIENT),
    ("fulamt_ownpay_amt", "全自费金额", "EA", PATIENT),
    ("overlmt_selfpay", "超限价自费费用", "EA", PATIENT),
    ("preselfpay_amt", "先行自付金额", "EA", PATIENT),
    ("act_pay_dedc", "实际支付起付线", "EA", PATIENT),
    ("inscp_scp_amt", "符合政策范围金额", "IN", PAYER),
    ("balc", "余额", "IN", PAYER),
)
"""Amounts of a settlement: ADJ-7, ADJ-8, ADJ-4 and ADJ-11. `IN` tells and changes no sum."""

LINE_AMOUNTS = (
    ("inscp_scp_amt", "符合政策范围金额", "IN", PAYER),
    ("fulamt_ownpay_amt", "全自费金额", "EA", PATIENT),
    ("overlmt_amt", "超限价金额", "EA", PATIENT),
    ("preselfpay_amt", "先行自付金额", "EA", PATIENT),
)
RATIOS = (("pool_prop_selfpay", "基本医疗保险统筹基金支付比例"), ("selfpay_prop", "自付比例"))
"""Told in ADJ-6, as they are no amounts (F-015)."""


class Adjustments:
    """Numbers the ADJ of an answer."""

    def __init__(self, header: Header, payer: str, now: datetime) -> None:
        self._header = header
        self._payer = payer
        self._now = now
        self._count = 0

    def all(
        self, provider: str, rows: Sequence[tuple[str, str, str, str]], of_: Record
    ) -> list[str]:
        """One ADJ for each amount that is there, and for each ratio."""
        found = [
            self.one(provider, code, label, category, action, amount=of_.get(code))
            for code, label, category, action in rows
            if of_.has(code)
        ]
        return found + [
            self.one(provider, code, label, "IN", PAYER, ratio=of_.get(code))
            for code, label in RATIOS
            if of_.has(code)
        ]

    def one(
        self,
        provider: str,
        code: str,
        label: str,
        category: str,
        action: str,
        *,
        amount: str = "",
        ratio: str = "",
    ) -> str:
        """One ADJ; `provider` is the number of the line it belongs to."""
        self._count += 1
        number = str(self._count)
        fields: dict[int, Field] = {
            1: components(f"{provider}.{number}"),
            2: components(f"{self._payer}.{number}"),
            3: number,
            4: category,
            5: money(amount) if amount else "",
            6: components(ratio) if ratio else "",
            7: components(code, label, SYSTEM),
            8: label,
            11: action,
            14: stamp(self._now),
        }
        return built("ADJ", fields, self._header)
