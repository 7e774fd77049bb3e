"""Which test shows which conformance statement of sections A to H (statements.csv beside).

A statement is shown by the test that the table names and whose docstring names the statement.
"""

from __future__ import annotations

import ast
import csv
import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROWS = list(
    csv.DictReader((Path(__file__).parent / "statements.csv").read_text("utf-8").splitlines())
)
SECTIONS = {"M": 22, "E": 23, "H": 11, "V": 19, "A": 34, "R": 23, "B": 10, "F": 35}
"""Statements of each section: MLLP, encoding, charsets, header, acknowledgement, ERR, batch, FSI."""

_NAMED = re.compile(r"\b([A-Z])-(\d{3})\b(?: to [A-Z]-(\d{3})\b)?")


@lru_cache
def _docstrings(file: str) -> dict[str, str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _statements(text: str) -> set[str]:
    """The statements a docstring names; `R-011 to R-016` names all between."""
    found = set()
    for section, first, last in _NAMED.findall(text):
        found |= {f"{section}-{n:03}" for n in range(int(first), int(last or first) + 1)}
    return found


def test_every_statement_has_a_row() -> None:
    """No statement of the sections is missing or stands twice."""
    expected = [f"{name}-{n:03}" for name, most in SECTIONS.items() for n in range(1, most + 1)]
    assert sorted(row["id"] for row in ROWS) == sorted(expected)
    assert all(first["id"] != second["id"] for first, second in pairwise(ROWS))
    assert {row["level"] for row in ROWS} == {"S", "C", "P"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_statement_is_shown_or_has_a_reason(row: dict[str, str]) -> None:
    """The test exists and says which statement it shows; without a test there is a reason."""
    if not row["test"]:
        assert len(row["why_not"]) > 10
        return
    assert not row["why_not"]
    assert row["id"] in _statements(_docstrings(row["file"]).get(row["test"], ""))


def test_every_statement_is_shown() -> None:
    """None is left to a reason."""
    assert [row["id"] for row in ROWS if not row["test"]] == []
