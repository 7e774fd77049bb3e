"""What a visit cannot do, and the platform accepted: the visit stops, loudly, until somebody looked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.settlement.confirming import Shown
from gateway.settlement.deciding import Decision
from gateway.settlement.visits import OUTPATIENT_TRANSITIONS, VisitEvent, VisitState
from tests.acceptance.test_unknown_steps import refusal

PERSON = "43010000000000000001"


async def test_an_impossible_transition_stops_the_visit(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charges are accepted, and the table has no such event: no AA and no log line alone. The
    outcome is unknown, the visit is held, and an operator sees it.
    """
    assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
    row = OUTPATIENT_TRANSITIONS[VisitState.REGISTERED]
    without = {event: after for event, after in row.items() if event is not VisitEvent.CHARGED}
    monkeypatch.setitem(OUTPATIENT_TRANSITIONS, VisitState.REGISTERED, without)
    answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", (world.ct,)))
    assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
    (send,) = await world.sends("2204")
    assert (send.state.value, "StateError" in send.note) == ("unknown", True)
    held = await world.tell(world.event("A11", m.ZHANG, "O1", "O"))
    assert refusal(held) == "VISIT-HELD"
    assert [row.msgid for row in await world.gateway._decider.open()] == [send.msgid]


async def test_a_second_cancellation_is_refused_before_it_is_sent(world: Any) -> None:
    """A settlement that is cancelled cannot be cancelled or reversed again: the hospital's own 2208
    and 2601 are 422 with the reason in both languages, and neither reaches the platform.
    """
    settled = await world.post_fhir(
        "Claim", world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    )
    (row,) = await world.admin.rows("settlements")
    claim_id = settled.body["request"]["reference"].rpartition("/")[2]
    assert (await world.post_fhir("Task", world.client.cancellation(claim_id))).status == 201
    taken = await world.requests()
    ids = {"setl_id": row["setl_id"], "mdtrt_id": row["mdtrt_id"], "psn_no": PERSON}
    original = {"psn_no": PERSON, "omsgid": row["msgid"], "oinfno": "2207"}
    for infno, data, field in (("2208", ids, "setl_id"), ("2601", original, "omsgid")):
        reply = await world.carry(infno, {"data": data}, insuplc="430100")
        (problem,) = reply.body["problems"]
        assert (reply.status, problem["code"]) == (422, "VISIT-STATE")
        assert problem["place"] == f"input.data.{field}"
        assert infno in problem["zh"]
        assert "nothing was sent" in problem["en"]
    assert await world.requests() == taken
    assert (await world.gateway.journal.visits())[0].state == "charged"


@pytest.mark.parametrize(
    ("infno", "more"),
    [("2202", {"ipt_otp_no": "O1"}), ("2205", {"chrg_bchno": "0000"})],
)
async def test_what_the_table_forbids_the_hospital_itself_is_not_sent(
    world: Any, infno: str, more: dict[str, str]
) -> None:
    """A visit that is settled is neither unregistered nor are its charges withdrawn."""
    await world.charged("O1")
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    (visit,) = await world.admin.rows("visits")
    taken = await world.requests()
    data = {"mdtrt_id": visit["mdtrt_id"], "psn_no": PERSON, **more}
    reply = await world.carry(infno, {"data": data}, insuplc="430100")
    (problem,) = reply.body["problems"]
    assert (reply.status, problem["code"], problem["place"]) == (
        422,
        "VISIT-STATE",
        "input.data.mdtrt_id",
    )
    assert await world.requests() == taken
    assert [row.state for row in await world.gateway.journal.visits()] == ["settled"]


async def test_a_cancelled_visit_takes_nothing_of_the_hospitals_own(world: Any) -> None:
    """A11, and then charges of the hospital's own for the same visit of the platform."""
    assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
    (visit,) = await world.admin.rows("visits")
    assert (await world.tell(world.event("A11", m.ZHANG, "O1", "O"))).code == "AA"
    data = {"mdtrt_id": visit["mdtrt_id"], "psn_no": PERSON, "ipt_otp_no": "O1"}
    reply = await world.carry("2202", {"data": data}, insuplc="430100")
    assert [problem["code"] for problem in reply.body["problems"]] == ["VISIT-STATE"]
    assert await world.requests("2202") == ["2202"]


async def test_what_the_platform_accepts_all_the_same_stops_the_visit(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table changes while the hospital's own 2205 is on its way: 504, the visit is held, and an
    operator sees it and confirms what the platform shows.
    """
    await world.charged("O1")
    (visit,) = await world.admin.rows("visits")
    row = OUTPATIENT_TRANSITIONS[VisitState.CHARGED]
    without = {event: after for event, after in row.items() if event is not VisitEvent.WITHDRAWN}
    ids = {"mdtrt_id": visit["mdtrt_id"], "psn_no": PERSON, "chrg_bchno": "0000"}
    await world.admin.fault("delay-before", "2205", seconds=60)
    asking = asyncio.create_task(world.carry("2205", {"data": ids}, insuplc="430100"))
    async with asyncio.timeout(10):
        await world.gate.reached.wait()
    monkeypatch.setitem(OUTPATIENT_TRANSITIONS, VisitState.CHARGED, without)
    world.gate.opened.set()
    reply = await asking
    assert (reply.status, [p["code"] for p in reply.body["problems"]]) == (504, ["FSI-UNKNOWN"])
    (send,) = await world.sends("2205")
    assert (send.state.value, "impossible here" in send.note) == ("unknown", True)
    held = await world.tell(world.event("A08", m.ZHANG, "O1", "O"))
    assert refusal(held) == "VISIT-HELD"
    decider = world.gateway._decider
    assert [row.msgid for row in await decider.open()] == [send.msgid]
    shown = Shown(mdtrt_id=visit["mdtrt_id"])
    left = await decider.decide(
        send.msgid, Decision.CONFIRM, operator="op", note="seen", shown=shown
    )
    assert left is None
    assert await world.states("2205") == ["confirmed"]
