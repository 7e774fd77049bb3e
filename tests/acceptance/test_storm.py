"""A thousand copies of one settlement on fifty connections: one settlement, one answer."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec

from gateway.demo import messages as m

CONNECTIONS, COPIES = 50, 20
"""Each connection sends so many copies, one after the other."""


async def test_copies_over_mllp(world: Any) -> None:
    """A-021: every copy of the payment gets the acknowledgement of the first, but for the header
    that each acknowledgement has of its own.
    """
    await world.charged("O1")
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")

    async def connection() -> list[tuple[str, ...]]:
        sender = world.hl7()
        answers = [await sender.send(payment) for _ in range(COPIES)]
        return [tuple(answer.lines()[1:]) for answer in answers]

    told = await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    assert len(told) * len(told[0]) == 1_000
    (answer,) = {answer for answers in told for answer in answers}
    assert answer[0].startswith("MSA|AA|")
    assert await world.requests("2207") == ["2207"]
    (live,) = await world.settled("O1")
    assert any(live["setl_id"] in line for line in answer if line.startswith("ZSL"))


async def test_copies_over_fhir(world: Any) -> None:
    """Every copy of the Claim gets the answer of the first, byte by byte."""
    claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
    body = msgspec.json.Encoder(decimal_format="number").encode(claim)
    headers = {
        "Authorization": f"Bearer {world.token}",
        "Content-Type": "application/fhir+json",
    }

    async def connection() -> list[tuple[int, bytes]]:
        connector = aiohttp.TCPConnector(limit=1)
        answers = []
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            for _ in range(COPIES):
                async with session.post(f"{world.http}/fhir/r4/Claim", data=body) as response:
                    answers.append((response.status, await response.read()))
        return answers

    told = await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    assert len(told) * len(told[0]) == 1_000
    (answer,) = {answer for answers in told for answer in answers}
    assert answer[0] == 201
    response = msgspec.json.decode(answer[1])
    assert response["outcome"] == "complete"
    assert await world.requests("2207") == ["2207"]
    (live,) = await world.settled("F1")
    assert live["setl_id"] in {one["value"] for one in response["identifier"]}
