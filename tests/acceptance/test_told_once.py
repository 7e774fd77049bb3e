"""What a sender is told in the end: one thing to do, and everything that is known."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.errors import NotSentError
from gateway.fsi.transport import HTTPTransport
from tests.acceptance.test_late_replies import answered, refusal
from tests.acceptance.test_operators_decisions import SECTION, ask, order
from tests.acceptance.test_visits_follow import PERSON, REGION, settled


async def test_a_reversed_payment_whose_new_attempt_was_not_sent_is_told_one_thing(
    open_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reverse-and-settle`: 2601 is accepted, and then the platform cannot be reached. The sender is
    told that nothing was charged and to send anew under another control id, not to try this one
    again: AE, never AR, and the answer is final.
    """
    world = await open_world(policy="reverse-and-settle", resolver="read_back = false")
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    post, reversed_ = HTTPTransport.post, []

    async def unreachable(
        self: HTTPTransport, url: str, headers: Any, body: bytes, **options: Any
    ) -> Any:
        if b'"infno":"2601"' in body:
            reversed_.append(url)
        elif b'"infno":"2207"' in body and reversed_:
            raise NotSentError("no connection: ConnectionRefusedError")
        return await post(self, url, headers, body, **options)

    monkeypatch.setattr(HTTPTransport, "post", unreachable)
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
    answer = await answered(world, payment)
    assert (answer.code, refusal(answer)) == ("AE", "FSI-REVERSED")
    codes = [line.split("|")[5].partition("^")[0] for line in answer.lines() if line[:3] == "ERR"]
    assert codes == ["FSI-REVERSED"]
    assert "FSI-NOTSENT" not in " ".join(answer.lines())
    assert await world.states("2207") == ["reversed", "not-sent"]
    assert await world.settled("O1") == []
    again = await world.tell(payment)
    assert again.lines()[1:] == answer.lines()[1:]
    monkeypatch.undo()
    anew = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert (await world.tell(anew)).code == "AA"
    assert len(await world.settled("O1")) == 1


async def test_a_confirmed_transaction_of_national_json_has_its_output(open_world: Any) -> None:
    """The hospital's own 2208 was lost and confirmed: the same msgid again is infcode 0 with the
    settlement that the platform shows, not an empty output.
    """
    world = await open_world(limits=SECTION)
    mdtrt_id, setl_id, _ = await settled(world)
    await world.admin.fault("drop-after", "2208")
    ids = {"setl_id": setl_id, "mdtrt_id": mdtrt_id, "psn_no": PERSON}
    msgid = world.msgid()
    assert (await world.carry("2208", {"data": ids}, insuplc=REGION, msgid=msgid)).status == 504
    (refund,) = [row for row in await world.admin.rows("settlements") if row["origin"]]
    body = order("confirm", setl_id=refund["setl_id"])
    assert await ask(world, "POST", f"/unknown/{msgid}", body) == (200, {"unknown": None})
    reply = await world.carry("2208", {"data": ids}, insuplc=REGION, msgid=msgid)
    assert (reply.status, reply.body["infcode"]) == (200, 0)
    assert reply.body["output"]["setlinfo"]["setl_id"] == refund["setl_id"]
    assert reply.body["output"]["setlinfo"]["mdtrt_id"] == mdtrt_id


async def test_a_confirmed_reversal_of_the_hospitals_own_is_taken_into_the_visit(
    open_world: Any,
) -> None:
    """Its 2601 of a settlement that stood was lost, and an operator confirms it: the batch is open
    again here too, and a payment settles it anew.
    """
    world = await open_world(limits=SECTION)
    _, _, original = await settled(world)
    await world.admin.fault("drop-after", "2601")
    data = {"psn_no": PERSON, "omsgid": original, "oinfno": "2207"}
    msgid = world.msgid()
    assert (await world.carry("2601", {"data": data}, insuplc=REGION, msgid=msgid)).status == 504
    assert await ask(world, "POST", f"/unknown/{msgid}", order("confirm")) == (
        200,
        {"unknown": None},
    )
    (row,) = await world.gateway.journal.visits()
    assert row.state == "charged"
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert len(await world.settled("O1")) == 1
