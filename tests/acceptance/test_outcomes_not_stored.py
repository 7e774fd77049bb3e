"""A transaction that the platform took and the journal could not note down as it is."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.errors import JournalError, StateError
from gateway.intents import Accepted
from gateway.settlement import dispatching


def refusal(answer: Any) -> str:
    """Our code in ERR-5."""
    return str(answer.field("ERR", 5)).partition("^")[0]


def fail_once(world: Any, monkeypatch: Any, error: Exception, text: str) -> None:
    """The journal fails to store the first accepted reply whose output has this member."""
    journal = world.gateway.journal
    store = journal.record_outcome

    async def failing(msgid: str, outcome: Any, **more: Any) -> Any:
        if isinstance(outcome, Accepted) and f"'{text}'" in str(outcome.reply.output):
            monkeypatch.setattr(journal, "record_outcome", store)
            raise error
        return await store(msgid, outcome, **more)

    monkeypatch.setattr(journal, "record_outcome", failing)


@pytest.mark.parametrize(
    "error", [StateError("the visit was changed after version 3"), JournalError("no space left")]
)
async def test_an_upload_that_could_not_be_noted_is_unknown_and_not_repeated(
    world: Any, monkeypatch: Any, error: Exception
) -> None:
    """Lines that the platform took while the visit changed elsewhere, or the journal failed: the
    sender is told that the outcome is unknown, the operator sees it, and nothing uploads the
    lines a second time.
    """
    assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
    fail_once(world, monkeypatch, error, "result")
    charges = world.his.charges(m.ZHANG, "O1", "O", (world.ct,))
    for _ in range(2):
        answer = await world.tell(charges)
        assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
    other = await world.tell(world.his.charges(m.ZHANG, "O1", "O", (world.ct,)))
    assert (other.code, refusal(other)) == ("AE", "VISIT-HELD")
    assert await world.states("2204") == ["unknown"]
    assert await world.requests("2204") == ["2204"]


async def test_a_settlement_that_could_not_be_noted_is_not_shown_as_made(
    world: Any, monkeypatch: Any
) -> None:
    """The answer that says that the outcome is unknown has no settlement in it."""
    await world.charged("O1")
    fail_once(world, monkeypatch, StateError("the visit was changed"), "setl_id")
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
    assert [segment for segment in answer.segments if segment[0] == "ZSL"] == []
    assert await world.states("2207") == ["unknown"]


async def test_a_number_that_the_hospital_took_first_is_passed_over(
    world: Any, monkeypatch: Any
) -> None:
    """A hospital that numbers its own messages may take the very number that the gateway would
    give next: the call gets another one, and the message is carried out.
    """
    taken = world.msgid()
    person = {"mdtrt_cert_type": "02", "mdtrt_cert_no": m.ZHANG.certno, "psn_cert_type": "01"}
    content = {"data": {**person, "certno": m.ZHANG.certno, "psn_name": m.ZHANG.name}}
    assert (await world.carry("1101", content, msgid=taken)).status == 200
    real, given = dispatching.new_msgid, [taken]

    def number(*place: Any) -> str:
        return given.pop() if given else real(*place)

    monkeypatch.setattr(dispatching, "new_msgid", number)
    assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
    assert given == []
    assert await world.requests() == ["1101", "1101", "2201", "2203"]
