"""`$validate` with `mode` and `profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BASE = "https://fsi-gateway.example/fhir"
EXAMPLES = Path(__file__).parents[3] / "docs" / "reference" / "fhir-guide" / "examples"
PREAUTHORIZATION = f"{BASE}/StructureDefinition/fsi-claim-preauthorization"
SETTLED = f"{BASE}/StructureDefinition/fsi-claim"


def severities(reply: Any) -> list[str]:
    """The severity of each issue."""
    return [issue["severity"] for issue in reply.body["issue"]]


def places(reply: Any) -> list[str]:
    """The element of each issue, empty for none."""
    return [issue.get("expression", [""])[0] for issue in reply.body["issue"]]


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_a_resource_is_held_to_a_profile(
    ask: Any, port: Any, make_claim: Any, segment: str
) -> None:
    """X-056: 200 with an issue at each element that is not as the profile has it."""
    url = f"/fhir/{segment}/Claim/$validate"
    right = await ask("POST", f"{url}?profile={SETTLED}", make_claim())
    versioned = await ask("POST", f"{url}?profile={SETTLED}|0.0.1", make_claim())
    other = await ask("POST", f"{url}?profile={PREAUTHORIZATION}", make_claim())
    mistaken = await ask("POST", f"{url}?profile={BASE}/StructureDefinition/none", make_claim())
    standard = "http://hl7.org/fhir/StructureDefinition/Claim"
    plain = await ask("POST", f"{url}?profile={standard}", make_claim())

    assert {one.status for one in (right, versioned, other, mistaken, plain)} == {200}
    assert severities(right) == severities(plain) == ["information"]
    assert (severities(other), places(other)) == (
        ["error", "error"],
        ["Claim.subType", "Claim.use"],
    )
    assert [one.body["issue"][0]["code"] for one in (versioned, mistaken)] == ["not-found"] * 2
    assert port.centre.carried == []


async def test_the_examples_of_the_guide_are_what_their_profiles_say(ask: Any) -> None:
    """Filings and the question for an entitlement; no other profile of a Claim fits them."""
    for name in ("preauthorization", "preauthorization-designation", "entitlement"):
        tree = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
        right = await ask("POST", f"/Claim/$validate?profile={PREAUTHORIZATION}&mode=profile", tree)
        wrong = await ask("POST", f"/Claim/$validate?profile={SETTLED}&mode=profile", tree)
        assert severities(right) == ["information"], name
        assert "Claim.use" in places(wrong)


async def test_the_money_of_a_profile_is_a_pattern_and_a_factor_a_number(
    ask: Any, make_claim: Any
) -> None:
    """X-052: currency CNY; 1.0 is the factor 1; a detail is not taken."""
    claim = make_claim()
    claim["item"][0] |= {
        "factor": 1.0,
        "net": {"value": 12.5, "currency": "USD"},
        "detail": [{"sequence": 1, "productOrService": {"text": "x"}}],
    }
    reply = await ask("POST", f"/Claim/$validate?profile={SETTLED}&mode=profile", claim)

    assert set(places(reply)) == {"Claim.item[0].net", "Claim.item[0].detail"}


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_mode_and_profile_may_stand_in_parameters(
    ask: Any, make_claim: Any, form: str
) -> None:
    """With mode `profile` the rules of business do not count: the sum of this claim is wrong."""
    claim = make_claim(total={"value": 1, "currency": "CNY"})
    rows = [
        {"name": "mode", "valueCode": "profile"},
        {"name": "profile", "valueUri": SETTLED},
        {"name": "resource", "resource": claim},
    ]
    parameters = {"resourceType": "Parameters", "parameter": rows}
    by_profile = await ask("POST", f"/Claim/$validate?_format={form}", parameters)
    created = await ask("POST", "/Claim/$validate?mode=create", claim)
    unknown = await ask("POST", "/Claim/$validate?mode=guess", claim)

    assert (by_profile.status, b"informational" in by_profile.raw) == (200, True)
    assert places(created) == ["Claim.total"]
    assert unknown.status == 400


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_a_finding_in_parameters_is_placed_in_them(
    ask: Any, make_claim: Any, segment: str
) -> None:
    """A wrong shape, a rule of business, an element of a profile: each where the client has it."""
    url = f"/fhir/{segment}/Claim/$validate"

    async def placed(claim: dict[str, Any], mode: str = "create") -> list[str]:
        rows = [{"name": "mode", "valueCode": mode}, {"name": "resource", "resource": claim}]
        body = {"resourceType": "Parameters", "parameter": rows}
        return places(await ask("POST", f"{url}?profile={SETTLED}", body))

    at = "Parameters.parameter[1].resource"
    wrong = make_claim(use="preauthorization")
    assert await placed(make_claim(created=5)) == [f"{at}.created"]
    assert await placed(make_claim(total={"value": 1, "currency": "CNY"})) == [f"{at}.total"]
    assert f"{at}.use" in await placed(wrong, "profile")
    assert await placed(make_claim()) == [""]


async def test_an_update_is_checked_as_the_update_of_that_resource(
    ask: Any, port: Any, make_claim: Any, make_encounter: Any
) -> None:
    """X-050, X-057: a Claim is not changed, an Encounter may be; nothing is carried out."""
    made = await ask("POST", "/Encounter", make_encounter())
    url = f"/Encounter/{made.body['id']}"
    changed = make_encounter(id=made.body["id"], status="finished")
    claim = await ask("POST", "/Claim", make_claim())
    carried = len(port.centre.carried)
    right = await ask("POST", f"{url}/$validate?mode=update", changed)
    other_id = await ask("POST", f"{url}/$validate?mode=update", make_encounter(id="x"))
    content = await ask(
        "POST",
        f"/Claim/{claim.body['id']}/$validate?mode=update",
        make_claim(id=claim.body["id"], created="2026-03-09"),
    )
    no_id = await ask("POST", "/Encounter/$validate?mode=update", changed)
    read = await ask("GET", url)

    assert [severities(one) for one in (right, other_id, content, no_id)] == [
        ["information"], ["error"], ["error"], ["error"],
    ]  # fmt: skip
    assert other_id.body["issue"][0]["expression"] == ["Encounter.id"]
    assert (content.body["issue"][0]["code"], read.body) == ("not-supported", made.body)
    assert len(port.centre.carried) == carried


async def test_a_deletion_is_asked_about_without_a_body(ask: Any, make_claim: Any) -> None:
    """A Claim is never deleted; a Subscription that is not there is not found."""
    claim = await ask("POST", "/Claim", make_claim())
    money = await ask("POST", f"/Claim/{claim.body['id']}/$validate?mode=delete")
    missing = await ask("POST", "/Subscription/none/$validate?mode=delete")
    again = await ask("GET", f"/Claim/{claim.body['id']}")

    assert [one.body["issue"][0]["code"] for one in (money, missing)] == [
        "not-supported",
        "not-found",
    ]
    assert again.status == 200


async def test_what_nobody_creates_is_said_only_when_it_is_asked(ask: Any) -> None:
    """A Coverage is made of what the platform says; its form may be looked at all the same."""
    coverage = {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": "Patient/1"},
        "payor": [{"display": "医保"}],
    }
    form = await ask("POST", "/Coverage/$validate", coverage)
    created = await ask("POST", "/Coverage/$validate?mode=create", coverage)

    assert (severities(form), severities(created)) == (["information"], ["error"])
