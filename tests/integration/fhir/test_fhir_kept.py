"""What is only kept (Patient, PaymentNotice), and what comes from the settings (Organization)."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.intents import Verb

BASE = "https://fsi-gateway.example/fhir"
OTHER = "t-0011223344556677"


@pytest.fixture
def make_patient() -> Any:
    """A Patient with a person number; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "Patient",
            "identifier": [{"system": f"{BASE}/id/psn-no", "value": "43010000000000000001"}],
            "name": [{"text": "张伟示"}],
            "gender": "male",
        } | changes

    return make


@pytest.fixture
def make_notice() -> Any:
    """A PaymentNotice of R4; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "PaymentNotice",
            "identifier": [{"system": "urn:his:notices", "value": "N-1"}],
            "status": "active",
            "request": {"reference": "Claim/1"},
            "created": "2026-03-02",
            "provider": {"reference": "Organization/H43010000001"},
            "payment": {"display": "3月2日付款"},
            "recipient": {"display": "医疗保障经办机构"},
            "amount": {"value": 12.5, "currency": "CNY"},
        } | changes

    return make


async def test_a_patient_is_kept_changed_and_found(ask: Any, port: Any, make_patient: Any) -> None:
    """Matrix 2.1: local; no transaction is made of it."""
    made = await ask("POST", "/Patient", make_patient())
    url = f"/Patient/{made.body['id']}"
    changed = await ask("PUT", url, make_patient(gender="female", id=made.body["id"]))
    found = await ask("GET", "/Patient?identifier=43010000000000000001")
    history = await ask("GET", f"{url}/_history")
    other = await ask("GET", url, token=OTHER)
    get_fhir_model_class("Patient").model_validate(changed.body)

    assert (made.status, changed.status, other.status) == (201, 200, 404)
    assert made.headers["Location"].endswith(f"{url}/_history/1")
    assert [row["resource"]["gender"] for row in found.body["entry"]] == ["female"]
    assert [row["resource"]["gender"] for row in history.body["entry"]] == ["female", "male"]
    assert {intent.verb for intent in port.centre.carried} == {Verb.IGNORE}


async def test_an_update_of_a_patient_has_to_know_its_version(ask: Any, make_patient: Any) -> None:
    """X-009: If-Match of a version that is over is 412; the present one is taken."""
    made = await ask("POST", "/Patient", make_patient())
    identity = made.body["id"]
    first = await ask(
        "PUT", f"/Patient/{identity}", make_patient(id=identity, gender="other"), If_Match='W/"1"'
    )
    late = await ask(
        "PUT", f"/Patient/{identity}", make_patient(id=identity, gender="female"), If_Match='W/"1"'
    )
    unknown = await ask("PUT", "/Patient/none", make_patient(id="none"))

    assert (first.status, late.status, unknown.status) == (200, 412, 405)
    assert first.headers["ETag"] == 'W/"2"'


async def test_a_claim_names_a_kept_patient(
    ask: Any, port: Any, make_patient: Any, make_claim: Any
) -> None:
    """The person number comes from the Patient that was kept before."""
    made = await ask("POST", "/Patient", make_patient())
    claim = make_claim(patient={"reference": f"Patient/{made.body['id']}"})
    answered = await ask("POST", "/Claim", claim)

    assert answered.status == 201
    assert port.centre.carried[-1].person.get("psn_no") == "43010000000000000001"


async def test_another_peer_cannot_use_a_kept_patient(
    ask: Any, port: Any, make_patient: Any, make_claim: Any
) -> None:
    """What one peer kept is nothing to the other."""
    made = await ask("POST", "/Patient", make_patient())
    claim = make_claim(patient={"reference": f"Patient/{made.body['id']}"})
    await ask("POST", "/Claim", claim, token=OTHER)

    assert port.centre.carried[-1].person.get("psn_no") == ""


async def test_a_payment_notice_is_stored(ask: Any, port: Any, make_notice: Any) -> None:
    """Matrix 2.1: stored, no transaction; the same again is the same, other content 409."""
    made = await ask("POST", "/PaymentNotice", make_notice())
    again = await ask("POST", "/PaymentNotice", make_notice())
    other = await ask("POST", "/PaymentNotice", make_notice(created="2026-03-03"))
    found = await ask("GET", "/PaymentNotice?request=Claim/1&status=active")
    r5 = await ask("GET", f"/fhir/r5/PaymentNotice/{made.body['id']}")
    get_fhir_model_class("PaymentNotice").model_validate(made.body)
    r5_model("PaymentNotice").model_validate(r5.body)

    assert (made.status, again.status, other.status) == (201, 201, 409)
    assert again.raw == made.raw
    assert found.body["total"] == 1
    assert r5.body["reporter"] == {"reference": "Organization/H43010000001"}
    assert {intent.verb for intent in port.centre.carried} == {Verb.IGNORE}


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_institutions_are_organizations(ask: Any, segment: str) -> None:
    """Read and searched by national code and by name; nothing of it can be changed."""
    read = await ask("GET", f"/fhir/{segment}/Organization/H43010000001")
    system = f"{BASE}/id/fixmedins"
    by_code = await ask("GET", f"/fhir/{segment}/Organization?identifier={system}|H43010000001")
    by_name = await ask("GET", f"/fhir/{segment}/Organization?name=长沙示范医院")
    none = await ask("GET", f"/fhir/{segment}/Organization?identifier=H99")
    made = await ask("POST", f"/fhir/{segment}/Organization", {"resourceType": "Organization"})
    model = r5_model("Organization") if segment == "r5" else get_fhir_model_class("Organization")
    model.model_validate(read.body)

    assert (read.status, read.body["name"]) == (200, "长沙示范医院")
    assert [row["resource"] for row in by_code.body["entry"]] == [read.body]
    assert (by_name.body["total"], none.body["total"]) == (1, 0)
    assert made.status == 405
