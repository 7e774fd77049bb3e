"""What holds of every ClaimResponse, whatever was decided (end of mapping matrix part 3).

The cases are the outcomes that a claim can come to; each rule is tried on all of them. The amounts
are those of `make_settlement`, worked by hand in `test_claim_answers`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.fhir.decode import decode_own
from gateway.intents import CallReport, Result, Status

BASE = "https://fsi-gateway.example/fhir"
CASES = ("accepted", "estimated", "rejected", "in part", "unknown", "undone", "reversal")
FUND_PARTS = (
    ("fsi-amount", "hifp_pay"),
    ("fsi-amount", "cvlserv_pay"),
    ("fsi-amount", "hifes_pay"),
    ("fsi-amount", "hifmi_pay"),
    ("fsi-amount", "hifob_pay"),
    ("fsi-amount", "hifdm_pay"),
    ("fsi-amount", "maf_pay"),
    ("fsi-amount", "oth_pay"),
)
SUBMITTED, BENEFIT = ("adjudication", "submitted"), ("adjudication", "benefit")
ELIGIBLE, COPAY = ("adjudication", "eligible"), ("adjudication", "copay")

Made = Callable[[str], Awaitable[tuple[Any, bytes]]]
"""Gives the claim and the text of its ClaimResponse in one of the cases."""


def refusal() -> Problem:
    """What the platform says of the second line, and refuses."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REJECT,
        zh="该人员已结算",
        en="refused by the platform",
        place="Claim.item[1].productOrService",
    )


def warning() -> Problem:
    """Something that stops nothing."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH,
        severity=Severity.WARNING,
        zh="费用需人工核对",
        en="look at the charges",
    )


@pytest.fixture
def made(
    *,
    adapter: Any,
    store: Any,
    ask: Any,
    make_claim: Any,
    make_task: Any,
    settled: Any,
    make_settlement: Any,
) -> Made:
    """The cases."""

    async def reversal(claim: Any) -> bytes:
        message, intent, _ = await ask(claim, "create")
        first = store.keep(adapter.answer(message.kind, message.context, settled(intent)))
        focus = f"Claim/{decode_own(first.body)['id']}"
        message, intent, _ = await ask(make_task(focus), "create")
        back = {
            "medfee_sumamt": "-32.00",
            "fund_pay_sumamt": "-20.65",
            "hifp_pay": "-20.65",
            "psn_part_amt": "-11.35",
            "acct_pay": "-11.35",
            "inscp_scp_amt": "-29.50",
            "preselfpay_amt": "-2.50",
        }
        undone = make_settlement(setl_id="S-9", **back)
        undone.infno, undone.msgid, undone.cancels, undone.funds = "2208", "MSG-9", "S-1", []
        result = Result(status=Status.DONE, intent=intent, settlements=[undone])
        answer = store.keep(adapter.answer(message.kind, message.context, result))
        (link,) = decode_own(answer.body)["output"]
        name = link["valueReference"]["reference"]
        return next(one.body for one in answer.resources if f"{one.type}/{one.id}" == name)

    async def make(case: str) -> tuple[Any, bytes]:
        claim = make_claim(use="predetermination" if case == "estimated" else "claim")
        if case == "reversal":
            return claim, await reversal(claim)
        message, intent, _ = await ask(claim, "create")
        calls = [CallReport(infno="2207", msgid="MSG-7", outcome="unknown")]
        result = {
            "accepted": lambda: settled(intent, problems=[warning()]),
            "estimated": lambda: settled(intent),
            "rejected": lambda: settled(intent, Status.REJECTED, problems=[refusal()]),
            "in part": lambda: settled(
                intent, Status.REJECTED, problems=[refusal()], settlements=[make_settlement()]
            ),
            "unknown": lambda: settled(intent, Status.UNKNOWN, calls=calls),
            "undone": lambda: settled(intent, Status.REVERSED, calls=calls),
        }[case]()
        return claim, adapter.answer(message.kind, message.context, result).body

    return make


def amounts(entries: Any) -> dict[tuple[str, str], Decimal]:
    """Amounts by code system and code; each code once."""
    found: dict[tuple[str, str], Decimal] = {}
    for entry in entries:
        coding = entry["category"]["coding"][0]
        code = (coding["system"].rsplit("/", 1)[-1], coding["code"])
        if "amount" in entry:
            assert code not in found
            found[code] = entry["amount"]["value"]
    return found


def is_chinese(text: str) -> bool:
    """True for a text with at least one Chinese character."""
    return any("CJK UNIFIED" in unicodedata.name(one, "") for one in text)


@pytest.mark.parametrize("case", CASES)
async def test_every_case_is_valid_and_refers_to_its_claim(
    made: Made, assert_valid: Any, case: str
) -> None:
    """By the models of fhir.resources; request, type, use, patient and insurer are there."""
    claim, text = await made(case)
    assert_valid(text)
    response = decode_own(text)

    assert response["request"]["reference"].startswith("Claim/")
    assert (response["type"], response["use"]) == (claim["type"], claim["use"])
    assert response["patient"]["identifier"]["value"] == "43010000000000000001"
    assert response["insurer"]
    assert response["status"] == "active"


@pytest.mark.parametrize(
    ("case", "outcome", "has"),
    [
        ("accepted", "complete", {"total", "item", "payment", "adjudication", "processNote"}),
        ("estimated", "complete", {"total", "item", "adjudication", "processNote"}),
        ("rejected", "error", {"error"}),
        ("in part", "partial", {"total", "payment", "adjudication", "item", "error"}),
        ("unknown", "queued", set()),
        ("undone", "error", set()),
        ("reversal", "complete", {"total"}),
    ],
)
async def test_money_stands_only_where_something_was_decided(
    made: Made, case: str, outcome: str, has: set[str]
) -> None:
    """Totals, items, payment and errors of each outcome (X-036 to X-039)."""
    response = decode_own((await made(case))[1])
    parts = {"total", "item", "payment", "error"}

    assert response["outcome"] == outcome
    assert response.keys() & parts == has & parts
    assert has <= response.keys()


@pytest.mark.parametrize("case", ["accepted", "estimated", "in part", "reversal"])
async def test_totals_hold_the_identities(made: Made, case: str) -> None:
    """The whole is the fund's, the person's and the hospital's part; each is the sum of its own."""
    total = amounts(decode_own((await made(case))[1])["total"])
    cash, account = total[("fsi-amount", "psn_cash_pay")], total[("fsi-amount", "acct_pay")]

    assert total[SUBMITTED] == (
        total[BENEFIT] + total[COPAY] + total[("fsi-amount", "hosp_part_amt")]
    )
    assert total[BENEFIT] == sum(total[part] for part in FUND_PARTS)
    assert total[COPAY] == account + cash


@pytest.mark.parametrize("case", ["accepted", "estimated"])
async def test_the_items_add_up_to_the_totals(made: Made, case: str) -> None:
    """Submitted, eligible and what is paid in advance: Σ of the items is the total."""
    response = decode_own((await made(case))[1])
    total = amounts(response["total"])
    items = [amounts(item["adjudication"]) for item in response["item"]]

    for code in (SUBMITTED, ELIGIBLE, ("fsi-amount", "preselfpay_amt")):
        assert sum(item.get(code, Decimal(0)) for item in items) == total[code]


@pytest.mark.parametrize("case", ["accepted", "estimated", "in part"])
async def test_items_and_notes_are_numbered_as_the_claim_is(made: Made, case: str) -> None:
    """Each line of the claim once; each note that is pointed at is there."""
    claim, text = await made(case)
    response = decode_own(text)
    notes = {note["number"] for note in response["processNote"]}
    pointed = {number for item in response["item"] for number in item.get("noteNumber", [])}

    assert [item["itemSequence"] for item in response["item"]] == [
        item["sequence"] for item in claim["item"]
    ]
    assert notes == set(range(1, len(notes) + 1))
    assert pointed <= notes


@pytest.mark.parametrize("case", CASES)
async def test_whatever_a_cashier_reads_is_chinese(made: Made, case: str) -> None:
    """Disposition, notes and errors."""
    response = decode_own((await made(case))[1])
    texts = [response["disposition"]]
    texts += [note["text"] for note in response.get("processNote", [])]
    texts += [error["code"]["text"] for error in response.get("error", [])]

    assert [text for text in texts if not is_chinese(text)] == []


@pytest.mark.parametrize("case", ["rejected", "in part"])
async def test_an_error_has_a_published_code_and_the_line(made: Made, case: str) -> None:
    """error.code is of fsi-gateway-error; itemSequence is the sequence of a line of the claim."""
    claim, text = await made(case)
    (error,) = decode_own(text)["error"]
    (coding,) = error["code"]["coding"]

    assert coding["system"] == f"{BASE}/CodeSystem/fsi-gateway-error"
    assert coding["code"] in {code.value for code in ProblemCode}
    assert error["itemSequence"] == claim["item"][1]["sequence"]


@pytest.mark.parametrize(
    ("case", "setl_ids", "msgid"),
    [
        ("accepted", ["S-1"], "H43010000001202603021030050001"),
        ("estimated", [], "H43010000001202603021030050001"),
        ("rejected", [], ""),
        ("in part", ["S-1"], "H43010000001202603021030050001"),
        ("unknown", [], "MSG-7"),
        ("undone", [], "MSG-7"),
        ("reversal", ["S-9"], "MSG-9"),
    ],
)
async def test_a_settlement_number_stands_only_where_there_is_a_settlement(
    made: Made, case: str, setl_ids: list[str], msgid: str
) -> None:
    """setl_id; and the msgid by which the transaction is found, where one was sent."""
    response = decode_own((await made(case))[1])
    stated = [(one["system"], one["value"]) for one in response.get("identifier", [])]

    assert [value for system, value in stated if system == f"{BASE}/id/setl-id"] == setl_ids
    assert [value for system, value in stated if system == f"{BASE}/id/fsi-msgid"] == (
        [msgid] if msgid else []
    )
    assert len(set(stated)) == len(stated)


async def test_a_reversal_takes_back_what_was_answered(made: Made) -> None:
    """Its own id; each amount that moved is the negative of the first answer's; it names that."""
    first = decode_own((await made("accepted"))[1])
    back = decode_own((await made("reversal"))[1])
    paid, undone = amounts(first["total"]), amounts(back["total"])
    (named,) = [
        one["valueIdentifier"]["value"]
        for one in back["extension"]
        if one["url"].endswith("/reversed-setl-id")
    ]

    assert back["id"] != first["id"]
    for code in (SUBMITTED, BENEFIT, COPAY, ELIGIBLE, ("fsi-amount", "acct_pay")):
        assert undone[code] == -paid[code]
    assert named == "S-1"


async def test_the_payment_is_the_benefit(made: Made) -> None:
    """payment.amount is the total of the fund, in the same currency."""
    response = decode_own((await made("accepted"))[1])
    (benefit,) = [
        entry["amount"]
        for entry in response["total"]
        if entry["category"]["coding"][0]["code"] == "benefit"
    ]

    assert response["payment"]["amount"] == benefit
