"""DFT^P03: charges, payments, credits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidError, ProblemCode, ProblemKind
from gateway.intents import Verb

PID = "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示"
PV1 = "PV1|1|O|NK^^^^^^^^内科||||1001^陈医生||||||||||||V100"
EVN = "EVN||202603010901"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


def _ft1(number: int, kind: str, **changes: str) -> str:
    fields = {1: str(number), 2: f"90{number}", 3: "B1", 4: "20260301083000", 6: kind}
    fields |= {7: "YP001^阿莫西林片", 10: "2", 11: "25.20&CNY", 12: "12.60&CNY"}
    fields |= {int(name[1:]): value for name, value in changes.items()}
    return "FT1|" + "|".join(fields.get(at, "") for at in range(1, max(fields) + 1))


async def test_a_charge_line_has_every_field_of_the_interface(
    make_raw: Make, understand: Understand
) -> None:
    """Matrix 1.5, field by field; FT1-20 is the receiving doctor, FT1-22 is no price."""
    line = _ft1(
        1, "CG", f13="YJ^药剂科", f16="WK^^^^^^^^外科", f20="2001^李药师", f21="1002^刘医生",
        f22="3.00&CNY", f23="DD7",
    )  # fmt: skip
    raw = make_raw("DFT^P03^DFT_P03", EVN, PID, PV1, line, "NTE|1||饭后服用")
    _, intent, problems = await understand(raw)
    assert problems == []
    assert intent.verb is Verb.CHARGE
    assert [charge.values for charge in intent.charges] == [
        {
            "feedetl_sn": "901",
            "chrg_bchno": "B1",
            "fee_ocur_time": "2026-03-01 08:30:00",
            "medins_list_codg": "YP001",
            "medins_list_name": "阿莫西林片",
            "cnt": "2",
            "det_item_fee_sumamt": "25.20",
            "pric": "12.60",
            "bilg_dept_codg": "WK",
            "bilg_dept_name": "外科",
            "bilg_dr_codg": "1002",
            "bilg_dr_name": "刘医生",
            "acord_dept_codg": "YJ",
            "acord_dept_name": "药剂科",
            "orders_dr_code": "2001",
            "orders_dr_name": "李药师",
            "drord_no": "DD7",
            "memo": "饭后服用",
        }
    ]


async def test_ordering_department_and_doctor_come_from_the_visit_where_the_line_is_silent(
    make_raw: Make, understand: Understand
) -> None:
    """PV1-3 and PV1-7."""
    _, intent, _ = await understand(make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "CG")))
    charge = intent.charges[0]
    assert (charge.get("bilg_dept_codg"), charge.get("bilg_dr_name")) == ("NK", "陈医生")
    assert charge.place("bilg_dept_codg") == "PV1[1]-3[1].1"


async def test_a_national_code_is_taken_only_in_the_national_system(
    make_raw: Make, understand: Understand
) -> None:
    """FT1-7.4 with FT1-7.6 NHSA; another system leaves the code to the tables."""
    national = _ft1(1, "CG", f7="YP001^阿莫西林片^L^XJ01CAA040A001010405611^^NHSA")
    other = _ft1(2, "CG", f7="YP001^阿莫西林片^L^0182-1061^^NDC")
    _, intent, _ = await understand(make_raw("DFT^P03", EVN, PID, PV1, national, other))
    assert intent.charges[0].get("med_list_codg") == "XJ01CAA040A001010405611"
    assert "med_list_codg" not in intent.charges[1].values


async def test_faults_of_lines_are_named_by_line_and_field(
    make_raw: Make, understand: Understand
) -> None:
    """Everything wrong is reported at once."""
    raw = make_raw(
        "DFT^P03", EVN, PID, PV1,
        _ft1(1, "CG", f10="two"), _ft1(2, "CG", f11="5.00&USD"), _ft1(3, "CG", f4="20261301"),
    )  # fmt: skip
    _, _, problems = await understand(raw)
    assert [(p.place, p.field, p.kind, p.code) for p in problems] == [
        ("FT1[1]-10[1]", "cnt", ProblemKind.TYPE, ProblemCode.FIELD_TYPE),
        ("FT1[2]-11[1].1", "det_item_fee_sumamt", ProblemKind.VALUE, ProblemCode.CURRENCY),
        ("FT1[3]-4[1].1", "fee_ocur_time", ProblemKind.TYPE, ProblemCode.FIELD_TYPE),
    ]


async def test_a_payment_line_asks_for_the_settlement_of_its_batch(
    make_raw: Make, understand: Understand
) -> None:
    """PY alone settles what is uploaded; with charge lines it settles these."""
    paid = _ft1(9, "PY", f7="", f10="", f11="117.70&CNY", f12="")
    _, intent, problems = await understand(make_raw("DFT^P03", EVN, PID, PV1, paid))
    assert problems == []
    assert (intent.verb, intent.charges) == (Verb.SETTLE, [])
    assert intent.settlement.values == {"chrg_bchno": "B1", "medfee_sumamt": "117.70"}
    assert intent.settlement.place("medfee_sumamt") == "FT1[1]-11[1].1"
    raw = make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "CG"), _ft1(2, "CG"), paid)
    _, intent, _ = await understand(raw)
    assert (intent.verb, len(intent.charges)) == (Verb.SETTLE, 2)
    assert intent.settlement.place("medfee_sumamt") == "FT1[3]-11[1].1"


async def test_a_peer_may_settle_or_presettle_with_its_charges(
    make_raw: Make, understand: Understand
) -> None:
    """Settings settle_with_charges and presettle_with_charges."""
    raw = make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "CG"))
    _, intent, _ = await understand(raw, settle_with_charges=True)
    assert intent.verb is Verb.SETTLE
    _, intent, _ = await understand(raw, presettle_with_charges=True)
    assert (intent.verb, intent.presettle_after) == (Verb.CHARGE, True)


async def test_credit_lines_withdraw_their_batches(make_raw: Make, understand: Understand) -> None:
    """CD: the batch of FT1-3; the line of FT1-31; nothing else of the line is asked for."""
    credit = _ft1(1, "CD", f11="", f12="", f31="901")
    _, intent, problems = await understand(make_raw("DFT^P03", EVN, PID, PV1, credit))
    assert (intent.verb, problems) == (Verb.REFUND, [])
    assert intent.charges[0].values == {
        "chrg_bchno": "B1",
        "feedetl_sn": "901",
        "init_feedetl_sn": "901",
    }
    _, _, problems = await understand(make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "CD", f3="")))
    assert [(p.place, p.kind) for p in problems] == [("FT1[1]-3", ProblemKind.REQUIRED)]


async def test_lines_that_cannot_go_together_are_refused(
    make_raw: Make, understand: Understand
) -> None:
    """A refund stands alone, and there is one payment at most."""
    raw = make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "CG"), _ft1(2, "CD"))
    with pytest.raises(InvalidError) as caught:
        await understand(raw)
    assert caught.value.problems[0].place == "FT1[2]-6"
    raw = make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "PY"), _ft1(2, "PY"))
    with pytest.raises(InvalidError):
        await understand(raw)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("CO", ProblemKind.VALUE), ("AJ", ProblemKind.VALUE), ("", ProblemKind.REQUIRED)],
)
async def test_other_types_are_refused_unless_the_peer_leaves_them_out(
    make_raw: Make, understand: Understand, kind: str, problem: ProblemKind
) -> None:
    """103 or 101 at FT1-6; deposits and the like can be ignored by setting."""
    raw = make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, kind), _ft1(2, "CG"))
    with pytest.raises(InvalidError) as caught:
        await understand(raw)
    assert [(p.kind, p.place) for p in caught.value.problems] == [(problem, "FT1[1]-6")]
    _, intent, _ = await understand(raw, {"ignored_transaction_types": [kind]})
    assert [charge.get("feedetl_sn") for charge in intent.charges] == ["902"]
    assert intent.charges[0].place("cnt") == "FT1[2]-10[1]"


async def test_a_message_of_ignored_lines_only_leads_to_no_transaction(
    make_raw: Make, understand: Understand
) -> None:
    """A deposit is accepted and counted."""
    raw = make_raw("DFT^P03", EVN, PID, PV1, _ft1(1, "INPAY"))
    _, intent, problems = await understand(raw, {"ignored_transaction_types": ["INPAY"]})
    assert (intent.verb, problems) == (Verb.IGNORE, [])


async def test_the_note_of_a_line_left_out_does_not_move_to_another(
    make_raw: Make, understand: Understand
) -> None:
    """What belongs to an ignored line goes with it."""
    raw = make_raw(
        "DFT^P03", EVN, PID, PV1, _ft1(1, "CG"), _ft1(2, "INPAY"), "NTE|1||deposit", _ft1(3, "CG")
    )
    _, intent, _ = await understand(raw, {"ignored_transaction_types": ["INPAY"]})
    assert [charge.get("memo") for charge in intent.charges] == ["", ""]


async def test_the_amount_may_stand_in_another_component(
    make_raw: Make, understand: Understand
) -> None:
    """Setting amount_component, for systems that write the amount as a `from value`."""
    line = _ft1(1, "CG", f11="^^25.20", f12="^^12.60")
    _, intent, _ = await understand(
        make_raw("DFT^P03", EVN, PID, PV1, line), {"amount_component": 3}
    )
    assert intent.charges[0].get("det_item_fee_sumamt") == "25.20"


async def test_amounts_keep_their_digits(make_raw: Make, understand: Understand) -> None:
    """No float anywhere: sixteen digits before the point stay as they are."""
    line = _ft1(1, "CG", f10="1.0000", f11="99999999999999.99", f12="0.333333")
    _, intent, _ = await understand(make_raw("DFT^P03", EVN, PID, PV1, line))
    charge = intent.charges[0]
    assert charge.get("det_item_fee_sumamt") == "99999999999999.99"
    assert (charge.get("cnt"), charge.get("pric")) == ("1.0000", "0.333333")


async def test_too_many_lines_are_refused_before_they_are_looked_at(
    make_raw: Make, understand: Understand
) -> None:
    """Setting limits.max_charge_lines (2,000): one problem, at the first line too many."""
    lines = [_ft1(number, "CG", f10="x") for number in range(1, 2002)]
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("DFT^P03", EVN, PID, PV1, *lines))
    assert [(p.code, p.place) for p in caught.value.problems] == [
        (ProblemCode.INPUT_LIMIT, "FT1[2001]")
    ]
