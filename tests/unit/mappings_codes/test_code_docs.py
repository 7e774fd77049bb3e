from pathlib import Path

import pytest

from mappings.codes import tables
from mappings.codes.kinds import KINDS, SYSTEMS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def page() -> str:
    """The page on code tables."""
    return (ROOT / "docs" / "reference" / "codes.md").read_text("utf-8")


def test_every_column_kind_and_relation_is_documented(page: str) -> None:
    """A column that a table may have stands on the page."""
    names = {
        *tables.LIST_COLUMNS,
        *tables.LIST_OPTIONAL,
        *tables.CROSSWALK_COLUMNS,
        *tables.CROSSWALK_OPTIONAL,
        *tables.ALIAS_COLUMNS,
        *tables.ALIAS_OPTIONAL,
        *tables.MAPPING_COLUMNS,
        *tables.MAPPING_OPTIONAL,
        *tables.RELATIONS,
        *KINDS,
    }
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_every_code_system_is_documented(page: str) -> None:
    """With its form and the transaction that distributes its list."""
    assert {name for name in SYSTEMS if f"| `{name}` |" not in page} == set()
