"""A ward: stays over HL7 v2, whose settlements the insurance desk cancels by national JSON itself."""

from __future__ import annotations

from typing import Any

import aiohttp
from msgspec import json

from gateway.demo import messages as m
from gateway.demo import sandbox
from tests.crashes.centre import REGION
from tests.crashes.hospital import (
    CANCEL,
    FROM_HERE,
    ITEMS,
    TOTAL,
    UNDECIDED,
    HL7Desk,
    Hospital,
    Said,
    Surprise,
    keyed,
)

SEEN = "SELECT v.mdtrt_id, v.psn_no FROM settlements JOIN visits AS v USING (mdtrt_id) WHERE setl_id = ?"
"""What the insurance desk sees at the bureau's own pages."""
OPEN = frozenset({409, 500, 503, 504})
"""Statuses that say: ask again."""


class WardDesk(HL7Desk):
    """Admits, charges, discharges and settles over MLLP, and composes 2305 itself."""

    def __init__(self, hospital: Hospital, number: int) -> None:
        super().__init__(hospital, number)
        self._session: aiohttp.ClientSession | None = None

    async def visit(self, number: str, person: m.Person) -> None:
        """A stay that is settled at its end."""
        await self._stay(number, person)

    async def cancelled_visit(self, number: str, person: m.Person) -> None:
        """A stay whose settlement is cancelled; what it settled is settled anew by a payment."""
        setl_id = (await self._stay(number, person)).setl_id
        (row,) = self.hospital.centre.rows(SEEN, setl_id)
        ids = {"setl_id": setl_id, "mdtrt_id": row["mdtrt_id"], "psn_no": row["psn_no"]}

        def cancel() -> tuple[str, Any]:
            msgid = self.hospital.msgid()
            return msgid, {
                "infno": "2305",
                "msgid": msgid,
                "fixmedins_code": sandbox.HOSPITAL,
                "insuplc_admdvs": person.region or REGION,
                "input": {"data": ids},
            }

        await self.step(CANCEL, number, cancel, setl_id)
        await self._pay(number, person)

    async def _stay(self, number: str, person: m.Person) -> Said:
        his = self.hospital.his
        admitting = his.diagnosis("K35.900", "急性阑尾炎", "A")
        leaving = his.diagnosis("K35.900", "急性阑尾炎", "F")
        insurance = his.insurance(person)
        for step, make in (
            ("admit", lambda: his.visit("A01", person, number, "I", admitting, insurance)),
            ("charge", lambda: his.charges(person, number, "I", ITEMS)),
            ("discharge", lambda: his.visit("A03", person, number, "I", leaving)),
        ):
            await self.step(step, number, lambda make=make: keyed(make()))
        return await self._pay(number, person)

    async def _pay(self, number: str, person: m.Person) -> Said:
        his = self.hospital.his
        return await self.step(
            "pay", number, lambda: keyed(his.payment(person, number, "I", TOTAL))
        )

    async def once(self, said: Said) -> tuple[str, ...] | None:
        """See `Desk.once`."""
        if isinstance(said.message, bytes):
            return await super().once(said)
        door = await self.door()
        headers = {"Authorization": f"Bearer {self.hospital.token}"}
        self._session = self._session or aiohttp.ClientSession(headers=headers)
        url = f"http://{door.host}:{door.http}/fsi/{said.message['infno']}"
        try:
            async with self._session.post(url, data=json.encode(said.message)) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        told = json.decode(body)
        codes = {problem["code"] for problem in told.get("problems", ())}
        if status == 200 and told["infcode"] == 0:
            made = told["output"]["setlinfo"]
            return "done", str(made["setl_id"]), str(made["fund_pay_sumamt"]), _lasting(told)
        for code in codes & FROM_HERE.keys():
            return (FROM_HERE[code],)
        if status in OPEN or codes & UNDECIDED:
            return None
        raise Surprise(f"{said.visit}: the {said.step} was told {status} {codes}")

    async def close(self) -> None:
        """See `Desk.close`."""
        await super().close()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _lasting(told: dict[str, Any]) -> str:
    """What a repeated answer has to say again: its times are those of its sending."""
    return json.encode(told["output"], order="deterministic").decode()
