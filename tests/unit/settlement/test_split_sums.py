"""The split sums that 2207 states: what the platform said of the lines, and never a zero of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.intents import Intent, Record, Result, Status
from gateway.settlement.absorbing import Absorption, Work, absorb
from gateway.settlement.conducting import _splits_told
from gateway.settlement.preparing import Preparer
from gateway.settlement.totals import Step
from gateway.settlement.visits import Visit, VisitState

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=CHINA)
SPLIT = {"fulamt_ownpay_amt": "0", "overlmt_amt": "0", "preselfpay_amt": "1.5", "inscp_scp_amt": ""}


def uploaded(intent: Intent, output: dict[str, Any]) -> Work:
    """A registered visit whose line of 15.00 yuan was accepted with this reply."""
    visit = Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="O1",
        visit_class="outpatient",  # type: ignore[arg-type]  # its value
        state=VisitState.REGISTERED,
    )
    intent.charges[0].values["chrg_bchno"] = "B1"
    result = Result(status=Status.DONE, intent=intent)
    work = Work(intent=intent, result=result, visit=visit, classify=lambda _: "")
    absorb(work, Absorption(infno="2204", msgid="M1", output=output, lines=intent.charges))
    return work


@pytest.mark.parametrize(
    "output",
    [
        {},
        {"result": []},
        {"result": [{"feedetl_sn": "9"} | dict.fromkeys(SPLIT, "1")]},
        {"result": [{"feedetl_sn": "1"} | SPLIT]},
    ],
    ids=["no-result", "no-rows", "another-line", "a-sum-without-value"],
)
def test_a_reply_that_does_not_split_every_line_leaves_the_sums_out(
    preparer: Preparer, outpatient: Intent, output: dict[str, Any]
) -> None:
    """The upload stands, since the platform accepted it; its split is not known, and not zero."""
    work = uploaded(outpatient, output)
    assert work.visit is not None
    assert work.visit.state is VisitState.CHARGED
    step = Step(infno="2207", batch="B1")
    filled = preparer.fill(step, outpatient, work.visit)
    assert filled.input["data"]["medfee_sumamt"] == Decimal("15.00")
    assert not {"fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"} & set(
        filled.input["data"]
    )
    told = _splits_told(preparer.check(step, filled, outpatient), step, outpatient)
    (problem,) = [problem for problem in told if problem.code.value == "FSI-REPLY"]
    assert problem.stops
    assert "2207" in problem.zh
    assert "charge batch B1" in problem.en


def test_the_computation_says_what_the_upload_did_not(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """2206 answers the sums of the batch it computed: 2207 states those."""
    work = uploaded(outpatient, {})
    info = {"medfee_sumamt": Decimal("15.00"), "fulamt_ownpay_amt": Decimal("0.00")}
    info |= {"overlmt_selfpay": Decimal("1.00"), "preselfpay_amt": Decimal("1.40")}
    info |= {"inscp_scp_amt": Decimal("12.60"), "psn_part_amt": Decimal("15.00")}
    output = {"setlinfo": info | {"psn_cash_pay": Decimal("15.00")}}
    absorb(work, Absorption(infno="2206", msgid="M2", output=output, batch="B1"))
    data = preparer.fill(Step(infno="2207", batch="B1"), outpatient, work.visit).input["data"]
    stated = [data[code] for code in ("overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")]
    assert stated == [Decimal("1.00"), Decimal("1.40"), Decimal("12.60")]


@pytest.mark.parametrize("told", ["15.00", "0.00"])
def test_the_sums_of_the_upload_are_not_replaced(outpatient: Intent, told: str) -> None:
    """What the platform said of the lines stands, whatever the computation says."""
    split = {"fulamt_ownpay_amt": told, "overlmt_amt": "0", "preselfpay_amt": "0"}
    work = uploaded(outpatient, {"result": [{"feedetl_sn": "1", "inscp_scp_amt": "15.00"} | split]})
    info = dict.fromkeys(("overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"), Decimal("1.00"))
    info |= {"fulamt_ownpay_amt": Decimal("9.00"), "medfee_sumamt": Decimal("15.00")}
    absorb(work, Absorption(infno="2206", msgid="M2", output={"setlinfo": info}, batch="B1"))
    assert work.visit is not None
    assert work.visit.batches[0].fulamt_ownpay_amt == told
