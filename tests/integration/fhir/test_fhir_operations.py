"""Operations that send nothing: $validate, $inquire, $translate, $lookup; Coverage snapshots."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.fhir.stored import KEPT_TYPES
from mappings.codes import CodeBook
from tests.integration.fhir.speaking import IN_ALL

BASE = "https://fsi-gateway.example/fhir"


@IN_ALL
async def test_validate_says_what_would_be_refused_and_sends_nothing(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-056, X-057: 200 also for a resource with errors."""
    wrong = make_claim()
    wrong["item"][0]["net"]["currency"] = "USD"
    sent = {"Content_Type": ask.media_type}
    right = await ask("POST", "/Claim/$validate", make_claim())
    business = await ask("POST", "/Claim/$validate", wrong)
    shape = await ask("POST", "/Claim/$validate", make_claim(use="sale"))
    other = await ask("POST", "/Claim/$validate", {"resourceType": "Patient"})
    unreadable = await ask(
        "POST", "/Claim/$validate", b"{" if ask.form == "json" else b"<Claim", **sent
    )

    replies = (right, business, shape, other, unreadable)
    assert [one.status for one in replies] == [200] * 5
    severities = [one.body["issue"][0]["severity"] for one in replies]
    assert severities == ["information", "error", "error", "error", "error"]
    assert business.body["issue"][0]["expression"] == ["Claim.item[0].net.currency"]
    assert port.centre.carried == []


async def test_validate_takes_parameters_and_types_that_are_not_served(ask: Any) -> None:
    """Shape and model are looked at; a type that does not exist is 404."""
    patient = {"resourceType": "Patient", "gender": "male"}
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": patient}],
    }
    right = await ask("POST", "/Patient/$validate", parameters)
    wrong = await ask("POST", "/Patient/$validate", {**patient, "gender": "m"})
    nothing = await ask("POST", "/Nothing/$validate", {"resourceType": "Nothing"})

    assert right.body["issue"][0]["severity"] == "information"
    assert wrong.body["issue"][0]["expression"] == ["Patient.gender"]
    assert nothing.status == 404


async def test_inquire_finds_what_was_answered_to_a_claim(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """By identifier, from the store; another peer finds nothing."""
    made = await ask("POST", "/Claim", make_claim())
    found = await ask("POST", "/Claim/$inquire", make_claim(created="2026-03-09"))
    none = await ask("POST", "/Claim/$inquire", make_claim("C-9"))
    other = await ask("POST", "/Claim/$inquire", make_claim(), token="t-0011223344556677")

    assert [one["resource"]["id"] for one in found.body["entry"]] == [made.body["id"]]
    assert "entry" not in none.body
    assert "entry" not in other.body
    assert len(port.centre.carried) == 1


def parameters_of(reply: Any) -> dict[str, Any]:
    """The parameters of an answer by name."""
    found: dict[str, Any] = {}
    for row in reply.body["parameter"]:
        values = [row[key] for key in row if key.startswith("value")]
        found[row["name"]] = values[0] if values else row.get("part")
    return found


NATIONAL = "001101000010000"
"""What the demonstration tables have for SF003, the registration fee."""


@IN_ALL
async def test_translate_gives_the_national_code(ask: Any) -> None:
    """X-058: result true with the code; the word for the relation differs by release."""
    relation = "relationship" if ask.release == "r5" else "equivalence"
    query = f"url={BASE}/ConceptMap/item&code=SF003&date=2026-03-02"
    reply = await ask("GET", f"/ConceptMap/$translate?{query}")
    found = parameters_of(reply)

    assert (reply.status, found["result"]) == (200, True)
    first, second = found["match"]
    assert (first["name"], first["valueCode"]) == (relation, "equivalent")
    assert second["valueCoding"]["code"] == NATIONAL
    assert second["valueCoding"]["system"] == f"{BASE}/CodeSystem/med-list"


@IN_ALL
async def test_translate_says_why_there_is_no_code(ask: Any) -> None:
    """X-058: result false with a message; by POST as well as by GET."""
    coding = "sourceCoding" if ask.release == "r5" else "coding"
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "url", "valueUri": f"{BASE}/ConceptMap/item"},
            {"name": coding, "valueCoding": {"code": "YP999"}},
        ],
    }
    found = parameters_of(await ask("POST", "/ConceptMap/$translate", parameters))
    no_map = await ask("GET", "/ConceptMap/$translate?url=urn:x&code=1")
    no_code = await ask("GET", f"/ConceptMap/$translate?url={BASE}/ConceptMap/item")

    assert found["result"] is False
    assert found["message"]
    assert (no_map.status, no_code.status) == (404, 400)


async def test_lookup_names_a_code(ask: Any) -> None:
    """A code of a national list, one of ours, and one that nobody knows."""
    book = CodeBook.load([], "default")
    entry = next(one for one in book.lists if one.system == "disease").entries[0]
    assert book.entry("disease", entry.code, on=date(2026, 3, 2)) is not None
    query = f"system={BASE}/CodeSystem/disease&code={entry.code}&date=2026-03-02"
    disease = parameters_of(await ask("GET", f"/CodeSystem/$lookup?{query}"))
    own = await ask("GET", f"/CodeSystem/$lookup?system={BASE}/CodeSystem/fsi-amount&code=acct_pay")
    nothing = await ask("GET", f"/CodeSystem/$lookup?system={BASE}/CodeSystem/disease&code=ZZZ")

    assert disease["display"] == entry.name
    assert parameters_of(own)["display"] == "个人账户支出"
    assert nothing.status == 404


@pytest.fixture
def request_of() -> dict[str, Any]:
    """An eligibility request of a person with a number."""
    return {
        "resourceType": "CoverageEligibilityRequest",
        "identifier": [{"system": "urn:his:eligibility", "value": "E-1"}],
        "status": "active",
        "purpose": ["validation"],
        "patient": {"identifier": {"system": f"{BASE}/id/psn-no", "value": "43010000000000000001"}},
        "created": "2026-03-02",
        "provider": {"identifier": {"value": "H43010000001"}},
        "insurer": {"display": "医保中心"},
    }


@IN_ALL
async def test_a_coverage_is_kept_of_what_the_platform_said(
    ask: Any, port: Any, request_of: dict[str, Any]
) -> None:
    """X-046: read and search look at the last answer; no platform is asked."""
    await ask("POST", "/CoverageEligibilityRequest", request_of)
    found = await ask("GET", "/Coverage?identifier=43010000000000000001&type=310")
    coverage = found.body["entry"][0]["resource"]
    read = await ask("GET", f"/Coverage/{coverage['id']}")
    in_r5 = await ask("GET", f"/fhir/r5/Coverage/{coverage['id']}", Accept="application/json")
    person = "43010000000000000001"

    assert found.body["total"] == 1
    assert read.body == coverage
    assert coverage["status"] == "active"
    assert coverage["subscriberId"] == ([{"value": person}] if ask.release == "r5" else person)
    assert in_r5.body["kind"] == "insurance"
    assert len(port.centre.carried) == 1
    assert "Coverage" in KEPT_TYPES


async def test_an_eligibility_request_may_be_submitted(
    ask: Any, request_of: dict[str, Any]
) -> None:
    """CoverageEligibilityRequest/$submit: 200 and the response."""
    reply = await ask("POST", "/CoverageEligibilityRequest/$submit", request_of)

    assert (reply.status, reply.body["resourceType"]) == (200, "CoverageEligibilityResponse")


@IN_ALL
async def test_a_resource_that_breaks_a_rule_of_business_is_422(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """X-004, X-053: each issue has severity, code and the expression of the element."""
    claim = make_claim()
    claim["item"][0]["unitPrice"] = {"value": 3, "currency": "CNY"}
    claim["item"][0]["quantity"] = {"value": 3}
    reply = await ask("POST", "/Claim", claim)
    (issue,) = reply.body["issue"]

    assert reply.status == 422
    assert (issue["severity"], issue["code"]) == ("error", "business-rule")
    assert issue["expression"] == ["Claim.item[0]"]
    assert port.centre.carried == []


@IN_ALL
async def test_no_number_of_a_person_is_in_a_refusal_or_a_log(
    ask: Any, make_claim: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """X-061: neither in diagnostics nor in the line of the access log."""
    canary = "430199198001010019"
    identifier = {"system": f"{BASE}/id/resident-id", "value": canary}
    claim = make_claim(patient={"identifier": identifier}, total={"value": 1, "currency": "USD"})
    refused = await ask("POST", "/Claim", claim)
    found = await ask(
        "GET", f"/Claim?identifier={canary}&colour={canary}", Prefer="handling=strict"
    )
    wrong = await ask("GET", f"/Claim/{canary}")
    logged = capsys.readouterr()

    assert (refused.status, found.status, wrong.status) == (422, 400, 404)
    for told in (refused.raw, found.raw, wrong.raw):
        assert canary.encode() not in told
    assert canary not in logged.out + logged.err
