from datetime import date
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from mappings.regions import PoolLevel, RegionTable

DAY = date(2026, 11, 22)
HEADER = "scope,insutype,valid_from,valid_to,level,evidence,note\n"


@pytest.fixture(scope="module")
def table() -> RegionTable:
    """The built-in tables."""
    return RegionTable.load()


def overlay(folder: Path, text: str) -> RegionTable:
    """The built-in tables with one file laid over them."""
    path = folder / "site.csv"
    path.write_text(text, "utf-8")
    return RegionTable.load([path])


@pytest.mark.parametrize(
    ("code", "pool"),
    [
        ("430111", "430100"),  # county: its prefecture
        ("430199", "430100"),  # scheme run by a city: the city
        ("430100", "430100"),
        ("439900", "439900"),  # scheme run by a province
        ("329900", "329900"),  # the same where no list names it
        ("119900", "110000"),  # a municipality is one pool with its own scheme
        ("110105", "110000"),
        ("310115", "310000"),
        ("460200", "460000"),  # Hainan, Tibet, Qinghai, Ningxia pool by province
        ("542121", "540000"),
        ("462000", "460000"),  # a special unit inside such a province
        ("527000", "527000"),  # a special unit elsewhere
        ("660100", "660000"),  # the corps
        ("429004", "429004"),  # county directly under a province
        ("442000", "442000"),  # prefecture without counties
        ("530000", "530000"),  # a province as such
        ("350303", "350300"),
    ],
)
def test_a_region_belongs_to_its_pool(table: RegionTable, code: str, pool: str) -> None:
    """The pools that section 4 of the reference on pooling states."""
    assert table.pool_of(code, "310", DAY) == pool


def test_an_unknown_code_of_a_known_province_is_accepted_and_remarked_upon(
    table: RegionTable,
) -> None:
    """Development zones have codes that no public list has."""
    assert table.pool_of("430188", "310", DAY) == "430100"
    assert "430188" in table.remarks("430188", DAY)[0].zh


def test_a_retired_code_without_successor_stands_for_itself(table: RegionTable) -> None:
    """140202 was abolished in 2018 and divided among several: its city is still its pool."""
    assert table.pool_of("140202", "310", DAY) == "140200"
    assert "2018" in table.remarks("140202", DAY)[0].en


def test_an_unknown_county_of_a_retired_prefecture_belongs_to_its_successor(
    table: RegionTable,
) -> None:
    """522200 (Tongren) was retired in 2011 for 520600; an unlisted 522210 goes with it."""
    assert table.pool_of("522210", "310", DAY) == "520600"
    assert table.pool_of("522210", "310", date(2010, 5, 1)) == "522200"


def test_a_home_pool_may_be_written_by_any_of_its_codes(table: RegionTable) -> None:
    """A hospital that lists 430199 means the pool of Changsha."""
    assert table.class_of("430111", "430100", ["430199"], "310", DAY) == "local"


def test_with_home_pools_the_place_of_treatment_itself_does_not_count(table: RegionTable) -> None:
    """The list of home pools is the whole truth when there is one."""
    assert table.class_of("430111", "430100", ["439900"], "310", DAY) == "in-province"


def test_a_rule_of_the_site_holds_from_its_date(tmp_path: Path) -> None:
    """Hainan pooled by city until the day that the site states."""
    table = overlay(
        tmp_path,
        HEADER + "46,390,,2019-12-31,prefecture,P,\n46,390,2020-01-01,,province,P,\n",
    )
    assert table.class_of("460200", "460100", [], "390", date(2019, 12, 31)) == "in-province"
    assert table.class_of("460200", "460100", [], "390", date(2020, 1, 1)) == "local"


def test_a_rule_for_one_insurance_type_leaves_the_others_alone(tmp_path: Path) -> None:
    """A province may pool employees before residents."""
    table = overlay(tmp_path, HEADER + "36,310,,,province,P,\n")
    assert table.pool_of("360100", "310", DAY) == "360000"
    assert table.pool_of("360100", "390", DAY) == "360100"


def test_a_rule_for_one_region_comes_before_that_of_its_province(tmp_path: Path) -> None:
    """A county that pools by itself is one line of data."""
    table = overlay(tmp_path, HEADER + "430181,*,,,self,P,\n")
    assert table.pool_of("430181", "310", DAY) == "430181"
    assert table.pool_of("430111", "310", DAY) == "430100"


def test_the_divisions_of_the_corps_are_pools_when_the_site_says_so(tmp_path: Path) -> None:
    """The level of the corps is not confirmed, so a site may state it."""
    table = overlay(tmp_path, HEADER + "66,*,,,prefecture,P,\n")
    assert table.pool_of("659001", "310", DAY) == "660800"
    assert table.class_of("660800", "660100", [], "310", DAY) == "in-province"


def test_a_site_adds_a_region_that_is_a_pool(tmp_path: Path) -> None:
    """A file in the form of regions-hi-ext.csv adds development zones."""
    table = overlay(
        tmp_path,
        "code,name,level,parent,kind,evidence\n"
        "430188,试验区,special,430000,non-GB city-level unit,bureau\n",
    )
    assert table.pool_of("430188", "310", DAY) == "430188"
    assert table.remarks("430188", DAY) == []


def test_every_built_in_rule_carries_its_evidence(table: RegionTable) -> None:
    """The municipalities are seen in source, the four provinces are general knowledge."""
    chongqing, hainan = table.rule("500153", "310", DAY), table.rule("460100", "310", DAY)
    assert chongqing is not None
    assert hainan is not None
    assert (chongqing.level, chongqing.evidence) == (PoolLevel.PROVINCE, "S")
    assert (hainan.level, hainan.evidence) == (PoolLevel.PROVINCE, "B")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("4301,*,,,province,P,", "scope"),
        ("43,31,,,province,P,", "insutype"),
        ("43,*,,,city,P,", "level"),
        ("43,*,2026-2-1,,province,P,", "date"),
        ("43,*,2026-02-01,2026-01-01,province,P,", "before"),
        ("43,*,,,province,,", "evidence"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    """Every defect of a rule names the file, the line and what is wrong."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        overlay(tmp_path, f"{HEADER}{row}\n")
    assert caught.value.line == 2
    assert caught.value.file.endswith("site.csv")


def test_two_rules_for_the_same_day_are_refused(tmp_path: Path) -> None:
    """Otherwise the order of lines would decide whose money is spent."""
    with pytest.raises(ConfigurationError, match="line 2") as caught:
        overlay(tmp_path, HEADER + "43,*,,2026-01-01,province,P,\n43,*,2026-01-01,,self,P,\n")
    assert caught.value.line == 3
