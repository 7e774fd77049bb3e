"""`_include`: what is referred to comes with what is found."""

from __future__ import annotations

from typing import Any

from fhir.resources.R4B import get_fhir_model_class


async def test_the_claim_comes_with_its_response(ask: Any, make_claim: Any) -> None:
    """Matches count in the total, included resources do not (search.html#include)."""
    made = [(await ask("POST", "/Claim", make_claim(number))).body for number in ("C-1", "C-2")]
    found = await ask("GET", "/ClaimResponse?_include=ClaimResponse:request&_count=5")
    get_fhir_model_class("Bundle").model_validate(found.body)
    modes = [
        (row["search"]["mode"], row["resource"]["resourceType"]) for row in found.body["entry"]
    ]
    included = [row for row in found.body["entry"] if row["search"]["mode"] == "include"]

    assert found.body["total"] == 2
    assert modes == [("match", "ClaimResponse")] * 2 + [("include", "Claim")] * 2
    assert {row["resource"]["id"] for row in included} == {one["id"] for one in made}
    assert all(row["fullUrl"].endswith(f"/Claim/{row['resource']['id']}") for row in included)
    assert "_include=ClaimResponse%3Arequest" in found.body["link"][0]["url"]


async def test_the_wanted_type_is_heeded(ask: Any, make_claim: Any) -> None:
    """`ClaimResponse:request:Patient` includes no Claim; another parameter is ignored."""
    await ask("POST", "/Claim", make_claim())
    other = await ask("GET", "/ClaimResponse?_include=ClaimResponse:request:Patient")
    lenient = await ask("GET", "/ClaimResponse?_include=ClaimResponse:insurer")
    strict = await ask(
        "GET", "/ClaimResponse?_include=ClaimResponse:insurer", Prefer="handling=strict"
    )

    assert [len(reply.body["entry"]) for reply in (other, lenient)] == [1, 1]
    assert "_include" not in lenient.body["link"][0]["url"]
    assert strict.status == 400


async def test_what_another_peer_keeps_is_not_included(ask: Any, make_claim: Any) -> None:
    """A reference to it leads nowhere."""
    patient = {"resourceType": "Patient", "gender": "female"}
    token = "t-0011223344556677"
    foreign = await ask("POST", "/Patient", patient, token=token)
    claim = make_claim(patient={"reference": f"Patient/{foreign.body['id']}"})
    await ask("POST", "/Claim", claim)
    await ask("POST", "/Claim", claim, token=token)
    mine = await ask("GET", "/Claim?_include=Claim:patient")
    theirs = await ask("GET", "/Claim?_include=Claim:patient", token=token)

    assert [row["search"]["mode"] for row in mine.body["entry"]] == ["match"]
    assert [row["search"]["mode"] for row in theirs.body["entry"]] == ["match", "include"]
