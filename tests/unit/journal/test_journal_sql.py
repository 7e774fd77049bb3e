"""The SQL files: every query is named, described, used and fits the schema."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway.journal
from gateway.errors import ConfigurationError
from gateway.journal.archive import TABLES
from gateway.journal.migrations import Migration, load_migrations, migrate
from gateway.journal.queries import Query, load_queries, parse_queries

QUERIES = load_queries()
FIRST = Migration(1, "first", "CREATE TABLE one (a INTEGER);")
SECOND = Migration(2, "second", "CREATE TABLE two (a INTEGER);")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty database."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def tables(db: sqlite3.Connection) -> set[str]:
    """The tables of a database."""
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def applied(db: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """The migrations written down: number, name, time."""
    return list(db.execute("SELECT number, name, applied_at FROM migrations"))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_query_fits_the_schema(db: sqlite3.Connection, query: Query) -> None:
    """SQLite compiles it against the schema that the migrations make."""
    migrate(db, load_migrations(), "", "")
    names = re.findall(r":([a-z_]+)", query.text)
    values = dict.fromkeys(names) if names else [None] * query.text.count("?")
    assert db.execute(f"EXPLAIN {query.text}", values).fetchall()


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_is_used(name: str) -> None:
    """A query that no code names is dead."""
    folder = Path(gateway.journal.__file__).parent
    code = "".join(file.read_text("utf-8") for file in folder.glob("*.py"))
    verb, _, table = name.partition("_")
    if verb in ("export", "archive", "import"):  # named after the kind of row
        assert table in TABLES.values()
        return
    assert f'"{name}"' in code


CRITERIA = (
    "sends_",
    "exchanges_of",
    "visits_in",
    "find_",
    "audit_trail",
    "resources",
    "exchange_by",
    "book",
)


@pytest.mark.parametrize("name", [name for name in QUERIES if name.startswith(CRITERIA)])
def test_a_query_by_a_criterion_reads_an_index_and_not_a_table(
    db: sqlite3.Connection, name: str
) -> None:
    """The time of a look-up does not grow with what the journal ever stored."""
    migrate(db, load_migrations(), "", "")
    names = re.findall(r":([a-z_]+)", QUERIES[name].text)
    plan = db.execute(f"EXPLAIN QUERY PLAN {QUERIES[name].text}", dict.fromkeys(names)).fetchall()
    # Only the list of wanted tokens (w) is read from end to end.
    assert [step[3] for step in plan if re.match(r"SCAN (?!w )", step[3])] == []


def test_a_query_is_read_with_its_name_and_description() -> None:
    """What stands before the first name describes the file."""
    text = "-- The file.\n\n-- name: one\n-- Counts\n-- things.\nSELECT 1;\n\n-- name: two\n-- Two.\nSELECT\n  2;\n"
    assert parse_queries(text, "x.sql") == [
        Query("one", "Counts things.", "SELECT 1"),
        Query("two", "Two.", "SELECT\n  2"),
    ]


@pytest.mark.parametrize("text", ["-- name: one\nSELECT 1;", "-- name: one\n-- Nothing.\n"])
def test_a_query_without_description_or_statement_is_refused(text: str) -> None:
    """The error names the query and the file."""
    with pytest.raises(ConfigurationError, match=r"x\.sql: query one lacks"):
        parse_queries(text, "x.sql")


def test_migrations_are_applied_in_order_and_once(db: sqlite3.Connection) -> None:
    """A second run changes nothing; a later one is added."""
    migrate(db, [FIRST], "monday", "")
    migrate(db, [FIRST], "tuesday", "")
    migrate(db, [FIRST, SECOND], "wednesday", "")
    assert applied(db) == [(1, "first", "monday"), (2, "second", "wednesday")]
    assert tables(db) == {"migrations", "one", "two"}


def test_a_failing_migration_leaves_the_store_as_it_was(db: sqlite3.Connection) -> None:
    """Its first statement is undone, the migrations before it stand."""
    broken = Migration(2, "broken", "CREATE TABLE two (a INTEGER); CREATE TABLE one (a INTEGER);")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(db, [FIRST, broken], "", "")
    assert tables(db) == {"migrations", "one"}
    assert applied(db) == [(1, "first", "")]
    assert not db.in_transaction


def test_older_code_is_refused_on_a_newer_schema(db: sqlite3.Connection) -> None:
    """It could not keep the promises that the newer schema makes."""
    migrate(db, [FIRST, SECOND], "", "")
    with pytest.raises(ConfigurationError, match="has schema 2, this version knows 1") as refused:
        migrate(db, [FIRST], "", "journal.db")
    assert refused.value.file == "journal.db"


def test_a_migration_that_was_applied_with_another_text_is_refused(db: sqlite3.Connection) -> None:
    """The schema is then not the one that this code was written for."""
    migrate(db, [FIRST], "", "")
    with pytest.raises(ConfigurationError, match="0001_first was applied with another text"):
        migrate(db, [FIRST._replace(text="CREATE TABLE one (b TEXT);")], "", "")


def test_migration_files_are_numbered_from_one() -> None:
    """The first is the first schema."""
    migrations = load_migrations()
    assert [(migration.number, migration.name) for migration in migrations] == [
        (1, "first_schema"),
        (2, "books"),
        (3, "keys_with_peers"),
        (4, "finished_exchanges"),
        (5, "reversals"),
    ]


def test_older_keys_of_hl7_messages_get_their_peer(db: sqlite3.Connection) -> None:
    """A row of the first schema is found by the key that its message has now; others stay."""
    first, *rest = load_migrations()
    migrate(db, [first], "", "")
    for protocol, sender in (("hl7v2", "HIS|MAIN"), ("fsi", "H43010000001")):
        db.execute(
            "INSERT INTO exchanges (exchange_id, protocol, sender, control_id, peer, kind, "
            "fingerprint, owner, stage, status, received_at, answered_at) "
            "VALUES (?, ?, ?, 'C1', 'his', '', '', '', 'final', 'done', '', '')",
            (protocol, protocol, sender),
        )
    migrate(db, [first, *rest], "", "")
    found = db.execute("SELECT protocol, sender FROM exchanges ORDER BY seq").fetchall()
    assert [tuple(row) for row in found] == [("hl7v2", "his|HIS|MAIN"), ("fsi", "H43010000001")]
