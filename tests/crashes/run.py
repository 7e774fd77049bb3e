"""One hospital, one bureau, and gateways that are killed again and again under load.

A kill is SIGKILL of a real `gateway serve` process at a moment that a random number picks: when the
n-th request from now on has arrived at the platform, when its work is done and the reply is not
sent yet, or so many milliseconds from now. A gateway alone is started again at once; one of two is
started when the other has finished its work. Every message that was without a final answer at the
kill has to get one within `RESOLVED_SECONDS`, while the load goes on; what the policy leaves to a
person, the operator decides by what the platform has.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from conformance.platform.config import load_config
from conformance.platform.demo import write_demo
from gateway.cli.exits import Exit
from gateway.demo import sandbox
from tests.crashes.books import differences
from tests.crashes.centre import REGION, Centre
from tests.crashes.hospital import CANCEL, PAYING, Desk, Door, FHIRDesk, HL7Desk, Hospital
from tests.crashes.invoices import PHARMACY
from tests.crashes.node import RESOLVED_SECONDS, Node, Stuck
from tests.crashes.nursery import Nursery
from tests.crashes.shops import SHOP, SHOP_TOKEN, ShopDesk
from tests.crashes.wards import WardDesk

QUIET_SECONDS = 0.1
"""For how long something is open before the operator decides: a dead process's last request may
still stand in a socket."""

TOKEN, OPERATOR = "t-load", "o-load"
MOMENTS = ("arrived", "worked", "worked", "time")
"""When a gateway is killed."""
DESKS: Sequence[type[Desk]] = (HL7Desk, WardDesk, FHIRDesk, HL7Desk, ShopDesk)
"""What the desks are, in turn: clinics speak HL7 v2 or post Claims, there are wards and shops."""


@dataclass
class Load:
    """What is to be played.

    `nodes` gateways share one PostgreSQL (`dsn`); without it, one has a SQLite file. `lease` in
    seconds. `drops` replies get lost, `lossy` is the share of requests that lose theirs. At least
    so many `visits` are begun, whatever happens to them. With `infno`, gateways are killed at
    requests of this transaction only, and only such requests lose their replies.
    """

    kills: int = 0
    drops: int = 0
    lossy: float = 0.2
    visits: int = 0
    desks: int = 7
    dsn: str = ""
    nodes: int = 1
    lease: float = 0.5
    seed: int = 1
    infno: str = ""


@dataclass
class Outcome:
    """What came of it."""

    kills: int = 0
    drops: int = 0
    messages: int = 0
    settlements: int = 0
    cancellations: int = 0
    decided: int = 0
    """Decisions of the operator."""
    restarts: int = 0
    """Gateways that ended by themselves and were started anew."""
    resolved: list[float] = field(default_factory=list)
    """Seconds from each start until everything in flight at the kill had its answer."""
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line for a person."""
        slowest = max(self.resolved, default=0.0)
        return (
            f"{self.kills} kills, {self.drops} lost replies, {self.messages} messages, "
            f"{self.settlements} settlements, {self.cancellations} cancellations, "
            f"{self.decided} decisions, {self.restarts} restarts, "
            f"slowest resolution {slowest:.1f} s, {len(self.findings)} findings, "
            f"{self.seconds:.0f} s"
        )


async def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until a condition holds.

    Raises:
        Stuck: it does not within `RESOLVED_SECONDS`.
    """
    end = time.monotonic() + RESOLVED_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise Stuck(f"not within {RESOLVED_SECONDS:.0f} s: {what()}")
        await asyncio.sleep(0.01)


class World:
    """Everybody of one run."""

    def __init__(self, folder: Path, load: Load, nursery: Nursery) -> None:
        self.folder, self.load = folder, load
        self.chance = random.Random(load.seed)  # noqa: S311 - the same kills every time
        config = msgspec.structs.replace(load_config(write_demo(folder)), database="")
        self.centre = Centre(config, self.chance)
        self.config = folder / "gateway.toml"
        more = {
            "GATEWAY__RESOLVER__DELAY": "0",
            "GATEWAY__RESOLVER__INTERVAL": "0.05",
        }
        if load.dsn:
            (folder / "dsn").write_text(load.dsn, "utf-8")
            more["GATEWAY__JOURNAL__DSN_FILE"] = str(folder / "dsn")
            more["GATEWAY__JOURNAL__LEASE"] = str(load.lease)
        self.environment = more
        self.nodes = [
            Node(self.config, f"gateway-{number}", nursery, more) for number in range(load.nodes)
        ]
        self.nursery = nursery
        self.hospital = Hospital([node.door for node in self.nodes], TOKEN, self.centre)
        self.outcome = Outcome()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Start the platform, the gateways, and the operator."""
        await self.centre.start()
        try:
            self._write_settings()
            for node in self.nodes:
                await node.start()
            async with asyncio.TaskGroup() as tasks:
                people = [tasks.create_task(self._operate()), tasks.create_task(self._supervise())]
                yield
                for one in people:
                    one.cancel()
        finally:
            await self.centre.close()

    def _write_settings(self) -> None:
        text = sandbox.SETTINGS.format(
            level="INFO",
            mllp_port=0,
            http_port=0,
            tables=sandbox.TABLES,
            hospital=sandbox.HOSPITAL,
            hospital_name=sandbox.HOSPITAL_NAME,
            region=REGION,
            platform=self.centre.url,
            account=sandbox.ACCOUNT,
            token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
            operator_sha256=hashlib.sha256(OPERATOR.encode()).hexdigest(),
        )
        text += SHOP.format(
            pharmacy=PHARMACY,
            region=REGION,
            token_sha256=hashlib.sha256(SHOP_TOKEN.encode()).hexdigest(),
        )
        applications = 'applications = ["HIS"]'
        self.config.write_text(text.replace("presettle_with_charges = true", applications), "utf-8")

    # The kills ----------------------------------------------------------------------------------

    async def kill_one(self) -> None:
        """Kill a gateway at a random moment, start it, and wait for what was in flight."""
        await until(self._all_open, lambda: "every gateway runs")
        node = self.chance.choice(self.nodes)
        killed = asyncio.Event()
        moment = self.chance.choice(MOMENTS[:-1] if self.load.infno else MOMENTS)
        countdown = self.chance.randrange(1, 3 if self.load.infno else 25)

        def strike() -> None:
            if not node.door.open.is_set():  # it is being started anew: a little later
                asyncio.get_running_loop().call_later(0.1, strike)
                return
            self.centre.trap = lambda _moment, _infno: None
            node.kill()
            killed.set()

        def trap(where: str, infno: str) -> None:
            nonlocal countdown
            if where == moment and self.load.infno in ("", infno):
                countdown -= 1
                if countdown == 0:
                    strike()

        if moment == "time":
            asyncio.get_running_loop().call_later(self.chance.uniform(0.0, 0.1), strike)
        else:
            self.centre.trap = trap
        await until(killed.is_set, lambda: "a request comes to be killed at")
        in_flight = set(self.hospital.asking)
        code = await self.nursery.wait(node.pid)
        if code not in (-signal.SIGKILL, Exit.JOURNAL):
            self.outcome.findings.append(f"a gateway ended by itself with {code}")

        def waiting() -> set[str]:
            return in_flight & self.hospital.asking

        began = time.monotonic()
        if len(self.nodes) == 1:
            await node.start()
        await until(lambda: not waiting(), lambda: f"answers to {sorted(waiting())}")
        self.outcome.resolved.append(time.monotonic() - began)
        self.outcome.kills += 1
        if len(self.nodes) > 1:
            await node.start()

    def _all_open(self) -> bool:
        return all(node.door.open.is_set() for node in self.nodes)

    async def _supervise(self) -> None:
        """Start a gateway anew that ended because its journal takes no more writes."""
        while True:
            for node in self.nodes:
                pid = node.pid
                if not node.door.open.is_set() or (code := await self.nursery.ended(pid)) is None:
                    continue
                if node.door.open.is_set() and node.pid == pid:
                    node.door.open.clear()
                    self.outcome.restarts += 1
                    if code != Exit.JOURNAL:
                        self.outcome.findings.append(f"a gateway ended by itself with {code}")
                    await node.start()
            await asyncio.sleep(0.1)

    # The operator -------------------------------------------------------------------------------

    async def _operate(self) -> None:
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        since: dict[str, float] = {}
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                for node in self.nodes:
                    if node.door.open.is_set():
                        with contextlib.suppress(aiohttp.ClientError, OSError):
                            await self._look(session, node.door, since)
                await asyncio.sleep(0.05)

    async def _look(
        self, session: aiohttp.ClientSession, door: Door, since: dict[str, float]
    ) -> None:
        base = f"http://{door.host}:{door.http}/operator/unknown"
        async with session.get(base) as response:
            if response.status != 200:  # the journal is not there at this moment
                return
            listed = (await response.json())["unknown"]
        now = time.monotonic()
        for one in listed:
            first = since.setdefault(one["msgid"], now)
            if now - first < QUIET_SECONDS:
                continue
            decision = self._decision(one)
            if decision is None:
                continue
            body = {"operator": "op", "note": "looked at both sides", **decision}
            async with session.post(f"{base}/{one['msgid']}", json=body) as response:
                self.outcome.decided += response.status == 200

    def _decision(self, one: dict[str, Any]) -> dict[str, str] | None:
        """What is true about an open outcome; None when it is for later."""
        infno, msgid = one["infno"], one["msgid"]
        if infno == "2601":
            return {"decision": "confirm" if self.centre.did(msgid) else "nothing"}
        if "confirm" not in one["decisions"]:  # its 2601 comes first
            return None
        if made := self.centre.settlement(msgid) or self.centre.refund(msgid):
            return {"decision": "confirm", "setl_id": made}
        if infno in ("2201", "2401") and (mdtrt_id := self.centre.visit(msgid)):
            return {"decision": "confirm", "mdtrt_id": mdtrt_id}
        if infno == "2402" and self.centre.did(msgid):
            said = self.hospital.said_of(one["control_id"])
            if said is None:
                return None
            return {"decision": "confirm", "mdtrt_id": self.centre.number(said.visit)}
        if infno in ("2204", "2301") and self.centre.did(msgid):
            said = self.hospital.said_of(one["control_id"])
            if said is None:
                return None
            self.centre.take_out(said.visit)
        return {"decision": "nothing"}


async def play(folder: Path, load: Load, nursery: Nursery) -> Outcome:
    """Play a load to its end and compare the books."""
    world = World(folder, load, nursery)
    async with world.open():
        await play_in(world)
        async for finding in differences(world.config, world.environment, world):
            world.outcome.findings.append(finding)
    return world.outcome


async def play_in(world: World) -> None:
    """Play the load of a world, and stop its gateways."""
    began = time.monotonic()
    load, outcome, hospital = world.load, world.outcome, world.hospital
    desks = [DESKS[number % len(DESKS)](hospital, number) for number in range(load.desks)]
    working = asyncio.create_task(hospital.work(desks))
    world.centre.lossy, world.centre.losses = load.lossy, load.drops
    world.centre.infno = load.infno
    try:
        for _ in range(load.kills):
            await world.kill_one()
        await _go_on(world, lambda: world.centre.lost >= load.drops)
        await _go_on(world, lambda: hospital.visits >= load.visits)
        hospital.closing = True
        await _go_on(world, working.done)
        await working
        await hospital.ask_again()
    except Stuck as stuck:
        outcome.findings.append(str(stuck))
    finally:
        working.cancel()
        await asyncio.wait([working])
    for node in world.nodes:
        if node.door.open.is_set() and (code := await node.stop()) not in (0, Exit.JOURNAL):
            outcome.findings.append(f"a stopped gateway ended with {code}")
    outcome.drops, outcome.messages = world.centre.lost, len(hospital.said)
    outcome.findings += hospital.surprises
    outcome.settlements = len(hospital.done(*PAYING))
    outcome.cancellations = len(hospital.done(CANCEL))
    outcome.seconds = time.monotonic() - began


async def _go_on(world: World, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; as long as messages get their answers, the hospital goes on.

    Raises:
        Stuck: no message got an answer for `RESOLVED_SECONDS`.
    """
    last, seen = time.monotonic(), -1
    while not condition():
        answered = world.hospital.answered
        if answered != seen:
            last, seen = time.monotonic(), answered
        if time.monotonic() - last > RESOLVED_SECONDS:
            raise Stuck(f"no answers any more; open: {sorted(world.hospital.asking)}")
        await asyncio.sleep(0.02)
