"""The operator: looks at both sides and decides what can be decided truthfully."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from gateway.settlement.absorbing import CANCELLING
from gateway.settlement.asked import UPLOADS
from gateway.settlement.closing import SETTLEMENTS
from gateway.settlement.confirming import OPENING, Shown
from gateway.settlement.deciding import Decision, Open
from gateway.settlement.resolving import REVERSAL
from tests.simulation.books import rows_of
from tests.simulation.world import World

ROUNDS = 3
"""A decision may make another one possible: a 2601 that did nothing, and its settlement."""

_SETTLING = SETTLEMENTS | CANCELLING


async def glance(world: World) -> None:
    """Look in the middle of the day: what the pages show has happened, the rest may still come."""
    node = world.node
    if node is None or not node.ready:
        return
    for one in await node.decider.open():
        if not await _careless(world, one):
            return
        if not _without_effect(world, one.msgid) and not await _decide(world, one):
            return


async def decide(world: World) -> None:
    """Decide about everything that is open, until nothing is or nothing more can be done."""
    for _ in range(ROUNDS):
        node = world.node
        if node is None or not node.alive:
            return
        for one in await node.decider.open():
            if not await _careless(world, one) or not await _decide(world, one):
                return  # the gateway crashed: the operator comes again later


async def _decide(world: World, one: Open) -> bool:
    """Decide truthfully; False when the gateway died over it."""
    decision, shown = _judged(world, one)
    return await _carry_out(world, one, decision, shown) is not None


async def _careless(world: World, one: Open) -> bool:
    """Confirm it by what is not its own, which has to be refused; False when the gateway died."""
    shown = _mistaken(world, one) if world.plan.careless else None
    if shown is None:
        return True
    done = await _carry_out(world, one, Decision.CONFIRM, shown)
    if done:
        world.wrongs.append(f"{one.infno} {one.msgid} was confirmed by what is not its own")
    return done is not None


async def _carry_out(world: World, one: Open, decision: Decision, shown: Shown) -> bool | None:
    """True when it was done, False when it was refused, None when the gateway died over it."""
    node = world.node
    if node is None or not node.alive:
        return None
    world.trace("decide", one.infno, one.msgid, decision.value)
    work = node.decider.decide(
        one.msgid, decision, operator="op", note="looked at both sides", shown=shown
    )
    task = world.inside(node, work)
    await asyncio.wait([task])
    if task.cancelled():
        return None
    if error := task.exception():
        world.trace("decision failed", repr(error))
    return error is None


def _mistaken(world: World, one: Open) -> Shown | None:
    """What somebody enters who looks at the wrong line of the page; None where all is an own word.

    The number of another settlement or visit, a sum that is a yuan more, a list that is not there.
    """
    platform, infno = world.platform, one.infno
    if infno in _SETTLING:
        others = [s.setl_id for s in platform.settled.values() if s.msgid != one.msgid]
        return Shown(setl_id=others[-1] if others else "T00000000")
    if infno in UPLOADS and one.msgid in platform.inputs:
        right = _shown(world, one)
        wrong = Decimal(right.medfee_sumamt) + 1
        return Shown(mdtrt_id=right.mdtrt_id, medfee_sumamt=format(wrong, "f"))
    asked = world.asked[one.control_id]
    if infno == "4101":
        return None if asked.carried["setlinfo"]["setl_id"] in platform.lists else Shown()
    if infno == REVERSAL or (infno in OPENING and asked.carried):
        return None
    others = [s.mdtrt_id for s in platform.stays.values() if s.number != asked.visit]
    return Shown(mdtrt_id=others[-1] if others else "430100999999999999")


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
