"""The ways through the hospital: outpatients, claims, stays, and purchases in its pharmacy."""

from __future__ import annotations

import asyncio

from tests.simulation import desk
from tests.simulation.desk import Item
from tests.simulation.speech import Told
from tests.simulation.steps import Steps, as_yuan


class Outpatient(Steps):
    """Register, charge, pay; now and then take back."""

    async def go(self) -> None:
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


class Claimant(Outpatient):
    """Claims: each brings its charge batches, is settled batch by batch, and is taken back whole."""

    async def go(self) -> None:
        """Open the visit or let the claim do it, claim, take back, pay what is open again."""
        if self.own.random() < 0.5 and not await self._step("register"):
            return
        if self._stay() is not None and self.own.random() < 0.3:
            await self._charge()  # which the claim is not about
        paid = await self._claim()
        if paid and self.own.random() < 0.2:
            await self._claim()
        if not paid or not paid.settlements or self.own.random() < 0.3:
            return
        if self.own.random() < 0.8:
            await self._take_back_together(paid)
        else:
            await self._take_back(paid)
        if self.own.random() < 0.5:
            await self._pay()

    async def _claim(self) -> Told | None:
        """Several charge batches with their sum, which is now and then wrong."""
        lines: list[Item] = []
        batches: list[str] = []
        total = int(self.own.random() < 0.05)
        for _ in range(self.own.choice((1, 2, 2, 3))):
            new, amounts = self._items()
            lines += new
            batches += [f"B{self._lines}"] * len(new)
            total += sum(amounts)
        told = {"lines": lines, "batches": batches, "total": as_yuan(total)}
        return await self._step("settle", account=self._account, **told)


class Shopper(Steps):
    """Purchases: each has a number of its own, and is over when it is taken back."""

    setting = "pharmacy"
    cancellation, settlement = "2103", "2102"

    async def go(self) -> None:
        """Buy, now and then take it back, and buy again."""
        first = self._number
        for times in range(self.own.choice((1, 2, 2))):
            self._number = f"{first}-{times}"
            lines, amounts = self._items()
            itself = self.own.random() < 0.2
            paid = await (self._buy_itself if itself else self._buy)(lines, sum(amounts))
            if not paid or self.own.random() < 0.4:
                continue
            if itself:
                await self._own_cancellation(paid.settlements[0][0])
            else:
                await self._take_back(paid)

    async def _buy(self, lines: list[Item], total: int) -> Told | None:
        """Ask what it costs, or not, and buy; now and then the stated sum is wrong."""
        if self.own.random() < 0.2:
            await self._step("presettle", lines=lines)
        wrong = self.own.random() < 0.05
        stated = as_yuan(total + wrong) if wrong or self.own.random() < 0.5 else ""
        return await self._step("settle", lines=lines, total=stated, account=self._account)

    async def _buy_itself(self, lines: list[Item], total: int) -> Told | None:
        """The same by the pharmacy's own program."""
        for infno in ("2101", "2102") if self.own.random() < 0.3 else ("2102",):
            content = desk.purchase(infno, self._person, lines, as_yuan(total))
            answer = await self._carry(infno, content)
        return answer


class Inpatient(Steps):
    """Admit, charge, discharge, pay; now and then take back."""

    setting = "inpatient"
    cancellation, settlement = "2305", "2304"

    async def go(self) -> None:
        """Admit, charge, discharge, pay; now and then take back."""
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


class OwnInpatient(Inpatient):
    """A stay that no message opens: everything by national JSON."""

    async def go(self) -> None:
        """A stay that no message opens: everything by national JSON."""
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
        content = desk.settlement(self._person, stay.mdtrt_id, as_yuan(total))
        paid = await self._carry("2304", content)
        if paid and self.own.random() < 0.6:
            await self._upload_list(paid)
        if paid and self.own.random() < 0.4:
            await self._own_cancellation(paid.settlements[0][0])
