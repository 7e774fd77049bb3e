"""The model hospital: visits one step after another, each message until it has its answer.

A message is repeated, byte for byte, when no answer came, after AR, and after being told that the
outcome is not known or that the visit waits. Only AE that says the transaction was undone, or that the rest
of the message was not done, leads to the same step under another control id.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from tests.simulation.speech import PROTOCOL, Asked, Told, encode, is_final, told
from tests.simulation.steps import Patient, Steps
from tests.simulation.ways import Claimant, Inpatient, Outpatient, OwnInpatient, Shopper
from tests.simulation.world import PERSONS, World

PATIENCE = 40.0
"""Seconds the hospital waits for an answer."""
WAITS = 30.0
"""Seconds before it asks again what became of an unknown outcome."""


@dataclass
class Said:
    """A message and everything that was answered to it."""

    asked: Asked
    answers: list[Told] = field(default_factory=list)
    accepted: bool = False
    """An answer other than AR came: the gateway has the message."""
    takes: frozenset[str] = frozenset()
    """Items that it withdraws."""

    @property
    def last(self) -> Told | None:
        """The last answer."""
        return self.answers[-1] if self.answers else None


class Hospital:
    """Its visits and all that was said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: list[Said] = []
        self.closing = False
        """The day is over: nobody asks again."""
        self._serial = 0

    async def work(self) -> None:
        """Play every visit."""
        await asyncio.gather(*(self._visit(number) for number in range(self.world.plan.visits)))

    async def _visit(self, number: int) -> None:
        chance = self.world.chance(f"visit {number}")
        await asyncio.sleep(chance.choice((0.0, 0.1, 5.0)))
        name = f"V{self.world.seed}-{number}"
        own = random.Random(f"own {name}")  # noqa: S311 - repeatable on purpose
        person, account = chance.choice(sorted(PERSONS)), chance.choice("01")
        patient = Patient(name, person, account, chance, own)
        await self._way(chance, own)(self, patient).go()

    def _way(self, chance: random.Random, own: random.Random) -> type[Steps]:
        plan = self.world.plan
        if plan.shops and own.random() < plan.shops:
            return Shopper
        if chance.random() < 0.75:
            return Claimant if plan.claims and own.random() < plan.claims else Outpatient
        return OwnInpatient if own.random() < 0.2 else Inpatient

    def next_id(self) -> str:
        """A control id."""
        self._serial += 1
        return f"M{self._serial}"

    async def tell(self, asked: Asked, chance: random.Random, takes: frozenset[str]) -> Said:
        """Send a message until it has its final answer, or the day is over."""
        said = Said(asked, takes=takes)
        self.said.append(said)
        self.world.asked[asked.id] = asked
        if chance.random() < self.world.plan.copies:
            copy = asyncio.get_running_loop().create_task(self.once(said, chance))
        else:
            copy = None
        while not self.closing:
            answer = await self.once(said, chance)
            if is_final(answer):
                break
            waits = answer is not None and answer.code != "AR"
            await asyncio.sleep(WAITS if waits else chance.choice((0.5, 4.0, 11.0)))
        if copy is not None:
            await copy
        return said

    async def once(self, said: Said, chance: random.Random) -> Told | None:
        """Send a message once; None when no answer came."""
        world, node = self.world, self.world.node
        if node is None or not node.ready:
            await asyncio.sleep(1.0)
            return None
        world.trace("say", said.asked.id, said.asked.verb, said.asked.visit)
        peer = node.peers["shop" if said.asked.setting == "pharmacy" else "his"]
        work = node.pipeline.handle(PROTOCOL, encode(said.asked), peer, {})
        task = world.inside(node, work)
        await asyncio.wait([task], timeout=PATIENCE)
        lost = not world.calm and chance.random() < world.plan.answers_lost
        if not task.done() or task.cancelled() or lost:
            world.trace("silence", said.asked.id)
            return None
        answer = told(task.result().body)
        world.trace("told", said.asked.id, task.result().body)
        said.answers.append(answer)
        said.accepted = said.accepted or answer.code != "AR"
        return answer
