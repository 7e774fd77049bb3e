"""Numbered changes of the schema, from `migrations/0001_*.sql` on, for each store its own.

A migration is applied once, in one database transaction, and written down with the checksum of
its text. A journal that was written by newer code is refused, and so is one whose applied
migrations are not the ones that this code has.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

from gateway.errors import ConfigurationError
from gateway.journal.queries import SQL


class Migration(NamedTuple):
    """One numbered change."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 hex digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_migrations(*folder: str) -> list[Migration]:
    """The migrations of this code in `sql`, or in a folder of it, in order.

    Raises:
        ConfigurationError: the numbers are not 1, 2, 3 ...
    """
    migrations = []
    for file in resources.files(__package__).joinpath("sql", *folder, "migrations").iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        migrations.append(Migration(int(number), name, file.read_text("utf-8")))
    migrations.sort()
    if [migration.number for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise ConfigurationError("the migrations of the journal are not numbered 1, 2, 3 ...")
    return migrations


def check(connection: sqlite3.Connection, migrations: Sequence[Migration], file: str) -> int:
    """How many of the migrations the store has.

    Raises:
        ConfigurationError: the store is newer than this code, or was made by other migrations.
    """
    return check_applied(connection.execute(SQL["migrations"]).fetchall(), migrations, file)


def check_applied(
    applied: Sequence[Sequence[Any]], migrations: Sequence[Migration], file: str
) -> int:
    """How many of the migrations were applied; `applied` are rows of number, name, checksum.

    Raises:
        ConfigurationError: as for `check`.
    """
    for number, name, checksum in applied:
        if number > len(migrations):
            raise ConfigurationError(
                f"the journal has schema {applied[-1][0]}, this version knows {len(migrations)}: "
                "run the version that wrote it, or a newer one",
                file=file,
            )
        if checksum != migrations[number - 1].checksum:
            raise ConfigurationError(
                f"migration {number:04d}_{name} was applied with another text", file=file
            )
    return len(applied)


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Migration], now: str, file: str
) -> None:
    """Bring the schema up to the last of `migrations`.

    The connection must be in autocommit mode.

    Raises:
        ConfigurationError: as for `check`.
        sqlite3.Error: a migration failed; the store is as before it.
    """
    connection.execute(SQL["create_migrations"])
    for migration in migrations[check(connection, migrations, file) :]:
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{migration.text}")
            connection.execute(
                SQL["insert_migration"],
                {
                    "number": migration.number,
                    "name": migration.name,
                    "checksum": migration.checksum,
                    "now": now,
                },
            )
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
