"""Rules between the fields of an input."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import ProblemCode
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import IDENTITY_NUMBER, sample_input

HUNAN = load_profile("hunan")
HN = Definitions.load("HN")
CHECKER = Checker(HN, HUNAN)


def _places(infno: str, content: dict[str, Any]) -> list[str]:
    return [problem.place for problem in CHECKER.check(infno, content)]


def _lines(*changes: dict[str, Any]) -> dict[str, Any]:
    rows = sample_input(HN, HUNAN, "2204", rows=len(changes))["feedetail"]
    return {"feedetail": [{**row, **change} for row, change in zip(rows, changes, strict=True)]}


@pytest.mark.parametrize(
    "infno", ["1101", "2101", "2102", "2201", "2206", "2207", "2303", "2304", "2401"]
)
def test_a_card_needs_its_number(infno: str) -> None:
    """F-008: card_sn with mdtrt_cert_type 03, wherever both occur."""
    content = sample_input(HN, HUNAN, infno)
    node = next(iter(content))
    content[node] |= {"mdtrt_cert_type": "03", "mdtrt_cert_no": "D430000001", "card_sn": ""}
    assert _places(infno, content) == [f"{node}.card_sn"]
    content[node]["card_sn"] = "430100D1560000"
    assert _places(infno, content) == []
    content[node] |= {
        "mdtrt_cert_type": "02",
        "mdtrt_cert_no": IDENTITY_NUMBER,
        "card_sn": "",
    }
    assert _places(infno, content) == []


def test_a_deferred_card_number_may_be_missing() -> None:
    """A rule asks for no field that an earlier call gives."""
    content = sample_input(HN, HUNAN, "2201")
    content["data"] |= {"mdtrt_cert_type": "03", "card_sn": ""}
    assert CHECKER.check("2201", content, deferred=["card_sn"]) == []


@pytest.mark.parametrize(
    ("flags", "places"),
    [
        ("10", []),
        ("01", []),
        ("00", ["diseinfo[0].maindiag_flag"]),
        ("11", ["diseinfo[1].maindiag_flag"]),
    ],
)
@pytest.mark.parametrize("infno", ["2401", "2402"])
def test_one_diagnosis_is_the_main_one(infno: str, flags: str, places: list[str]) -> None:
    """None and two are both wrong; the second one is named."""
    content = sample_input(HN, HUNAN, infno)
    for row, flag in zip(content["diseinfo"], flags, strict=True):
        row |= {"maindiag_flag": flag, "diag_code": "J06.900"}
    assert _places(infno, content) == places


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("1", True),
        ("123456789012345", True),
        (7, True),
        (Decimal(7), True),
        ("1234567890123456", False),
        ("0", False),
        ("01", False),
        ("0000", False),
        ("A1", False),
        ("1.0", False),
        ("-1", False),
        (0, False),
        (True, False),
    ],
)
def test_a_line_number_has_at_most_fifteen_digits(number: Any, good: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """Digits, not 0, no zero in front; as text or as number."""
    expected = [] if good else ["feedetail[0].feedetl_sn"]
    assert _places("2204", _lines({"feedetl_sn": number})) == expected


def test_all_lines_of_a_stay_are_withdrawn_by_0000() -> None:
    """The sign of 2302 for every line; elsewhere it is no line number."""
    content = sample_input(HN, HUNAN, "2302", rows=1)
    content["data"][0]["feedetl_sn"] = "0000"
    assert _places("2302", content) == []


def test_a_line_number_occurs_once() -> None:
    """The second of two equal numbers is named."""
    (problem,) = CHECKER.check("2204", _lines({}, {"feedetl_sn": "1"}))
    assert (problem.place, problem.code) == ("feedetail[1].feedetl_sn", ProblemCode.DUPLICATE_KEY)


@pytest.mark.parametrize(
    ("count", "price", "amount", "good"),
    [
        ("3", "0.3333", "1.00", True),  # 0.9999, off by 0.0001
        ("3", "3.33", "10.00", True),  # 9.99, off by 0.01
        ("3", "3.33", "10.01", False),  # off by 0.02
        ("-2", "1.5", "-3.00", True),  # a return
        ("-2", "1.5", "3.00", False),
        ("0.5", "12.50", "6.25", True),
    ],
)
def test_quantity_times_price_is_the_amount_within_a_fen(
    count: str,
    price: str,
    amount: str,
    good: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """0.01 yuan is the tolerance, either way."""
    line = {"cnt": Decimal(count), "pric": Decimal(price), "det_item_fee_sumamt": Decimal(amount)}
    problems = CHECKER.check("2204", _lines(line))
    expected = [] if good else [("feedetail[0].det_item_fee_sumamt", "AMOUNT-MISMATCH")]
    assert [(p.place, str(p.code)) for p in problems] == expected


def test_the_tolerance_is_a_setting() -> None:
    """A peer that rounds each line to 0.1 yuan."""
    line = {"cnt": Decimal(3), "pric": Decimal("3.33"), "det_item_fee_sumamt": Decimal("10.00")}
    strict = Checker(HN, HUNAN, amount_tolerance=Decimal(0))
    assert [p.code for p in strict.check("2204", _lines(line))] == [ProblemCode.AMOUNT_MISMATCH]


def test_a_charge_batch_has_one_disease() -> None:
    """All lines of one chrg_bchno carry the same dise_codg; another batch may carry another."""
    content = _lines({}, {"dise_codg": "M2"}, {"dise_codg": "M2", "chrg_bchno": "B2"})
    assert _places("2204", content) == ["feedetail[1].dise_codg"]


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("430199198001010010", True),  # sum of weights gives remainder that stands for 0
        ("11010519491231002X", True),  # the example printed in GB 11643
        ("11010519491231002x", True),
        ("430199198001010011", False),
        ("43019919800230001X", False),  # 30 February
        ("43019919800101001", False),
        ("ABCDEFGHIJKLMNOPQR", False),
    ],
)
def test_a_resident_identity_number_has_its_check_digit(number: str, good: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """Eighteen places, a date of birth that exists, the digit of ISO 7064 MOD 11-2."""
    content = sample_input(HN, HUNAN, "1101")
    content["data"]["certno"] = number
    problems = CHECKER.check("1101", content)
    assert [p.place for p in problems] == ([] if good else ["data.certno"])
    assert all(number not in p.zh + p.en for p in problems)


def test_other_certificates_have_no_check_digit() -> None:
    """A passport number is any text."""
    content = sample_input(HN, HUNAN, "1101")
    content["data"] |= {"psn_cert_type": "08", "certno": "E00000000"}
    assert _places("1101", content) == []


def test_the_admission_calls_the_type_of_certificate_otherwise() -> None:
    """2401 names it cert_type; the same rule holds."""
    content = sample_input(HN, HUNAN, "2401")
    content["mdtrtinfo"]["certno"] = "430199198001010011"
    assert _places("2401", content) == ["mdtrtinfo.certno"]


def test_a_chronic_visit_names_its_disease() -> None:
    """med_type 14 needs dise_codg, an ordinary visit does not."""
    content = sample_input(HN, HUNAN, "2203")
    content["mdtrtinfo"] |= {"med_type": "14", "dise_codg": ""}
    assert _places("2203", content) == ["mdtrtinfo.dise_codg"]
    content["mdtrtinfo"]["med_type"] = "11"
    assert _places("2203", content) == []


def test_a_death_has_its_date() -> None:
    """dscg_way 5 of 2402 needs die_date."""
    content = sample_input(HN, HUNAN, "2402")
    content["dscginfo"] |= {"dscg_way": "5", "die_date": ""}
    assert _places("2402", content) == ["dscginfo.die_date"]


@pytest.mark.parametrize(
    ("weights", "good"), [("2510,2640", True), ("2510", True), ("2510，2640", False), ("x", False)]
)
def test_weights_of_several_newborns_have_commas_between_them(weights: str, good: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """The settlement list of Hunan (rules, statement 17.4): numbers and commas, no others."""
    content = sample_input(HN, HUNAN, "4101")
    content["setlinfo"]["mul_nwb_bir_wt"] = weights
    assert _places("4101", content) == ([] if good else ["setlinfo.mul_nwb_bir_wt"])
