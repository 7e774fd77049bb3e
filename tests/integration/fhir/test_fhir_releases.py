"""The bases of several releases over one port: what was made at one is read at another."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model

BASE = "https://fsi-gateway.example/fhir"


@pytest.mark.parametrize(
    ("segment", "version"), [("r4", "4.0.1"), ("r4b", "4.3.0"), ("r5", "5.0.0")]
)
async def test_each_base_says_its_release(ask: Any, segment: str, version: str) -> None:
    """X-020, X-021: the CapabilityStatement names the release and fits it."""
    reply = await ask("GET", f"/fhir/{segment}/metadata", token="")
    model = r5_model if segment == "r5" else r4_model
    model("CapabilityStatement").model_validate(reply.body)

    assert (reply.status, reply.body["fhirVersion"]) == (200, version)
    assert reply.body["implementation"]["url"].endswith(f"/fhir/{segment}")


@pytest.mark.parametrize(("segment", "mime"), [("r4", "4.0"), ("r4b", "4.3"), ("r5", "5.0")])
async def test_the_mime_version_may_not_contradict_the_base(
    ask: Any, segment: str, mime: str
) -> None:
    """X-020: 406 for another release, and for STU3 everywhere."""
    for stated in ("3.0", "4.0", "4.3", "5.0"):
        accept = f"application/fhir+json; fhirVersion={stated}"
        reply = await ask("GET", f"/fhir/{segment}/Claim", Accept=accept)
        assert reply.status == (200 if stated == mime else 406)
        asked = f"/fhir/{segment}/Claim?_format=application/fhir%2Bjson;fhirVersion={stated}"
        assert (await ask("GET", asked)).status == reply.status


@pytest.mark.parametrize(
    "path", ["/fhir/stu3/Claim", "/fhir/stu3/metadata", "/fhir/dstu2/Patient/1"]
)
async def test_a_release_that_is_not_served_is_refused_politely(ask: Any, path: str) -> None:
    """The answer says which releases there are."""
    reply = await ask("GET", path)

    assert reply.status == 404
    assert reply.body["issue"][0]["code"] == "not-supported"
    for base in ("/fhir/r4 (4.0.1)", "/fhir/r4b (4.3.0)", "/fhir/r5 (5.0.0)"):
        assert base in reply.body["issue"][0]["diagnostics"]


async def test_a_claim_of_one_base_is_read_at_the_others(ask: Any, make_claim: Any) -> None:
    """One store, three forms."""
    made = await ask("POST", "/Claim", make_claim())
    for segment, model in (("r4", r4_model), ("r4b", r4_model), ("r5", r5_model)):
        for name in ("Claim", "ClaimResponse"):
            reply = await ask("GET", f"/fhir/{segment}/{name}/{made.body['id']}")
            assert reply.status == 200
            model(name).model_validate(reply.body)
    found = await ask("GET", "/fhir/r5/ClaimResponse?outcome=complete")

    r5_model("Bundle").model_validate(found.body)
    assert found.body["entry"][0]["resource"]["decision"]["coding"][0]["code"] == "approved"


async def test_a_claim_of_r5_is_settled_and_replayed(ask: Any, port: Any, make_claim: Any) -> None:
    """The element `encounter` of R5 names the visit; the same claim again settles nothing."""
    claim = make_claim() | {
        "encounter": [{"identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": "V-5"}}]
    }
    del claim["extension"]
    made = await ask("POST", "/fhir/r5/Claim", claim)
    again = await ask("POST", "/fhir/r5/Claim", claim)

    assert (made.status, again.status) == (201, 201)
    assert made.raw == again.raw
    assert "/fhir/r5/Claim/" in made.headers["Location"]
    assert [one.visit.values["ipt_otp_no"] for one in port.centre.carried] == ["V-5"]


async def test_a_resource_without_a_form_in_a_release_is_not_shown_there(
    ask: Any, make_claim: Any
) -> None:
    """R5 does not require a priority, R4 does: 406 there, not an invalid resource."""
    claim = make_claim()
    del claim["priority"]
    made = await ask("POST", "/fhir/r5/Claim", claim)
    at_r5 = await ask("GET", f"/fhir/r5/Claim/{made.body['id']}")
    at_r4 = await ask("GET", f"/fhir/r4/Claim/{made.body['id']}")

    assert (made.status, at_r5.status, at_r4.status) == (201, 200, 406)


async def test_a_claim_of_r5_may_be_cancelled_at_r4(ask: Any, make_claim: Any) -> None:
    """The answer has nothing that R4 does not have."""
    claim = make_claim() | {
        "encounter": [{"identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": "V-5"}}]
    }
    made = await ask("POST", "/fhir/r5/Claim", claim)
    kept = await ask("GET", f"/fhir/r4/Claim/{made.body['id']}")
    cancelled = await ask(
        "PUT", f"/fhir/r4/Claim/{made.body['id']}", kept.body | {"status": "cancelled"}
    )
    r4_model("Claim").model_validate(cancelled.body)

    assert cancelled.status == 200
    assert cancelled.body["status"] == "cancelled"
    assert "encounter" not in cancelled.body
