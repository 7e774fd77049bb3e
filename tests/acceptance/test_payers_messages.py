"""What payers say in HL7 v2 about invoices of the hospital, and the re-assessment of one."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.demo import messages as m
from tests.acceptance.test_further_events import invoice, telling
from tests.acceptance.test_unknown_steps import refusal
from tests.hl7_answers import check_told

HIS = 'applications = ["HIS"]'
PAYER = """
[[peers]]
name = "pay"
institutions = ["H43010000001"]
applications = ["PAY"]
[peers.hl7v2]
default_charset = "GB18030"
payer_messages = true
"""
HOSPITAL = "长沙示范医院^^^^^^^^^H43010000001"


@pytest.fixture
async def paying(open_world: Any) -> Any:
    """A world with a payer beside the hospital."""
    return await open_world(peer=HIS, limits=PAYER)


def of_payer(world: Any, event: str, *segments: str) -> bytes:
    """A message of the payer in version 2.6."""
    raw: bytes = telling(world, event, *segments, version="2.6")
    return bytes(world.change(world.change(raw, "MSH", 3, "PAY"), "MSH", 4, "PAYER"))


async def told(world: Any, raw: bytes, event: str) -> Any:
    """The acknowledgement (A-032): of the same event, and structurally valid."""
    answer = await world.tell(raw)
    check_told(answer)
    assert answer.field("MSH", 8) == f"ACK^{event}^ACK"
    return answer


async def settled_invoice(world: Any, number: str = "O5") -> str:
    """An invoice of 240.00 that was settled, of which the fund pays 116.20: its setl_id."""
    raw = telling(world, "EHC^E01", *invoice(world, number, "OR"), version="2.6")
    paid = await world.tell(world.change(raw, "IVC", 25, "FSI"))
    assert paid.field("IPR", 4) == "ADJ"
    setl_id: str = paid.field("IVC", 2)
    return setl_id


def groups(world: Any, number: str = "O5", payer: str = "") -> list[str]:
    """IVC, PSS, PSG and PSL of the invoice."""
    kept = ("IVC", "PSS", "PSG", "PSL")
    return [line for line in invoice(world, number, "OR", payer) if line[:3] in kept]


def adjudication(world: Any, paid: str, payer: str = "", number: str = "O5") -> bytes:
    """An EHC^E10 of the payer."""
    result = f"IPR|P1|R1|X1|ADJ|20260301100000|{paid}&CNY||ABCD"
    head, *rest = groups(world, number, payer)
    return of_payer(
        world, "EHC^E10", "MSA|AA|C1", result, "PYE|1|ORG", "IN1|1|310|430100", head, *rest
    )


async def test_an_adjudication_of_a_payer_is_kept_and_compared(
    paying: Any, gateway_command: Any
) -> None:
    """A-032: E10 is acknowledged and kept with its invoice; what differs from ours is a warning,
    and the settlement stays what the platform made of it.
    """
    setl_id = await settled_invoice(paying)
    before = await paying.requests()
    same = await told(paying, adjudication(paying, "116.20", setl_id), "E10")
    assert (same.code, same.segment("ERR")) == ("AA", [])
    other = await told(paying, adjudication(paying, "100.00", "S-OTHER"), "E10")
    assert other.code == "AA"
    errors = [line for line in other.segments if line[0] == "ERR"]
    assert [(line[2], line[4]) for line in errors] == [("IVC^1^2", "W"), ("IPR^1^6", "W")]
    unknown = await told(paying, adjudication(paying, "1.00", number="O9"), "E10")
    assert (unknown.code, unknown.field("ERR", 3)[:3]) == ("AE", "204")
    assert await paying.requests() == before
    query = telling(paying, "QBP^E03", "QPD|E03^x|T1|INV-O5", "RCP|I", version="2.6")
    assert (await paying.tell(query)).field("IPR", 6) == "116.20&CNY"
    shown = await gateway_command(paying, "invoices", "show", "INV-O5", "--json")
    (found,) = msgspec.json.decode(shown.out)
    assert (found["peer"], found["kept"]["setl_id"]) == ("his", setl_id)
    assert [(it["kind"], it["peer"], it["paid"]) for it in found["messages"]] == [
        ("EHC^E10", "pay", "116.20"),
        ("EHC^E10", "pay", "100.00"),
    ]
    assert not any("张" in line or m.ZHANG.certno in line for line in found["messages"][0]["lines"])


async def test_a_request_for_information_and_its_answer_are_kept(
    paying: Any, gateway_command: Any
) -> None:
    """E12 of the payer waits until an E13 of the hospital names it in MSA-2; without an E12 an E13
    is AE 207 (matrix 1.8).
    """
    await settled_invoice(paying)
    section = groups(paying)
    asked = ["RFI|20260301|20260310", *section, "OBR|1|||R^病历", "NTE|1||请补充病历"]
    request = of_payer(paying, "EHC^E12", *asked)
    control_id = request.split(b"|")[9].decode()
    given = ["RFI|20260301|20260310", *section, "OBR|1|||R^病历", "OBX|1|TX|R^病历||已附"]
    early = telling(paying, "EHC^E13", f"MSA|AA|{control_id}", *given, version="2.6")
    refused = await told(paying, early, "E13")
    assert (refused.code, refused.field("ERR", 3)[:3]) == ("AE", "207")
    assert (await told(paying, request, "E12")).code == "AA"
    waiting = await gateway_command(paying, "invoices", "requests", "--json")
    (row,) = msgspec.json.decode(waiting.out)
    assert (row["number"], row["control_id"], row["due"]) == ("INV-O5", control_id, "20260310")
    answer = telling(paying, "EHC^E13", f"MSA|AA|{control_id}", *given, version="2.6")
    kept = await told(paying, answer, "E13")
    assert (kept.code, kept.field("ERR", 4)) == ("AA", "W")
    waiting = await gateway_command(paying, "invoices", "requests", "--json")
    assert msgspec.json.decode(waiting.out) == []
    shown = await gateway_command(paying, "invoices", "show", "INV-O5", "--segments")
    assert "NTE|1||请补充病历" in shown.out
    assert "OBX|1|TX|R^病历||已附" in shown.out


async def test_an_authorization_of_a_payer_is_kept(paying: Any, gateway_command: Any) -> None:
    """A-032: E24 about what an E20 filed; another number than ours is a warning at AUT-6."""
    pid, _ = paying.person(m.ZHANG, "O1", "O")
    line = "PSL|1||1|||P|TRANSFER^转院|3|转院|20261101|20991231||||||||||N" + "|" * 27 + "不能治疗"
    head = invoice(paying, "A1", "OR")[0]
    there = "CTD|RT|深圳示范医院|^^^440300||||H44030000001^HI"
    disease = "DG1|1||K35.900^急性阑尾炎|||A"
    segments = [head, there, pid, "IN1|1|310|430100", disease, line, "NTE|1||同意转院"]
    filed = await paying.tell(telling(paying, "EHC^E20", *segments, version="2.6"))
    number = filed.field("AUT", 6).partition("^")[0]
    for stated, errors in ((number, []), ("X9", ["AUT^1^6"])):
        result = f"AUT|310|430100|x|20261101|20991231|{stated}^FSI"
        raw = of_payer(paying, "EHC^E24", "MSA|AA|C1", head, line, result)
        answer = await told(paying, raw, "E24")
        assert answer.code == "AA"
        assert [it[2] for it in answer.segments if it[0] == "ERR"] == errors
    shown = await gateway_command(paying, "invoices", "show", "INV-A1", "--json")
    (found,) = msgspec.json.decode(shown.out)
    assert [it["kind"] for it in found["messages"]] == ["EHC^E24", "EHC^E24"]


def remitted(number: str, msgid: str, setl_id: str, paid: str, control: str = "OR") -> list[str]:
    """The groups of one settlement in an EHC^E15."""
    amount = "240.00&CNY" if control == "OR" else "-240.00&CNY"
    today = "20260301"
    return [
        f"IPR|{msgid}|{msgid}|X|ADJ|{today}|{paid}&CNY||ABCD",
        f"IVC|{number}|{setl_id}||{control}|FFS|SS|{today}|{amount}||{HOSPITAL}|长沙医保",
        f"PSS|1||1|{amount}|a",
        f"PSG|1||1|N|{amount}|a",
        f"PSL|1||1|||P|x^x||x|{today}||1|{amount}|||{amount}|||||N",
    ]


def remittance(world: Any, total: str, *lines: str, number: str = "PAY-1") -> bytes:
    """An EHC^E15 of the payer."""
    payment = f"PMT|{number}|20260301|20260331235959|DDPO|20260401090000|{total}&CNY|||||长沙医保"
    return of_payer(world, "EHC^E15", payment, f"PYE|1|ORG||{HOSPITAL}", *lines)


async def test_a_remittance_is_compared_with_our_settlements(
    paying: Any, gateway_command: Any
) -> None:
    """A-032, F-030: E15 is kept with what differs: an amount that is not ours, a settlement that
    nobody made here. The lines that agree say nothing, and nothing is changed.
    """
    setl_id = await settled_invoice(paying)
    await paying.charged("O1", m.LI)
    paid = await paying.tell(paying.his.payment(m.LI, "O1", "O", "240.00"))
    (first,), (second,) = (await paying.settled("O5"), await paying.settled("O1"))
    ours = paid.field("ZSL", 8)
    lines = [
        *remitted("INV-O5", first["msgid"], setl_id, "116.20"),
        *remitted("X", second["msgid"], second["setl_id"], "1.00"),
        *remitted("Y", "", "S-NOBODY", "2.00"),
    ]
    before = await paying.requests()
    answer = await told(paying, remittance(paying, "119.20", *lines), "E15")
    assert answer.code == "AA"
    errors = [(line[2], line[4]) for line in answer.segments if line[0] == "ERR"]
    assert errors == [("IPR^2^6^1^1", "W"), ("IVC^3^2^1^1", "W")]
    assert await paying.requests() == before
    listed = await gateway_command(paying, "invoices", "remittances", "PAY-1", "--json")
    assert listed.code == 1
    (kept,) = json.loads(listed.out, parse_float=Decimal)
    assert (kept["number"], kept["peer"], kept["total"]) == ("PAY-1", "pay", Decimal("119.20"))
    rows = [(row["finding"], str(row["theirs"]["fund_pay_sumamt"])) for row in kept["rows"]]
    assert rows == [("balanced", "116.20"), ("amounts-differ", "1.00"), ("only-theirs", "2.00")]
    assert str(kept["rows"][1]["ours"]["fund_pay_sumamt"]) == ours
    assert kept["rows"][1]["fields"] == ["fund_pay_sumamt"]
    corrected = remittance(paying, "116.20", *lines[:5])
    assert (await told(paying, corrected, "E15")).segment("ERR") == []
    listed = await gateway_command(paying, "invoices", "remittances")
    assert listed.code == 0
    assert "PAY-1" in listed.out


async def test_a_remittance_names_a_settlement_by_its_day(paying: Any) -> None:
    """A payer that knows no msgid of ours names setl_id and the day of the settlement."""
    setl_id = await settled_invoice(paying)
    (made,) = await paying.settled("O5")
    day = made["setl_time"][:10].replace("-", "")
    lines = [it.replace("20260301", day) for it in remitted("INV-O5", "", setl_id, "116.20")]
    answer = await told(paying, remittance(paying, "116.20", *lines), "E15")
    assert (answer.code, answer.segment("ERR")) == ("AA", [])


@pytest.mark.parametrize("fault", ["reversed", "unknown"])
async def test_a_remittance_of_what_was_not_settled_here(open_world: Any, fault: str) -> None:
    """A settlement that 2601 took back, or whose outcome is unknown, is a finding; the remittance
    decides nothing.
    """
    policy = "reverse" if fault == "reversed" else "hold"
    world = await open_world(peer=HIS, limits=PAYER, policy=policy)
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))

    async def ended() -> bool:
        return await world.states("2207") == [fault]

    await world.until(ended)
    (send,) = await world.sends("2207")
    lines = remitted("X", send.msgid, "S1", "116.20")
    answer = await told(world, remittance(world, "116.20", *lines), "E15")
    assert (answer.code, answer.field("ERR", 4)) == ("AA", "W")
    assert await world.states("2207") == [fault]
    (book,) = await world.gateway.journal.books("remittance")
    (row,) = msgspec.json.decode(book.data)["rows"]
    finding = {"reversed": "reversed-here", "unknown": "unknown-found"}[fault]
    assert (book.state, row["finding"]) == ("different", finding)
    trail = [it.station for it in await world.gateway.journal.audit_rows()]
    assert "remittance" in trail


async def test_a_remittance_that_does_not_add_up_is_refused(paying: Any) -> None:
    """F-030: PMT-6 is the sum of IPR-6 and ADJ-5 (without IN); nothing is kept of another one."""
    lines = [*remitted("X", "", "S1", "100.00"), "ADJ|A|B|1|EA|5.00&CNY", "ADJ|A|B|2|IN|7.00&CNY"]
    refused = await told(paying, remittance(paying, "100.00", *lines), "E15")
    assert (refused.code, refused.field("ERR", 3)[:3]) == ("AE", "207")
    assert refused.field("ERR", 2) == "PMT^1^6"
    assert await paying.gateway.journal.books("remittance") == []
    assert (await told(paying, remittance(paying, "105.00", *lines), "E15")).code == "AA"


async def test_a_remittance_over_too_many_days_is_refused(paying: Any) -> None:
    """Each day of settlement is looked through: of more than 400 nothing is compared or kept."""
    days = [f"{date(2025, 1, 1) + timedelta(days=n):%Y%m%d}" for n in range(401)]
    lines = [it.replace("20260301", day) for day in days for it in remitted("X", "", "S1", "1.00")]
    refused = await told(paying, remittance(paying, "401.00", *lines), "E15")
    assert (refused.code, refusal(refused)) == ("AE", "READ-LIMIT")
    assert await paying.gateway.journal.books("remittance") == []


async def test_only_a_payer_says_what_it_pays(world: Any) -> None:
    """Without `payer_messages` E10, E12, E15 and E24 are AE 207, and nothing is kept."""
    await settled_invoice(world)
    lines = remitted("X", "", "S1", "100.00")
    for event, segments in (
        ("EHC^E15", ["PMT|1|20260301||DDPO|20260301|100.00&CNY", "PYE|1|ORG", *lines]),
        ("EHC^E12", ["RFI|20260301", *groups(world), "OBR|1|||R"]),
    ):
        refused = await told(world, telling(world, event, *segments, version="2.6"), event[4:])
        assert (refused.code, refused.field("ERR", 3)[:3]) == ("AE", "207")
    assert await world.gateway.journal.books("remittance") == []
    assert await world.gateway.journal.search_resources("EHCMessage", {}) == (0, [])


def reassessment(world: Any, control: str = "RA", number: str = "O5") -> bytes:
    """EHC^E04 of the invoice."""
    head = invoice(world, number, control)[0]
    return bytes(telling(world, "EHC^E04", head, "NTE|1||请复核", version="2.6"))


async def test_an_invoice_is_assessed_again_by_reading_it_back(open_world: Any) -> None:
    """Matrix 1.8: by profile E04 is a 5203; E10 tells the settlement as the platform has it, with
    the segments of the invoice (F-031), and ADJZER once it was cancelled.
    """
    world = await open_world(hl7="reassess_invoices = true\n")
    setl_id = await settled_invoice(world)
    (made,) = await world.settled("O5")
    answer = await world.tell(reassessment(world))
    check_told(answer)
    assert (answer.code, answer.field("MSH", 8)) == ("AA", "EHC^E10^EHC_E10")
    assert [answer.field("IPR", n) for n in (2, 4, 6)] == [made["msgid"], "ADJ", "116.20&CNY"]
    assert (answer.field("IVC", 1), answer.field("IVC", 2)) == ("INV-O5", setl_id)
    assert (await world.requests())[-1] == "5203"
    other = await world.tell(reassessment(world, "OR"))
    assert (other.code, other.field("ERR", 2)) == ("AE", "IVC^1^4")
    unknown = await world.tell(reassessment(world, number="O9"))
    assert (unknown.code, unknown.field("ERR", 3)[:3]) == ("AE", "204")
    cancel = [invoice(world, "O5", "CN", setl_id)[0], "PYE|1|ORG", "NTE|1||开错"]
    assert (await world.tell(telling(world, "EHC^E02", *cancel, version="2.6"))).code == "AA"
    assert (await world.tell(reassessment(world))).field("IPR", 4) == "ADJZER"


async def test_by_default_no_invoice_is_assessed_again(world: Any) -> None:
    """Matrix 1.8: the interface re-assesses nothing: AE 207, and nothing is asked."""
    await settled_invoice(world)
    before = await world.requests()
    refused = await told(world, reassessment(world), "E04")
    assert (refused.code, refused.field("ERR", 3)[:3]) == ("AE", "207")
    assert await world.requests() == before
