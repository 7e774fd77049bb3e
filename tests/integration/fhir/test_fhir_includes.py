"""`_include`: what is referred to comes with what is found."""

from __future__ import annotations

from typing import Any

import pytest
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


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_the_response_comes_with_its_claim(ask: Any, make_claim: Any, segment: str) -> None:
    """`_revinclude`: what refers to the found ones, in every release; X-025 for what is not served."""
    made = [(await ask("POST", "/Claim", make_claim(number))).body for number in ("C-1", "C-2")]
    base = f"/fhir/{segment}/Claim?_id={made[0]['id']}&_revinclude="
    found = await ask("GET", f"{base}ClaimResponse:request")
    typed = await ask("GET", f"{base}ClaimResponse:request:Claim")
    lenient = await ask("GET", f"{base}Task:owner")
    strict = await ask("GET", f"{base}Task:owner", Prefer="handling=strict")
    modes = [
        (row["search"]["mode"], row["resource"]["resourceType"], row["resource"]["id"])
        for row in found.body["entry"]
    ]

    assert found.body["total"] == 1
    assert modes == [
        ("match", "Claim", made[0]["id"]),
        ("include", "ClaimResponse", made[0]["id"]),
    ]
    assert [len(one.body["entry"]) for one in (typed, lenient)] == [2, 1]
    assert "_revinclude=ClaimResponse%3Arequest" in found.body["link"][0]["url"]
    assert strict.status == 400


async def test_what_refers_to_it_in_the_store_of_another_peer_does_not_come(
    ask: Any, make_claim: Any
) -> None:
    """Each peer sees its own only."""
    token = "t-0011223344556677"
    patient = await ask("POST", "/Patient", {"resourceType": "Patient", "gender": "female"})
    claim = make_claim(patient={"reference": f"Patient/{patient.body['id']}"})
    await ask("POST", "/Claim", claim, token=token)
    found = await ask("GET", "/Patient?_revinclude=Claim:patient")

    assert [row["search"]["mode"] for row in found.body["entry"]] == ["match"]


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(
    ("path", "own", "other"),
    [
        ("ClaimResponse?_include=ClaimResponse:request", "ClaimResponse", "Claim"),
        ("Claim?_revinclude=ClaimResponse:request", "Claim", "ClaimResponse"),
    ],
)
async def test_an_included_resource_that_the_scopes_do_not_allow_does_not_appear(
    *, ask: Any, port: Any, make_claim: Any, segment: str, form: str, path: str, own: str, other: str
) -> None:  # fmt: skip
    """A client that may search one type only gets nothing of the other, whichever way it asks."""
    made = await ask("POST", "/Claim", make_claim())
    scopes = {"one": [f"system/{own}.rs"], "both": [f"system/{own}.rs", f"system/{other}.r"]}
    seen = {}
    for name, texts in scopes.items():
        peer = port.peer.model_copy(update={"scopes": texts})
        settings = port.settings.model_copy(update={"peers": [peer]})
        narrowed = type(port)(settings, port.journal)
        await narrowed.server.start()
        host, number = narrowed.server.address
        url = f"http://{host}:{number}/fhir/{segment}/{path}&_format={form}"
        seen[name] = await ask("GET", url)
        alone = await ask("GET", f"http://{host}:{number}/fhir/{segment}/{other}/{made.body['id']}")
        await narrowed.server.stop(0.1)
        assert alone.status == (403 if name == "one" else 200)

    assert [one.status for one in seen.values()] == [200, 200]
    marker = {"json": f'"resourceType":"{other}"', "xml": f"<{other}>"}[form].encode()
    assert [marker in one.raw for one in seen.values()] == [False, True]
