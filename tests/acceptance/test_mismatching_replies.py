"""A platform that settles something else than it was asked for, or says so."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from tests.acceptance.test_malformed_replies import answering, refusal
from tests.acceptance.test_national_json import REGION, charged, settlement

CHANGES = {
    "mdtrt_id": {"mdtrt_id": "430100999999999999"},
    "psn_no": {"psn_no": "43010000000000000099"},
    "medfee_sumamt": {"medfee_sumamt": 241},
}


@pytest.mark.parametrize("policy", ["hold", "reverse-and-settle"])
@pytest.mark.parametrize("field", list(CHANGES))
async def test_a_settlement_of_something_else_waits_for_the_operator(
    open_world: Any, monkeypatch: pytest.MonkeyPatch, policy: str, field: str
) -> None:
    """Never AA: the outcome is unknown, the difference is named, no policy acts upon it, and the
    note of the send has the setl_id that the platform gave.
    """
    world = await open_world(policy=policy)
    await world.charged("O1")
    answering(world, monkeypatch, "2207", lambda o: o["setlinfo"].update(CHANGES[field]))
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    answer = await world.tell(payment)
    codes = [segment[5].partition("^")[0] for segment in answer.segments if segment[0] == "ERR"]
    assert (answer.code, codes) == ("AE", ["FSI-UNKNOWN", "FSI-MISMATCH"])
    (settled,) = await world.settled("O1")
    (send,) = await world.sends("2207")
    assert send.state.value == "unknown"
    assert send.note.endswith(f"{field}; setl_id {settled['setl_id']}")
    again = await world.tell(payment)
    assert refusal(again) == "FSI-UNKNOWN"
    held = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert refusal(held) == "VISIT-HELD"
    assert await world.requests("2601") == []
    registry = world.gateway.metrics.registry
    counted = registry.get_sample_value("gateway_problems_total", {"code": "FSI-MISMATCH"})
    assert counted == 1


async def test_a_computation_of_something_else_is_not_settled(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2206 names another total: 2207 is not sent, and the total's place is named."""
    await world.charged("O1")
    answering(world, monkeypatch, "2206", lambda o: o["setlinfo"].update(medfee_sumamt=241))
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert (answer.code, refusal(answer)) == ("AE", "FSI-MISMATCH")
    assert answer.field("ERR", 2).startswith("FT1^1^11")
    assert await world.requests("2207") == []


async def test_a_cancellation_of_another_sum_waits_for_the_operator(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2208 answers another total than the settlement had: unknown, and not completed."""
    claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
    settled = await world.post_fhir("Claim", claim)
    answering(world, monkeypatch, "2208", lambda o: o["setlinfo"].update(medfee_sumamt=-239))
    task = world.client.cancellation(settled.body["request"]["reference"].rpartition("/")[2])
    answer = await world.post_fhir("Task", task)
    assert answer.status == 202
    assert await world.states("2208") == ["unknown"]


async def test_a_settlement_of_the_hospitals_own_is_compared(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """National JSON: 504 with both problems, not the platform's 200."""
    mdtrt_id = await charged(world)
    answering(world, monkeypatch, "2207", lambda o: o["setlinfo"].update(CHANGES["psn_no"]))
    reply = await world.carry("2207", settlement(mdtrt_id), insuplc=REGION)
    assert reply.status == 504
    codes = [problem["code"] for problem in reply.body["problems"]]
    assert codes == ["FSI-UNKNOWN", "FSI-MISMATCH"]
