"""Which settlement of ours a line of 3260 belongs to, and the sums of a month."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.journal import SendRow, SendState
from gateway.settlement.clearing.comparing import compare
from gateway.settlement.clearing.month import (
    Batch,
    ClearingLine,
    ClearingMonth,
    LineFinding,
    MonthState,
)
from gateway.settlement.clearing.reporting import by_pool, content, to_csv, total
from gateway.settlement.reconciling.own import Own


def own(msgid: str, time: str = "2026-03-02 10:00:00", **changes: str) -> Own:
    """A settlement of 100.00 of somebody insured in 430200; funds 60.00, account 30.00."""
    send = SendRow(msgid, "", "2207", insuplc_admdvs="430200", state=SendState.ACCEPTED)
    values = {
        "setl_id": f"S-{msgid}",
        "certno": "43029919701224020X",
        "medfee_sumamt": "100.00",
        "fund_pay_sumamt": "60.00",
        "acct_pay": "30.00",
        **changes,
    }
    return Own(
        send=send,
        setl_id=values["setl_id"],
        mdtrt_id="V",
        psn_no="P",
        certno=values["certno"],
        insutype="310",
        insuplc_admdvs="430200",
        clr_type="9909",
        setl_optins="430200",
        setl_time=time,
        refd_setl_flag="0",
        medfee_sumamt=Decimal(values["medfee_sumamt"]),
        fund_pay_sumamt=Decimal(values["fund_pay_sumamt"]),
        acct_pay=Decimal(values["acct_pay"]),
        cash_payamt=Decimal("10.00"),
    )


def line(number: int, time: str = "2026-03-02 10:00:00", **changes: str) -> ClearingLine:
    """A line of 100.00, of which the agency pays 90.00."""
    values = {
        "certno": "43029919701224020x",
        "medfee_sumamt": "100.00",
        "optins_pay_sumamt": "90.00",
        "fulamt_advpay_flag": "0",
        **changes,
    }
    return ClearingLine(
        seqno=number,
        certno=values["certno"],
        mdtrt_id=f"S430200260302{number:07d}",
        mdtrt_setl_time=time,
        setl_sn=f"A430200260302{number:07d}",
        fulamt_advpay_flag=values["fulamt_advpay_flag"],
        medfee_sumamt=Decimal(values["medfee_sumamt"]),
        optins_pay_sumamt=Decimal(values["optins_pay_sumamt"]),
    )


def compared(lines: list[ClearingLine], ours: list[Own], *, account: bool = True) -> list[str]:
    """Compare; the message ids of what the centre does not list."""
    missing = compare(lines, ours, lambda one: one.insuplc_admdvs, account_counts=account)
    return [one.msgid for one in missing]


def test_the_same_person_and_time_is_the_same_settlement() -> None:
    """The case of the check digit does not matter; every fen is compared."""
    lines = [line(1)]
    assert compared(lines, [own("M1")]) == []
    assert (lines[0].finding, lines[0].msgid) == (LineFinding.AGREES, "M1")
    lines = [line(1, optins_pay_sumamt="90.01")]
    compared(lines, [own("M1")])
    assert lines[0].finding is LineFinding.AMOUNTS_DIFFER
    assert lines[0].our_pay == Decimal("90.00")


def test_another_clock_is_bridged_by_the_total_of_the_day() -> None:
    """Not by the total of another day, and not by another total."""
    lines = [line(1, "2026-03-02 10:00:09"), line(2, "2026-03-03 10:00:00")]
    assert compared(lines, [own("M1")]) == []
    assert [one.finding for one in lines] == [LineFinding.AGREES, LineFinding.ONLY_THEIRS]
    lines = [line(1, "2026-03-02 10:00:09", medfee_sumamt="100.01")]
    assert compared(lines, [own("M1")]) == ["M1"]


def test_two_that_fit_are_not_chosen_from() -> None:
    """A person decides; both stay on the list of what has no line."""
    lines = [line(1, "2026-03-02 11:00:00")]
    assert compared(lines, [own("M1"), own("M2", "2026-03-02 10:30:00")]) == ["M1", "M2"]
    assert lines[0].finding is LineFinding.AMBIGUOUS


def test_a_settlement_is_used_once() -> None:
    """The centre lists it twice: the second line is the centre's alone."""
    lines = [line(1), line(2)]
    compared(lines, [own("M1")])
    assert [one.finding for one in lines] == [LineFinding.AGREES, LineFinding.ONLY_THEIRS]


def test_what_the_agency_reimbursed_by_hand_is_nobodys_settlement() -> None:
    """Even where the amounts would fit."""
    lines = [line(1, fulamt_advpay_flag="1")]
    assert compared(lines, [own("M1")]) == ["M1"]
    assert lines[0].finding is LineFinding.BY_HAND


def test_the_difference_of_a_region_is_what_the_centre_lists_less_ours() -> None:
    """100.00 ours and 99.99 listed; 5.00 that only the centre has; 90.00 that it does not list."""
    lines = [line(1, optins_pay_sumamt="99.99"), line(2, "2026-03-05 10:00:00")]
    lines[1].optins_pay_sumamt = Decimal("5.00")
    held = month(*lines)
    mine = [own("M1"), own("M2", "2026-03-20 10:00:00")]
    held.missing = compare(lines, mine, lambda _: "430200", account_counts=True)
    (pool,) = by_pool(held)
    assert [one.finding for one in lines] == [LineFinding.AMOUNTS_DIFFER, LineFinding.ONLY_THEIRS]
    assert (pool.listed_pay, pool.our_pay) == (Decimal("104.99"), Decimal("180.00"))
    assert (pool.difference_pay, pool.missing_pay) == (Decimal("-75.01"), Decimal("90.00"))


@pytest.mark.parametrize(("account", "paid"), [(True, "90.00"), (False, "60.00")])
def test_the_account_counts_where_the_settings_say_so(*, account: bool, paid: str) -> None:
    """Funds of 60.00 and an account of 30.00."""
    lines = [line(1, optins_pay_sumamt=paid)]
    compared(lines, [own("M1")], account=account)
    assert lines[0].finding is LineFinding.AGREES


def month(*lines: ClearingLine) -> ClearingMonth:
    """March of a hospital."""
    return ClearingMonth(
        fixmedins_code="H43010000001", year="2026", month="03", complete=True, lines=list(lines)
    )


def test_sums_by_pooling_region_are_exact() -> None:
    """0.10 and 0.20 of two regions; the last line is their sum, and no person is in the report."""
    other = line(2, optins_pay_sumamt="0.20")
    other.setl_sn = "A430300260302" + "0000002"
    held = month(line(1, optins_pay_sumamt="0.10"), other)
    flags = {held.lines[0].setl_sn: "1", other.setl_sn: "0"}
    held.batches = [Batch(number=1, flags=flags, msgid="M", state=SendState.ACCEPTED)]
    pools = by_pool(held)
    assert [(p.pool, p.confirmed, p.confirmed_pay, p.left_out_pay) for p in pools] == [
        ("430200", 1, Decimal("0.10"), Decimal("0.00")),
        ("430300", 0, Decimal("0.00"), Decimal("0.20")),
    ]
    assert total(pools).listed_pay == Decimal("0.30")
    lines = to_csv(held).splitlines()
    assert lines[-1].startswith("H43010000001,2026-03,total,2,200.00,0.30,")
    assert len(lines) == 4
    assert "43029919701224020" not in str(content(held))


@pytest.mark.parametrize(
    ("state", "undo", "expected"),
    [
        (SendState.ACCEPTED, None, MonthState.CONFIRMED),
        (SendState.CONFIRMED, None, MonthState.CONFIRMED),
        (SendState.REJECTED, None, MonthState.OPEN),
        (SendState.NOT_SENT, None, MonthState.OPEN),
        (SendState.UNKNOWN, None, MonthState.UNKNOWN),
        (SendState.SENDING, None, MonthState.UNKNOWN),
        (SendState.MANUAL, None, MonthState.OPEN),
        (SendState.ACCEPTED, SendState.ACCEPTED, MonthState.OPEN),
        (SendState.ACCEPTED, SendState.REJECTED, MonthState.CONFIRMED),
        (SendState.ACCEPTED, SendState.UNKNOWN, MonthState.UNKNOWN),
        (SendState.UNKNOWN, SendState.REJECTED, MonthState.UNKNOWN),
        (SendState.REVERSED, SendState.ACCEPTED, MonthState.OPEN),
    ],
)
def test_the_state_of_a_month_follows_its_transactions(
    state: SendState, undo: SendState | None, expected: MonthState
) -> None:
    """A confirmation and its roll back together."""
    held = month(line(1))
    batch = Batch(number=1, flags={held.lines[0].setl_sn: "1"}, msgid="M", state=state)
    batch.undo_state = undo
    held.batches = [batch]
    assert held.state is expected
