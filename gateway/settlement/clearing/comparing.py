"""The lines of 3260 against our own settlements.

3260 names neither message id nor settlement id: a line fits a settlement of the same person with
the same settlement time, or else with the same total on the same day (reference: 3260). What fits
is compared to the fen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from gateway.settlement.clearing.month import BY_HAND, ClearingLine, LineFinding, Missing
from gateway.settlement.reconciling.own import Own

PoolOf = Callable[[Own], str]
"""The insured pooling region of a settlement of somebody insured elsewhere; "" for others."""


def compare(
    lines: Iterable[ClearingLine], own: Iterable[Own], pool_of: PoolOf, *, account_counts: bool
) -> list[Missing]:
    """Note in every line what of ours fits it; the settlements that fit none.

    `account_counts` says that `optins_pay_sumamt` holds the personal account beside the funds.
    """
    abroad = [(line, pool) for line in own if (pool := pool_of(line))]
    left = {one.send.msgid: (one, pool) for one, pool in abroad}
    for line in lines:
        line.msgid = line.setl_id = ""
        line.our_medfee = line.our_pay = None
        if line.fulamt_advpay_flag == BY_HAND:
            line.finding = LineFinding.BY_HAND
            continue
        fitting = _fitting(line, [one for one, _ in left.values()])
        if len(fitting) != 1:
            line.finding = LineFinding.AMBIGUOUS if fitting else LineFinding.ONLY_THEIRS
            continue
        (one,) = fitting
        del left[one.send.msgid]
        line.msgid, line.setl_id = one.send.msgid, one.setl_id
        line.our_medfee = one.medfee_sumamt
        line.our_pay = _paid(one, account_counts=account_counts)
        agrees = (line.our_medfee, line.our_pay) == (line.medfee_sumamt, line.optins_pay_sumamt)
        line.finding = LineFinding.AGREES if agrees else LineFinding.AMOUNTS_DIFFER
    return [
        Missing(
            msgid=one.send.msgid,
            setl_id=one.setl_id,
            pool=pool,
            setl_time=one.setl_time,
            medfee_sumamt=one.medfee_sumamt,
            pay_sumamt=_paid(one, account_counts=account_counts),
        )
        for one, pool in left.values()
    ]


def _fitting(line: ClearingLine, own: list[Own]) -> list[Own]:
    person = [one for one in own if one.certno.upper() == line.certno.upper()]
    timed = [one for one in person if one.setl_time == line.mdtrt_setl_time]
    exact = [one for one in timed if one.medfee_sumamt == line.medfee_sumamt]
    if exact or timed:
        return exact or timed
    day = line.mdtrt_setl_time[:10]
    return [
        one
        for one in person
        if one.setl_time[:10] == day and one.medfee_sumamt == line.medfee_sumamt
    ]


def _paid(one: Own, *, account_counts: bool) -> Decimal:
    return one.fund_pay_sumamt + one.acct_pay if account_counts else one.fund_pay_sumamt
