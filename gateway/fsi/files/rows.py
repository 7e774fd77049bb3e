"""The rows of a catalogue, merged from every file that was fetched.

A row is kept under its key and its version; what counts for a key is the row of its largest
version. A file brings whole rows: an equal key and version replaces, a new version is added, so
that merging a file twice changes nothing and what was valid before stays readable.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from gateway.errors import ConfigurationError
from gateway.fsi.definitions import Transaction
from gateway.fsi.files.archive import FileError
from gateway.fsi.files.textfile import Row

VERSION_COLUMN = "版本号"
RECORD_COLUMNS = ("唯一记录号", "数据唯一记录号")
"""The national record number, which tells rows of one code apart (registrations of one device)."""

_LAYOUT = """
CREATE TABLE IF NOT EXISTS rows (
    key TEXT NOT NULL, rank TEXT NOT NULL, version TEXT NOT NULL, columns TEXT NOT NULL,
    PRIMARY KEY (key, rank)
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS current AS SELECT key, rank, version, columns FROM rows AS r
WHERE rank = (SELECT max(rank) FROM rows WHERE key = r.key);
"""
_DIGITS = re.compile(r"\d+", re.ASCII)


class Layout(NamedTuple):
    """The columns of a catalogue's file, and which of them identify a row.

    `least` is how many columns the oldest known version has.
    """

    columns: tuple[str, ...]
    least: int
    keys: tuple[int, ...]
    version: int

    @classmethod
    def of(cls, transaction: Transaction) -> Layout:
        """The layout of a catalogue download.

        Raises:
            ConfigurationError: the transaction has no file, or its file no version.
        """
        columns = tuple(transaction.file_layout.get("columns", ()))
        if VERSION_COLUMN not in columns:
            raise ConfigurationError(f"{transaction.infno} downloads no catalogue")
        record = [columns.index(name) for name in RECORD_COLUMNS if name in columns]
        return cls(
            columns=columns,
            least=transaction.file_layout.get("columns_v1_0") or len(columns),
            keys=(0, *record[:1]),
            version=columns.index(VERSION_COLUMN),
        )

    def key(self, row: Row) -> str:
        """What identifies the row.

        Raises:
            FileError: its first column is empty.
        """
        if not row.values[0]:
            raise FileError(f"no {self.columns[0]}", line=row.line)
        return "\t".join(row.values[at] for at in self.keys)


def rank(version: str) -> str:
    """A text whose order is that of versions: digits count by their value.

    >>> sorted(["v10", "v9", "v0000"], key=rank)
    ['v0000', 'v9', 'v10']
    """
    return _DIGITS.sub(lambda found: found[0].lstrip("0").rjust(20, "0"), version)


class Kept(NamedTuple):
    """A row that is held."""

    key: str
    version: str
    columns: tuple[str, ...]


class Merged(NamedTuple):
    """What a file brought: rows in it, and how many of them were not held before."""

    rows: int
    fresh: int


class CatalogueRows:
    """The rows of one catalogue of one institution, in a SQLite file beside its downloads."""

    def __init__(self, path: Path, layout: Layout) -> None:
        """Open the file, made when absent.

        Raises:
            FileError: it is no file of rows.
        """
        self._layout = layout
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_LAYOUT)
        except sqlite3.Error as error:
            self._db.close()
            raise FileError(f"{path.name} cannot be read: {type(error).__name__}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def merge(self, rows: Iterable[Row]) -> Merged:
        """Take the rows of a file in, all or none.

        Raises:
            FileError: a row has no key; names the line.
        """
        count = 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            held = self._size()
            for row in rows:
                count += 1
                version = row.values[self._layout.version]
                columns = msgspec.json.encode((*row.values, *row.extra)).decode()
                self._db.execute(
                    "INSERT INTO rows VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET columns = excluded.columns",
                    (self._layout.key(row), rank(version), version, columns),
                )
            fresh = self._size() - held
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return Merged(count, fresh)

    def _size(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM rows").fetchone()[0])

    def count(self) -> int:
        """How many keys there are."""
        return int(self._db.execute("SELECT count(DISTINCT key) FROM rows").fetchone()[0])

    def largest(self) -> str:
        """The largest version held, empty when nothing is."""
        found = self._db.execute("SELECT version FROM rows ORDER BY rank DESC LIMIT 1").fetchone()
        return str(found[0]) if found else ""

    def current(self, limit: int = -1) -> Iterator[Kept]:
        """The row that counts for each key, by key."""
        found = self._db.execute(
            "SELECT key, version, columns FROM current ORDER BY key LIMIT ?", (limit,)
        )
        return map(_kept, found)

    def find(self, text: str) -> Iterator[Kept]:
        """The rows that count and have this text in a column, the newest first."""
        found = self._db.execute(
            "SELECT key, version, columns FROM current WHERE EXISTS "
            "(SELECT 1 FROM json_each(columns) WHERE value = ?) ORDER BY rank DESC, key",
            (text,),
        )
        return map(_kept, found)


def _kept(row: tuple[str, str, str]) -> Kept:
    key, version, columns = row
    return Kept(key, version, msgspec.json.decode(columns, type=tuple[str, ...]))
