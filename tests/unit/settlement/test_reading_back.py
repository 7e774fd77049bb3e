"""What a report of reconciliation says of a message id."""

from __future__ import annotations

from datetime import date

from gateway.settlement.reconciling.reading import NotHeld, Silent, answer
from gateway.settlement.reconciling.report import (
    Asked,
    GroupReport,
    GroupState,
    Report,
    Totals,
)

DAY = date(2026, 3, 2)


def report(*asked: list[Asked]) -> Report:
    """A report in which every group balances, asked for these insurance types."""
    return Report(
        fixmedins_code="H43010000001",
        begin=DAY,
        end=DAY,
        made_at="2026-03-02 10:00:00",
        groups=[
            GroupReport(
                clr_type="11",
                setl_optins="430100",
                refd_setl_flag=str(flag),
                state=GroupState.BALANCED,
                asked=of_group,
            )
            for flag, of_group in enumerate(asked)
        ],
    )


BALANCED = Asked(insutype="310", totals=Totals(), balanced=True)


def test_what_every_group_was_asked_for_and_none_names_is_not_held() -> None:
    """That is all the centre can say."""
    found = answer(report([BALANCED], [BALANCED]), "H4301")
    assert found == NotHeld(msgid="H4301", asked_at="2026-03-02 10:00:00")


def test_a_group_that_was_asked_for_no_insurance_type_says_nothing() -> None:
    """Nothing was sent to the centre for it, so that nothing is known of what it holds."""
    found = answer(report([BALANCED], []), "H4301")
    assert isinstance(found, Silent)
    assert "reconciliation.insutypes" in found.reason


def test_without_a_group_nothing_is_said() -> None:
    """No settlement of ours, and nothing in the settings to ask for."""
    found = answer(report(), "H4301")
    assert isinstance(found, Silent)
    assert "reconciliation.clr_types" in found.reason
