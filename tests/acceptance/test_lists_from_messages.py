"""What a settlement list takes from the messages of a stay: HL7 v2, FHIR R4, R4B and R5."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from conformance.platform import wire
from gateway.clock import CHINA
from gateway.demo import messages as m
from gateway.settlement.listing.record import ListState
from tests.acceptance.releases import RELEASES, ask, in_release, post
from tests.clocks import HandClock

HOSPITAL = "H43010000001"
OTHER_HOSPITAL = "H43010000002"
OPERATOR = "o-90b1f6a42c"
NOW = datetime(2026, 3, 6, 10, 0, tzinfo=CHINA)
DAY = NOW.date()
SECTION = f"""
[operator]
token_sha256 = ["{hashlib.sha256(OPERATOR.encode()).hexdigest()}"]

[settlement_list]
additions = {{ medins_fill_dept = "病案科", medins_fill_psn = "王" }}
intensive_care = {{ ICU = "9" }}
nursing = {{ HL001 = "lv1_nurscare_days" }}
ventilation = ["96.7"]
"""
BILL = {"bill_code": "0143", "bill_no": "00012345"}
"""What no message has a place for."""

MEASURED = (("vent_used_dura", Decimal("1563.5"), "min"), ("nwb_bir_wt", Decimal("2.85"), "kg"))
"""Quantities of the Claim, with their units: a day, two hours and three minutes; 2,850 grams."""

ADMITTED, TO_ICU, BACK = "20260301090000", "20260301200000", "20260303092400"
LEFT = "20260305100000"
IN_ICU = [
    {
        "scs_cutd_ward_type": "9",
        "scs_cutd_inpool_time": "2026-03-01 20:00:00",
        "scs_cutd_exit_time": "2026-03-03 09:24:00",
        "scs_cutd_sum_dura": "1/13/24",
    }
]
"""From 1 March, 20:00 to 3 March, 9:24: a day, 13 hours and 24 minutes."""


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[Any]]) -> Any:
    """A world on 6 March 2026, whose ward ICU is one of intensive care."""
    return await open_world(clock=HandClock(NOW), sections=SECTION)


def pv1(ward: str, **fields: str) -> str:
    """PV1 of the stay I1; a field by its number: `f14="7"`."""
    values = {2: "I", 3: f"{ward}^^08床", 7: "1001^陈医生", 19: "I1", 44: ADMITTED}
    values |= {int(name[1:]): value for name, value in fields.items()}
    return "PV1|1|" + "|".join(values.get(at, "") for at in range(2, 53))


def told(world: Any, event: str, time: str, *segments: str, structure: str = "") -> bytes:
    """A message of the stay at a time."""
    kind, _, name = event.partition("^")
    head = f"{kind}^{name}^{structure or f'{kind}_{name}'}"
    pid = (
        f"PID|1||{m.ZHANG.certno}^^^MPS^NNCHN||张^伟示||19800101|M|||示范路1号^^长沙^^410000"
        "|||||||||||||||||CHN"
    )
    made: bytes = world.his.message(head, f"EVN||{time}||||{time}", pid, *segments)
    return made


def procedure(number: int, code: str, begin: str, minutes: str = "", rest: str = "") -> str:
    """A PR1 by physician 1001 under anaesthesia of physician 1002."""
    return (
        f"PR1|{number}||{code}||{begin}||{minutes}|1002^刘医生|1||1001^陈医生|||{number}"
        f"|||||P{number}^HIS{rest}"
    )


APPENDIX = "47.0100^腹腔镜下阑尾切除术"
VENTILATION = "96.7100^少于96小时连续的持续性侵入性机械性通气"


def surgery(world: Any, *more: str) -> bytes:
    """BAR^P05 with an operation, 60 hours on a ventilator and two bags of packed cells."""
    return told(
        world,
        "BAR^P05",
        BACK,
        pv1("NK"),
        procedure(1, APPENDIX, "20260301180000", "90"),
        procedure(2, VENTILATION, TO_ICU, "2244"),
        *more or ("BLC|PC^红细胞|2^U", "BLC|PC^红细胞|1^U"),
    )


async def admitted(world: Any) -> None:
    """Admission by way of the emergency department, with the contact person and the employer."""
    message = told(
        world,
        "ADT^A01",
        ADMITTED,
        "NK1|1|李^示|SPO|示范路2号|13100000000",
        "NK1|2|||工业路3号|073188880000||E||||||示范厂",
        pv1("NK", f14="7"),
        "DG1|1||J06.900^急性上呼吸道感染^国临2.0||20260301090000|A|||||||||1|1001^陈医生",
        world.his.insurance(m.ZHANG),
        "IN2" + "|" * 47 + "17",
    )
    assert (await world.tell(message)).code == "AA"


async def left(world: Any, ward: str = "WK") -> str:
    """Discharge to another hospital, charges and settlement; the setl_id."""
    diagnosis = (
        "DG1|1||K35.900^急性阑尾炎^国临2.0||20260301090000|F|||||||||1|1001^陈医生||||||||||Y"
    )
    leave = told(
        world, "ADT^A03", LEFT, pv1(ward, f36="02", f37=OTHER_HOSPITAL, f45=LEFT), diagnosis
    )
    for message in (
        world.his.charges(m.ZHANG, "I1", "I", m.INPATIENT_ITEMS),
        leave,
        world.his.payment(m.ZHANG, "I1", "I", "1720.00"),
    ):
        answer = await world.tell(message)
        assert answer.code == "AA", answer
    (made,) = await world.settled("I1")
    setl_id: str = made["setl_id"]
    return setl_id


async def prepared(world: Any, setl_id: str = "", **head: str) -> Any:
    """The list of the day; `head` is what the records department adds."""
    lists = world.gateway.office.lists[HOSPITAL]
    additions = {setl_id: {"setlinfo": head}} if head else None
    (found,) = await lists.prepare(DAY, additions=additions)
    return found


def stops(found: Any) -> list[str]:
    """The places of what stops the list."""
    return [problem.place for problem in found.problems if problem.stops]


async def uploaded(world: Any, setl_id: str) -> Any:
    """The list as the platform took it."""
    done = await world.gateway.office.lists[HOSPITAL].upload(setl_id)
    assert (done.held.state, done.problems) == (ListState.UPLOADED, [])
    row = world.platform.centres["430100"]._tables.store.one("SELECT input FROM lists")
    return wire.decode(row["input"].encode())


def the(content: Any, *codes: str) -> tuple[Any, ...]:
    """Fields of `setlinfo`."""
    return tuple(content["setlinfo"].get(code) for code in codes)


class TestHL7:
    """Admission, transfers, operation, discharge and settlement over MLLP."""

    async def test_a_whole_stay_makes_its_list(self, world: Any) -> None:
        """Nothing but the bill is missing: the platform takes the list with all its nodes."""
        await admitted(world)
        for ward, time in (("ICU", TO_ICU), ("WK", BACK)):
            answer = await world.tell(told(world, "ADT^A02", time, pv1(ward)))
            assert answer.code == "AA", answer
        assert (await world.tell(surgery(world))).code == "AA"
        assert await world.requests() == ["1101", "2401"]
        setl_id = await left(world)
        found = await prepared(world)
        assert stops(found) == ["setlinfo.bill_code", "setlinfo.bill_no"]
        advice = [(problem.remedy_zh, problem.remedy_en) for problem in found.problems]
        hl7, fhir, field = "OBX[bill_code]-5.1", "supportingInfo[bill_code]", "setlinfo.bill_code"
        assert advice[0] == (
            f"可填写于：HL7 {hl7}；FHIR {fhir}；附加文件（--with）{field}",
            f"give it in one of: HL7 {hl7}; FHIR {fhir}; the additions (--with) {field}",
        )
        assert stops(await prepared(world, setl_id, **BILL)) == []
        content = await uploaded(world, setl_id)
        assert content["icuinfo"] == IN_ICU
        first, second = content["oprninfo"]
        assert (first["oprn_oprt_code"], second["oprn_oprt_code"]) == ("47.0100", "96.7100")
        assert (first["oper_dr_code"], first["anst_dr_code"]) == ("D430100000001", "D430100000002")
        assert (first["oprn_oprt_begntime"], first["oprn_oprt_endtime"]) == (
            "2026-03-01 18:00:00",
            "2026-03-01 19:30:00",
        )
        (blood,) = content["bldinfo"]
        assert (blood["bld_cat"], blood["bld_amt"], blood["bld_unt"]) == ("11", 3, "U")
        assert (blood["setl_id"], blood["mdtrt_id"]) == the(content, "setl_id", "mdtrt_id")
        assert the(content, "vent_used_dura", "lv1_nurscare_days") == ("1/13/24", 5)
        assert the(content, "adm_way", "dscg_way", "acp_optins_code") == ("1", "2", OTHER_HOSPITAL)
        assert the(content, "adm_caty", "refldept_dept", "dscg_caty") == ("A03", "A28→A04", "A04")
        assert the(content, "adm_time", "dscg_time") == (
            "2026-03-01 09:00:00",
            "2026-03-05 10:00:00",
        )
        assert the(content, "otp_wm_dise") == ("急性上呼吸道感染",)
        assert the(content, "emp_name", "emp_addr", "emp_tel") == (
            "示范厂",
            "工业路3号",
            "073188880000",
        )
        assert the(content, "coner_tel", "patn_rlts") == ("13100000000", "10")
        (diagnosis,) = content["diseinfo"]
        assert (diagnosis["adm_cond_type"], diagnosis["maindiag_flag"]) == ("1", "1")

    async def test_a_transfer_that_is_cancelled_is_no_intensive_care(self, world: Any) -> None:
        """A12 takes the last transfer back; the same A12 again takes back no other."""
        await admitted(world)
        for event, time, ward in (
            ("ADT^A02", "20260301120000", "WK"),
            ("ADT^A02", TO_ICU, "ICU"),
            ("ADT^A12", BACK, "WK"),
            ("ADT^A12", BACK, "WK"),
        ):
            assert (await world.tell(told(world, event, time, pv1(ward)))).code == "AA"
        await left(world)
        content = (await prepared(world)).held.input
        assert "icuinfo" not in content
        assert the(content, "refldept_dept") == ("A04",)

    async def test_transfers_may_come_late_and_out_of_order(self, world: Any) -> None:
        """After the settlement, the way back first: the times decide, and the list has them."""
        await admitted(world)
        await left(world, "NK")
        for ward, time in (("NK", BACK), ("ICU", TO_ICU)):
            assert (await world.tell(told(world, "ADT^A02", time, pv1(ward)))).code == "AA"
        assert (await prepared(world)).held.input["icuinfo"] == IN_ICU

    async def test_intensive_care_lasts_until_the_discharge(self, world: Any) -> None:
        """Who is not transferred back leaves the ward with the hospital."""
        await admitted(world)
        assert (await world.tell(told(world, "ADT^A02", TO_ICU, pv1("ICU")))).code == "AA"
        await left(world, "ICU")
        (row,) = (await prepared(world)).held.input["icuinfo"]
        assert row["scs_cutd_exit_time"] == "2026-03-05 10:00:00"
        assert row["scs_cutd_sum_dura"] == "3/14/0"

    async def test_a_transfer_without_its_time_is_refused(self, world: Any) -> None:
        """Where a patient was cannot be told without when; nothing is kept of the message."""
        await admitted(world)
        message = told(world, "ADT^A02", "", pv1("ICU"))
        answer = await world.tell(message)
        assert (answer.code, answer.field("ERR", 5).partition("^")[0]) == ("AE", "FIELD-REQUIRED")
        await left(world)
        assert "icuinfo" not in (await prepared(world)).held.input

    async def test_a_transfer_of_an_unknown_stay_is_taken(self, world: Any) -> None:
        """A stay that is not insured here has transfers too: nothing is sent, nothing refused."""
        answer = await world.tell(told(world, "ADT^A02", TO_ICU, pv1("ICU")))
        assert (answer.code, await world.requests()) == ("AA", [])

    async def test_single_procedures_are_changed(self, world: Any) -> None:
        """PR1-20: one is deleted and one added; what is not named stays."""
        await admitted(world)
        await world.tell(surgery(world))
        changes = told(
            world,
            "BAR^P12",
            BACK,
            pv1("NK"),
            procedure(2, VENTILATION, TO_ICU, rest="|D"),
            procedure(3, "51.2300^腹腔镜下胆囊切除术", "20260303180000", rest="|A"),
        )
        assert (await world.tell(changes)).code == "AA"
        await left(world)
        content = (await prepared(world)).held.input
        assert [row["oprn_oprt_code"] for row in content["oprninfo"]] == ["47.0100", "51.2300"]
        assert the(content, "vent_used_dura") == (None,)

    async def test_what_the_records_department_gives_goes_first(self, world: Any) -> None:
        """An addition replaces what a message said, field by field and node by node."""
        await admitted(world)
        await left(world)
        lists = world.gateway.office.lists[HOSPITAL]
        (made,) = await world.settled("I1")
        row = {**IN_ICU[0], "scs_cutd_ward_type": "1"}
        more = {made["setl_id"]: {"setlinfo": {"adm_way": "2"}, "icuinfo": [row]}}
        (found,) = await lists.prepare(DAY, additions=more)
        assert the(found.held.input, "adm_way") == ("2",)
        assert found.held.input["icuinfo"] == [row]

    async def test_facts_after_the_settlement_reach_the_list(self, world: Any) -> None:
        """A08 with a new contact person: kept for the list, and the sender is told so."""
        await admitted(world)
        await left(world)
        late = told(
            world,
            "ADT^A08",
            LEFT,
            "NK1|1|王^示|FTH|示范路9号|13200000000",
            pv1("WK"),
            structure="ADT_A01",
        )
        before = await world.gateway.journal.visits()
        answer = await world.tell(late)
        assert (answer.code, answer.field("ERR", 4)) == ("AA", "W")
        assert await world.gateway.journal.visits() == before
        content = (await prepared(world)).held.input
        assert the(content, "coner_name", "patn_rlts") == ("王示", "51")


async def test_the_command_shows_where_each_field_is_from(world: Any, gateway_command: Any) -> None:
    """Places, origins and no value; with --values the values too."""
    await admitted(world)
    await world.tell(told(world, "ADT^A02", TO_ICU, pv1("ICU")))
    setl_id = await left(world)
    await prepared(world, setl_id, **BILL)

    async def run(*arguments: str) -> Any:
        url = ("--url", world.http)
        return await gateway_command(world, "settlement-list", *arguments, *url, token=OPERATOR)

    ended = await run("show", setl_id)
    rows = {line.split("\t")[0]: line.split("\t") for line in ended.out.splitlines()}
    assert ended.code == 0
    assert rows["setlinfo.bill_no"][2:] == ["yes", "additions"]
    assert rows["setlinfo.adm_way"][2:] == ["no", "message"]
    assert rows["setlinfo.mdtrt_id"][2:] == ["yes", "stored"]
    assert rows["setlinfo.medins_fill_dept"][2:] == ["yes", "settings"]
    assert rows["icuinfo[0].scs_cutd_exit_time"][3] == "message"
    assert rows["diseinfo[0].adm_cond_type"][3] == "stored"
    assert "13100000000" not in ended.out
    ended = await run("show", setl_id, "--values")
    assert (ended.code, "13100000000" in ended.out) == (0, True)
    ended = await run("show", "X")
    assert ended.code == 1
    assert "尚未生成X的结算清单：请先执行prepare" in ended.err
    assert "no list of X was prepared yet: prepare that of its day first" in ended.err


class TestFHIR:
    """Encounter with the history of its locations, and the Claim that settles the stay."""

    def encounter(self, world: Any, status: str, **changes: Any) -> dict[str, Any]:
        """The stay I1 with a contact person and an employer."""
        client = world.client
        patient = client.patient(m.ZHANG)
        relation = "http://terminology.hl7.org/CodeSystem/v2-0131"
        patient["address"] = [{"use": "home", "text": "示范路1号", "postalCode": "410000"}]
        patient["contact"] = [
            {
                "relationship": [{"coding": [{"system": relation, "code": "E"}]}],
                "name": {"text": "人事科"},
                "organization": {"display": "示范厂"},
                "telecom": [{"system": "phone", "value": "073188880000"}],
            },
            {
                "relationship": [{"coding": [{"code": "FTH"}]}],
                "name": {"text": "张示"},
                "telecom": [{"system": "phone", "value": "13100000000"}],
                "address": {"text": "示范路2号"},
            },
        ]
        patient["extension"] = [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-nationality",
                "extension": [
                    {"url": "code", "valueCodeableConcept": {"coding": [{"code": "CHN"}]}}
                ],
            }
        ]
        encounter = client.encounter("I1")
        del encounter["id"]
        condition = {
            "resourceType": "Condition",
            "id": "condition",
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": {"coding": [{"code": "K35.900", "display": "急性阑尾炎"}]},
            "subject": {"reference": "#patient"},
        }
        return {
            **encounter,
            "status": status,
            "contained": [patient, client.coverage(m.ZHANG), condition],
            "class": {**encounter["class"], "code": "IMP"},
            "serviceProvider": client.provider(),
            "period": {"start": "2026-03-01T09:00:00+08:00"},
            "location": self.history(world),
            "hospitalization": {"admitSource": {"coding": [{"code": "emd"}]}},
            "diagnosis": [{"condition": {"reference": "#condition"}, "rank": 1}],
            **changes,
        }

    def history(self, world: Any, *moves: tuple[str, str, str]) -> list[dict[str, Any]]:
        """Locations with the beginning and the end of each, and a bed that is no ward."""
        rows = []
        for ward, begin, end in moves or [("NK", "01T09:00:00", "")]:
            period = {"start": f"2026-03-{begin}+08:00"}
            if end:
                period["end"] = f"2026-03-{end}+08:00"
            location = {"identifier": world.client.identifier("department", ward)}
            rows.append({"location": location, "period": period})
        bed = {"location": {"display": "08床"}, "physicalType": {"coding": [{"code": "bd"}]}}
        return [*rows, bed]

    def claim(self, world: Any) -> dict[str, Any]:
        """The institutional claim: operation, diagnosis present on admission, what has no element."""
        client = world.client
        claim = client.claim(m.ZHANG, "I1", m.INPATIENT_ITEMS, "1720.00")
        system = "http://terminology.hl7.org/CodeSystem/claim-type"
        claim["type"] = {"coding": [{"system": system, "code": "institutional"}]}
        for one in claim["contained"]:
            if one["resourceType"] == "Encounter":
                one["class"] = {**one["class"], "code": "IMP"}
        done = {
            "resourceType": "Procedure",
            "id": "procedure",
            "status": "completed",
            "code": {"coding": [{"code": "47.0100", "display": "腹腔镜下阑尾切除术"}]},
            "subject": {"reference": "#patient"},
            "performer": [
                self.performer(world, "1001"),
                self.performer(world, "1002", "88189002"),
            ],
        }
        claim["contained"].append(done)
        claim["diagnosis"] = [
            {
                "sequence": 1,
                "diagnosisCodeableConcept": {
                    "coding": [{"code": "K35.900", "display": "急性阑尾炎"}]
                },
                "type": [{"coding": [{"code": "principal"}]}],
                "onAdmission": {"coding": [{"code": "y"}]},
            }
        ]
        claim["procedure"] = [
            {
                "sequence": 1,
                "type": [{"coding": [{"code": "primary"}]}],
                "date": "2026-03-01T18:00:00+08:00",
                "procedureReference": {"reference": "#procedure"},
                "extension": [
                    {
                        "url": "https://fsi-gateway.example/fhir/StructureDefinition/anst-way",
                        "valueCode": "1",
                    }
                ],
            }
        ]
        said = {"prfs": "17", "bill_code": "0143", "bill_no": "00012345"}
        claim["supportingInfo"] = [
            {"sequence": at, "category": {"coding": [{"code": code}]}, "valueString": value}
            for at, (code, value) in enumerate(said.items(), 1)
        ]
        claim["supportingInfo"].append(
            {
                "sequence": 9,
                "category": {"coding": [{"code": "bld_cat"}]},
                "code": {"coding": [{"code": "11"}]},
                "valueQuantity": {"value": 2, "unit": "U"},
            }
        )
        for at, (code, value, unit) in enumerate(MEASURED, 10):
            quantity = {"value": value, "unit": unit, "code": unit}
            category = {"coding": [{"code": code}]}
            claim["supportingInfo"].append(
                {"sequence": at, "category": category, "valueQuantity": quantity}
            )
        return claim

    def performer(self, world: Any, number: str, function: str = "") -> dict[str, Any]:
        """A performer of a Procedure."""
        actor = {"actor": {"identifier": world.client.identifier("physician", number)}}
        coding = {"system": "http://snomed.info/sct", "code": function}
        return {**actor, **({"function": {"coding": [coding]}} if function else {})}

    @pytest.mark.parametrize("release", RELEASES)
    async def test_a_whole_stay_makes_its_list(self, world: Any, release: str) -> None:
        """Encounter opened, changed and finished, then the Claim: no additions are needed."""
        opened = await post(world, release, "Encounter", self.encounter(world, "in-progress"))
        assert opened.status == 201, opened.body
        path = f"Encounter/{opened.body['id']}"
        moved = self.history(
            world,
            ("NK", "01T09:00:00", "01T20:00:00"),
            ("ICU", "01T20:00:00", "03T09:24:00"),
            ("WK", "03T09:24:00", ""),
        )
        changed = self.encounter(world, "in-progress", id=opened.body["id"], location=moved)
        answer = await ask(world, "PUT", release, path, in_release(changed, release))
        assert answer.status == 200, answer.body
        leaving = {
            "admitSource": {"coding": [{"code": "emd"}]},
            "dischargeDisposition": {"coding": [{"code": "other-hcf"}]},
            "destination": {
                "identifier": world.client.identifier("fixmedins", OTHER_HOSPITAL),
                "display": "示范二院",
            },
        }
        period = {"start": "2026-03-01T09:00:00+08:00", "end": "2026-03-05T10:00:00+08:00"}
        finished = self.encounter(
            world, "finished", id=opened.body["id"], hospitalization=leaving, period=period
        )
        finished["location"] = moved
        answer = await ask(world, "PUT", release, path, in_release(finished, release))
        assert answer.status == 200, answer.body
        answer = await post(world, release, "Claim", self.claim(world))
        assert (answer.status, answer.body["outcome"]) == (201, "complete"), answer.body
        (made,) = await world.settled("I1")
        assert stops(await prepared(world)) == []
        content = await uploaded(world, made["setl_id"])
        assert content["icuinfo"] == IN_ICU
        (operation,) = content["oprninfo"]
        assert (operation["oprn_oprt_code"], operation["anst_way"]) == ("47.0100", "1")
        assert (operation["oper_dr_code"], operation["anst_dr_code"]) == (
            "D430100000001",
            "D430100000002",
        )
        (diagnosis,) = content["diseinfo"]
        assert (diagnosis["diag_code"], diagnosis["adm_cond_type"]) == ("K35.800x001", "1")
        (blood,) = content["bldinfo"]
        assert (blood["bld_cat"], blood["bld_amt"], blood["bld_unt"]) == ("11", 2, "U")
        assert the(content, "adm_way", "dscg_way") == ("1", "2")
        assert the(content, "acp_optins_code", "acp_medins_name") == (OTHER_HOSPITAL, "示范二院")
        assert the(content, "adm_caty", "refldept_dept", "dscg_caty") == ("A03", "A28→A04", "A04")
        assert the(content, "coner_name", "coner_tel") == ("张示", "13100000000")
        assert the(content, "patn_rlts", "emp_name") == ("51", "示范厂")
        assert the(content, "ntly", "prfs", "bill_no") == ("CHN", "17", "00012345")
        assert the(content, "vent_used_dura", "lv1_nurscare_days") == ("1/2/3", 5)
        assert the(content, "nwb_bir_wt") == (2850,)
