"""The SQLite file: who may open it, what is refused and in which words, what is owed to the disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, JournalError
from gateway.intents import Message
from gateway.journal import AuditEvent, SQLiteJournal, VisitRow


def mode_of(path: Path) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def content_of(path: Path) -> bytes:
    """The bytes of a file."""
    return path.read_bytes()


TABLE_OF_SOMEBODY = b"fixmedins_code,fixmedins_name\n" * 100


@pytest.fixture
def some_table(path: Path) -> Path:
    """A CSV file where the journal should be."""
    path.write_bytes(TABLE_OF_SOMEBODY)
    return path


async def test_the_file_and_its_companions_are_for_their_owner_alone(path: Path) -> None:
    """Whatever the process's mask is, and whatever the folder did not have yet."""
    path = path.parent / "new" / "folder" / "journal.db"
    mask = os.umask(0)
    try:
        async with await SQLiteJournal.open(path) as journal:
            await journal.put_visit(VisitRow("V", "open"))
            files = sorted(file.name for file in path.parent.iterdir())
            assert files == ["journal.db", "journal.db-shm", "journal.db-wal", "journal.db.lock"]
            assert {mode_of(file) for file in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(mask)
    assert mode_of(path.parent) == 0o700


async def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    """Opening the journal takes the permission away."""
    await (await SQLiteJournal.open(path)).close()
    os.chmod(path, 0o644)  # noqa: PTH101 - a wrong permission is the point
    await (await SQLiteJournal.open(path)).close()
    assert mode_of(path) == 0o600


async def test_a_closed_journal_leaves_one_database_file(path: Path) -> None:
    """The write-ahead log is merged: the file can be copied."""
    async with await SQLiteJournal.open(path) as journal:
        await journal.put_visit(VisitRow("V", "open"))
    assert sorted(file.name for file in path.parent.iterdir()) == ["journal.db", "journal.db.lock"]


async def test_the_settings_that_make_a_commit_durable_are_on(path: Path) -> None:
    """Write-ahead log, synchronous=FULL (2), foreign keys on the writing connection."""
    async with await SQLiteJournal.open(path) as journal:
        assert journal._writer is not None
        connection = journal._writer._connection
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == ["wal", 2, 1]


async def test_a_second_process_is_refused_and_told_who_has_the_journal(path: Path) -> None:
    """It touches nothing; once the first is gone, the journal can be opened."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from gateway.journal import SQLiteJournal\n"
        "async def main():\n"
        "    await SQLiteJournal.open(pathlib.Path(sys.argv[1]))\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter; nothing else to do meanwhile
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(JournalError, match=f"process {other.pid} has the journal open"):
            await SQLiteJournal.open(path)
        other.kill()
    await (await SQLiteJournal.open(path)).close()


async def test_the_same_process_cannot_open_the_journal_twice(path: Path) -> None:
    """The lock is the journal's, not the process's."""
    async with await SQLiteJournal.open(path) as journal:
        with pytest.raises(JournalError, match="has the journal open"):
            await SQLiteJournal.open(path)
        await journal.put_visit(VisitRow("V", "open"))


async def test_a_reader_beside_the_gateway_reads_and_cannot_write(
    path: Path, message: Callable[..., Message]
) -> None:
    """`gateway audit verify` and `gateway exchanges` work while the gateway runs."""
    async with await SQLiteJournal.open(path) as journal:
        await journal.put_visit(VisitRow("V", "open"), events=[AuditEvent("", "a")])
        async with await SQLiteJournal.open(path, read_only=True) as reader:
            assert await reader.visit("V") == VisitRow("V", "open", 1)
            assert (await reader.audit_verify()).rows == 1
            await journal.put_visit(VisitRow("W", "open"))
            assert await reader.visit("W") is not None
            with pytest.raises(JournalError, match="reading only"):
                await reader.begin_exchange(message(), b"", "")
    async with await SQLiteJournal.open(path, read_only=True) as reader:
        assert len(await reader.visits()) == 2


async def test_reading_makes_no_journal_where_there_is_none(path: Path) -> None:
    """A wrong path is said to be wrong."""
    with pytest.raises(ConfigurationError, match="there is no journal here"):
        await SQLiteJournal.open(path, read_only=True)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_file_that_is_no_database_is_refused(some_table: Path, *, read_only: bool) -> None:
    """And stays as it is."""
    with pytest.raises(ConfigurationError, match="no SQLite database"):
        await SQLiteJournal.open(some_table, read_only=read_only)
    assert content_of(some_table) == TABLE_OF_SOMEBODY


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_database_of_something_else_is_refused(path: Path, *, read_only: bool) -> None:
    """No table of ours is made in it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    with pytest.raises(ConfigurationError, match="no journal of the gateway"):
        await SQLiteJournal.open(path, read_only=read_only)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_damaged_journal_is_refused(path: Path, *, read_only: bool) -> None:
    """Pages in the middle were overwritten."""
    async with await SQLiteJournal.open(path) as journal:
        await journal.session_put("k", "", "", events=[AuditEvent("e", "s")] * 200)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xde\xad\xbe\xef" * 4096)
    with pytest.raises(JournalError, match="damaged"):
        await SQLiteJournal.open(path, read_only=read_only)


async def test_a_damaged_table_is_an_error_of_the_journal_when_it_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file too large to check at start shows its damage later, in the same words."""
    async with await SQLiteJournal.open(path) as journal:
        await journal.session_put("k", "", "", events=[AuditEvent("e", "s")] * 200)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'audit'"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    monkeypatch.setattr("gateway.journal.database.QUICK_CHECK_BYTES", 0)
    async with await SQLiteJournal.open(path) as journal:
        with pytest.raises(JournalError, match="cannot be read: database disk image is malformed"):
            await journal.audit_verify()


async def test_a_file_locked_by_another_program_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell with an exclusive transaction, say; it is waited for at most `BUSY_SECONDS`."""
    await (await SQLiteJournal.open(path)).close()
    monkeypatch.setattr("gateway.journal.database.BUSY_SECONDS", 0.0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="is locked by another program"):
            await SQLiteJournal.open(path)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_journal_of_a_newer_version_is_refused(path: Path, *, read_only: bool) -> None:
    """Older code would not know what it must keep."""
    await (await SQLiteJournal.open(path)).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO migrations VALUES (1000, 'later', 'x', '')")
        connection.commit()
    with pytest.raises(ConfigurationError, match=r"has schema 1000, this version knows \d"):
        await SQLiteJournal.open(path, read_only=read_only)


async def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    """The error names the path and the reason."""
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await SQLiteJournal.open(tmp_path)


async def test_a_path_through_a_file_is_refused(some_table: Path) -> None:
    """A file stands where the folder should be."""
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await SQLiteJournal.open(some_table / "journal.db")


async def test_a_reader_does_not_change_a_journal_of_an_older_version(path: Path) -> None:
    """Only the gateway itself brings the schema up to date."""
    await (await SQLiteJournal.open(path)).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM migrations")
        connection.commit()
    with pytest.raises(ConfigurationError, match="start the gateway once"):
        await SQLiteJournal.open(path, read_only=True)


async def test_a_process_killed_while_it_made_the_file_leaves_one_that_can_be_opened(
    path: Path,
) -> None:
    """A database without tables and without our mark is taken as new."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA user_version = 0")
    async with await SQLiteJournal.open(path) as journal:
        assert await journal.sends() == []


async def test_a_closed_journal_says_so_and_closes_once(
    path: Path, message: Callable[..., Message]
) -> None:
    """Reads and writes after closing are errors of the journal, not of its inside."""
    journal = await SQLiteJournal.open(path)
    await journal.close()
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.begin_exchange(message(), b"", "")
    with pytest.raises(JournalError, match="closed"):
        await journal.visit("V")
