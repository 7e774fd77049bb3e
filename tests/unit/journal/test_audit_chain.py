"""The hash chain without a database: whatever is done to the rows shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.chain import GENESIS, Link, link_hash, sm3_hex, verify

ROWS = 8
COLUMNS = st.sampled_from(["time", "exchange_id", "station", "detail", "previous", "hash"])
NUMBERS = st.integers(min_value=1, max_value=ROWS)


def chain(length: int) -> list[Link]:
    """A chain of so many rows as the journal writes it."""
    rows: list[Link] = []
    previous = GENESIS
    for seq in range(1, length + 1):
        row = Link(seq, f"time {seq}", "e", "send", "{}", previous, "")
        previous = link_hash(row)
        rows.append(row._replace(hash=previous))
    return rows


WRITTEN = chain(ROWS)
HEAD = WRITTEN[-1].hash


def check(rows: list[Link]) -> bool:
    """What the check says of these rows."""
    return verify(sorted(rows), ROWS, HEAD).intact


def test_sm3_is_the_function_of_the_standard() -> None:
    """GB/T 32905-2016, annex A.1: the digest of "abc"."""
    assert sm3_hex(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_rows_as_they_were_written_are_intact() -> None:
    """The report has their number and the last hash."""
    report = verify(WRITTEN, ROWS, HEAD)
    assert (report.rows, report.head, report.broken) == (ROWS, HEAD, [])


def test_fields_do_not_run_into_one_another() -> None:
    """The end of one field moved to the beginning of the next is another row."""
    one = Link(1, "t", "ab", "c", "{}", GENESIS, "")
    two = Link(1, "t", "a", "bc", "{}", GENESIS, "")
    assert link_hash(one) != link_hash(two)


@given(number=NUMBERS, column=COLUMNS, text=st.text())
def test_any_change_of_any_column_shows(number: int, column: str, text: str) -> None:
    """Row by row, column by column, whatever is put there."""
    rows = list(WRITTEN)
    changed = rows[number - 1]._replace(**{column: text})
    rows[number - 1] = changed
    assert check(rows) is (changed == WRITTEN[number - 1])


@given(removed=st.sets(NUMBERS, min_size=1))
def test_any_removal_shows(removed: set[int]) -> None:
    """Of one row, of several, of all."""
    assert not check([row for row in WRITTEN if row.seq not in removed])


@given(order=st.permutations(range(1, ROWS + 1)))
def test_any_other_order_shows(order: list[int]) -> None:
    """And every row that stands elsewhere is named, and no other."""
    rows = sorted(row._replace(seq=seq) for row, seq in zip(WRITTEN, order, strict=True))
    report = verify(rows, ROWS, HEAD)
    moved = [seq for seq in range(1, ROWS + 1) if order[seq - 1] != seq]
    assert sorted(one.seq for one in report.broken) == sorted(order[seq - 1] for seq in moved)
    assert {one.kind.value for one in report.broken} <= {"reordered"}


@given(number=st.integers(min_value=-2, max_value=ROWS + 3), of=NUMBERS)
def test_any_row_put_between_shows(number: int, of: int) -> None:
    """The rows behind it make room; the new one is a copy of a genuine row."""
    rows = [row._replace(seq=row.seq + (row.seq >= number)) for row in WRITTEN]
    assert not check([*rows, WRITTEN[of - 1]._replace(seq=number)])


@given(
    edits=st.lists(
        st.tuples(st.integers(0, ROWS - 1), st.integers(-1, ROWS + 2), st.booleans()), min_size=1
    )
)
def test_any_mixture_of_edits_shows(edits: list[tuple[int, int, bool]]) -> None:
    """Rows moved over one another and removed, in any combination that leaves a difference."""
    rows = {row.seq: row for row in WRITTEN}
    for source, target, remove in edits:
        row = WRITTEN[source]
        if remove:
            rows.pop(row.seq, None)
        rows[target] = row._replace(seq=target)
    assert check(list(rows.values())) is (sorted(rows.values()) == WRITTEN)
