"""One connection that writes, and commits many waiting writes at once.

The goal is that of `gateway.journal.writer`: writes that arrive while the disk is busy are
committed together, and each costs a share of a handful of statements. What holds:

1. A write is resolved only after the commit that contains it has returned.
2. Batches of all processes follow one another (`begin_batch`). Each sees what those before it
   committed, so that no decision is made on old facts.
3. A write that is refused changes nothing. When the database itself refuses a batch, its writes are
   tried one by one, so that only the guilty one fails.
4. A batch that fails before its commit stored nothing: its writes fail, later ones are tried anew.
5. When the connection breaks during the commit, the server is asked what became of the transaction
   (`pg_xact_status`). When it cannot say, the writes fail, and nothing more is accepted.
6. A process that lost its licence to another one, or finds a newer schema, accepts nothing more.
7. Nothing that was accepted into the queue is dropped: `close` lets it be written first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from gateway.errors import GatewayError, JournalError
from gateway.journal.postgres.batch import Batch, Fenced, Needs
from gateway.journal.postgres.server import BROKEN, STORE
from gateway.journal.queries import POSTGRES

T = TypeVar("T")
Decide = Callable[[Batch], T]

MAX_BATCH: Final = 256
"""Writes that share a commit at most."""

DOUBT_SECONDS: Final = 15.0
"""How long the server is asked what became of a commit."""

DOUBT_PAUSE: Final = 0.2
"""Seconds between two questions."""


class _Job(NamedTuple):
    needs: Needs
    decide: Decide[Any]
    future: asyncio.Future[Any]


class _Settled(NamedTuple):
    job: _Job
    value: Any
    error: Exception | None


class Writer:
    """Owns the connection that writes, and opens another one when it broke.

    `connect` gives a connection; `instance` is whose licence the writes need; `schema` the number
    of the schema that they are made for.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], instance: str, schema: int
    ) -> None:
        self._connect, self._instance, self._schema = connect, instance, schema
        self._connection: asyncpg.Connection | None = None
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._closed = False
        self._failure = ""
        self._lost = False
        self._task = asyncio.create_task(self._run(), name="journal-writer")

    @property
    def failure(self) -> str:
        """Why nothing more is accepted, empty while writes are."""
        return self._failure

    @property
    def is_sound(self) -> bool:
        """False when the server was not reached the last time, or the connection is broken."""
        broken = self._connection is not None and self._connection.is_closed()
        return not (self._failure or self._lost or broken)

    def submit(self, needs: Needs, decide: Decide[T]) -> asyncio.Future[T]:
        """Queue a write; the future has its value once it is durable.

        Raises:
            JournalError: the writer is closed, failed earlier, or the text cannot be stored.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        if self._failure:
            raise JournalError(self._failure)
        needs.check()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Job(needs, decide, future))
        return future

    async def close(self) -> None:
        """Write what waits, give the licence back, then close the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)
        await asyncio.shield(self._task)

    async def _run(self) -> None:
        last = False
        while not last:
            job = await self._queue.get()
            if job is None:
                break
            batch = [job]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                job = self._queue.get_nowait()
                if job is None:
                    last = True
                    break
                batch.append(job)
            _deliver(await self._write(batch))
        await self._leave()

    async def _leave(self) -> None:
        with contextlib.suppress(GatewayError, asyncpg.PostgresError, *BROKEN):
            if not self._failure:
                connection = await self._connected()
                await connection.execute(POSTGRES["retire"], self._instance)
        await self._drop()

    async def _write(self, jobs: list[_Job]) -> list[_Settled]:
        if self._failure:
            return _all_failed(jobs, self._failure, None)
        try:
            connection = await self._connected()
            batch, settled = await self._try(connection, jobs)
        except GatewayError as error:
            await self._lose()
            return _all_failed(jobs, str(error), error)
        except Fenced as error:
            self._failure = f"{STORE}: {error}"
            await self._drop()
            return _all_failed(jobs, self._failure, error)
        except BROKEN as error:
            await self._lose()
            return _all_failed(jobs, f"{STORE} cannot be written: {_words(error)}", error)
        except asyncpg.PostgresError as error:
            await self._drop()
            return await self._after_refusal(jobs, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, these writes were not stored
            await self._drop()
            return _all_failed(jobs, f"{STORE} failed: {_words(error)}", error)
        return await self._commit(connection, jobs, batch, settled)

    async def _try(
        self, connection: asyncpg.Connection, jobs: list[_Job]
    ) -> tuple[Batch, list[_Settled]]:
        await connection.execute(POSTGRES["begin_batch"])
        needs = [job.needs for job in jobs]
        batch = await Batch.load(connection, self._instance, self._schema, needs)
        settled = [_decide(job, batch) for job in jobs]
        await batch.flush(connection)
        return batch, settled

    async def _commit(
        self,
        connection: asyncpg.Connection,
        jobs: list[_Job],
        batch: Batch,
        settled: list[_Settled],
    ) -> list[_Settled]:
        try:
            await connection.execute(POSTGRES["commit_batch"])
        except (asyncpg.PostgresError, *BROKEN) as error:
            await self._lose()
            status = await self._status(batch.transaction)
            if status == "committed":
                return settled
            if status == "aborted":
                return _all_failed(jobs, f"{STORE} did not store: {_words(error)}", error)
            self._failure = (
                f"{STORE} failed and must be opened anew: it is not known what became of a commit"
            )
            return _all_failed(jobs, self._failure, error)
        self._lost = False
        return settled

    async def _status(self, transaction: str) -> str | None:
        """What became of a transaction whose connection broke; None when nobody can say."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DOUBT_SECONDS
        while loop.time() < end:
            with contextlib.suppress(GatewayError, *BROKEN):
                connection = await self._connected()
                try:
                    status = await connection.fetchval(POSTGRES["commit_status"], transaction)
                except asyncpg.DataError:  # another server, which never had this transaction
                    return None
                if status != "in progress":
                    return None if status is None else str(status)
            await asyncio.sleep(DOUBT_PAUSE)
        return None

    async def _after_refusal(
        self, jobs: list[_Job], error: asyncpg.PostgresError
    ) -> list[_Settled]:
        """The database refused a statement of the batch: which write was it?"""
        guilty = (
            asyncpg.IntegrityConstraintViolationError
            | asyncpg.DataError
            | asyncpg.ProgramLimitExceededError
        )
        if not isinstance(error, guilty):
            return _all_failed(jobs, f"{STORE} cannot be written: {error}", error)
        if len(jobs) == 1:
            return _all_failed(jobs, f"the journal refused a write: {error}", error)
        return [one for job in jobs for one in await self._write([job])]

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    async def _lose(self) -> None:
        """The server was not reached, or the way to it broke."""
        self._lost = True
        await self._drop()

    async def _drop(self) -> None:
        """Close the connection; with it goes every transaction that was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _decide(job: _Job, batch: Batch) -> _Settled:
    try:
        return _Settled(job, job.decide(batch), None)
    except Exception as error:  # noqa: BLE001 - the writer of this write is told, the others go on
        return _Settled(job, None, error)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _all_failed(jobs: list[_Job], reason: str, cause: BaseException | None) -> list[_Settled]:
    settled = []
    for job in jobs:
        error = JournalError(reason)
        error.__cause__ = cause
        settled.append(_Settled(job, None, error))
    return settled


def _deliver(settled: list[_Settled]) -> None:
    for job, value, error in settled:
        if job.future.done():  # the waiter was cancelled; the write stands
            continue
        if error is None:
            job.future.set_result(value)
        else:
            job.future.set_exception(error)
