"""FHIR REST over a real port, with the real journal (conformance statements X-*)."""

from __future__ import annotations

import asyncio
import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from gateway.intents import Settlement, Status, Verb
from tests.integration.fhir.speaking import IN_ALL

CANCEL = {
    "resourceType": "Task",
    "status": "requested",
    "intent": "order",
    "code": {"coding": [{"code": "cancel"}]},
}


@IN_ALL
async def test_a_claim_is_created_read_and_found(ask: Any, make_claim: Any) -> None:
    """X-001, X-023, X-024, X-060: create, read, search by GET and by POST agree."""
    made = await ask("POST", "/Claim", make_claim())
    identity = made.body["id"]
    claim = await ask("GET", f"/Claim/{identity}")
    response = await ask("GET", f"/ClaimResponse/{identity}")
    by_get = await ask("GET", "/ClaimResponse?identifier=S-1&outcome=complete")
    by_post = await ask(
        "POST",
        "/ClaimResponse/_search",
        b"identifier=S-1&outcome=complete",
        Content_Type="application/x-www-form-urlencoded",
    )

    assert made.status == 201
    assert made.headers["Content-Type"] == f"{ask.media_type}; charset=utf-8"
    version = claim.body["meta"]["versionId"]
    assert made.headers["Location"] == f"{ask.base}/Claim/{identity}/_history/{version}"
    assert made.headers["ETag"] == claim.headers["ETag"] == f'W/"{version}"'
    assert claim.headers["Last-Modified"] == "Mon, 02 Mar 2026 02:30:00 GMT"
    assert claim.body["meta"]["lastUpdated"].startswith("2026-03-02T10:30:00")
    assert response.raw == made.raw
    assert by_get.body["entry"][0]["resource"] == response.body
    assert by_get.body["entry"] == by_post.body["entry"]
    assert (by_get.body["type"], by_get.body["total"]) == ("searchset", 1)
    (link,) = by_get.body["link"]
    assert link["relation"] == "self"
    assert link["url"].startswith(f"{ask.base}/ClaimResponse?")
    assert (await ask("GET", link["url"])).body["entry"] == by_get.body["entry"]
    assert made.body["total"][0]["amount"]["value"] == Decimal("12.50")


async def test_the_same_claim_again_gets_the_same_answer_and_is_settled_once(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """T-032, X-014: twice at the same time, and once more later."""
    both = await asyncio.gather(*(ask("POST", "/Claim", make_claim()) for _ in range(2)))
    later = await ask("POST", "/Claim", make_claim())

    assert {reply.raw for reply in (*both, later)} == {later.raw}
    assert [reply.status for reply in (*both, later)] == [201, 201, 201]
    assert len(port.centre.carried) == 1


async def test_other_content_under_the_same_identifier_is_a_conflict(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """409, and nothing is sent."""
    await ask("POST", "/Claim", make_claim())
    other = await ask("POST", "/Claim", make_claim(created="2026-03-03"))

    assert other.status == 409
    assert other.body["issue"][0]["code"] == "conflict"
    assert len(port.centre.carried) == 1


async def test_submit_takes_a_bundle(ask: Any, make_claim: Any) -> None:
    """X-035: the Claim at its beginning is carried out, and answered 200 with its ClaimResponse."""
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": make_claim()}],
    }
    reply = await ask("POST", "/Claim/$submit", bundle)

    assert (reply.status, reply.body["resourceType"]) == (200, "ClaimResponse")


async def test_an_unknown_outcome_is_polled_until_it_is_known(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-032, X-038: queued, 202 at Content-Location, then the final ClaimResponse."""
    port.centre.status = Status.UNKNOWN
    queued = await ask("POST", "/Claim", make_claim())
    poll = queued.headers["Content-Location"]
    waiting = await ask("GET", poll)
    row = (await port.journal.exchanges(limit=1))[0]
    stored = await port.journal.stored_result(row.exchange_id)
    stored.status = Status.DONE
    stored.settlements = [
        Settlement(infno="2207", msgid="MSG-1", info=port.centre._info(stored.intent))
    ]
    await port.pipeline.replace(row.exchange_id, stored)
    known = await ask("GET", poll)
    again = await ask("POST", "/Claim", make_claim())

    assert (queued.status, queued.body["outcome"]) == (202, "queued")
    assert (waiting.status, waiting.headers["Retry-After"]) == (202, "5")
    assert (known.status, known.body["outcome"]) == (200, "complete")
    assert known.body["id"] == queued.body["id"]
    assert known.headers["ETag"] != queued.headers["ETag"]
    assert again.body == known.body
    assert len(port.centre.carried) == 1


async def test_a_claim_is_cancelled_by_a_task(ask: Any, port: Any, make_claim: Any) -> None:
    """Task with output; the claim is cancelled; a second task sends nothing (X-048, X-049)."""
    claim = await ask("POST", "/Claim", make_claim())
    focus = {"focus": {"reference": f"Claim/{claim.body['id']}"}}
    task = await ask("POST", "/Task", CANCEL | focus)
    second = await ask("POST", "/Task", CANCEL | focus | {"identifier": [{"value": "T-2"}]})
    answers = await ask("GET", f"/ClaimResponse?request=Claim/{claim.body['id']}")
    kept = await ask("GET", f"/Claim/{claim.body['id']}")

    assert (task.status, task.body["status"]) == (201, "completed")
    assert second.body["output"] == task.body["output"]
    assert kept.body["status"] == "cancelled"
    assert answers.body["total"] == 2
    assert [intent.verb for intent in port.centre.carried] == [
        Verb.SETTLE,
        Verb.CANCEL,
        Verb.IGNORE,
    ]
    assert port.centre.carried[1].settlement.values["setl_id"] == "S-1"


@IN_ALL
async def test_an_encounter_is_created_and_updated(
    ask: Any, port: Any, make_encounter: Any
) -> None:
    """X-009: under the version that it has now; under one from before it is 412."""
    made = await ask("POST", "/Encounter", make_encounter())
    changed = make_encounter(id=made.body["id"], reasonCode=[{"text": "发热"}])
    updated = await ask(
        "PUT", f"/Encounter/{made.body['id']}", changed, If_Match=made.headers["ETag"]
    )
    stale = await ask(
        "PUT", f"/Encounter/{made.body['id']}", changed, If_Match=made.headers["ETag"]
    )

    assert (made.status, updated.status, stale.status) == (201, 200, 412)
    assert (made.headers["ETag"], updated.headers["ETag"]) == ('W/"1"', 'W/"2"')
    assert [intent.verb for intent in port.centre.carried] == [Verb.REGISTER, Verb.UPDATE]


async def test_a_claim_finds_the_encounter_that_was_answered(
    ask: Any, port: Any, make_encounter: Any, make_claim: Any
) -> None:
    """A literal reference to an Encounter of this gateway."""
    encounter = await ask("POST", "/Encounter", make_encounter())
    extension = {
        "url": "urn:x/encounter",
        "valueReference": {"reference": f"Encounter/{encounter.body['id']}"},
    }
    reply = await ask("POST", "/Claim", make_claim(extension=[extension]))

    assert reply.status == 201
    assert port.centre.carried[-1].visit.values["ipt_otp_no"] == "V-1"
    assert port.centre.carried[-1].visit.values["mdtrt_id"] == "M-1"


@IN_ALL
async def test_a_conditional_create_asks_nothing_twice(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-010 to X-012."""
    condition = {"If_None_Exist": "identifier=urn:his:claims|C-1"}
    first = await ask("POST", "/Claim", make_claim(), **condition)
    second = await ask("POST", "/Claim", make_claim(created="2026-03-09"), **condition)
    await ask("POST", "/Claim", make_claim("C-2"))
    several = await ask("POST", "/Claim", make_claim("C-3"), If_None_Exist="status=active")
    invalid = await ask("POST", "/Claim", make_claim("C-3"), If_None_Exist="colour=red")

    assert [r.status for r in (first, second, several, invalid)] == [201, 200, 412, 412]
    assert second.raw == first.raw
    assert len(port.centre.carried) == 2


async def test_a_search_has_pages(ask: Any, make_claim: Any) -> None:
    """Two entries a page here; the links lead through all of them."""
    for number in ("C-1", "C-2", "C-3"):
        await ask("POST", "/Claim", make_claim(number))
    seen, url = [], "/Claim?use=claim"
    while url:
        page = await ask("GET", url)
        seen += [e["resource"]["identifier"][0]["value"] for e in page.body["entry"]]
        links = {link["relation"]: link["url"] for link in page.body["link"]}
        url = links.get("next")
    count = await ask("GET", "/Claim?_count=0")

    assert sorted(seen) == ["C-1", "C-2", "C-3"]
    assert (count.body["total"], "entry" in count.body) == (3, False)


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("colour=red", {}, 200),
        ("colour=red", {"Prefer": "handling=strict"}, 400),
        ("identifier:exact=1", {}, 400),
        ("_count=many", {}, 400),
        ("status=active&status=draft", {}, 400),
    ],
)
async def test_an_unknown_parameter_is_ignored_unless_strict(
    speakers: Any, query: str, headers: dict[str, str], status: int
) -> None:
    """X-025; a modifier that is not served is never ignored."""
    for ask in speakers:
        reply = await ask("GET", f"/Claim?{query}", **headers)

        assert reply.status == status
        if status == 200:
            assert "colour" not in reply.body["link"][0]["url"]
        else:
            assert reply.body["resourceType"] == "OperationOutcome"


async def test_another_peer_sees_nothing(ask: Any, make_claim: Any) -> None:
    """Neither by id nor by search; without a token nothing at all."""
    from_other = {"token": "t-0011223344556677"}
    made = await ask("POST", "/Claim", make_claim())
    read = await ask("GET", f"/Claim/{made.body['id']}", **from_other)
    found = await ask("GET", "/Claim", **from_other)
    poll = await ask("GET", f"/_status/ClaimResponse/{made.body['id']}", **from_other)
    nobody = await ask("GET", "/Claim", token="")

    assert [r.status for r in (read, found, poll, nobody)] == [404, 200, 404, 401]
    assert found.body["total"] == 0
    assert nobody.body["resourceType"] == "OperationOutcome"


async def test_nothing_that_was_not_sent_is_held_against_the_sender(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """503 and Retry-After; the same claim later is carried out (X-055)."""
    port.centre.status = Status.NOT_SENT
    refused = await ask("POST", "/Claim", make_claim())
    port.centre.status = Status.DONE
    done = await ask("POST", "/Claim", make_claim())

    assert (refused.status, refused.body["issue"][0]["code"]) == (503, "transient")
    assert refused.headers["Retry-After"] == "1"
    assert done.status == 201


async def test_a_voucher_is_in_no_row_of_the_journal(
    ask: Any, port: Any, make_claim: Any, tmp_path: Any
) -> None:
    """The one-time token is masked before the message is stored (F-033)."""
    claim = make_claim()
    claim["insurance"][0]["extension"] = [
        {
            "url": "urn:x/mdtrt-cert",
            "extension": [
                {"url": "type", "valueCode": "01"},
                {"url": "value", "valueString": "TOKEN-CANARY"},
            ],
        }
    ]
    await ask("POST", "/Claim", claim)
    with sqlite3.connect(tmp_path / "journal.db") as database:
        dump = "\n".join(database.iterdump())
    database.close()

    assert port.centre.carried[0].person.values["mdtrt_cert_no"] == "TOKEN-CANARY"
    assert "TOKEN-CANARY" not in dump
    assert b"TOKEN-CANARY".hex().upper() not in dump.upper()


async def test_extensions_of_primitive_values_are_kept(ask: Any, make_claim: Any) -> None:
    """What a sender says about a date or a text comes back with it, in JSON and in XML."""
    said = {"extension": [{"url": "urn:his:precision", "valueCode": "day"}]}
    claim = make_claim(_created=said, _status={"id": "s1"})
    made = await ask("POST", "/Claim", claim)
    path = f"/Claim/{made.body['id']}"
    read = await ask("GET", path)
    in_xml = await ask("GET", path, Accept="application/fhir+xml")

    assert (read.body["_created"], read.body["_status"]) == (said, {"id": "s1"})
    assert b'<created value="2026-03-02"><extension url="urn:his:precision">' in in_xml.raw
