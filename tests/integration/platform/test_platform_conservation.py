"""Money on the platform is conserved, whatever the order of settling and taking back."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

P1 = "43010000000000000001"
START = Decimal("1000.00")


async def _books_agree(hospital: Any) -> None:
    """Account, ledger and settlements say the same."""
    standing = await hospital.settlements()
    paid = sum((Decimal(row["acct_pay"]) for row in standing), Decimal(0))
    fund = sum((Decimal(row["fund_pay_sumamt"]) for row in standing), Decimal(0))
    (account,) = await hospital.admin("GET", f"accounts?psn_no={P1}")
    assert Decimal(account["balc"]) == START - paid
    books = {row["region"]: row for row in await hospital.admin("GET", "ledger")}
    for role in ("treated", "funded"):
        assert books["430100"][f"{role}_settlements"] == len(standing)
        assert Decimal(books["430100"][f"{role}_fund_pay_sumamt"]) == fund
        assert Decimal(books["430100"][f"{role}_acct_pay"]) == paid


@pytest.mark.parametrize("seed", range(3))
async def test_the_books_agree_after_every_step(changsha: Any, seed: int) -> None:
    """Forty steps of settling, cancelling (2208) and reversing (2601) four visits at random.

    After each the account is 1000.00 less what standing settlements took from it, and both
    sides of the ledger hold just those settlements.
    """
    chance = random.Random(seed)  # noqa: S311 - a repeatable order, nothing secret
    visits = [await changsha.charged_day("P1", number=f"M{number}") for number in range(4)]
    made: dict[str, tuple[str, str]] = {}
    for _ in range(40):
        mdtrt_id = chance.choice(visits)
        if mdtrt_id not in made:
            content = changsha.settlement("P1", mdtrt_id, "336.00")
            info = (await changsha.call("2207", content))["setlinfo"]
            made[mdtrt_id] = (changsha.last_msgid, info["setl_id"])
        else:
            msgid, setl_id = made.pop(mdtrt_id)
            if chance.random() < 0.5:
                await changsha.call("2208", changsha.key("P1", mdtrt_id, setl_id=setl_id))
            else:
                undo = {"psn_no": P1, "omsgid": msgid, "oinfno": "2207"}
                await changsha.call("2601", {"data": undo})
        assert len(await changsha.settlements()) == len(made)
        await _books_agree(changsha)
