"""Inputs are checked against their definitions, everything wrong at once, nobody's data shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import Problem, ProblemCode
from gateway.fsi.accepting import RowType
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import IDENTITY_NUMBER, sample_input
from tests.nesting import nested

HUNAN = load_profile("hunan")
GENERIC = load_profile("generic")
HN = Definitions.load("HN")
BASE = Definitions.load()
CHECKER = Checker(HN, HUNAN)
BASE_CHECKER = Checker(BASE, GENERIC)


def _line(**changes: Any) -> dict[str, Any]:
    line = sample_input(HN, HUNAN, "2204", rows=1)["feedetail"][0]
    assert isinstance(line, dict)
    return {**line, **changes}


def _found(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.place, str(problem.code)) for problem in problems]


@pytest.mark.parametrize("infno", HN.infnos())
def test_a_valid_input_has_no_problem(infno: str) -> None:
    """All fields, or the required ones alone, for every transaction and two editions."""
    for required_only in (False, True):
        content = sample_input(HN, HUNAN, infno, required_only=required_only)
        assert CHECKER.check(infno, content) == []
        content = sample_input(BASE, GENERIC, infno, required_only=required_only)
        assert BASE_CHECKER.check(infno, content) == []


json_values = nested(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["1.50", "-0", "007", " 1", "\u3000", "\n", Decimal("1E+3"), Decimal("0.10")])
    | st.sampled_from(["01", "03", "1", "0000", IDENTITY_NUMBER, "2026-02-30", "2026-03-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["psn_no", "cnt", "feedetl_sn", "vali_flag"]), inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("infno", [*HN.infnos()])
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_value_anywhere_gives_problems_and_no_exception(
    infno: str, data: st.DataObject
) -> None:
    """Valid inputs of every transaction with arbitrary JSON put in arbitrary places.

    What is recognised as right at once has no finding when it is looked at field by field either.
    """
    checker, definitions, profile = data.draw(
        st.sampled_from([(CHECKER, HN, HUNAN), (BASE_CHECKER, BASE, GENERIC)])
    )
    content: Any = sample_input(definitions, profile, infno, rows=2)
    for _ in range(data.draw(st.integers(1, 4))):
        holder: Any = content
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            inner = holder[key]
            if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
                holder = inner
                continue
            holder[key] = data.draw(json_values)
            break
    problems = checker.check(infno, content)
    assert all(problem.zh and problem.en for problem in problems)
    with patch.object(RowType, "accepts", return_value=False):
        assert checker.check(infno, content) == problems


@pytest.mark.parametrize("content", [None, [], "", 1, {"feedetail": None}, {}])
def test_an_input_that_is_no_object_of_nodes_has_problems(content: Any) -> None:
    """Nothing at all is a problem of the node, not an exception."""
    assert [p.code for p in CHECKER.check("2204", content)] == [ProblemCode.NODE_COUNT]


def test_an_unknown_transaction_is_a_problem() -> None:
    """Its number is repeated only when it looks like one."""
    (problem,) = CHECKER.check("99ZZ", {})
    assert "99ZZ" in problem.en
    (problem,) = CHECKER.check("张三", {})
    assert "张三" not in problem.zh


def test_everything_wrong_is_reported_at_once() -> None:
    """Three lines, each with a fault of another kind."""
    lines = [
        _line(cnt="many"),
        _line(feedetl_sn="2", hosp_appr_flag="7"),
        _line(feedetl_sn="3", fee_ocur_time="2026-02-30 10:00:00", bilg_dept_name=""),
    ]
    assert _found(CHECKER.check("2204", {"feedetail": lines})) == [
        ("feedetail[0].cnt", "FIELD-TYPE"),
        ("feedetail[1].hosp_appr_flag", "FIELD-VALUE"),
        ("feedetail[2].fee_ocur_time", "FIELD-TYPE"),
        ("feedetail[2].bilg_dept_name", "FIELD-REQUIRED"),
    ]


def test_a_deferred_field_may_be_missing() -> None:
    """The visit id of a registration still to be made, the diagnoses of an open visit."""
    content = sample_input(HN, HUNAN, "2203")
    del content["mdtrtinfo"]["mdtrt_id"]
    del content["diseinfo"]
    assert _found(CHECKER.check("2203", content)) == [
        ("mdtrtinfo.mdtrt_id", "FIELD-REQUIRED"),
        ("diseinfo", "NODE-COUNT"),
    ]
    assert CHECKER.check("2203", content, deferred=["mdtrt_id", "diseinfo"]) == []


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (Decimal("12.5"), None),
        (Decimal("12.500000"), None),
        (3, None),
        ("12.50", None),
        ("-1.5", None),
        (Decimal("1.00005"), "FIELD-LENGTH"),
        (Decimal(1234567890123), "FIELD-LENGTH"),
        (Decimal(123456789012), None),
        (True, "FIELD-TYPE"),
        (1.5, "FIELD-TYPE"),
        (Decimal("NaN"), "FIELD-TYPE"),
        ("1e3", "FIELD-TYPE"),
        ("１２", "FIELD-TYPE"),
        (" 1", "FIELD-TYPE"),
        ("9" * 100, "FIELD-TYPE"),
    ],
)
def test_a_quantity_has_sixteen_digits_four_behind_the_point(value: Any, code: str | None) -> None:
    """F-009: cnt is 16,4: twelve before the point, four behind it, zeros at the end do not count."""
    problems = CHECKER.check("2204", {"feedetail": [_line(cnt=value, pric=None)]})
    found = {p.field: str(p.code) for p in problems}
    assert found.get("cnt") == code


def test_a_text_is_measured_in_characters() -> None:
    """Fifty Chinese characters fit into fifty; fifty-one do not."""
    assert CHECKER.check("2204", {"feedetail": [_line(bilg_dr_name="龘" * 50)]}) == []
    (problem,) = CHECKER.check("2204", {"feedetail": [_line(bilg_dr_name="龘" * 51)]})
    assert (problem.code, problem.place) == (ProblemCode.FIELD_LENGTH, "feedetail[0].bilg_dr_name")
    assert "51" in problem.zh
    assert "50" in problem.en


def test_a_text_of_blanks_is_empty() -> None:
    """A blank in a required field states nothing."""
    (problem,) = CHECKER.check("2204", {"feedetail": [_line(bilg_dr_name=" ")]})
    assert problem.code is ProblemCode.FIELD_REQUIRED


def test_a_value_outside_its_dictionary_is_named_with_the_set() -> None:
    """Gend knows 0, 1, 2 and 9; open sets take any value."""
    content = sample_input(HN, HUNAN, "2203")
    content["mdtrtinfo"]["med_type"] = "77"
    (problem,) = CHECKER.check("2203", content)
    assert problem.place == "mdtrtinfo.med_type"
    assert "'77'" in problem.zh
    assert "医疗类别(med_type)" in problem.zh
    assert "dictionary med_type" in problem.en
    open_content = sample_input(BASE, GENERIC, "2203")
    open_content["mdtrtinfo"]["med_type"] = "77"
    assert BASE_CHECKER.check("2203", open_content) == []


def test_a_repeating_node_is_a_list_and_a_single_one_an_object() -> None:
    """What is sent has the form of the definition; only replies are read tolerantly."""
    assert _found(CHECKER.check("2204", {"feedetail": _line()})) == [("feedetail", "NODE-COUNT")]
    data = sample_input(HN, HUNAN, "2202")["data"]
    assert _found(CHECKER.check("2202", {"data": [data]})) == [("data", "NODE-COUNT")]
    assert _found(CHECKER.check("2204", {"feedetail": [1]})) == [("feedetail", "NODE-COUNT")]


def test_nested_nodes_have_their_whole_path() -> None:
    """3101: patient, encounter, order."""
    content = sample_input(HN, HUNAN, "3101")
    orders = content["data"]["patient_dtos"][1]["fsi_encounter_dtos"][0]["fsi_order_dtos"]
    orders[0]["rx_id"] = ""
    places = [p.place for p in CHECKER.check("3101", content)]
    assert places == ["data.patient_dtos[1].fsi_encounter_dtos[0].fsi_order_dtos[0].rx_id"]


def test_an_input_above_forty_thousand_characters_is_refused() -> None:
    """Characters are counted, not bytes: Chinese text does not halve the room."""
    memo = "慢" * 1_000
    rows = [_line(feedetl_sn=str(at + 1), memo=memo) for at in range(40)]
    codes = [p.code for p in CHECKER.check("2204", {"feedetail": rows})]
    assert codes == [ProblemCode.INPUT_LIMIT]
    assert CHECKER.check("2204", {"feedetail": rows[:15]}) == []


def test_a_text_that_cannot_be_encoded_is_a_problem() -> None:
    """Half a surrogate pair has no form in UTF-8."""
    (problem,) = CHECKER.check("2204", {"feedetail": [_line(bilg_dr_name="\ud800")]})
    assert problem.code is ProblemCode.FIELD_TYPE


def test_problems_do_not_show_who_is_meant() -> None:
    """Names, numbers and cards put into every field of 1101 stand in no text."""
    secrets = ["张伟示", "430199198001010010", "zhangwei", "A12345678", "13900001111"]
    for secret in secrets:
        content = {"data": dict.fromkeys(sample_input(HN, HUNAN, "1101")["data"], secret * 3)}
        problems = CHECKER.check("1101", content)
        content = {"data": dict.fromkeys(sample_input(HN, HUNAN, "1101")["data"], secret)}
        problems += CHECKER.check("1101", content)
        assert problems
        text = "".join(f"{p.zh}{p.en}{p.detail}{p.remedy_zh}{p.remedy_en}" for p in problems)
        assert secret not in text


def test_the_number_of_problems_is_bounded() -> None:
    """Ten thousand wrong lines do not make ten thousand findings of each kind."""
    assert len(CHECKER.check("2204", {"feedetail": [{}] * 10_000})) == 500
