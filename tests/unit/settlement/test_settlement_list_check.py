"""Everything that is wrong with a settlement list is named at once, with its place."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import ProblemCode, Severity
from gateway.intents import Record, Settlement
from gateway.settlement.inputs import Site
from gateway.settlement.listing.checking import check
from mappings.codes import CodeBook

DAY = date(2026, 3, 2)
SETTLEMENT = Settlement(
    infno="2304",
    msgid="M",
    info=Record(
        {
            "medfee_sumamt": "100.00",
            "fund_pay_sumamt": "60.10",
            "psn_part_amt": "39.90",
            "acct_pay": "30.00",
            "psn_cash_pay": "9.90",
        }
    ),
)


@pytest.fixture(scope="module")
def codes() -> CodeBook:
    """The national lists that are built in."""
    return CodeBook.load([], "default")


def list_of(**changes: Any) -> dict[str, Any]:
    """A list without problems."""
    head = {"psn_no": "P", "mdtrt_id": "V", "setl_id": "S", "ntly": "CHN", "prfs": "17"}
    head |= {"bill_code": "1", "bill_no": "2", "biz_sn": "3", "dscg_caty": "A03"}
    head |= {"setl_begn_date": "2026-03-01", "setl_end_date": "2026-03-02"}
    head |= {"medins_fill_dept": "病案科", "medins_fill_psn": "王"}
    main = {"diag_type": "1", "diag_code": "A18.000x018+M49.0*", "diag_name": "脊椎结核并椎旁脓肿"}
    main |= {"adm_cond_type": "1", "maindiag_flag": "1"}
    funds = [
        {"fund_pay_type": "310100", "fund_payamt": Decimal("60.00")},
        {"fund_pay_type": "320100", "fund_payamt": Decimal("0.10")},
    ]
    return {"setlinfo": head, "diseinfo": [main], "payinfo": funds, **changes}


def found(site: Site, codes: CodeBook, content: dict[str, Any]) -> list[tuple[str, ProblemCode]]:
    """Place and code of what stops the list."""
    problems = check("4101", content, SETTLEMENT, site.checker, codes, on=DAY)
    return [(p.place, p.code) for p in problems if p.stops]


def test_a_right_list_has_no_problem(site: Site, codes: CodeBook) -> None:
    """Sums to the fen: 60.00 and 0.10 are the 60.10 of the settlement."""
    assert found(site, codes, list_of()) == []


def test_every_problem_is_named_at_once(site: Site, codes: CodeBook) -> None:
    """A missing field, a grey principal diagnosis and a sum in one run."""
    content = list_of(payinfo=[{"fund_pay_type": "310100", "fund_payamt": Decimal("60.11")}])
    del content["setlinfo"]["bill_no"]
    content["diseinfo"][0] |= {"diag_code": "A15.000", "diag_name": "肺结核"}
    assert found(site, codes, content) == [
        ("setlinfo.bill_no", ProblemCode.FIELD_REQUIRED),
        ("diseinfo[0].diag_code", ProblemCode.FIELD_VALUE),
        ("payinfo.fund_payamt", ProblemCode.AMOUNT_MISMATCH),
    ]


@pytest.mark.parametrize("flags", [("0", "0"), ("1", "1")])
def test_one_diagnosis_is_the_principal_one(
    site: Site, codes: CodeBook, flags: tuple[str, str]
) -> None:
    """Neither none nor two."""
    main = list_of()["diseinfo"][0]
    rows = [{**main, "maindiag_flag": flag} for flag in flags]
    assert ("diseinfo", ProblemCode.FIELD_VALUE) in found(site, codes, list_of(diseinfo=rows))


def test_a_code_that_a_sample_list_lacks_is_a_warning(site: Site, codes: CodeBook) -> None:
    """The lists that are built in are no whole ones: the code is named and the list is sent."""
    main = {**list_of()["diseinfo"][0], "diag_code": "Z99.999"}
    problems = check("4101", list_of(diseinfo=[main]), SETTLEMENT, site.checker, codes, on=DAY)
    (problem,) = [p for p in problems if p.code is ProblemCode.MAP_NO_CODE]
    assert (problem.place, problem.severity) == ("diseinfo[0].diag_code", Severity.WARNING)


def test_a_sum_that_is_no_number_stops_the_list(site: Site, codes: CodeBook) -> None:
    """It neither passes as zero nor breaks the check."""
    funds = [{"fund_pay_type": "310100", "fund_payamt": "sixty"}]
    places = [place for place, _ in found(site, codes, list_of(payinfo=funds))]
    assert "payinfo.fund_payamt" in places


@pytest.mark.parametrize(
    ("code", "value"), [("acct_pay", "30.01"), ("psn_cashpay", "9.89"), ("psn_selfpay", "1.00")]
)
def test_the_shares_of_the_person_are_those_of_the_settlement(
    site: Site, codes: CodeBook, code: str, value: str
) -> None:
    """Account 30.00, cash 9.90; own and self pay together 39.90."""
    content = list_of()
    right = {"acct_pay": "30.00", "psn_cashpay": "9.90", "psn_selfpay": "9.90"}
    content["setlinfo"] |= {**right, "psn_ownpay": "30.00", code: value}
    problems = check("4101", content, SETTLEMENT, site.checker, codes, on=DAY)
    sums = [p.field for p in problems if p.code is ProblemCode.AMOUNT_MISMATCH]
    assert sums == [code]
