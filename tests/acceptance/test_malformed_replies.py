"""A platform that accepts, signs, and gives an output that lacks what it must give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.demo import messages as m


def answering(
    world: Any, patch: pytest.MonkeyPatch, infno: str, change: Callable[[dict[str, Any]], None]
) -> None:
    """Have the centre change its output of a transaction before it signs it."""
    centre = world.platform.centres["430100"]
    encode = centre.encode

    def altered(reply: Any, **more: Any) -> bytes:
        if reply.infno == infno and reply.infcode == 0:
            change(reply.output)
        encoded: bytes = encode(reply, **more)
        return encoded

    patch.setattr(centre, "encode", altered)


def refusal(answer: Any) -> str:
    """Our code in ERR-5."""
    return str(answer.field("ERR", 5)).partition("^")[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda output: output.clear(),
        lambda output: output["setlinfo"].pop("setl_id"),
        lambda output: output["setlinfo"].update(setl_id=""),
        lambda output: output["setlinfo"].update(medfee_sumamt="many"),
        lambda output: output["setlinfo"].update(fund_pay_sumamt="NaN"),
        lambda output: output.update(setlinfo="none"),
    ],
    ids=["nothing", "no id", "empty id", "no amount", "not a number", "no object"],
)
async def test_a_settlement_that_cannot_be_read_is_unknown(
    world: Any, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]
) -> None:
    """T-029: infcode 0 with malformed output is an unknown outcome, which holds the visit."""
    await world.charged("O1")
    answering(world, monkeypatch, "2207", change)
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")
    assert await world.states("2207") == ["unknown"]
    other = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert other.field("ERR", 3).partition("^")[0] == "206"


async def test_a_settlement_that_cannot_be_read_is_reversed_by_the_policy(
    open_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-029 with policy reverse: the unreadable settlement is undone."""
    world = await open_world(policy="reverse")
    await world.charged("O1")
    answering(world, monkeypatch, "2207", lambda output: output["setlinfo"].pop("setl_id"))
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert refusal(await world.tell(payment)) == "FSI-UNKNOWN"

    async def known() -> Any:
        answer = await world.tell(payment)
        return answer if refusal(answer) != "FSI-UNKNOWN" else None

    assert refusal(await world.until(known)) == "FSI-REVERSED"
    assert await world.settled("O1") == []


async def test_a_query_that_cannot_be_read_is_an_error(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-029 for reads: 1101 without psn_no is AE; nothing is held and nothing follows."""
    answering(world, monkeypatch, "1101", lambda output: output["baseinfo"].pop("psn_no"))
    answer = await world.tell(world.register(m.ZHANG, "O1"))
    assert (answer.code, refusal(answer)) == ("AE", "FSI-REPLY")
    assert await world.requests() == ["1101"]


async def test_another_name_than_the_registered_one_opens_no_visit(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that does not compare names: the gateway does, and names PID-5."""
    answering(world, monkeypatch, "1101", lambda output: output["baseinfo"].update(psn_name="张帆"))
    answer = await world.tell(world.register(m.ZHANG, "O1"))
    assert (answer.code, refusal(answer)) == ("AE", "PERSON-CONFLICT")
    assert answer.field("ERR", 2).startswith("PID^1^5")
    assert await world.requests() == ["1101"]


async def test_sums_that_differ_are_told_and_nothing_is_altered(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-013, F-014: the platform's amounts go through as they came, with a warning beside."""
    await world.charged("O1")
    answering(world, monkeypatch, "2207", lambda o: o["setlinfo"].update(psn_part_amt="1.00"))
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert (answer.code, answer.field("ZSL", 9)) == ("AA", "1.00")
    warnings = [s for s in answer.segments if s[0] == "ERR"]
    assert {(segment[4], segment[5].partition("^")[0]) for segment in warnings} == {
        ("W", "AMOUNT-MISMATCH")
    }


async def test_several_rows_of_a_settlement_are_unknown(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-029: a node that occurs once and comes twice says nothing certain."""
    await world.charged("O1")
    answering(
        world, monkeypatch, "2207", lambda o: o.update(setlinfo=[o["setlinfo"], o["setlinfo"]])
    )
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert (answer.code, refusal(answer)) == ("AE", "FSI-UNKNOWN")


@pytest.mark.parametrize(("region", "code"), [("", "REGION-EMPTY"), ("4301", "REGION-UNKNOWN")])
async def test_a_row_without_a_whole_region_opens_no_visit(
    world: Any, monkeypatch: pytest.MonkeyPatch, region: str, code: str
) -> None:
    """pooling.md: an insured region that is empty or has four digits is no local patient; AE and
    2201 is not sent.
    """

    def change(output: dict[str, Any]) -> None:
        for row in output["insuinfo"]:
            row["insuplc_admdvs"] = region

    answering(world, monkeypatch, "1101", change)
    answer = await world.tell(world.register(m.ZHANG, "O1"))
    assert (answer.code, refusal(answer)) == ("AE", code)
    assert await world.requests() == ["1101"]
