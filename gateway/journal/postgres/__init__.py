"""The journal in a PostgreSQL database, for more than one gateway; needs the extra `postgres`."""

from gateway.journal.postgres.journal import PostgresJournal
from gateway.journal.postgres.server import read_dsn

__all__ = ["PostgresJournal", "read_dsn"]
