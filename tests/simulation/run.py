"""Play one seed: the hospital's day with its faults, then the operator, then the questions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.settlement.deciding import Decision
from tests.simulation.checks import findings
from tests.simulation.hospital import Hospital
from tests.simulation.loop import StuckError
from tests.simulation.plans import CALM, Plan, plan_of
from tests.simulation.wire import LATEST
from tests.simulation.world import World

QUIET = CALM + LATEST + 60.0
"""Virtual second at which the last request has arrived and the resolver has had its turn."""
EVENING = QUIET + 60.0
"""Virtual second at which the hospital asks no more."""


@dataclass
class Run:
    """What came of a seed."""

    seed: int
    digest: str
    findings: list[str] = field(default_factory=list)
    points: int = 0
    messages: int = 0
    settlements: int = 0
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


async def _day(world: World, hospital: Hospital) -> None:
    world.schedule()
    world.boot()
    working = world.loop.create_task(hospital.work())
    await asyncio.sleep(QUIET)
    world.decided_from = world.points
    if world.plan.operator:
        await _decide(world)
    await asyncio.sleep(EVENING - world.loop.time())
    hospital.closing = True
    await working
    if world.plan.operator:
        await asyncio.sleep(LATEST)
        await _decide(world)
    chance = world.chance("evening")
    for said in hospital.said:
        await hospital.once(said, chance)


async def _decide(world: World) -> None:
    """The operator looks at both sides and decides what can be decided truthfully."""
    node = world.node
    assert node is not None
    for one in await node.decider.open():
        made = [s for s in world.platform.settled.values() if s.msgid == one.msgid]
        live = [s for s in made if s.state == "settled"]
        if _without_effect(world, one.msgid):
            decision, setl_id = Decision.NOTHING, ""
        elif live and "confirm" in one.decisions and int(one.msgid[-1]) % 2:
            decision, setl_id = Decision.CONFIRM, live[0].setl_id
        elif "reverse" in one.decisions:
            decision, setl_id = Decision.REVERSE, ""
        elif live and "confirm" in one.decisions:
            decision, setl_id = Decision.CONFIRM, live[0].setl_id
        else:
            continue
        world.trace("decide", one.infno, one.msgid, decision.value)
        decide = node.decider.decide(
            one.msgid, decision, operator="op", note="looked at both sides", setl_id=setl_id
        )
        task = world.inside(node, decide)
        await asyncio.wait([task])
        if task.cancelled():
            return  # the gateway crashed: the operator comes again later
        if error := task.exception():
            world.trace("decision failed", repr(error))


def _without_effect(world: World, msgid: str) -> bool:
    """The platform never did it, or has undone it; of a 2601, its original is not unknown."""
    infno, _, done = world.platform.requests.get(msgid, ("", "", False))
    if not done:
        return True
    if infno == "2601":
        query = (
            "SELECT 1 FROM sends AS back JOIN sends AS original ON original.msgid = back.reverses "
            "WHERE back.msgid = ? AND original.state = 'unknown'"
        )
        return world.memory.connection.execute(query, (msgid,)).fetchone() is None
    if infno == "2401":
        return all(
            s.state == "cancelled" for s in world.platform.stays.values() if s.msgid == msgid
        )
    return any(s.state == "reversed" for s in world.platform.settled.values() if s.msgid == msgid)
