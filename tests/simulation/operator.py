"""The operator: looks at both sides and decides what can be decided truthfully."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from gateway.settlement.confirming import Shown
from gateway.settlement.deciding import Decision, Open
from tests.simulation.books import rows_of
from tests.simulation.world import World

ROUNDS = 3
"""A decision may make another one possible: a 2601 that did nothing, and its settlement."""


async def decide(world: World) -> None:
    """Decide about everything that is open, until nothing is or nothing more can be done."""
    for _ in range(ROUNDS):
        node = world.node
        if node is None or not node.alive:
            return
        for one in await node.decider.open():
            if not await _decide(world, one):
                return  # the gateway crashed: the operator comes again later


async def _decide(world: World, one: Open) -> bool:
    node = world.node
    assert node is not None
    decision, shown = _judged(world, one)
    world.trace("decide", one.infno, one.msgid, decision.value)
    work = node.decider.decide(
        one.msgid, decision, operator="op", note="looked at both sides", shown=shown
    )
    task = world.inside(node, work)
    await asyncio.wait([task])
    if task.cancelled():
        return False
    if error := task.exception():
        world.trace("decision failed", repr(error))
    return True


def _judged(world: World, one: Open) -> tuple[Decision, Shown]:
    """What is true of it; where there is a choice, the message id makes it."""
    if _without_effect(world, one.msgid):
        return Decision.NOTHING, Shown()
    if "reverse" in one.decisions and int(one.msgid[-1]) % 2:
        return Decision.REVERSE, Shown()
    return Decision.CONFIRM, _shown(world, one)


def _shown(world: World, one: Open) -> Shown:
    """What the platform's pages show of the message."""
    platform = world.platform
    made = [s for s in platform.settled.values() if s.msgid == one.msgid]
    if made:
        return Shown(setl_id=made[0].setl_id)
    opened = [s for s in platform.stays.values() if s.msgid == one.msgid]
    if opened:
        return Shown(mdtrt_id=opened[0].mdtrt_id)
    rows = rows_of(platform.inputs[one.msgid])
    mdtrt_id = next((row["mdtrt_id"] for row in rows if "mdtrt_id" in row), "")
    total = sum((Decimal(str(row.get("det_item_fee_sumamt", 0))) for row in rows), Decimal(0))
    return Shown(mdtrt_id=mdtrt_id, medfee_sumamt=format(total, "f") if total else "")


def _without_effect(world: World, msgid: str) -> bool:
    """The platform never did it, or has undone it."""
    infno, _, done = world.platform.requests.get(msgid, ("", "", False))
    if not done:
        return True
    if infno == "2401":
        return all(
            s.state == "cancelled" for s in world.platform.stays.values() if s.msgid == msgid
        )
    made: list[Any] = [s for s in world.platform.settled.values() if s.msgid == msgid]
    return any(s.state == "reversed" for s in made)
