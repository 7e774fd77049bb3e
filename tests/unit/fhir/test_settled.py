"""What a status task is told of a settlement that was read back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.building import identifiers
from gateway.fhir.names import Names
from gateway.fhir.settled import is_readable, settlement_outputs
from gateway.intents import Record, Settlement

NAMES = Names("https://fsi-gateway.example/fhir")
SHOWN = {
    "setl_id": "S-1",
    "refd_setl_flag": "0",
    "medfee_sumamt": "240.00",
    "fund_pay_sumamt": "116.20",
    "psn_part_amt": "123.80",
}


def answered(**changes: Any) -> dict[str, Any]:
    """The ClaimResponse to a claim of 240.00, of which the fund pays 116.20."""
    amounts = {"submitted": "240.00", "benefit": "116.2", "copay": "123.80"}
    return {
        "resourceType": "ClaimResponse",
        "use": "claim",
        "status": "active",
        "identifier": identifiers(NAMES, [("setl-id", "S-1"), ("mdtrt-id", "M-1")]),
        "patient": {"identifier": {"system": NAMES.identifier("psn-no"), "value": "4301"}},
        "total": [
            {"category": {"coding": [{"code": code}]}, "amount": {"value": Decimal(amount)}}
            for code, amount in amounts.items()
        ],
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "shown", "standing", "agrees"),
    [
        ({}, {}, "settled", True),
        ({}, {"fund_pay_sumamt": "116.21"}, "settled", False),
        ({}, {"fund_pay_sumamt": ""}, "settled", True),
        ({}, {"refd_setl_flag": "1"}, "cancelled", False),
        ({"status": "cancelled"}, {"refd_setl_flag": "1"}, "cancelled", True),
        ({"status": "cancelled"}, {}, "settled", False),
        ({"total": []}, {}, "settled", True),
    ],
)
def test_what_the_platform_shows_agrees_with_what_was_answered(
    *, changes: dict[str, Any], shown: dict[str, str], standing: str, agrees: bool
) -> None:
    """Sums as exact numbers, and whether it is cancelled; what one side lacks is not compared."""
    info = Record({**SHOWN, **shown})
    settlement = Settlement(infno="5203", msgid="MSG-1", info=info)
    rows = settlement_outputs(NAMES, answered(**changes), [settlement])

    assert rows[1]["valueCode"] == standing
    assert rows[-1] == {"type": {"text": "agrees"}, "valueBoolean": agrees}


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "predetermination"},
        {"identifier": identifiers(NAMES, [("mdtrt-id", "M-1")])},
        {"identifier": identifiers(NAMES, [("setl-id", "S-1")])},
        {"identifier": identifiers(NAMES, [("mdtrt-id", n) for n in "12"] + [("setl-id", "S")])},
        {"patient": {"reference": "Patient/1"}},
    ],
)
def test_only_settlements_of_one_known_visit_are_asked_for(changes: dict[str, Any]) -> None:
    """5203 needs setl_id, mdtrt_id and psn_no (F-020)."""
    assert is_readable(NAMES, answered())
    assert not is_readable(NAMES, answered(**changes))


def test_settlements_of_one_claim_agree_in_their_sum() -> None:
    """100.00 and 140.00 answer a claim of 240.00; one cancelled or not shown does not agree."""
    both = [
        Record({"setl_id": number, "medfee_sumamt": amount, "refd_setl_flag": "0"})
        for number, amount in (("S-1", "100.00"), ("S-2", "140.00"))
    ]
    made = [Settlement(infno="5203", msgid="", info=info) for info in both]
    response = answered(
        identifier=identifiers(NAMES, [("setl-id", "S-1"), ("setl-id", "S-2")]),
        total=[
            {
                "category": {"coding": [{"code": "submitted"}]},
                "amount": {"value": Decimal("240.00")},
            }
        ],
    )
    agreeing = settlement_outputs(NAMES, response, made)
    unseen = settlement_outputs(NAMES, response, made[:1])
    both[1].values["refd_setl_flag"] = "1"
    differing = settlement_outputs(NAMES, response, made)

    assert agreeing[-1]["valueBoolean"] is True
    assert unseen[-1]["valueBoolean"] is False
    assert differing[-1]["valueBoolean"] is False
    standing = [row["valueCode"] for row in differing if row["type"].get("text") == "standing"]
    assert standing == ["settled", "cancelled"]
