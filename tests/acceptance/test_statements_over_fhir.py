"""Conformance statements of FHIR REST, each in R4, R4B and R5 against a whole gateway.

Real HTTP, journal and reference platform. 240.00 of a resident: class B, a tenth first by the
patient, 216.00 in scope, half of it (108.00) from the fund, 132.00 from the patient in cash.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.fhir.amounts import FUND_PARTS, LABELS
from tests.acceptance.releases import RELEASES, ask, in_release, post

BASE = "https://fsi-gateway.example/fhir"
ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
IN_ALL = pytest.mark.parametrize("release", RELEASES)


def resident(world: Any, use: str = "claim", number: str = "F1") -> dict[str, Any]:
    """A Claim of one CT of 240.00."""
    claim: dict[str, Any] = world.client.claim(m.LI, number, (world.ct,), "240.00", use)
    return claim


def amounts(rows: Any) -> dict[str, Decimal]:
    """Amounts by the code of their category, each code once."""
    found = {}
    for row in rows:
        for coding in row["category"]["coding"]:
            if "amount" in row and "reason" not in row:
                assert row["amount"]["currency"] == "CNY"
                assert coding["code"] not in found
                found[coding["code"]] = Decimal(row["amount"]["value"])
    return found


def numbers(response: dict[str, Any]) -> dict[str, str]:
    """Identifiers of our systems by their short names."""
    return {one["system"].rpartition("/")[2]: one["value"] for one in response["identifier"]}


def refused(reply: Any) -> tuple[int, str, list[str]]:
    """Status, code and place of the first issue."""
    issue = reply.body["issue"][0]
    return reply.status, issue["details"]["coding"][0]["code"], issue.get("expression", [])


@IN_ALL
async def test_a_settlement_is_answered_to_the_fen(world: Any, release: str) -> None:
    """X-001, X-036, X-041, X-042, F-013, F-014: what the platform settled is what is answered."""
    reply = await post(world, release, "Claim", resident(world))
    response = reply.body
    identity = response["id"]
    read = await ask(world, "GET", release, f"ClaimResponse/{identity}")
    claim = await ask(world, "GET", release, f"Claim/{identity}")
    (row,) = await world.settled("F1")
    totals = amounts(response["total"])
    codes = {**{code: code for code in LABELS}, "medfee_sumamt": "submitted"}
    codes |= {"inscp_scp_amt": "eligible", "act_pay_dedc": "deductible"}
    codes |= {"fund_pay_sumamt": "benefit", "psn_part_amt": "copay"}
    stored = {codes[code]: Decimal(row[code]) for code in LABELS if row.get(code) not in {None, ""}}

    version = claim.body["meta"]["versionId"]
    assert reply.status == 201
    assert reply.headers["location"].endswith(f"/{release}/Claim/{identity}/_history/{version}")
    assert reply.headers["etag"] == f'W/"{version}"'
    assert read.raw == reply.raw
    needed = {"patient", "created", "insurer", "type", "use", "status", "request", "insurance"}
    assert needed <= response.keys()
    assert (response["outcome"], response["use"]) == ("complete", "claim")
    assert response["request"]["reference"] == f"Claim/{identity}"
    assert (totals["submitted"], totals["benefit"]) == (Decimal("240.00"), Decimal("108.00"))
    assert stored.items() <= totals.items()
    assert {"submitted", "benefit", "acct_pay"} <= stored.keys()
    assert totals["submitted"] == totals["benefit"] + totals["copay"] + totals["hosp_part_amt"]
    assert totals["benefit"] == sum(totals[code] for code in FUND_PARTS)
    assert totals["copay"] == totals["acct_pay"] + totals["psn_cash_pay"]
    assert response["payment"]["amount"]["value"] == totals["benefit"]
    assert response["payment"]["identifier"]["value"] == numbers(response)["medins-setl-id"]
    assert numbers(response)["setl-id"] == row["setl_id"]
    items = [amounts(item["adjudication"]) for item in response["item"]]
    assert sum(item["submitted"] for item in items) == totals["submitted"]
    assert sum(item["eligible"] for item in items) == totals["eligible"]
    ratio = response["adjudication"][0]
    value = ratio["quantity"]["value"] if release == "r5" else ratio["value"]
    assert value == Decimal("0.5")
    assert ("value" in ratio, "quantity" in ratio) == (release != "r5", release == "r5")
    for note in response.get("processNote", []):
        assert note["language"]["coding"][0]["code"] == "zh-CN"


@IN_ALL
async def test_a_reversal_has_an_answer_of_its_own(world: Any, release: str) -> None:
    """X-048 to X-050: cancelled once; the amounts of 2208 as returned, related to the claim."""
    settled = (await post(world, release, "Claim", resident(world))).body
    identity = settled["id"]
    kept = (await ask(world, "GET", release, f"Claim/{identity}")).body
    changed = {**kept, "created": "2026-01-01"}
    immutable = await ask(world, "PUT", release, f"Claim/{identity}", changed)
    task = world.client.cancellation(identity)
    first = await post(world, release, "Task", task)
    second = await post(world, release, "Task", world.client.cancellation(identity))
    found = await ask(world, "GET", release, f"ClaimResponse?request=Claim/{identity}")
    answers = {one["resource"]["id"]: one["resource"] for one in found.body["entry"]}
    original = answers.pop(identity)
    (reversal,) = answers.values()
    claim = (await ask(world, "GET", release, f"Claim/{identity}")).body
    before, after = amounts(settled["total"]), amounts(reversal["total"])

    assert refused(immutable)[:2] == (422, "NOT-SUPPORTED")
    assert (first.status, first.body["status"]) == (201, "completed")
    assert first.body["output"] == second.body["output"]
    assert await world.requests("2208") == ["2208"]
    assert await world.settled("F1") == []
    assert (claim["status"], original["status"]) == ("cancelled", "cancelled")
    assert (reversal["status"], reversal["outcome"]) == ("active", "complete")
    assert reversal["request"] == {"reference": f"Claim/{identity}"}
    assert numbers(reversal)["setl-id"] != numbers(settled)["setl-id"]
    undone = [one for one in reversal["extension"] if one["url"].endswith("/reversed-setl-id")]
    assert undone[0]["valueIdentifier"]["value"] == numbers(settled)["setl-id"]
    for code in ("submitted", "benefit", "copay"):
        assert after[code] == -before[code]
    assert "payment" not in reversal


@IN_ALL
async def test_a_refusal_of_the_platform_is_an_answer(world: Any, release: str) -> None:
    """X-037: 201 and `error` with the platform's words and our code; no money; $submit is 200."""
    await world.admin.fault("refuse", "2207", message="基金结算窗口未开放")
    one = await post(world, release, "Claim", resident(world))
    # What FHIR and XML cannot carry of a platform's words is no reason not to answer.
    await world.admin.fault("refuse", "2207", message="基金结算窗口未开放\x01\x0c\uffff")
    claim = resident(world, number="F2")
    two = await post(world, release, "Claim/$submit", claim)

    assert (one.status, two.status) == (201, 200)
    for reply in (one, two):
        assert reply.body["outcome"] == "error"
        assert "基金结算窗口未开放" in reply.body["disposition"]
        (error,) = reply.body["error"]
        assert error["code"]["coding"][0]["code"] == "FSI-REJECT"
        assert "基金结算窗口未开放" in error["code"]["text"]
        assert not {"total", "payment"} & reply.body.keys()
    assert await world.settled("F1") == await world.settled("F2") == []


@IN_ALL
async def test_a_lost_reply_is_queued(world: Any, release: str) -> None:
    """X-032, X-038, T-036: 202 without any amount; a Task cancels nothing meanwhile."""
    await world.admin.fault("drop-after", "2207")
    reply = await post(world, release, "Claim", resident(world))
    place = reply.headers["content-location"].partition(f"/{release}/")[2]
    poll = await ask(world, "GET", release, place)
    task = await post(world, release, "Task", world.client.cancellation(reply.body["id"]))

    assert (reply.status, reply.body["outcome"]) == (202, "queued")
    assert not {"total", "payment", "item", "adjudication"} & reply.body.keys()
    assert (poll.status, poll.headers["retry-after"]) == (202, "5")
    assert task.body["status"] in {"rejected", "failed"}
    assert await world.requests("2208") == []


@IN_ALL
async def test_a_use_that_does_not_settle(world: Any, release: str) -> None:
    """X-039, X-040: a predetermination makes no 2207, a preauthorization without a kind is 422."""
    estimate = await post(world, release, "Claim", resident(world, "predetermination"))
    nothing = await post(world, release, "Claim", resident(world, "preauthorization"))

    assert (estimate.status, estimate.body["outcome"]) == (201, "complete")
    assert amounts(estimate.body["total"])["benefit"] == Decimal("108.00")
    assert "payment" not in estimate.body
    assert "setl-id" not in numbers(estimate.body)
    assert refused(nothing) == (422, "NOT-SUPPORTED", ["Claim.subType"])
    assert "2207" not in await world.requests()


@IN_ALL
async def test_amounts_and_lines_are_checked_before_anything_is_sent(
    world: Any, release: str
) -> None:
    """X-004, X-051, X-053: a net that is not price x quantity, a total that is not the sum."""
    line, total = resident(world), resident(world)
    line["item"][0]["quantity"]["value"] = 2
    total["total"]["value"] = Decimal("240.01")
    replies = [await post(world, release, "Claim", one) for one in (line, total)]

    assert [refused(reply) for reply in replies] == [
        (422, "AMOUNT-MISMATCH", ["Claim.item[0]"]),
        (422, "AMOUNT-MISMATCH", ["Claim.total"]),
    ]
    assert await world.requests() == []


@IN_ALL
async def test_submit_takes_a_claim_or_a_bundle(world: Any, release: str) -> None:
    """X-035: 200 with a ClaimResponse, or an OperationOutcome at the place in the Bundle."""
    one = await post(world, release, "Claim/$submit", resident(world))
    second = in_release(resident(world, number="F2"), release)
    wrong = in_release(resident(world, number="F3"), release)
    wrong["item"][0]["net"]["currency"] = "USD"
    bundles = [
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": claim}]}
        for claim in (second, wrong)
    ]
    two, three = [await ask(world, "POST", release, "Claim/$submit", one) for one in bundles]

    kinds = [(reply.status, reply.body["resourceType"]) for reply in (one, two)]
    assert kinds == [(200, "ClaimResponse")] * 2
    place = "Bundle.entry[0].resource.item[0].net.currency"
    assert refused(three) == (422, "CURRENCY", [place])
    assert len(await world.requests("2207")) == 2


@IN_ALL
async def test_equal_claims_at_once_settle_once(world: Any, release: str) -> None:
    """X-011, X-013, X-014, T-032: at once, later, and under If-None-Exist: one settlement."""
    claim = in_release(resident(world), release)
    both = await asyncio.gather(
        *(ask(world, "POST", release, "Claim", claim) for _ in range(2)),
    )
    number = claim["identifier"][0]
    later = await ask(world, "POST", release, "Claim", claim)
    found = await ask(
        world, "GET", release, f"Claim?identifier={number['system']}%7C{number['value']}"
    )

    assert {reply.raw for reply in both} == {later.raw}
    assert found.body["total"] == 1
    assert await world.requests("2207") == ["2207"]


@IN_ALL
async def test_eligibility_says_what_is_in_force(world: Any, release: str) -> None:
    """X-043, X-044: the row of the platform as insurance and as Coverage of the release."""
    reply = await post(world, release, "CoverageEligibilityRequest", world.client.eligibility(m.LI))
    found = await ask(world, "GET", release, "Coverage?identifier=43010000000000000002")
    asked = await world.requests()
    (coverage,) = [one["resource"] for one in found.body["entry"]]

    assert (reply.status, reply.body["outcome"]) == (201, "complete")
    assert [one["inforce"] for one in reply.body["insurance"]] == [True]
    assert coverage["type"]["coding"][0]["code"] == "390"
    assert asked == await world.requests()
    if release == "r5":
        assert (coverage["kind"], "payor" in coverage) == ("insurance", False)
        assert coverage["insurer"]
    else:
        assert len(coverage["payor"]) == 1


@IN_ALL
async def test_a_visit_is_kept_in_the_form_of_its_release(world: Any, release: str) -> None:
    """X-047: class and period are written and read back; without a number it is 422."""
    encounter = world.client.encounter("V1")
    encounter |= {"contained": [world.client.patient(m.LI), world.client.coverage(m.LI)]}
    del encounter["id"]
    made = await post(world, release, "Encounter", encounter)
    read = await ask(world, "GET", release, f"Encounter/{made.body['id']}")
    unnumbered = await post(world, release, "Encounter", {**encounter, "identifier": []})

    assert (made.status, read.raw) == (201, made.raw)
    if release == "r5":
        assert read.body["class"][0]["coding"][0]["code"] == "AMB"
        assert read.body["actualPeriod"]["start"] == encounter["period"]["start"]
    else:
        assert read.body["class"]["code"] == "AMB"
        assert read.body["period"]["start"] == encounter["period"]["start"]
    assert unnumbered.status == 400
    assert await world.requests("2201") == ["2201"]


@IN_ALL
async def test_nothing_that_could_be_sent_is_503(open_world: Any, release: str) -> None:
    """X-054, X-055: `transient` with Retry-After, for every kind of request."""
    world = await open_world(platform="http://127.0.0.1:9")
    replies = [
        await post(world, release, "Claim", resident(world)),
        await post(world, release, "CoverageEligibilityRequest", world.client.eligibility(m.LI)),
    ]

    for reply in replies:
        assert refused(reply)[:2] == (503, "FSI-NOTSENT")
        assert reply.body["issue"][0]["code"] == "transient"
        assert int(reply.headers["retry-after"]) > 0
