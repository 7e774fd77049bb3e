"""The server: how it is reached, and what is checked before a journal is trusted to it.

Every session asks for durable commits (synchronous_commit), and gives up in bounded time: what
waits for a lock, a statement that does not end, and a session whose process went silent inside a
transaction. The last would keep every other gateway from writing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from gateway.errors import ConfigurationError, JournalError
from gateway.journal.chain import sm3_hex
from gateway.journal.migrations import Migration, check_applied
from gateway.journal.queries import POSTGRES

MIN_SERVER: Final = 140_000
"""Still maintained versions: PostgreSQL 14."""

CONNECT_SECONDS: Final = 5.0
"""How long opening a connection may take."""

STORE: Final = "the PostgreSQL journal"
"""How errors name the store: nothing of the DSN, which may hold a password."""

_EVERY_SESSION: Final[Mapping[str, str]] = {
    "application_name": "fsi-gateway",
    "lock_timeout": "15s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

WRITING: Final[Mapping[str, str]] = {
    **_EVERY_SESSION,
    "synchronous_commit": "on",
    # Every statement of a batch finds its rows by key, also before the tables were analysed.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}
"""Settings of the session that writes."""

READING: Final[Mapping[str, str]] = {**_EVERY_SESSION, "default_transaction_read_only": "on"}
"""Settings of sessions that read."""

LONG: Final[Mapping[str, str]] = {
    **_EVERY_SESSION,
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
"""Settings of a session that reads or writes a whole journal."""

BROKEN: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
)
"""Errors after which a connection is of no more use; the server or the way to it failed."""


def read_dsn(file: Path) -> str:
    """The DSN in a file, `postgresql://user:password@host/database`.

    Raises:
        ConfigurationError: the file cannot be read, or holds no DSN.
    """
    try:
        dsn = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("the file of the DSN cannot be read", file=str(file)) from error
    if not dsn.startswith(("postgresql://", "postgres://")) or "\n" in dsn:
        reason = "this file does not hold one DSN, postgresql://user:password@host/database"
        raise ConfigurationError(reason, file=str(file))
    return dsn


async def connect(dsn: str, settings: Mapping[str, str]) -> asyncpg.Connection:
    """A connection; our settings of the session stand over those of the DSN.

    Raises:
        ConfigurationError: the DSN is wrong, or the server does not let us in.
        JournalError: the server cannot be reached.
    """
    with explained():
        return await asyncpg.connect(
            dsn, timeout=CONNECT_SECONDS, command_timeout=None, server_settings=dict(settings)
        )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Says in the words of an operator why the server could not be used."""
    try:
        yield
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InsufficientPrivilegeError,
    ) as error:
        raise ConfigurationError(f"{STORE}: the server refuses us: {error}") from error
    except asyncpg.ClientConfigurationError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{STORE}: the DSN cannot be used: {reason}") from error
    except ValueError as error:
        # Its text may quote the DSN.
        raise ConfigurationError(f"{STORE}: the DSN cannot be understood") from error
    except BROKEN as error:
        detail = str(error) or type(error).__name__
        raise JournalError(f"{STORE} cannot be reached: {detail}") from error
    except asyncpg.PostgresError as error:
        raise JournalError(f"{STORE} cannot be used: {error}") from error


async def prepare(
    connection: asyncpg.Connection, migrations: Sequence[Migration], now: str
) -> None:
    """Check the server and bring the schema up to the last of `migrations`.

    Several processes may do so at once: one migrates, the others wait for it.

    Raises:
        ConfigurationError: the server is not fit, the database holds something else, or the
            schema is newer than this code.
        JournalError: a migration failed; the database is as before it.
    """
    with explained():
        await _check_server(connection, writing=True)
        async with connection.transaction():
            await connection.execute(POSTGRES["lock_migrations"])
            state = await connection.fetchrow(POSTGRES["server"])
            assert state is not None
            if state["tables"] and not state["migrated"]:
                raise ConfigurationError(f"{STORE}: this database holds something else")
            await connection.execute(POSTGRES["create_migrations"])
            rows = await connection.fetch(POSTGRES["migrations"])
            for migration in migrations[check_applied(_plain(rows), migrations, STORE) :]:
                await connection.execute(migration.text)
                await connection.execute(
                    POSTGRES["insert_migration"],
                    *(migration.number, migration.name, migration.checksum, now),
                )


async def inspect(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> None:
    """Check that a journal of this very schema is there.

    Raises:
        ConfigurationError: there is none, its schema is another one, or the server is not fit.
    """
    with explained():
        if not await _check_server(connection, writing=False):
            raise ConfigurationError(f"{STORE}: there is no journal here")
        rows = await connection.fetch(POSTGRES["migrations"])
    if check_applied(_plain(rows), migrations, STORE) < len(migrations):
        reason = "the journal has an older schema: run `gateway journal migrate`"
        raise ConfigurationError(reason, file=STORE)


async def _check_server(connection: asyncpg.Connection, *, writing: bool) -> bool:
    """Whether there is a journal on a server that may hold one."""
    try:
        sm3_hex(b"")
    except asyncpg.ClientConfigurationError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{STORE}: the DSN cannot be used: {reason}") from error
    except ValueError as error:
        raise ConfigurationError("the OpenSSL of this Python has no SM3") from error
    state = await connection.fetchrow(POSTGRES["server"])
    assert state is not None
    if state["version"] < MIN_SERVER:
        raise ConfigurationError(f"{STORE}: PostgreSQL {MIN_SERVER // 10_000} is needed")
    if state["encoding"] != "UTF8":
        raise ConfigurationError(f"{STORE}: the database must have the encoding UTF8")
    if writing and state["standby"]:
        raise ConfigurationError(f"{STORE}: this server is a standby; name the primary")
    for setting in ("fsync", "full_page_writes"):
        if writing and state[setting] != "on":
            raise ConfigurationError(f"{STORE}: the server runs with {setting}={state[setting]}")
    return bool(state["migrated"])


def _plain(rows: Sequence[asyncpg.Record]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows]
