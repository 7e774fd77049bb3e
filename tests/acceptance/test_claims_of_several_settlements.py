"""A Claim whose items are of two charge batches: two settlements, cancelled and read together."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from tests.acceptance.releases import RELEASES, ask, post
from tests.acceptance.test_confirmed_steps import confirmed
from tests.acceptance.test_operators_decisions import SECTION
from tests.acceptance.test_standing_of_claims import status_of

BASE = "https://fsi-gateway.example/fhir"
BATCH = f"{BASE}/StructureDefinition/chrg-bchno"


def two_batches(world: Any, number: str, use: str = "claim") -> dict[str, Any]:
    """240.00 in one batch and 12.60 in another."""
    claim = world.client.claim(m.ZHANG, number, (world.ct, world.bottle), "252.60", use)
    for item, batch in zip(claim["item"], ("B1", "B2"), strict=True):
        item["extension"] = [{"url": BATCH, "valueString": f"{number}{batch}"}]
    return dict(claim)


def values(task: Any, kind: str) -> list[Any]:
    """The values of the outputs of one kind, in order."""
    return [
        next(value for name, value in row.items() if name.startswith("value"))
        for row in task["output"]
        if kind in (row["type"].get("text"), row["type"].get("coding", [{}])[0].get("code"))
    ]


def setl_ids(response: Any) -> list[str]:
    """The numbers of the settlements in an answer."""
    system = f"{BASE}/id/setl-id"
    return [one["value"] for one in response["identifier"] if one["system"] == system]


@pytest.mark.parametrize("release", RELEASES)
async def test_a_cancellation_takes_every_settlement_back(world: Any, release: str) -> None:
    """X-048: 2208 for each, the last one first; the reversal has the amounts of both; once."""
    made = (await post(world, release, "Claim", two_batches(world, "S1"))).body
    one, two = setl_ids(made)
    task = await post(world, release, "Task", world.client.cancellation(made["id"]))
    again = await post(world, release, "Task", world.client.cancellation(made["id"]))
    (reference,) = values(task.body, "ClaimResponse")
    reversal = (await ask(world, "GET", release, reference["reference"])).body
    undone = [
        one["valueIdentifier"]["value"]
        for one in reversal["extension"]
        if one["url"].endswith("/reversed-setl-id")
    ]
    totals = {t["category"]["coding"][0]["code"]: t["amount"]["value"] for t in reversal["total"]}

    assert (task.status, task.body["status"]) == (201, "completed")
    assert again.body["output"] == task.body["output"]
    assert await world.settled("S1") == []
    assert undone == [two, one]
    assert totals["submitted"] == Decimal("-252.60")
    assert await world.requests("2208") == ["2208", "2208"]


@pytest.mark.parametrize("release", RELEASES)
async def test_each_settlement_is_read_back(world: Any, release: str) -> None:
    """Matrix 2.1: 5203 for each; the sums of both are what was answered."""
    made = (await post(world, release, "Claim", two_batches(world, "S2"))).body
    told = (await post(world, release, "Task", status_of(made["id"]))).body

    assert [one["value"] for one in values(told, "settlement")] == setl_ids(made)
    assert values(told, "standing") == ["settled", "settled"]
    amounts = [one["value"] for one in values(told, "medfee_sumamt")]
    assert amounts == [Decimal("240.00"), Decimal("12.60")]
    assert values(told, "agrees") == [True]
    assert await world.requests("5203") == ["5203", "5203"]


async def test_a_cancellation_that_stops_half_way_says_so_and_can_go_on(world: Any) -> None:
    """The second 2208 is refused: nothing is called cancelled, what was taken back is named, and
    the next task takes the other one back.
    """
    made = (await world.post_fhir("Claim", two_batches(world, "S3"))).body
    _, two = setl_ids(made)
    await world.admin.fault("delay-before", "2208", seconds=0)
    await world.admin.fault("refuse", "2208")
    failed = await world.post_fhir("Task", world.client.cancellation(made["id"]))
    claim = await world.post(f"/fhir/r4/Claim/{made['id']}", b"", method="GET")
    told = (await world.post_fhir("Task", status_of(made["id"]))).body
    done = await world.post_fhir("Task", world.client.cancellation(made["id"]))

    assert (failed.status, failed.body["status"]) == (201, "failed")
    assert [found["value"] for found in values(failed.body, "cancelled")] == [two]
    assert claim.body["status"] == "active"
    assert values(told, "standing") == ["settled", "cancelled"]
    assert values(told, "agrees") == [False]
    assert done.body["status"] == "completed", done.body
    assert await world.settled("S3") == []
    assert await world.states("2208") == ["accepted", "rejected", "accepted"]


async def test_a_cancellation_whose_rest_was_not_sent_goes_on_when_it_comes_again(
    world: Any,
) -> None:
    """503 for the second: the same task again takes back only what still stands."""
    made = (await world.post_fhir("Claim", two_batches(world, "S4"))).body
    await world.admin.fault("delay-before", "2208", seconds=0)
    await world.admin.fault("expired-sign-no", "2208")
    await world.admin.fault("refuse", "9001")
    task = world.client.cancellation(made["id"])
    first = await world.post_fhir("Task", task)
    left = [row["medfee_sumamt"] for row in await world.settled("S4")]
    again = await world.post_fhir("Task", task)

    assert (first.status, left) == (503, ["240.00"])
    assert (again.status, again.body["status"]) == (201, "completed"), again.body
    assert await world.settled("S4") == []


async def test_a_cancellation_that_is_confirmed_half_way_is_not_called_done(
    open_world: Any,
) -> None:
    """The reply to the first 2208 is lost: the second is not sent. Confirmed, the task fails with
    what was taken back, for the other settlement stands; a new task goes on with it.
    """
    world = await open_world(limits=SECTION, resolver="read_back = false")
    made = (await world.post_fhir("Claim", two_batches(world, "S5"))).body
    _, two = setl_ids(made)
    await world.admin.fault("drop-after", "2208")
    lost = await world.post_fhir("Task", world.client.cancellation(made["id"]))
    held = await world.post_fhir("Task", world.client.cancellation(made["id"]))
    (refund,) = await world.admin.rows("settlements", state="refund")
    await confirmed(world, "2208", setl_id=refund["setl_id"])
    task = (await world.post(f"/fhir/r4/Task/{lost.body['id']}", b"", method="GET")).body
    left = [row["medfee_sumamt"] for row in await world.settled("S5")]
    done = await world.post_fhir("Task", world.client.cancellation(made["id"]))

    assert (lost.status, lost.body["status"]) == (202, "in-progress")
    assert held.body["status"] == "rejected"
    assert (task["status"], left) == ("failed", ["240.00"])
    assert [found["value"] for found in values(task, "cancelled")] == [two]
    assert done.body["status"] == "completed", done.body
    assert await world.settled("S5") == []
    assert await world.states("2208") == ["confirmed", "accepted"]


async def test_a_cancelled_predetermination_leaves_no_batch(world: Any) -> None:
    """2205 for each of its batches."""
    claim = two_batches(world, "S6", "predetermination")
    made = (await world.post_fhir("Claim", claim)).body
    task = await world.post_fhir("Task", world.client.cancellation(made["id"]))

    assert task.body["status"] == "completed"
    assert await world.requests("2205") == ["2205", "2205"]
