"""Who operated, whom to contact, newborns and what was observed: from messages to the list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from gateway.demo import messages as m
from tests.acceptance.test_chronic_visits import COLD, HYPERTENSION, file_disease, recurring
from tests.acceptance.test_lists_from_messages import (
    ADMITTED,
    APPENDIX,
    BACK,
    BILL,
    DAY,
    HOSPITAL,
    LEFT,
    NOW,
    SECTION,
    admitted,
    left,
    prepared,
    pv1,
    stops,
    the,
    told,
    uploaded,
)
from tests.clocks import HandClock

BIRTH_WEIGHT, BODY_WEIGHT = "8339-4^Birth weight Measured^LN", "3141-9^Body weight Measured^LN"


@pytest.fixture
async def world(open_world: Callable[..., Awaitable[Any]]) -> Any:
    """A world on 6 March 2026."""
    return await open_world(clock=HandClock(NOW), sections=SECTION)


def obx(number: int, what: str, value: str, unit: str = "", status: str = "F") -> str:
    """An OBX; a number where it has a unit."""
    return f"OBX|{number}|{'NM' if unit else 'ST'}|{what}||{value}|{unit}|||||{status}"


def pr1(number: int, rest: str = "") -> str:
    """A PR1 of an appendectomy on 1 March, 18:00, that names nobody."""
    return f"PR1|{number}||{APPENDIX}||20260301180000||90{rest}"


def rol(role: str, person: str, begin: str = "", end: str = "", action: str = "AD") -> str:
    """A ROL of an operation."""
    return f"ROL||{action}|{role}|{person}|{begin}|{end}"


async def say(world: Any, *segments: str, event: str = "BAR^P05") -> None:
    """A message of the stay that is taken."""
    answer = await world.tell(told(world, event, BACK, *segments))
    assert answer.code == "AA", answer


class TestOperators:
    """Who did a procedure, where PR1 itself does not say so."""

    async def test_the_roles_behind_a_procedure_name_who_did_it(self, world: Any) -> None:
        """Surgeon and anaesthetist of each procedure; a role behind IN1 is of no procedure."""
        await admitted(world)
        await say(
            world,
            pv1("NK"),
            pr1(1),
            rol("AS", "1003^助手"),
            rol("PS", "1003^先前", action="DE"),
            rol("PS", "1001^陈医生"),
            rol("AN", "1002^刘医生", "20260301173000", "20260301194500"),
            pr1(2),
            world.his.insurance(m.ZHANG),
            rol("AN", "1002^刘医生"),
        )
        setl_id = await left(world)
        await prepared(world, setl_id, **BILL)
        first, second = (await uploaded_or_prepared(world))["oprninfo"]
        assert (first["oper_dr_code"], first["anst_dr_code"]) == ("D430100000001", "D430100000002")
        assert (first["anst_begntime"], first["anst_endtime"]) == (
            "2026-03-01 17:30:00",
            "2026-03-01 19:45:00",
        )
        assert "oper_dr_code" not in second
        assert "anst_dr_code" not in second

    async def test_a_role_without_a_national_code_is_refused_at_its_place(self, world: Any) -> None:
        """ROL-4 of the surgeon: the code tables of the site do not have the person."""
        await admitted(world)
        message = told(world, "BAR^P05", BACK, pv1("NK"), pr1(1), rol("PS", "9999^无名"))
        answer = await world.tell(message)
        assert answer.code == "AE"
        assert [answer.field("ERR", n).partition("^")[0] for n in (2, 5)] == ["ROL", "MAP-NO-CODE"]

    async def test_who_is_missing_is_named_with_the_places(self, world: Any) -> None:
        """A procedure without a surgeon stops the list, and the advice names PR1-11 and ROL."""
        await admitted(world)
        await say(world, pv1("NK"), pr1(1))
        setl_id = await left(world)
        found = await prepared(world, setl_id, **BILL)
        assert stops(found) == ["oprninfo[0].oper_dr_code"]
        (problem,) = [it for it in found.problems if it.stops]
        assert "HL7 PR1-11.1 ROL[PS/PR]-4.1 PR1-12.1" in problem.remedy_en

    async def test_anaesthesia_ends_after_its_minutes(self, world: Any) -> None:
        """PR1-10 with the beginning of the anaesthetist's role (ROL-5)."""
        await admitted(world)
        await say(
            world,
            pv1("NK"),
            pr1(1, "|1002^刘医生|1|135|1001^陈医生"),
            rol("AN", "1002^刘医生", "20260301173000"),
        )
        await left(world)
        (row,) = (await prepared(world)).held.input["oprninfo"]
        assert (row["anst_begntime"], row["anst_endtime"]) == (
            "2026-03-01 17:30:00",
            "2026-03-01 19:45:00",
        )


async def uploaded_or_prepared(world: Any) -> Any:
    """The input of the list as it was prepared."""
    return (await prepared(world)).held.input


class TestContacts:
    """One contact is the contact person, and only one."""

    async def test_the_employer_is_nobody_to_contact(self, world: Any) -> None:
        """NK1-7 E or I, or NK1-3 EMR, comes first: the contact person is who comes next."""
        message = told(
            world,
            "ADT^A01",
            ADMITTED,
            "NK1|1|人事^科|OTH|工业路3号|073188880000||E||||||示范厂",
            "NK1|2|保险^员|OTH|保险路1号|073188880001||I",
            "NK1|3|人事^处|EMR|工业路4号|073188880002",
            "NK1|4|李^示|SIS|示范路2号|13100000000||N",
            pv1("NK"),
            COLD,
            world.his.insurance(m.ZHANG),
        )
        assert (await world.tell(message)).code == "AA"
        await left(world)
        content = (await prepared(world)).held.input
        assert the(content, "coner_name", "patn_rlts", "coner_addr", "coner_tel") == (
            "李示",
            "70",
            "示范路2号",
            "13100000000",
        )
        assert the(content, "emp_name", "emp_tel") == ("示范厂", "073188880000")

    async def test_what_one_contact_does_not_say_is_of_no_other(self, world: Any) -> None:
        """Name of the first, no telephone of the second: the check names what is missing."""
        message = told(
            world,
            "ADT^A01",
            ADMITTED,
            "NK1|1|李^示|SPO|示范路2号",
            "NK1|2|王^示|FTH|示范路9号|13200000000",
            pv1("NK"),
            COLD,
            world.his.insurance(m.ZHANG),
        )
        assert (await world.tell(message)).code == "AA"
        await left(world)
        found = await prepared(world)
        assert the(found.held.input, "coner_name", "coner_tel") == ("李示", None)
        assert "setlinfo.coner_tel" in stops(found)

    async def test_the_insured_patient_has_an_employer(self, world: Any) -> None:
        """IN1-11 and IN1-44 where IN1-17 says that the insured person is the patient."""
        insured = [""] * 45
        insured[1], insured[2], insured[3] = "1", "310", ""
        insured[4], insured[11], insured[15] = "长沙市医疗保障局", "示范厂", "310"
        insured[17], insured[44] = "SEL", "工业路3号"
        message = told(world, "ADT^A01", ADMITTED, pv1("NK"), COLD, "IN1" + "|".join(insured))
        assert (await world.tell(message)).code == "AA"
        await left(world)
        content = (await prepared(world)).held.input
        assert the(content, "emp_name", "emp_addr") == ("示范厂", "工业路3号")


class TestNewborns:
    """A newborn's way of admission and weights."""

    async def admitted(self, world: Any, born: str, *segments: str) -> Any:
        """P1, born as said, is admitted on 1 March as a newborn; the prepared list."""
        centre = world.platform.centres["430100"]._tables.store
        centre.run("UPDATE persons SET brdy = ?", born)
        message = told(
            world,
            "ADT^A01",
            ADMITTED,
            pv1("NK", f4="N", f14="2"),
            *segments,
            COLD,
            world.his.insurance(m.ZHANG),
        )
        answer = await world.tell(message)
        assert answer.code == "AA", answer
        await left(world)
        return (await prepared(world)).held.input

    async def test_weights_are_in_grams(self, world: Any) -> None:
        """At birth in kilograms, at the admission in grams; PV1-14 2 is a premature birth."""
        content = await self.admitted(
            world,
            "2026-02-20",
            obx(1, BIRTH_WEIGHT, "2.85", "kg"),
            obx(2, BODY_WEIGHT, "2910", "g"),
        )
        assert the(content, "nwb_adm_type", "nwb_bir_wt", "nwb_adm_wt") == ("2", 2850, 2910)
        assert the(content, "adm_way") == (None,)

    async def test_the_weight_of_somebody_older_is_none_of_the_list(self, world: Any) -> None:
        """From the 29th day of life on nobody is a newborn."""
        content = await self.admitted(world, "2026-01-31", obx(1, BODY_WEIGHT, "3900", "g"))
        assert the(content, "nwb_adm_wt") == (None,)


class TestObservations:
    """OBX whose OBX-3 is the code of a field: what neither HL7 v2 nor LOINC has."""

    async def test_what_was_observed_reaches_the_list(self, world: Any) -> None:
        """Durations in their units, the bill, the nursing; an observation that was wrong does not.

        After the settlement too: the bill is often made then.
        """
        await admitted(world)
        await left(world)
        late = told(
            world,
            "BAR^P05",
            LEFT,
            pv1("WK"),
            obx(1, "vent_used_dura^呼吸机使用时长", "37.4", "h"),
            obx(2, "pwcry_bfadm_coma_dura", "95", "min"),
            obx(3, "pwcry_afadm_coma_dura", "9/9/9", status="W"),
            obx(4, "pwcry_afadm_coma_dura", "0/3/20"),
            obx(5, "days_rinp_flag_31", "1"),
            obx(6, "trt_type", "10"),
            obx(7, "scd_nurscare_days", "2", "d"),
            obx(8, "bill_code", "0143"),
            obx(9, "bill_no", "00012345"),
            "ABS||||||||2001^赵^编码",
        )
        answer = await world.tell(late)
        assert (answer.code, answer.field("ERR", 4)) == ("AA", "W")
        assert stops(await prepared(world)) == []
        (made,) = await world.settled("I1")
        content = await uploaded(world, made["setl_id"])
        assert the(content, "vent_used_dura", "pwcry_bfadm_coma_dura", "pwcry_afadm_coma_dura") == (
            "1/13/24",
            "0/1/35",
            "0/3/20",
        )
        assert the(content, "days_rinp_flag_31", "trt_type", "scd_nurscare_days") == ("1", "10", 2)
        assert the(content, "bill_code", "bill_no") == ("0143", "00012345")
        assert the(content, "medins_fill_psn") == ("赵编码",)

    async def test_a_unit_that_is_not_known_is_found_by_the_check(self, world: Any) -> None:
        """The message is taken; the list cannot be uploaded, and the place is named."""
        await admitted(world)
        await say(world, pv1("NK"), obx(1, BIRTH_WEIGHT, "7.2", "[lb_av]"))
        setl_id = await left(world)
        found = await prepared(world, setl_id, **BILL)
        assert stops(found) == ["setlinfo.nwb_bir_wt"]

    async def test_a_code_that_the_list_does_not_have_is_found_by_the_check(
        self, world: Any
    ) -> None:
        """A way of anaesthesia of the hospital without a value map, and a treatment that is none."""
        await admitted(world)
        await say(
            world,
            pv1("NK"),
            obx(1, "trt_type", "ZZ"),
            pr1(1, "|1002^刘医生|GA||1001^陈医生"),
        )
        setl_id = await left(world)
        found = await prepared(world, setl_id, **BILL)
        assert set(stops(found)) == {"setlinfo.trt_type", "oprninfo[0].anst_way"}


async def test_a_visit_of_a_chronic_disease_has_it_in_its_list(world: Any) -> None:
    """The filed disease with the procedure, the day and the department; the insured's number."""
    await file_disease(world)
    assert (await world.tell(recurring(world, HYPERTENSION))).code == "AA"
    pid, visit = world.person(m.ZHANG, "O1", "R")
    done = "PR1|1||13.4100^白内障晶状体乳化和抽吸||20260306090000||10|||||1001^陈医生|||1"
    message = world.his.message("ADT^A08^ADT_A01", f"EVN||{BACK}", pid, visit, done)
    answer = await world.tell(message)
    assert answer.code == "AA", answer
    assert (await world.tell(world.his.charges(m.ZHANG, "O1", "O", (world.ct,)))).code == "AA"
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    lists = world.gateway.office.lists[HOSPITAL]
    (found,) = await lists.prepare(DAY, outpatient=True)
    content = found.held.input
    done = {"oprn_oprt_code": "13.4100", "oprn_oprt_name": "白内障晶状体乳化和抽吸"}
    assert content["opspdiseinfo"] == [done]
    began = datetime.strptime(visit.split("|")[44][:8], "%Y%m%d").date()  # noqa: DTZ007 - a day
    assert the(content, "opsp_mdtrt_date", "opsp_diag_caty") == (began.isoformat(), "A03")
