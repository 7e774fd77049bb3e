"""A Task with code `status`: what is kept, and what the platform shows of the settlement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.fhir.decode import encode

CODES = "http://terminology.hl7.org/CodeSystem/financialtaskcode"
BASE = "https://fsi-gateway.example/fhir"


def status_of(claim_id: str) -> dict[str, Any]:
    """A Task without identifier that asks how a Claim stands."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": CODES, "code": "status"}]},
        "focus": {"reference": f"Claim/{claim_id}"},
    }


def told(task: Any) -> dict[str, Any]:
    """The output of a Task: by text or code of its type, the value."""
    found = {}
    for row in task["output"]:
        kind = row["type"].get("text") or row["type"]["coding"][0]["code"]
        found[kind] = next(value for name, value in row.items() if name.startswith("value"))
    return found


async def asked(world: Any, claim_id: str, release: str = "r4") -> Any:
    """The answer to a status task."""
    return await world.post(
        f"/fhir/{release}/Task",
        encode(status_of(claim_id)),
        **{"Content-Type": "application/fhir+json"},
    )


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_a_settlement_is_read_back_for_a_status_task(world: Any, release: str) -> None:
    """Matrix 2.1: 5203 once the setl_id is known, before and after the settlement is cancelled."""
    made = await world.post_fhir("Claim", world.client.claim(m.ZHANG, "S1", (world.ct,), "240.00"))
    claim_id = made.body["id"]
    before = await asked(world, claim_id, release)
    cancelled = await world.post_fhir("Task", world.client.cancellation(claim_id))
    after = await asked(world, claim_id, release)
    number = next(
        one["value"] for one in made.body["identifier"] if one["system"] == f"{BASE}/id/setl-id"
    )

    assert (before.status, before.body["status"]) == (201, "completed"), before.body
    assert told(before.body) == {
        "ClaimResponse": {"reference": f"ClaimResponse/{claim_id}"},
        "outcome": "complete",
        "settlement": {"system": f"{BASE}/id/setl-id", "value": number},
        "standing": "settled",
        "medfee_sumamt": {"value": Decimal("240.00"), "currency": "CNY"},
        "fund_pay_sumamt": {"value": Decimal("116.20"), "currency": "CNY"},
        "psn_part_amt": {"value": Decimal("123.80"), "currency": "CNY"},
        "agrees": True,
    }
    assert cancelled.body["status"] == "completed"
    assert (told(after.body)["standing"], told(after.body)["agrees"]) == ("cancelled", True)
    assert await world.requests("5203") == ["5203", "5203"]


async def test_a_predetermination_has_no_settlement_to_read(world: Any) -> None:
    """The task is told what is kept; the platform is not asked."""
    claim = world.client.claim(m.ZHANG, "S2", (world.ct,), "240.00", "predetermination")
    made = await world.post_fhir("Claim", claim)
    answered = await asked(world, made.body["id"])

    assert told(answered.body).keys() == {"ClaimResponse", "outcome"}
    assert await world.requests("5203") == []


async def test_a_lost_reply_is_503_and_the_answer_is_read_all_the_same(world: Any) -> None:
    """X-055: the question may be asked again; what is kept of the claim needs no platform."""
    made = await world.post_fhir("Claim", world.client.claim(m.ZHANG, "S3", (world.ct,), "240.00"))
    claim_id = made.body["id"]
    await world.admin.fault("drop-after", "5203")
    lost = await asked(world, claim_id)
    read = await world.post(f"/fhir/r4/ClaimResponse/{claim_id}", b"", method="GET")
    again = await asked(world, claim_id)

    assert (lost.status, lost.body["issue"][0]["code"]) == (503, "transient")
    assert read.body["outcome"] == "complete"
    assert (again.status, told(again.body)["standing"]) == (201, "settled")


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_an_inquiry_for_what_is_current_reads_the_settlement_back(
    world: Any, release: str
) -> None:
    """Matrix 2.1: $inquire from the store, and by 5203 where it is wanted; each time anew, so that
    a settlement cancelled in between is told as cancelled.
    """
    claim = world.client.claim(m.ZHANG, "S1", (world.ct,), "240.00")
    made = await world.post_fhir("Claim", claim)
    claim_id = made.body["id"]

    async def inquired(query: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        reply = await world.post(
            f"/fhir/{release}/Claim/$inquire{query}",
            encode(body),
            **{"Content-Type": "application/fhir+json"},
        )
        assert reply.status == 200, reply.body
        return [one["resource"] for one in reply.body["entry"]]

    inner = {"resourceType": "Claim", "identifier": claim["identifier"]}
    (kept,) = await inquired("", inner)
    assert (kept["resourceType"], kept["id"]) == ("ClaimResponse", claim_id)
    assert await world.requests("5203") == []

    answered, task = await inquired("?current=true", inner)
    assert (answered["id"], told(task)["standing"], told(task)["agrees"]) == (
        claim_id,
        "settled",
        True,
    )
    assert len(await world.requests("5203")) == 1
    await world.post_fhir("Task", world.client.cancellation(claim_id))
    answered, task = await inquired("?current=true", inner)
    assert (answered["status"], told(task)["standing"]) == ("cancelled", "cancelled")
    assert len(await world.requests("5203")) == 2


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_an_inquiry_that_is_repeated_keeps_nothing(world: Any, release: str) -> None:
    """An operation that only looks: no Task can be read or found afterwards, however often."""
    claim = world.client.claim(m.ZHANG, "S1", (world.ct,), "240.00")
    await world.post_fhir("Claim", claim)
    inner = encode({"resourceType": "Claim", "identifier": claim["identifier"]})
    url, form = f"/fhir/{release}/Claim/$inquire?current=true", "application/fhir+json"
    asked_twice = [await world.post(url, inner, **{"Content-Type": form}) for _ in range(2)]

    tasks = [reply.body["entry"][1] for reply in asked_twice]
    assert [one["resource"].get("id") for one in tasks] == [None, None]
    assert all(one["fullUrl"].startswith("urn:uuid:") for one in tasks)
    assert tasks[0]["fullUrl"] != tasks[1]["fullUrl"]
    found = await world.post(f"/fhir/{release}/Task", b"", method="GET")
    assert (found.status, found.body["total"]) == (200, 0)
    assert len(await world.requests("5203")) == 2


async def test_an_inquiry_says_what_it_wants_in_parameters_too(world: Any) -> None:
    """And what is neither true nor false is refused before anybody is asked."""
    claim = world.client.claim(m.ZHANG, "S1", (world.ct,), "240.00")
    await world.post_fhir("Claim", claim)
    inner = {"resourceType": "Claim", "identifier": claim["identifier"]}
    wanted = [{"name": "resource", "resource": inner}, {"name": "current", "valueBoolean": True}]
    asked_for = {"resourceType": "Parameters", "parameter": wanted}
    found = await world.post_fhir("Claim/$inquire", asked_for)
    assert [one["resource"]["resourceType"] for one in found.body["entry"]] == [
        "ClaimResponse",
        "Task",
    ]
    wrong = await world.post_fhir("Claim/$inquire?current=perhaps", inner)
    assert (wrong.status, wrong.body["issue"][0]["code"]) == (400, "value")
    assert len(await world.requests("5203")) == 1
