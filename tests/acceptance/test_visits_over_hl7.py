"""Visits over HL7 v2: which transactions each event leads to, and which it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.demo import messages as m

NOBODY = "430199197501010012"
"""An identity number with a valid check digit that the platform does not know."""


class TestOutpatient:
    async def test_a_registration_identifies_registers_and_reports(self, world: Any) -> None:
        """T-001: ADT^A04 with DG1 makes 1101, 2201, 2203 in this order and one ACK^A04 AA."""
        answer = await world.tell(world.register(m.ZHANG, "O1"))
        assert answer.code == "AA"
        assert answer.field("MSH", 8) == "ACK^A04^ACK"
        assert await world.requests() == ["1101", "2201", "2203"]

    async def test_a_refused_diagnosis_leaves_the_visit_registered(self, world: Any) -> None:
        """T-002: 2203 refused is AE; the same message gets the same AE; an A08 sends only 2203."""
        await world.admin.fault("refuse", "2203", message="诊断信息有误")
        message = world.register(m.ZHANG, "O1")
        first = await world.tell(message)
        assert (first.code, first.field("ERR", 8)) == ("AE", "诊断信息有误")
        taken = await world.requests()
        again = await world.tell(message)
        assert (again.segment("MSA"), again.segment("ERR")) == (
            first.segment("MSA"),
            first.segment("ERR"),
        )
        assert await world.requests() == taken
        diagnosis = world.his.diagnosis("J06.900", "急性上呼吸道感染", "A")
        answer = await world.tell(world.event("A08", m.ZHANG, "O1", "O", diagnosis))
        assert answer.code == "AA"
        assert (await world.requests())[len(taken) :] == ["2203"]

    async def test_a_visit_is_registered_once(self, world: Any) -> None:
        """T-003: another A04 for the same PV1-19 makes no 2201; AA with the stored mdtrt_id."""
        first = await world.tell(world.register(m.ZHANG, "O1"))
        second = await world.tell(world.register(m.ZHANG, "O1"))
        assert second.code == "AA"
        assert second.field("ZMI", 1) == first.field("ZMI", 1) != ""
        assert await world.requests("2201") == ["2201"]

    async def test_a_registration_is_cancelled_once(self, world: Any) -> None:
        """T-004: A11 makes 2202; a repeated A11 makes no call and is AA."""
        await world.tell(world.register(m.ZHANG, "O1"))
        cancel = world.event("A11", m.ZHANG, "O1", "O")
        assert (await world.tell(cancel)).code == "AA"
        assert (await world.tell(cancel)).code == "AA"
        assert (await world.tell(world.event("A11", m.ZHANG, "O1", "O"))).code == "AA"
        assert await world.requests("2202") == ["2202"]

    async def test_a_settled_visit_is_not_cancelled(self, world: Any) -> None:
        """T-005: A11 after a settlement is AE 207 and no 2202 is sent."""
        await world.charged("O1")
        assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
        answer = await world.tell(world.event("A11", m.ZHANG, "O1", "O"))
        assert answer.code == "AE"
        assert answer.field("ERR", 3).partition("^")[0] == "207"
        assert await world.requests("2202") == []

    async def test_an_event_that_is_not_served_is_rejected(self, world: Any) -> None:
        """V-005: a known type with an event that is not served is AR 201; nothing is sent."""
        answer = await world.tell(world.event("A24", m.ZHANG, "O1", "O"))
        assert (answer.code, answer.field("ERR", 3).partition("^")[0]) == ("AR", "201")
        assert await world.requests() == []


class TestInpatient:
    async def test_admission_change_and_discharge(self, world: Any) -> None:
        """T-006: A01, A08 with a new DG1, A03 make 2401, 2403, 2402."""
        assert (await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))).code == "AA"
        changed = world.his.diagnosis("J06.900", "急性上呼吸道感染", "W")
        assert (await world.tell(world.event("A08", m.ZHANG, "I1", "I", changed))).code == "AA"
        final = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
        leave = world.his.visit("A03", m.ZHANG, "I1", "I", final)
        assert (await world.tell(leave)).code == "AA"
        assert await world.requests() == ["1101", "2401", "2403", "2402"]

    async def test_another_bed_or_physician_changes_the_stay(
        self, world: Any, taken: list[Mapping[str, Any]]
    ) -> None:
        """Matrix 1.6, A08 of a stay (DG1, PV1): without a diagnosis it is 2403 with the known
        ones; the same again sends nothing, and a later diagnosis still counts as new.
        """

        def updated(*more: str) -> bytes:
            return world.event("A08", m.ZHANG, "I1", "I", *more)

        await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))
        assert (await world.tell(updated())).code == "AA"
        assert await world.requests("2403") == []
        for _ in range(2):
            moved = world.change(updated(), "PV1", 3, "NK^^99床")
            assert (await world.tell(moved)).code == "AA"
        (sent,) = (one["input"] for one in taken if one["infno"] == "2403")
        assert sent["adminfo"]["adm_bed"] == "99床"
        assert [row["diag_code"] for row in sent["diseinfo"]] == ["K35.800x001"]
        new = world.his.diagnosis("J06.900", "急性上呼吸道感染", "W")
        assert (await world.tell(world.change(updated(new), "PV1", 3, "NK^^99床"))).code == "AA"
        assert await world.requests() == ["1101", "2401", "2403", "2403"]

    async def test_a_stay_is_settled_to_the_fen(self, world: Any) -> None:
        """F-014: 1,720.00 yuan of an employee of the region; fund and personal share add up."""
        await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))
        await world.tell(world.his.charges(m.ZHANG, "I1", "I", m.INPATIENT_ITEMS))
        final = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
        await world.tell(world.his.visit("A03", m.ZHANG, "I1", "I", final))
        answer = await world.tell(world.his.payment(m.ZHANG, "I1", "I", "1720.00"))
        assert answer.code == "AA"
        (live,) = await world.settled("I1")
        assert (live["infno"], live["medfee_sumamt"]) == ("2304", "1720.00")
        assert live["fund_pay_sumamt"] == answer.field("ZSL", 8)

    async def test_a_patient_of_another_province_is_paid_for_by_the_own_region(
        self, world: Any
    ) -> None:
        """The settlement is routed to the insured pooling region: (1696.00 - 400.00) x 90 %."""
        await world.tell(world.register(m.WANG, "I1", "K35.900", "A01"))
        await world.tell(world.his.charges(m.WANG, "I1", "I", m.INPATIENT_ITEMS))
        final = world.his.diagnosis("K35.900", "急性阑尾炎", "F")
        await world.tell(world.his.visit("A03", m.WANG, "I1", "I", final))
        answer = await world.tell(world.his.payment(m.WANG, "I1", "I", "1720.00"))
        assert (answer.code, answer.field("ZSL", 8)) == ("AA", "1166.40")
        (live,) = await world.settled("I1")
        assert (live["fund_region"], live["pool"]) == ("440300", "440300")
        (send,) = await world.sends("2304")
        assert (send.pooling_region, send.insuplc_admdvs) == ("440300", "440300")


class TestCharges:
    async def test_one_unmapped_line_stops_all(self, world: Any) -> None:
        """T-010: three FT1, one without mapping: nothing sent, AE, ERR-2 is FT1, its occurrence,
        field 7.
        """
        await world.tell(world.register(m.ZHANG, "O1"))
        taken = await world.requests()
        items = (m.OUTPATIENT_ITEMS[0], m.UNMAPPED_ITEM, m.OUTPATIENT_ITEMS[1])
        answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", items))
        assert answer.code == "AE"
        assert answer.field("ERR", 2).split("^")[:3] == ["FT1", "2", "7"]
        assert await world.requests() == taken

    async def test_charges_of_an_unknown_visit_are_refused(self, world: Any) -> None:
        """T-011: DFT^P03 for a visit that nobody registered is AE 204; nothing is sent."""
        answer = await world.tell(world.his.charges(m.ZHANG, "O9", "O", (world.ct,)))
        assert (answer.code, answer.field("ERR", 3).partition("^")[0]) == ("AE", "204")
        assert await world.requests() == []

    async def test_only_what_is_missing_is_uploaded_again(self, world: Any) -> None:
        """T-015: the second of three 2204 fails: AE; sent anew, only two uploads follow."""
        await world.tell(world.register(m.ZHANG, "O1"))
        items = [world.bottle] * 250
        await world.admin.fault("delay-before", "2204", seconds=0)
        await world.admin.fault("refuse", "2204")
        answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", items))
        assert answer.code == "AE"
        assert await world.states("2204") == ["accepted", "rejected"]
        answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", items))
        assert answer.code == "AA"
        assert await world.states("2204") == ["accepted", "rejected", "accepted", "accepted"]
        (lines,) = world.platform._store.one("SELECT count(*) FROM charges")
        assert lines == 250

    async def test_a_total_that_is_not_the_sum_is_not_settled(self, world: Any) -> None:
        """F-010: a payment line of another amount than the lines is AE; no settlement is sent."""
        await world.charged("O1")
        answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "239.99"))
        assert answer.code == "AE"
        assert await world.requests("2207") == []
        assert await world.settled("O1") == []

    async def test_two_messages_of_a_visit_are_worked_on_in_turn(self, world: Any) -> None:
        """T-028: a second connection's message of the visit waits until the first is done."""
        await world.tell(world.register(m.ZHANG, "O1"))
        await world.admin.fault("delay-before", "2204", seconds=1)
        one, two = world.hl7(), world.hl7()
        first = world.his.charges(m.ZHANG, "O1", "O", (world.ct,), first=1)
        second = world.his.charges(m.ZHANG, "O1", "O", (world.bottle,), first=2)
        waiting = asyncio.create_task(one.send(first))
        await world.gate.reached.wait()
        late = asyncio.create_task(two.send(second))

        async def both_accepted() -> bool:
            return len(await world.gateway.journal.exchanges()) == 3

        await world.until(both_accepted)
        assert await world.states("2204") == ["sending"]
        world.gate.opened.set()
        assert (await waiting).code == (await late).code == "AA"
        assert await world.states("2204") == ["accepted", "accepted"]


class TestPersons:
    async def test_two_insurances_are_answered_as_two(self, world: Any) -> None:
        """T-022: RQI^I01 for a person with two live insurance rows gives RPI^I01 with two IN1."""
        message = world.his.message(
            "RQI^I01^RQI_I01", "PRD|RP|", "PID|1||430199198209300391^^^MPS^NNCHN||周^两地"
        )
        answer = await world.tell(message)
        assert (answer.code, answer.field("MSH", 8)) == ("AA", "RPI^I01^RPI_I01")
        found = {(s[3].partition("^")[0], s[15]) for s in answer.segments if s[0] == "IN1"}
        assert found == {("430100", "310"), ("440300", "390")}

    async def test_a_refused_inquiry_is_a_general_acknowledgement(self, world: Any) -> None:
        """T-023: RQI^I01 refused by the platform is ACK^I01 AE with ERR, as RPI has none."""
        await world.admin.fault("refuse", "1101", message="系统维护")
        message = world.his.message("RQI^I01^RQI_I01", "PRD|RP|", m._pid(m.ZHANG))
        answer = await world.tell(message)
        assert (answer.code, answer.field("MSH", 8)) == ("AE", "ACK^I01^ACK")
        assert answer.field("ERR", 8) == "系统维护"

    async def test_a_person_who_is_not_found_is_no_error(self, world: Any) -> None:
        """T-024: QBP^Q22 for nobody the platform knows is RSP^K22 AA with QAK-2 NF."""
        query = f"QPD|IHE PDQ Query|Q1|@PID.3.1^{NOBODY}~@PID.3.5^NNCHN"
        answer = await world.tell(world.his.message("QBP^Q22^QBP_Q21", query, "RCP|I"))
        assert (answer.code, answer.field("MSH", 8)) == ("AA", "RSP^K22^RSP_K22")
        assert answer.field("QAK", 2) == "NF"

    async def test_two_possible_insurances_are_asked_about(self, world: Any) -> None:
        """Two active rows of one type in two regions: which is meant is asked, no visit opened;
        with IN1-3 the row of that region is taken.
        """
        (row,) = world.platform._store.all(
            "SELECT * FROM insurances WHERE psn_no = '43010000000000000008' AND insutype = '310'"
        )
        world.platform._store.insert("insurances", {**dict(row), "insuplc_admdvs": "430200"})
        person = m.Person("周两地", "430199198209300391", "M", "19820930", "", "310")
        message = world.register(person, "O1")
        answer = await world.tell(message)
        assert answer.code == "AE"
        assert answer.field("ERR", 5).startswith("COVERAGE-AMBIGUOUS")
        assert await world.requests() == ["1101"]
        there = world.register(person._replace(region="430200"), "O1")
        answer = await world.tell(there)
        assert (answer.code, answer.field("ZMI", 4)) == ("AA", "430200")

    async def test_a_suspended_insurance_opens_no_visit(self, world: Any) -> None:
        """A suspended insurance row pays nothing: AE, and 2201 is not sent."""
        person = m.Person("赵停保", "430199198511110337", "M", "19851111", "", "310")
        answer = await world.tell(world.register(person, "O1"))
        assert answer.code == "AE"
        assert answer.field("ERR", 5).startswith("COVERAGE-NONE")
        assert await world.requests() == ["1101"]

    async def test_a_garbled_name_opens_no_visit(self, world: Any) -> None:
        """A UTF-8 name under a GB 18030 label is not the registered one: AE, no 2201."""
        name = "张伟示".encode().decode("gb18030", "replace").replace("\ufffd", "")
        answer = await world.tell(world.register(m.ZHANG._replace(name=name), "O1"))
        assert (answer.code, await world.requests()) == ("AE", ["1101"])
