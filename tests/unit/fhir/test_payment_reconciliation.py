"""A reconciliation report as a PaymentReconciliation that the models of both releases take."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.paymentreconciliation import PaymentReconciliation as R5Model
from fhir.resources.R4B.paymentreconciliation import PaymentReconciliation as R4BModel

from gateway.fhir.names import Names
from gateway.fhir.payment_reconciliation import payment_reconciliation
from gateway.fhir.release import R4, R5
from gateway.settlement.reconciling.report import (
    Finding,
    GroupReport,
    GroupState,
    Repair,
    Report,
    ReportRow,
    Side,
    SideState,
    Totals,
)

NAMES = Names("https://gateway.example/fhir")
DAY = date(2026, 3, 1)


def row(msgid: str, fund: str, **changes: Any) -> ReportRow:
    """A settlement that both have."""
    state = SideState.REFUND if fund.startswith("-") else SideState.SETTLED
    side = Side(state=state, fund_pay_sumamt=Decimal(fund))
    values: dict[str, Any] = {
        "finding": Finding.BALANCED,
        "repair": Repair.NONE,
        "msgid": msgid,
        "setl_id": f"S-{msgid}",
        "psn_no": "43010000000000000001",
        "exchange_id": "0123456789abcdef",
        "setl_time": "2026-03-01 10:00:00",
        "ours": side,
        "theirs": side,
    }
    return ReportRow(**{**values, **changes})


def report(*rows: ReportRow, state: GroupState = GroupState.BALANCED) -> Report:
    """A day of one group, whose totals are those of our own rows."""
    ours = [r.ours.fund_pay_sumamt for r in rows if r.ours.fund_pay_sumamt is not None]
    group = GroupReport(
        clr_type="11",
        setl_optins="430100",
        refd_setl_flag="0",
        state=state,
        totals=Totals(count=len(ours), fund_pay_sumamt=sum(ours, Decimal("0.00"))),
        rows=list(rows),
    )
    return Report(
        fixmedins_code="H43010000001",
        begin=DAY,
        end=DAY,
        made_at="2026-03-02 02:30:00",
        groups=[group],
        finished=True,
    )


FOREIGN = {
    "finding": Finding.ONLY_THEIRS,
    "repair": Repair.REVERSE,
    "ours": Side(state=SideState.ABSENT),
    "exchange_id": "",
    "setl_time": "",
}


@pytest.mark.parametrize(("release", "model"), [(R4, R4BModel), (R5, R5Model)])
def test_the_models_of_the_release_take_it(release: Any, model: Any) -> None:
    """With settlements, a refund and one that only the centre has; an empty day too."""
    rows = [row("M1", "60.10"), row("M2", "-60.10"), row("M3", "5.00", **FOREIGN)]
    for one in (report(*rows), report()):
        assert model.model_validate(payment_reconciliation(one, NAMES, release))


def test_the_payment_is_the_sum_of_the_stored_settlements() -> None:
    """L-005: 60.10, 0.20 and a refund of 10.00; what only the centre has is an adjustment."""
    rows = [
        row("M1", "60.10"),
        row("M2", "0.20"),
        row("M3", "-10.00"),
        row("M4", "5.00", **FOREIGN),
    ]
    made = payment_reconciliation(report(*rows), NAMES, R4)
    assert made["paymentAmount"] == {"value": Decimal("50.30"), "currency": "CNY"}
    by_type: dict[str, list[Decimal]] = {}
    for detail in made["detail"]:
        kind = detail["type"]["coding"][0]["code"]
        by_type.setdefault(kind, []).append(detail["amount"]["value"])
    assert by_type == {
        "payment": [Decimal("60.10"), Decimal("0.20"), Decimal("-10.00")],
        "adjustment": [Decimal("5.00")],
    }
    assert made["detail"][0]["request"]["identifier"]["value"] == "0123456789abcdef"
    assert made["detail"][0]["response"]["identifier"]["value"] == "S-M1"


def test_r5_allocates_to_a_target() -> None:
    """`allocation.target`, `date`, `amount` and `type` in place of the names of R4."""
    made = payment_reconciliation(report(row("M1", "60.10")), NAMES, R5)
    (allocation,) = made["allocation"]
    assert allocation["target"]["identifier"]["value"] == "0123456789abcdef"
    assert (made["date"], made["amount"]["value"]) == ("2026-03-01", Decimal("60.10"))
    assert "detail" not in made


@pytest.mark.parametrize(
    ("state", "rows", "outcome"),
    [
        (GroupState.BALANCED, (row("M1", "1.00"),), "complete"),
        (GroupState.DIFFERENT, (row("M1", "1.00", **FOREIGN),), "partial"),
        (GroupState.NOT_REACHED, (), "error"),
    ],
)
def test_the_outcome_says_how_the_two_sides_stand(
    state: GroupState, rows: tuple[ReportRow, ...], outcome: str
) -> None:
    """What differs has a note with its message id, in both languages; a person is never named."""
    made = payment_reconciliation(report(*rows, state=state), NAMES, R4)
    assert made["outcome"] == outcome
    notes = [note["text"] for note in made.get("processNote", [])]
    assert [note.partition(":")[0] for note in notes] == (["M1"] if outcome == "partial" else [])
    assert "43010000000000000001" not in str(made)
