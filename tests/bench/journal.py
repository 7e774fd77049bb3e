"""Durable writes a second of the journal, alone and with sixty-four waiting, in either store.

The machine swings: compare the lines of one run with one another.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Journal, Send, SQLiteJournal, VisitRow
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.postgres import PostgresJournal

SECONDS = 2.0
"""How long each line is measured."""

Write = Callable[[Journal, int], Awaitable[int]]


async def arrive(journal: Journal, number: int) -> int:
    """Store a message of 2 kB; one write."""
    await begin(journal, number)
    return 1


async def begin(journal: Journal, number: int) -> str:
    """Store a message and give its exchange."""
    message = Message(
        protocol="hl7v2",
        peer="his",
        sender="HIS|HOSPITAL",
        control_id=str(number),
        kind="DFT^P03",
        fingerprint="f" * 64,
        context={"version": "2.5.1"},
    )
    begun = await journal.begin_exchange(
        message, b"x" * 2048, "", events=[AuditEvent("", "receive", {"kind": message.kind})]
    )
    return begun.exchange_id


async def settle(journal: Journal, number: int) -> int:
    """The whole way of a settlement; five writes."""
    ident = await begin(journal, number)
    serial = await journal.next_serial("H43010000001", f"{number // 10_000}")
    msgid = f"H43010000001{number}{serial:04d}"
    send = Send(msgid, ident, "2207", f"H43010000001/{number}", money=True)
    await journal.record_send(send, events=[AuditEvent(ident, "record", {"msgid": msgid})])
    await journal.record_outcome(
        msgid,
        Accepted(Reply(infcode="0", output={"setlinfo": {"setl_id": str(number)}})),
        visit=VisitRow(send.visit_key, "settled", 0, b"y" * 1024),
        events=[AuditEvent(ident, "send", {"msgid": msgid, "outcome": "accepted"})],
    )
    await journal.finish_exchange(
        ident, Answer(body=b"z" * 512), None, events=[AuditEvent(ident, "answer")]
    )
    return 5


async def rate(journal: Journal, write: Write, waiting: int) -> float:
    """Durable writes a second with so many writers, each waiting for its own write."""
    numbers = itertools.count(time.monotonic_ns())
    began = time.perf_counter()
    end = began + SECONDS

    async def work() -> int:
        done = 0
        while time.perf_counter() < end:
            done += await write(journal, next(numbers))
        return done

    total = sum(await asyncio.gather(*(work() for _ in range(waiting))))
    return total / (time.perf_counter() - began)


@asynccontextmanager
async def in_sqlite() -> AsyncIterator[Journal]:
    """A fresh journal in a file."""
    with tempfile.TemporaryDirectory() as folder:
        async with await SQLiteJournal.open(Path(folder) / "journal.db") as journal:
            yield journal


@asynccontextmanager
async def in_postgres() -> AsyncIterator[Journal]:
    """A fresh journal in a server of its own on the same disk and cores."""
    with EmbeddedServer() as server:
        async with await PostgresJournal.open(server.dsn) as journal:
            yield journal


STORES = {"sqlite": in_sqlite, "postgres": in_postgres}


async def measure() -> None:
    """Measure every way with 1 and with 64 waiting, in a fresh journal each."""
    for write, waiting in itertools.product((arrive, settle), (1, 64)):
        for name, store in STORES.items():
            async with store() as journal:
                done = await rate(journal, write, waiting)
                verdict = "intact" if (await journal.audit_verify()).intact else "BROKEN"
            line = (
                f"{name:9}{write.__name__:8}{waiting:3} waiting {done:10,.0f} writes/s  {verdict}"
            )
            print(f"journal {line}")  # noqa: T201 - the program's output


def main() -> None:
    """Print one line a measurement."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
