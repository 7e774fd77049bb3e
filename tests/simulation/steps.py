"""What a hospital does for one patient: one message or transaction of its own after the other."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation import desk
from tests.simulation.books import Stay, fen
from tests.simulation.speech import Asked, Told, is_final

if TYPE_CHECKING:
    from tests.simulation.hospital import Hospital


def as_yuan(amount: int) -> str:
    """Fen as a hospital writes them, in yuan."""
    return f"{amount // 100}.{amount % 100:02d}"


@dataclass
class Patient:
    """Who comes, and how chance treats the visit."""

    number: str
    """The hospital's own number of the visit."""
    psn_no: str
    account: str
    """`1` where the account may be used."""
    chance: random.Random
    own: random.Random
    """Chance of what the hospital does by national JSON itself, and of what goes beyond one batch."""


class Steps:
    """The steps of which a patient's way through the hospital is made."""

    setting = "outpatient"
    cancellation, settlement = "2208", "2207"
    """Transactions by which the hospital's own program takes a settlement back."""

    def __init__(self, hospital: Hospital, patient: Patient) -> None:
        self._hospital, self._chance, self.own = hospital, patient.chance, patient.own
        self._number, self._person = patient.number, patient.psn_no
        self._account = patient.account
        self._lines = 0
        self._open: list[int] = []
        """Fen of the lines that are charged and not settled."""
        self._items_open: list[str] = []
        """Items of all that was charged, until something is settled."""

    async def go(self) -> None:
        """The whole way."""
        raise NotImplementedError

    async def _withdraw_all(self) -> None:
        """2205 or 2302 of everything that is not settled, before anything was."""
        stay, items = self._stay(), frozenset(self._items_open)
        if stay is None:
            return
        infno = "2302" if self.setting == "inpatient" else "2205"
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
                setting=self.setting,
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
        named = self.setting == "outpatient" and self._chance.random() < 0.5
        batch = f"B{self._lines}" if named else ""
        stay = self._stay()
        if stay is not None and (itself or self.own.random() < 0.15):
            outpatient = self.setting == "outpatient"
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
            lines.append((str(self._lines), item, as_yuan(amount)))
        return lines, amounts

    async def _pay(self, *, in_stay: bool = False, charging: bool = False) -> Told | None:
        """Settle everything that is open; `charging` brings further lines in the same message."""
        total = ""
        lines, amounts = self._items() if charging else ([], [])
        self._open += amounts
        if self._chance.random() < 0.5:
            wrong = self._chance.random() < 0.1
            amount = sum(self._open) + wrong
            total = as_yuan(amount)
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
                self._open.append(fen(total))

    async def _take_back_together(self, paid: Told) -> None:
        """Everything that a claim settled, by one message."""
        setl_ids = [setl_id for setl_id, _, _ in paid.settlements]
        if self.own.random() < 0.2:
            await self._own_cancellation(self.own.choice(setl_ids))
        if await self._step("cancel", setl_ids=setl_ids):
            self._open += [fen(total) for _, total, _ in paid.settlements]

    async def _own_cancellation(self, setl_id: str) -> Told | None:
        """2103, 2208, 2305 or 2601 by the hospital's own program, which knows the platform's numbers."""
        made = self._hospital.world.platform.settled[setl_id]
        node = {"setl_id": setl_id, "mdtrt_id": made.mdtrt_id, "psn_no": self._person}
        infno = self.cancellation
        if self._chance.random() < 0.3:
            infno = "2601"
            node = {"psn_no": self._person, "omsgid": made.msgid, "oinfno": self.settlement}
        return await self._carry(infno, {"data": node})
