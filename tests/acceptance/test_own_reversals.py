"""Reversals that a hospital sends itself, beside the policy, operators and other hospitals."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from conformance.platform import wire
from gateway.demo import messages as m
from gateway.errors import JournalError
from gateway.settlement.deciding import Decision, DecisionError

REGION = "430100"
ZHANG_NO = "43010000000000000001"
OTHER_TOKEN = "t-0c44aa19"
OTHER = f"""
[[institutions]]
fixmedins_code = "H43010000002"
fixmedins_name = "长沙另一示范医院"
mdtrtarea_admvs = "430100"
home_pools = ["430100", "439900"]
channel = "changsha"

[[peers]]
name = "other"
institutions = ["H43010000002"]
token_sha256 = ["{hashlib.sha256(OTHER_TOKEN.encode()).hexdigest()}"]
"""


def reversal(msgid: str) -> dict[str, Any]:
    """The input of 2601 for a 2207."""
    return {"data": {"psn_no": ZHANG_NO, "omsgid": msgid, "oinfno": "2207"}}


def registration(number: str) -> dict[str, Any]:
    """The input of 2201."""
    card = {"mdtrt_cert_type": "02", "mdtrt_cert_no": m.ZHANG.certno, "psn_cert_type": "01"}
    person = {"certno": m.ZHANG.certno, "psn_name": m.ZHANG.name, "psn_type": "11"}
    doctor = {"atddr_no": "D430100000001", "dr_name": "陈医生"}
    place = {"dept_code": "A03", "dept_name": "内科", "caty": "A03"}
    visit = {"begntime": "2026-03-02 09:30:00", "ipt_otp_no": number}
    return {
        "data": {
            "psn_no": ZHANG_NO,
            "insutype": "310",
            **person,
            **card,
            **doctor,
            **place,
            **visit,
        }
    }


async def lost_settlement(world: Any) -> str:
    """A settlement over FHIR of unknown outcome; its msgid."""
    await world.admin.fault("drop-after", "2207")
    claim = world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    assert (await world.post_fhir("Claim", claim)).status == 202
    (send,) = await world.sends("2207")
    return str(send.msgid)


async def test_the_hospitals_own_reversal_counts_for_everybody(world: Any) -> None:
    """While the hospital's 2601 has no known outcome an operator sees it beside its settlement, which
    it may still undo: nobody confirms that before the 2601 is decided, and no other 2601 is sent.
    """
    msgid = await lost_settlement(world)
    await world.admin.fault("drop-before", "2601")
    assert (await world.carry("2601", reversal(msgid), insuplc=REGION)).status == 504
    decider = world.gateway._decider
    rows = {row.infno: row for row in await decider.open()}
    settlement, own = rows["2207"], rows["2601"]
    assert (settlement.reversals, settlement.decisions) == (["unknown"], ["nothing"])
    with pytest.raises(DecisionError, match="2601"):
        await decider.decide(msgid, Decision.REVERSE, operator="王主任", note="核实")
    assert await world.states("2601") == ["unknown"]
    await decider.decide(own.msgid, Decision.NOTHING, operator="王主任", note="核实")
    (settlement,) = await decider.open()
    assert (settlement.infno, "confirm" in settlement.decisions) == ("2207", True)


async def test_what_another_hospital_sent_is_not_reversed(open_world: Any) -> None:
    """A 2601 that names the settlement of another institution is 403, and nothing is sent."""
    world = await open_world(limits=OTHER)
    msgid = await lost_settlement(world)
    code = "H43010000002"
    envelope = {"infno": "2601", "msgid": code + world.msgid()[12:], "fixmedins_code": code}
    body = wire.encode({**envelope, "insuplc_admdvs": REGION, "input": reversal(msgid)})
    reply = await world.post("/fsi/2601", body, Authorization=f"Bearer {OTHER_TOKEN}")
    assert (reply.status, reply.body["problems"][0]["code"]) == (403, "PEER-DENIED")
    assert await world.states("2207") == ["unknown"]
    assert await world.requests("2601") == []


async def test_what_was_ended_before_its_answer_is_told(world: Any, monkeypatch: Any) -> None:
    """The answer could not be stored, and an operator vouched that nothing happened: the repeated
    message is told so, and not for ever that the outcome is unknown.
    """
    await world.admin.fault("drop-before", "2201")
    journal, msgid = world.gateway.journal, world.msgid()
    finish = journal.finish_exchange

    async def full_disk(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(journal, "finish_exchange", finish)
        raise JournalError("no space left")

    monkeypatch.setattr(journal, "finish_exchange", full_disk)
    first = await world.carry("2201", registration("N1"), insuplc=REGION, msgid=msgid)
    assert first.status == 504
    decider = world.gateway._decider
    await decider.decide(msgid, Decision.NOTHING, operator="王主任", note="核实")
    again = await world.carry("2201", registration("N1"), insuplc=REGION, msgid=msgid)
    assert (again.status, again.body["infcode"]) == (200, -1)
    assert again.body["problems"][0]["code"] == "FSI-REVERSED"
    assert await world.states("2201") == ["manual"]
    anew = await world.carry("2201", registration("N1"), insuplc=REGION)
    assert anew.body["infcode"] == 0
