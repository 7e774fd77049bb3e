"""Filings, referrals, invoices, queries, master files and changes of a visit, over HL7 v2."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.demo import messages as m
from tests.acceptance.asking import PHARMACY, SHOP

RF1 = "RF1|A||3^out|同意转院^同意转院||R77|20261101|20991231|20261102|X^本地不能治疗"
ASKER = "PRD|RP|陈^医生"
THERE = "PRD|RT|深圳示范医院|^^^440300||||H44030000001^HI"
DG1 = "DG1|1||K35.900^急性阑尾炎|||A"
DISEASE = "DG1|1||M03900^高血压^OPSP||20261030|A||||||||||1001^陈医生"


def telling(world: Any, event: str, *segments: str, version: str = "2.5.1") -> bytes:
    """A message of an event about P1 in a version."""
    raw: bytes = world.his.message(event, *segments)
    return raw if version == "2.5.1" else world.change(raw, "MSH", 12, version)


def person(world: Any, number: str = "O1", setting: str = "O") -> tuple[str, str]:
    """PID and PV1 of P1."""
    found: tuple[str, str] = world.person(m.ZHANG, number, setting)
    return found


async def test_a_referral_is_filed_found_and_called_off(world: Any) -> None:
    """REF I12, I15, I14: 2501, 5304 and 2502; the number goes from RRI to the cancellation."""
    pid, _ = person(world)
    filed = await world.tell(telling(world, "REF^I12", RF1, ASKER, THERE, pid, DG1))
    assert (filed.code, filed.field("MSH", 8)) == ("AA", "RRI^I12^RRI_I12")
    number = filed.field("RF1", 11)
    (row,) = await world.admin.rows("filings")
    assert (row["trt_dcla_detl_sn"], row["state"]) == (number, "filed")
    asking = telling(world, "REF^I15", "RF1||||||R77", ASKER, pid)
    assert (await world.tell(asking)).field("RF1", 1) == "A"
    back = telling(world, "REF^I14", f"RF1||||||R77|||||{number}", ASKER, pid)
    assert (await world.tell(back)).code == "AA"
    assert (await world.tell(telling(world, "REF^I15", "RF1||||||R77", ASKER, pid))).field(
        "RF1", 1
    ) == "E"
    asked = ["1101", "2501", "1101", "5304", "1101", "2502", "1101", "5304"]
    assert await world.requests() == asked
    refused = await world.tell(telling(world, "REF^I14", "RF1||||||R77|||||9", ASKER, pid))
    assert (refused.code, refused.field("MSH", 8)) == ("AE", "ACK^I14^ACK")
    assert refused.field("ERR", 8) == "未查询到备案信息"


async def test_a_chronic_disease_is_authorized_and_withdrawn(world: Any) -> None:
    """RQA I08 and I11 with AUT-1 CHRONIC: 2503 with the physician's national code, and 2504."""
    pid, _ = person(world)
    request = "AUT|CHRONIC|430100||20261101|20991231"
    filed = await world.tell(telling(world, "RQA^I08", request, ASKER, pid, DISEASE))
    assert (filed.code, filed.field("MSH", 8)) == ("AA", "RPA^I08^RPA_I08")
    number = filed.field("AUT", 6).partition("^")[0]
    withdrawal = f"AUT|CHRONIC|430100||||{number}"
    gone = await world.tell(telling(world, "RQA^I11", withdrawal, ASKER, pid, "NTE|1||停药"))
    assert gone.code == "AA"
    assert await world.requests() == ["1101", "2503", "1101", "2504"]
    (row,) = await world.admin.rows("filings")
    assert (row["trt_dcla_detl_sn"], row["state"]) == (number, "withdrawn")


def invoice(world: Any, number: str, control: str, payer: str = "") -> list[str]:
    """IVC, PYE and the groups of an invoice of 240.00."""
    pid, pv1 = person(world, number)
    amount, hospital = "240.00&CNY", "长沙示范医院^^^^^^^^^H43010000001"
    return [
        f"IVC|INV-{number}|{payer}||{control}|NORM|FS|20260301091000|{amount}||{hospital}|长沙医保",
        "PYE|1|ORG",
        "PSS|S1||1|240.00&CNY|门诊",
        f"PSG|B-{number}||1|N|240.00&CNY|检查",
        pid,
        pv1,
        f"IN1|1|310|430100||||||||||||{m.ZHANG.insutype}",
        DG1.replace("K35.900^急性阑尾炎", "J06.900^急性上呼吸道感染"),
        "PSL|1||1|||P|CT001^CT||CT|20260301091000||1|240.00&CNY|||240.00&CNY|||||N",
    ]


async def test_an_invoice_opens_its_visit_is_settled_and_cancelled(world: Any) -> None:
    """EHC E01 with IVC-4 OR, then QBP E03, then E02 with CN: of 240.00 the fund pays 116.20."""
    segments = invoice(world, "O5", "OR")
    raw = telling(world, "EHC^E01", *segments, version="2.6")
    paid = await world.tell(raw)
    assert (paid.code, paid.field("MSH", 8)) == ("AA", "EHC^E10^EHC_E10")
    assert (paid.field("IPR", 4), paid.field("IPR", 6)) == ("ADJ", "116.20&CNY")
    (row,) = await world.settled("O5")
    assert paid.field("IVC", 2) == row["setl_id"]
    again = await world.tell(raw)
    assert again.lines()[1:] == paid.lines()[1:]
    other = await world.tell(telling(world, "EHC^E01", *segments, version="2.6"))
    assert (other.code, other.field("ERR", 3)[:3], other.field("IPR", 4)) == ("AE", "205", "REJECT")
    query = telling(world, "QBP^E03", "QPD|E03^x|T1|INV-O5", "RCP|I", version="2.6")
    assert (await world.tell(query)).field("IPR", 4) == "ADJ"
    cancel = [invoice(world, "O5", "CN", row["setl_id"])[0], "PYE|1|ORG", "NTE|1||开错"]
    gone = await world.tell(telling(world, "EHC^E02", *cancel, version="2.6"))
    assert (gone.code, gone.field("MSH", 8)) == ("AA", "ACK^E02^ACK")
    assert await world.settled("O5") == []
    query = telling(world, "QBP^E03", "QPD|E03^x|T1|INV-O5", "RCP|I", version="2.6")
    assert (await world.tell(query)).field("IPR", 4) == "ADJZER"
    assert await world.requests() == [
        *("1101", "2201", "2203", "2204", "2206", "2207"), "5203", "2208", "5203",
    ]  # fmt: skip


async def test_an_invoice_of_unknown_outcome_is_pending(world: Any) -> None:
    """A-020 in chapter 16: E10 with AE and PEND, nothing sent again, and E03 says so too."""
    await world.admin.fault("drop-after", "2207")
    raw = telling(world, "EHC^E01", *invoice(world, "O5", "OR"), version="2.6")
    for _ in range(2):
        told = await world.tell(raw)
        assert (told.code, told.field("IPR", 4)) == ("AE", "PEND")
    assert await world.states("2207") == ["unknown"]
    query = telling(world, "QBP^E03", "QPD|E03^x|T1|INV-O5", "RCP|I", version="2.6")
    assert (await world.tell(query)).field("IPR", 4) == "PEND"


async def test_a_predetermined_invoice_is_withdrawn(world: Any) -> None:
    """IVC-4 PD computes; E02 with CN then withdraws its lines (2205), and nothing was settled."""
    computed = await world.tell(
        telling(world, "EHC^E01", *invoice(world, "O6", "PD"), version="2.6")
    )
    assert (computed.code, computed.field("IPR", 4)) == ("AA", "PRED")
    assert computed.field("IPR", 6) == "116.20&CNY"
    cancel = [invoice(world, "O6", "CN")[0], "PYE|1|ORG", "NTE|1||不做了"]
    gone = await world.tell(telling(world, "EHC^E02", *cancel, version="2.6"))
    assert gone.code == "AA"
    assert (await world.requests())[-2:] == ["2206", "2205"]


async def test_an_authorization_of_chapter_16_is_filed_and_withdrawn(world: Any) -> None:
    """EHC E20 and E21: the withdrawal names no patient, and finds the person of its E20."""
    pid, _ = person(world)
    line = "PSL|1||1|||P|TRANSFER^转院|3|转院|20261101|20991231||||||||||N" + "|" * 27 + "不能治疗"
    head = invoice(world, "A1", "OR")[0]
    segments = [
        *(head, "CTD|RT|深圳示范医院|^^^440300||||H44030000001^HI", pid, "IN1|1|310|430100"),
        *(DG1, line, "NTE|1||同意转院"),
    ]
    filed = await world.tell(telling(world, "EHC^E20", *segments, version="2.6"))
    assert (filed.code, filed.field("MSH", 8)) == ("AA", "EHC^E24^EHC_E24")
    number = filed.field("AUT", 6).partition("^")[0]
    gone = await world.tell(telling(world, "EHC^E21", head, line, "NTE|1||不转了", version="2.6"))
    assert gone.code == "AA"
    (row,) = await world.admin.rows("filings")
    assert (row["trt_dcla_detl_sn"], row["state"]) == (number, "withdrawn")
    assert await world.requests() == ["1101", "2501", "2502"]


async def test_queries_by_parameter(world: Any) -> None:
    """QBP Q11: visits of the person, the year's totals, and the staff of the institution."""
    await world.charged("O1")
    await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    who = f"{m.ZHANG.certno}^^^MPS^NNCHN"
    visits = await world.tell(telling(world, "QBP^Q11", f"QPD|FSI_VISITS^x|T1|{who}", "RCP|I"))
    assert (visits.code, visits.field("MSH", 8)) == ("AA", "RSP^K11^RSP_K11")
    assert visits.segment("RDT")[2] == "O1"
    totals = await world.tell(telling(world, "QBP^Q11", f"QPD|FSI_TOTALS^x|T1|{who}", "RCP|I"))
    sums = {line[4]: line[5] for line in totals.segments if line[0] == "RDT"}
    assert (sums["MEDFEE"], sums["FUND"]) == ("240.00", "116.20")
    staff = await world.tell(telling(world, "QBP^Q11", "QPD|FSI_STAFF^x|T1|2", "RCP|I"))
    assert [line[2] for line in staff.segments if line[0] == "RDT"] == ["何护士"]


async def test_a_master_file_of_staff_is_checked_entry_by_entry(world: Any) -> None:
    """MFN M02: 5102 for each; one who is not registered is U, and the next is asked for."""
    segments = [
        "MFI|STF||UPD|||AL",
        "MFE|MAD|1|20260301|1001|CE",
        "STF|1001|D430100000001^^^^NHSA|陈医生|P",
        "MFE|MAD|2|20260301|1008|CE",
        "STF|1008|D430100000099^^^^NHSA|无此人|P",
        "MFE|MUP|3|20260301|1002|CE",
        "STF|1002|D430100000002^^^^NHSA|刘医生|P",
    ]
    told = await world.tell(telling(world, "MFN^M02", *segments))
    assert (told.code, told.field("MSH", 8)) == ("AE", "MFK^M02^MFK_M01")
    codes = [line[4][0] for line in told.segments if line[0] == "MFA"]
    assert codes == ["S", "U", "S"]
    assert told.field("ERR", 2) == "MFE^2^4^1^1"
    assert await world.requests() == ["5102", "5102", "5102"]


async def test_a_charge_master_is_mapped_and_unmapped(world: Any) -> None:
    """MFN M04: 3301 with the national code of the code tables, 3302 for MDC."""
    segments = [
        "MFI|CDM||UPD|||AL",
        "MFE|MAD|1|20260301|YP001|CE",
        "CDM|YP001||阿莫西林片",
        "MFE|MDC|2|20260301|CT001|CE",
        "CDM|CT001||CT平扫||||002103000010000^x^NHSA",
        "MFE|MAD|3|20260301|ZZ9|CE",
        "CDM|ZZ9||未对照",
    ]
    told = await world.tell(telling(world, "MFN^M04", *segments))
    codes = [line[4][0] for line in told.segments if line[0] == "MFA"]
    assert (told.code, codes) == ("AE", ["S", "S", "U"])
    assert await world.requests() == ["3301", "3302"]
    (mapped,) = await world.admin.rows("documents", infno="3301")
    assert "XJ01CAA040A001010405611" in mapped["input"]
    assert '"list_type":"101"' in mapped["input"]


async def test_an_inpatient_becomes_an_outpatient(world: Any) -> None:
    """ADT A07: 2404, then 2201 under the same number; the same again does nothing twice."""
    admitted = await world.tell(world.register(m.ZHANG, "V7", "K35.900", "A01"))
    assert admitted.code == "AA"
    pid, pv1 = person(world, "V7", "I")
    insurance = world.his.insurance(m.ZHANG)
    told = await world.tell(telling(world, "ADT^A07", "EVN||20260301090000", pid, pv1, insurance))
    assert told.code == "AA"
    rows = await world.admin.rows("visits")
    assert [(row["setting"], row["state"]) for row in rows] == [
        ("inpatient", "cancelled"),
        ("outpatient", "open"),
    ]
    assert told.field("ZMI", 1) == rows[1]["mdtrt_id"]
    assert (await world.requests())[-3:] == ["2404", "1101", "2201"]
    charges = world.his.charges(m.ZHANG, "V7", "O", (world.ct,))
    assert (await world.tell(charges)).code == "AA"
    assert (await world.requests())[-1] == "2204"


async def test_an_inpatient_with_charges_stays_one(world: Any) -> None:
    """Matrix 1.6: 2404 is refused while lines are uploaded; the visit stays as it was."""
    await world.tell(world.register(m.ZHANG, "V8", "K35.900", "A01"))
    charged = await world.tell(world.his.charges(m.ZHANG, "V8", "I", (world.ct,)))
    assert charged.code == "AA"
    pid, pv1 = person(world, "V8", "I")
    told = await world.tell(telling(world, "ADT^A07", "EVN||20260301090000", pid, pv1))
    assert (told.code, told.field("ERR", 8)) == ("AE", "该就诊已上传费用明细，请先撤销费用明细")
    assert [row["state"] for row in await world.admin.rows("visits")] == ["open"]


@pytest.mark.parametrize("event", ["SIU^S15", "SIU^S26"])
async def test_a_missed_appointment_cancels_its_registration(world: Any, event: str) -> None:
    """Matrix 1.6: 2202 only where 2201 was done for it; otherwise AA and nothing is sent."""
    pid, pv1 = person(world)
    schedule = "SCH|A1||||||R^routine|||||||||2001^何|||||1001^陈"
    assert (await world.tell(telling(world, event, schedule, pid, pv1))).code == "AA"
    assert await world.requests() == []
    await world.tell(world.register(m.ZHANG, "O1"))
    assert (await world.tell(telling(world, event, schedule, pid, pv1))).code == "AA"
    assert (await world.requests())[-1] == "2202"
    assert (await world.tell(telling(world, event, schedule, pid, pv1))).code == "AA"
    assert await world.requests("2202") == ["2202"]


def of_record(raw: bytes, number: str) -> bytes:
    """The message with another hospital number of the patient in PID-3."""
    return re.sub(rb"P\d{6}(?=\^)", number.encode(), raw)


async def test_numbers_are_merged_unless_both_have_an_open_visit(world: Any) -> None:
    """ADT A40, matrix 1.6: AE 204 while both have one; once one is over the other takes it."""
    await world.tell(of_record(world.register(m.ZHANG, "O1"), "MR1"))
    await world.tell(of_record(world.register(m.LI, "O2"), "MR2"))

    def merging() -> bytes:
        pid, _ = person(world)
        return of_record(
            telling(world, "ADT^A40", "EVN||20260301090000", pid, "MRG|MR2^^^HIS^MR"), "MR1"
        )

    both = await world.tell(merging())
    assert (both.code, both.field("ERR", 3)[:3]) == ("AE", "204")
    assert both.field("ERR", 2) == "MRG^1^1^1^1"
    assert (await world.tell(world.event("A11", m.ZHANG, "O1", "O"))).code == "AA"
    assert (await world.tell(merging())).code == "AA"
    rows = await world.gateway.journal.visits(state="registered")
    assert [b'"medrcdno":"MR1"' in row.data for row in rows] == [True]


async def test_dispensing_in_a_pharmacy_is_a_purchase_by_overlay(
    open_world: Any, tmp_path: Any
) -> None:
    """Matrix 1.6: RDS O13 does nothing by itself; with `verb settle` a pharmacy sells (2102)."""
    (tmp_path / "RDS_O13.map").write_text("event RDS^O13\nverb settle\n")
    world = await open_world(
        limits=f'{SHOP}applications = ["SHOP"]\nmap_overlay = "{tmp_path}"\n'
        '[peers.hl7v2]\ndefault_charset = "GB18030"\nreply_segments = ["ZSL"]\n'
    )
    pid, pv1 = person(world, "S1")
    lines = [
        pid,
        pv1,
        "ORC|RE|1",
        "RXD|1|YP001^阿莫西林|20260301090000|1||||RX7",
        "RXR|PO",
        "FT1|1|1||20260301090000||CG|XJ01CAA040A001010405611^阿莫西林^NHSA|||1|60.00&CNY|60.00&CNY",
    ]
    raw = telling(world, "RDS^O13", *lines)
    raw = world.change(world.change(raw, "MSH", 3, "SHOP"), "MSH", 4, PHARMACY)
    told = await world.tell(raw)
    assert told.field("MSH", 8) == "RRD^O14^RRD_O14"
    assert told.code == "AA"
    assert (await world.requests())[-2:] == ["2101", "2102"]
