"""Purchases in a pharmacy: 2101, 2102, 2103 under the money rules of every settlement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.intents import Status, Verb, VisitClass
from gateway.settlement.confirming import Shown
from gateway.settlement.deciding import Decision
from tests.acceptance.asking import SHOP, Asker, intent, let_intents_in, purchase

OpenWorld = Callable[..., Awaitable[Any]]


@pytest.fixture
async def shop(open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world with a pharmacy."""
    let_intents_in(monkeypatch)
    return await open_world(limits=SHOP)


async def settled(world: Any) -> list[dict[str, Any]]:
    """The platform's live settlements."""
    rows: list[dict[str, Any]] = await world.admin.rows("settlements", state="settled")
    return rows


async def test_a_purchase_is_computed_settled_and_taken_back(shop: Any) -> None:
    """150.00 in scope: 50 are the deductible of a level-3 institution, 70 % of the rest are paid.

    2103 leaves nothing: neither a settlement nor a visit that could be settled again.
    """
    asker = Asker(shop, "shop")
    computed = await asker.ask(purchase(Verb.PRESETTLE, "S1", "60.00", "90.00"))
    assert (computed.status, computed.problems) == (Status.DONE, [])
    assert computed.presettlement is not None
    assert computed.presettlement.info.get("fund_pay_sumamt") == "70.00"
    assert await settled(shop) == []
    sold = await asker.ask(purchase(Verb.SETTLE, "S1", "60.00", "90.00"))
    (settlement,) = sold.settlements
    assert (sold.status, settlement.infno) == (Status.DONE, "2102")
    assert settlement.info.get("fund_pay_sumamt") == "70.00"
    assert [row.get("det_item_fee_sumamt") for row in sold.charge_results] == ["60.00", "90.00"]
    (row,) = await settled(shop)
    assert (row["setting"], row["clr_type"], row["medfee_sumamt"]) == ("pharmacy", "41", "150.00")
    undo = intent(
        Verb.CANCEL,
        visit={"ipt_otp_no": "S1"},
        settlement={"setl_id": settlement.info.get("setl_id")},
    )
    gone = await asker.ask(undo)
    assert (gone.status, gone.settlements[0].cancels) == (Status.DONE, row["setl_id"])
    assert gone.settlements[0].info.get("medfee_sumamt") == "-150.00"
    assert await settled(shop) == []
    asked = ["1101", "2101", "1101", "2101", "2102", "2103"]
    assert await shop.requests() == asked
    again = await asker.ask(purchase(Verb.SETTLE, "S1", "60.00"))
    assert [problem.code.value for problem in again.problems] == ["VISIT-STATE"]
    assert await shop.requests() == asked


async def test_the_kind_of_institution_decides(shop: Any) -> None:
    """Matrix 2.1: what a hospital dispenses is charged and settled as a visit, and a pharmacy
    never registers one, whatever the message calls it.
    """
    outpatient = purchase(Verb.SETTLE, "S1", "60.00")
    outpatient.visit_class = VisitClass.OUTPATIENT
    sold = await Asker(shop, "shop").ask(outpatient)
    assert [call.infno for call in sold.calls] == ["1101", "2101", "2102"]
    dispensed = await Asker(shop, "his").ask(purchase(Verb.PRESETTLE, "O9", "60.00"))
    assert dispensed.intent.visit_class is VisitClass.OUTPATIENT


async def test_the_stated_total_is_the_sum_of_the_lines(shop: Any) -> None:
    """F-010 for purchases: 150.00 of lines and a stated 151.00 are not sent; nor is nothing."""
    asker = Asker(shop, "shop")
    wrong = purchase(Verb.SETTLE, "S1", "150.00", settlement={"medfee_sumamt": "151.00"})
    for each, code in ((wrong, "AMOUNT-MISMATCH"), (purchase(Verb.SETTLE, "S2"), "CHARGE-UNKNOWN")):
        result = await asker.ask(each)
        assert [problem.code.value for problem in result.problems] == [code]
    assert await shop.requests() == []


@pytest.mark.parametrize(("fault", "live"), [("drop-before", 0), ("drop-after", 1)])
async def test_a_purchase_of_unknown_outcome_is_not_repeated(
    shop: Any, fault: str, live: int
) -> None:
    """A-020, F-017, F-021: the same message, and another of the purchase, send nothing."""
    asker = Asker(shop, "shop")
    await shop.admin.fault(fault, "2102")
    sale = purchase(Verb.SETTLE, "S1", "60.00")
    for _ in range(2):
        assert (await asker.ask(sale, "M1")).status is Status.UNKNOWN
    held = await asker.ask(sale, "M2")
    assert [problem.code.value for problem in held.problems] == ["VISIT-HELD"]
    assert await shop.states("2102") == ["unknown"]
    assert len(await settled(shop)) == live


async def test_a_purchase_of_unknown_outcome_is_undone_and_made_anew(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-018: the policy sends 2601 of the 2102, and then one 2102 more: one live settlement."""
    let_intents_in(monkeypatch)
    world = await open_world(limits=SHOP, policy="reverse-and-settle")
    asker, sale = Asker(world, "shop"), purchase(Verb.SETTLE, "S1", "60.00")
    await world.admin.fault("drop-after", "2102")
    assert (await asker.ask(sale, "M1")).status is Status.UNKNOWN

    async def known() -> Any:
        result = await asker.ask(sale, "M1")
        return result if result.status is not Status.UNKNOWN else None

    result = await world.until(known)
    assert (result.status, len(result.settlements)) == (Status.DONE, 1)
    (row,) = await settled(world)
    assert row["setl_id"] == result.settlements[0].info.get("setl_id")
    assert await world.states("2102") == ["reversed", "accepted"]
    assert await world.states("2601") == ["accepted"]


async def test_an_operator_confirms_a_purchase_and_it_can_be_taken_back(shop: Any) -> None:
    """The purchase's mdtrt_id was in the reply that was lost: 5201 finds it, 5203 proves it."""
    asker, sale = Asker(shop, "shop"), purchase(Verb.SETTLE, "S1", "60.00")
    await shop.admin.fault("drop-after", "2102")
    assert (await asker.ask(sale, "M1")).status is Status.UNKNOWN
    (row,) = await settled(shop)
    (send,) = await shop.sends("2102")
    decider = shop.gateway._decider
    left = await decider.decide(
        send.msgid,
        Decision.CONFIRM,
        operator="王主任",
        note="已核实",
        shown=Shown(setl_id=row["setl_id"]),
    )
    assert left is None
    told = await asker.ask(sale, "M1")
    assert (told.status, told.settlements[0].info.get("setl_id")) == (Status.DONE, row["setl_id"])
    undo = intent(Verb.CANCEL, visit={"ipt_otp_no": "S1"}, settlement={"setl_id": row["setl_id"]})
    assert (await asker.ask(undo)).status is Status.DONE
    assert await settled(shop) == []


async def test_taking_back_is_money_too(shop: Any) -> None:
    """A 2103 of unknown outcome is not sent again, and holds the purchase."""
    asker = Asker(shop, "shop")
    sold = await asker.ask(purchase(Verb.SETTLE, "S1", "60.00"))
    setl_id = sold.settlements[0].info.get("setl_id")
    undo = intent(Verb.CANCEL, visit={"ipt_otp_no": "S1"}, settlement={"setl_id": setl_id})
    await shop.admin.fault("drop-after", "2103")
    for _ in range(2):
        assert (await asker.ask(undo, "M9")).status is Status.UNKNOWN
    assert await shop.states("2103") == ["unknown"]
    assert [p.code.value for p in (await asker.ask(undo)).problems] == ["VISIT-HELD"]
