"""What a Claim is answered with.

The settlement of the tests, worked by hand: two lines of 25.00 and 7.00; the first is of class B,
10% of it (2.50) is paid by the person in advance, which leaves 29.50 in scope; the pool pays 70% of
that, 20.65; the person's part is 32.00 - 20.65 = 11.35, all of it from the account.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.adapter import FHIRAdapter
from gateway.intents import Status

BASE = "https://fsi-gateway.example/fhir"
ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
AMOUNT = f"{BASE}/CodeSystem/fsi-amount"


def amounts(entries: Any) -> Any:
    """Amounts of totals or adjudications by code system and code."""
    return {
        (coding["system"].rsplit("/", 1)[-1], coding["code"]): str(entry["amount"]["value"])
        for entry in entries
        for coding in entry["category"]["coding"]
        if "amount" in entry
    }


async def test_a_settlement_is_answered_with_its_exact_amounts(
    *, adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any, assert_valid: Any
) -> None:
    """Each amount stands under its standard or local code, to the last digit (X-041)."""
    message, intent, _ = await ask(make_claim(), "create")
    answer = adapter.answer(message.kind, message.context, settled(intent))

    assert answer.status == 201
    assert answer.outcome is Status.DONE
    assert answer.final
    assert_valid(answer.body)
    response = body(answer)
    assert response["resourceType"] == "ClaimResponse"
    assert (response["outcome"], response["use"]) == ("complete", "claim")
    assert response["disposition"] == "结算完成"
    assert response["created"] == "2026-03-02T10:30:00+08:00"
    totals = amounts(response["total"])
    assert totals[("adjudication", "submitted")] == "32.00"
    assert totals[("adjudication", "eligible")] == "29.50"
    assert totals[("adjudication", "deductible")] == "0.00"
    assert totals[("adjudication", "benefit")] == "20.65"
    assert totals[("adjudication", "copay")] == "11.35"
    assert totals[("fsi-amount", "hifp_pay")] == "20.65"
    assert totals[("fsi-amount", "preselfpay_amt")] == "2.50"
    assert totals[("fsi-amount", "acct_pay")] == "11.35"
    assert totals[("fsi-amount", "psn_cash_pay")] == "0.00"
    assert totals[("fsi-amount", "balc")] == "988.65"
    assert {entry["amount"]["currency"] for entry in response["total"]} == {"CNY"}
    assert response["payment"]["amount"] == {"value": Decimal("20.65"), "currency": "CNY"}
    assert response["payment"]["date"] == "2026-03-02"


async def test_an_amount_of_12_50_is_12_50_in_the_text(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, make_settlement: Any
) -> None:
    """Trailing zeros and precision survive (X-041)."""
    message, intent, _ = await ask(make_claim(), "create")
    settlement = make_settlement(medfee_sumamt="12.50", fund_pay_sumamt="1.15", hifp_pay="1.15")
    answer = adapter.answer(
        message.kind, message.context, settled(intent, settlements=[settlement])
    )

    assert b'"value":12.50,"currency":"CNY"' in answer.body


async def test_the_ratio_of_the_pool_is_a_value_and_no_amount(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """F-015, X-042: in R4 a ratio stands in adjudication.value."""
    message, intent, _ = await ask(make_claim(), "create")
    response = body(adapter.answer(message.kind, message.context, settled(intent)))

    header = response["adjudication"]
    assert header[0]["value"] == Decimal("0.7000")
    assert [c["code"] for c in header[0]["category"]["coding"]] == [
        "eligpercent",
        "pool_prop_selfpay",
    ]
    assert header[1]["category"]["coding"][0] == {
        "system": f"{BASE}/CodeSystem/fsi-fund-pay-type",
        "code": "310100",
        "display": "基本医疗保险统筹基金",
    }
    assert header[1]["amount"]["value"] == Decimal("20.65")
    assert [entry["reason"]["coding"][0]["code"] for entry in header[2:]] == ["310100", "310100"]


async def test_every_item_has_what_the_platform_said_of_its_line(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """The platform's rows are matched by the number that the line was uploaded under."""
    message, intent, _ = await ask(make_claim(), "create")
    response = body(adapter.answer(message.kind, message.context, settled(intent)))

    first, second = response["item"]
    assert (first["itemSequence"], second["itemSequence"]) == (1, 2)
    assert amounts(first["adjudication"]) == {
        ("adjudication", "submitted"): "25.00",
        ("adjudication", "eligible"): "22.50",
        ("fsi-amount", "preselfpay_amt"): "2.50",
    }
    assert amounts(second["adjudication"]) == {
        ("adjudication", "submitted"): "7.00",
        ("adjudication", "eligible"): "7.00",
    }
    ratio = [entry["value"] for entry in first["adjudication"] if "value" in entry]
    assert ratio == [Decimal("0.1000")]
    assert first["noteNumber"] == [1]
    assert [note["text"] for note in response["processNote"]] == ["乙类先行自付10%", "按70%支付"]


async def test_the_numbers_of_the_platform_are_identifiers(
    adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any
) -> None:
    """Settlement, visit, message and batch numbers, each under its own system."""
    message, intent, _ = await ask(make_claim(), "create")
    response = body(adapter.answer(message.kind, message.context, settled(intent)))

    numbers = {
        one["system"].removeprefix(f"{BASE}/id/"): one["value"] for one in response["identifier"]
    }
    assert numbers == {
        "setl-id": "S-1",
        "mdtrt-id": "M-1",
        "ipt-otp-no": "V-1",
        "medins-setl-id": "H43010000001202603021030050001",
        "fsi-msgid": "H43010000001202603021030050001",
        "chrg-bchno": "B-1",
    }
    assert response["patient"]["identifier"]["value"] == "43010000000000000001"
    assert response["request"] == {"reference": f"Claim/{response['id']}"}


async def test_a_predetermination_has_totals_and_no_payment(
    *, adapter: FHIRAdapter, ask: Any, make_claim: Any, settled: Any, body: Any, assert_valid: Any
) -> None:
    """Nothing was settled: no setl_id, no payment."""
    message, intent, _ = await ask(make_claim(use="predetermination"), "create")
    answer = adapter.answer(message.kind, message.context, settled(intent))

    assert_valid(answer.body)
    response = body(answer)
    assert (response["outcome"], response["use"]) == ("complete", "predetermination")
    assert amounts(response["total"])[("adjudication", "benefit")] == "20.65"
    assert "payment" not in response
    assert not any(one["system"].endswith("/setl-id") for one in response["identifier"])


@pytest.mark.parametrize(
    ("code", "other"),
    [("fund_pay_sumamt", "20.66"), ("hifp_pay", "20.64"), ("psn_cash_pay", "0.01")],
)
async def test_amounts_that_break_an_identity_are_partial_and_unchanged(
    *,
    adapter: FHIRAdapter,
    ask: Any,
    make_claim: Any,
    settled: Any,
    make_settlement: Any,
    body: Any,
    assert_valid: Any,
    code: str,
    other: str,
) -> None:
    """One fen off: said, noted, and never corrected (end of mapping matrix part 3)."""
    message, intent, _ = await ask(make_claim(), "create")
    settlement = make_settlement(**{code: other})
    answer = adapter.answer(
        message.kind, message.context, settled(intent, settlements=[settlement])
    )

    assert_valid(answer.body)
    response = body(answer)
    assert response["outcome"] == "partial"
    assert any("恒等式" in note["text"] for note in response["processNote"])
    values = [str(entry["amount"]["value"]) for entry in response["total"]]
    assert other in values


async def test_the_misspelt_cash_amount_is_read(
    *,
    adapter: FHIRAdapter,
    ask: Any,
    make_claim: Any,
    settled: Any,
    make_settlement: Any,
    body: Any,
) -> None:
    """`pdn_cash_pay` of the 2208 output is psn_cash_pay (F-016)."""
    message, intent, _ = await ask(make_claim(), "create")
    settlement = make_settlement(psn_cash_pay="", pdn_cash_pay="0.00")
    response = body(
        adapter.answer(message.kind, message.context, settled(intent, settlements=[settlement]))
    )

    assert response["outcome"] == "complete"
    assert amounts(response["total"])[("fsi-amount", "psn_cash_pay")] == "0.00"


async def test_two_settlements_of_one_claim_are_summed(
    *,
    adapter: FHIRAdapter,
    ask: Any,
    make_claim: Any,
    settled: Any,
    make_settlement: Any,
    body: Any,
) -> None:
    """Two charge batches: 32.00 twice is 64.00, 20.65 twice is 41.30; the balance is the last."""
    message, intent, _ = await ask(make_claim(), "create")
    intent.settlement.values["medfee_sumamt"] = "64.00"
    both = [make_settlement(balc="988.65"), make_settlement(setl_id="S-2", balc="977.30")]
    response = body(
        adapter.answer(message.kind, message.context, settled(intent, settlements=both))
    )

    totals = amounts(response["total"])
    assert totals[("adjudication", "submitted")] == "64.00"
    assert totals[("adjudication", "benefit")] == "41.30"
    assert totals[("fsi-amount", "balc")] == "977.30"
    assert response["outcome"] == "complete"
    assert [
        one["value"] for one in response["identifier"] if one["system"].endswith("/setl-id")
    ] == ["S-1", "S-2"]


async def test_an_answer_has_what_the_definition_and_the_claim_ask_for(
    ask: Any, adapter: FHIRAdapter, settled: Any, make_claim: Any, body: Any
) -> None:
    """X-036: patient, created, insurer, outcome, type, use, status, and the request."""
    message, intent, _ = await ask(make_claim(insurer={"display": "市医保中心"}), "create")
    answer = adapter.answer(message.kind, message.context, settled(intent))
    response = body(answer)
    claim = next(one for one in answer.resources if one.type == "Claim")

    assert response["request"] == {"reference": f"Claim/{claim.id}"}
    assert response["patient"]["identifier"]["value"] == "43010000000000000001"
    assert response["created"] == "2026-03-02T10:30:00+08:00"
    assert response["type"] == make_claim()["type"]
    assert response["insurer"]
    stated = (response["outcome"], response["use"], response["status"])
    assert stated == ("complete", "claim", "active")
