"""The ten cases that the reference on pooling regions keeps (section 7)."""

from datetime import date

import pytest

from gateway.errors import InvalidError, ProblemCode
from gateway.intents import Record
from gateway.settlement.coverage import choose_insurance
from mappings.regions import RegionCause, RegionError, RegionTable

DAY = date(2026, 11, 22)
EMPLOYEE = "310"


@pytest.fixture(scope="module")
def table() -> RegionTable:
    """The built-in tables."""
    return RegionTable.load()


def test_two_districts_of_a_municipality_are_one_pool(table: RegionTable) -> None:
    """Case 1: a district of Chongqing in another district is local although four digits differ."""
    assert table.class_of("500153", "500101", [], EMPLOYEE, DAY) == "local"


def test_the_provinces_own_scheme_is_in_province_unless_it_is_a_home_pool(
    table: RegionTable,
) -> None:
    """Case 2: 439900 in a Changsha hospital is remote, and local where the hospital says so."""
    assert table.class_of("439900", "430199", [], EMPLOYEE, DAY) == "in-province"
    assert table.class_of("439900", "430199", ["430100", "439900"], EMPLOYEE, DAY) == "local"


def test_two_counties_directly_under_a_province_are_two_pools(table: RegionTable) -> None:
    """Case 3: 429004 and 429005 share four digits and are still two pools."""
    assert table.class_of("429004", "429005", [], EMPLOYEE, DAY) == "in-province"


def test_the_corps_counts_as_another_province_than_xinjiang(table: RegionTable) -> None:
    """Case 4: a member of the 8th division in Urumqi is a patient of another province."""
    assert table.class_of("660800", "650100", [], EMPLOYEE, DAY) == "cross-province"


def test_a_city_of_the_corps_is_the_same_place_as_its_division(table: RegionTable) -> None:
    """Case 5: 659001 (GB/T 2260) and 660800 (insurance) are the same people."""
    assert table.class_of("659001", "660800", [], EMPLOYEE, DAY) == "local"
    assert table.class_of("659001", "650100", [], EMPLOYEE, DAY) == "cross-province"


def test_a_retired_district_is_judged_by_its_successor(table: RegionTable) -> None:
    """Case 6: Laicheng (371202, retired 2018) became 370116 of Jinan; before, it was of Laiwu."""
    assert table.class_of("371202", "370100", [], EMPLOYEE, DAY) == "local"
    assert table.class_of("371202", "370100", [], EMPLOYEE, date(2018, 12, 31)) == "in-province"
    assert table.class_of("371202", "370100", [], EMPLOYEE, date(2019, 1, 1)) == "local"


def test_two_codes_of_one_place_are_one_pool(table: RegionTable) -> None:
    """Case 7: Jiyuan is 411800 for the insurance and 419001 in GB/T 2260."""
    assert table.class_of("411800", "419001", [], EMPLOYEE, DAY) == "local"
    assert table.pool_of("419001", EMPLOYEE, DAY) == table.pool_of("411800", EMPLOYEE, DAY)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("", RegionCause.EMPTY),
        ("4301", RegionCause.FORM),
        ("43010O", RegionCause.FORM),
        ("４３０１００", RegionCause.FORM),
        ("990100", RegionCause.PROVINCE),
    ],
)
def test_an_empty_short_or_impossible_code_is_an_error_and_no_default(
    table: RegionTable, code: str, cause: RegionCause
) -> None:
    """Case 8: nothing is guessed for a code that is no region."""
    with pytest.raises(RegionError) as caught:
        table.pool_of(code, EMPLOYEE, DAY)
    assert caught.value.cause is cause


def test_a_district_merged_in_2025_stays_local_and_is_remarked_upon(table: RegionTable) -> None:
    """Case 9: 500105 went into 500157 in 2025; the pool is the same, the code is reported."""
    before, year, after = date(2024, 6, 1), date(2025, 6, 1), date(2026, 6, 1)
    assert {
        table.class_of("500105", "500157", [], EMPLOYEE, on) for on in (before, year, after)
    } == {"local"}
    assert table.remarks("500105", before) == []
    assert table.remarks("500105", year) == []
    assert "500157" in table.remarks("500105", after)[0].en
    assert "2025" in table.remarks("500157", before)[0].en
    assert table.remarks("500157", year) == []
    assert table.remarks("500157", after) == []


def test_two_active_rows_of_different_regions_are_a_question() -> None:
    """Case 10: with two active insurances of one type the region is asked for, never guessed."""
    rows = [
        Record({"insutype": "310", "psn_insu_stas": "1", "insuplc_admdvs": region})
        for region in ("430100", "440300")
    ]
    with pytest.raises(InvalidError) as caught:
        choose_insurance(rows, insutype="310", insuplc_admdvs="")
    assert caught.value.problems[0].code is ProblemCode.COVERAGE_AMBIGUOUS
