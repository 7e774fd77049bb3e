"""Claims and charges that are refused before anything is sent, each at the place that is wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway.clock import CHINA
from gateway.demo import messages as m
from tests.acceptance.releases import RELEASES, ask, post

IN_ALL = pytest.mark.parametrize("release", RELEASES)


class Evening:
    """A clock that stands: 1 March 2026, 20:00."""

    def now(self) -> datetime:
        """The time of day."""
        return datetime(2026, 3, 1, 20, 0, 0, tzinfo=CHINA)

    def monotonic(self) -> float:
        """No time passes."""
        return 0.0


def places(reply: Any) -> set[str]:
    """The expressions of an OperationOutcome."""
    return {place for issue in reply.body["issue"] for place in issue.get("expression", [])}


def lines(claim: dict[str, Any], *amounts: str) -> dict[str, Any]:
    """The claim with one item for each amount, and their sum as its total."""
    items = [
        {
            **claim["item"][0],
            "sequence": number,
            "quantity": {"value": Decimal(1)},
            "unitPrice": {"value": Decimal(amount), "currency": "CNY"},
            "net": {"value": Decimal(amount), "currency": "CNY"},
        }
        for number, amount in enumerate(amounts, start=1)
    ]
    total = sum((Decimal(amount) for amount in amounts), Decimal(0))
    return {**claim, "item": items, "total": {"value": total, "currency": "CNY"}}


@IN_ALL
async def test_amounts_finer_than_a_fen_are_refused_where_they_stand(
    world: Any, release: str
) -> None:
    """F-001: 120.004 + 119.996 = 240.000; both items and the total have three decimals."""
    two, one = (world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00") for _ in range(2))
    refused = await post(world, release, "Claim", lines(two, "120.004", "119.996"))
    total = await post(world, release, "Claim", lines(one, "240.001"))

    items = {"Claim.item[0].net.value", "Claim.item[1].net.value"}
    assert (refused.status, total.status) == (422, 422)
    assert places(refused) >= items
    assert places(total) == {"Claim.item[0].net.value", "Claim.total.value"}
    assert await world.requests() == []


@IN_ALL
async def test_a_service_of_tomorrow_is_not_charged(world: Any, release: str) -> None:
    """A line says what was done; ten minutes are taken for clocks that differ."""
    now = world.clock.now()
    dated, timed, near = (
        world.client.claim(m.ZHANG, "F2", (world.ct,), "240.00") for _ in range(3)
    )
    dated["item"][0]["servicedDate"] = f"{now + timedelta(days=1):%Y-%m-%d}"
    for one, ahead in ((timed, timedelta(hours=1)), (near, timedelta(minutes=1))):
        one["item"][0].pop("servicedDate", None)
        one["item"][0]["servicedPeriod"] = {"start": (now + ahead).isoformat(timespec="seconds")}
    answers = [await post(world, release, "Claim", one) for one in (dated, timed, near)]

    assert [one.status for one in answers] == [422, 422, 201]
    assert places(answers[0]) == {"Claim.item[0].serviced"}
    assert places(answers[1]) == {"Claim.item[0].serviced.start"}
    assert answers[2].body["outcome"] == "complete"


async def test_a_day_without_a_time_is_not_put_after_now(open_world: Any, taken: Any) -> None:
    """A visit that began at 22:00 the day before: its line of today is of 20:00, which it is now."""
    world = await open_world(clock=Evening())
    claim = world.client.claim(m.ZHANG, "F3", (world.ct,), "240.00")
    claim["contained"][2]["period"] = {"start": "2026-02-28T22:00:00+08:00"}
    claim["item"] = [{**claim["item"][0], "servicedDate": "2026-03-01"}]
    made = await world.post_fhir("Claim", claim)
    (charged,) = [one["input"] for one in taken if one["infno"] == "2204"]

    assert made.body["outcome"] == "complete", made.body
    assert charged["feedetail"][0]["fee_ocur_time"] == "2026-03-01 20:00:00"


async def test_a_charge_of_tomorrow_is_refused_over_hl7(world: Any) -> None:
    """The same at FT1-4."""
    tomorrow = world.clock.now() + timedelta(days=1)
    assert (await world.tell(world.register(m.ZHANG, "F4"))).code == "AA"
    charges = world.his.charges(m.ZHANG, "F4", "O", (world.ct,))
    answer = await world.tell(world.change(charges, "FT1", 4, f"{tomorrow:%Y%m%d%H%M%S}"))

    assert answer.code == "AE"
    assert answer.field("ERR", 2) == "FT1^1^4^1^1", answer.lines()
    assert await world.requests("2204") == []


@IN_ALL
async def test_a_claim_of_no_focal_insurance_is_not_settled(world: Any, release: str) -> None:
    """Claim.insurance.focal: the claim is settled by the one that is true."""
    claim = world.client.claim(m.ZHANG, "F5", (world.ct,), "240.00")
    claim["insurance"] = [{**claim["insurance"][0], "focal": False}]
    refused = await post(world, release, "Claim", claim)

    assert refused.status == 422
    assert places(refused) == {"Claim.insurance[0].focal"}
    assert await world.requests() == []


@IN_ALL
async def test_a_claim_put_as_cancelled_and_changed_stays_settled(world: Any, release: str) -> None:
    """X-050: 409 with the elements that differ; the same Claim with another status is cancelled."""
    made = await post(
        world, release, "Claim", world.client.claim(m.ZHANG, "F6", (world.ct,), "240.00")
    )
    path = f"Claim/{made.body['id']}"
    kept = (await ask(world, "GET", release, path)).body
    changed = {**kept, "status": "cancelled", "created": "2026-01-01"}
    conflict = await ask(world, "PUT", release, path, changed)
    after = await ask(world, "GET", release, path)
    standing = await world.settled("F6")
    cancelled = await ask(world, "PUT", release, path, {**kept, "status": "cancelled"})

    assert (conflict.status, places(conflict)) == (409, {"Claim.created"})
    assert after.body == kept
    assert len(standing) == 1
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert await world.settled("F6") == []
