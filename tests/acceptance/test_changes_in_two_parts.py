"""Messages that undo one thing and make another: ADT A06 and A07, RQA I09 and I10, REF I13."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.errors import JournalError
from tests.acceptance.test_confirmed_steps import confirmed
from tests.acceptance.test_further_events import ASKER, DISEASE, RF1, THERE, person, telling
from tests.acceptance.test_operators_decisions import SECTION
from tests.acceptance.test_unknown_steps import refusal
from tests.hl7_answers import check_told

DG1 = "DG1|1||K35.900^急性阑尾炎^国临2.0||20260301090000|A|||||||||1|1001^陈医生"
MODIFYING = "modify_filings = true\n"


def admission(world: Any, number: str = "V1", prior: str = "O1", *more: str) -> bytes:
    """An A06 of P1: the stay is `number`, the outpatient visit was `prior`."""
    pid, pv1 = person(world, number, "I")
    insurance = world.his.insurance(m.ZHANG)
    merged = [f"MRG|MR1||||{prior}"] if prior else []
    segments = ["EVN||20260301090000", pid, *merged, pv1, *(more or (DG1,)), insurance]
    return telling(world, "ADT^A06^ADT_A06", *segments)


async def visits(world: Any) -> list[tuple[str, str, str]]:
    """Number, setting and state of the platform's visits, as they were opened."""
    rows = await world.admin.rows("visits")
    return [(row["ipt_otp_no"], row["setting"], row["state"]) for row in rows]


@pytest.mark.parametrize(("number", "prior"), [("V1", "O1"), ("O1", "")])
async def test_an_admitted_outpatient_is_registered_no_more(
    world: Any, number: str, prior: str
) -> None:
    """T-008: A06 of a registration without fees is 2202 and 2401; MRG-5 names the registration, and
    without MRG it is the one of PV1-19. Another A06 does nothing twice.
    """
    await world.tell(world.register(m.ZHANG, "O1"))
    told = await world.tell(admission(world, number, prior))
    assert (told.code, told.field("MSH", 8)) == ("AA", "ACK^A06^ACK")
    check_told(told)
    assert await visits(world) == [
        ("O1", "outpatient", "cancelled"),
        (number, "inpatient", "open"),
    ]
    opened = (await world.admin.rows("visits"))[1]["mdtrt_id"]
    assert told.field("ZMI", 1) == opened
    assert (await world.requests())[3:] == ["2202", "1101", "2401"]
    again = await world.tell(admission(world, number, prior))
    assert (again.code, again.field("ZMI", 1)) == ("AA", opened)
    assert (await world.requests())[6:] == []
    charges = world.his.charges(m.ZHANG, number, "I", (world.ct,))
    assert (await world.tell(charges)).code == "AA"
    assert (await world.requests())[6:] == ["2301"]


async def test_a_settled_outpatient_visit_stays(world: Any) -> None:
    """T-008: with settled fees A06 is 2401 only, and nothing is remarked."""
    await world.charged("O1")
    await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    before = len(await world.requests())
    told = await world.tell(admission(world))
    assert (told.code, told.segment("ERR")) == ("AA", [])
    assert (await world.requests())[before:] == ["1101", "2401"]
    assert len(await world.settled("O1")) == 1


async def test_charges_that_are_not_settled_are_remarked(world: Any) -> None:
    """Uploaded lines are money: the visit stays, and a warning names it at MRG-5."""
    await world.charged("O1")
    told = await world.tell(admission(world))
    check_told(told)
    assert told.code == "AA"
    assert [told.field("ERR", n) for n in (2, 4)] == ["MRG^1^5^1^1", "W"]
    assert "O1" in told.field("ERR", 8)
    assert await visits(world) == [("O1", "outpatient", "open"), ("V1", "inpatient", "open")]


async def test_nothing_is_cancelled_for_an_admission_that_cannot_be_made(world: Any) -> None:
    """Both parts are checked before the first is sent: without a diagnosis 2401 cannot go."""
    await world.tell(world.register(m.ZHANG, "O1"))
    told = await world.tell(admission(world, "V1", "O1", "NTE|1||无诊断"))
    assert told.code == "AE"
    assert (await world.requests())[3:] == []
    assert await visits(world) == [("O1", "outpatient", "open")]
    assert (await world.tell(world.event("A11", m.ZHANG, "O1", "O"))).code == "AA"


async def test_an_admission_refused_after_the_cancellation_tells_both(world: Any) -> None:
    """2202 was done and 2401 refused: AE with the platform's reason, and that 2202 was done; the
    corrected message goes on.
    """
    await world.tell(world.register(m.ZHANG, "O1"))
    await world.admin.fault("refuse", "2401")
    told = await world.tell(admission(world))
    check_told(told)
    assert told.code == "AE"
    errors = [line for line in told.segments if line[0] == "ERR"]
    assert [line[4] for line in errors] == ["E", "W"]
    assert "2202" in errors[1][8]
    assert (await world.tell(admission(world))).code == "AA"
    assert await world.requests("2202") == ["2202"]


async def test_a_cancellation_of_unknown_outcome_stops_the_admission(open_world: Any) -> None:
    """A lost 2202: unknown, no 2401, the registration is held; once an operator confirmed it the
    sender is told that the admission was not done, and a new message admits only.
    """
    world = await open_world(limits=SECTION, resolver="read_back = false")
    await world.tell(world.register(m.ZHANG, "O1"))
    await world.admin.fault("drop-after", "2202")
    raw = admission(world)
    for _ in range(2):
        told = await world.tell(raw)
        assert (told.code, refusal(told)) == ("AE", "FSI-UNKNOWN")
    assert await world.requests("2401") == []
    held = await world.tell(world.event("A08", m.ZHANG, "O1", "O", DG1))
    assert (held.code, held.field("ERR", 3)[:3]) == ("AE", "206")
    mdtrt_id = (await world.admin.rows("visits"))[0]["mdtrt_id"]
    await confirmed(world, "2202", mdtrt_id=mdtrt_id)
    told = await world.tell(raw)
    assert (told.code, refusal(told)) == ("AE", "VISIT-STATE")
    check_told(told)
    assert (await world.tell(admission(world))).code == "AA"
    assert (await world.states("2202"), await world.states("2401")) == (["confirmed"], ["accepted"])


@pytest.mark.parametrize("prior", ["O1", ""])
async def test_an_admission_of_unknown_outcome_is_proven(world: Any, prior: str) -> None:
    """A lost 2401 behind an accepted 2202: 5303 shows the stay, and the message gets AA."""
    await world.tell(world.register(m.ZHANG, "O1"))
    await world.admin.fault("drop-after", "2401")
    raw = admission(world, "V1" if prior else "O1", prior)
    assert refusal(await world.tell(raw)) == "FSI-UNKNOWN"

    async def known() -> Any:
        told = await world.tell(raw)
        return told if refusal(told) != "FSI-UNKNOWN" else None

    assert (await world.until(known)).code == "AA"
    assert (await world.states("2202"), await world.states("2401")) == (["accepted"], ["confirmed"])
    charges = world.his.charges(m.ZHANG, "V1" if prior else "O1", "I", (world.ct,))
    assert (await world.tell(charges)).code == "AA"


async def test_a_registration_behind_a_cancelled_admission_is_proven(world: Any) -> None:
    """A07 with a lost 2201: 5201 shows the visit under the number of the cancelled stay."""
    await world.tell(world.register(m.ZHANG, "V7", "K35.900", "A01"))
    await world.admin.fault("drop-after", "2201")
    pid, pv1 = person(world, "V7", "I")
    raw = telling(world, "ADT^A07", "EVN||20260301090000", pid, pv1, world.his.insurance(m.ZHANG))
    assert refusal(await world.tell(raw)) == "FSI-UNKNOWN"

    async def known() -> Any:
        told = await world.tell(raw)
        return told if refusal(told) != "FSI-UNKNOWN" else None

    assert (await world.until(known)).code == "AA"
    charges = world.his.charges(m.ZHANG, "V7", "O", (world.ct,))
    assert (await world.tell(charges)).code == "AA"


def referral(world: Any, event: str, number: str = "", until: str = "20991231") -> bytes:
    """A referral of P1 to a hospital of another province."""
    pid, _ = person(world)
    text = f"RF1|A||3^out|同意转院^同意转院||R77|20261101|{until}|20261102|X^本地不能治疗|{number}"
    return telling(world, event, text, ASKER, THERE, pid, "DG1|1||K35.900^急性阑尾炎|||A")


async def filings(world: Any) -> list[tuple[str, str]]:
    """Number and state of the platform's filings."""
    rows = await world.admin.rows("filings")
    return [(row["trt_dcla_detl_sn"], row["state"]) for row in rows]


async def test_a_changed_referral_is_withdrawn_and_filed_anew(open_world: Any) -> None:
    """A-030, matrix 1.6: with `modify_filings` REF I13 is 2502 and 2501; RF1-11 has the number of
    the new filing.
    """
    world = await open_world(hl7=MODIFYING)
    first = (await world.tell(referral(world, "REF^I12"))).field("RF1", 11)
    changed = await world.tell(referral(world, "REF^I13", first, "20270131"))
    check_told(changed)
    assert (changed.code, changed.field("MSH", 8)) == ("AA", "RRI^I13^RRI_I12")
    second = changed.field("RF1", 11)
    assert await filings(world) == [(first, "withdrawn"), (second, "filed")]
    assert await world.requests() == ["1101", "2501", "1101", "2502", "1101", "2501"]
    row = (await world.admin.rows("filings"))[1]
    assert "2027-01-31" in str(row)
    other = await world.tell(referral(world, "REF^I13"))
    assert (other.code, other.field("ERR", 2), other.field("ERR", 3)[:3]) == (
        "AE",
        "RF1^1^11",
        "101",
    )


@pytest.mark.parametrize("event", ["RQA^I09", "RQA^I10"])
async def test_a_changed_authorization_is_withdrawn_and_filed_anew(
    open_world: Any, event: str
) -> None:
    """A-029: RQA I09 and I10 of AUT-6 are 2504 and 2503; an I10 without a number files only."""
    world = await open_world(hl7=MODIFYING)
    pid, _ = person(world)
    asked = "AUT|CHRONIC|430100||20261101|20991231"
    first = await world.tell(telling(world, "RQA^I10", asked, ASKER, pid, DISEASE))
    assert (first.code, first.field("MSH", 8)) == ("AA", "RPA^I10^RPA_I08")
    number = first.field("AUT", 6).partition("^")[0]
    again = await world.tell(telling(world, event, f"{asked}|{number}", ASKER, pid, DISEASE))
    check_told(again)
    assert (again.code, again.field("MSH", 8)) == ("AA", f"RPA^{event[4:]}^RPA_I08")
    states = [state for _, state in await filings(world)]
    assert states == ["withdrawn", "filed"]
    assert await world.requests() == ["1101", "2503", "1101", "2504", "1101", "2503"]


async def test_without_the_setting_a_filing_is_not_changed(world: Any) -> None:
    """Matrix 1.6: the interface knows no change of a filing; by default it is AE 207."""
    first = (await world.tell(referral(world, "REF^I12"))).field("RF1", 11)
    told = await world.tell(referral(world, "REF^I13", first))
    check_told(told)
    assert (told.code, told.field("ERR", 3)[:3]) == ("AE", "207")
    assert await filings(world) == [(first, "filed")]


async def test_a_withdrawal_of_unknown_outcome_stops_the_new_filing(open_world: Any) -> None:
    """A lost 2502: unknown and no 2501; once confirmed, the sender is told that nothing was filed
    anew, and another message files.
    """
    world = await open_world(hl7=MODIFYING, limits=SECTION)
    first = (await world.tell(referral(world, "REF^I12"))).field("RF1", 11)
    await world.admin.fault("drop-after", "2502")
    raw = referral(world, "REF^I13", first)
    assert refusal(await world.tell(raw)) == "FSI-UNKNOWN"
    assert refusal(await world.tell(referral(world, "REF^I12"))) == "VISIT-HELD"
    await confirmed(world, "2502", trt_dcla_detl_sn=first)
    told = await world.tell(raw)
    assert (told.code, refusal(told)) == ("AE", "VISIT-STATE")
    assert (await world.tell(referral(world, "REF^I12"))).code == "AA"
    assert [state for _, state in await filings(world)] == ["withdrawn", "filed"]


async def test_a_new_filing_of_unknown_outcome_is_confirmed(open_world: Any) -> None:
    """A lost 2501 behind an accepted 2502: nothing is withdrawn twice, and the confirmed number
    stands in the answer.
    """
    world = await open_world(hl7=MODIFYING, limits=SECTION)
    first = (await world.tell(referral(world, "REF^I12"))).field("RF1", 11)
    await world.admin.fault("drop-after", "2501")
    raw = referral(world, "REF^I13", first)
    assert refusal(await world.tell(raw)) == "FSI-UNKNOWN"
    number = (await filings(world))[-1][0]
    await confirmed(world, "2501", trt_dcla_detl_sn=number)
    told = await world.tell(raw)
    assert (told.code, told.field("RF1", 11)) == ("AA", number)
    assert await world.requests("2502") == ["2502"]


async def test_nothing_is_withdrawn_for_a_filing_that_cannot_be_made(open_world: Any) -> None:
    """Both parts are checked first: without a diagnosis 2501 cannot go, and 2502 does not."""
    world = await open_world(hl7=MODIFYING)
    first = (await world.tell(referral(world, "REF^I12"))).field("RF1", 11)
    pid, _ = person(world)
    told = await world.tell(telling(world, "REF^I13", f"{RF1}|{first}", ASKER, THERE, pid))
    assert told.code == "AE"
    assert await filings(world) == [(first, "filed")]


async def test_an_admission_goes_on_where_it_stopped(world: Any) -> None:
    """Behind an accepted 2202 a query gets no answer: AR, and the same message goes on with the
    admission; the registration is cancelled once.
    """
    await world.tell(world.register(m.ZHANG, "O1"))
    await world.admin.fault("drop-after", "1101")
    raw = admission(world)
    stopped = await world.tell(raw)
    assert (stopped.code, refusal(stopped)) == ("AR", "FSI-NOTSENT")
    assert await visits(world) == [("O1", "outpatient", "cancelled")]
    assert (await world.tell(raw)).code == "AA"
    assert await world.requests("2202") == ["2202"]
    assert await visits(world) == [("O1", "outpatient", "cancelled"), ("V1", "inpatient", "open")]


@pytest.mark.parametrize("lost", ["", "2502", "2501"])
async def test_a_changed_filing_without_a_stored_answer_is_not_changed_twice(
    open_world: Any, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Nothing but the records of the sends survived, and the message comes again: what was done is
    not done again, and what has no known outcome is told as such, in its own part.
    """
    changes = {"hl7": MODIFYING, "limits": SECTION}
    world = await open_world(**changes)
    first = (await world.tell(referral(world, "REF^I12"))).field("RF1", 11)
    if lost:
        await world.admin.fault("drop-after", lost)
    raw = referral(world, "REF^I13", first)

    async def full_disk(*_: Any, **__: Any) -> None:
        raise JournalError("no space left")

    monkeypatch.setattr(world.gateway.journal, "finish_exchange", full_disk)
    before = await world.tell(raw)
    await world.stop()
    await world.start(**changes)
    again = await world.tell(raw)
    assert (again.code, refusal(again)) == (before.code, refusal(before))
    number = (await filings(world))[-1][0]
    if lost:
        shown = first if lost == "2502" else number
        assert refusal(again) == "FSI-UNKNOWN"
        await confirmed(world, lost, trt_dcla_detl_sn=shown)
        again = await world.tell(raw)
    if lost != "2502":
        assert (again.code, again.field("RF1", 11)) == ("AA", number)
    assert await world.requests("2502") == ["2502"]
    filed = ["2501"] if lost == "2502" else ["2501", "2501"]
    assert await world.requests("2501") == filed
