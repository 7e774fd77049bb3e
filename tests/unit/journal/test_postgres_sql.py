"""The SQL files of PostgreSQL: every query is named, described and used."""

from __future__ import annotations

from pathlib import Path

import pytest

import gateway.journal
from gateway.journal.archive import TABLES
from gateway.journal.migrations import load_migrations
from gateway.journal.queries import load_queries

FOLDER = Path(gateway.journal.__file__).parent


@pytest.mark.parametrize("name", load_queries("postgres"))
def test_every_query_is_used(name: str) -> None:
    """A query that no code names is dead."""
    code = "".join(file.read_text("utf-8") for file in (FOLDER / "postgres").glob("*.py"))
    verb, _, table = name.partition("_")
    if verb in ("export", "archive", "import"):  # named after the kind of row
        assert table in TABLES.values()
        return
    assert f'"{name}"' in code


def test_migration_files_are_numbered_from_one() -> None:
    """The first is the first schema."""
    migrations = load_migrations("postgres")
    assert [(one.number, one.name) for one in migrations] == [
        (1, "first_schema"),
        (2, "books"),
        (3, "keys_with_peers"),
        (4, "finished_exchanges"),
        (5, "reversals"),
        (6, "lease_lengths"),
    ]


def test_both_stores_allow_the_same_states() -> None:
    """The lists of states in the two schemas are the same text."""
    lists = []
    for folder in ((), ("postgres",)):
        text = " ".join(load_migrations(*folder)[0].text.split())
        lists.append([part.partition("))")[0] for part in text.split("CHECK (st")[1:]])
    assert lists[0] == lists[1]
    assert len(lists[0]) == 2
