"""A hospital under load: desks that register, charge, collect and give back, and ask until they know.

Some desks are those of a ward (`wards`), some of a pharmacy (`shops`).

A desk repeats a message, byte for byte, when the connection breaks or is refused, after AR (503),
and while it is told that the outcome is not known or the visit waits. Only when it is told that
the transaction was undone, or that it was confirmed and the rest of the message was not done, does
it begin the same step anew, under another control id. A cancellation is begun anew only when it was
told to be undone: that it cannot be done may mean that it was done before.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

import aiohttp
import msgspec

from gateway.clock import CHINA
from gateway.demo import messages as m
from gateway.demo import sandbox
from gateway.demo.talking import FHIRSender, HL7Answer, HL7Sender
from gateway.errors import NotSentError, UnknownOutcomeError
from tests.crashes.centre import Centre
from tests.crashes.invoices import Invoices, ShopClient

PAUSE = 0.02
"""Seconds before a message is repeated that has no final answer yet."""

ITEMS = (m.Item("CT001", "X线计算机体层(CT)平扫", "1", "240.00", "240.00"),)
TOTAL = "240.00"
PEOPLE = (m.ZHANG, m.LI, m.RARE)
UNDECIDED = {"FSI-UNKNOWN", "VISIT-HELD", "INTERNAL"}
"""Codes of ours that say: ask again."""
FROM_HERE = {"FSI-REVERSED": "undone", "VISIT-STATE": "in part"}
"""Codes of ours that say: go on with a new control id."""
UNDONE = ("undone",)
"""Such an answer."""
ANEW = 20
"""How often a step is begun anew at most."""
PURCHASE = "purchase"
PAYING = frozenset({"pay", "claim", "invoice", PURCHASE})
"""Steps that settle."""
CANCEL = "cancel"
CANCELLED_VISITS = 3
"""Of so many visits of a desk the first one has its settlement cancelled."""


class Door:
    """Where one gateway is: other ports after each start; `open` is set while it runs."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.mllp, self.http = 0, 0
        self.open = asyncio.Event()


class Said(msgspec.Struct):
    """A message and every answer to it that was final, as its parts that must not change."""

    desk: type[Desk]
    """Of which kind the desk is that said it."""
    key: str
    visit: str
    step: str
    message: Any
    answers: list[tuple[str, ...]] = []
    """Of what settles, and of a cancellation: "done", setl_id, what the fund pays, the whole."""
    cancels: str = ""
    """The setl_id that it is to cancel."""

    @property
    def final(self) -> bool:
        """The desk need not ask again."""
        return bool(self.answers)

    @property
    def done(self) -> bool:
        """It was told that it is done."""
        return self.final and self.answers[-1][0] == "done"

    @property
    def setl_id(self) -> str:
        """The settlement, or the cancellation, that it was told of."""
        return self.answers[-1][1]

    @property
    def fund(self) -> Decimal:
        """What it was told that the fund pays, yuan."""
        return Decimal(self.answers[-1][2])


class Surprise(Exception):  # noqa: N818 - what a desk did not expect
    """An answer that ends nothing and asks for nothing."""


class Hospital:
    """Everything that was said; `asking` are the messages without a final answer."""

    def __init__(self, doors: list[Door], token: str, centre: Centre) -> None:
        self.doors, self.token, self.centre = doors, token, centre
        self.his = m.HIS("GB 18030-2000", "gb18030")
        self.invoices = Invoices(self.his)
        self.client = m.FHIRClient("https://fsi-gateway.example/fhir")
        self.shop = ShopClient("https://fsi-gateway.example/fhir")
        self.said: dict[str, Said] = {}
        self.asking: set[str] = set()
        self.closing = False
        """No further visit is begun."""
        self.surprises: list[str] = []
        self.visits = 0
        """Visits begun."""
        self.answered = 0
        """Final answers given."""
        self._serials = count()

    def said_of(self, key: str) -> Said | None:
        """What was said under a control id or an identifier."""
        return self.said.get(key) or self.said.get(key.rpartition("|")[2])

    def paid(self) -> list[Said]:
        """What was told to be settled, and not told to be cancelled afterwards."""
        cancelled = {said.cancels for said in self.done(CANCEL)}
        return [said for said in self.done(*PAYING) if said.setl_id not in cancelled]

    def done(self, *steps: str) -> list[Said]:
        """What was told to be done of these steps."""
        return [said for said in self.said.values() if said.step in steps and said.done]

    async def work(self, desks: Sequence[Desk]) -> None:
        """All these desks, until `closing`."""
        await asyncio.gather(*(desk.work() for desk in desks))

    async def ask_again(self) -> None:
        """Ask once more for every answer."""
        desks: dict[type[Desk], Desk] = {}
        for said in self.said.values():
            if said.final:
                desk = desks.setdefault(said.desk, said.desk(self, 0))
                await desk.ask(said)
        for desk in desks.values():
            await desk.close()

    def msgid(self) -> str:
        """A message id of the hospital's own."""
        time = datetime.now(CHINA).strftime("%Y%m%d%H%M%S")
        return f"{sandbox.HOSPITAL}{time}{9_000 + next(self._serials) % 1_000}"

    def next_visit(self) -> tuple[str, m.Person]:
        """The number of a visit and whose it is."""
        self.visits += 1
        return f"K{self.visits}", PEOPLE[self.visits % len(PEOPLE)]


class Desk(ABC):
    """One connection; asks at the gateways in turn."""

    def __init__(self, hospital: Hospital, number: int) -> None:
        self.hospital = hospital
        self._turn = number

    async def work(self) -> None:
        """One visit after another."""
        visits = 0
        while not self.hospital.closing:
            visit = self.visit if visits % CANCELLED_VISITS else self.cancelled_visit
            visits += 1
            try:
                await visit(*self.hospital.next_visit())
            except Surprise as surprise:
                self.hospital.surprises.append(str(surprise))
        await self.close()

    @abstractmethod
    async def visit(self, number: str, person: m.Person) -> None:
        """The way of one patient."""

    @abstractmethod
    async def cancelled_visit(self, number: str, person: m.Person) -> None:
        """The way of a patient whose settlement is cancelled."""

    async def door(self) -> Door:
        """The next gateway that runs."""
        doors = self.hospital.doors
        self._turn += 1
        first = self._turn % len(doors)
        while True:
            for door in (*doors[first:], *doors[:first]):
                if door.open.is_set():
                    return door
            opening = [asyncio.create_task(door.open.wait()) for door in doors]
            await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
            for task in opening:  # the one that opened may be closed again by now
                task.cancel()

    async def step(
        self, step: str, visit: str, make: Callable[[], tuple[str, Any]], cancels: str = ""
    ) -> Said:
        """Carry a step out, anew as long as it was not done; its last message."""
        for _ in range(ANEW):
            key, message = make()
            said = Said(type(self), key, visit, step, message, cancels=cancels)
            self.hospital.said[key] = said
            await self.ask(said)
            if said.done:
                return said
            if cancels and said.answers[-1] != UNDONE:
                raise Surprise(f"{visit}: the cancellation of {cancels} was told {said.answers}")
        raise Surprise(f"{visit}: {step} was not done {ANEW} times")

    async def ask(self, said: Said) -> None:
        """Send a message until it has a final answer."""
        asking = self.hospital.asking
        asking.add(said.key)
        while (answer := await self.once(said)) is None:  # noqa: ASYNC110 - asks from outside
            await asyncio.sleep(PAUSE)
        said.answers.append(answer)
        self.hospital.answered += 1
        asking.discard(said.key)

    @abstractmethod
    async def once(self, said: Said) -> tuple[str, ...] | None:
        """Send a message; its answer when that is final."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection."""


class HL7Desk(Desk):
    """Speaks HL7 v2 over MLLP."""

    def __init__(self, hospital: Hospital, number: int) -> None:
        super().__init__(hospital, number)
        self._sender: HL7Sender | None = None

    async def visit(self, number: str, person: m.Person) -> None:
        """A registration, a charge line, a payment."""
        his = self.hospital.his
        diagnosis = his.diagnosis("J06.900", "急性上呼吸道感染", "A")
        insurance = his.insurance(person)
        for step, make in (
            ("register", lambda: his.visit("A04", person, number, "O", diagnosis, insurance)),
            ("charge", lambda: his.charges(person, number, "O", ITEMS)),
            ("pay", lambda: his.payment(person, number, "O", TOTAL)),
        ):
            await self.step(step, number, lambda make=make: keyed(make()))

    async def cancelled_visit(self, number: str, person: m.Person) -> None:
        """An invoice that is settled and cancelled; its line is settled anew by a payment."""
        his, invoices = self.hospital.his, self.hospital.invoices
        (item,) = ITEMS

        def settle() -> tuple[str, bytes]:
            return keyed(invoices.invoice(person, number, item))

        setl_id = (await self.step("invoice", number, settle)).setl_id

        def cancel() -> tuple[str, bytes]:
            return keyed(invoices.cancellation(person, number, setl_id, TOTAL))

        await self.step(CANCEL, number, cancel, setl_id)
        await self.step("pay", number, lambda: keyed(his.payment(person, number, "O", TOTAL)))

    async def once(self, said: Said) -> tuple[str, ...] | None:
        """See `Desk.once`."""
        if self._sender is None:
            door = await self.door()
            self._sender = HL7Sender(door.host, door.mllp, "gb18030")
        try:
            answer = await self._sender.send(said.message)
        except (NotSentError, UnknownOutcomeError):
            await self.close()
            return None
        refusals = {row[5].partition("^")[0] for row in answer.segments if row[0] == "ERR"}
        if answer.code == "AA":
            lines = [line for line in answer.lines() if not line.startswith("MSH")]
            return "done", *_numbers(answer), *lines
        for code in refusals & FROM_HERE.keys():
            return (FROM_HERE[code],)
        if answer.code == "AR" or refusals & UNDECIDED:
            return None
        raise Surprise(f"{said.visit}: {said.step} was told {answer.lines()[1:]}")

    async def close(self) -> None:
        """See `Desk.close`."""
        if self._sender is not None:
            sender, self._sender = self._sender, None
            await sender.close()


def _numbers(answer: HL7Answer) -> tuple[str, str]:
    """The setl_id of an acknowledgement, and what the fund pays."""
    if invoice := answer.field("IVC", 2):
        return invoice, answer.field("IPR", 6).partition("&")[0]
    return answer.field("ZSL", 3), answer.field("ZSL", 8)


def keyed(message: bytes) -> tuple[str, bytes]:
    """A message under its control id."""
    return message.split(b"|", 10)[9].decode(), message


class FHIRDesk(Desk):
    """Posts Claims."""

    paying, items, total = "claim", ITEMS, TOTAL

    def __init__(self, hospital: Hospital, number: int) -> None:
        super().__init__(hospital, number)
        self._sender: FHIRSender | None = None
        self.client, self.token = hospital.client, hospital.token

    async def visit(self, number: str, person: m.Person) -> None:
        """A Claim that registers, charges and settles."""
        await self._claim(number, person)

    async def cancelled_visit(self, number: str, person: m.Person) -> None:
        """A Claim, and a Task that cancels it."""
        claim = await self._claim(number, person)
        name = msgspec.json.decode(claim.answers[-1][3])["request"]["reference"].partition("/")[2]

        def make() -> tuple[str, Any]:
            task = self.client.cancellation(name)
            return task["identifier"][0]["value"], task

        await self.step(CANCEL, number, make, claim.setl_id)

    async def _claim(self, number: str, person: m.Person) -> Said:
        def make() -> tuple[str, Any]:
            claim = self.client.claim(person, number, self.items, self.total)
            return claim["identifier"][0]["value"], claim

        return await self.step(self.paying, number, make)

    async def once(self, said: Said) -> tuple[str, ...] | None:
        """See `Desk.once`."""
        if self._sender is None:
            door = await self.door()
            base = f"http://{door.host}:{door.http}/fhir/r4"
            self._sender = FHIRSender(base, self.token)
        try:
            status, resource = await self._sender.post(said.message["resourceType"], said.message)
            response = await self._response(self._sender, resource)
        except (aiohttp.ClientError, OSError, TimeoutError):
            await self.close()
            return None
        if status in (200, 201) and response.get("outcome") == "complete":
            text = msgspec.json.encode(response, order="deterministic").decode()
            return "done", _settled(response), str(_benefit(response)), text
        told = msgspec.json.encode(resource).decode()
        if status in (202, 409, 500, 503) and "FSI-REVERSED" not in told:
            return None
        for code, answer in FROM_HERE.items():
            if code in told:
                return (answer,)
        raise Surprise(f"{said.visit}: the {said.step} was told {status} {told}")

    async def _response(self, sender: FHIRSender, resource: dict[str, Any]) -> dict[str, Any]:
        """The ClaimResponse: of a Task that is completed, the one that it names."""
        if resource.get("resourceType") != "Task" or resource["status"] != "completed":
            return resource
        return (await sender.get(resource["output"][0]["valueReference"]["reference"])).resource

    async def close(self) -> None:
        """See `Desk.close`."""
        if self._sender is not None:
            sender, self._sender = self._sender, None
            await sender.close()


def _settled(response: dict[str, Any]) -> str:
    """The setl_id of a ClaimResponse."""
    for identifier in response.get("identifier", []):
        if identifier.get("system", "").endswith("/setl-id"):
            return str(identifier["value"])
    return ""


def _benefit(response: dict[str, Any]) -> Decimal:
    for total in response.get("total", []):
        if any(c.get("code") == "benefit" for c in total["category"]["coding"]):
            return Decimal(str(total["amount"]["value"]))
    return Decimal(0)
