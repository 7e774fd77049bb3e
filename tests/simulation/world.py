"""Everything of one run: time, chance, the platform, the gateway process of the moment, the trace."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import itertools
import random
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import CHINA
from gateway.intents import Answer
from gateway.journal.memory import Memory
from gateway.settings import PeerSettings
from tests.simulation.disk import open_on
from tests.simulation.loop import VirtualLoop
from tests.simulation.node import Node
from tests.simulation.plans import CALM, Plan
from tests.simulation.platform import Platform
from tests.simulation.reading import CentreBooks
from tests.simulation.speech import Asked
from tests.simulation.wire import Wire

PERSONS = {"43010000000000000001": 100_000, "43010000000000000002": 0}
"""Person to the fen of the account."""

_START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=CHINA)
_HARMLESS = frozenset(
    {"9001", "1101", "2101", "2203", "2206", "2303", "4103", "5201", "5203", "5303"}
)

_process: contextvars.ContextVar[Node | None] = contextvars.ContextVar("process", default=None)


class World:
    """One run. It is the clock, too."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed, self.plan = seed, plan
        self.loop = VirtualLoop()
        self.loop.set_task_factory(self._task)
        self.memory = Memory()
        self.platform = Platform(PERSONS, lenient=plan.lenient)
        self.node: Node | None = None
        self.lives = 0
        self.points = 0
        self.decided_from = 0
        """Points that had passed when the operator began to decide."""
        self.overdue: list[str] = []
        """What the policy would have reversed by now, and nobody tried to."""
        self.failures: list[str] = []
        self.wrongs: list[str] = []
        """What an operator could do and must not, in words."""
        self.asked: dict[str, Asked] = {}
        """What the hospital has asked for, by control id."""
        self.lines: list[str] = []
        self.keep_lines = False
        self.delivered: dict[str, bytes] = {}
        self._hash = hashlib.sha256()
        self._ids = itertools.count(1)
        self._step = 0.0
        self._fates = self.chance("fates")
        self._crashed = False
        """It crashed at the named point of its plan."""

    # the clock

    def now(self) -> datetime:
        """The wall clock, which may jump."""
        return _START + timedelta(seconds=self.loop.time() + self._step)

    def monotonic(self) -> float:
        """Seconds, which never jump."""
        return self.loop.time()

    # chance and trace

    def chance(self, name: str) -> random.Random:
        """A source of its own for each part, so that one does not disturb the other."""
        return random.Random(f"{name} {self.seed}")  # noqa: S311 - repeatable on purpose

    def trace(self, *words: object) -> None:
        """Write down what happens."""
        line = f"{self.loop.time():.6f} " + " ".join(map(str, words))
        self._hash.update(line.encode())
        if self.keep_lines:
            self.lines.append(line)

    def digest(self) -> str:
        """The hash of the trace."""
        return self._hash.hexdigest()

    # faults

    @property
    def calm(self) -> bool:
        """Nothing goes wrong any more."""
        return self.loop.time() >= CALM

    def point(self, name: str) -> None:
        """A moment at which the gateway may crash."""
        self.points += 1
        self.trace("point", self.points, name)
        if self.points in self.plan.crash_at and not self.calm:
            self.loop.call_soon(self.crash)
        if name == self.plan.crash_when and not self._crashed:
            self._crashed = True
            self.loop.call_soon(self.crash)
        after = self.points - self.decided_from
        if self.decided_from and after == self.plan.decision_crash:
            self.loop.call_soon(self.crash)

    def fate(self, infno: str) -> str:
        """What happens to a request."""
        plan = self.plan
        drawn, which = self._fates.random(), self._fates.random()
        if self.calm or not plan.fates or drawn >= plan.rate:
            return ""
        if (plan.aimed and infno in _HARMLESS) or (plan.only and infno not in plan.only):
            return ""
        return plan.fates[int(which * len(plan.fates))]

    def disk_fails(self) -> str:
        """How the disk fails now."""
        now = self.loop.time()
        return next((how for begin, end, how in self.plan.disk if begin <= now < end), "")

    def down(self) -> bool:
        """The platform is away."""
        now = self.loop.time()
        return any(begin <= now < end for begin, end in self.plan.down)

    def schedule(self) -> None:
        """Set what happens at fixed times on its way."""
        for when, seconds in self.plan.steps:
            self.loop.call_at(when, self._jump, seconds)
        for begin, end in self.plan.closed:
            self.loop.call_at(begin, self.platform.close_funds, True)
            self.loop.call_at(end, self.platform.close_funds, False)
        for _, end in self.plan.down:
            self.loop.call_at(end, self.platform.restart)
        for _, end, _ in self.plan.disk:
            # A journal that failed stays shut until the process is started again.
            self.loop.call_at(end + 0.5, self.crash)

    def is_own(self, msgid: str) -> bool:
        """The hospital composed this transaction itself."""
        carried = "SELECT 1 FROM sends JOIN exchanges USING (exchange_id) WHERE msgid = ? AND kind = 'carry'"
        return self.memory.connection.execute(carried, (msgid,)).fetchone() is not None

    def _jump(self, seconds: float) -> None:
        self._step += seconds
        self.trace("clock", seconds)

    # the gateway

    def crash(self) -> None:
        """The gateway process dies and is started again."""
        node = self.node
        if node is None or not node.alive:
            return
        self.trace("crash")
        node.crash()
        self.loop.call_later(self.chance(f"restart {self.lives}").choice((0.5, 3.0)), self.boot)

    def boot(self) -> None:
        """Start a gateway process."""
        self.lives += 1
        chance = self.chance(f"life {self.lives}")
        holder: list[Node] = []
        journal = open_on(
            self.memory,
            clock=self,
            around=self,
            chance=chance,
            alive=lambda: not holder or holder[0].alive,
            new_id=lambda: f"{next(self._ids):016x}",
        )
        wire = Wire(
            self.platform,
            fate=self.fate,
            point=self.point,
            down=self.down,
            trace=self.trace,
            chance=chance,
        )
        node = Node(
            journal,
            wire,
            clock=self,
            policy=self.plan.policy,
            failed=self._failed,
            deliver=self._deliver,
            chance=chance,
            books=CentreBooks(self.platform, chance) if self.plan.books else None,
            undoes=self.plan.undoes,
        )
        holder.append(node)
        self.node = node
        self.trace("boot", self.lives)
        task = self.inside(node, node.start())
        task.add_done_callback(lambda done: self._started(node, done))

    def _started(self, node: Node, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        self.trace("start failed", repr(task.exception()))
        if node is self.node and not node.ready:
            self.crash()

    def inside(self, node: Node, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in a process: it dies with it."""
        context = contextvars.copy_context()
        context.run(_process.set, node)
        return context.run(self.loop.create_task, work)

    def _task(self, loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        node = _process.get()
        if node is not None:
            node.started(task)
            if not node.alive:
                task.cancel()
        return task

    def _failed(self, error: Exception) -> None:
        self.trace("failed", repr(error))
        self.failures.append(repr(error))

    async def _deliver(self, _protocol: str, _peer: PeerSettings, answer: Answer) -> None:
        self.trace("delivered", answer.body)
