"""Which insurance row of 1101 a visit uses."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidError, ProblemCode
from gateway.intents import Record
from gateway.settlement.coverage import choose_insurance


def row(insutype: str, region: str = "430100", status: str = "1") -> Record:
    """A row of insuinfo."""
    return Record({"insutype": insutype, "insuplc_admdvs": region, "psn_insu_stas": status})


def test_employee_insurance_comes_before_resident_insurance() -> None:
    """Matrix 1.2: 310 before 390 when the sender names none."""
    chosen = choose_insurance([row("390"), row("310")], insutype="", insuplc_admdvs="")
    assert chosen.get("insutype") == "310"


def test_a_stated_type_is_taken() -> None:
    """The sender's IN1-15 decides."""
    chosen = choose_insurance([row("390"), row("310")], insutype="390", insuplc_admdvs="")
    assert chosen.get("insutype") == "390"


def test_the_region_is_that_of_the_chosen_row_unchanged() -> None:
    """Pooling.md: pass what 1101 returned, also a county code."""
    chosen = choose_insurance([row("310", "350303")], insutype="", insuplc_admdvs="350300")
    assert chosen.get("insuplc_admdvs") == "350303"


@pytest.mark.parametrize("status", ["0", "2", "3", "4"])
def test_a_suspended_or_ended_insurance_does_not_pay(status: str) -> None:
    """psn_insu_stas 1 is the only status that is normal."""
    with pytest.raises(InvalidError) as caught:
        choose_insurance([row("310", status=status)], insutype="", insuplc_admdvs="")
    assert caught.value.problems[0].code is ProblemCode.COVERAGE_NONE


def test_two_active_rows_in_different_regions_are_a_question() -> None:
    """Pooling.md test case 10: must ask, not guess."""
    rows = [row("310", "430100"), row("310", "440300")]
    with pytest.raises(InvalidError) as caught:
        choose_insurance(rows, insutype="", insuplc_admdvs="")
    assert caught.value.problems[0].code is ProblemCode.COVERAGE_AMBIGUOUS


def test_a_stated_region_answers_the_question() -> None:
    """IN1-3 narrows two rows of the same type."""
    rows = [row("310", "430100"), row("310", "440300")]
    chosen = choose_insurance(rows, insutype="310", insuplc_admdvs="440300")
    assert chosen.get("insuplc_admdvs") == "440300"


@pytest.mark.parametrize(
    ("paused", "pays"), [("", True), ("2026-03-03", True), ("2026-03-02", False)]
)
def test_without_a_status_the_suspension_date_decides(paused: str, pays: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """Pooling.md section 3: the date is empty or in the future; today is 2026-03-02."""
    rows = [Record({"insutype": "310", "insuplc_admdvs": "430100", "paus_insu_date": paused})]
    if pays:
        assert choose_insurance(rows, insutype="", insuplc_admdvs="", today="2026-03-02") is rows[0]
    else:
        with pytest.raises(InvalidError):
            choose_insurance(rows, insutype="", insuplc_admdvs="", today="2026-03-02")
