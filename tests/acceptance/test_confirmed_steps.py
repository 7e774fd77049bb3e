"""Transactions other than a settlement that did happen: proven by reading back, or confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.errors import JournalError
from gateway.settlement.visits import decode_visit
from tests.acceptance.test_operators_decisions import SECTION, ask, order
from tests.acceptance.test_unknown_steps import refusal


@pytest.fixture
async def held(open_world: Any) -> Any:
    """A world that holds what is unknown, reads nothing back, and has an operator."""
    return await open_world(limits=SECTION, resolver="read_back = false")


async def visit_of(world: Any, number: str) -> Any:
    """The visit as the gateway knows it."""
    row = await world.gateway.journal.visit(f"H43010000001/{number}")
    return decode_visit(row.data, row.version)


async def confirmed(world: Any, infno: str, **shown: str) -> None:
    """Confirm the unknown send of a transaction."""
    (send,) = [send for send in await world.sends(infno) if send.state.value == "unknown"]
    said = await ask(world, "POST", f"/unknown/{send.msgid}", order("confirm", **shown))
    assert said == (200, {"unknown": None})


async def refused(world: Any, infno: str, **shown: str) -> str:
    """The reason, in Chinese, why this is not confirmed; nothing was changed."""
    (send,) = [send for send in await world.sends(infno) if send.state.value == "unknown"]
    status, said = await ask(world, "POST", f"/unknown/{send.msgid}", order("confirm", **shown))
    assert status == 409
    assert (await world.gateway.journal.send(send.msgid)).state.value == "unknown"
    return str(said["error_zh"])


@pytest.mark.parametrize("event", ["A04", "A01"])
async def test_a_registration_that_the_platform_shows_is_taken_in(world: Any, event: str) -> None:
    """5201 shows the outpatient visit, 5303 the stay, under the hospital's number: the message gets
    AA, its visit is open, and the diagnoses of a registration follow (2203).
    """
    opening = {"A04": "2201", "A01": "2401"}[event]
    await world.admin.fault("drop-after", opening)
    message = world.register(m.ZHANG, "O1", "K35.900", event)
    assert refusal(await world.tell(message)) == "FSI-UNKNOWN"

    async def known() -> Any:
        answer = await world.tell(message)
        return answer if refusal(answer) != "FSI-UNKNOWN" else None

    assert (await world.until(known)).code == "AA"
    assert await world.states(opening) == ["confirmed"]
    assert len(await world.states("2203")) == (1 if event == "A04" else 0)
    setting = "O" if event == "A04" else "I"
    charges = world.his.charges(m.ZHANG, "O1", setting, (world.ct,))
    assert (await world.tell(charges)).code == "AA"


async def test_a_registration_that_never_arrived_is_not_taken_in(world: Any) -> None:
    """5201 finds nothing, which is no proof: it is asked for again, and stays unknown."""
    await world.admin.fault("drop-before", "2201")
    message = world.register(m.ZHANG, "O1")
    assert refusal(await world.tell(message)) == "FSI-UNKNOWN"

    async def asked() -> bool:
        return len(await world.requests("5201")) > 1

    await world.until(asked)
    assert await world.states("2201") == ["unknown"]
    assert refusal(await world.tell(message)) == "FSI-UNKNOWN"


async def test_a_registration_is_confirmed_by_its_number(held: Any) -> None:
    """The mdtrt_id has to be that of the hospital's own number."""
    await held.admin.fault("drop-after", "2201")
    message = held.register(m.ZHANG, "O1")
    await held.tell(message)
    await held.tell(held.register(m.ZHANG, "O2"))
    ours, other = sorted(await held.admin.rows("visits"), key=lambda row: str(row["ipt_otp_no"]))
    assert "mdtrt_id" in await refused(held, "2201")
    assert "没有该就诊号" in await refused(held, "2201", mdtrt_id=other["mdtrt_id"])
    await confirmed(held, "2201", mdtrt_id=ours["mdtrt_id"])
    assert (await held.tell(message)).code == "AA"
    assert (await visit_of(held, "O1")).visit.get("mdtrt_id") == ours["mdtrt_id"]


@pytest.mark.parametrize("stops", [False, True], ids=["running", "started-again"])
async def test_an_upload_is_confirmed_by_the_sum_of_its_lines(held: Any, stops: bool) -> None:  # noqa: FBT001 - a parameter
    """No read proves unsettled lines (5204 needs a setl_id): visit and sum are compared with what
    was sent; then the lines are uploaded, and are settled with the sums that 2206 computes.
    """
    await held.tell(held.register(m.ZHANG, "O1"))
    await held.admin.fault("drop-after", "2204")
    message = held.his.charges(m.ZHANG, "O1", "O", (held.ct, held.bottle))
    assert refusal(await held.tell(message)) == "FSI-UNKNOWN"
    if stops:
        await held.stop()
        await held.start(limits=SECTION, resolver="read_back = false")
    mdtrt_id = (await visit_of(held, "O1")).visit.get("mdtrt_id")
    assert "medfee_sumamt" in await refused(held, "2204", mdtrt_id=mdtrt_id)
    wrong = {"mdtrt_id": mdtrt_id, "medfee_sumamt": "252.61"}
    assert "252.60" in await refused(held, "2204", **wrong)
    other = {"mdtrt_id": "430100999999999999", "medfee_sumamt": "252.60"}
    assert "另一次就诊" in await refused(held, "2204", **other)
    await confirmed(held, "2204", mdtrt_id=mdtrt_id, medfee_sumamt="252.60")
    assert (await held.tell(message)).code == "AA"
    payment = held.his.payment(m.ZHANG, "O1", "O", "252.60")
    assert (await held.tell(payment)).code == "AA"
    (settled,) = await held.settled("O1")
    assert settled["medfee_sumamt"] == "252.60"


async def test_an_upload_that_the_gateway_stopped_in_is_confirmed(
    held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the record of the send survived: the batch number is in the audit, the lines are
    those of the message, which comes again.
    """
    await held.tell(held.register(m.ZHANG, "O1"))
    message = held.his.charges(m.ZHANG, "O1", "O", (held.ct,))
    await held.admin.fault("drop-after", "2204")

    async def full_disk(*_: Any, **__: Any) -> None:
        raise JournalError("no space left")

    monkeypatch.setattr(held.gateway.journal, "finish_exchange", full_disk)
    assert refusal(await held.tell(message)) == "FSI-UNKNOWN"
    await held.stop()
    await held.start(limits=SECTION, resolver="read_back = false")
    assert refusal(await held.tell(message)) == "FSI-UNKNOWN"
    mdtrt_id = (await visit_of(held, "O1")).visit.get("mdtrt_id")
    await confirmed(held, "2204", mdtrt_id=mdtrt_id, medfee_sumamt="240.00")
    assert (await held.tell(message)).code == "AA"
    assert (await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert len(await held.settled("O1")) == 1


async def test_a_cancellation_is_confirmed_by_its_own_setl_id(held: Any) -> None:
    """2208 makes a settlement with the sign turned: 5203 gives it, of our msgid; the Task is
    completed and the lines can be settled again.
    """
    settled = await held.post_fhir("Claim", held.client.claim(m.LI, "F1", (held.ct,), "240.00"))
    await held.admin.fault("drop-after", "2208")
    task = held.client.cancellation(settled.body["request"]["reference"].rpartition("/")[2])
    assert (await held.post_fhir("Task", task)).status == 202
    rows = await held.admin.rows("settlements")
    (original,) = [row for row in rows if not row["origin"]]
    (refund,) = [row for row in rows if row["origin"]]
    assert "另一条报文" in await refused(held, "2208", setl_id=original["setl_id"])
    await confirmed(held, "2208", setl_id=refund["setl_id"])
    assert (await held.post_fhir("Task", task)).body["status"] == "completed"
    number = (await held.admin.rows("visits"))[0]["ipt_otp_no"]
    assert (await visit_of(held, number)).state.value == "charged"


async def test_a_discharge_is_confirmed_by_its_visit(held: Any) -> None:
    """2402 gives nothing back: the visit that is entered has to be the one of the message."""
    await held.tell(held.register(m.ZHANG, "I1", "K35.900", "A01"))
    diagnosis = held.his.diagnosis("K35.900", "急性阑尾炎", "F")
    message = held.his.visit("A03", m.ZHANG, "I1", "I", diagnosis)
    await held.admin.fault("drop-after", "2402")
    assert refusal(await held.tell(message)) == "FSI-UNKNOWN"
    assert "另一次就诊" in await refused(held, "2402", mdtrt_id="430100999999999999")
    await confirmed(held, "2402", mdtrt_id=(await visit_of(held, "I1")).visit.get("mdtrt_id"))
    assert (await held.tell(message)).code == "AA"
    assert (await visit_of(held, "I1")).state.value == "discharged"


async def test_a_reversal_is_confirmed_with_what_it_undid(held: Any) -> None:
    """The 2601 arrived and its reply was lost: its settlement is reversed, and the hospital told."""
    await held.charged("O1")
    await held.admin.fault("drop-after", "2207")
    payment = held.his.payment(m.ZHANG, "O1", "O", "240.00")
    await held.tell(payment)
    await held.admin.fault("drop-after", "2601")
    (send,) = await held.sends("2207")
    assert (await ask(held, "POST", f"/unknown/{send.msgid}", order("reverse")))[0] == 409
    await confirmed(held, "2601")
    assert await held.states("2207") == ["reversed"]
    assert refusal(await held.tell(payment)) == "FSI-REVERSED"


async def test_a_case_is_shown_with_what_a_decision_needs(held: Any) -> None:
    """`gateway unknown show`: why it waits, what can be decided and by what, what happened."""
    await held.charged("O1")
    await held.admin.fault("drop-after", "2207")
    await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))
    (send,) = await held.sends("2207")
    status, case = await ask(held, "GET", f"/unknown/{send.msgid}")
    assert status == 200
    one = case["unknown"]
    assert (one["infno"], one["needs"]) == ("2207", ["setl_id"])
    assert one["waits_zh"] == "网关设置为不自动冲正"
    stations = [step["station"] for step in case["history"]]
    assert stations[-1] == "answer"
    (sent,) = [s for s in case["history"] if s["detail"].get("outcome") == "unknown"]
    assert sent["detail"]["msgid"] == send.msgid
    status, said = await ask(held, "GET", "/unknown/H43010000001202601010000000000")
    assert (status, "没有结果未知" in said["error_zh"]) == (404, True)
