"""Steps other than a settlement whose reply is lost: nothing is guessed, nothing doubled."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m


def refusal(answer: Any) -> str:
    """Our code in ERR-5."""
    return str(answer.field("ERR", 5)).partition("^")[0]


@pytest.mark.parametrize("infno", ["2201", "2204"])
async def test_a_step_that_cannot_be_repeated_is_unknown(open_world: Any, infno: str) -> None:
    """A registration or an upload of charges that may have happened is not sent again, by the
    repeated message or another one, where nothing is read back.
    """
    world = await open_world(resolver="read_back = false")
    if infno == "2204":
        assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
        message = world.his.charges(m.ZHANG, "O1", "O", (world.ct,))
    else:
        message = world.register(m.ZHANG, "O1")
    await world.admin.fault("drop-after", infno)
    answer = await world.tell(message)
    assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
    assert refusal(await world.tell(message)) == "FSI-UNKNOWN"
    other = await world.tell(world.event("A08", m.ZHANG, "O1", "O"))
    assert other.code == "AE"
    again = await world.tell(world.register(m.ZHANG, "O1"))
    assert (again.code, again.field("ERR", 3).partition("^")[0]) == ("AE", "206")
    assert await world.states(infno) == ["unknown"]


@pytest.mark.parametrize("infno", ["1101", "2203", "2206"])
async def test_a_step_that_changes_nothing_twice_is_tried_again(
    open_world: Any, infno: str
) -> None:
    """A query, a pre-settlement or a report of diagnoses whose reply is lost is AR: the same
    message is carried on from where it stood.
    """
    world = await open_world(presettle="true")
    await world.admin.fault("drop-after", infno)
    message = world.register(m.ZHANG, "O1")
    if infno == "2206":
        assert (await world.tell(message)).code == "AA"
        message = world.his.charges(m.ZHANG, "O1", "O", (world.ct,))
    answer = await world.tell(message)
    assert (answer.code, refusal(answer)) == ("AR", "FSI-NOTSENT")
    assert (await world.tell(message)).code == "AA"
    assert await world.states(infno) == ["unknown", "accepted"]
    assert await world.requests("2201") == ["2201"]
    assert await world.states("2204") == (["accepted"] if infno == "2206" else [])


@pytest.mark.parametrize("policy", ["hold", "reverse-and-settle"])
async def test_a_cancellation_of_unknown_outcome_is_made_once(open_world: Any, policy: str) -> None:
    """F-018: 2208 cannot be reversed: the Task stays in progress, no policy repeats or undoes it,
    and another Task is rejected.
    """
    world = await open_world(policy=policy)
    settled = await world.post_fhir("Claim", world.client.claim(m.LI, "F1", (world.ct,), "240.00"))
    claim_id = settled.body["request"]["reference"].rpartition("/")[2]
    await world.admin.fault("drop-after", "2208")
    task = world.client.cancellation(claim_id)
    first = await world.post_fhir("Task", task)
    assert (first.status, first.body["status"]) == (202, "in-progress")
    again = await world.post_fhir("Task", task)
    assert (again.status, again.body["status"]) == (202, "in-progress")
    other = await world.post_fhir("Task", world.client.cancellation(claim_id))
    assert other.body["status"] == "rejected"
    assert await world.states("2208") == ["unknown"]
    assert await world.states("2601") == []


async def test_the_metric_of_an_operator_counts_what_is_unknown(world: Any) -> None:
    """`gateway_unknown_open` is the number of outcomes that wait for somebody."""
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))

    async def counted() -> bool:
        registry = world.gateway.metrics.registry
        return bool(registry.get_sample_value("gateway_unknown_open") == 1)

    assert await world.until(counted)
