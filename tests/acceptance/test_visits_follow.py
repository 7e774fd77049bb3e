"""A visit opened over HL7 follows what the hospital then does by national JSON itself."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import sample_input
from gateway.settlement.visits import Visit, decode_visit
from tests.acceptance.test_malformed_replies import answering
from tests.acceptance.test_operators_decisions import SECTION, ask, order
from tests.acceptance.test_own_reversals import registration
from tests.acceptance.test_unknown_steps import refusal

REGION = "430100"
PERSON = "43010000000000000001"


async def visit_of(world: Any, number: str) -> Visit:
    """The visit as the gateway knows it."""
    row = await world.gateway.journal.visit(f"H43010000001/{number}")
    return decode_visit(row.data, row.version)


async def settled(world: Any) -> tuple[str, str, str]:
    """A visit settled over HL7: mdtrt_id, setl_id, msgid of the settlement."""
    await world.charged("O1")
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    (row,) = await world.settled("O1")
    return row["mdtrt_id"], row["setl_id"], row["msgid"]


async def carried(world: Any, infno: str, data: dict[str, Any]) -> Any:
    """A transaction of the hospital's own that succeeds."""
    reply = await world.carry(infno, {"data": data}, insuplc=REGION)
    assert reply.body["infcode"] == 0, reply.body["err_msg"]
    return reply


def own_line(infno: str, mdtrt_id: str) -> dict[str, Any]:
    """A charge line that the hospital composes itself: a CT scan of 240.00."""
    profile = load_profile("hunan")
    definitions = Definitions.load(profile.edition)
    line = sample_input(definitions, profile, infno, rows=1, required_only=True)
    line["feedetail"][0] |= {
        "mdtrt_id": mdtrt_id,
        "psn_no": PERSON,
        "medins_list_codg": "CT001",
        "bilg_dr_codg": "D430100000001",
        "bilg_dr_name": "陈医生",
        "cnt": 1,
        "pric": 240,
        "det_item_fee_sumamt": 240,
    }
    del line["feedetail"][0]["med_list_codg"]
    return line


@pytest.mark.parametrize("lost", [False, True])
async def test_charges_of_the_hospitals_own_right_behind_an_admission_are_in_the_stay(
    world: Any, *, lost: bool
) -> None:
    """No transaction with the platform's number has gone before: 2401 gave it, or an operator's
    word did. The stay has the line, and a payment over HL7 settles it.
    """
    message = world.register(m.ZHANG, "I1", "K35.900", "A01")
    if lost:
        await world.admin.fault("drop-after", "2401")
    answer = await world.tell(message)
    if lost:

        async def known() -> Any:
            again = await world.tell(message)
            return again if again.code == "AA" else None

        answer = await world.until(known)
    assert answer.code == "AA"
    (row,) = await world.admin.rows("visits")
    line = own_line("2301", row["mdtrt_id"])
    reply = await world.carry("2301", line, insuplc=REGION)
    assert reply.body["infcode"] == 0, reply.body["err_msg"]
    visit = await visit_of(world, "I1")
    assert [batch.amount for batch in visit.batches] == [Decimal("240.00")]
    diagnosis = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
    for message in (
        world.his.visit("A03", m.ZHANG, "I1", "I", diagnosis),
        world.his.payment(m.ZHANG, "I1", "I", "240.00"),
    ):
        assert (await world.tell(message)).code == "AA"


async def test_a_settlement_cancelled_by_the_hospital_itself_can_be_made_anew(world: Any) -> None:
    """2208 by national JSON: the charge batch is open again, and a payment over HL7 settles it."""
    mdtrt_id, setl_id, _ = await settled(world)
    ids = {"setl_id": setl_id, "mdtrt_id": mdtrt_id, "psn_no": PERSON}
    reply = await carried(world, "2208", ids)
    assert "problems" not in reply.body
    visit = await visit_of(world, "O1")
    assert (visit.state.value, [batch.setl_id for batch in visit.batches]) == ("charged", [""])
    assert visit.live_settlements() == []
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert len(await world.settled("O1")) == 1


async def test_a_settlement_reversed_by_the_hospital_itself_can_be_made_anew(world: Any) -> None:
    """The same for the hospital's own 2601 of a settlement that had succeeded."""
    _, _, msgid = await settled(world)
    await carried(world, "2601", {"psn_no": PERSON, "omsgid": msgid, "oinfno": "2207"})
    assert (await visit_of(world, "O1")).live_settlements() == []
    assert await world.settled("O1") == []
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert len(await world.settled("O1")) == 1


@pytest.mark.parametrize("named", [True, False], ids=["by-number", "all"])
async def test_charges_withdrawn_by_the_hospital_itself_are_gone(
    world: Any, *, named: bool
) -> None:
    """2205 of the batch, or of 0000: there is nothing to settle over HL7 any more."""
    await world.charged("O1")
    visit = await visit_of(world, "O1")
    batch = visit.batches[0].chrg_bchno if named else "0000"
    ids = {"mdtrt_id": visit.visit.get("mdtrt_id"), "psn_no": PERSON, "chrg_bchno": batch}
    await carried(world, "2205", ids)
    visit = await visit_of(world, "O1")
    assert (visit.state.value, visit.batches) == ("registered", [])
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert refusal(answer) in {"CHARGE-UNKNOWN", "VISIT-STATE"}


async def test_a_registration_cancelled_by_the_hospital_itself_is_cancelled(world: Any) -> None:
    """2202: the visit takes no further message."""
    assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
    visit = await visit_of(world, "O1")
    ids = {"mdtrt_id": visit.visit.get("mdtrt_id"), "psn_no": PERSON, "ipt_otp_no": "O1"}
    await carried(world, "2202", ids)
    assert (await visit_of(world, "O1")).state.value == "cancelled"
    answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", (world.ct,)))
    assert refusal(answer) == "VISIT-STATE"


async def test_a_cancellation_of_another_sum_is_not_followed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply's total is not that of the settlement: 504, and the visit is held as it was."""
    mdtrt_id, setl_id, _ = await settled(world)
    answering(world, monkeypatch, "2208", lambda o: o["setlinfo"].update(medfee_sumamt=-239))
    ids = {"setl_id": setl_id, "mdtrt_id": mdtrt_id, "psn_no": PERSON}
    reply = await world.carry("2208", {"data": ids}, insuplc=REGION)
    codes = [problem["code"] for problem in reply.body["problems"]]
    assert (reply.status, codes) == (504, ["FSI-UNKNOWN", "FSI-MISMATCH"])
    assert (await visit_of(world, "O1")).state.value == "settled"
    held = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert refusal(held) == "VISIT-HELD"


async def test_a_cancellation_that_an_operator_confirms_is_followed(open_world: Any) -> None:
    """The reply to the hospital's own 2208 was lost, and the platform shows the cancellation."""
    world = await open_world(limits=SECTION)
    mdtrt_id, setl_id, _ = await settled(world)
    await world.admin.fault("drop-after", "2208")
    ids = {"setl_id": setl_id, "mdtrt_id": mdtrt_id, "psn_no": PERSON}
    assert (await world.carry("2208", {"data": ids}, insuplc=REGION)).status == 504
    (send,) = await world.sends("2208")
    (refund,) = [row for row in await world.admin.rows("settlements") if row["origin"]]
    body = order("confirm", setl_id=refund["setl_id"])
    assert await ask(world, "POST", f"/unknown/{send.msgid}", body) == (200, {"unknown": None})
    assert (await visit_of(world, "O1")).state.value == "charged"
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"


async def test_a_message_of_the_visit_waits_for_the_hospitals_own_call(world: Any) -> None:
    """One thing at a time: a payment over HL7 that arrives while the 2208 is on its way finds the
    visit as the 2208 left it.
    """
    mdtrt_id, setl_id, _ = await settled(world)
    await world.admin.fault("delay-before", "2208", seconds=60)
    ids = {"setl_id": setl_id, "mdtrt_id": mdtrt_id, "psn_no": PERSON}
    cancelling = asyncio.create_task(carried(world, "2208", ids))
    async with asyncio.timeout(10):
        await world.gate.reached.wait()
    paying = asyncio.create_task(world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00")))
    world.gate.opened.set()
    await cancelling
    assert (await paying).code == "AA"
    assert len(await world.settled("O1")) == 1


async def admitted_unknown(world: Any, number: str) -> str:
    """The reply to a 2401 over HL7 is lost: the number that the platform gave the stay."""
    await world.admin.fault("drop-after", "2401")
    answer = await world.tell(world.register(m.ZHANG, number, "K35.900", "A01"))
    assert refusal(answer) == "FSI-UNKNOWN"
    rows = await world.admin.rows("visits")
    return next(str(row["mdtrt_id"]) for row in rows if row["ipt_otp_no"] == number)


async def test_the_hospitals_own_charges_wait_behind_an_admission_of_unknown_outcome(
    open_world: Any,
) -> None:
    """Nobody here knows the number of the stay yet: 2301 is not sent, until an operator confirms
    the admission. Then it is, and the stay has the line: it is settled by a payment over HL7.
    """
    world = await open_world(limits=SECTION, resolver="read_back = false")
    mdtrt_id = await admitted_unknown(world, "I1")
    line, msgid = own_line("2301", mdtrt_id), world.msgid()
    held = await world.carry("2301", line, insuplc=REGION, msgid=msgid)
    assert [problem["code"] for problem in held.body["problems"]] == ["VISIT-HELD"]
    assert await world.requests("2301") == []

    (send,) = await world.sends("2401")
    body = order("confirm", mdtrt_id=mdtrt_id)
    assert await ask(world, "POST", f"/unknown/{send.msgid}", body) == (200, {"unknown": None})
    reply = await world.carry("2301", line, insuplc=REGION, msgid=msgid)
    assert reply.body["infcode"] == 0, reply.body["err_msg"]
    visit = await visit_of(world, "I1")
    assert [batch.amount for batch in visit.batches] == [Decimal("240.00")]
    diagnosis = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
    for message in (
        world.his.visit("A03", m.ZHANG, "I1", "I", diagnosis),
        world.his.payment(m.ZHANG, "I1", "I", "240.00"),
    ):
        assert (await world.tell(message)).code == "AA"


async def test_the_hospitals_own_charges_wait_behind_a_registration_of_unknown_outcome(
    open_world: Any,
) -> None:
    """2204 behind a 2201; an operator who says that nothing was done lets it go to the platform."""
    world = await open_world(limits=SECTION, resolver="read_back = false")
    await world.admin.fault("drop-after", "2201")
    assert refusal(await world.tell(world.register(m.ZHANG, "O1"))) == "FSI-UNKNOWN"
    (row,) = await world.admin.rows("visits")
    line = own_line("2204", row["mdtrt_id"])
    held = await world.carry("2204", line, insuplc=REGION)
    assert [problem["code"] for problem in held.body["problems"]] == ["VISIT-HELD"]
    (send,) = await world.sends("2201")
    assert (await ask(world, "POST", f"/unknown/{send.msgid}", order("nothing")))[0] == 200
    assert (await world.carry("2204", line, insuplc=REGION)).body["infcode"] == 0
    assert await world.requests("2204") == ["2204"]


@pytest.mark.parametrize("charged", [True, False])
async def test_an_admission_of_unknown_outcome_holds_no_other_visit_of_the_hospital(
    open_world: Any, *, charged: bool
) -> None:
    """A visit that the hospital opened by national JSON itself, of the same person, goes on,
    whether it has charges yet or not; so does what only asks.
    """
    world = await open_world(limits=SECTION, resolver="read_back = false")
    opened = await world.carry("2201", registration("N1"), insuplc=REGION)
    number = opened.body["output"]["data"]["mdtrt_id"]
    if charged:
        first = await world.carry("2204", own_line("2204", number), insuplc=REGION)
        assert first.body["infcode"] == 0, first.body["err_msg"]
    mdtrt_id = await admitted_unknown(world, "I1")
    again = own_line("2204", number)
    again["feedetail"][0] |= {"feedetl_sn": "77001", "rxno": "77001"}
    more = await world.carry("2204", again, insuplc=REGION)
    assert more.body["infcode"] == 0, more.body["err_msg"]
    query = {"psn_no": PERSON, "mdtrt_id": mdtrt_id}
    assert "problems" not in (await world.carry("5202", {"data": query}, insuplc=REGION)).body


async def test_a_discharge_of_unknown_outcome_holds_the_hospitals_own_calls(
    open_world: Any,
) -> None:
    """2305, 2301 or 2405 behind a 2402 over HL7 wait like messages of the stay."""
    world = await open_world(limits=SECTION, resolver="read_back = false")
    assert (await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))).code == "AA"
    assert (await world.tell(world.his.charges(m.ZHANG, "I1", "I", (world.ct,)))).code == "AA"
    diagnosis = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
    await world.admin.fault("drop-after", "2402")
    answer = await world.tell(world.his.visit("A03", m.ZHANG, "I1", "I", diagnosis))
    assert refusal(answer) == "FSI-UNKNOWN"
    number = (await visit_of(world, "I1")).visit.get("mdtrt_id")
    own = {"2301": own_line("2301", number)}
    own["2405"] = {"data": {"mdtrt_id": number, "psn_no": PERSON}}
    for infno, content in own.items():
        held = await world.carry(infno, content, insuplc=REGION)
        assert [problem["code"] for problem in held.body["problems"]] == ["VISIT-HELD"]
