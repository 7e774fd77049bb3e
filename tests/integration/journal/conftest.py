"""The suite of the journal: every test that asks for `open_journal` holds for every store.

A further implementation adds its name to `STORES` and its way of opening to `Store`.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from gateway.clock import CHINA
from gateway.intents import Message
from gateway.journal import Journal, Send, SQLiteJournal
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.memory import Memory, MemoryJournal
from gateway.journal.postgres import PostgresJournal
from tests.clocks import HandClock

STORES = ["sqlite", "postgres", "memory"]
NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=CHINA)


@pytest.fixture
def clock() -> HandClock:
    """The journal's clock; `clock.time` turns it."""
    return HandClock(NOON)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the SQLite journal."""
    return tmp_path / "journal.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """A PostgreSQL server for all tests of a run."""
    with EmbeddedServer() as server:
        yield server


_schemas = itertools.count(1)


async def empty_schema(server: EmbeddedServer) -> str:
    """Makes a schema on the server and gives the DSN of it."""
    schema = f"test{next(_schemas)}"
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(f"CREATE SCHEMA {schema}")
    await connection.close()
    return f"{server.dsn}&search_path={schema}"


@pytest_asyncio.fixture
async def dsn(postgres: EmbeddedServer) -> str:
    """An empty schema of the server, as a journal is told of it."""
    return await empty_schema(postgres)


class Store:
    """Where a journal is: a file, or a schema of a server.

    `place` is how a process of its own is told of it.
    """

    def __init__(self, place: str, clock: HandClock) -> None:
        self.place, self._clock = place, clock
        self._memory = Memory() if place == "memory" else None

    async def open(self, **options: Any) -> Any:
        """The journal as a new process opens it."""
        if self._memory is not None:
            return MemoryJournal(self._memory, clock=self._clock, **options)
        if self.place.startswith("postgresql:"):
            return await PostgresJournal.open(self.place, clock=self._clock, **options)
        return await SQLiteJournal.open(Path(self.place), clock=self._clock, **options)

    async def execute(self, script: str) -> None:
        """What somebody with a shell of the database does."""
        if self._memory is not None:
            self._memory.connection.executescript(script)
        elif self.place.startswith("postgresql:"):
            connection = await asyncpg.connect(self.place)
            await connection.execute(script)
            await connection.close()
        else:
            with contextlib.closing(sqlite3.connect(self.place)) as shell:
                shell.executescript(script)

    async def let_leases_expire(self) -> None:
        """As when every process that has the journal open went silent long ago."""
        if self.place.startswith("postgresql:"):
            await self.execute("UPDATE instances SET expires_at = '2000-01-01'")


@pytest.fixture
def make_store(
    request: pytest.FixtureRequest, clock: HandClock
) -> Callable[[str, Path], Awaitable[Store]]:
    """Makes an empty place for a journal, by the name of the kind of store."""

    async def make(name: str, path: Path) -> Store:
        if name == "sqlite":
            return Store(str(path), clock)
        if name == "memory":
            return Store(name, clock)
        return Store(await empty_schema(request.getfixturevalue("postgres")), clock)

    return make


@pytest_asyncio.fixture(params=STORES)
async def store(
    request: pytest.FixtureRequest,
    path: Path,
    make_store: Callable[[str, Path], Awaitable[Store]],
) -> Store:
    """An empty place for a journal."""
    return await make_store(request.param, path)


@pytest.fixture
def shared(dsn: str, clock: HandClock) -> Store:
    """An empty place for a journal that several processes may have open."""
    return Store(dsn, clock)


@pytest_asyncio.fixture
async def open_journal(store: Store) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Opens the journal as a new process would; the one opened before is closed first."""
    opened: list[Journal] = []

    async def open_() -> Journal:
        for journal in opened:
            await journal.close()
        opened.append(await store.open())
        return opened[-1]

    yield open_
    for journal in opened:
        await journal.close()


@pytest_asyncio.fixture
async def journal(open_journal: Callable[[], Awaitable[Journal]]) -> Journal:
    """An empty journal."""
    return await open_journal()


@pytest.fixture
def message() -> Callable[..., Message]:
    """Makes messages; every one has another control id unless one is given."""
    numbers = itertools.count(1)

    def make(**changes: Any) -> Message:
        values: dict[str, Any] = {
            "protocol": "hl7v2",
            "peer": "his",
            "sender": "HIS|HOSPITAL",
            "control_id": f"M{next(numbers)}",
            "kind": "DFT^P03",
            "fingerprint": "f" * 64,
        }
        return Message(**{**values, **changes})

    return make


@pytest.fixture
def send() -> Callable[..., Send]:
    """Makes sends of the settlement of one visit, outside any exchange."""
    numbers = itertools.count(1)

    def make(**changes: Any) -> Send:
        values: dict[str, Any] = {
            "msgid": f"H4301000000120260302120000{next(numbers):04d}",
            "exchange_id": "",
            "infno": "2207",
            "visit_key": "H43010000001/V1",
            "fixmedins_code": "H43010000001",
            "insuplc_admdvs": "430100",
            "pooling_region": "430100",
            "channel": "changsha",
            "digest": "d" * 64,
            "money": True,
            "psn_no": "43010000000000000001",
        }
        return Send(**{**values, **changes})

    return make
