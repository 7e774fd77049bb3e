"""Bundles at the base: batch, and transaction under the rule of money (X-026 to X-029)."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model

from gateway.intents import Status, Verb
from tests.integration.fhir.speaking import IN_ALL

BASE = "https://fsi-gateway.example/fhir"
VISIT = "urn:uuid:0b2d3a52-5a0f-4a4c-9d3c-0d6a2c1c7e11"


def bundle(kind: str, *entries: Any) -> dict[str, Any]:
    """A Bundle of entries, each a method, a URL, and perhaps a resource and its fullUrl."""
    rows = []
    for method, url, *rest in entries:
        row: dict[str, Any] = {"request": {"method": method, "url": url}}
        if rest:
            row["resource"] = rest[0]
        if rest[1:]:
            row["fullUrl"] = rest[1]
        rows.append(row)
    return {"resourceType": "Bundle", "type": kind, "entry": rows}


@IN_ALL
async def test_a_batch_is_answered_entry_by_entry(ask: Any, port: Any, make_claim: Any) -> None:
    """X-026: 200 whatever becomes of the entries, each with its status."""
    broken = make_claim("C-2", use="sale")
    entries = [
        ("POST", "Claim", make_claim("C-1")),
        ("POST", "Claim", broken),
        ("POST", "Claim", make_claim("C-3")),
        ("GET", "Claim/none"),
        ("GET", "ClaimResponse?outcome=complete"),
        ("DELETE", "Claim/1"),
        ("GET", "Nothing/1"),
    ]
    reply = await ask("POST", "", bundle("batch", *entries))
    rows = reply.body["entry"]

    assert (reply.status, reply.body["type"]) == (200, "batch-response")
    statuses = [row["response"]["status"] for row in rows]
    assert statuses == ["201", "400", "201", "404", "200", "405", "404"]
    assert rows[0]["resource"]["outcome"] == "complete"
    assert rows[0]["response"]["location"].startswith(f"{ask.base}/Claim/")
    assert rows[1]["response"]["outcome"]["issue"][0]["expression"] == ["Claim.use"]
    assert rows[4]["resource"]["total"] == 2
    assert len(port.centre.carried) == 2


@IN_ALL
async def test_a_transaction_with_two_settlements_is_refused(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-028: 422 before any call."""
    entries = [("POST", "Claim", make_claim("C-1")), ("POST", "Claim", make_claim("C-2"))]
    reply = await ask("POST", "", bundle("transaction", *entries))

    assert reply.status == 422
    assert reply.body["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert port.centre.carried == []


def claim_of(make_claim: Any, **changes: Any) -> dict[str, Any]:
    """A claim that names its visit by the fullUrl of another entry."""
    extension = {
        "url": f"{BASE}/StructureDefinition/encounter",
        "valueReference": {"reference": VISIT},
    }
    made: dict[str, Any] = make_claim(extension=[extension], **changes)
    return made


@IN_ALL
async def test_a_transaction_opens_a_visit_and_settles_it(
    ask: Any, port: Any, make_encounter: Any, make_claim: Any
) -> None:
    """X-027, X-029: the settlement comes last, and its link leads to the visit that was made."""
    entries = [
        ("GET", "Encounter?identifier=V-1"),
        ("POST", "Claim", claim_of(make_claim)),
        ("POST", "Encounter", make_encounter(), VISIT),
    ]
    reply = await ask("POST", "", bundle("transaction", *entries))
    search, response, encounter = reply.body["entry"]
    claim = await ask("GET", f"/Claim/{response['resource']['id']}")

    assert (reply.status, reply.body["type"]) == (200, "transaction-response")
    assert [one.verb for one in port.centre.carried] == [Verb.REGISTER, Verb.SETTLE]
    assert port.centre.carried[1].visit.values["ipt_otp_no"] == "V-1"
    assert search["resource"]["total"] == 1
    of_r5 = claim.body.get("encounter", [{}])[0]
    visit = of_r5 if ask.release == "r5" else claim.body["extension"][0]["valueReference"]
    assert visit["reference"] == f"Encounter/{encounter['resource']['id']}"


@IN_ALL
async def test_a_transaction_is_checked_before_it_is_carried_out(
    ask: Any, port: Any, make_encounter: Any, make_claim: Any
) -> None:
    """X-027: the visit is not opened when the claim cannot be right."""
    claim = claim_of(make_claim)
    claim["item"][0]["net"]["currency"] = "USD"
    entries = [("POST", "Encounter", make_encounter(), VISIT), ("POST", "Claim", claim)]
    reply = await ask("POST", "", bundle("transaction", *entries))

    assert reply.status == 422
    expression = "Bundle.entry[1].resource.item[0].net.currency"
    assert reply.body["issue"][0]["expression"] == [expression]
    assert port.centre.carried == []


@IN_ALL
async def test_a_visit_is_cancelled_again_when_the_settlement_is_not_sent(
    ask: Any, port: Any, make_encounter: Any, make_claim: Any
) -> None:
    """X-027: nothing of the transaction stands, and the answer says so."""
    conduct = port.centre.conduct

    async def only_visits(intent: Any, peer: Any, exchange_id: str) -> Any:
        port.centre.status = Status.NOT_SENT if intent.verb is Verb.SETTLE else Status.DONE
        return await conduct(intent, peer, exchange_id)

    port.centre.conduct = only_visits
    entries = [
        ("POST", "Encounter", make_encounter(), VISIT),
        ("POST", "Claim", claim_of(make_claim)),
    ]
    reply = await ask("POST", "", bundle("transaction", *entries))
    found = await ask("GET", "/Encounter?identifier=V-1")

    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    verbs = [one.verb for one in port.centre.carried]
    assert verbs == [Verb.REGISTER, Verb.SETTLE, Verb.UNREGISTER]
    assert reply.body["issue"][-1]["severity"] == "information"
    assert found.body["entry"][0]["resource"]["status"] == "cancelled"


async def test_a_transaction_of_r5_has_the_same_rule(ask: Any, port: Any, make_claim: Any) -> None:
    """The entries are read in the release of the base."""
    claim = make_claim() | {
        "encounter": [{"identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": "V-1"}}]
    }
    del claim["extension"]
    reply = await ask("POST", "/fhir/r5", bundle("transaction", ("POST", "Claim", claim)))
    r5_model("Bundle").model_validate(reply.body)

    assert reply.status == 200
    assert reply.body["entry"][0]["resource"]["decision"]["coding"][0]["code"] == "approved"


@pytest.mark.parametrize(
    ("tree", "status"),
    [
        ({"resourceType": "Claim"}, 400),
        ({"resourceType": "Bundle", "type": "collection"}, 400),
        ({"resourceType": "Bundle", "type": "batch"}, 200),
        ({"resourceType": "Bundle", "type": "batch", "entry": [{"fullUrl": "urn:x"}]}, 400),
        (bundle("transaction", ("DELETE", "Claim/1")), 422),
        (bundle("transaction", ("POST", "Basic", {"resourceType": "Basic"})), 422),
        (bundle("batch", *[("GET", "Claim")] * 101), 422),
    ],
)
async def test_a_bundle_of_another_kind_is_refused(
    ask: Any, port: Any, tree: dict[str, Any], status: int
) -> None:
    """Nothing is carried out of it."""
    reply = await ask("POST", "", tree)

    assert reply.status == status
    assert port.centre.carried == []
