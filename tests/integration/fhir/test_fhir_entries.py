"""Entries of a Bundle are what the same requests are alone (https://hl7.org/fhir/R4/http.html#ops).

One table of routes answers both, so that an operation that is offered is offered in a batch too.
"""

from __future__ import annotations

from typing import Any

import pytest

BASE = "https://fsi-gateway.example/fhir"
BASES = ("/fhir/r4", "/fhir/r4b", "/fhir/r5")
TRANSLATE = f"ConceptMap/$translate?url={BASE}/ConceptMap/item&code=YP001&sourceCode=YP001"
PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:his:patients", "value": "7"}],
    "name": [{"text": "张伟示"}],
    "birthDate": "1980-01-01",
}
CODE = {"name": "code", "valueCode": "J06.900"}
SYSTEM = {"name": "system", "valueUri": f"{BASE}/CodeSystem/disease"}
LOOKUP = {"resourceType": "Parameters", "parameter": [CODE, SYSTEM]}
CLAIM = {
    "resourceType": "Claim",
    "identifier": [{"system": "urn:his:claims", "value": "C-1"}],
    "status": "active",
}
"""Enough of a Claim to inquire for it, and too little of one to be valid."""
QUESTIONS: list[tuple[str, str, Any]] = [
    ("GET", TRANSLATE, None),
    ("POST", "CodeSystem/$lookup", LOOKUP),
    ("GET", f"CodeSystem/$lookup?system={BASE}/CodeSystem/disease&code=none", None),
    ("POST", "Patient/$match", PATIENT),
    ("POST", "Claim/$inquire", CLAIM),
    ("POST", "Claim/$validate", CLAIM),
    ("GET", "ConceptMap/item?_count=2", None),
    ("GET", "ConceptMap?source-code=YP001", None),
    ("GET", "CodeSystem/national-disease?_count=2", None),
    ("GET", "StructureDefinition?name=none", None),
    ("GET", "ValueSet/none/$expand", None),
    ("GET", "ClaimResponse?outcome=complete&_summary=count", None),
    ("GET", "metadata", None),
    ("PATCH", "Claim/1", None),
    ("GET", "Claim/$nothing", None),
    ("GET", "Nothing/1", None),
]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("method", "url", "resource"), QUESTIONS, ids=[f"{m} {u[:40]}" for m, u, _ in QUESTIONS]
)
async def test_an_entry_is_answered_as_the_same_request_alone(
    *, ask: Any, make_claim: Any, base: str, method: str, url: str, resource: Any
) -> None:
    """The same status, and the same resource; a refusal is the outcome of its entry."""
    await ask("POST", "/fhir/r4/Claim", make_claim())
    row: dict[str, Any] = {"request": {"method": method, "url": url}}
    row |= {"resource": resource} if resource else {}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [row]}
    alone = await ask(method, f"{base}/{url}", resource)
    batch = await ask("POST", base, bundle)
    (entry,) = batch.body["entry"]
    response = entry["response"]

    assert (batch.status, response["status"]) == (200, str(alone.status))
    told = response["outcome"] if alone.status >= 400 else entry.get("resource", response)
    told = told.get("outcome", told)
    for one in (told, alone.body):
        one.pop("date", None)  # of a CapabilityStatement, when it was made
        for issue in one.get("issue", []):
            issue.pop("expression", None)  # an entry is named by its place in the Bundle
    assert told == alone.body


async def test_a_bundle_in_a_bundle_is_refused_by_itself(ask: Any, make_claim: Any) -> None:
    """The other entries are carried out."""
    inner = {"resourceType": "Bundle", "type": "batch"}
    rows = [
        {"request": {"method": "POST", "url": "/"}, "resource": inner},
        {"request": {"method": "POST", "url": "$process-message"}, "resource": inner},
        {"request": {"method": "POST", "url": "Claim"}, "resource": make_claim()},
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": rows}
    reply = await ask("POST", "", bundle)

    statuses = [entry["response"]["status"] for entry in reply.body["entry"]]
    assert statuses == ["400", "400", "201"]
    issue = reply.body["entry"][1]["response"]["outcome"]["issue"][0]
    assert issue["expression"] == ["Bundle.entry[1]"]


async def test_an_operation_that_looks_moves_no_money_in_a_transaction(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-028 counts what settles: an inquiry and a validation may stand beside it."""
    rows = [
        {"request": {"method": "POST", "url": "Claim/$inquire"}, "resource": CLAIM},
        {"request": {"method": "POST", "url": "Claim/$validate"}, "resource": CLAIM},
        {"request": {"method": "POST", "url": "Claim"}, "resource": make_claim()},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": rows}
    reply = await ask("POST", "", bundle)

    assert (reply.status, reply.body["type"]) == (200, "transaction-response"), reply.body
    inquired, validated, made = reply.body["entry"]
    assert inquired["resource"]["entry"][0]["resource"]["outcome"] == "complete"
    assert validated["response"]["outcome"]["issue"][0]["severity"] == "error"
    assert made["response"]["status"] == "201"
    assert len(port.centre.carried) == 1


async def test_a_submit_of_a_transaction_is_checked_before_anything_is_done(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """All or nothing: the Encounter is not opened for a Claim that cannot be settled."""
    encounter = {
        "resourceType": "Encounter",
        "identifier": [{"system": f"{BASE}/id/ipt-otp-no", "value": "V-9"}],
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": {"identifier": {"system": f"{BASE}/id/psn-no", "value": "43" * 10}},
    }
    rows = [
        {"request": {"method": "POST", "url": "Encounter"}, "resource": encounter},
        {"request": {"method": "POST", "url": "Claim/$submit"}, "resource": make_claim(item=None)},
    ]
    del rows[1]["resource"]["item"]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": rows}
    reply = await ask("POST", "", bundle)

    assert reply.status == 422
    assert reply.body["issue"][0]["expression"] == ["Bundle.entry[1].resource.item"]
    assert port.centre.carried == []


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("url", "there", "gone"),
    [
        ("ConceptMap/item?_summary=true", {"url", "status"}, {"group"}),
        ("CodeSystem/national-disease?_elements=url", {"url", "content"}, {"concept"}),
        ("CodeSystem/fsi-amount?_summary=true", {"url", "count"}, {"concept"}),
        ("StructureDefinition/fsi-claim?_elements=url", {"url", "kind"}, {"differential"}),
        ("ValueSet/fsi-amount?_summary=text", {"status"}, {"compose", "url"}),
        ("Organization/H43010000001?_elements=name", {"name"}, {"identifier"}),
        ("metadata?_elements=software", {"software", "fhirVersion"}, {"rest"}),
    ],
)
async def test_parts_of_whatever_is_read(
    *, ask: Any, base: str, url: str, there: set[str], gone: set[str]
) -> None:
    """Tagged once, with what the definition requires (search.html#summary)."""
    whole = await ask("GET", f"{base}/{url.partition('?')[0]}")
    part = await ask("GET", f"{base}/{url}")

    assert (whole.status, part.status) == (200, 200), part.body
    assert gone <= whole.body.keys(), whole.body.keys()
    assert there <= part.body.keys()
    assert not gone & part.body.keys()
    assert [tag["code"] for tag in part.body["meta"]["tag"]] == ["SUBSETTED"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "name", ["ConceptMap", "StructureDefinition", "CodeSystem", "Organization"]
)
async def test_parts_of_what_a_search_finds(ask: Any, base: str, name: str) -> None:
    """Each entry is a part; `count` leaves none; a value that nobody defined is 400."""
    whole = await ask("GET", f"{base}/{name}")
    parts = await ask("GET", f"{base}/{name}?_elements=status")
    count = await ask("GET", f"{base}/{name}?_summary=count")
    wrong = await ask("GET", f"{base}/{name}?_summary=little")

    assert whole.body["total"] == parts.body["total"] == count.body["total"] > 0
    assert "entry" not in count.body
    assert wrong.status == 400
    for entry in parts.body["entry"]:
        assert entry["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert "text" not in entry["resource"]


async def test_parts_at_a_canonical_url(ask: Any) -> None:
    """The guide is served there too, outside the bases."""
    part = await ask("GET", "/fhir/CodeSystem/fsi-amount?_summary=true", token="")

    assert part.status == 200
    assert "concept" not in part.body
