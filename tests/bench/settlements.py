"""Whole visits: HL7 v2 in over MLLP, signed transactions out, everything durable, the answer back.

The reference platform runs in a process of its own on the other core; gateway and sender share one
core and one event loop, as `gateway serve` runs it. A visit is a registration, a message of five
charge lines and a payment: seven transactions. For either store: visits a second, how long a payment
takes, the share of each station, and the ratio to what the parts alone would allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import uvloop

from gateway.app import build_adapters, build_sites
from gateway.clock import SystemClock
from gateway.crypto.sm import SigningKey
from gateway.demo.messages import HIS, OUTPATIENT_ITEMS, ZHANG
from gateway.demo.sandbox import Sandbox
from gateway.demo.talking import HL7Sender
from gateway.fhir.stored import NothingAnswered
from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Journal, Send
from gateway.journal.embedded import EmbeddedServer
from gateway.pipeline import explain
from gateway.settings import LogSettings
from gateway.settlement.explaining import Explainer
from gateway.telemetry import configure_logging

VISITS = 240
MESSAGES, TRANSACTIONS = 3, 7
TIMES = 200
"""How often a part is done to measure it."""
WAITING = 16


@contextlib.asynccontextmanager
async def sandbox(store: str) -> AsyncIterator[Sandbox]:
    """A platform and a gateway with this store, each on a core of its own where there are two."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = {}
        if store == "postgres":
            (folder / "dsn").write_text(stack.enter_context(EmbeddedServer()).dsn, "utf-8")
            environment["GATEWAY__JOURNAL__DSN_FILE"] = str(folder / "dsn")
        async with Sandbox(folder, environment=environment) as opened:
            cores = sorted(os.sched_getaffinity(0))
            if len(cores) > 1:
                os.sched_setaffinity(opened.centre.pid, cores[1:2])
                os.sched_setaffinity(0, cores[:1])
            try:
                yield opened
            finally:
                os.sched_setaffinity(0, cores)


async def visit(his: HIS, sender: HL7Sender, number: str, seconds: list[float]) -> None:
    """One visit; notes how long the payment took from message to answer."""
    for message in messages(his, number)[:2]:
        answer = await sender.send(message)
        assert answer.code == "AA", answer.lines()
    began = time.perf_counter()
    answer = await sender.send(his.payment(ZHANG, number, "O", "117.70"))
    seconds.append(time.perf_counter() - began)
    assert answer.code == "AA", answer.lines()


def messages(his: HIS, number: str) -> list[bytes]:
    """The messages of a visit."""
    diagnosis = his.diagnosis("J06.900", "急性上呼吸道感染", "A")
    return [
        his.visit("A04", ZHANG, number, "O", diagnosis, his.insurance(ZHANG)),
        his.charges(ZHANG, number, "O", OUTPATIENT_ITEMS),
        his.payment(ZHANG, number, "O", "117.70"),
    ]


async def play(opened: Sandbox, his: HIS, connections: int, visits: int) -> tuple[float, str]:
    """Play visits over so many connections at once; visits a second, and a line about them."""
    host, port = opened.gateway.mllp_address
    numbers = iter(range(visits))
    seconds: list[float] = []

    async def window() -> None:
        sender = HL7Sender(host, port, "gb18030")
        for number in numbers:
            await visit(his, sender, f"B{connections}-{number}-{time.monotonic_ns()}", seconds)
        await sender.close()

    began, spent = time.perf_counter(), time.process_time()
    await asyncio.gather(*(window() for _ in range(connections)))
    taken = time.perf_counter() - began
    spent = time.process_time() - spent
    cuts = statistics.quantiles(seconds, n=20)
    line = (
        f"{connections:>3} connections: {visits / taken:>6.1f} settlements/s, "
        f"{visits * TRANSACTIONS / taken:>6.0f} transactions/s; payment answered in "
        f"{statistics.median(seconds) * 1000:.0f} ms (median), {cuts[-1] * 1000:.0f} ms (95 %); "
        f"{spent / visits * 1000:.1f} ms of CPU a visit"
    )
    return visits / taken, line


# Stations -----------------------------------------------------------------------------------------


def stations(opened: Sandbox) -> dict[str, tuple[float, float]]:
    """Passages and seconds of every station so far."""
    found: dict[str, tuple[float, float]] = {}
    for family in opened.gateway.metrics.station_seconds.collect():
        for sample in family.samples:
            name = sample.labels["station"]
            count, total = found.get(name, (0.0, 0.0))
            if sample.name.endswith("_count"):
                found[name] = (sample.value, total)
            elif sample.name.endswith("_sum"):
                found[name] = (count, sample.value)
    return found


def shares(before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]) -> None:
    """Print the share of each station in the time that messages spent at stations."""
    rows = {
        name: (count - before.get(name, (0, 0))[0], total - before.get(name, (0, 0))[1])
        for name, (count, total) in after.items()
    }
    whole = sum(total for _, total in rows.values())
    for name, (count, total) in sorted(rows.items(), key=lambda row: -row[1][1]):
        sys.stdout.write(
            f"      {name:<12} {count / VISITS:>5.1f} a visit, {total / VISITS * 1000:>7.2f} ms, "
            f"{total / whole:>4.0%}\n"
        )


# Parts --------------------------------------------------------------------------------------------


async def cpu(work: Callable[[], Awaitable[object]], times: int) -> float:
    """Milliseconds of CPU of this process that a thing costs."""
    await work()
    began = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - began) / times * 1000


async def parts(opened: Sandbox, his: HIS) -> dict[str, float]:
    """Milliseconds of CPU that each part of a visit costs alone, on the gateway's side."""
    key = SigningKey.generate()
    data = b"x" * 4096
    signature = key.sign(data)
    public = key.public_key()

    async def sign() -> None:
        key.sign(data)
        public.verify(signature, data)

    settings, clock = opened.gateway.settings, SystemClock()
    adapter = build_adapters(settings, clock, NothingAnswered()).hl7v2
    explainer = Explainer(build_sites(settings), clock)

    async def read() -> None:
        for message in messages(his, "P1"):
            await explain(adapter, explainer, message, settings.peers[0], {})

    numbers = itertools.count(time.monotonic_ns())

    async def writes() -> None:
        await asyncio.gather(
            *(stored(opened.gateway.journal, next(numbers)) for _ in range(WAITING))
        )

    async with aiohttp.ClientSession() as session:

        async def post() -> None:
            async with session.post(str(opened.platform["url"]) + "/0", data=data) as response:
                await response.read()

        return {
            "SM2: sign, verify": TRANSACTIONS * await cpu(sign, TIMES),
            "HTTP client": TRANSACTIONS * await cpu(post, TIMES),
            "read, understand, code, fill, check": await cpu(read, TIMES // 4),
            "journal": await cpu(writes, 12) / WAITING,
        }


async def stored(journal: Journal, number: int) -> None:
    """What a visit writes: messages, transactions with their numbers, answers."""
    for step in range(MESSAGES):
        message = Message(
            protocol="bench",
            peer="his",
            sender="HIS|HOSPITAL",
            control_id=f"{number}-{step}",
            kind="DFT^P03",
            fingerprint="f" * 64,
        )
        events = [AuditEvent("", "receive", {"kind": message.kind, "sm3": "0" * 64})]
        ident = (await journal.begin_exchange(message, b"x" * 1024, "", events=events)).exchange_id
        for call in range((3, 2, 2)[step]):
            serial = await journal.next_serial("H43010000001", f"{number}")
            msgid = f"P{number}{step}{call}{serial:04d}"
            send = Send(msgid, ident, "2203", f"H43010000001/{number}")
            detail = {"msgid": msgid, "infno": "2203", "channel": "changsha"}
            await journal.record_send(send, events=[AuditEvent(ident, "record", detail)])
            await journal.record_outcome(
                msgid,
                Accepted(Reply(infcode="0", output={"setlinfo": {"setl_id": "1"}})),
                events=[AuditEvent(ident, "send", detail)],
            )
        answer = Answer(body=b"z" * 512)
        events = [AuditEvent(ident, "answer", {"status": "done"})]
        await journal.finish_exchange(ident, answer, None, events=events)


async def measure(store: str) -> None:
    """Measure one store and print."""
    async with sandbox(store) as opened:
        his = HIS("GB 18030-2000", "gb18030")
        await play(opened, his, 4, 20)
        sys.stdout.write(f"{store}\n")
        best = 0.0
        for connections in (1, 4, WAITING):
            before = stations(opened)
            rate, line = await play(opened, his, connections, VISITS)
            sys.stdout.write(f"{line}\n")
            best = max(best, rate)
        sys.stdout.write(f"    stations with {WAITING} connections, waiting included\n")
        shares(before, stations(opened))
        found = await parts(opened, his)
        whole = sum(found.values())
        sys.stdout.write("    the parts alone, CPU of the gateway\n")
        for name, milliseconds in found.items():
            sys.stdout.write(
                f"      {name:<38} {milliseconds:>6.2f} ms a visit {milliseconds / whole:>4.0%}\n"
            )
        allowed = 1000 / whole
        sys.stdout.write(
            f"      together {whole:.2f} ms: {allowed:.0f} settlements/s on one core; "
            f"measured / parts {best / allowed:.2f}\n"
        )


async def run() -> None:
    """Both stores."""
    for store in ("sqlite", "postgres"):
        await measure(store)


def main() -> None:
    """Print the figures."""
    configure_logging(LogSettings(level="CRITICAL"))
    uvloop.run(run())


if __name__ == "__main__":
    main()
