"""Field rows of the mapping matrix (2.2, 2.5): what stands in a resource reaches its national field.

Each resource goes over HTTP to a gateway with the reference platform behind it; the fields are read
from the envelopes that the platform took. The expected values are worked out from the matrix, the
code tables of the made-up hospital and the dictionaries of the interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from gateway.demo import messages as m
from tests.acceptance.releases import RELEASES, ask, in_release, post

BASE = "https://fsi-gateway.example/fhir"
IDENTITY = "http://terminology.hl7.org/CodeSystem/v2-0203"


def coded(name: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of a code system of the gateway."""
    return {"coding": [{"system": f"{BASE}/CodeSystem/{name}", "code": code}]}


def category(code: str) -> dict[str, Any]:
    """What a supportingInfo is about."""
    return {"coding": [{"code": code}]}


def value_at(envelope: Mapping[str, Any], path: str) -> Any:
    """`input` members by a path of names and positions; `header.` for the envelope itself."""
    first, *rest = path.split(".")
    found: Any = envelope if first == "header" else envelope["input"][first]
    for part in rest:
        if found is None:
            return None
        found = found[int(part)] if part.isdigit() else found.get(part)
    return format(found, "f") if isinstance(found, Decimal) else found


def missed(
    taken: list[Mapping[str, Any]], rows: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], Any]:
    """The fields that are not as they should be: (infno, path) -> what was sent."""
    by_number = {envelope["infno"]: envelope for envelope in taken}
    assert {infno for infno, _ in rows} <= by_number.keys(), sorted(by_number)
    sent = {row: value_at(by_number[row[0]], row[1]) for row in rows}
    return {row: value for row, value in sent.items() if not _equal(value, rows[row])}


def _equal(sent: Any, wanted: str) -> bool:
    """Numbers by value: `25` and `25.00` are the same amount."""
    text = str(sent) if sent is not None else None
    if text is None or text == wanted:
        return text == wanted
    try:
        return Decimal(text) == Decimal(wanted)
    except ArithmeticError:
        return False


def outpatient(client: m.FHIRClient) -> dict[str, Any]:
    """A Claim that states what an outpatient settlement can carry."""
    claim = client.claim(m.ZHANG, "F1", (), "25.20")
    patient, coverage, encounter = claim["contained"]
    patient["identifier"] = [
        {"type": {"coding": [{"system": IDENTITY, "code": "NNCHN"}]}, "value": m.ZHANG.certno}
    ]
    coverage["subscriberId"] = "43010000000000000001"
    coverage["payor"] = [{"identifier": client.identifier("admdvs", "430100")}]
    encounter["period"] = {"start": "2026-03-01T08:10:00+08:00"}
    encounter["location"] = [{"location": {"identifier": client.identifier("department", "NK")}}]
    team = [
        ("1001", "陈医生", "primary"),
        ("1002", "刘医生", "other"),
        ("1001", "陈医生", "assist"),
    ]
    claim |= {
        "enterer": {"identifier": {"value": "op7"}, "display": "收费员甲"},
        "subType": coded("med-type", "13"),
        "careTeam": [
            {
                "sequence": number,
                "provider": {"identifier": client.identifier("physician", code), "display": name},
                "role": {"coding": [{"code": role}]},
            }
            for number, (code, name, role) in enumerate(team, start=1)
        ],
        "diagnosis": [
            {"sequence": 1, "diagnosisCodeableConcept": {"coding": [{"code": "I10.x00x002"}]}},
            {
                "sequence": 2,
                "diagnosisCodeableConcept": {"coding": [{"code": "J06.900"}]},
                "type": [{"coding": [{"code": "principal"}]}],
            },
        ],
        "supportingInfo": [
            {"sequence": 1, "category": category("main_cond_dscr"), "valueString": "咳嗽三天"},
            {"sequence": 2, "category": category("birctrl_type"), "valueString": "1"},
            {"sequence": 3, "category": category("rxno"), "valueString": "RX-77"},
        ],
        "extension": [
            *claim["extension"],
            {"url": f"{BASE}/StructureDefinition/psn-setlway", "valueCode": "01"},
            {"url": f"{BASE}/StructureDefinition/acct-used-flag", "valueBoolean": True},
            {"url": f"{BASE}/StructureDefinition/invono", "valueString": "INV-9"},
        ],
        "item": [
            {
                "sequence": 1,
                "careTeamSequence": [3, 2],
                "productOrService": {"coding": [{"system": "urn:his:items", "code": "YP001"}]},
                "modifier": [coded("hosp-appr-flag", "1"), coded("dscg-tkdrug-flag", "0")],
                "programCode": [coded("etip-flag", "1")],
                "servicedPeriod": {"start": "2026-03-01T08:20:00+08:00"},
                "locationCodeableConcept": {"coding": [{"code": "XN", "display": "呼吸内科门诊"}]},
                "quantity": {"value": 2},
                "unitPrice": {"value": Decimal("12.60"), "currency": "CNY"},
                "net": {"value": Decimal("25.20"), "currency": "CNY"},
            }
        ],
    }
    return claim


OUTPATIENT = {
    ("1101", "data.certno"): m.ZHANG.certno,
    ("1101", "data.psn_cert_type"): "01",
    ("1101", "data.mdtrt_cert_type"): "02",
    ("1101", "data.mdtrt_cert_no"): m.ZHANG.certno,
    ("1101", "data.psn_name"): m.ZHANG.name,
    ("1101", "header.fixmedins_code"): "H43010000001",
    ("2201", "header.opter"): "op7",
    ("2201", "header.opter_name"): "收费员甲",
    ("2201", "header.insuplc_admdvs"): "430100",
    ("2201", "data.psn_no"): "43010000000000000001",
    ("2201", "data.insutype"): "310",
    ("2201", "data.begntime"): "2026-03-01 08:10:00",
    ("2201", "data.ipt_otp_no"): "F1",
    ("2201", "data.atddr_no"): "D430100000001",
    ("2201", "data.dr_name"): "陈医生",
    ("2201", "data.dept_code"): "A03",
    ("2203", "mdtrtinfo.med_type"): "13",
    ("2203", "mdtrtinfo.main_cond_dscr"): "咳嗽三天",
    ("2203", "mdtrtinfo.birctrl_type"): "1",
    ("2203", "mdtrtinfo.dise_codg"): "J06.900",
    ("2203", "diseinfo.0.diag_code"): "I10.x00x002",
    ("2203", "diseinfo.0.diag_srt_no"): "1",
    ("2203", "diseinfo.1.diag_srt_no"): "2",
    ("2203", "diseinfo.1.diag_code"): "J06.900",
    ("2204", "feedetail.0.medins_list_codg"): "YP001",
    ("2204", "feedetail.0.med_list_codg"): "XJ01CAA040A001010405611",
    ("2204", "feedetail.0.fee_ocur_time"): "2026-03-01 08:20:00",
    ("2204", "feedetail.0.cnt"): "2",
    ("2204", "feedetail.0.pric"): "12.60",
    ("2204", "feedetail.0.det_item_fee_sumamt"): "25.20",
    ("2204", "feedetail.0.bilg_dr_codg"): "D430100000002",
    ("2204", "feedetail.0.bilg_dr_name"): "刘医生",
    ("2204", "feedetail.0.orders_dr_code"): "D430100000001",
    ("2204", "feedetail.0.orders_dr_name"): "陈医生",
    ("2204", "feedetail.0.bilg_dept_codg"): "A03.01",
    ("2204", "feedetail.0.rxno"): "RX-77",
    ("2204", "feedetail.0.hosp_appr_flag"): "1",
    ("2204", "feedetail.0.etip_flag"): "1",
    ("2204", "feedetail.0.dscg_tkdrug_flag"): "0",
    ("2207", "data.medfee_sumamt"): "25.20",
    ("2207", "data.psn_setlway"): "01",
    ("2207", "data.acct_used_flag"): "1",
    ("2207", "data.invono"): "INV-9",
    ("2207", "data.med_type"): "13",
}
"""Transaction and field -> what the Claim of `outpatient` puts there."""


@pytest.mark.parametrize("release", RELEASES)
async def test_every_field_of_an_outpatient_claim_reaches_its_transaction(
    world: Any, taken: list[Mapping[str, Any]], release: str
) -> None:
    """X-059, matrix 2.2, by row; one visit from 1101 to 2207, the same in every release."""
    reply = await post(world, release, "Claim", outpatient(world.client))

    assert (reply.status, reply.body.get("outcome")) == (201, "complete"), reply.body
    assert missed(taken, OUTPATIENT) == {}


def stay(client: m.FHIRClient, status: str = "in-progress", **changes: Any) -> dict[str, Any]:
    """An inpatient Encounter that states what an admission and a discharge can carry."""
    patient = client.patient(m.ZHANG) | {
        "telecom": [{"system": "phone", "value": "13800000000"}],
        "contact": [{"name": {"text": "张父"}}],
    }
    patient["identifier"].append(
        {"type": {"coding": [{"system": IDENTITY, "code": "MR"}]}, "value": "MR-5"}
    )
    account = {
        "resourceType": "Account",
        "id": "account",
        "status": "active",
        "coverage": [{"coverage": {"reference": "#coverage"}}],
    }
    conditions = [
        {
            "resourceType": "Condition",
            "id": f"c{number}",
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": {"coding": [{"code": code}]},
            "subject": {"reference": "#patient"},
            "recordedDate": "2026-03-01T07:00:00+08:00",
        }
        for number, code in ((1, "I10.x00x002"), (2, "K35.900"))
    ]
    encounter: dict[str, Any] = {
        **client.encounter("I1"),
        "status": status,
        "contained": [patient, client.coverage(m.ZHANG), account, *conditions],
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "account": [{"reference": "#account"}],
        "serviceProvider": client.provider(),
        "reasonCode": [{"text": "右下腹痛一天"}],
        "participant": [
            {
                "type": [{"coding": [{"code": "ATND"}]}],
                "individual": {
                    "identifier": client.identifier("physician", "1002"),
                    "display": "刘医生",
                },
            }
        ],
        "location": [
            {"location": {"identifier": client.identifier("department", "NK"), "display": "内科"}},
            {
                "location": {"display": "08床"},
                "physicalType": {"coding": [{"code": "bd"}]},
            },
        ],
        "period": {"start": "2026-03-01T08:00:00+08:00"},
        "diagnosis": [
            {"condition": {"reference": "#c1"}, "rank": 2},
            {"condition": {"reference": "#c2"}, "rank": 1},
        ],
        **changes,
    }
    del encounter["id"]
    return encounter | ({"id": changes["id"]} if "id" in changes else {})


ADMISSION = {
    ("2401", "mdtrtinfo.psn_no"): "43010000000000000001",
    ("2401", "mdtrtinfo.insutype"): "310",
    ("2401", "mdtrtinfo.tel"): "13800000000",
    ("2401", "mdtrtinfo.coner_name"): "张父",
    ("2401", "mdtrtinfo.begntime"): "2026-03-01 08:00:00",
    ("2401", "mdtrtinfo.ipt_no"): "I1",
    ("2401", "mdtrtinfo.medrcdno"): "MR-5",
    ("2401", "mdtrtinfo.atddr_no"): "D430100000002",
    ("2401", "mdtrtinfo.chfpdr_name"): "刘医生",
    ("2401", "mdtrtinfo.adm_dept_codg"): "A03",
    ("2401", "mdtrtinfo.adm_dept_name"): "内科",
    ("2401", "mdtrtinfo.adm_bed"): "08床",
    ("2401", "mdtrtinfo.main_cond_dscr"): "右下腹痛一天",
    ("2401", "mdtrtinfo.adm_diag_dscr"): "右下腹痛一天",
    ("2401", "mdtrtinfo.dscg_maindiag_code"): "K35.800x001",
    ("2401", "diseinfo.0.diag_time"): "2026-03-01 07:00:00",
    ("2403", "adminfo.main_cond_dscr"): "腹痛加重",
    ("2403", "adminfo.adm_diag_dscr"): "腹痛加重",
    ("2402", "dscginfo.endtime"): "2026-03-03 10:00:00",
    ("2402", "dscginfo.dscg_way"): "5",
    ("2402", "dscginfo.die_date"): "2026-03-03",
    ("2402", "dscginfo.dscg_dept_codg"): "A03",
}
"""Transaction and field -> what the Encounters of `stay` put there."""


@pytest.mark.parametrize("release", RELEASES)
async def test_every_field_of_an_encounter_reaches_its_transaction(
    world: Any, taken: list[Mapping[str, Any]], release: str
) -> None:
    """Matrix 2.5, by row: admission, change and discharge of a patient who died."""
    made = await post(world, release, "Encounter", stay(world.client))
    assert made.status == 201, made.body
    path = f"Encounter/{made.body['id']}"
    changed = stay(world.client, reasonCode=[{"text": "腹痛加重"}], id=made.body["id"])
    changed["contained"][3]["code"] = {"coding": [{"code": "J06.900"}]}
    updated = await ask(world, "PUT", release, path, in_release(changed, release))
    left = stay(
        world.client,
        "finished",
        id=made.body["id"],
        period={"start": "2026-03-01T08:00:00+08:00", "end": "2026-03-03T10:00:00+08:00"},
        hospitalization={"dischargeDisposition": {"coding": [{"code": "exp"}]}},
    )
    left["contained"][0]["deceasedDateTime"] = "2026-03-03T09:40:00+08:00"
    finished = await ask(world, "PUT", release, path, in_release(left, release))

    assert (updated.status, finished.status) == (200, 200), (updated.body, finished.body)
    assert missed(taken, ADMISSION) == {}
    assert diagnoses(taken, "2401") == {("K35.800x001", "1", "1"), ("I10.x00x002", "2", "0")}
    assert diagnoses(taken, "2403") == {("K35.800x001", "1", "1"), ("J06.900", "2", "0")}


def diagnoses(taken: list[Mapping[str, Any]], infno: str) -> set[tuple[str, ...]]:
    """Code, number and main flag of the diagnoses of a transaction."""
    (envelope,) = [one for one in taken if one["infno"] == infno]
    codes = "diag_code", "diag_srt_no", "maindiag_flag"
    return {tuple(str(row[code]) for code in codes) for row in envelope["input"]["diseinfo"]}


@pytest.mark.parametrize("release", RELEASES)
async def test_every_field_of_an_eligibility_request_reaches_its_transaction(
    world: Any, taken: list[Mapping[str, Any]], release: str
) -> None:
    """Matrix 2.1: the certificate that is presented, the insurance and the day of service."""
    request = world.client.eligibility(m.ZHANG)
    request["insurance"][0]["extension"] = [
        {
            "url": f"{BASE}/StructureDefinition/mdtrt-cert",
            "extension": [
                {"url": "type", "valueCode": "02"},
                {"url": "value", "valueString": m.ZHANG.certno},
            ],
        }
    ]
    request |= {
        "servicedDate": "2026-03-01",
        "enterer": {"identifier": {"value": "op7"}, "display": "收费员甲"},
        "extension": [{"url": f"{BASE}/StructureDefinition/med-type", "valueCode": "11"}],
    }
    reply = await post(world, release, "CoverageEligibilityRequest", request)

    assert (reply.status, reply.body["outcome"]) == (201, "complete"), reply.body
    assert missed(taken, ELIGIBILITY) == {}


ELIGIBILITY = {
    ("1101", "data.mdtrt_cert_type"): "02",
    ("1101", "data.mdtrt_cert_no"): m.ZHANG.certno,
    ("1101", "header.opter"): "op7",
    ("2001", "data.psn_no"): "43010000000000000001",
    ("2001", "data.insutype"): "310",
    ("2001", "data.fixmedins_code"): "H43010000001",
    ("2001", "data.med_type"): "11",
    ("2001", "data.begntime"): "2026-03-01 00:00:00",
    ("5206", "data.psn_no"): "43010000000000000001",
}
"""Transaction and field -> what the CoverageEligibilityRequest above puts there."""
