"""What a Claim is answered with when it was not simply settled; the amounts are those of
`make_settlement`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import (
    DuplicateError,
    InvalidError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    Severity,
    UnreadableError,
)
from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.forms import Forms
from gateway.fhir.release import R5
from gateway.fhir.stored import KEPT_TYPES
from gateway.intents import CallReport, Record, Result, Status, Verb
from gateway.settings import Settings

BASE = "https://fsi-gateway.example/fhir"


def refusal(**changes: Any) -> Any:
    """A problem of the platform; keywords replace members."""
    return Problem(
        **{
            "kind": ProblemKind.BUSINESS,
            "code": ProblemCode.FSI_REJECT,
            "zh": "该人员已结算",
            "en": "refused by the platform",
        }
        | changes
    )


async def test_an_unknown_outcome_is_queued_without_money(
    *, adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any, assert_valid: Any
) -> None:
    """X-038: no total, no payment, and where to ask later."""
    message, intent, _ = await ask(make_claim(), "create")
    calls = [CallReport(infno="2207", msgid="MSG-7", outcome="unknown")]
    result = settled(intent, Status.UNKNOWN, calls=calls)
    answer = adapter.answer(message.kind, message.context, result)

    assert_valid(answer.body)
    response = body(answer)
    assert (answer.status, response["outcome"], answer.final) == (202, "queued", False)
    assert "请勿重复提交" in response["disposition"]
    assert not {"total", "payment", "item", "adjudication"} & response.keys()
    assert answer.headers["Content-Location"] == (
        f"http://gateway.test/fhir/r4/_status/ClaimResponse/{response['id']}"
    )
    assert answer.headers["Retry-After"] == "5"
    assert {"system": f"{BASE}/id/fsi-msgid", "value": "MSG-7"} in response["identifier"]


async def test_the_later_answer_replaces_the_queued_one(
    *, adapter: FHIRAdapter, store: Any, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """The same exchange gives the same ids, whenever it is answered."""
    message, intent, _ = await ask(make_claim(), "create")
    queued = body(
        store.keep(adapter.answer(message.kind, message.context, settled(intent, Status.UNKNOWN)))
    )
    decided = body(store.keep(adapter.answer(message.kind, message.context, settled(intent))))

    assert decided["id"] == queued["id"]
    assert decided["meta"]["versionId"] != queued["meta"]["versionId"]
    assert sorted(key for key in store.resources if key[0] in KEPT_TYPES) == [
        ("Claim", decided["id"]),
        ("ClaimResponse", decided["id"]),
    ]


async def test_a_refusal_of_the_platform_is_an_answer(
    *, adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any, assert_valid: Any
) -> None:
    """X-037: 201, outcome error, the platform's words, the line they are about."""
    message, intent, _ = await ask(make_claim(), "create")
    problem = refusal(place="Claim.item[1].productOrService")
    result = settled(intent, Status.REJECTED, problems=[problem])
    answer = adapter.answer(message.kind, message.context, result)

    assert_valid(answer.body)
    response = body(answer)
    assert (answer.status, response["outcome"]) == (201, "error")
    assert response["disposition"] == "该人员已结算"
    (error,) = response["error"]
    assert error["itemSequence"] == 2
    assert error["code"]["coding"] == [
        {"system": f"{BASE}/CodeSystem/fsi-gateway-error", "code": "FSI-REJECT"}
    ]
    assert not {"total", "payment"} & response.keys()


async def test_what_was_settled_before_a_refusal_is_not_hidden(
    *,
    adapter: FHIRAdapter,
    ask: Any,
    make_claim: Any,
    settled: Any,
    make_settlement: Any,
    body: Any,
) -> None:
    """The first batch settled, the second was refused: outcome partial, with the money."""
    message, intent, _ = await ask(make_claim(), "create")
    result = settled(intent, Status.REJECTED, problems=[refusal()], settlements=[make_settlement()])
    response = body(adapter.answer(message.kind, message.context, result))

    assert response["outcome"] == "partial"
    assert response["payment"]["amount"]["value"] == Decimal("20.65")
    assert response["error"]


async def test_an_undone_settlement_cost_nothing(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """The unknown outcome was reversed: error, no amounts, and leave to submit anew."""
    message, intent, _ = await ask(make_claim(), "create")
    response = body(adapter.answer(message.kind, message.context, settled(intent, Status.REVERSED)))

    assert response["outcome"] == "error"
    assert "未发生任何费用" in response["disposition"]
    assert not {"total", "payment"} & response.keys()


async def test_submit_answers_200_with_the_same_resource(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """X-035."""
    message, intent, _ = await ask(make_claim(), "submit")
    answer = adapter.answer(message.kind, message.context, settled(intent))

    assert (answer.status, body(answer)["resourceType"]) == (200, "ClaimResponse")
    assert "Location" not in answer.headers


async def test_a_check_of_ours_is_an_operation_outcome(
    *, adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any, assert_valid: Any
) -> None:
    """422, both languages, the place, and nothing kept."""
    message, intent, problems = await ask(
        make_claim(total={"value": Decimal("1.00"), "currency": "CNY"}), "create"
    )
    answer = adapter.answer(
        message.kind, message.context, settled(intent, Status.INVALID, problems=problems)
    )

    assert_valid(answer.body)
    (issue,) = body(answer)["issue"]
    assert (answer.status, answer.resources) == (422, [])
    assert (issue["severity"], issue["code"]) == ("error", "business-rule")
    assert issue["expression"] == ["Claim.total"]
    assert "总金额" in issue["details"]["text"]
    assert "sum of the net amounts" in issue["diagnostics"]


async def test_nothing_was_sent_means_try_again(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """X-054: 503, Retry-After, transient (X-055)."""
    message, intent, _ = await ask(make_claim(), "create")
    result = settled(intent, Status.NOT_SENT, retry_after=7)
    answer = adapter.answer(message.kind, message.context, result)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert body(answer)["issue"][0]["code"] == "transient"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnreadableError([refusal(kind=ProblemKind.STRUCTURE)]), 400, "structure"),
        (InvalidError([refusal(kind=ProblemKind.REQUIRED)]), 422, "required"),
        (InvalidError([refusal(kind=ProblemKind.NO_CODE)]), 422, "code-invalid"),
        (DuplicateError([refusal(kind=ProblemKind.DUPLICATE)]), 409, "conflict"),
        (InvalidError([refusal(kind=ProblemKind.LOCKED)]), 409, "conflict"),
        (NotSentError("down", retry_after=3), 503, "transient"),
        (RuntimeError("a name that must not appear"), 500, "exception"),
    ],
)
def test_each_refusal_has_its_status_and_issue_type(
    adapter: FHIRAdapter, body: Any, error: Exception, status: int, code: str
) -> None:
    """Mapping matrix 2.4."""
    answer = adapter.refuse(b"{}", {}, error)

    assert (answer.status, body(answer)["issue"][0]["code"]) == (status, code)
    assert b"a name" not in answer.body


async def test_a_warning_becomes_a_note(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """A problem that did not stop the claim is told with the answer."""
    message, intent, _ = await ask(make_claim(), "create")
    warning = refusal(severity=Severity.WARNING, zh="参保地与平台返回不一致")
    response = body(
        adapter.answer(message.kind, message.context, settled(intent, problems=[warning]))
    )

    assert "参保地与平台返回不一致" in [note["text"] for note in response["processNote"]]
    assert "error" not in response


async def test_the_certificate_is_not_kept_or_sent_back(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, store: Any
) -> None:
    """The extension is write-only (X-061, F-033)."""
    claim = make_claim()
    claim["insurance"][0]["extension"] = [
        {
            "url": f"{BASE}/StructureDefinition/mdtrt-cert",
            "extension": [
                {"url": "type", "valueCode": "01"},
                {"url": "value", "valueString": "TOKEN-CANARY"},
            ],
        }
    ]
    message, intent, _ = await ask(claim, "create")
    answer = store.keep(adapter.answer(message.kind, message.context, settled(intent)))

    kept = b"".join(resource.body for resource in store.resources.values())
    assert b"TOKEN-CANARY" not in kept + answer.body
    assert b"mdtrt-cert" not in kept + answer.body


async def test_answers_are_read_by_peers_of_their_own_only(
    *, adapter: FHIRAdapter, settings: Settings, ask: Any, make_claim: Any, settled: Any, store: Any
) -> None:
    """Another sender does not see the claim."""
    message, intent, _ = await ask(make_claim(), "create")
    answer = store.keep(adapter.answer(message.kind, message.context, settled(intent)))
    identity = json.loads(answer.body)["id"]
    mine, other = settings.peers

    assert await adapter.store(mine).resource("ClaimResponse", identity) is not None
    assert await adapter.store(other).resource("ClaimResponse", identity) is None


@pytest.mark.parametrize(
    ("flags", "words", "decision"),
    [
        ("11", "可以享受待遇", "approved"),
        ("10", "部分待遇可以享受", "partial"),
        ("00", "不能享受待遇", "denied"),
        ("", "平台没有返回待遇享受检查的结果", None),
    ],
)
async def test_a_benefit_that_is_refused_is_an_adjudication_with_the_reason(
    *,
    adapter: FHIRAdapter, ask: Any, make_claim: Any, body: Any, assert_valid: Any,
    flags: str, words: str, decision: str | None,
) -> None:  # fmt: skip
    """Matrix 2.1, 2001 only: outcome complete, for the question was answered; R5 says denied."""
    kind = {"system": f"{BASE}/CodeSystem/filing", "code": "entitlement"}
    claim = make_claim(use="preauthorization", subType={"coding": [kind]})
    message, intent, _ = await ask(claim, "create")
    rows = [
        Record({"fund_pay_type": "310100", "trt_enjymnt_flag": flag, "trt_chk_rslt": "未达起付线"})
        for flag in flags
    ]
    result = Result(status=Status.DONE, intent=intent, entitlements=rows)
    answer = adapter.answer(message.kind, message.context, result)
    assert_valid(answer.body)
    response = body(answer)
    told = [
        (part["reason"]["coding"][0]["code"], part["reason"]["text"])
        for part in response.get("adjudication", [])
    ]
    outer = Forms(R5).outward(response)

    assert intent.verb is Verb.ENTITLE
    assert (response["outcome"], response["disposition"]) == ("complete", words)
    assert told == [(flag, "未达起付线") for flag in flags]
    assert outer is not None
    assert outer.get("decision", {"coding": [{"code": None}]})["coding"][0]["code"] == decision
