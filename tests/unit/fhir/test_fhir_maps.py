"""The FHIR maps where the plain claim of the other tests does not reach."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.fhir.adapter import MAPS
from gateway.fhir.names import Names
from gateway.fhir.paths import FHIRPaths
from gateway.intents import Verb, VisitClass
from mappings.messages import MapSet

BASE = "https://fsi-gateway.example/fhir"


def extension(name: str, **value: Any) -> dict[str, Any]:
    """An extension of ours."""
    return {"url": f"{BASE}/StructureDefinition/{name}", **value}


def stay() -> dict[str, Any]:
    """An inpatient Encounter with ward, bed, physician and diagnosis."""
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "identifier": [{"system": f"{BASE}/id/ipt-otp-no", "value": "I-1"}],
        "status": "in-progress",
        "class": {"code": "IMP"},
        "period": {"start": "2026-02-27T16:40:00+08:00", "end": "2026-03-02T08:00:00+08:00"},
        "participant": [
            {
                "type": [{"coding": [{"code": "ATND"}]}],
                "individual": {
                    "identifier": {"system": f"{BASE}/id/physician", "value": "1002"},
                    "display": "刘医生",
                },
            }
        ],
        "location": [
            {"location": {"identifier": {"value": "WK"}, "display": "外科"}},
            {"location": {"display": "12床"}, "physicalType": {"coding": [{"code": "bd"}]}},
        ],
    }


@pytest.fixture
def inpatient(make_claim: Any) -> dict[str, Any]:
    """A Bundle: an institutional claim, its Encounter, its Coverage."""
    claim = make_claim(
        type={"coding": [{"code": "institutional"}]},
        extension=[
            extension("encounter", valueReference={"reference": "Encounter/e1"}),
            extension("med-type", valueCode="2101"),
            extension("psn-setlway", valueCode="01"),
            extension("acct-used-flag", valueBoolean=True),
            extension("mid-setl-flag", valueBoolean=False),
        ],
        insurance=[{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/c1"}}],
        careTeam=[
            {
                "sequence": 1,
                "provider": {"identifier": {"value": "1002"}, "display": "刘医生"},
                "role": {"coding": [{"code": "primary"}]},
            },
            {"sequence": 2, "provider": {"identifier": {"value": "1001"}, "display": "陈医生"}},
        ],
        enterer={"identifier": {"value": "op7"}, "display": "收费员"},
        diagnosis=[
            {
                "sequence": 1,
                "diagnosisCodeableConcept": {"coding": [{"code": "I10.x00x002"}]},
                "type": [{"coding": [{"code": "admitting"}]}],
            },
            {
                "sequence": 2,
                "diagnosisCodeableConcept": {"coding": [{"code": "K35.900"}]},
                "type": [{"coding": [{"code": "principal"}]}, {"coding": [{"code": "discharge"}]}],
            },
        ],
    )
    claim["item"][0] |= {
        "careTeamSequence": [2],
        "servicedDate": "2026-02-28",
        "locationCodeableConcept": {"coding": [{"code": "NK", "display": "内科"}]},
        "modifier": [{"coding": [{"system": f"{BASE}/CodeSystem/hosp-appr-flag", "code": "1"}]}],
        "extension": [extension("chrg-bchno", valueString="B7")],
    }
    claim["item"][1] |= {
        "servicedDate": "2026-03-02",
        "productOrService": {
            "coding": [
                {"system": f"{BASE}/CodeSystem/med-list", "code": "001102000010000"},
                {"system": "urn:his:items", "code": "SF001"},
            ]
        },
    }
    coverage = {
        "resourceType": "Coverage",
        "id": "c1",
        "extension": [extension("insuplc-admdvs", valueCode="440300")],
        "status": "active",
        "type": {"coding": [{"system": f"{BASE}/CodeSystem/insutype", "code": "310"}]},
        "beneficiary": {"reference": "Patient/p1"},
        "subscriberId": "44030000000000000003",
        "payor": [{"display": "深圳"}],
    }
    entries = [claim, stay(), coverage]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in entries],
    }


async def test_an_inpatient_claim_takes_the_visit_from_its_encounter(
    ask: Any, inpatient: Any
) -> None:
    """Class, number, times, department and kind of visit (mapping matrix 2.2, 2.5)."""
    _, intent, problems = await ask(inpatient)

    assert problems == []
    assert (intent.verb, intent.visit_class) == (Verb.SETTLE, VisitClass.INPATIENT)
    visit = intent.visit.values
    assert (visit["ipt_otp_no"], visit["med_type"]) == ("I-1", "2101")
    assert (visit["begntime"], visit["endtime"]) == ("2026-02-27 16:40:00", "2026-03-02 08:00:00")
    assert (visit["dept_code"], visit["dept_name"]) == ("WK", "外科")
    assert (visit["atddr_no"], visit["dr_name"]) == ("1002", "刘医生")
    assert intent.visit.place("ipt_otp_no") == "Bundle.entry[1].resource.identifier[0].value"


async def test_the_coverage_says_type_and_region_of_the_insurance(ask: Any, inpatient: Any) -> None:
    """A hint until 1101 answers."""
    _, intent, _ = await ask(inpatient)

    assert intent.person.values["insutype"] == "310"
    assert intent.person.values["insuplc_admdvs"] == "440300"


async def test_options_of_the_settlement_are_extensions(ask: Any, inpatient: Any) -> None:
    """Booleans become the flags 1 and 0."""
    _, intent, _ = await ask(inpatient)

    options = intent.settlement.values
    assert (options["psn_setlway"], options["acct_used_flag"]) == ("01", "1")
    assert options["mid_setl_flag"] == "0"
    assert intent.facility.values["opter"] == "op7"
    assert intent.facility.values["opter_name"] == "收费员"


async def test_a_line_has_its_own_physician_department_and_batch(ask: Any, inpatient: Any) -> None:
    """CareTeamSequence leads to the care team; what a line does not say, the visit does."""
    _, intent, _ = await ask(inpatient)

    first, second = (charge.values for charge in intent.charges)
    assert (first["bilg_dr_codg"], first["bilg_dr_name"]) == ("1001", "陈医生")
    assert (first["bilg_dept_codg"], first["bilg_dept_name"]) == ("NK", "内科")
    assert (first["hosp_appr_flag"], first["chrg_bchno"]) == ("1", "B7")
    assert "bilg_dr_codg" not in second
    assert (second["med_list_codg"], second["medins_list_codg"]) == ("001102000010000", "SF001")


async def test_a_line_of_the_last_day_is_not_after_the_end(ask: Any, inpatient: Any) -> None:
    """16:40 is the time of the beginning; on the last day the stay ends at 08:00."""
    _, intent, _ = await ask(inpatient)

    times = [charge.values["fee_ocur_time"] for charge in intent.charges]
    assert times == ["2026-02-28 16:40:00", "2026-03-02 08:00:00"]


async def test_the_principal_diagnosis_is_the_main_one(ask: Any, inpatient: Any) -> None:
    """Exactly one; admission and discharge diagnoses are told apart."""
    _, intent, _ = await ask(inpatient)

    assert [d.values["maindiag_flag"] for d in intent.diagnoses] == ["0", "1"]
    assert [d.values["inout"] for d in intent.diagnoses] == ["A", "F"]
    assert [d.values["diag_srt_no"] for d in intent.diagnoses] == ["1", "2"]


async def test_an_admission_has_ward_bed_and_physician(ask: Any, make_encounter: Any) -> None:
    """Locations with and without the physical type bed; the attending physician."""
    encounter = make_encounter(
        **{name: value for name, value in stay().items() if name in {"participant", "location"}},
        class_={"code": "IMP"},
    )

    _, intent, problems = await ask(encounter, "create")

    assert problems == []
    visit = intent.visit.values
    assert (visit["dept_code"], visit["adm_bed"]) == ("WK", "12床")
    assert (visit["atddr_no"], visit["dr_name"]) == ("1002", "刘医生")


async def test_a_quantity_in_scientific_notation_is_written_out(ask: Any, make_claim: Any) -> None:
    """2E+1 is 20; 20 x 1.25 is 25.00."""
    claim = make_claim()
    claim["item"][0]["quantity"]["value"] = Decimal("2E+1")
    claim["item"][0]["unitPrice"]["value"] = Decimal("1.25")

    _, intent, problems = await ask(claim, "create")

    assert (problems, intent.charges[0].values["cnt"]) == ([], "20")


def test_a_bad_path_in_an_overlay_is_named_with_its_line(tmp_path: Path) -> None:
    """File, line and reason, when the gateway starts."""
    (tmp_path / "claim.map").write_text(
        "interaction claim Claim\nverb settle\nvisit.med_type <- subType..code\n", "utf-8"
    )

    with pytest.raises(ConfigurationError) as caught:
        MapSet.load(MAPS / "fhir", FHIRPaths(Names(BASE)), overlay=tmp_path)
    assert caught.value.line == 3
    assert caught.value.file.endswith("claim.map")
