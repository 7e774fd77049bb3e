"""What a visit cannot do, and the platform accepted: the visit stops, loudly, until somebody looked."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.settlement.visits import OUTPATIENT_TRANSITIONS, VisitEvent, VisitState
from tests.acceptance.test_unknown_steps import refusal


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


async def test_a_second_cancellation_that_the_platform_accepts_is_not_believed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A settlement that is cancelled cannot be cancelled again: the hospital whose own 2208 was
    accepted a second time is told to look, and the visit stays as it was.
    """
    settled = await world.post_fhir(
        "Claim", world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    )
    setl_id = (await world.admin.rows("settlements"))[0]["setl_id"]
    claim_id = settled.body["request"]["reference"].rpartition("/")[2]
    assert (await world.post_fhir("Task", world.client.cancellation(claim_id))).status == 201
    (visit,) = await world.admin.rows("visits")
    centre = world.platform.centres["430100"]
    encode = centre.encode
    info = {"setl_id": "T9", "mdtrt_id": visit["mdtrt_id"], "medfee_sumamt": -240}

    def always_yes(reply: Any, **more: Any) -> bytes:
        if reply.infno == "2208" and reply.infcode != 0:
            reply.infcode, reply.output = 0, {"setlinfo": info, "setldetail": []}
        encoded: bytes = encode(reply, **more)
        return encoded

    monkeypatch.setattr(centre, "encode", always_yes)
    ids = {"setl_id": setl_id, "mdtrt_id": visit["mdtrt_id"], "psn_no": "43010000000000000001"}
    reply = await world.carry("2208", {"data": ids}, insuplc="430100")
    assert [problem["code"] for problem in reply.body["problems"]] == ["VISIT-STATE"]
    row = (await world.gateway.journal.visits())[0]
    assert row.state == "charged"


async def test_what_a_hospital_composed_itself_does_not_stop_its_visit(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform's word stands for national JSON: its output and a warning, no unknown outcome,
    the visit as it was; its next message goes on.
    """
    await world.charged("O1")
    (visit,) = await world.admin.rows("visits")
    row = OUTPATIENT_TRANSITIONS[VisitState.CHARGED]
    without = {event: after for event, after in row.items() if event is not VisitEvent.WITHDRAWN}
    ids = {"mdtrt_id": visit["mdtrt_id"], "psn_no": "43010000000000000001", "chrg_bchno": "0000"}
    with monkeypatch.context() as patch:
        patch.setitem(OUTPATIENT_TRANSITIONS, VisitState.CHARGED, without)
        reply = await world.carry("2205", {"data": ids}, insuplc="430100")
    assert (reply.status, reply.body["infcode"]) == (200, 0)
    problems = [(each["code"], each["severity"]) for each in reply.body["problems"]]
    assert problems == [("VISIT-STATE", "warning")]
    assert await world.states("2205") == ["accepted"]
    assert await world.gateway._decider.open() == []
    assert [row.state for row in await world.gateway.journal.visits()] == ["charged"]
    assert (await world.tell(world.event("A08", m.ZHANG, "O1", "O"))).code == "AA"
