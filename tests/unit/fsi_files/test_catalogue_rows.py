"""The rows of a catalogue: merged by key and version, all of a file or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.fsi.definitions import Definitions
from gateway.fsi.files.archive import FileError
from gateway.fsi.files.catalogue import catalogue_infnos
from gateway.fsi.files.rows import CatalogueRows, Layout, Merged, rank
from gateway.fsi.files.textfile import Row

LAYOUT = Layout(columns=("code", "name", "record", "version"), least=4, keys=(0, 2), version=3)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[CatalogueRows]:
    """An empty store."""
    with CatalogueRows(tmp_path / "rows.db", LAYOUT) as opened:
        yield opened


def row(code: str, name: str, version: str, *extra: str, record: str = "r") -> Row:
    """A line of a file."""
    return Row(7, (code, name, record, version), extra)


def names(rows: CatalogueRows) -> list[str]:
    """What counts now."""
    return [kept.columns[1] for kept in rows.current()]


def test_the_largest_version_of_a_key_counts(rows: CatalogueRows) -> None:
    """Whatever came first; v10 is after v9."""
    assert rows.merge([row("A", "ten", "v10"), row("A", "nine", "v9")]) == Merged(2, 2)
    assert (names(rows), rows.count(), rows.largest()) == (["ten"], 1, "v10")


def test_merging_a_file_again_changes_nothing(rows: CatalogueRows) -> None:
    """No row of it is fresh."""
    file = [row("A", "a", "v1"), row("B", "b", "v1")]
    assert rows.merge(file) == Merged(2, 2)
    assert rows.merge(file) == Merged(2, 0)
    assert names(rows) == ["a", "b"]


def test_the_same_version_brings_a_corrected_row(rows: CatalogueRows) -> None:
    """The later file is right."""
    rows.merge([row("A", "wrong", "v1")])
    assert rows.merge([row("A", "right", "v1")]) == Merged(1, 0)
    assert names(rows) == ["right"]


def test_rows_of_one_code_are_told_apart_by_their_record(rows: CatalogueRows) -> None:
    """Two registrations of one device."""
    rows.merge([row("A", "one", "v1", record="1"), row("A", "two", "v1", record="2")])
    assert (names(rows), rows.count()) == (["one", "two"], 2)


def test_a_row_without_a_code_merges_nothing_of_its_file(rows: CatalogueRows) -> None:
    """All or none; the line is named."""
    with pytest.raises(FileError, match="line 7: no code"):
        rows.merge([row("A", "a", "v1"), row("", "b", "v1")])
    assert (rows.count(), rows.largest()) == (0, "")


def test_extra_columns_stay_with_their_row(rows: CatalogueRows) -> None:
    """They can be found."""
    rows.merge([row("A", "a", "v1", "new", ""), row("B", "b", "v1")])
    (found,) = rows.find("new")
    assert found.columns == ("A", "a", "r", "v1", "new", "")
    assert [kept.key for kept in rows.current(limit=1)] == ["A\tr"]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """It is not overwritten."""
    path = tmp_path / "rows.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(FileError, match=r"rows\.db cannot be read"):
        CatalogueRows(path, LAYOUT)
    assert path.read_bytes() == b"no database" * 100


@pytest.mark.parametrize(
    "ordered",
    [
        ["v0000", "v0001", "v0010"],
        ["v9", "v10", "v010a"],
        ["", "v1"],
        ["X001_20210801000_A", "X001_20210901000_A", "X002_20200101000_A"],
    ],
)
def test_versions_order_by_their_numbers(ordered: list[str]) -> None:
    """Digits count by their value, with or without zeros in front."""
    ranks = [rank(version) for version in ordered]
    assert ranks == sorted(set(ranks))


def test_every_catalogue_has_a_key_and_a_version_in_its_oldest_form() -> None:
    """All 22 downloads: 1301 to 1327 without the five lists by pages, and 1306A."""
    definitions = Definitions.load()
    infnos = catalogue_infnos(definitions)
    assert len(infnos) == 22
    for infno in infnos:
        layout = Layout.of(definitions.transaction(infno))
        assert layout.version < layout.least <= len(layout.columns)
        assert all(at < layout.least for at in layout.keys)


def test_what_downloads_no_catalogue_has_no_layout() -> None:
    """1101, for instance."""
    with pytest.raises(ConfigurationError, match="1101 downloads no catalogue"):
        Layout.of(Definitions.load().transaction("1101"))
