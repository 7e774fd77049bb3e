"""The file: who may have it, how it is opened, what is checked before it is trusted.

One process at a time writes a journal. It holds a lock (flock) on `<file>.lock` as long as it
has the journal open, so a second one is refused before it touches the file; the lock goes with
the process, however that ends. Readers of another process (`gateway audit verify`) need no lock.
The file, its lock and its write-ahead log are readable by their owner alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError, JournalError
from gateway.journal.chain import sm3_hex
from gateway.journal.migrations import Migration, check, migrate
from gateway.journal.queries import SQL

APPLICATION_ID: Final = 0x46534947
"""`FSIG`, in the header of the file: says that the database is a journal of this product."""

MIN_SQLITE: Final = (3, 38, 0)
"""STRICT tables (3.37) and the ->> operator (3.38)."""

BUSY_SECONDS: Final = 5.0
"""How long a statement waits for another program, such as a backup, that locks the file."""

QUICK_CHECK_BYTES: Final = 64 * 1024 * 1024
"""A file up to this size is checked whole at start; of a larger one only what is read."""

LOG_BYTES: Final = 64 * 1024 * 1024
"""A write-ahead log that grew larger behind a long read is cut back to this size."""

_MAGIC = b"SQLite format 3\x00"


class Lock:
    """The right of this process to write the journal, held until `release`.

    Makes the folder of the journal where there is none.

    Raises:
        ConfigurationError: nothing can be written there.
        JournalError: another process has the journal open.
    """

    def __init__(self, path: Path) -> None:
        name = path.with_name(path.name + ".lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise JournalError(
                f"{path}: process {holder or 'unknown'} has the journal open; "
                "a journal serves one gateway"
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Let another process have the journal. The file stays: removing it would race."""
        os.close(self._file)


def prepare(path: Path, migrations: Sequence[Migration], now: str) -> sqlite3.Connection:
    """Create or open the journal, bring its schema up to date, and give the writing connection.

    The caller holds the lock.

    Raises:
        ConfigurationError: the file is no journal, or is newer than this code.
        JournalError: the file is damaged, locked or cannot be written.
    """
    _check_libraries()
    _create(path)
    with _explained(path), contextlib.ExitStack() as undo:
        connection = _open(path, read_only=False)
        undo.callback(connection.close)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise ConfigurationError("its file system has no write-ahead log", file=str(path))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection, migrations, now, str(path))
        undo.pop_all()
        return connection


def inspect(path: Path, migrations: Sequence[Migration]) -> None:
    """Check that a journal of this very schema is there, for reading beside its owner.

    Raises:
        ConfigurationError: there is none, or its schema is another one.
        JournalError: the file is damaged or locked.
    """
    _check_libraries()
    if not path.is_file():
        raise ConfigurationError("there is no journal here", file=str(path))
    with _explained(path), contextlib.closing(_open(path, read_only=True)) as connection:
        if check(connection, migrations, str(path)) < len(migrations):
            reason = "the journal has an older schema: start the gateway once"
            raise ConfigurationError(reason, file=str(path))


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; it may be handed from one thread to another."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.row_factory = sqlite3.Row
    try:
        # A reader does not open the file itself read-only: that would keep it from making the
        # shared memory that the log needs.
        connection.execute(f"PRAGMA query_only = {int(read_only)}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection to a file that is a journal, or is new."""
    new = path.stat().st_size == 0
    with path.open("rb") as file:
        if not new and file.read(len(_MAGIC)) != _MAGIC:
            raise ConfigurationError("this file is no SQLite database", file=str(path))
    connection = connect(path, read_only=read_only)
    try:
        _check_content(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_libraries() -> None:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        needed = ".".join(map(str, MIN_SQLITE))
        raise ConfigurationError(f"SQLite {needed} is needed, {sqlite3.sqlite_version} is here")
    try:
        sm3_hex(b"")
    except ValueError as error:
        raise ConfigurationError("the OpenSSL of this Python has no SM3") from error


def _create(path: Path) -> None:
    """Make the file, so that it is never readable by others, not even for a moment."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(file, 0o600)
        finally:
            os.close(file)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # the name of the file must outlive a power cut, too
        finally:
            os.close(folder)
    except OSError as error:
        raise _unusable(path, error) from error


def _check_content(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute(SQL["count_tables"]).fetchone()
    # A process that was killed while it made the file leaves an empty database without our mark.
    if application != APPLICATION_ID and tables:
        raise ConfigurationError("this database is no journal of the gateway", file=str(path))
    if path.stat().st_size <= QUICK_CHECK_BYTES:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise JournalError(f"{path}: the journal is damaged: {verdict}")


def _unusable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"the journal cannot be opened: {error.strerror}", file=str(path))


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says in the words of an operator why SQLite could not open the file."""
    try:
        yield
    except sqlite3.Error as error:
        # The low byte is the primary code of an extended one; Python's own errors have none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        reason = {
            sqlite3.SQLITE_BUSY: "is locked by another program",
            sqlite3.SQLITE_LOCKED: "is locked by another program",
            sqlite3.SQLITE_CORRUPT: "is damaged",
            sqlite3.SQLITE_NOTADB: "is damaged",
        }.get(code, "cannot be opened")
        raise JournalError(f"{path}: the journal {reason}: {error}") from error
