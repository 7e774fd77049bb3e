"""What changes the meaning of a message is understood or refused, never passed over."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Problem
from gateway.fhir.decode import encode
from gateway.fhir.modifiers import may_be_modified

MODIFIER = [{"url": "urn:his:not-done", "valueBoolean": True}]
COVERAGE = {
    "resourceType": "Coverage",
    "id": "c1",
    "status": "active",
    "beneficiary": {"reference": "#p1"},
    "payor": [{"display": "医保"}],
}
CONDITION = {
    "resourceType": "Condition",
    "id": "d1",
    "subject": {"reference": "#p1"},
    "code": {"coding": [{"code": "J06.900", "display": "上呼吸道感染"}]},
}


def places(found: list[Problem]) -> list[str]:
    """Where the problems are."""
    return [problem.place for problem in found]


async def test_a_modifier_extension_is_refused_wherever_it_stands(
    ask: Any, make_claim: Any
) -> None:
    """On the resource, an element, a contained resource; nothing is settled."""
    claim = make_claim(modifierExtension=MODIFIER)
    claim["item"][1]["modifierExtension"] = MODIFIER
    claim["contained"][0]["contact"] = [{"modifierExtension": MODIFIER, "gender": "male"}]
    _, _, found = await ask(claim)

    assert {problem.code.value for problem in found} == {"NOT-SUPPORTED"}
    assert sorted(places(found)) == [
        "Claim.contained[0].contact[0].modifierExtension",
        "Claim.item[1].modifierExtension",
        "Claim.modifierExtension",
    ]


async def test_implicit_rules_are_refused(ask: Any, make_claim: Any) -> None:
    """A rule that is not known may change what every element means."""
    _, _, found = await ask(make_claim(implicitRules="urn:his:rules"))

    assert places(found) == ["Claim.implicitRules"]


async def test_a_modifier_in_a_bundle_is_found_at_its_entry(ask: Any, make_claim: Any) -> None:
    """Also in a resource that the claim only refers to."""
    claim = make_claim(
        insurance=[{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/c1"}}]
    )
    coverage = {**COVERAGE, "beneficiary": {"display": "x"}, "modifierExtension": MODIFIER}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": claim}, {"resource": coverage}],
    }
    _, _, found = await ask(bundle)

    assert places(found) == ["Bundle.entry[1].resource.modifierExtension"]


@pytest.mark.parametrize("status", ["cancelled", "draft", "entered-in-error"])
async def test_a_coverage_that_does_not_count_is_not_relied_upon(
    ask: Any, make_claim: Any, status: str
) -> None:
    """Coverage.status is a modifier: only an active one says how somebody is insured."""
    claim = make_claim(insurance=[{"sequence": 1, "focal": True, "coverage": {"reference": "#c1"}}])
    claim["contained"].append({**COVERAGE, "status": status})
    _, _, found = await ask(claim)

    assert places(found) == ["Claim.contained[1].status"]


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
async def test_a_refuted_diagnosis_is_not_sent(
    ask: Any, make_claim: Any, verification: str
) -> None:
    """Condition.verificationStatus is a modifier."""
    claim = make_claim(diagnosis=[{"sequence": 1, "diagnosisReference": {"reference": "#d1"}}])
    status = {"coding": [{"code": verification}]}
    claim["contained"].append({**CONDITION, "verificationStatus": status})
    _, _, found = await ask(claim)

    assert places(found) == ["Claim.contained[1].verificationStatus"]


async def test_active_companions_change_nothing(ask: Any, make_claim: Any) -> None:
    """An active coverage and a confirmed diagnosis."""
    claim = make_claim(
        insurance=[{"sequence": 1, "focal": True, "coverage": {"reference": "#c1"}}],
        diagnosis=[{"sequence": 1, "diagnosisReference": {"reference": "#d1"}}],
    )
    confirmed = {"coding": [{"code": "confirmed"}]}
    claim["contained"] += [COVERAGE, {**CONDITION, "verificationStatus": confirmed}]
    _, intent, found = await ask(claim)

    assert found == []
    assert intent.diagnoses[0].get("diag_code") == "J06.900"


def test_an_escaped_name_is_seen() -> None:
    """JSON can write any letter as an escape."""
    assert may_be_modified(b'{"\\u006dodifierExtension":[]}')
    assert may_be_modified(encode({"modifierExtension": MODIFIER}))
    assert not may_be_modified(encode({"extension": MODIFIER, "status": "active"}))
