"""Procedures that are kept for a list, with the national codes of their days."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import mappings.codes
from gateway.errors import ProblemCode
from gateway.intents import Record
from gateway.settlement.listing.coding import procedures
from mappings.codes import CodeBook

TABLES = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"
SETTLED_ON = date(2026, 3, 2)


@pytest.fixture(scope="module")
def codes() -> CodeBook:
    """The tables of the made-up hospital, in force since 2020."""
    return CodeBook.load([TABLES], "default")


def test_a_kept_procedure_without_a_national_code_is_a_problem_of_the_list(
    codes: CodeBook,
) -> None:
    """As an earlier release may have kept it: never passed through, and told with its row."""
    kept = [
        Record({"oprn_oprt_code": "47.0100", "oper_dr_code": "1001"}),
        Record({"oprn_oprt_code": "SS999", "oper_dr_code": "D430100000009"}),
    ]
    coded, problems = procedures(kept, codes, SETTLED_ON)

    assert [one.get("oper_dr_code") for one in coded] == ["D430100000001", "D430100000009"]
    (problem,) = problems
    assert (problem.code, problem.place) == (ProblemCode.MAP_NO_CODE, "oprninfo[1].oprn_oprt_code")
    assert problem.stops
    assert "prepare the list again" in problem.remedy_en


@pytest.mark.parametrize(("day", "found"), [("2019-12-31", 1), ("2020-01-01", 0), ("", 0)])
def test_a_procedure_is_coded_on_its_own_day(codes: CodeBook, day: str, found: int) -> None:
    """Without a day it is that of the settlement."""
    kept = [Record({"oper_dr_code": "1001", "oprn_oprt_date": day})]
    _, problems = procedures(kept, codes, SETTLED_ON)

    assert len(problems) == found
