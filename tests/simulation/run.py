"""Play one seed: the hospital's day with its faults, then the operator, then the questions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.simulation.checks import findings, overdue, unknown_count
from tests.simulation.hospital import Hospital
from tests.simulation.loop import StuckError
from tests.simulation.operator import decide, glance
from tests.simulation.plans import CALM, Plan, plan_of
from tests.simulation.wire import LATEST
from tests.simulation.world import World

QUIET = CALM + LATEST + 60.0
"""Virtual second at which the last request has arrived and the resolver has had its turn."""
EVENING = QUIET + 60.0
"""Virtual second at which the hospital asks no more."""


AGAIN = 30.0
"""Virtual seconds before it asks about what was not known in the evening once more."""


@dataclass
class Run:
    """What came of a seed."""

    seed: int
    digest: str
    findings: list[str] = field(default_factory=list)
    points: int = 0
    messages: int = 0
    settlements: int = 0
    unknown: int = 0
    """Money transactions that nobody has ended."""
    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def simulate(seed: int, plan: Plan | None = None, *, keep_lines: bool = False) -> Run:
    """Play a seed, by its own plan unless another one is given."""
    world = World(seed, plan or plan_of(seed))
    world.keep_lines = keep_lines
    hospital = Hospital(world)
    stuck = ""
    asyncio.set_event_loop(world.loop)
    try:
        world.loop.run_until_complete(_day(world, hospital))
    except (StuckError, asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - a finding, too
        stuck = f"the run broke: {error!r}"
    found = [stuck] if stuck else list(findings(world, hospital))
    run = Run(
        seed,
        world.digest(),
        found,
        world.points,
        len(hospital.said),
        len(world.platform.settled),
        unknown_count(world),
        world.lines,
        world.failures,
    )
    _close(world)
    return run


def _close(world: World) -> None:
    if world.node is not None:
        world.node.crash()
    for task in asyncio.all_tasks(world.loop):
        task.cancel()
    world.loop.call_soon(world.loop.stop)
    world.loop.run_forever()
    world.loop.call_soon(world.loop.stop)
    world.loop.run_forever()
    world.loop.close()
    asyncio.set_event_loop(None)
    world.memory.connection.close()


async def _look(world: World, when: float) -> None:
    await asyncio.sleep(when)
    await glance(world)


async def _day(world: World, hospital: Hospital) -> None:
    world.schedule()
    world.boot()
    working = world.loop.create_task(hospital.work())
    looks = [world.loop.create_task(_look(world, when)) for when in world.plan.looks]
    await asyncio.sleep(QUIET)
    await asyncio.gather(*looks)
    world.overdue = await overdue(world)
    world.decided_from = world.points
    if world.plan.operator:
        await decide(world)
    await asyncio.sleep(EVENING - world.loop.time())
    hospital.closing = True
    await working
    if world.plan.operator:
        await asyncio.sleep(LATEST)
        await decide(world)
    chance = world.chance("evening")
    for said in hospital.said:
        await hospital.once(said, chance)
    await asyncio.sleep(AGAIN)
    for said in hospital.said:  # what was resolved, or not answered, while it asked
        if said.last is not None and said.last.code == "UN":
            await hospital.once(said, chance)
