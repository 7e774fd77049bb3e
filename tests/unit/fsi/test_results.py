"""Replies as typed results: exact amounts, missing ones zero, wrong kinds never guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import UnknownOutcomeError
from gateway.fsi.definitions import Definitions
from gateway.fsi.replies import decode_reply
from gateway.fsi.results import person, settlement
from gateway.fsi.wire import encode_json

HUNAN = Definitions.load("HN")


def _output(infno: str, output: Any) -> dict[str, Any]:
    body = encode_json({"infcode": "0", "output": output})
    return decode_reply(body, HUNAN.transaction(infno)).output


SETTLED = {
    "setlinfo": {
        "setl_id": "S1",
        "mdtrt_id": 430100,
        "psn_no": "P1",
        "medfee_sumamt": "100.00",
        "fund_pay_sumamt": Decimal("70.00"),
        "psn_part_amt": 30,
        "acct_pay": "20.00",
        "acct_mulaid_pay": "5.00",
        "psn_cash_pay": "10.00",
        "balc": None,
        "brand_new": {},
    },
    "setldetail": {"fund_pay_type": "310100", "fund_payamt": "70.00"},
}


def test_a_settlement_has_exact_amounts() -> None:
    """Numbers and texts alike become decimals; null and absent are zero; ids are texts."""
    found = settlement(_output("2207", SETTLED))
    assert (found.setl_id, found.mdtrt_id) == ("S1", "430100")
    assert (str(found.medfee_sumamt), found.psn_part_amt) == ("100.00", Decimal(30))
    assert (found.balc, found.hosp_part_amt) == (Decimal(0), Decimal(0))
    assert [fund.fund_payamt for fund in found.funds] == [Decimal("70.00")]
    assert list(found.broken_identities()) == []


@pytest.mark.parametrize(
    ("node", "field", "amount", "broken"),
    [
        ("setlinfo", "psn_cash_pay", "10.01", ["psn_part_amt = acct_pay + psn_cash_pay"]),
        (
            "setlinfo",
            "medfee_sumamt",
            "100.01",
            ["medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt"],
        ),
        ("setldetail", "fund_payamt", "69.99", ["fund_pay_sumamt = sum of fund_payamt"]),
    ],
)
def test_an_identity_that_does_not_hold_is_named(
    node: str, field: str, amount: str, broken: list[str]
) -> None:
    """A fen is enough; the relative's part is inside acct_pay and not added."""
    content: dict[str, Any] = {name: dict(row) for name, row in SETTLED.items()}
    content[node][field] = amount
    assert list(settlement(_output("2207", content)).broken_identities()) == broken


def test_the_parts_of_the_fund_by_kind_are_held_against_their_sum() -> None:
    """70.00 in all: 60.00 of the basic fund and 10.00 of the large-amount fund, not 9.99."""
    content: dict[str, Any] = {name: dict(row) for name, row in SETTLED.items()}
    content["setlinfo"].update(hifp_pay="60.00", hifob_pay="10.00")
    assert list(settlement(_output("2207", content)).broken_identities()) == []
    content["setlinfo"].update(hifob_pay="9.99")
    (broken,) = settlement(_output("2207", content)).broken_identities()
    assert broken.startswith("fund_pay_sumamt = hifp_pay + ")


def test_the_cash_of_a_cancelled_settlement_is_read_in_both_spellings() -> None:
    """pdn_cash_pay in 2208, and wherever else a platform copies the slip."""
    for infno in ("2208", "2305", "2207", "2304"):
        found = settlement(_output(infno, {"setlinfo": {"setl_id": "S1", "pdn_cash_pay": "-3.10"}}))
        assert found.psn_cash_pay == Decimal("-3.10")


@pytest.mark.parametrize("output", [{}, {"setlinfo": None}, {"setlinfo": {}}])
def test_a_reply_without_a_settlement_is_unknown(output: Any) -> None:
    """An acceptance without figures is not a settlement of nothing."""
    with pytest.raises(UnknownOutcomeError, match="setlinfo"):
        settlement(_output("2207", output))


@pytest.mark.parametrize("amount", ["twelve", [1], {}, True, "NaN", "Infinity"])
def test_an_amount_that_is_none_is_unknown(amount: Any) -> None:
    """Nothing is read as zero because it could not be read."""
    with pytest.raises(UnknownOutcomeError, match="medfee_sumamt"):
        settlement(_output("2207", {"setlinfo": {"setl_id": "S1", "medfee_sumamt": amount}}))


def test_a_person_has_insurances() -> None:
    """Each with its own type, state, balance and place."""
    found = person(
        _output(
            "1101",
            {
                "baseinfo": {"psn_no": "P1", "gend": 1},
                "insuinfo": [
                    {"insutype": "310", "balc": "1000.00", "psn_insu_stas": "1"},
                    {"insutype": 390, "insuplc_admdvs": "430100"},
                ],
            },
        )
    )
    assert (found.psn_no, found.gend) == ("P1", "1")
    assert [(i.insutype, i.balc) for i in found.insurances] == [
        ("310", Decimal("1000.00")),
        ("390", Decimal(0)),
    ]
    with pytest.raises(UnknownOutcomeError, match="baseinfo"):
        person({})
