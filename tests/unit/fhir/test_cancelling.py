"""Cancelling by Task, and by a Claim that is put with status cancelled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import DuplicateError, InvalidError, Problem, ProblemCode, ProblemKind
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.decode import decode_own
from gateway.intents import Result, Status, Verb, VisitClass

BASE = "https://fsi-gateway.example/fhir"


@pytest.fixture
def answer_claim(adapter: Any, store: Any, ask: Any, settled: Any, body: Any) -> Any:
    """A claim that was answered: gives the ClaimResponse."""

    async def run(claim: Any, status: Any = Status.DONE) -> Any:
        message, intent, problems = await ask(claim, "create")
        assert problems == []
        return body(
            store.keep(adapter.answer(message.kind, message.context, settled(intent, status)))
        )

    return run


@pytest.fixture
def cancelled(make_settlement: Any) -> Any:
    """What the pipeline gives after 2208: the amounts are negative."""

    def make(intent: Any) -> Any:
        reversal = make_settlement(
            setl_id="S-9",
            medfee_sumamt="-32.00",
            fund_pay_sumamt="-20.65",
            hifp_pay="-20.65",
            psn_part_amt="-11.35",
            acct_pay="-11.35",
            inscp_scp_amt="-29.50",
            preselfpay_amt="-2.50",
        )
        reversal.infno, reversal.cancels, reversal.funds = "2208", "S-1", []
        return Result(status=Status.DONE, intent=intent, settlements=[reversal])

    return make


async def test_a_task_cancels_by_the_numbers_that_were_answered(
    ask: Any, answer_claim: Any, make_claim: Any, make_task: Any
) -> None:
    """setl_id, mdtrt_id, visit number and psn_no come from the kept ClaimResponse."""
    response = await answer_claim(make_claim())
    message, intent, problems = await ask(make_task(f"Claim/{response['id']}"), "create")

    assert problems == []
    assert (intent.verb, intent.visit_class) == (Verb.CANCEL, VisitClass.OUTPATIENT)
    assert intent.settlement.values["setl_id"] == "S-1"
    assert intent.visit.values["mdtrt_id"] == "M-1"
    assert intent.visit.values["ipt_otp_no"] == "V-1"
    assert intent.person.values["psn_no"] == "43010000000000000001"
    assert intent.settlement.place("setl_id") == "Task.focus"
    assert message.kind == "create Task"


async def test_a_claim_is_found_by_its_identifier_too(
    ask: Any, answer_claim: Any, make_claim: Any, make_task: Any
) -> None:
    """A logical reference in Task.focus."""
    await answer_claim(make_claim())
    focus = {"identifier": {"system": "urn:his:claims", "value": "C-1"}}

    _, intent, problems = await ask({**make_task("x"), "focus": focus}, "create")

    assert (problems, intent.settlement.values["setl_id"]) == ([], "S-1")


async def test_a_cancellation_is_completed_with_a_reversal(
    *,
    adapter: FHIRAdapter,
    store: Any,
    ask: Any,
    answer_claim: Any,
    make_claim: Any,
    make_task: Any,
    cancelled: Any,
    body: Any,
    assert_valid: Any,
) -> None:
    """The Task names it; claim and answer are cancelled; amounts are negative as returned."""
    response = await answer_claim(make_claim())
    message, intent, _ = await ask(make_task(f"Claim/{response['id']}"), "create")
    answer = store.keep(adapter.answer(message.kind, message.context, cancelled(intent)))

    for resource in answer.resources:
        assert_valid(resource.body)
    task = body(answer)
    assert (answer.status, task["status"]) == (201, "completed")
    reference = task["output"][0]["valueReference"]["reference"]
    kept = {f"{r.type}/{r.id}": decode_own(r.body) for r in answer.resources}
    reversal = kept[reference]
    assert reversal["request"] == {"reference": f"Claim/{response['id']}"}
    totals = {e["category"]["coding"][0]["code"]: e["amount"]["value"] for e in reversal["total"]}
    assert totals["submitted"] == Decimal("-32.00")
    assert totals["benefit"] == Decimal("-20.65")
    assert {"system": f"{BASE}/id/setl-id", "value": "S-9"} in reversal["identifier"]
    assert kept[f"Claim/{response['id']}"]["status"] == "cancelled"
    assert kept[f"ClaimResponse/{response['id']}"]["status"] == "cancelled"
    assert kept[f"ClaimResponse/{response['id']}"]["total"] == response["total"]


async def test_a_second_cancellation_sends_nothing_and_gives_the_first_reversal(
    *,
    adapter: FHIRAdapter,
    store: Any,
    ask: Any,
    answer_claim: Any,
    make_claim: Any,
    make_task: Any,
    cancelled: Any,
    body: Any,
) -> None:
    """X-048: the second cancellation is answered with the reversal of the first."""
    response = await answer_claim(make_claim())
    focus = f"Claim/{response['id']}"
    message, intent, _ = await ask(make_task(focus), "create")
    first = body(store.keep(adapter.answer(message.kind, message.context, cancelled(intent))))
    other = make_task(focus, identifier=[{"value": "T-2"}])
    message, intent, problems = await ask(other, "create")
    result = Result(status=Status.DONE, intent=intent)
    second = body(adapter.answer(message.kind, message.context, result))

    assert (intent.verb, problems) == (Verb.IGNORE, [])
    assert (second["status"], second["output"]) == ("completed", first["output"])


async def test_a_predetermination_is_taken_back_by_its_lines(
    ask: Any, answer_claim: Any, make_claim: Any, make_task: Any
) -> None:
    """2205 of the batch that was uploaded."""
    response = await answer_claim(make_claim(use="predetermination"))

    _, intent, problems = await ask(make_task(f"Claim/{response['id']}"), "create")

    assert (intent.verb, problems) == (Verb.REFUND, [])
    assert intent.settlement.values["chrg_bchno"] == "B-1"


async def test_a_claim_of_unknown_outcome_cannot_be_cancelled_yet(
    *, adapter: FHIRAdapter, ask: Any, answer_claim: Any, make_claim: Any, make_task: Any, body: Any
) -> None:
    """T-036: the Task is rejected and nothing is sent."""
    response = await answer_claim(make_claim(), Status.UNKNOWN)
    message, intent, problems = await ask(make_task(f"Claim/{response['id']}"), "create")
    result = Result(status=Status.INVALID, intent=intent, problems=problems)
    answer = adapter.answer(message.kind, message.context, result)

    assert [(p.code.value, p.place) for p in problems] == [("VISIT-HELD", "Task.focus")]
    task = body(answer)
    assert (answer.status, task["status"]) == (201, "rejected")
    assert task["statusReason"]["coding"][0]["code"] == "VISIT-HELD"


async def test_the_same_task_may_be_sent_again_once_the_outcome_is_known(
    *,
    adapter: FHIRAdapter,
    store: Any,
    ask: Any,
    make_claim: Any,
    make_task: Any,
    settled: Any,
    body: Any,
) -> None:
    """A Task without an identifier is not held to the rejection it got before."""
    claim, intent, _ = await ask(make_claim(), "create")
    response = body(
        store.keep(adapter.answer(claim.kind, claim.context, settled(intent, Status.UNKNOWN)))
    )
    task = make_task(f"Claim/{response['id']}", identifier=[])
    del task["identifier"]
    early, _, rejected = await ask(task, "create")
    repeated, _, _ = await ask(task, "create")
    store.keep(adapter.answer(claim.kind, claim.context, settled(intent)))
    late, _, problems = await ask(task, "create")

    assert (len(rejected), problems) == (1, [])
    assert early.control_id == repeated.control_id
    assert late.control_id != early.control_id


async def test_a_cancellation_that_the_platform_refuses_is_failed(
    *,
    adapter: FHIRAdapter,
    ask: Any,
    answer_claim: Any,
    make_claim: Any,
    make_task: Any,
    body: Any,
    assert_valid: Any,
) -> None:
    """X-049, with the platform's words."""
    response = await answer_claim(make_claim())
    message, intent, _ = await ask(make_task(f"Claim/{response['id']}"), "create")
    problem = Problem(
        kind=ProblemKind.BUSINESS, code=ProblemCode.FSI_REJECT, zh="已清算不能撤销", en="refused"
    )
    result = Result(status=Status.REJECTED, intent=intent, problems=[problem])
    answer = adapter.answer(message.kind, message.context, result)

    assert_valid(answer.body)
    task = body(answer)
    assert (answer.status, task["status"]) == (201, "failed")
    assert task["statusReason"]["text"] == "已清算不能撤销"
    assert len(answer.resources) == 1


async def test_a_cancellation_of_unknown_outcome_is_in_progress(
    *, adapter: FHIRAdapter, ask: Any, answer_claim: Any, make_claim: Any, make_task: Any, body: Any
) -> None:
    """The claim stays as it was until it is known."""
    response = await answer_claim(make_claim())
    message, intent, _ = await ask(make_task(f"Claim/{response['id']}"), "create")
    result = Result(status=Status.UNKNOWN, intent=intent)
    answer = adapter.answer(message.kind, message.context, result)

    assert (answer.status, body(answer)["status"]) == (202, "in-progress")
    assert "/_status/Task/" in answer.headers["Content-Location"]
    assert [one.type for one in answer.resources] == ["Task", "Later", "Task/_history"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"code": {"coding": [{"code": "approve"}]}}, "Task.code"),
        ({"status": "draft"}, "Task.status"),
        ({"focus": {"reference": "Claim/none"}}, "Task.focus"),
        ({"focus": {"reference": "Patient/1"}}, "Task.focus"),
        ({"focus": {"display": "那个单子"}}, "Task.focus"),
    ],
)
async def test_a_task_that_cannot_be_done_says_why(
    ask: Any, make_task: Any, changes: dict[str, Any], place: str
) -> None:
    """Only the cancelling of a claim that was answered here is served."""
    _, _, problems = await ask(make_task("Claim/none") | changes, "create")

    assert [p.place for p in problems] == [place]


async def test_a_claim_put_as_cancelled_is_cancelled(
    *,
    adapter: FHIRAdapter,
    store: Any,
    ask: Any,
    answer_claim: Any,
    make_claim: Any,
    cancelled: Any,
    body: Any,
) -> None:
    """The alias of the Task (X-048): 200 with the cancelled Claim."""
    response = await answer_claim(make_claim())
    claim = {**make_claim(status="cancelled"), "id": response["id"]}
    message, intent, problems = await ask(claim, "update", id=response["id"])
    answer = store.keep(adapter.answer(message.kind, message.context, cancelled(intent)))

    assert (intent.verb, problems) == (Verb.CANCEL, [])
    assert (answer.status, body(answer)["resourceType"]) == (200, "Claim")
    assert body(answer)["status"] == "cancelled"


async def test_a_claim_put_as_cancelled_with_other_content_is_a_conflict(
    ask: Any, answer_claim: Any, make_claim: Any
) -> None:
    """X-050: what differs is named, and neither the settlement nor the Claim is touched."""
    response = await answer_claim(make_claim())
    changed = make_claim(status="cancelled", billablePeriod={"start": "2026-03-03"})
    changed["item"][0]["net"]["value"] = Decimal("24.00")

    with pytest.raises(DuplicateError) as caught:
        await ask({**changed, "id": response["id"]}, "update", id=response["id"])
    places = [one.place for one in caught.value.problems]
    assert sorted(places) == ["Claim.billablePeriod", "Claim.item"]


async def test_a_claim_put_as_cancelled_may_have_another_narrative_and_shorter_numbers(
    ask: Any, answer_claim: Any, make_claim: Any
) -> None:
    """A client that reads 25.00 and writes 25 has changed nothing."""
    response = await answer_claim(make_claim())
    claim = make_claim(status="cancelled", meta={"versionId": "1"})
    claim["text"] = {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">-</div>'}
    claim["item"][0]["net"]["value"] = Decimal(25)
    _, intent, problems = await ask({**claim, "id": response["id"]}, "update", id=response["id"])

    assert (intent.verb, problems) == (Verb.CANCEL, [])


async def test_a_claim_cannot_be_changed(ask: Any, answer_claim: Any, make_claim: Any) -> None:
    """X-050: cancel, and submit a new one."""
    response = await answer_claim(make_claim())

    with pytest.raises(InvalidError) as caught:
        await ask({**make_claim(), "id": response["id"]}, "update", id=response["id"])
    assert caught.value.problems[0].code is ProblemCode.NOT_SUPPORTED


async def test_a_claim_after_its_predetermination_uploads_nothing_twice(
    ask: Any, answer_claim: Any, make_claim: Any
) -> None:
    """The same lines keep the numbers they were uploaded under; a changed line gets its own."""
    await answer_claim(
        make_claim(use="predetermination", identifier=[{"system": "s", "value": "PRE-1"}])
    )
    claim = make_claim()
    claim["item"][1]["net"]["value"] = Decimal("8.00")
    claim["item"][1]["unitPrice"]["value"] = Decimal("8.00")
    claim["total"]["value"] = Decimal("33.00")

    _, intent, problems = await ask(claim, "create")

    assert problems == []
    assert [charge.values["feedetl_sn"] for charge in intent.charges] == ["PRE-1|1", "C-1|2"]


async def test_a_line_that_was_uploaded_before_keeps_what_was_said_of_it(
    *, adapter: FHIRAdapter, ask: Any, answer_claim: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """The settlement uploads nothing, so that the split of the line stands in the earlier answer."""
    number = [{"system": "s", "value": "PRE-1"}]
    first = await answer_claim(make_claim(use="predetermination", identifier=number))
    message, intent, _ = await ask(make_claim(), "create")
    response = body(
        adapter.answer(message.kind, message.context, settled(intent, charge_results=[]))
    )

    assert [item["adjudication"] for item in response["item"]] == [
        item["adjudication"] for item in first["item"]
    ]


async def test_lines_of_a_settled_claim_are_not_taken_for_those_of_the_next(
    ask: Any, answer_claim: Any, make_claim: Any
) -> None:
    """The same drug again in the same visit is charged again."""
    await answer_claim(make_claim())
    again = make_claim(identifier=[{"system": "urn:his:claims", "value": "C-2"}])

    _, intent, _ = await ask(again, "create")

    assert [charge.values["feedetl_sn"] for charge in intent.charges] == ["C-2|1", "C-2|2"]


async def test_a_claim_after_a_cancelled_one_finds_its_lines_again(
    *,
    adapter: FHIRAdapter,
    store: Any,
    ask: Any,
    answer_claim: Any,
    make_claim: Any,
    make_task: Any,
    cancelled: Any,
) -> None:
    """2208 leaves the lines on the platform."""
    response = await answer_claim(make_claim())
    message, intent, _ = await ask(make_task(f"Claim/{response['id']}"), "create")
    store.keep(adapter.answer(message.kind, message.context, cancelled(intent)))
    again = make_claim(identifier=[{"system": "urn:his:claims", "value": "C-2"}])

    _, intent, _ = await ask(again, "create")

    assert [charge.values["feedetl_sn"] for charge in intent.charges] == ["C-1|1", "C-1|2"]


async def test_a_claim_related_to_a_predetermination_is_of_its_visit(
    ask: Any, answer_claim: Any, make_claim: Any
) -> None:
    """Neither names an encounter: the relation says that they belong together."""
    response = await answer_claim(
        make_claim(
            use="predetermination",
            extension=None,
            identifier=[{"system": "s", "value": "PRE-1"}],
        )
    )
    related = [{"claim": {"reference": f"Claim/{response['id']}"}}]

    _, intent, problems = await ask(make_claim(extension=None, related=related), "create")

    assert problems == []
    assert intent.visit.values["ipt_otp_no"] == "PRE-1"
    assert [charge.values["feedetl_sn"] for charge in intent.charges] == ["PRE-1|1", "PRE-1|2"]
