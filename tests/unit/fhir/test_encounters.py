"""Encounters: which transaction they ask for, what they are answered with, and their keys."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import DuplicateError, Problem, ProblemCode, ProblemKind, UnsupportedError
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.stored import KEPT_TYPES
from gateway.intents import Status, Verb, VisitClass

BASE = "https://fsi-gateway.example/fhir"


@pytest.fixture
def keep(adapter: Any, store: Any, ask: Any, settled: Any, body: Any) -> Any:
    """Ask, answer as done, keep the answer: gives the Encounter that was answered."""

    async def run(resource: Any, interaction: Any = "create", **meta: Any) -> Any:
        message, intent, problems = await ask(resource, interaction, **meta)
        assert problems == []
        return intent, body(
            store.keep(adapter.answer(message.kind, message.context, settled(intent)))
        )

    return run


@pytest.mark.parametrize(
    ("code", "verb", "visit_class"),
    [
        ("AMB", Verb.REGISTER, VisitClass.OUTPATIENT),
        ("EMER", Verb.REGISTER, VisitClass.OUTPATIENT),
        ("VR", Verb.REGISTER, VisitClass.OUTPATIENT),
        ("IMP", Verb.ADMIT, VisitClass.INPATIENT),
        ("ACUTE", Verb.ADMIT, VisitClass.INPATIENT),
        ("NONAC", Verb.ADMIT, VisitClass.INPATIENT),
    ],
)
async def test_the_class_says_whether_a_new_encounter_registers_or_admits(
    ask: Any, make_encounter: Any, code: str, verb: Verb, visit_class: VisitClass
) -> None:
    """Mapping matrix 2.1."""
    _, intent, problems = await ask(make_encounter(class_={"code": code}), "create")

    assert problems == []
    assert (intent.verb, intent.visit_class) == (verb, visit_class)
    assert intent.visit.values["ipt_otp_no"] == "V-1"
    assert intent.visit.values["begntime"] == "2026-03-02 09:15:00"
    assert intent.diagnoses[0].values["diag_code"] == "J06.900"


async def test_an_emergency_has_its_kind_of_visit(ask: Any, make_encounter: Any) -> None:
    """med_type 13 is emergency in the national dictionary; others are the profile's business."""
    _, emergency, _ = await ask(make_encounter(class_={"code": "EMER"}), "create")
    _, plain, _ = await ask(make_encounter(), "create")

    assert emergency.visit.values["med_type"] == "13"
    assert "med_type" not in plain.visit.values


async def test_a_class_without_counterpart_is_refused(ask: Any, make_encounter: Any) -> None:
    """A home visit is neither registered nor admitted."""
    _, _, problems = await ask(make_encounter(class_={"code": "HH"}), "create")

    assert [(p.code.value, p.place) for p in problems] == [("FIELD-VALUE", "Encounter.class.code")]


async def test_an_encounter_needs_the_number_of_the_visit(ask: Any, make_encounter: Any) -> None:
    """T-035."""
    _, _, problems = await ask(make_encounter(identifier=None), "create")

    assert [p.place for p in problems] == ["Encounter.identifier"]


async def test_the_answer_is_the_encounter_with_the_number_of_the_platform(
    *,
    adapter: FHIRAdapter,
    ask: Any,
    make_encounter: Any,
    settled: Any,
    body: Any,
    assert_valid: Any,
) -> None:
    """201 with the echo; mdtrt_id is one of its identifiers now."""
    message, intent, _ = await ask(make_encounter(), "create")
    answer = adapter.answer(message.kind, message.context, settled(intent))

    assert_valid(answer.body)
    echo = body(answer)
    assert (answer.status, echo["status"]) == (201, "in-progress")
    assert {"use": "secondary", "system": f"{BASE}/id/mdtrt-id", "value": "M-1"} in echo[
        "identifier"
    ]
    assert echo["meta"]["versionId"] == "1"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Location"] == (
        f"http://gateway.test/fhir/r4/Encounter/{echo['id']}/_history/1"
    )


async def test_a_visit_goes_from_admission_to_discharge_and_back(
    keep: Any, make_encounter: Any
) -> None:
    """2401, 2403, 2402, 2405, each an update of the same Encounter (T-006, T-007)."""
    encounter = make_encounter(class_={"code": "IMP"})
    verbs, versions = [], []
    intent, echo = await keep(encounter)
    verbs.append(intent.verb)
    versions.append(echo["meta"]["versionId"])
    for status, period in (
        ("in-progress", {"start": "2026-03-02T09:15:00+08:00"}),
        ("finished", {"start": "2026-03-02T09:15:00+08:00", "end": "2026-03-05T10:00:00+08:00"}),
        ("in-progress", {"start": "2026-03-02T09:15:00+08:00"}),
    ):
        changed = {**encounter, "id": echo["id"], "status": status, "period": period}
        intent, echo = await keep(changed, "update", id=echo["id"])
        verbs.append(intent.verb)
        versions.append(echo["meta"]["versionId"])

    assert verbs == [Verb.ADMIT, Verb.UPDATE, Verb.DISCHARGE, Verb.UNDISCHARGE]
    assert versions == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("code", "verb"), [("AMB", Verb.UNREGISTER), ("IMP", Verb.UNADMIT)])
async def test_a_cancelled_encounter_takes_the_opening_back(
    keep: Any, make_encounter: Any, code: str, verb: Verb
) -> None:
    """2202 of an outpatient, 2404 of an inpatient."""
    encounter = make_encounter(class_={"code": code})
    _, echo = await keep(encounter)
    intent, echo = await keep(
        {**encounter, "id": echo["id"], "status": "cancelled"}, "update", id=echo["id"]
    )

    assert (intent.verb, echo["status"]) == (verb, "cancelled")


async def test_a_planned_visit_is_kept_and_nothing_is_sent(keep: Any, make_encounter: Any) -> None:
    """It is opened when it begins."""
    encounter = make_encounter(status="planned")
    intent, echo = await keep(encounter)
    later, _ = await keep(
        {**encounter, "id": echo["id"], "status": "arrived"}, "update", id=echo["id"]
    )

    assert (intent.verb, later.verb) == (Verb.IGNORE, Verb.REGISTER)


@pytest.mark.parametrize(("code", "status"), [("IMP", "finished"), ("AMB", "cancelled")])
async def test_a_stay_cannot_begin_with_its_end(
    ask: Any, make_encounter: Any, code: str, status: int
) -> None:
    """There is nothing to discharge or to cancel yet."""
    _, _, problems = await ask(make_encounter(class_={"code": code}, status=status), "create")

    assert "Encounter.status" in [p.place for p in problems]


async def test_the_same_encounter_again_has_the_same_key(
    ask: Any, keep: Any, make_encounter: Any
) -> None:
    """A retry is recognised before and after the first answer was kept."""
    before, _, _ = await ask(make_encounter(), "create")
    await keep(make_encounter())
    after, _, _ = await ask(make_encounter(), "create")

    assert (before.control_id, before.fingerprint) == (after.control_id, after.fingerprint)


async def test_a_change_back_is_a_new_change(ask: Any, keep: Any, make_encounter: Any) -> None:
    """First A, then B, then A again: the third is no repetition of the first."""
    encounter = make_encounter()
    _, echo = await keep(encounter)
    one = {**encounter, "id": echo["id"], "reasonCode": [{"text": "A"}]}
    two = {**encounter, "id": echo["id"], "reasonCode": [{"text": "B"}]}
    first, _, _ = await ask(one, "update", id=echo["id"])
    await keep(one, "update", id=echo["id"])
    again, _, _ = await ask(one, "update", id=echo["id"])
    await keep(two, "update", id=echo["id"])
    third, _, _ = await ask(one, "update", id=echo["id"])

    assert first.control_id == again.control_id
    assert third.control_id != first.control_id


async def test_other_content_under_the_number_of_an_open_visit_is_a_conflict(
    ask: Any, keep: Any, make_encounter: Any
) -> None:
    """A change of a visit is an update, not a second creation (409)."""
    await keep(make_encounter())

    with pytest.raises(DuplicateError) as caught:
        await ask(make_encounter(class_={"code": "EMER"}), "create")
    assert caught.value.problems[0].place == "Encounter.identifier[0]"


async def test_an_id_is_given_by_the_gateway(ask: Any, make_encounter: Any) -> None:
    """X-008: an update of what was never created here is 405."""
    with pytest.raises(UnsupportedError):
        await ask({**make_encounter(), "id": "mine"}, "update", id="mine")


async def test_a_refused_encounter_is_an_operation_outcome(
    adapter: FHIRAdapter, ask: Any, make_encounter: Any, settled: Any, body: Any
) -> None:
    """Mapping matrix 2.4: 422, business-rule, the platform's words."""
    message, intent, _ = await ask(make_encounter(), "create")
    problem = Problem(
        kind=ProblemKind.BUSINESS, code=ProblemCode.FSI_REJECT, zh="重复挂号", en="refused"
    )
    answer = adapter.answer(
        message.kind, message.context, settled(intent, Status.REJECTED, problems=[problem])
    )

    issue = body(answer)["issue"][0]
    assert (answer.status, answer.resources) == (422, [])
    assert (issue["code"], issue["details"]["text"]) == ("business-rule", "重复挂号")


async def test_an_admission_of_unknown_outcome_says_where_to_ask(
    adapter: FHIRAdapter, store: Any, ask: Any, make_encounter: Any, settled: Any
) -> None:
    """202; later the same Encounter without the tag."""
    message, intent, _ = await ask(make_encounter(class_={"code": "IMP"}), "create")
    waiting = store.keep(
        adapter.answer(message.kind, message.context, settled(intent, Status.UNKNOWN))
    )
    tag = next(iter(store.resources.values())).body
    decided = store.keep(adapter.answer(message.kind, message.context, settled(intent)))
    final = next(iter(store.resources.values())).body

    assert (waiting.status, decided.status) == (202, 201)
    assert "/_status/Encounter/" in waiting.headers["Content-Location"]
    assert b"FSI-UNKNOWN" in tag
    assert b"FSI-UNKNOWN" not in final
    assert [key[0] for key in store.resources if key[0] in KEPT_TYPES] == ["Encounter"]


async def test_an_admission_that_was_undone_can_be_made_again(
    adapter: FHIRAdapter, store: Any, ask: Any, make_encounter: Any, settled: Any
) -> None:
    """The platform reversed it: the Encounter is cancelled and its number free again."""
    message, intent, _ = await ask(make_encounter(class_={"code": "IMP"}), "create")
    answer = store.keep(
        adapter.answer(message.kind, message.context, settled(intent, Status.REVERSED))
    )
    again, _, problems = await ask(
        make_encounter(class_={"code": "IMP"}, reasonCode=[{"text": "再次入院"}]), "create"
    )

    assert answer.status == 422
    assert problems == []
    assert again.control_id != message.control_id
