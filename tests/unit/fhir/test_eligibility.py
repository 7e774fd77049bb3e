"""Eligibility requests and their answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Record, Result, Status, Verb

BASE = "https://fsi-gateway.example/fhir"

EMPLOYEE = Record(
    {
        "insutype": "310",
        "balc": "1000.00",
        "psn_type": "11",
        "psn_insu_stas": "1",
        "psn_insu_date": "2001-07-01",
        "insuplc_admdvs": "430100",
    }
)
SUSPENDED = Record({"insutype": "390", "psn_insu_stas": "2", "insuplc_admdvs": "430100"})


@pytest.fixture
def answered(adapter: Any, ask: Any, make_request: Any, body: Any, assert_valid: Any) -> Any:
    """The answer to a request after the platform gave these rows."""

    async def run(
        rows: Any, status: Any = Status.DONE, purpose: Any = "validation", **parts: Any
    ) -> Any:
        message, intent, problems = await ask(make_request(purpose=[purpose]), "create")
        assert problems == []
        result = Result(status=status, intent=intent, insurances=rows, **parts)
        answer = adapter.answer(message.kind, message.context, result)
        assert_valid(answer.body)
        return answer, body(answer)

    return run


@pytest.mark.parametrize(
    ("purpose", "verb"),
    [
        (["validation"], Verb.IDENTIFY),
        (["discovery"], Verb.IDENTIFY),
        (["benefits"], Verb.ENTITLE),
        (["validation", "benefits"], Verb.ENTITLE),
    ],
)
async def test_the_purpose_says_what_is_asked(
    ask: Any, make_request: Any, purpose: list[str], verb: Verb
) -> None:
    """1101, or 1101 and 2001 (mapping matrix 2.1)."""
    _, intent, problems = await ask(make_request(purpose=purpose), "create")

    assert (intent.verb, problems) == (verb, [])


async def test_what_has_to_be_authorised_is_what_is_not_enjoyed_as_it_is(
    ask: Any, adapter: Any, settled: Any, make_request: Any, body: Any
) -> None:
    """X-045: of each benefit of 2001 it is said whether it needs a filing first."""
    message, intent, problems = await ask(make_request(purpose=["auth-requirements"]), "create")
    rows = [
        Record({"fund_pay_type": "310100", "trt_enjymnt_flag": "1"}),
        Record({"fund_pay_type": "310200", "trt_enjymnt_flag": "0", "trt_chk_rslt": "未备案"}),
    ]
    result = settled(intent, insurances=[Record({"insutype": "310"})], entitlements=rows)
    answer = adapter.answer(message.kind, message.context, result)
    items = body(answer)["insurance"][0]["item"]

    assert (intent.verb, problems) == (Verb.ENTITLE, [])
    assert "authorizationRequired" not in items[0]
    assert [one["authorizationRequired"] for one in items[1:]] == [False, True]


async def test_a_row_of_the_platform_is_a_coverage_in_force(answered: Any) -> None:
    """inforce, period, type, region, and the balance of the account (X-044)."""
    answer, response = await answered([EMPLOYEE])

    assert answer.status == 201
    assert response["resourceType"] == "CoverageEligibilityResponse"
    assert (response["outcome"], response["disposition"]) == ("complete", "参保状态正常")
    (insurance,) = response["insurance"]
    assert insurance["inforce"] is True
    assert insurance["coverage"] == {"reference": "#coverage-1"}
    assert insurance["benefitPeriod"] == {"start": "2001-07-01"}
    assert insurance["item"][0]["benefit"][0]["allowedMoney"] == {
        "value": Decimal("1000.00"),
        "currency": "CNY",
    }
    (coverage,) = response["contained"]
    assert coverage["type"]["coding"][0]["code"] == "310"
    assert coverage["payor"][0]["identifier"]["value"] == "430100"
    assert coverage["subscriberId"] == "43010000000000000001"


async def test_a_suspended_person_is_not_in_force(answered: Any) -> None:
    """T-034: psn_insu_stas 2."""
    _, response = await answered([SUSPENDED])

    assert response["insurance"][0]["inforce"] is False
    assert "no active insurance" in response["disposition"]


async def test_no_row_is_an_error(answered: Any) -> None:
    """End of mapping matrix part 3."""
    _, response = await answered([])

    assert (response["outcome"], "insurance" in response) == ("error", False)
    assert response["error"][0]["code"]["coding"][0]["code"] == "COVERAGE-NONE"


async def test_benefits_are_items_of_the_insurance(answered: Any) -> None:
    """A benefit that is not enjoyed is excluded, with the platform's reason."""
    rows = [
        Record({"fund_pay_type": "310100", "trt_enjymnt_flag": "1", "trt_chk_type": "1"}),
        Record({"fund_pay_type": "310200", "trt_enjymnt_flag": "0", "trt_chk_rslt": "等待期内"}),
    ]
    _, response = await answered([EMPLOYEE], purpose="benefits", entitlements=rows)

    _, enjoyed, excluded = response["insurance"][0]["item"]
    assert (enjoyed["excluded"], excluded["excluded"]) == (False, True)
    assert excluded["description"] == "等待期内"


async def test_a_refusal_is_an_answer_with_outcome_error(answered: Any) -> None:
    """The platform's words, as for a claim."""
    problem = Problem(
        kind=ProblemKind.BUSINESS, code=ProblemCode.FSI_REJECT, zh="查无此人", en="refused"
    )
    answer, response = await answered([], Status.REJECTED, problems=[problem])

    assert (answer.status, response["outcome"]) == (201, "error")
    assert response["disposition"] == "查无此人"


async def test_no_answer_of_the_platform_may_be_asked_again(answered: Any) -> None:
    """A query changed nothing: nobody has to wait for its outcome."""
    answer, response = await answered([], Status.UNKNOWN)

    assert (answer.status, answer.final, response["outcome"]) == (201, True, "error")
    assert response["error"][0]["code"]["coding"][0]["code"] == "FSI-UNKNOWN"
