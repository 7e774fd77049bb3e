"""Which journal the settings mean."""

from __future__ import annotations

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.journal.protocol import Journal
from gateway.journal.sqlite import SQLiteJournal
from gateway.settings import JournalSettings


async def open_journal(
    settings: JournalSettings, *, clock: Clock | None = None, read_only: bool = False
) -> Journal:
    """Open the PostgreSQL database that `dsn_file` leads to, or else the SQLite file `path`.

    Raises:
        ConfigurationError: it is no journal, is newer than this code, (read only) is not there, or
            the extra `postgres` is needed and not installed.
        JournalError: it is in use, damaged, or cannot be reached.
    """
    if settings.dsn_file is None:
        return await SQLiteJournal.open(settings.path, clock=clock, read_only=read_only)
    try:
        # Only this way needs the extra.
        from gateway.journal.postgres import PostgresJournal, read_dsn  # noqa: PLC0415
    except ModuleNotFoundError as error:
        reason = f"a journal in PostgreSQL needs the extra `postgres` ({error.name} is missing)"
        raise ConfigurationError(reason) from error
    dsn = read_dsn(settings.dsn_file)
    return await PostgresJournal.open(dsn, clock=clock, read_only=read_only, lease=settings.lease)
