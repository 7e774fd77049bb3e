"""An operator decides about an unknown settlement, over HTTP, while the gateway runs."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import msgspec
import pytest

from gateway.demo import messages as m
from gateway.settlement.visits import decode_visit

OPERATOR = "o-90b1f6a42c"
SECTION = f"""
[operator]
token_sha256 = ["{hashlib.sha256(OPERATOR.encode()).hexdigest()}"]
"""


async def ask(
    world: Any, method: str, path: str, body: Any = None, token: str = OPERATOR
) -> tuple[int, Any]:
    """A request with an operator's token."""
    headers = {"Authorization": f"Bearer {token}"}
    data = msgspec.json.encode(body) if body is not None else None
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{world.http}/operator{path}", data=data) as response,
    ):
        return response.status, await response.json()


def order(decision: str, **more: str) -> dict[str, str]:
    """The body of a decision."""
    return {"decision": decision, "operator": "王主任", "note": "已电话核实", **more}


async def unknown_settlement(world: Any, fault: str) -> tuple[bytes, str]:
    """A payment whose outcome is unknown: the message and the msgid."""
    await world.charged("O1")
    await world.admin.fault(fault, "2207")
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert (await world.tell(payment)).code == "AE"
    status, listed = await ask(world, "GET", "/unknown")
    assert status == 200
    (row,) = listed["unknown"]
    assert (row["infno"], row["kind"], row["peer"]) == ("2207", "DFT^P03", "his")
    assert row["decisions"] == ["confirm", "nothing", "reverse"]
    return payment, row["msgid"]


@pytest.fixture
async def held(open_world: Any) -> Any:
    """A world that holds what is unknown, with an operator."""
    return await open_world(limits=SECTION)


async def test_a_settlement_that_the_platform_has_is_confirmed(held: Any) -> None:
    """5203 reads it back by the setl_id that the operator found; the HIS gets its receipt."""
    payment, msgid = await unknown_settlement(held, "drop-after")
    (settled,) = await held.settled("O1")
    body = order("confirm", setl_id=settled["setl_id"])
    assert await ask(held, "POST", f"/unknown/{msgid}", body) == (200, {"unknown": None})
    answer = await held.tell(payment)
    assert answer.code == "AA"
    assert answer.field("ZSL", 3) == settled["setl_id"]
    assert (answer.field("ZSL", 7), answer.field("ZSL", 8)) == ("240.00", "116.20")
    assert await held.states("2207") == ["confirmed"]
    assert len(await held.settled("O1")) == 1
    again = await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert again.code == "AE", "a confirmed batch is settled and is not settled again"
    assert (await held.gateway.journal.audit_verify()).intact


async def test_the_settlement_of_another_message_is_not_taken(held: Any) -> None:
    """The setl_id of another visit's settlement confirms nothing."""
    payment, msgid = await unknown_settlement(held, "drop-before")
    await held.charged("O2", items=(held.bottle,))
    other = await held.tell(held.his.payment(m.ZHANG, "O2", "O", "12.60"))
    body = order("confirm", setl_id=other.field("ZSL", 3))
    status, said = await ask(held, "POST", f"/unknown/{msgid}", body)
    assert status == 409
    assert "5203" in said["error"], "the platform has no such settlement in this visit"
    assert (await held.tell(payment)).code == "AE"
    assert await held.states("2207") == ["unknown", "accepted"]


async def test_an_operator_may_order_the_reversal(held: Any) -> None:
    """2601 on order, though the policy is hold: nothing stays charged, the visit goes on."""
    payment, msgid = await unknown_settlement(held, "drop-after")
    assert (await ask(held, "POST", f"/unknown/{msgid}", order("reverse")))[0] == 200
    answer = await held.tell(payment)
    assert answer.field("ERR", 5).startswith("FSI-REVERSED")
    assert await held.settled("O1") == []
    anew = await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert anew.code == "AA"
    assert len(await held.settled("O1")) == 1


async def test_a_settlement_that_never_arrived_is_ended_by_word(held: Any) -> None:
    """The operator vouches that the platform has nothing; the visit goes on with a new message."""
    payment, msgid = await unknown_settlement(held, "drop-before")
    assert (await ask(held, "POST", f"/unknown/{msgid}", order("nothing")))[0] == 200
    assert await held.states("2207") == ["manual"]
    assert (await held.tell(payment)).field("ERR", 5).startswith("FSI-REVERSED")
    anew = await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert anew.code == "AA"
    assert await ask(held, "GET", "/unknown") == (200, {"unknown": []})


async def test_who_decides_and_why_is_in_the_audit(held: Any) -> None:
    """Operator, note and decision stand in the hash chain."""
    _, msgid = await unknown_settlement(held, "drop-before")
    await ask(held, "POST", f"/unknown/{msgid}", order("nothing"))
    (send,) = [send for send in await held.sends("2207") if send.msgid == msgid]
    trail = await held.gateway.journal.audit_trail(send.exchange_id)
    (decided,) = [row for row in trail if row.station == "decide"]
    assert decided.detail == {
        "msgid": msgid,
        "how": "nothing",
        "operator": "王主任",
        "note": "已电话核实",
    }


async def test_a_peers_token_does_not_decide(held: Any) -> None:
    """Who asks for settlements does not decide about them."""
    status, _ = await ask(held, "GET", "/unknown", token=held.token)
    assert status == 401


@pytest.mark.parametrize(
    "body", [{}, order("repeat"), {"decision": "reverse"}, order("reverse", extra="x")]
)
async def test_a_decision_that_is_not_complete_is_refused(held: Any, body: dict[str, str]) -> None:
    """Who and why are required; there is no fourth decision; an unknown member is an error."""
    _, msgid = await unknown_settlement(held, "drop-before")
    status, _ = await ask(held, "POST", f"/unknown/{msgid}", body)
    assert status == 400
    assert await held.states("2207") == ["unknown"]


async def test_what_is_not_unknown_cannot_be_decided(held: Any) -> None:
    """A settled message, and a msgid that nobody knows."""
    await held.charged("O1")
    await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))
    (send,) = await held.sends("2207")
    for msgid in (send.msgid, "H43010000001202601010000000000"):
        status, said = await ask(held, "POST", f"/unknown/{msgid}", order("nothing"))
        assert (status, msgid in said["error"]) == (409, True)


async def test_a_reversal_that_did_nothing_leaves_the_settlement_unknown(held: Any) -> None:
    """Whoever vouches that the 2601 never arrived says nothing of the settlement: its sender is
    still told that the outcome is unknown, and the settlement can be confirmed.
    """
    payment, msgid = await unknown_settlement(held, "drop-after")
    await held.admin.fault("drop-before", "2601")
    assert (await ask(held, "POST", f"/unknown/{msgid}", order("reverse")))[0] == 409
    (reversal,) = await held.sends("2601")
    body = order("nothing")
    assert (await ask(held, "POST", f"/unknown/{reversal.msgid}", body))[0] == 200
    assert (await held.tell(payment)).field("ERR", 5).startswith("FSI-UNKNOWN")
    (settled,) = await held.settled("O1")
    body = order("confirm", setl_id=settled["setl_id"])
    assert (await ask(held, "POST", f"/unknown/{msgid}", body))[0] == 200
    assert (await held.tell(payment)).field("ZSL", 3) == settled["setl_id"]


async def test_a_settlement_is_not_confirmed_while_its_reversal_may_still_land(held: Any) -> None:
    """The settlement stands when the operator looks, and its 2601 arrives afterwards: nobody was
    told that it stands, and the 2601 is what is confirmed.
    """
    payment, msgid = await unknown_settlement(held, "drop-after")
    (settled,) = await held.settled("O1")
    await held.admin.fault("late", "2601", seconds=60)
    assert (await ask(held, "POST", f"/unknown/{msgid}", order("reverse")))[0] == 409
    (reversal,) = await held.sends("2601")
    assert reversal.state.value == "unknown"
    _, listed = await ask(held, "GET", "/unknown")
    offered = {one["infno"]: one["decisions"] for one in listed["unknown"]}
    assert offered == {"2207": ["nothing"], "2601": ["confirm", "nothing"]}
    status, said = await ask(
        held, "POST", f"/unknown/{msgid}", order("confirm", setl_id=settled["setl_id"])
    )
    assert (status, "2601" in said["error"]) == (409, True)
    assert (await held.tell(payment)).field("ERR", 5).startswith("FSI-UNKNOWN")
    held.gate.opened.set()

    async def landed() -> bool:
        return await held.settled("O1") == []

    await held.until(landed)
    body = order("confirm")
    assert (await ask(held, "POST", f"/unknown/{reversal.msgid}", body))[0] == 200
    assert (await held.tell(payment)).field("ERR", 5).startswith("FSI-REVERSED")
    assert await held.states("2207") == ["reversed"]


async def test_two_operators_reverse_once(held: Any) -> None:
    """The second order waits for the first, and then finds nothing unknown: one 2601."""
    _, msgid = await unknown_settlement(held, "drop-after")
    await held.admin.fault("delay-before", "2601", seconds=60)
    orders = [
        asyncio.create_task(ask(held, "POST", f"/unknown/{msgid}", order("reverse")))
        for _ in range(2)
    ]
    async with asyncio.timeout(10):
        await held.gate.reached.wait()
    held.gate.opened.set()
    answers = await asyncio.gather(*orders)
    assert sorted(status for status, _ in answers) == [200, 409]
    assert await held.states("2601") == ["accepted"]


async def test_the_note_of_an_operator_names_no_patient(held: Any) -> None:
    """The audit keeps a note for ever: name and numbers of the patient are masked in it."""
    _, msgid = await unknown_settlement(held, "drop-before")
    note = f"{m.ZHANG.name} {m.ZHANG.certno} 已核实"
    await ask(held, "POST", f"/unknown/{msgid}", {**order("nothing"), "note": note})
    (send,) = await held.sends("2207")
    trail = await held.gateway.journal.audit_trail(send.exchange_id)
    (decided,) = [row for row in trail if row.station == "decide"]
    assert decided.detail["note"] == "*** *** 已核实"
    assert send.note == "*** *** 已核实"


async def test_a_batch_of_the_same_amount_is_told_by_what_was_computed(held: Any) -> None:
    """Two open batches of 240.00: the message that settles the second one by its number computed
    it just before (2206), so the confirmed settlement is that batch's.
    """
    await held.charged("O1")
    await held.tell(held.his.charges(m.ZHANG, "O1", "O", (held.ct,), first=2))
    await held.admin.fault("drop-after", "2207")
    payment = held.his.payment(m.ZHANG, "O1", "O", "480.00")
    assert (await held.tell(payment)).code == "AE"
    _, listed = await ask(held, "GET", "/unknown")
    (settled,) = await held.settled("O1")
    body = order("confirm", setl_id=settled["setl_id"])
    status, said = await ask(held, "POST", f"/unknown/{listed['unknown'][0]['msgid']}", body)
    assert (status, said) == (200, {"unknown": None})
    row = await held.gateway.journal.visit("H43010000001/O1")
    batches = decode_visit(row.data, row.version).batches
    assert [batch.setl_id for batch in batches] == [settled["setl_id"], ""]
    answer = await held.tell(payment)
    assert (answer.code, answer.field("ZSL", 3)) == ("AE", settled["setl_id"])
    assert answer.field("ERR", 5).startswith("VISIT-STATE"), "the second batch is not settled"
    assert (await held.tell(held.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert len(await held.settled("O1")) == 2
