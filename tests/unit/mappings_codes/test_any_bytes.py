from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from mappings.codes import CodeBook, Unmapped
from mappings.codes.kinds import KINDS
from mappings.codes.tables import parse
from mappings.regions import RegionError, RegionTable

HEADER = (
    "kind,local_code,local_name,national_code,national_name,"
    "valid_from,valid_to,source,reviewer,reviewed_on\n"
)
CELLS = st.one_of(
    st.sampled_from(
        ["", "item", "diagnosis", "001204000060000", "2026-01-01", "1E+5", '"', "J06.900", "\r"]
    ),
    st.text(max_size=8),
)


@pytest.fixture(scope="module")
def book() -> CodeBook:
    """The built-in lists."""
    return CodeBook.load([], "default")


@pytest.fixture(scope="module")
def table() -> RegionTable:
    """The built-in regions."""
    return RegionTable.load()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("tables") / "any.csv"


def error_of(path: Path) -> ConfigurationError | None:
    """What the reader says about the file."""
    try:
        parse(path, [])
    except ConfigurationError as error:
        return error
    return None


@given(raw=st.binary(max_size=300), headed=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_table_or_our_one_error(path: Path, raw: bytes, *, headed: bool) -> None:
    """Nothing but ConfigurationError leaves the reader."""
    path.write_bytes(HEADER.encode() + raw if headed else raw)
    found = error_of(path)
    assert found is None or found.file == str(path)


@given(rows=st.lists(st.lists(CELLS, min_size=9, max_size=11), max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_rows_are_a_table_or_our_one_error_with_a_line(
    path: Path, rows: list[list[str]]
) -> None:
    """An error of a row names its line, and no row stands before line 2."""
    text = HEADER + "\n".join(",".join(cells) for cells in rows)
    path.write_text(text, "utf-8", newline="", errors="surrogatepass")
    found = error_of(path)
    assert found is None or found.line >= 2 or "nor GB18030" in found.reason


@given(
    kind=st.sampled_from(sorted(KINDS)),
    code=st.text(max_size=30),
    name=st.text(max_size=10),
    system=st.sampled_from(["", "医保", "医保2.0", "国临2.0", "?", "http://x/"]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_code_is_translated_or_unmapped(
    book: CodeBook, kind: str, code: str, name: str, system: str
) -> None:
    """A refusal always has a reason in both languages."""
    on, reasons = date(2026, 11, 22), ("", "")
    try:
        found = book.translate(kind, code, on=on, name=name, system=system).code
    except Unmapped as error:
        found, reasons = "", (error.reason_zh, error.reason_en)
    assert found or all(reasons)


@given(code=st.one_of(st.text(max_size=8), st.from_regex(r"[0-9]{6}", fullmatch=True)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_region_with_a_pool_or_an_error(table: RegionTable, code: str) -> None:
    """A pool is always six digits, and pooling it again changes nothing."""
    on, reasons = date(2026, 11, 22), ("", "")
    try:
        pool = table.pool_of(code, "310", on)
    except RegionError as error:
        pool, reasons = "", (error.zh, error.en)
    assert all(reasons) if not pool else table.pool_of(pool, "310", on) == pool
    assert len(pool) in {0, 6}
