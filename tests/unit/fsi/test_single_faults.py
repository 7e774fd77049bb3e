"""One fault in a valid input of each transaction gives one finding, at the right field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from gateway.errors import Problem, ProblemCode
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions, Field, Node
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import sample_input

EDITIONS = {
    "generic": (load_profile("generic"), Definitions.load()),
    "hunan": (load_profile("hunan"), Definitions.load("HN")),
}
CHECKERS = {name: Checker(own, profile) for name, (profile, own) in EDITIONS.items()}
TRANSACTIONS = [
    (name, infno) for name, (_, definitions) in EDITIONS.items() for infno in definitions.infnos()
]


class Spot(NamedTuple):
    """A node in an input: the object that holds it, its first row, and the path of that row."""

    holder: dict[str, Any]
    row: dict[str, Any]
    path: str

    def place(self, field: Field) -> str:
        """The path of a field in the row."""
        return f"{self.path}.{field.code}" if self.path else field.code


def _nodes(name: str, infno: str) -> tuple[Node, ...]:
    return EDITIONS[name][1].transaction(infno).input


def _fields(name: str, infno: str) -> Iterator[tuple[Node, Field]]:
    """Every field that is no node of its own, in every node that a sample has."""
    for node in _nodes(name, infno):
        for field in node.fields:
            if field.type != "json":
                yield node, field


def _sample(name: str, infno: str) -> dict[str, Any]:
    profile, definitions = EDITIONS[name]
    return sample_input(definitions, profile, infno, rows=2)


def _spot(name: str, infno: str, content: dict[str, Any], node: Node) -> Spot:
    holder, path = content, ""
    if node.parent is not None:
        parent = next(n for n in _nodes(name, infno) if n.name == node.parent)
        above = _spot(name, infno, content, parent)
        holder, path = above.row, above.path
    if node.name == "":
        return Spot(holder, holder, path)
    path = f"{path}.{node.name}".lstrip(".")
    if node.repeats:
        return Spot(holder, holder[node.name][0], f"{path}[0]")
    return Spot(holder, holder[node.name], path)


def _with(name: str, infno: str, node: Node, field: Field, value: Any) -> tuple[str, list[Problem]]:
    """The place of the field, and what is found when it has this value."""
    content = _sample(name, infno)
    spot = _spot(name, infno, content, node)
    spot.row[field.code] = value
    return spot.place(field), CHECKERS[name].check(infno, content)


def _own(problems: list[Problem]) -> list[tuple[str, ProblemCode]]:
    """Findings on single values, without those of rules that follow from them."""
    return [(problem.place, problem.code) for problem in problems if not problem.detail]


def test_every_transaction_is_tried() -> None:
    """All 205 tables: 204 transactions, one of which Hunan has in a form of its own."""
    assert len(TRANSACTIONS) == 2 * 204
    assert len(Definitions.load().variants("4101")) == 1


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_required_field_that_is_empty_is_named(name: str, infno: str) -> None:
    """Missing, null, no text, or blanks alone."""
    for node, field in _fields(name, infno):
        if not field.required or field.doubtful:
            continue
        for value in ("", None, " "):
            place, problems = _with(name, infno, node, field, value)
            assert _own(problems) == [(place, ProblemCode.FIELD_REQUIRED)], field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_value_of_a_wrong_kind_is_named(name: str, infno: str) -> None:
    """A list, and true, in place of any text, number or time."""
    for node, field in _fields(name, infno):
        for value in (["x"], True):
            place, problems = _with(name, infno, node, field, value)
            assert place in {problem.place for problem in problems}, field
            assert _own(problems) in ([(place, ProblemCode.FIELD_TYPE)], []), field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_text_that_is_too_long_is_named(name: str, infno: str) -> None:
    """One character more than the table allows."""
    for node, field in _fields(name, infno):
        if field.type != "string" or field.max_length is None or field.code == "feedetl_sn":
            continue
        place, problems = _with(name, infno, node, field, "龘" * (field.max_length + 1))
        assert _own(problems) == [(place, ProblemCode.FIELD_LENGTH)], field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_number_of_too_many_digits_is_named(name: str, infno: str) -> None:
    """One digit more before the point than the table allows."""
    for node, field in _fields(name, infno):
        if field.type != "number" or field.precision is None or field.code == "feedetl_sn":
            continue
        place, problems = _with(
            name, infno, node, field, 10 ** (field.precision - (field.scale or 0))
        )
        assert _own(problems) == [(place, ProblemCode.FIELD_LENGTH)], field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_code_that_no_dictionary_has_is_named(name: str, infno: str) -> None:
    """A question mark, where the profile does not leave the set open."""
    for node, field in _fields(name, infno):
        if not field.dictionary or field.dictionary in EDITIONS[name][0].open_dictionaries:
            continue
        if field.type == "string":
            place, problems = _with(name, infno, node, field, "?")
            assert _own(problems) == [(place, ProblemCode.FIELD_VALUE)], field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_time_that_does_not_exist_is_named(name: str, infno: str) -> None:
    """30 February, a month without dashes, and 25 o'clock."""
    wrong = {
        "date": ("2026-02-30", "20260301", "2026-03-01 09:05:07", "0000-01-01"),
        "datetime": ("2026-02-30 09:05:07", "2026-03-01", "2026-03-01 25:00:00"),
    }
    for node, field in _fields(name, infno):
        for value in wrong.get(field.type, ()):
            place, problems = _with(name, infno, node, field, value)
            assert _own(problems) == [(place, ProblemCode.FIELD_TYPE)], field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_leap_day_is_a_day(name: str, infno: str) -> None:
    """29 February of a leap year, and the last day of a long month, are no problem."""
    right = {
        "date": ("2028-02-29", "2026-12-31"),
        "datetime": ("2028-02-29 00:00:00", "2026-12-31 23:59:59"),
    }
    for node, field in _fields(name, infno):
        for value in right.get(field.type, ()):
            _, problems = _with(name, infno, node, field, value)
            assert _own(problems) == [], field


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_missing_node_is_named(name: str, infno: str) -> None:
    """A required node that is absent, null or without rows."""
    for node in _nodes(name, infno):
        if not node.required or node.name == "" or node.parent is not None:
            continue
        for empty in (None, [], ""):
            content = _sample(name, infno)
            content[node.name] = empty
            problems = CHECKERS[name].check(infno, content)
            assert _own(problems) == [(node.name, ProblemCode.NODE_COUNT)]


@pytest.mark.parametrize(("name", "infno"), TRANSACTIONS)
def test_a_row_too_many_is_named(name: str, infno: str) -> None:
    """Two rows of a node that has one, and a bare object where there are rows."""
    for node in _nodes(name, infno):
        if node.name == "":
            continue
        content = _sample(name, infno)
        spot = _spot(name, infno, content, node)
        spot.holder[node.name] = spot.row if node.repeats else [spot.row, spot.row]
        problems = CHECKERS[name].check(infno, content)
        place = spot.path.removesuffix("[0]")
        assert _own(problems) == [(place, ProblemCode.NODE_COUNT)]
