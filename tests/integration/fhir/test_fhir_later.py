"""Answers that come later, in part, or only under a condition."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.intents import Status
from tests.integration.fhir.speaking import IN_ALL

ASYNC = {"Prefer": "respond-async"}
ASKED = 500


async def answer_at(ask: Any, poll: str) -> Any:
    """Ask until the answer is there."""
    for _ in range(ASKED):
        reply = await ask("GET", poll)
        if reply.status != 202:
            return reply
    raise AssertionError(f"no answer after asking {ASKED} times")


@IN_ALL
async def test_an_asynchronous_claim_is_answered_when_it_is_asked_for(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-031, X-032, T-033: 202 at once, 202 while it is worked on, then the same answer.

    R5 has it in a Bundle of type batch-response.
    """
    port.centre.gate.clear()
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    poll = accepted.headers["Content-Location"]
    working = await ask("GET", poll)
    port.centre.gate.set()
    done = await answer_at(ask, poll)
    synchronous = await ask("POST", "/Claim", make_claim())

    assert (accepted.status, accepted.headers["Preference-Applied"]) == (202, "respond-async")
    assert (working.status, working.headers["Retry-After"]) == (202, "5")
    in_a_bundle = ask.release == "r5"
    answer = done.body["entry"][0]["resource"] if in_a_bundle else done.body
    assert (done.status, answer["outcome"]) == (200, "complete")
    assert answer == synchronous.body
    assert len(port.centre.carried) == 1


async def test_in_progress_is_not_called_unknown(ask: Any, port: Any, make_claim: Any) -> None:
    """X-032: while it is worked on the code is IN-PROGRESS; of a lost reply it is FSI-UNKNOWN."""
    port.centre.gate.clear()
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    working = await ask("GET", accepted.headers["Content-Location"])
    port.centre.status = Status.UNKNOWN
    port.centre.gate.set()
    lost = await ask("POST", "/Claim", make_claim("C-2"))
    unknown = await ask("GET", lost.headers["Content-Location"])

    assert [one.status for one in (accepted, working, lost, unknown)] == [202] * 4
    assert [coded(one.body) for one in (accepted, working, unknown)] == [
        ("information", "informational", "IN-PROGRESS"),
        ("information", "informational", "IN-PROGRESS"),
        ("information", "informational", "FSI-UNKNOWN"),
    ]


def coded(outcome: Any) -> tuple[str, str, str]:
    """Severity, code and our code of the only issue."""
    (issue,) = outcome["issue"]
    return issue["severity"], issue["code"], issue["details"]["coding"][0]["code"]


async def test_r5_wraps_the_result_in_a_batch_response(ask: Any, make_claim: Any) -> None:
    """R5 async.html: the result is a Bundle of type batch-response."""
    accepted = await ask("POST", "/fhir/r5/Claim", make_claim(), **ASYNC)
    poll = accepted.headers["Content-Location"]
    done = await answer_at(ask, poll)
    r5_model("Bundle").model_validate(done.body)

    assert (done.status, done.body["type"]) == (200, "batch-response")
    assert done.body["entry"][0]["resource"]["outcome"] == "complete"


async def test_what_is_refused_is_refused_at_the_poll(ask: Any, make_claim: Any) -> None:
    """A claim in another currency leaves no resource: the poll tells why."""
    claim = make_claim()
    claim["item"][0]["net"]["currency"] = "USD"
    accepted = await ask("POST", "/Claim", claim, **ASYNC)
    told = await answer_at(ask, accepted.headers["Content-Location"])
    unreadable = await ask("POST", "/Claim", b"{", **ASYNC)

    assert (accepted.status, told.status, unreadable.status) == (202, 422, 400)
    assert told.body["issue"][0]["expression"] == ["Claim.item[0].net.currency"]


async def test_a_claim_that_was_not_sent_is_no_unknown_path_elsewhere(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """Another gateway of the journal, or this one after a restart: 503, and it may come again."""
    port.centre.status = Status.NOT_SENT
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    poll = accepted.headers["Content-Location"]
    here = await answer_at(ask, poll)
    another = type(port)(port.settings, port.journal)
    await another.server.start()
    host, number = another.server.address
    base = f"http://{host}:{number}/fhir"
    there = await ask("GET", f"{base}{poll.partition('/fhir')[2]}")
    again = await ask("POST", f"{base}/r4/Claim", make_claim(), **ASYNC)
    done = await answer_at(ask, poll)
    await another.server.stop(0.1)

    assert (here.status, there.status) == (503, 503)
    assert there.headers["Retry-After"] == "5"
    assert (there.body["issue"][0]["code"], again.status) == ("transient", 202)
    assert (done.status, done.body["outcome"]) == (200, "complete")


async def test_a_refusal_is_told_at_the_poll_after_a_restart(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """It is in the journal: another process tells it, in its words, and only to its peer."""
    claim = make_claim()
    claim["item"][0]["net"]["currency"] = "USD"
    accepted = await ask("POST", "/Claim", claim, **ASYNC)
    poll = accepted.headers["Content-Location"]
    told = await answer_at(ask, poll)
    another = type(port)(port.settings, port.journal)
    await another.server.start()
    host, number = another.server.address
    again_at = f"http://{host}:{number}/fhir{poll.partition('/fhir')[2]}"
    again = await ask("GET", again_at)
    other = await ask("GET", again_at, token="t-0011223344556677")
    await another.server.stop(0.1)

    assert (told.status, again.status, other.status) == (422, 422, 404)
    assert again.body == told.body


async def test_an_update_that_is_taken_ends_the_refusal_before_it(
    ask: Any, port: Any, make_encounter: Any
) -> None:
    """The poll of an update tells of the last one that was asked with respond-async."""
    made = await ask("POST", "/Encounter", make_encounter())
    url = f"/Encounter/{made.body['id']}"
    port.centre.status = Status.REJECTED
    refused = await ask("PUT", url, make_encounter(id=made.body["id"], status="finished"), **ASYNC)
    poll = refused.headers["Content-Location"]
    before = await answer_at(ask, poll)
    port.centre.status = Status.DONE
    changed = make_encounter(id=made.body["id"], reasonCode=[{"text": "咳嗽"}])
    await ask("PUT", url, changed, **ASYNC)
    after = await answer_at(ask, poll)

    assert (before.status, after.status) == (422, 200)


@IN_ALL
async def test_giving_up_a_poll_stops_nothing_that_was_sent(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-033, X-034: 202, then 404 at the poll; the settlement is made and recorded."""
    port.centre.gate.clear()
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    poll = accepted.headers["Content-Location"]
    given_up = await ask("DELETE", poll)
    gone = await ask("GET", poll)
    port.centre.gate.set()
    synchronous = await ask("POST", "/Claim", make_claim())

    assert (given_up.status, gone.status) == (202, 404)
    assert (synchronous.status, synchronous.body["outcome"]) == (201, "complete")
    assert len(port.centre.carried) == 1
    assert (await ask("DELETE", f"{ask.base}/_status/ClaimResponse/none")).status == 404


async def test_a_job_of_one_peer_is_unknown_to_another(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """Neither its progress nor its answer."""
    port.centre.gate.clear()
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    poll = accepted.headers["Content-Location"]
    other = await ask("GET", poll, token="t-0011223344556677")
    port.centre.gate.set()

    assert other.status == 404


async def test_an_asynchronous_claim_of_unknown_outcome_stays_202(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-038: unknown is neither done nor refused."""
    port.centre.status = Status.UNKNOWN
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    poll = accepted.headers["Content-Location"]
    for _ in range(5):
        assert (await ask("GET", poll)).status == 202


@IN_ALL
async def test_a_conditional_create_that_finds_one_names_it(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-011, X-013: 200 with Location and ETag of the resource that is there."""
    condition = {"If_None_Exist": "identifier=urn:his:claims|C-1"}
    first = await ask("POST", "/Claim", make_claim(), **condition)
    second = await ask("POST", "/Claim", make_claim(created="2026-03-09"), **condition)

    assert (first.status, second.status) == (201, 200)
    assert second.headers["Location"] == first.headers["Location"]
    assert first.headers["Location"].startswith(f"{ask.base}/Claim/")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert len(port.centre.carried) == 1


async def test_equal_conditional_creates_at_once_settle_once(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-014: whichever comes first makes it, the other gets the same answer."""
    condition = {"If_None_Exist": "identifier=urn:his:claims|C-1"}
    both = await asyncio.gather(
        *(ask("POST", "/Claim", make_claim(), **condition) for _ in range(4))
    )

    assert {reply.raw for reply in both} == {both[0].raw}
    assert len(port.centre.carried) == 1


@IN_ALL
async def test_a_representation_may_be_asked_for(ask: Any, make_claim: Any) -> None:
    """X-030: return=representation is what comes without a wish."""
    reply = await ask("POST", "/Claim", make_claim(), Prefer="return=representation")

    assert (reply.status, reply.body["resourceType"]) == (201, "ClaimResponse")


@pytest.mark.parametrize(
    ("query", "has", "has_not"),
    [
        ("_elements=total", {"total", "status", "meta"}, {"processNote", "insurance"}),
        ("_summary=true", {"outcome", "total", "meta"}, {"item", "processNote"}),
        ("_summary=text", {"id", "status", "patient"}, {"total", "item"}),
        ("_summary=data", {"item", "total"}, {"text"}),
    ],
)
async def test_a_part_of_a_resource_is_tagged(
    ask: Any, make_claim: Any, query: str, has: set[str], has_not: set[str]
) -> None:
    """Required elements stay, and nobody takes the part for the whole (search.html#summary)."""
    made = await ask("POST", "/Claim", make_claim())
    read = await ask("GET", f"/ClaimResponse/{made.body['id']}?{query}")
    found = await ask("GET", f"/ClaimResponse?{query}")
    get_fhir_model_class("ClaimResponse").model_validate(read.body)

    for part in (read.body, found.body["entry"][0]["resource"]):
        assert has <= part.keys()
        assert not has_not & part.keys()
        assert part["meta"]["tag"][0]["code"] == "SUBSETTED"


async def test_a_summary_may_be_the_count_only(ask: Any, make_claim: Any) -> None:
    """`_summary=count` has a total and no entries; a value nobody defined is refused."""
    await ask("POST", "/Claim", make_claim())
    count = await ask("GET", "/Claim?_summary=count")
    wrong = await ask("GET", "/Claim?_summary=little")
    elements = await ask("GET", "/Claim?_elements=a-b")

    assert (count.body["total"], "entry" in count.body) == (1, False)
    assert (wrong.status, elements.status) == (400, 400)
