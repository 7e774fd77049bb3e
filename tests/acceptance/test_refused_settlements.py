"""What a message leaves behind when its last step is refused: by the profile, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.demo import messages as m
from gateway.settlement.visits import Visit, decode_visit

REFUSAL = "基金结算窗口未开放"


@pytest.fixture
async def undoing(open_world: Any, tmp_path: Path) -> Any:
    """A world whose region withdraws what a refused settlement leaves behind."""
    profile = tmp_path / "undo.toml"
    profile.write_text('title = "undo"\nextends = "hunan"\nafter_refusal = "undo"\n', "utf-8")
    return await open_world(profile=str(profile))


async def visit_of(world: Any) -> Visit:
    """The only visit."""
    (row,) = await world.gateway.journal.visits()
    return decode_visit(row.data, row.version)


def claim(world: Any) -> dict[str, Any]:
    """A claim that registers, uploads one tomography and settles it."""
    made: dict[str, Any] = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
    return made


async def test_charges_stay_for_the_next_settlement(world: Any) -> None:
    """`keep`, the default: a further claim of the visit settles them once, without a new upload."""
    await world.admin.fault("refuse", "2207", message=REFUSAL)
    refused = await world.post_fhir("Claim", claim(world))
    assert refused.body["outcome"] == "error"
    assert (await visit_of(world)).state.value == "charged"
    assert await world.requests("2205") == []


async def test_charges_are_withdrawn_with_the_refusal(undoing: Any) -> None:
    """`undo`: 2205 of the batch; the platform's refusal and the withdrawal are both told."""
    await undoing.admin.fault("refuse", "2207", message=REFUSAL)
    refused = await undoing.post_fhir("Claim", claim(undoing))
    assert refused.body["outcome"] == "error"
    assert REFUSAL in refused.raw.decode()
    assert await undoing.requests() == ["1101", "2201", "2203", "2204", "2206", "2205"]
    assert await undoing.states("2207") == ["rejected"]
    visit = await visit_of(undoing)
    assert (visit.state.value, visit.batches) == ("registered", [])


async def test_what_another_message_uploaded_is_left(undoing: Any) -> None:
    """A payment that uploads nothing undoes nothing."""
    await undoing.charged("O1")
    await undoing.admin.fault("refuse", "2207", message=REFUSAL)
    answer = await undoing.tell(undoing.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert (answer.code, answer.field("ERR", 8)) == ("AE", REFUSAL)
    assert await undoing.requests("2205") == []
    assert (await undoing.tell(undoing.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"


async def test_a_withdrawal_of_unknown_outcome_holds_the_visit(undoing: Any) -> None:
    """The refusal is known and the undoing is not: 202, and an operator has it."""
    await undoing.admin.fault("refuse", "2207", message=REFUSAL)
    await undoing.admin.fault("drop-after", "2205")
    answer = await undoing.post_fhir("Claim", claim(undoing))
    assert answer.status == 202
    assert await undoing.states("2205") == ["unknown"]


async def test_a_refused_withdrawal_is_told(undoing: Any) -> None:
    """The charges are uploaded and not settled, which the hospital has to know."""
    await undoing.admin.fault("refuse", "2207", message=REFUSAL)
    await undoing.admin.fault("refuse", "2205", message="明细正在审核")
    refused = await undoing.post_fhir("Claim", claim(undoing))
    text = refused.raw.decode()
    assert (refused.body["outcome"], REFUSAL in text, "明细正在审核" in text) == (
        "error",
        True,
        True,
    )
    assert (await visit_of(undoing)).state.value == "charged"


async def test_an_unknown_settlement_undoes_nothing(undoing: Any) -> None:
    """It may have happened: the charges belong to it."""
    await undoing.admin.fault("drop-before", "2207")
    answer = await undoing.post_fhir("Claim", claim(undoing))
    assert answer.status == 202
    assert await undoing.requests("2205") == []
