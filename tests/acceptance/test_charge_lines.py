"""Charge lines: many, withdrawn, sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m


def batch(world: Any, item: m.Item, line: int, number: str, *, credit: bool = False) -> bytes:
    """A DFT^P03 of one line (or the credit for it) that names its charge batch."""
    message = world.his.charges(m.ZHANG, "O1", "O", (item,), first=line)
    named: bytes = world.change(message, "FT1", 3, number)
    return named.replace(b"||CG|", b"||CD|") if credit else named


async def test_two_thousand_lines_go_up_in_whole_batches(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-014, F-005: 2,000 lines are several 2204 of at most 100 lines and 40,000 characters, each
    line once.
    """
    await world.tell(world.register(m.ZHANG, "O1"))
    sizes: list[int] = []
    centre = world.platform.centres["430100"]
    handle = centre.handle

    def measured(body: bytes, name: str) -> Any:
        if name == "2204":
            sizes.append(len(body.decode()))
        return handle(body, name)

    monkeypatch.setattr(centre, "handle", measured)
    answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", [world.bottle] * 2000))
    assert answer.code == "AA"
    assert len(sizes) >= 20
    assert max(sizes) <= 40_000
    rows = world.platform._store.all("SELECT chrg_bchno, count(*) FROM charges GROUP BY 1")
    assert sum(count for _, count in rows) == 2000
    assert max(count for _, count in rows) <= 100


async def test_more_lines_than_the_limit_are_refused(open_world: Any) -> None:
    """Limits: a message of more lines than the setting allows is AE; nothing is sent."""
    world = await open_world(limits="max_charge_lines = 3")
    await world.tell(world.register(m.ZHANG, "O1"))
    answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", [world.bottle] * 4))
    assert answer.code == "AE"
    assert answer.field("ERR", 5).startswith("INPUT-LIMIT")
    assert await world.requests("2204") == []


async def test_lines_that_are_uploaded_are_not_uploaded_again(world: Any) -> None:
    """F-006: the same lines in another message make no call; with another amount they are 205."""
    await world.charged("O1")
    assert (await world.tell(world.his.charges(m.ZHANG, "O1", "O", (world.ct,)))).code == "AA"
    dearer = m.Item("CT001", "X线计算机体层(CT)平扫", "1", "241.00", "241.00")
    answer = await world.tell(world.his.charges(m.ZHANG, "O1", "O", (dearer,)))
    assert (answer.code, answer.field("ERR", 3).partition("^")[0]) == ("AE", "205")
    assert await world.requests("2204") == ["2204"]


async def test_an_unsettled_batch_is_withdrawn(world: Any) -> None:
    """T-012 for a batch of one line: the credit makes 2205 for its batch; the other stays and is
    settled.
    """
    await world.tell(world.register(m.ZHANG, "O1"))
    for item, line in ((world.ct, 1), (world.bottle, 2)):
        assert (await world.tell(batch(world, item, line, f"B{line}"))).code == "AA"
    answer = await world.tell(batch(world, world.ct, 1, "B1", credit=True))
    assert answer.code == "AA", answer.lines()
    assert await world.requests("2205") == ["2205"]
    (left,) = world.platform._store.all("SELECT chrg_bchno FROM charges")
    assert left["chrg_bchno"] == "B2"
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "12.60"))
    assert (answer.code, answer.field("ZSL", 7)) == ("AA", "12.60")


async def test_a_withdrawn_line_can_be_charged_anew(world: Any) -> None:
    """T-012: after 2205 the corrected line goes up in a new batch."""
    await world.tell(world.register(m.ZHANG, "O1"))
    await world.tell(batch(world, world.ct, 1, "B1"))
    await world.tell(batch(world, world.ct, 1, "B1", credit=True))
    assert (await world.tell(batch(world, world.bottle, 1, "B2"))).code == "AA"
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "12.60"))
    assert (answer.code, answer.field("ZSL", 7)) == ("AA", "12.60")


async def test_settled_lines_cannot_be_withdrawn(world: Any) -> None:
    """F-011: a credit for a settled batch is AE, and 2205 is not sent."""
    await world.tell(world.register(m.ZHANG, "O1"))
    await world.tell(batch(world, world.ct, 1, "B1"))
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    answer = await world.tell(batch(world, world.ct, 1, "B1", credit=True))
    assert answer.code == "AE", answer.lines()
    assert await world.requests("2205") == []
    assert len(await world.settled("O1")) == 1


async def test_a_credit_never_takes_back_more_than_it_names(world: Any) -> None:
    """T-012, T-013: a credit for one line of a batch of two, and one for a line that was never
    uploaded, are AE; nothing is withdrawn, neither of an outpatient nor of an inpatient.
    """
    await world.charged("O1", items=(world.ct, world.bottle))
    (row, *_) = world.platform._store.all("SELECT chrg_bchno FROM charges")
    for line in (1, 9):
        answer = await world.tell(batch(world, world.ct, line, row["chrg_bchno"], credit=True))
        assert answer.code == "AE", answer.lines()
    await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))
    await world.tell(world.his.charges(m.ZHANG, "I1", "I", (world.ct, world.bottle)))
    one = world.his.charges(m.ZHANG, "I1", "I", (world.ct,)).replace(b"||CG|", b"||CD|")
    assert (await world.tell(one)).code == "AE"
    both = world.his.charges(m.ZHANG, "I1", "I", (world.ct, world.bottle))
    assert (await world.tell(both.replace(b"||CG|", b"||CD|"))).code == "AA"
    assert await world.requests("2205") == []
    assert await world.requests("2302") == ["2302"]


async def test_a_part_of_an_inpatients_charge_goes_back(world: Any) -> None:
    """F-012: of ten bottles three go back: 2301 with -3 and -37.80, naming the line; 88.20 stay.

    What refers to a line that was never uploaded is AE 204, and nothing is sent.
    """
    bottles = m.Item("YP001", "阿莫西林片", "10", "12.60", "126.00")
    await world.tell(world.register(m.ZHANG, "I1", "K35.900", "A01"))
    await world.tell(world.his.charges(m.ZHANG, "I1", "I", (bottles,)))
    back = bottles._replace(quantity="3", amount="37.80")

    def credit(number: int, original: str) -> bytes:
        message = world.his.charges(m.ZHANG, "I1", "I", (back,), first=number)
        return bytes(world.change(message.replace(b"||CG|", b"||CD|"), "FT1", 31, original))

    assert (await world.tell(credit(2, "1"))).code == "AA"
    rows = world.platform._store.all(
        "SELECT cnt, det_item_fee_sumamt, init_feedetl_sn FROM charges ORDER BY feedetl_sn"
    )
    assert [tuple(row) for row in rows] == [("10", "126.00", ""), ("-3", "-37.80", "1")]
    unknown = await world.tell(credit(3, "9"))
    assert (unknown.code, unknown.field("ERR", 3)[:3]) == ("AE", "204")
    assert unknown.field("ERR", 2) == "FT1^1^31^1^1"
    assert await world.requests("2301") == ["2301", "2301"]
    discharge = world.his.visit("A03", m.ZHANG, "I1", "I", world.his.diagnosis("K35.900", "x", "F"))
    assert (await world.tell(discharge)).code == "AA"
    settled = await world.tell(world.his.payment(m.ZHANG, "I1", "I", "88.20"))
    assert (settled.code, settled.field("ZSL", 7)) == ("AA", "88.20")


async def test_a_credit_needs_its_batch(world: Any) -> None:
    """A credit that names no charge batch is AE 101 at FT1-3, and 2205 is not sent."""
    await world.charged("O1")
    message = world.his.charges(m.ZHANG, "O1", "O", (world.ct,))
    answer = await world.tell(message.replace(b"||CG|", b"||CD|"))
    assert (answer.code, answer.field("ERR", 3).partition("^")[0]) == ("AE", "101")
    assert answer.field("ERR", 2) == "FT1^1^3"
    assert await world.requests("2205") == []


async def test_charges_after_a_settlement_are_settled_on_their_own(world: Any) -> None:
    """A later batch of a settled visit is settled by itself; the first settlement stands."""
    await world.charged("O1")
    await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    more = world.his.charges(m.ZHANG, "O1", "O", (world.bottle,), first=2)
    assert (await world.tell(more)).code == "AA"
    answer = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "12.60"))
    # The deductible of the day is used up: 12.60 x 70 % = 8.82.
    assert (answer.code, answer.field("ZSL", 8)) == ("AA", "8.82")
    assert [row["medfee_sumamt"] for row in await world.settled("O1")] == ["240.00", "12.60"]
