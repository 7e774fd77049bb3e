"""What a message refers to: is it there, once, and of the person that the message is about?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

BASE = "https://fsi-gateway.example/fhir"
OTHER = "43019919900202002x"


def places(problems: Any) -> list[tuple[str, str]]:
    """Code and place of every problem."""
    return [(problem.code.value, problem.place) for problem in problems]


def patient(identity: str, certno: str) -> dict[str, Any]:
    """A Patient with an identity card."""
    return {
        "resourceType": "Patient",
        "id": identity,
        "identifier": [{"system": f"{BASE}/id/resident-id", "value": certno}],
    }


def coverage(beneficiary: dict[str, Any]) -> dict[str, Any]:
    """An employee's Coverage of somebody."""
    return {
        "resourceType": "Coverage",
        "id": "cov",
        "status": "active",
        "type": {"coding": [{"system": f"{BASE}/CodeSystem/insutype", "code": "310"}]},
        "beneficiary": beneficiary,
        "payor": [{"display": "长沙"}],
    }


def visit(subject: dict[str, Any]) -> dict[str, Any]:
    """An Encounter of somebody."""
    return {
        "resourceType": "Encounter",
        "id": "enc",
        "identifier": [{"system": f"{BASE}/id/ipt-otp-no", "value": "V-1"}],
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": subject,
    }


def covered(claim: dict[str, Any], *contained: dict[str, Any]) -> dict[str, Any]:
    """The claim with more contained resources, on the contained Coverage."""
    insurance = [{"sequence": 1, "focal": True, "coverage": {"reference": "#cov"}}]
    return claim | {"contained": [*claim["contained"], *contained], "insurance": insurance}


@pytest.mark.parametrize(
    "beneficiary",
    [
        pytest.param({"reference": "#p2"}, id="another patient"),
        pytest.param(
            {"identifier": {"system": f"{BASE}/id/resident-id", "value": OTHER}},
            id="another identity card",
        ),
    ],
)
async def test_a_coverage_of_another_person_is_refused(
    ask: Any, make_claim: Any, make_request: Any, beneficiary: dict[str, Any]
) -> None:
    """Its insurance type would be settled for somebody who does not have it."""
    parts = coverage(beneficiary), patient("p2", OTHER)
    _, _, of_claim = await ask(covered(make_claim(), *parts), "create")
    request = covered(make_request(), *parts)
    del request["insurance"][0]["sequence"]
    _, _, of_request = await ask(request, "create")

    wanted = ("PERSON-CONFLICT", "insurance[0].coverage")
    assert places(of_claim) == [(wanted[0], f"Claim.{wanted[1]}")]
    assert places(of_request) == [(wanted[0], f"CoverageEligibilityRequest.{wanted[1]}")]


@pytest.mark.parametrize(
    "beneficiary",
    [
        pytest.param({"reference": "#p1"}, id="the same resource"),
        pytest.param(
            {"identifier": {"system": f"{BASE}/id/resident-id", "value": "43019919800101001X"}},
            id="the same number in capitals",
        ),
        pytest.param(
            {"identifier": {"system": f"{BASE}/id/social-card", "value": "A12345678"}},
            id="a number of another kind",
        ),
        pytest.param({"display": "张伟示"}, id="only a name"),
    ],
)
async def test_a_coverage_that_may_be_of_the_patient_is_taken(
    ask: Any, make_claim: Any, beneficiary: dict[str, Any]
) -> None:
    """Numbers of different kinds contradict nothing; 1101 decides."""
    _, intent, problems = await ask(covered(make_claim(), coverage(beneficiary)), "create")

    assert problems == []
    assert intent.person.values["insutype"] == "310"


async def test_a_visit_of_another_person_is_refused(ask: Any, make_claim: Any) -> None:
    """The charges of one person on the visit of another."""
    claim = make_claim()
    claim["contained"] += [visit({"reference": "#p2"}), patient("p2", OTHER)]
    claim["extension"][0]["valueReference"] = {"reference": "#enc"}
    _, _, problems = await ask(claim, "create")

    assert places(problems) == [("PERSON-CONFLICT", "Claim.extension[0].valueReference")]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"patient": {"reference": "#nobody"}}, "Claim.patient.reference"),
        ({"patient": {"reference": "urn:uuid:1"}}, "Claim.patient.reference"),
        ({"provider": {"reference": "#nobody"}}, "Claim.provider.reference"),
        (
            {"careTeam": [{"sequence": 1, "provider": {"reference": "#nobody"}}]},
            "Claim.careTeam[0].provider.reference",
        ),
        (
            {"insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "#cov"}}]},
            "Claim.insurance[0].coverage.reference",
        ),
        (
            {"diagnosis": [{"sequence": 1, "diagnosisReference": {"reference": "#c"}}]},
            "Claim.diagnosis[0].diagnosisReference.reference",
        ),
    ],
)
async def test_a_reference_that_leads_nowhere_is_named(
    ask: Any, make_claim: Any, change: dict[str, Any], place: str
) -> None:
    """Not the empty field of the interface that follows from it."""
    _, _, problems = await ask(make_claim(**change), "create")

    assert ("NOT-FOUND", place) in places(problems)


async def test_a_reference_with_an_identifier_needs_no_resource(ask: Any, make_claim: Any) -> None:
    """A logical reference says who it is by itself."""
    number = {"system": f"{BASE}/id/psn-no", "value": "43010000000000000001"}
    claim = make_claim(patient={"reference": "urn:uuid:1", "identifier": number})
    _, intent, problems = await ask(claim, "create")

    assert problems == []
    assert intent.person.values["psn_no"] == "43010000000000000001"


async def test_contained_resources_stand_once_and_flat(ask: Any, make_claim: Any) -> None:
    """Two patients of one id could both be meant; dom-2 for the others."""
    twice = make_claim()
    twice["contained"].append(patient("p1", OTHER))
    deep = make_claim()
    deep["contained"][0]["contained"] = [patient("p2", OTHER)]
    _, _, of_twice = await ask(twice, "create")
    _, _, of_deep = await ask(deep, "create")

    assert places(of_twice) == [("FIELD-VALUE", "Claim.contained[1].id")]
    assert places(of_deep) == [("READ-SYNTAX", "Claim.contained[0].contained")]


async def test_contained_resources_that_refer_to_each_other_end(ask: Any, make_claim: Any) -> None:
    """A circle of references is read once round; a patient has to be a Patient."""
    claim = make_claim(patient={"reference": "#cov"})
    claim = covered(claim, coverage({"reference": "#cov"}))
    claim["contained"][0]["link"] = [{"other": {"reference": "#p1"}, "type": "seealso"}]
    _, intent, problems = await ask(claim, "create")

    assert places(problems) == [("FIELD-VALUE", "Claim.patient.reference")]
    assert "psn_no" not in intent.person.values


@pytest.mark.parametrize(
    ("focal", "found"),
    [
        ([True, True], [("FIELD-VALUE", "Claim.insurance[1].focal")]),
        ([False, False], [("FIELD-VALUE", "Claim.insurance")]),
        ([False, True], []),
        ([False], [("FIELD-VALUE", "Claim.insurance[0].focal")]),
    ],
)
async def test_one_insurance_is_used_and_no_other(
    ask: Any, make_claim: Any, focal: list[bool], found: list[tuple[str, str]]
) -> None:
    """Claim.insurance.focal: one and only one."""
    rows = [
        {"sequence": number, "focal": one, "coverage": {"display": "医保"}}
        for number, one in enumerate(focal, start=1)
    ]
    _, _, problems = await ask(make_claim(insurance=rows), "create")

    assert places(problems) == found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            {"quantity": {"value": 2, "comparator": "<"}},
            [("NOT-SUPPORTED", "Claim.item[0].quantity.comparator")],
        ),
        (
            {"quantity": {"value": 0}, "net": {"value": Decimal("0.00")}},
            [("FIELD-VALUE", "Claim.item[0].quantity.value")],
        ),
        (
            {"unitPrice": {"value": Decimal("-12.50")}, "net": {"value": Decimal("-25.00")}},
            [("FIELD-VALUE", "Claim.item[0].unitPrice.value")],
        ),
    ],
)
async def test_a_line_is_an_exact_quantity_at_a_price(
    ask: Any, make_claim: Any, change: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    """`<` 2, nothing, or money back for a thing that was taken are no charge lines."""
    claim = make_claim(total=None)
    claim["item"][0] |= change
    _, _, problems = await ask(claim, "create")

    assert places(problems) == found
