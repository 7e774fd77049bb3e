"""Lists and clearing of a hospital's own, by national JSON, whose reply was lost, and an operator."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settlement.clearing.inputs import confirmation
from gateway.settlement.clearing.month import Batch
from tests.acceptance.test_clearing import MARCH, YEAR_MONTH, settle
from tests.acceptance.test_operators_decisions import ask, order
from tests.acceptance.test_settlement_lists import HOSPITAL, SECTION, ready
from tests.clocks import HandClock


@pytest.fixture
async def world(open_world: Any) -> Any:
    """A world in March 2026, with an operator, that reads nothing back by itself."""
    return await open_world(clock=HandClock(), sections=SECTION, resolver="read_back = false")


async def lost(world: Any, fault: str, infno: str, content: Any) -> tuple[str, list[str]]:
    """A call of the hospital's own that gets no reply: its msgid, and what may be decided."""
    await world.admin.fault(fault, infno)
    msgid = world.msgid()
    reply = await world.carry(infno, content, insuplc="430100", msgid=msgid)
    assert reply.status == 504
    _, listed = await ask(world, "GET", "/unknown")
    (row,) = [row for row in listed["unknown"] if row["msgid"] == msgid]
    return msgid, row["decisions"]


async def told(world: Any, infno: str, content: Any, msgid: str) -> Any:
    """What the hospital is told when it asks again under its msgid."""
    return await world.carry(infno, content, insuplc="430100", msgid=msgid)


async def test_an_uploaded_list_is_confirmed_when_4103_shows_it(world: Any) -> None:
    """The only word that an operator had was that it did not happen, which was not true."""
    setl_id = await ready(world)
    held = (await world.gateway.office.lists[HOSPITAL].check(setl_id)).held
    msgid, decisions = await lost(world, "drop-after", held.infno, held.input)
    assert decisions == ["confirm", "nothing"]
    answer = await ask(world, "POST", f"/unknown/{msgid}", order("confirm"))
    assert answer == (200, {"unknown": None})
    reply = await told(world, held.infno, held.input, msgid)
    (kept,) = await world.admin.rows("lists")
    assert (reply.status, reply.body["infcode"]) == (200, 0)
    assert reply.body["output"]["data"]["setl_list_id"] == kept["setl_list_id"]
    assert len(await world.requests("4101")) == 1


async def test_a_list_that_4103_does_not_show_is_not_confirmed(world: Any) -> None:
    """The upload never arrived: the word is refused, and the list waits."""
    setl_id = await ready(world)
    held = (await world.gateway.office.lists[HOSPITAL].check(setl_id)).held
    msgid, _ = await lost(world, "drop-before", held.infno, held.input)
    status, said = await ask(world, "POST", f"/unknown/{msgid}", order("confirm"))
    assert (status, "4103" in said["error_zh"]) == (409, True)
    assert (await told(world, held.infno, held.input, msgid)).status == 504


@pytest.mark.parametrize(("fault", "confirms"), [("drop-after", 200), ("drop-before", 409)])
async def test_a_list_that_was_handed_in_is_confirmed_by_its_state(
    world: Any, fault: str, confirms: int
) -> None:
    """4102: 4103 has to show the list as handed in."""
    setl_id = await ready(world)
    held = (await world.gateway.office.lists[HOSPITAL].upload(setl_id)).held
    node = {"psn_no": held.psn_no, "setl_id": setl_id, "stas_type": "1"}
    msgid, _ = await lost(world, fault, "4102", {"stastinfo": [node]})
    status, _ = await ask(world, "POST", f"/unknown/{msgid}", order("confirm"))
    assert status == confirms


async def test_of_two_lists_that_were_handed_in_both_have_to_be_shown(world: Any) -> None:
    """4102 of two settlements: the centre shows the first as handed in, and not the second."""
    setl_id = await ready(world)
    held = (await world.gateway.office.lists[HOSPITAL].upload(setl_id)).held
    node = {"psn_no": held.psn_no, "setl_id": setl_id, "stas_type": "1"}
    other = {**node, "setl_id": "43010020260302000000009999"}
    msgid, _ = await lost(world, "drop-before", "4102", {"stastinfo": [node, other]})
    centre = world.platform.centres["430100"]._tables.store
    centre.run("UPDATE lists SET stas_type = '1'")
    status, _ = await ask(world, "POST", f"/unknown/{msgid}", order("confirm"))
    assert status == 409
    assert (await world.gateway.journal.send(msgid)).state.value == "unknown"


async def test_the_word_about_a_month_that_was_never_fetched_is_taken(world: Any) -> None:
    """`gateway clearing decide` ends it, and says so: there is a book of the month from then on."""
    await settle(world, "O1")
    clearing = world.gateway.office.clearing[HOSPITAL]
    page = await world.carry("3260", {"data": {**YEAR_MONTH, "startrow": 1}})
    (row,) = page.body["output"]["data"]
    kept = ("certno", "mdtrt_id", "mdtrt_setl_time", "setl_sn", "medfee_sumamt")
    detail = {code: row[code] for code in (*kept, "optins_pay_sumamt")} | {"cnfm_flag": "1"}
    content = {"data": {**YEAR_MONTH, "totalrow": 1}, "detail": [detail]}
    msgid, _ = await lost(world, "drop-after", "3261", content)
    held = await clearing.decide(msgid, happened=True, operator="王", note="电话")
    assert held.flags() == {row["setl_sn"]: "1"}
    assert (await world.gateway.journal.send(msgid)).state.value == "confirmed"


async def test_a_confirmation_of_clearing_is_ended_by_the_centres_word(world: Any) -> None:
    """No query shows what was confirmed (decision 16); nobody has fetched the month here."""
    await settle(world, "O1")
    clearing = world.gateway.office.clearing[HOSPITAL]
    held = await clearing.fetch(*MARCH)
    content = confirmation(held, Batch(number=1, flags={held.lines[0].setl_sn: "1"}))
    msgid, decisions = await lost(world, "drop-after", "3261", content)
    assert decisions == ["confirm", "nothing"]
    answer = await ask(world, "POST", f"/unknown/{msgid}", order("confirm"))
    assert answer == (200, {"unknown": None})
    assert (await told(world, "3261", content, msgid)).body["infcode"] == 0
    held = await clearing.month(*MARCH)
    assert list(held.flags()) == [held.lines[0].setl_sn]
