"""Whole visits against the reference platform in a process of its own.

HL7 v2 in over MLLP, signed transactions out over HTTP, everything durable, the answer back. A
visit is a registration, a message of five charge lines and a payment: nine transactions.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from gateway.demo.messages import HIS, OUTPATIENT_ITEMS, ZHANG
from gateway.demo.sandbox import Sandbox
from gateway.demo.talking import HL7Sender
from gateway.settings import LogSettings
from gateway.telemetry import configure_logging

VISITS = 120
TRANSACTIONS = 9


async def visit(his: HIS, sender: HL7Sender, number: str, seconds: list[float]) -> None:
    """One visit; notes how long the payment took from message to answer."""
    diagnosis = his.diagnosis("J06.900", "急性上呼吸道感染", "A")
    register = his.visit("A04", ZHANG, number, "O", diagnosis, his.insurance(ZHANG))
    for message in (register, his.charges(ZHANG, number, "O", OUTPATIENT_ITEMS)):
        answer = await sender.send(message)
        assert answer.code == "AA", answer.lines()
    began = time.perf_counter()
    answer = await sender.send(his.payment(ZHANG, number, "O", "117.70"))
    seconds.append(time.perf_counter() - began)
    assert answer.code == "AA", answer.lines()


async def measure(sandbox: Sandbox, his: HIS, connections: int) -> None:
    """Play the visits over so many connections at once and print one line."""
    host, port = sandbox.gateway.mllp_address
    numbers = iter(range(VISITS))
    seconds: list[float] = []

    async def window() -> None:
        sender = HL7Sender(host, port, "gb18030")
        for number in numbers:
            await visit(his, sender, f"B{connections}-{number}", seconds)
        await sender.close()

    began = time.perf_counter()
    await asyncio.gather(*(window() for _ in range(connections)))
    taken = time.perf_counter() - began
    cuts = statistics.quantiles(seconds, n=20)
    sys.stdout.write(
        f"{connections:>3} connections: {VISITS / taken:>6.1f} settlements/s, "
        f"{VISITS * TRANSACTIONS / taken:>6.0f} transactions/s; payment answered in "
        f"{statistics.median(seconds) * 1000:.0f} ms (median), {cuts[-1] * 1000:.0f} ms (95 %)\n"
    )


async def play() -> None:
    """Start the sandbox and measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(Path(folder)) as sandbox:
            his = HIS("GB 18030-2000", "gb18030")
            for connections in (1, 4, 16):
                await measure(sandbox, his, connections)


def main() -> None:
    """Print the figures."""
    configure_logging(LogSettings(level="CRITICAL"))
    asyncio.run(play())


if __name__ == "__main__":
    main()
