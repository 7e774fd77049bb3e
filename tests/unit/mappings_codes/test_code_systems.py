import csv
import doctest
import importlib
import pkgutil
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

import mappings.codes
from mappings.codes import (
    chronic,
    consumable,
    department,
    disease,
    herbal,
    institution,
    patent_drug,
    physician,
    preparation,
    region,
    service_item,
    surgery,
    tcm,
    western_drug,
)

SYSTEMS = [
    chronic,
    consumable,
    department,
    disease,
    herbal,
    institution,
    patent_drug,
    physician,
    preparation,
    region,
    service_item,
    surgery,
    tcm,
    western_drug,
]
DATA = Path(mappings.codes.__file__).with_name("data")
MODULES = [
    f"mappings.codes.{module.name}" for module in pkgutil.iter_modules(mappings.codes.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_hold(name: str) -> None:
    """Every example of a module gives what it says."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.__name__.split(".")[-1])
def test_every_code_system_has_the_four_verbs_and_an_example(system: ModuleType) -> None:
    """compact, validate, is_valid and format, as in python-stdnum."""
    for verb in ("compact", "validate", "is_valid", "format"):
        assert callable(getattr(system, verb))
    assert ">>> " in (system.__doc__ or "")
    for wrong in ("", " ", "?", "1" * 60, "中文", "\0"):
        assert not system.is_valid(wrong)


@pytest.mark.parametrize(
    ("system", "codes"),
    [
        (disease, "A00.000 A00.000x001 I10.x00 A35.x00x001 A01.001+K77.0* A38.x00x002+I41.0*"),
        (surgery, "00.0100 00.0200x001 40.0x00 40.0x00x001 17.91100 17.912A0 86.700x0013"),
        (
            service_item,
            (
                "001101000010000 002501010150200 003308040570001 332103000040200"
                " 001102000000100-110200002.10 001102000010000-110200006-a"
            ),
        ),
        (
            western_drug,
            (
                "XA01ABD075A002010100594 XJ01CAA040A001010405611 XS02AAY040Q010010100830"
                " XN01BBA064B002010178765"
            ),
        ),
        (herbal, "T001700368"),
        (consumable, "C01010100101001 C0101010010100104937"),
        (institution, "H43072600035 H44030900226 H50010302473 H45019900055"),
        (chronic, "M03900 M01600 M07803 M90400"),
        (tcm, "BNF010 BNG110 ZBF000"),
        (department, "A03.01"),
        (region, "430199 439900 660800 100000"),
    ],
)
def test_codes_of_public_sources_are_valid(system: ModuleType, codes: str) -> None:
    """The examples that the reference on code standards quotes (100000 is no insured place)."""
    valid = [code for code in codes.split() if system.is_valid(code)]
    assert valid == [code for code in codes.split() if code != "100000"]


@pytest.mark.parametrize(
    "code",
    ["XJ01CAA04501010113", "XA10BA02A001010100001", "XA02AXX095A0", "ZA12AAB0505", "T00010"],
)
def test_invented_codes_and_prefixes_are_no_items(code: str) -> None:
    """A shape check alone rejects the codes of demonstration programmes and price rule tables."""
    systems = (western_drug, patent_drug, herbal, service_item, consumable)
    assert not any(system.is_valid(code) for system in systems)


def test_no_code_has_the_form_of_two_item_systems() -> None:
    """The first letter decides, so a list can be told from a code."""
    systems = (western_drug, patent_drug, herbal, preparation, service_item, consumable)
    for name in ("western_drug", "service_item", "consumable"):
        for code in _codes(DATA / f"{name}.csv"):
            assert [s.__name__.split(".")[-1] for s in systems if s.is_valid(code)] == [name]


def test_every_data_file_names_its_source_and_date_first() -> None:
    """A table without provenance is not shipped."""
    files = sorted(DATA.rglob("*.csv"))
    assert files
    for path in files:
        lines = path.read_text("utf-8").splitlines()
        assert lines[0].startswith("# source: "), path
        assert lines[1].startswith("# date: "), path


def test_list_files_are_in_order_of_code() -> None:
    """A change of a sorted list reads well in a comparison."""
    for name in ("disease", "surgery"):
        assert all(a < b for a, b in pairwise(_codes(DATA / f"{name}.csv")))


def _codes(path: Path) -> list[str]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [row["code"] for row in csv.DictReader(lines)]
