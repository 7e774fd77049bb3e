"""A settlement whose reply is lost, and the centre's real books (3201, 3202) before the resolver."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.settlement.reconciling import Held, NotHeld
from tests.acceptance.test_unknown_outcomes import answered, refusal

BOOKS = """
[reconciliation]
enabled = true
catch_up_days = 1
insutypes = ["310"]
clr_types = ["11"]
setl_optins = ["430100"]
"""


@pytest.fixture
async def reading(open_world: Any) -> Any:
    """A world that holds what is unknown and reads the centre's books."""
    return await open_world(sections=BOOKS)


async def test_a_settlement_that_happened_is_proven_by_the_books(reading: Any) -> None:
    """The reply to 2207 is lost. The file of 3202 names our msgid, 5203 gives the settlement: the
    message gets AA with its amounts (216.00 - 50.00) x 70 % = 116.20, without a second 2207 and
    without a 2601.
    """
    world = reading
    await world.charged("O1")
    await world.admin.fault("drop-after", "2207")
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
    answer = await answered(world, payment)
    assert (answer.code, answer.field("ZSL", 8)) == ("AA", "116.20")
    (live,) = await world.settled("O1")
    assert answer.field("ZSL", 3) == live["setl_id"]
    assert await world.states("2207") == ["confirmed"]
    (send,) = await world.sends("2207")
    ours = [each.infno for each in await world.gateway.journal.sends(exchange_id=send.exchange_id)]
    assert (ours.count("2207"), ours.count("5203"), ours.count("2601")) == (1, 1, 0)
    taken = await world.requests()
    assert taken.index("3201") < taken.index("3202") < taken.index("5203")
    assert (await world.gateway.journal.audit_verify()).intact


async def test_what_is_not_in_the_books_is_not_proven_absent(
    open_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2207 is still on its way: the books are compared without it, which proves nothing. The outcome
    stays unknown and the visit held; once the settlement lands, a later look proves it.
    """
    world = await open_world(sections=BOOKS, resolver="max_read_backs = 400")
    await world.charged("O1")
    reader = world.gateway.office.reader
    read, answers = reader.held, []

    async def held(fixmedins_code: str, msgids: Any) -> Any:
        found = await read(fixmedins_code, msgids)
        answers.extend(found.values())
        return found

    monkeypatch.setattr(reader, "held", held)
    await world.admin.fault("late", "2207", seconds=60)
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"

    async def looked_twice() -> bool:
        return len(answers) > 1

    await world.until(looked_twice)
    assert all(isinstance(answer, NotHeld) for answer in answers)
    assert await world.states("2207") == ["unknown"]
    assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"
    other = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert refusal(other) == "VISIT-HELD"
    assert await world.settled("O1") == []
    world.gate.opened.set()
    answer = await answered(world, payment)
    assert (answer.code, answer.field("ZSL", 8)) == ("AA", "116.20")
    assert isinstance(answers[-1], Held)
    assert await world.states("2207") == ["confirmed"]
    assert len(await world.settled("O1")) == 1
