"""A journal of a million settled messages beside a nearly empty one: opening it, every look-up.

The rows are made inside the database; each exchange has its message, answer, send, reply and two
rows of the audit, each visit one settlement.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Journal, Send, SQLiteJournal, VisitRow, storage
from gateway.journal.chain import GENESIS
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.postgres import PostgresJournal

FEW, EXCHANGES = 100, 1_000_000
TIMES = 60
NOW = "2026-03-02 12:00:00.000"
RAW, VISIT = b"x" * 1024, b"y" * 512

FILL = """
INSERT INTO exchanges (exchange_id, protocol, sender, control_id, peer, kind, fingerprint, owner,
    stage, status, received_at, answered_at)
SELECT 'e' || n, 'hl7v2', 'his|HIS|H43010000001', 'C' || n, 'his', 'DFT^P03', 'f', 'gone', 'final',
    'done', {now}, {now} FROM {numbers};
INSERT INTO exchange_messages (exchange_id, raw, context) SELECT 'e' || n, {raw}, {context}
    FROM {numbers};
INSERT INTO exchange_answers (exchange_id, answer, result) SELECT 'e' || n, {answer}, NULL
    FROM {numbers};
INSERT INTO sends (msgid, exchange_id, infno, visit_key, fixmedins_code, insuplc_admdvs,
    pooling_region, channel, digest, money, psn_no, reverses, {owner_column} state, note, infcode,
    inf_refmsgid, created_at, updated_at)
SELECT 'M' || n, 'e' || n, '2207', 'V' || n, 'H43010000001', '430100', '430100', 'changsha', 'd',
    {true}, 'P', '', {owner} 'accepted', '', '0', 'R', {now}, {now} FROM {numbers};
INSERT INTO send_replies (msgid, reply) SELECT 'M' || n, {reply} FROM {numbers};
INSERT INTO visits (key, state, version, data, updated_at) SELECT 'V' || n, 'settled', 1, {visit},
    {now} FROM {numbers};
INSERT INTO audit (seq, time, exchange_id, station, detail, previous, hash)
SELECT n, {now}, 'e' || n, 'send', '{{}}', {genesis}, {genesis} FROM {numbers};
INSERT INTO audit (seq, time, exchange_id, station, detail, previous, hash)
SELECT n + {count}, {now}, 'e' || n, 'answer', '{{}}', {genesis}, {genesis} FROM {numbers};
UPDATE audit_head SET seq = 2 * {count};
"""

Look = Callable[[Journal, int], Awaitable[object]]


def script(count: int, *, postgres: bool) -> str:
    """The statements that fill a journal."""

    def blob(data: bytes) -> str:
        return f"'\\x{data.hex()}'::bytea" if postgres else f"x'{data.hex()}'"

    return FILL.format(
        numbers=f"generate_series(1, {count}) AS n" if postgres else "numbers",
        now=f"'{NOW}'",
        raw=blob(RAW),
        context=blob(storage.encode_context({"version": "2.5.1"})),
        answer=blob(storage.encode_answer(Answer(body=b"z" * 512))),
        reply=blob(storage.encode_reply(Reply(infcode="0", output={"setl_id": "1"}))),
        visit=blob(VISIT),
        true="true" if postgres else "1",
        owner_column="owner," if postgres else "",
        owner="'gone'," if postgres else "",
        genesis=f"'{GENESIS}'",
        count=count,
    )


def message(number: str) -> Message:
    """A message of this control id."""
    return Message(
        protocol="hl7v2",
        peer="his",
        sender="his|HIS|H43010000001",
        control_id=number,
        kind="DFT^P03",
        fingerprint="f",
    )


async def arrive(journal: Journal, number: int) -> None:
    """Store a new message."""
    name = f"new{number}-{time.monotonic_ns()}"
    await journal.begin_exchange(message(name), RAW, NOW, events=[AuditEvent("", "receive")])


async def settle(journal: Journal, number: int) -> None:
    """Record a send and its outcome, with the visit."""
    name = f"new{number}-{time.monotonic_ns()}"
    begun = await journal.begin_exchange(message(name), RAW, NOW)
    send = Send(f"M{name}", begun.exchange_id, "2207", f"V{name}", money=True)
    await journal.record_send(send)
    visit = VisitRow(send.visit_key, "settled", 0, VISIT)
    await journal.record_outcome(send.msgid, Accepted(Reply(infcode="0")), visit=visit)
    await journal.finish_exchange(begun.exchange_id, Answer(body=b"z"), None)


LOOKS: dict[str, Look] = {
    "store a new message": arrive,
    "store a settlement, 4 writes": settle,
    "answer to a repeated message": lambda j, n: j.begin_exchange(message(f"C{n}"), RAW, NOW),
    "an exchange by its id": lambda j, n: j.exchange(f"e{n}"),
    "a send by its msgid": lambda j, n: j.send(f"M{n}"),
    "the sends of a visit": lambda j, n: j.sends(visit_key=f"V{n}"),
    "the sends of an exchange": lambda j, n: j.sends(exchange_id=f"e{n}"),
    "a visit": lambda j, n: j.visit(f"V{n}"),
    "the audit of an exchange": lambda j, n: j.audit_trail(f"e{n}"),
    "everything that is unknown": lambda j, _: j.sends(state="unknown"),
    "messages left by dead processes": lambda j, _: j.abandoned(),
    "the newest hundred exchanges": lambda j, _: j.exchanges(100),
}


async def milliseconds(journal: Journal, look: Look, count: int) -> float:
    """The median time of a look, at numbers far from one another."""
    taken = []
    for turn in range(TIMES):
        number = 1 + (turn * 7_919_003) % count
        began = time.perf_counter()
        await look(journal, number)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


async def measured(opening: Callable[[], Awaitable[Journal]], count: int) -> dict[str, float]:
    """Milliseconds of everything, in a journal that holds so much."""
    found: dict[str, list[float]] = {"open, recover, close": []}
    for _ in range(5):
        began = time.perf_counter()
        journal = await opening()
        await journal.recover()
        await journal.close()
        found["open, recover, close"].append((time.perf_counter() - began) * 1000)
    journal = await opening()
    times = {name: statistics.median(values) for name, values in found.items()}
    for name, look in LOOKS.items():
        times[name] = await milliseconds(journal, look, count)
    await journal.close()
    return times


def fill_sqlite(path: Path, count: int) -> None:
    """Fill a file that has the schema."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY)")
        db.execute(
            "INSERT INTO numbers WITH RECURSIVE c (n) AS (VALUES (1) UNION ALL "
            "SELECT n + 1 FROM c WHERE n < ?) SELECT n FROM c",
            (count,),
        )
        db.executescript(f"BEGIN; {script(count, postgres=False)} COMMIT;")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def fill_postgres(dsn: str, count: int) -> None:
    """Fill a database that has the tables."""
    db = await asyncpg.connect(dsn)
    await db.execute(script(count, postgres=True))
    await db.execute("VACUUM ANALYZE")  # as autovacuum has done to a journal that grew
    await db.execute("CHECKPOINT")  # what filled it is on the disk, and no write waits for that
    await db.close()


async def in_sqlite(folder: Path, count: int) -> tuple[dict[str, float], float]:
    """What everything takes in a file that holds so much, and how long filling it took."""
    path = folder / f"{count}.db"

    async def opening() -> Journal:
        return await SQLiteJournal.open(path)

    await (await opening()).close()
    began = time.perf_counter()
    await asyncio.to_thread(fill_sqlite, path, count)
    filled = time.perf_counter() - began
    return await measured(opening, count), filled


async def in_postgres(folder: Path, count: int) -> tuple[dict[str, float], float]:
    """The same in a server of its own."""
    del folder
    with EmbeddedServer() as server:

        async def opening() -> Journal:
            return await PostgresJournal.open(server.dsn)

        await (await opening()).close()
        began = time.perf_counter()
        await fill_postgres(server.dsn, count)
        filled = time.perf_counter() - began
        return await measured(opening, count), filled


async def compare() -> None:
    """Both stores, nearly empty and full."""
    for store, measure in (("sqlite", in_sqlite), ("postgres", in_postgres)):
        with tempfile.TemporaryDirectory() as folder:
            few, _ = await measure(Path(folder), FEW)
            full, filled = await measure(Path(folder), EXCHANGES)
        sys.stdout.write(f"{store}: filled with {EXCHANGES:,} exchanges in {filled:.0f} s\n")
        for name, taken in few.items():
            sys.stdout.write(
                f"  {name:<32} of {FEW} {taken:>7.2f} ms   of {EXCHANGES:,} {full[name]:>7.2f} ms"
                f"   {full[name] / taken:>5.2f}\n"
            )


def main() -> None:
    """Print one line a look."""
    asyncio.run(compare())


if __name__ == "__main__":
    main()
