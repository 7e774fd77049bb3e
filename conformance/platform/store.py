"""The platform's SQLite database.

One connection, used by one thread, transactions short. The statements are few and stand where
they are needed; this module opens the file, lays out the tables, numbers things and scopes
transactions.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.platform.tables import DATA, read_rows
from gateway.errors import ConfigurationError

Row = sqlite3.Row

_TABLES = (
    "confirmations",
    "lists",
    "filings",
    "staff",
    "documents",
    "files",
    "ledger",
    "settlements",
    "charges",
    "diagnoses",
    "visits",
    "sign_ins",
    "requests",
    "serials",
    "insurances",
    "persons",
)

_PERSON = (
    "psn_no",
    "psn_name",
    "psn_cert_type",
    "certno",
    "gend",
    "naty",
    "brdy",
    "card_no",
    "card_sn",
    "token",
)

LAYOUT = 4
"""Version of `schema.sql`."""


def _opened(path: str) -> sqlite3.Connection:
    if path:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path or ":memory:", isolation_level=None)
    database.row_factory = sqlite3.Row
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        database.close()
        raise
    return database


class Store:
    """Persons, visits, charges and settlements of every region of the process.

    `path` is a SQLite file, made when absent and then readable by the owner only; empty keeps
    everything in memory. `people` is the folder of `persons.csv`, `insurances.csv` and
    `staff.csv`, read into a new database and at each `reset`.

    Raises:
        ConfigurationError: the file cannot be opened, or another version laid it out.
    """

    def __init__(self, path: str = "", people: Path = DATA) -> None:
        self._people = people
        try:
            self._db = _opened(path)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot be opened: {error}", file=path) from error
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript((Path(__file__).parent / "schema.sql").read_text("utf-8"))
            self._db.execute(f"PRAGMA user_version = {LAYOUT}")
            self.reset()
        elif version != LAYOUT:
            self._db.close()
            raise ConfigurationError("laid out by another version; delete the file", file=path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: committed at the end, rolled back when an exception leaves."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def run(self, statement: str, *values: Any) -> int:
        """Execute a statement; the number of rows it changed."""
        return self._db.execute(statement, values).rowcount

    def one(self, statement: str, *values: Any) -> Row | None:
        """The first row of a query."""
        row = self._db.execute(statement, values).fetchone()
        assert row is None or isinstance(row, sqlite3.Row)
        return row

    def all(self, statement: str, *values: Any) -> list[Row]:
        """Every row of a query."""
        return self._db.execute(statement, values).fetchall()

    def insert(self, table: str, values: Mapping[str, Any]) -> None:
        """Insert a row.

        Raises:
            sqlite3.IntegrityError: its key is taken.
        """
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        # Table and column names are ours, never the sender's.
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - see above
        self._db.execute(statement, tuple(values.values()))

    def next_serial(self, name: str) -> int:
        """The next number of a series, from 1."""
        row = self.one(
            "INSERT INTO serials VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            name,
        )
        assert row is not None
        return int(row["value"])

    def reset(self) -> None:
        """Forget everything and read the persons again."""
        with self.transaction():
            for table in _TABLES:
                self.run(f"DELETE FROM {table}")  # noqa: S608 - a name of the list above
            for _, row in read_rows(self._people / "persons.csv"):
                self.insert("persons", {name: row[name] for name in _PERSON})
            for _, row in read_rows(self._people / "insurances.csv"):
                self.insert("insurances", row)
            for _, row in read_rows(self._people / "staff.csv"):
                self.insert("staff", row)
