"""One message that settles two charge batches: what is made stays made, the rest follows."""

from __future__ import annotations

from typing import Any

from gateway.demo import messages as m
from gateway.errors import JournalError

TOTALS = ["240.00", "12.60"]
"""The batches of the visit, yuan, in the order of their upload; together 252.60."""


async def two_batches(world: Any) -> bytes:
    """Upload two batches; the payment of both."""
    await world.charged("O1")
    more = world.his.charges(m.ZHANG, "O1", "O", (world.bottle,), first=2)
    assert (await world.tell(more)).code == "AA"
    payment: bytes = world.his.payment(m.ZHANG, "O1", "O", "252.60")
    return payment


def totals(answer: Any) -> list[str]:
    """The totals of the settlements in an answer."""
    return [segment[7] for segment in answer.segments if segment[0] == "ZSL"]


async def live_totals(world: Any) -> list[str]:
    """The totals of the live settlements at the platform."""
    return [row["medfee_sumamt"] for row in await world.settled("O1")]


async def test_both_batches_are_settled(world: Any) -> None:
    """F-014: a settlement for each batch, both in the answer."""
    answer = await world.tell(await two_batches(world))
    assert (answer.code, totals(answer)) == ("AA", TOTALS)
    assert await live_totals(world) == TOTALS


async def test_the_rest_follows_when_the_second_was_not_sent(world: Any) -> None:
    """A-018: the second settlement could not be sent: AR; the same message settles the rest only
    and its answer names both.
    """
    payment = await two_batches(world)
    await world.admin.fault("delay-before", "2207", seconds=0)
    await world.admin.fault("expired-sign-no", "2207")
    await world.admin.fault("refuse", "9001")
    assert (await world.tell(payment)).code == "AR"
    assert await live_totals(world) == TOTALS[:1]
    answer = await world.tell(payment)
    assert (answer.code, totals(answer)) == ("AA", TOTALS)
    assert await live_totals(world) == TOTALS


async def test_only_the_unknown_one_is_made_anew(open_world: Any) -> None:
    """Policy reverse-and-settle: the first settlement stands, the unknown second one is reversed
    and made once; the final answer names both.
    """
    world = await open_world(policy="reverse-and-settle")
    payment = await two_batches(world)
    await world.admin.fault("delay-before", "2207", seconds=0)
    await world.admin.fault("drop-after", "2207")
    assert (await world.tell(payment)).code == "AE"

    async def final() -> Any:
        answer = await world.tell(payment)
        return answer if answer.code == "AA" else None

    answer = await world.until(final)
    assert totals(answer) == TOTALS
    assert await live_totals(world) == TOTALS
    assert await world.states("2207") == ["accepted", "reversed", "accepted"]


async def test_an_answer_that_could_not_be_stored_is_made_again(
    world: Any, monkeypatch: Any
) -> None:
    """T-027 for an answer: the settlement is stored and its answer is not: the answer given is
    true all the same, and the repeated message names the settlement that was made, and makes none.
    """
    payment = await two_batches(world)
    journal = world.gateway.journal
    finish = journal.finish_exchange

    async def full_disk(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(journal, "finish_exchange", finish)
        raise JournalError("no space left")

    monkeypatch.setattr(journal, "finish_exchange", full_disk)
    first = await world.tell(payment)
    assert (first.code, totals(first)) == ("AA", TOTALS)
    assert await live_totals(world) == TOTALS
    answer = await world.tell(payment)
    assert (answer.code, totals(answer)) == ("AA", TOTALS)
    assert await live_totals(world) == TOTALS


async def test_a_cancellation_whose_answer_could_not_be_stored_is_made_once(
    world: Any, monkeypatch: Any
) -> None:
    """The same for 2208: the repeated Task is completed without another cancellation."""
    claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
    settled = await world.post_fhir("Claim", claim)
    task = world.client.cancellation(settled.body["request"]["reference"].rpartition("/")[2])
    journal = world.gateway.journal
    finish = journal.finish_exchange

    async def full_disk(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(journal, "finish_exchange", finish)
        raise JournalError("no space left")

    monkeypatch.setattr(journal, "finish_exchange", full_disk)
    first = await world.post_fhir("Task", task)
    assert (first.status, first.body["status"]) == (201, "completed")
    answer = await world.post_fhir("Task", task)
    assert (answer.status, answer.body["status"]) == (201, "completed")
    assert await world.requests("2208") == ["2208"]
