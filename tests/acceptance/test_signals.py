"""A real gateway process that is asked to stop while a settlement is on its way: once, and twice."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.demo.talking import HL7Sender
from gateway.errors import UnknownOutcomeError

Process = asyncio.subprocess.Process
Serve = Callable[..., Awaitable[tuple[Process, HL7Sender]]]


@pytest.fixture
async def serve(open_world: Any) -> Any:
    """A world whose gateway is a process of its own, a charged visit, and a HIS that talks to it."""
    world = await open_world(policy="reverse-and-settle", timeout=30.0)
    await world.charged("O1")
    await world.stop()
    config = world.write_settings(policy="reverse-and-settle", timeout=30.0)
    started: list[Process] = []

    async def start() -> tuple[Any, Process, HL7Sender]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(config)),
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        port = (await event(process, "gateway ready"))["mllp_port"]
        sender = HL7Sender("127.0.0.1", port, "gb18030")
        world.stack.push_async_callback(sender.close)
        return world, process, sender

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def event(process: Process, name: str) -> dict[str, Any]:
    """The next log line of this event."""
    assert process.stderr is not None
    async with asyncio.timeout(100):
        while True:
            line = await process.stderr.readline()
            assert line, f"the process ended before {name!r}"
            found: dict[str, Any] = json.loads(line)
            if found["event"] == name:
                return found


async def ended(process: Process) -> int:
    """Its exit code."""
    async with asyncio.timeout(100):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_lets_the_settlement_finish(serve: Any, number: int) -> None:
    """The sender gets its AA on the connection that it waits on, and the process ends with 0."""
    world, process, his = await serve()
    await world.admin.fault("delay-before", "2207", seconds=60)
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    asking = asyncio.create_task(his.send(payment))
    await world.gate.reached.wait()
    process.send_signal(number)
    await event(process, "gateway stopping")
    assert not asking.done()
    world.gate.opened.set()
    assert (await asking).code == "AA"
    assert await ended(process) == 0
    assert len(await world.settled("O1")) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)],
)
async def test_the_second_signal_ends_it_at_once_and_nothing_is_lost(
    serve: Any, first: int, second: int
) -> None:
    """It ends with 7 while the platform still works. The next process resolves the settlement that
    was on its way: the same message gets its AA, and one settlement stands.
    """
    world, process, his = await serve()
    await world.admin.fault("delay-before", "2207", seconds=60)
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    asking = asyncio.create_task(his.send(payment))
    await world.gate.reached.wait()
    process.send_signal(first)
    await event(process, "gateway stopping")
    process.send_signal(second)
    assert await ended(process) == 7
    with pytest.raises(UnknownOutcomeError):
        await asking
    world.gate.opened.set()
    world, process, his = await serve()

    async def known() -> Any:
        answer = await his.send(payment)
        return answer if answer.code == "AA" else None

    await world.until(known)
    assert len(await world.settled("O1")) == 1
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == 0
