"""The model hospital: visits one step after another, each message until it has its answer.

A message is repeated, byte for byte, when no answer came, after AR, and after being told that the
outcome is not known or that the visit waits. Only AE that says the transaction was undone, or that the rest
of the message was not done, leads to the same step under another control id.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from tests.simulation import desk
from tests.simulation.books import Stay
from tests.simulation.speech import PROTOCOL, Asked, Told, encode, told
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


def is_final(answer: Told | None) -> bool:
    """The hospital need not ask again."""
    return (
        answer is not None and answer.code in ("AA", "AE") and "VISIT-HELD" not in answer.problems
    )


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
        visit = _Visit(self, f"V{self.world.seed}-{number}", chance)
        if chance.random() < 0.75:
            await visit.outpatient()
        elif visit.own.random() < 0.2:
            await visit.own_inpatient()
        else:
            await visit.inpatient()

    def next_id(self) -> str:
        """A control id."""
        self._serial += 1
        return f"M{self._serial}"

    async def tell(self, asked: Asked, chance: random.Random, takes: frozenset[str]) -> Said:
        """Send a message until it has its final answer, or the day is over."""
        said = Said(asked, takes=takes)
        self.said.append(said)
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
        work = node.pipeline.handle(PROTOCOL, encode(said.asked), node.peer, {})
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


class _Visit:
    """One patient's way through the hospital."""

    def __init__(self, hospital: Hospital, number: str, chance: random.Random) -> None:
        self._hospital, self._number, self._chance = hospital, number, chance
        self._person = chance.choice(sorted(PERSONS))
        self._setting = "outpatient"
        self._lines = 0
        self._account = chance.choice("01")
        self._open: list[int] = []
        """Fen of the lines that are charged and not settled."""
        self._items_open: list[str] = []
        """Items of all that was charged, until something is settled."""
        self.own = random.Random(f"own {number}")  # noqa: S311 - repeatable on purpose
        """Chance of what the hospital does by national JSON itself."""

    async def outpatient(self) -> None:
        """Register, charge, pay; now and then take back."""
        chance = self._chance
        if not await self._step("register"):
            return
        times = chance.choice((1, 1, 2))
        if self._hospital.world.plan.hasty:
            await asyncio.gather(self._charge(), self._charge())
        else:
            for _ in range(times):
                await self._charge()
        if self.own.random() < 0.2:
            await self._withdraw_all()
            await self._charge()
        if chance.random() < 0.1:
            await self._step("refund")
            self._open.clear()
            await self._step("unregister")
            return
        paid = await self._pay(charging=chance.random() < 0.3)
        if paid and paid.settlements and self.own.random() < 0.5:
            await self._upload_list(paid)
        if paid and chance.random() < 0.5:
            await self._take_back(paid)
            if chance.random() < 0.5:
                await self._pay()
        elif chance.random() < 0.3:
            await self._charge()
            await self._pay()

    async def inpatient(self) -> None:
        """Admit, charge, discharge, pay; now and then take back."""
        self._setting = "inpatient"
        if not await self._step("admit"):
            return
        for _ in range(self._chance.choice((1, 2))):
            await self._charge()
        if self.own.random() < 0.15:
            await self._withdraw_all()
            await self._charge()
        earlier = await self._pay(in_stay=True) if self._chance.random() < 0.3 else None
        if earlier:
            await self._charge()
        if self._chance.random() < 0.6:
            await self._discharge()
        paid = await self._pay()
        if paid and self.own.random() < 0.6:
            await self._upload_list(paid)
        if paid and self._chance.random() < 0.4:
            await self._take_back(paid)
            if earlier and self._chance.random() < 0.5:
                await self._take_back(earlier)
                await self._pay()

    async def own_inpatient(self) -> None:
        """A stay that no message opens: everything by national JSON."""
        self._setting = "inpatient"
        if not await self._carry("2401", desk.admission(self._person, self._number)):
            return
        for _ in range(2):
            await self._charge(itself=True)
        if self.own.random() < 0.3:
            await self._withdraw_all()
            await self._charge(itself=True)
        await self._discharge(itself=True)
        stay = self._stay()
        if stay is None:
            return
        total = sum(line.amount for line in stay.lines if not line.setl_id)  # as its pages show
        content = desk.settlement(self._person, stay.mdtrt_id, f"{total // 100}.{total % 100:02d}")
        paid = await self._carry("2304", content)
        if paid and self.own.random() < 0.6:
            await self._upload_list(paid)
        if paid and self.own.random() < 0.4:
            await self._own_cancellation(paid.settlements[0][0])

    async def _discharge(self, *, itself: bool = False) -> None:
        """Leave, now and then come back and leave again; before it, perhaps another bed."""
        for times in range(2):
            stay = self._stay()
            if stay is None:
                return
            ids = (self._person, stay.mdtrt_id)
            if self.own.random() < 0.3:
                await self._carry("2403", desk.update(*ids, self._number))
            if itself or self.own.random() < 0.4:
                left = await self._carry("2402", desk.discharge(*ids))
            else:
                left = await self._step("discharge")
            if not left or times or self.own.random() < 0.6:
                return
            if itself or self.own.random() < 0.5:
                await self._carry("2405", desk.undischarge(*ids))
            else:
                await self._step("undischarge")
            if self.own.random() < 0.4:
                return

    async def _withdraw_all(self) -> None:
        """2205 or 2302 of everything that is not settled, before anything was."""
        stay, items = self._stay(), frozenset(self._items_open)
        if stay is None:
            return
        infno = "2302" if self._setting == "inpatient" else "2205"
        content = desk.withdrawal(infno, self._person, stay.mdtrt_id, "")
        if await self._carry(infno, content, takes=items):
            self._open.clear()
            self._items_open.clear()

    async def _upload_list(self, paid: Told) -> None:
        stay = self._stay()
        if stay is not None:
            setl_id = paid.settlements[0][0]
            await self._carry("4101", desk.settlement_list(self._person, stay.mdtrt_id, setl_id))

    def _stay(self) -> Stay | None:
        """The visit as the platform's pages show it."""
        stays = self._hospital.world.platform.stays.values()
        found = [s for s in stays if s.number == self._number and s.state != "cancelled"]
        return found[-1] if found else None

    async def _carry(
        self, infno: str, content: dict[str, object], takes: frozenset[str] = frozenset()
    ) -> Told | None:
        """A transaction that the hospital composes itself."""
        return await self._step("carry", takes=takes, infno=infno, carried=content)

    async def _step(
        self, verb: str, *, takes: frozenset[str] = frozenset(), **more: object
    ) -> Told | None:
        """One message; under another control id when it was undone. The answer when it is AA."""
        for _ in range(3):
            if self._hospital.closing:
                return None  # nobody begins anything more
            asked = Asked(
                id=self._hospital.next_id(),
                verb=verb,
                visit=self._number,
                setting=self._setting,
                psn_no=self._person,
                owned=self._chance.random() < 0.3,
                **more,  # type: ignore[arg-type]  # members of the message
            )
            said = await self._hospital.tell(asked, self._chance, takes)
            answer = said.last
            if answer is None or not is_final(answer):
                return None
            if answer.code == "AA":
                return answer
            if answer.status != "reversed" and "VISIT-STATE" not in answer.problems:
                return None
        return None

    async def _charge(self, *, itself: bool = False) -> None:
        lines, amounts = self._items()
        named = self._setting == "outpatient" and self._chance.random() < 0.5
        batch = f"B{self._lines}" if named else ""
        stay = self._stay()
        if stay is not None and (itself or self.own.random() < 0.15):
            outpatient = self._setting == "outpatient"
            infno, batch = ("2204", f"B{self._lines}") if outpatient else ("2301", "")
            content = desk.charges(infno, self._person, stay.mdtrt_id, lines, batch)
            told_of = await self._carry(infno, content)
        else:
            told_of = await self._step("charge", lines=lines, batch=batch)
        if told_of:
            self._open += amounts
            self._items_open += [item for _, item, _ in lines]

    def _items(self) -> tuple[list[tuple[str, str, str]], list[int]]:
        """New lines, and their amounts in fen."""
        lines, amounts = [], []
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            self._lines += 1
            amount = self._chance.choice((1, 99, 1260, 24_000, self._chance.randint(1, 99_999)))
            amounts.append(amount)
            item = f"{self._number}/{self._lines}"
            lines.append((str(self._lines), item, f"{amount // 100}.{amount % 100:02d}"))
        return lines, amounts

    async def _pay(self, *, in_stay: bool = False, charging: bool = False) -> Told | None:
        """Settle everything that is open; `charging` brings further lines in the same message."""
        total = ""
        lines, amounts = self._items() if charging else ([], [])
        self._open += amounts
        if self._chance.random() < 0.5:
            wrong = self._chance.random() < 0.1
            amount = sum(self._open) + wrong
            total = f"{amount // 100}.{amount % 100:02d}"
        asked = {"total": total, "account": self._account, "in_stay": in_stay, "lines": lines}
        answer = await self._step("settle", **asked)
        if answer is not None:
            self._open.clear()
        return answer

    async def _take_back(self, paid: Told) -> None:
        for setl_id, total, _ in paid.settlements:
            if self._chance.random() < 0.4:
                gone = await self._own_cancellation(setl_id)
            else:
                gone = await self._step("cancel", setl_id=setl_id)
            if gone:
                self._open.append(int(total.replace(".", "")))

    async def _own_cancellation(self, setl_id: str) -> Told | None:
        """2208, 2305 or 2601 by the hospital's own program, which knows the platform's numbers."""
        made = self._hospital.world.platform.settled[setl_id]
        inpatient = self._setting == "inpatient"
        node = {"setl_id": setl_id, "mdtrt_id": made.mdtrt_id, "psn_no": self._person}
        infno = "2305" if inpatient else "2208"
        if self._chance.random() < 0.3:
            infno, original = "2601", "2304" if inpatient else "2207"
            node = {"psn_no": self._person, "omsgid": made.msgid, "oinfno": original}
        return await self._carry(infno, {"data": node})
