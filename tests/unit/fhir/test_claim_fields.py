"""Field rows of the mapping matrix (2.2) that a plain outpatient settlement does not send."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

BASE = "https://fsi-gateway.example/fhir"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def typed(kind: str, value: str) -> dict[str, Any]:
    """An Identifier of a type of v2-0203, without a system."""
    return {"type": {"coding": [{"system": TYPES, "code": kind}]}, "value": value}


@pytest.mark.parametrize(
    ("identifiers", "person"),
    [
        (
            [typed("NNCHN", "43019919800101001x")],
            {
                "certno": "43019919800101001X",
                "psn_cert_type": "01",
                "mdtrt_cert_type": "02",
                "mdtrt_cert_no": "43019919800101001X",
            },
        ),
        ([typed("PPN", "E12345678")], {"certno": "E12345678", "psn_cert_type": "08"}),
        ([typed("PRC", "USA110000")], {"certno": "USA110000", "psn_cert_type": "07"}),
        (
            [typed("HC", "D98765432"), typed("NNCHN", "430199198001010010")],
            {
                "mdtrt_cert_type": "03",
                "mdtrt_cert_no": "D98765432",
                "certno": "430199198001010010",
                "psn_cert_type": "01",
            },
        ),
        ([typed("MB", "43010000000000000001")], {"psn_no": "43010000000000000001"}),
        (
            [{"system": f"{BASE}/id/social-card", "value": "D98765432"}],
            {"mdtrt_cert_type": "03", "mdtrt_cert_no": "D98765432"},
        ),
    ],
)
async def test_the_type_of_an_identifier_says_which_certificate_it_is(
    ask: Any, make_claim: Any, identifiers: list[Any], person: dict[str, str]
) -> None:
    """Patient.identifier: NNCHN, HC, MB, PPN, PRC, as PID-3 of HL7 v2 has them."""
    patient = {"resourceType": "Patient", "id": "p1", "identifier": identifiers}
    _, intent, problems = await ask(make_claim(contained=[patient]), "create")

    codes = {"certno", "psn_cert_type", "mdtrt_cert_type", "mdtrt_cert_no", "psn_no"}
    assert problems == []
    assert {c: v for c, v in intent.person.values.items() if c in codes} == person


async def test_operations_of_a_claim_are_kept_for_the_settlement_list(
    ask: Any, make_claim: Any
) -> None:
    """Claim.procedure to oprninfo of 4101: stated in the claim, or in a Procedure."""
    procedure = {
        "resourceType": "Procedure",
        "id": "op",
        "status": "completed",
        "subject": {"reference": "#p1"},
        "code": {"coding": [{"system": "urn:his:op", "code": "47.0100"}], "text": "阑尾切除"},
        "performedPeriod": {
            "start": "2026-03-01T09:00:00+08:00",
            "end": "2026-03-01T10:05:00+08:00",
        },
        "performer": [
            {"actor": {"identifier": {"value": "1002"}, "display": "刘医生"}},
        ],
    }
    claim = make_claim(
        procedure=[
            {
                "sequence": 1,
                "date": "2026-03-02T08:00:00+08:00",
                "procedureCodeableConcept": {"coding": [{"code": "54.1101", "display": "探查"}]},
            },
            {
                "sequence": 2,
                "type": [{"coding": [{"code": "primary"}]}],
                "procedureReference": {"reference": "#op"},
            },
        ]
    )
    claim["contained"].append(procedure)
    _, intent, problems = await ask(claim, "create")

    first, second = (one.values for one in intent.procedures)
    assert problems == []
    assert first == {
        "oprn_oprt_code": "54.1101",
        "oprn_oprt_name": "探查",
        "oprn_oprt_date": "2026-03-02",
        "oprn_oprt_begntime": "2026-03-02 08:00:00",
    }
    assert second == {
        "oprn_oprt_code": "47.0100",
        "oprn_oprt_name": "阑尾切除",
        "oprn_system": "urn:his:op",
        "oprn_oprt_type": "1",
        "oprn_oprt_date": "2026-03-01",
        "oprn_oprt_begntime": "2026-03-01 09:00:00",
        "oprn_oprt_endtime": "2026-03-01 10:05:00",
        "oper_dr_code": "1002",
        "oper_dr_name": "刘医生",
    }


@pytest.mark.parametrize(
    ("changes", "med_type"),
    [
        ({}, "9903"),
        ({"type": {"coding": [{"code": "institutional"}]}}, "22"),
        (
            {
                "subType": {
                    "coding": [{"system": f"{BASE}/CodeSystem/med-type", "code": "11"}],
                }
            },
            "11",
        ),
    ],
)
async def test_an_accident_is_an_injury(
    ask: Any, make_claim: Any, changes: dict[str, Any], med_type: str
) -> None:
    """Claim.accident: med_type 9903, of an inpatient 22; what the claim says itself goes before."""
    _, intent, problems = await ask(
        make_claim(accident={"date": "2026-03-02"}, **changes), "create"
    )

    assert problems == []
    assert intent.visit.values["med_type"] == med_type


async def test_the_institution_may_be_the_facility(ask: Any, make_claim: Any) -> None:
    """Claim.provider may be a physician; the facility is the institution then."""
    claim = make_claim(
        provider={"display": "陈医生"},
        facility={"identifier": {"system": f"{BASE}/id/fixmedins", "value": "H43010000001"}},
    )
    _, intent, _ = await ask(claim, "create")

    assert intent.facility.values["fixmedins_code"] == "H43010000001"


async def test_what_cannot_be_sent_of_a_line_is_refused(ask: Any, make_claim: Any) -> None:
    """Claim.item.factor and detail have no field: only 1 and nothing are taken."""
    claim = make_claim()
    claim["item"][0]["factor"] = 2
    claim["item"][1]["detail"] = [{"sequence": 1, "productOrService": {"text": "部分"}}]
    _, _, problems = await ask(claim, "create")

    places = [problem.place for problem in problems]
    assert places == ["Claim.item[0].factor", "Claim.item[1].detail"]


@pytest.mark.parametrize(("tax", "places"), [("0.00", []), ("0.75", ["Claim.item[0].tax"])])
async def test_a_tax_of_a_line_is_not_taken(
    ask: Any, make_claim: Any, tax: str, places: list[str]
) -> None:
    """Claim.item.tax of R5: absent or 0, or the sum would be another than the claim says."""
    claim = make_claim(encounter=[make_claim()["extension"][0]["valueReference"]])
    del claim["extension"]
    claim["item"][0]["tax"] = {"value": Decimal(tax), "currency": "CNY"}
    _, _, problems = await ask(claim, "create", release="r5")

    assert [problem.place for problem in problems] == places
