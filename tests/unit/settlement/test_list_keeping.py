"""What a message says for a settlement list is kept once, whoever else writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from gateway.errors import StateError
from gateway.intents import CallReport, Intent, Record, Result, Source, Status, Verb, VisitClass
from gateway.journal import BookRow
from gateway.journal.memory import Memory, MemoryJournal
from gateway.settlement.inputs import Site
from gateway.settlement.listing.keeping import brings_any, keep, take
from gateway.settlement.listing.stays import KIND, Stay, keys, read
from gateway.settlement.visits import Listed, Visit, VisitState


@pytest.fixture
async def journal() -> AsyncIterator[MemoryJournal]:
    """An empty journal."""
    made = MemoryJournal(Memory())
    yield made
    await made.close()


def diagnosis(code: str, **more: str) -> Record:
    """A diagnosis as the platform has it."""
    return Record({"diag_code": code, "diag_srt_no": "1", "maindiag_flag": "1", **more})


def visit(state: VisitState = VisitState.ADMITTED, **more: Any) -> Visit:
    """A stay of the hospital's number I1."""
    kind = VisitClass.INPATIENT
    return Visit(fixmedins_code="H1", ipt_otp_no="I1", visit_class=kind, state=state, **more)


def said(verb: Verb, *calls: str, status: Status = Status.DONE, **lists: Any) -> Result:
    """What became of a message of a stay."""
    intent = Intent(verb=verb, visit_class=VisitClass.INPATIENT, **lists)
    reports = [CallReport(infno=infno, msgid="M", outcome="accepted") for infno in calls]
    return Result(status=status, intent=intent, calls=reports)


def facts(**values: str) -> Record:
    """Facts of the list, as a map states them."""
    return Record(dict(values))


async def kept(journal: Any, of: Visit) -> Stay:
    """What is kept of a stay."""
    return (await read(journal, of))[1]


async def test_facts_stay_until_they_are_stated_anew(journal: Any) -> None:
    """A later message changes what it states, and takes away what it states to be none."""
    stay = visit()
    await keep(journal, stay, said(Verb.UPDATE, listing=facts(adm_way="1", emp_name="厂")))
    await keep(journal, stay, said(Verb.UPDATE, listing=facts(emp_name="", emp_tel="1")))
    assert (await kept(journal, stay)).facts.values == {"adm_way": "1", "emp_tel": "1"}


async def test_only_what_a_message_states_of_the_person_is_kept(journal: Any) -> None:
    """What the visit knows already stands in the person without a place in the message."""
    person = Record({"coner_tel": "1", "prfs": "17"}, {"prfs": Source("IN2[1]-47")})
    await keep(journal, visit(), said(Verb.UPDATE, person=person))
    assert (await kept(journal, visit())).facts.values == {"prfs": "17"}


async def test_a_message_that_says_nothing_writes_nothing(journal: Any) -> None:
    """No book is made of it, and the same again makes no new version."""
    await keep(journal, visit(), said(Verb.CHARGE))
    assert await journal.book(KIND, "H1/I1") is None
    for _ in range(2):
        await keep(journal, visit(), said(Verb.UPDATE, listing=facts(adm_way="1")))
    assert (await journal.book(KIND, "H1/I1")).version == 1
    assert not brings_any(said(Verb.CHARGE).intent)


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (VisitClass.INPATIENT, said(Verb.CHARGE, "2301")),
        (VisitClass.OUTPATIENT, said(Verb.SETTLE, "2207", diagnoses=[diagnosis("A")])),
    ],
)
async def test_what_has_nothing_for_a_list_costs_no_look(
    journal: Any, monkeypatch: pytest.MonkeyPatch, kind: VisitClass, result: Result
) -> None:
    """Charges and settlements of outpatients are most of what comes: no book is read for them."""
    looked: list[str] = []

    async def look(_: str, key: str) -> None:
        looked.append(key)

    monkeypatch.setattr(journal, "book", look)
    result.intent.visit_class = kind
    await keep(journal, visit(), result)
    assert looked == []


async def test_another_gateway_in_between_loses_nothing(
    journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book was changed after it was read: both are in it afterwards."""
    put, others = journal.put_book, iter(["emp_name"])

    async def late(row: BookRow, **more: Any) -> BookRow:
        for name in others:
            monkeypatch.undo()
            await keep(journal, visit(), said(Verb.UPDATE, listing=facts(**{name: "厂"})))
        stored: BookRow = await put(row, **more)
        return stored

    monkeypatch.setattr(journal, "put_book", late)
    await keep(journal, visit(), said(Verb.UPDATE, listing=facts(adm_way="1")))
    assert (await kept(journal, visit())).facts.values == {"adm_way": "1", "emp_name": "厂"}


async def test_somebody_who_is_always_in_between_is_an_error(
    journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is given up in silence."""

    async def never(_: BookRow, **__: Any) -> BookRow:
        raise StateError("changed")

    monkeypatch.setattr(journal, "put_book", never)
    with pytest.raises(StateError):
        await keep(journal, visit(), said(Verb.UPDATE, listing=facts(adm_way="1")))


async def test_late_diagnoses_give_way_to_those_that_the_platform_takes(journal: Any) -> None:
    """Also where the platform's came by a transaction whose outcome was found out later."""
    settled = visit(VisitState.SETTLED, diagnoses=[diagnosis("A")])
    late = [diagnosis("B")]
    await keep(journal, settled, said(Verb.UPDATE, diagnoses=late))
    assert (await kept(journal, settled)).diagnoses_of(settled) == late
    other = visit(VisitState.DISCHARGED, diagnoses=[diagnosis("C")])
    assert (await kept(journal, other)).diagnoses_of(other) == other.diagnoses
    await keep(journal, settled, said(Verb.DISCHARGE, "2402", diagnoses=[diagnosis("A")]))
    assert (await kept(journal, settled)).diagnoses == []


async def test_a_claim_needs_a_principal_diagnosis_to_speak_for_the_stay(journal: Any) -> None:
    """Without one its diagnoses are those of its lines."""
    settled = visit(VisitState.SETTLED, diagnoses=[diagnosis("A")])
    stated = diagnosis("B")
    await keep(journal, settled, said(Verb.SETTLE, diagnoses=[stated], own_charges_only=True))
    assert (await kept(journal, settled)).diagnoses == []
    stated.sources["maindiag_flag"] = Source("Claim.diagnosis[0].type[0]")
    await keep(journal, settled, said(Verb.SETTLE, diagnoses=[stated], own_charges_only=True))
    assert keys((await kept(journal, settled)).diagnoses) == [("B", "1", "1")]


async def test_an_admission_of_unknown_outcome_has_said_what_it_said(journal: Any) -> None:
    """2401 without an answer: the way of admission and the ward are known when it turns out well."""
    place = Record({"dept_code": "A03", "begntime": "2026-03-01 09:00:00"})
    place.sources["dept_code"] = Source("PV1[1]-3", "NK")
    result = said(
        Verb.ADMIT, "2401", status=Status.UNKNOWN, visit=place, listing=facts(adm_way="1")
    )
    await keep(journal, visit(VisitState.NONE), result)
    found = await kept(journal, visit())
    assert found.facts.values == {"adm_way": "1"}
    assert [one.values for one in found.movements] == [
        {"ward": "NK", "begntime": "2026-03-01 09:00:00"}
    ]


async def test_a_refused_message_is_not_kept(journal: Any) -> None:
    """Nothing of it came to pass."""
    refused = said(Verb.UPDATE, status=Status.REJECTED, listing=facts(adm_way="1"))
    await keep(journal, visit(), refused)
    assert await journal.book(KIND, "H1/I1") is None


async def test_what_an_earlier_release_kept_with_the_visit_still_counts(journal: Any) -> None:
    """Until a message says more."""
    listed = Listed(procedures=[Record({"oprn_oprt_code": "47.0100"})], diagnoses=[diagnosis("B")])
    old = visit(VisitState.SETTLED, diagnoses=[diagnosis("A")], listed=listed)
    await keep(journal, old, said(Verb.UPDATE, listing=facts(adm_way="1")))
    found = await kept(journal, old)
    assert found.procedures == listed.procedures
    assert found.diagnoses_of(old) == listed.diagnoses


async def test_a_stay_that_is_not_known_keeps_nothing(journal: Any, site: Site) -> None:
    """An A02 of somebody who is not insured here."""
    intent = said(Verb.COLLECT, listing=facts(adm_way="1")).intent
    result = await take(journal, intent, "H1/I9", coder=site.coder, today=date(2026, 3, 2))
    assert (result.status, await journal.book(KIND, "H1/I9")) == (Status.DONE, None)
