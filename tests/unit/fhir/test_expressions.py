"""Places of findings as FHIRPath, and the test's own evaluation of them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.expressions import fhirpath
from tests.fhir_paths import points_into, resolve

CLAIM: dict[str, Any] = {
    "resourceType": "Claim",
    "item": [{"sequence": 1}, {"servicedDate": "2026-13-01", "_factor": {"id": "f"}}],
    "contained": [{"resourceType": "Condition", "onsetDateTime": "x"}],
}


@pytest.mark.parametrize(
    ("place", "expression"),
    [
        ("Claim.item[0].servicedDate", "Claim.item[0].serviced"),
        ("Claim.item[0].serviced", "Claim.item[0].serviced"),
        ("Claim.diagnosis[1].diagnosisCodeableConcept.coding[0].code", None),
        ("Claim.extension[0].extension[1].valueString", "Claim.extension[0].extension[1].value"),
        ("Claim.created.extension[0].valueCode", "Claim.created.extension[0].value"),
        ("Bundle.entry[2].resource.item[0].servicedDate", None),
        ("Claim.contained[0].onsetDateTime", "Claim.contained[0].onset"),
        ("Parameters.parameter[0].valueUri", "Parameters.parameter[0].value"),
        ("Encounter.actualPeriod.start", "Encounter.actualPeriod.start"),
        ("Encounter.class", "Encounter.class"),
        ("Claim.colour", "Claim.colour"),
        ("Bundle.entry[1]", "Bundle.entry[1]"),
        ("resourceType", "resourceType"),
        ("", ""),
    ],
)
def test_a_choice_of_types_is_one_element(place: str, expression: str | None) -> None:
    """fhirpath.html#simple: the type is no part of the name, wherever the element lies."""
    by_hand = {
        "Claim.diagnosis[1].diagnosisCodeableConcept.coding[0].code": (
            "Claim.diagnosis[1].diagnosis.coding[0].code"
        ),
        "Bundle.entry[2].resource.item[0].servicedDate": (
            "Bundle.entry[2].resource.item[0].serviced"
        ),
    }
    assert fhirpath(place) == (expression if expression is not None else by_hand[place])


@pytest.mark.parametrize(
    ("expression", "leads"),
    [
        ("Claim", True),
        ("Claim.item[1].serviced", True),
        ("Claim.item[1].servicedDate", True),
        ("Claim.item[1].factor", True),
        ("Claim.contained[0].onset", True),
        ("Claim.provider", True),
        ("Claim.item[0].net", True),
        ("Claim.item[2].net", False),
        ("Claim.provider.identifier", False),
        ("Patient.name", False),
        ("Claim.item[", False),
    ],
)
def test_an_expression_leads_to_a_value_or_to_where_it_is_missing(
    expression: str, *, leads: bool
) -> None:
    """What the tests hold every refusal to."""
    assert points_into(CLAIM, expression) is leads


def test_a_list_is_resolved_to_all_its_values() -> None:
    """FHIRPath goes through lists where no number is given."""
    assert resolve(CLAIM, "Claim.item.sequence") == [1]
