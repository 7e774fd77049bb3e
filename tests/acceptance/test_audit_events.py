"""The audit as AuditEvents over FHIR: a client reads and searches the rows of its own messages."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.clock import CHINA
from gateway.demo import messages as m
from tests.acceptance.test_operators_decisions import SECTION, ask, order

OTHER_TOKEN = "t-5b20d7e1"
OTHER = f"""
[[peers]]
name = "other"
institutions = ["H43010000001"]
token_sha256 = ["{hashlib.sha256(OTHER_TOKEN.encode()).hexdigest()}"]
"""


async def get(world: Any, path: str, release: str = "r4", **headers: str) -> Any:
    """The answer to a GET below a release."""
    return await world.post(f"/fhir/{release}/{path}", b"", method="GET", **headers)


def ids(answer: Any) -> list[str]:
    """The resources of a page."""
    return [entry["resource"]["id"] for entry in answer.body.get("entry", [])]


def link(answer: Any, relation: str) -> str:
    """The path below the base of a link of a Bundle, empty when there is none."""
    urls = [each["url"] for each in answer.body["link"] if each["relation"] == relation]
    return urls[0].partition("/fhir/r4/")[2] if urls else ""


async def settled(world: Any) -> str:
    """A claim that settles; its exchange."""
    claim = world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    assert (await world.post_fhir("Claim", claim)).body["outcome"] == "complete"
    (row,) = await world.gateway.journal.exchanges()
    return str(row.exchange_id)


async def test_every_row_of_a_message_is_read_in_every_release(world: Any) -> None:
    """C-021: each row of the chain is one AuditEvent, with its hash; R4, R4B and R5 models take it,
    in JSON, and it names no patient.
    """
    exchange = await settled(world)
    rows = await world.gateway.journal.audit_trail(exchange)
    for row in rows:
        one = await get(world, f"AuditEvent/audit-{row.seq}")
        assert one.status == 200
        get_fhir_model_class("AuditEvent").model_validate(one.body)
        detail = {each["type"]: each["valueString"] for each in one.body["entity"][0]["detail"]}
        assert (detail["hash"], detail["previous"]) == (row.hash, row.previous)
        assert one.body["subtype"][0]["code"] == row.station
        b = await get(world, f"AuditEvent/audit-{row.seq}", "r4b")
        assert b.body["outcome"] == one.body["outcome"]
        new = await get(world, f"AuditEvent/audit-{row.seq}", "r5")
        r5_model("AuditEvent").model_validate(new.body)
        assert new.body["outcome"]["code"]["code"] == one.body["outcome"]
        assert m.ZHANG.certno not in one.raw.decode()
        assert m.ZHANG.name not in one.raw.decode()
    assert {row.station for row in rows} >= {"receive", "record", "send", "answer"}


async def test_a_search_by_exchange_has_its_rows_newest_first(world: Any) -> None:
    """`exchange`: exactly the rows of the message, and none for an exchange that nobody has."""
    exchange = await settled(world)
    rows = await world.gateway.journal.audit_trail(exchange)
    found = await get(world, f"AuditEvent?exchange={exchange}")
    assert ids(found) == [f"audit-{row.seq}" for row in reversed(rows)]
    assert found.body["total"] == len(rows)
    assert (await get(world, "AuditEvent?exchange=0000")).body["total"] == 0


async def test_a_search_by_outcome_finds_what_failed(world: Any) -> None:
    """`outcome` 8: what is unknown; 4: what was refused; 0 has neither, and together all are found."""
    await world.admin.fault("refuse", "2207", message="基金未开放")
    claim = world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    assert (await world.post_fhir("Claim", claim)).body["outcome"] == "error"
    await world.admin.fault("drop-after", "2207")
    other = world.client.claim(m.LI, "F2", (world.ct,), "240.00")
    assert (await world.post_fhir("Claim", other)).status == 202
    totals = {}
    for outcome in ("0", "4", "8"):
        found = await get(world, f"AuditEvent?outcome={outcome}&_count=100")
        totals[outcome] = found.body["total"]
        assert {entry["resource"]["outcome"] for entry in found.body["entry"]} == {outcome}
    stations = {
        entry["resource"]["subtype"][0]["code"]
        for entry in (await get(world, "AuditEvent?outcome=8")).body["entry"]
    }
    assert stations == {"send", "answer"}
    everything = await get(world, "AuditEvent?outcome=0,4,8")
    assert everything.body["total"] == sum(totals.values())


async def test_a_search_by_date_is_a_span_of_china(world: Any) -> None:
    """`date`, twice for from and to; a day that is not one is 400."""
    exchange = await settled(world)
    count = len(await world.gateway.journal.audit_trail(exchange))
    today = datetime.now(CHINA).date()
    tomorrow = (today + timedelta(days=1)).isoformat()
    for query, expected in (
        (f"date={today}", count),
        (f"date=ge{today}&date=lt{tomorrow}", count),
        (f"date=ge{tomorrow}", 0),
        (f"date=lt{today}", 0),
        (f"date=ge{today}T00:00:00%2B08:00&exchange={exchange}", count),
        (f"date=gt{tomorrow}&exchange={exchange}", 0),
    ):
        assert (await get(world, f"AuditEvent?{query}")).body["total"] == expected, query
    assert (await get(world, "AuditEvent?date=yesterday")).status == 400


async def test_pages_follow_one_another(world: Any) -> None:
    """`_count` and the links: every row once, and none twice."""
    exchange = await settled(world)
    rows = await world.gateway.journal.audit_trail(exchange)
    path, seen = "AuditEvent?_count=4", []
    while path:
        page = await get(world, path)
        assert page.body["total"] == len(rows)
        seen += ids(page)
        path = link(page, "next")
    assert seen == [f"audit-{row.seq}" for row in reversed(rows)]


@pytest.mark.parametrize("name", ["audit-0", "audit-01", "audit-999999", "audit-x", "17"])
async def test_what_is_no_row_is_not_found(world: Any, name: str) -> None:
    """404, and nothing is guessed from a number in another form."""
    await settled(world)
    assert (await get(world, f"AuditEvent/{name}")).status == 404


@pytest.mark.parametrize("release", ["r4", "r4b", "r5"])
async def test_the_sender_is_told_of_a_decision_and_not_by_whom(
    open_world: Any, release: str
) -> None:
    """Decision 26: that an operator decided, and how; the name, the note and the channel stay here,
    and are in the chain all the same.
    """
    world = await open_world(limits=SECTION)
    await world.admin.fault("drop-before", "2207")
    claim = world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    assert (await world.post_fhir("Claim", claim)).status == 202
    (send,) = await world.sends("2207")
    said = await ask(world, "POST", f"/unknown/{send.msgid}", order("nothing"))
    assert said == (200, {"unknown": None})
    rows = await world.gateway.journal.audit_trail(send.exchange_id)
    (decided,) = [row for row in rows if row.station == "decide"]
    assert (decided.detail["operator"], decided.detail["note"]) == ("王主任", "已电话核实")
    seen = {row.seq: await get(world, f"AuditEvent/audit-{row.seq}", release) for row in rows}
    for text in ("王主任", "已电话核实", "changsha"):
        assert text in "".join(str(row.detail) for row in rows)
        assert not [seq for seq, one in seen.items() if text in one.raw.decode()]
    body = seen[decided.seq].body
    details = {
        each["type"] if release != "r5" else each["type"]["text"]: each["valueString"]
        for each in body["entity"][0]["detail"]
    }
    assert (details["msgid"], details["how"]) == (send.msgid, "nothing")
    agent = body["agent"][0]
    assert (agent.get("altId") or agent["who"]["display"]) == "operator"


async def test_another_peer_sees_nothing_of_it(open_world: Any) -> None:
    """A row of another peer's message is 404 and in no search."""
    world = await open_world(limits=OTHER)
    exchange = await settled(world)
    (row, *_) = await world.gateway.journal.audit_trail(exchange)
    other = {"Authorization": f"Bearer {OTHER_TOKEN}"}
    assert (await get(world, f"AuditEvent/audit-{row.seq}", **other)).status == 404
    for query in ("", f"?exchange={exchange}", f"?_id=audit-{row.seq}"):
        assert (await get(world, f"AuditEvent{query}", **other)).body["total"] == 0
    assert (await get(world, f"AuditEvent?_id=audit-{row.seq}")).body["total"] == 1
