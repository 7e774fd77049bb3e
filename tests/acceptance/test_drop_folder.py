"""A batch night: files in a folder of a running gateway."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.demo import messages as m

FOLDERS = '[[folders]]\npath = "night"\npeer = "his"\ninterval = 0.05\n'


async def _answered(night: Path, name: str) -> list[list[str]]:
    """MSA-1 and MSA-2 of each message of the answer, once it is there."""
    path = night / "out" / f"{name}.ack"
    async with asyncio.timeout(30):
        while not path.exists():  # noqa: ASYNC110 - no event of a file
            await asyncio.sleep(0.02)
    lines = path.read_bytes().decode("gb18030").split("\r")
    return [line.split("|")[1:3] for line in lines if line.startswith("MSA")]


def _put(night: Path, name: str, content: bytes) -> None:
    """Write a file elsewhere and rename it into place, as a sender has to."""
    unfinished = night / f"{name}.part"
    unfinished.write_bytes(content)
    os.rename(unfinished, night / "in" / name)  # noqa: PTH104 - the rename is the point


def _id(message: bytes) -> str:
    return message.split(b"|")[9].decode()


@pytest.fixture
async def night(open_world: Any) -> tuple[Any, Path]:
    """A gateway that watches a folder."""
    world = await open_world(sections=FOLDERS)
    folder = world.folder / "night"
    async with asyncio.timeout(30):
        while not (folder / "failed").exists():  # noqa: ASYNC110 - no event of a file
            await asyncio.sleep(0.02)
    return world, folder


async def test_a_night_of_charges_is_settled_once(night: tuple[Any, Path]) -> None:
    """Registration, charges and payment of a batch; the same file again settles nothing anew."""
    world, folder = night
    messages = [
        world.register(m.ZHANG, "N1"),
        world.his.charges(m.ZHANG, "N1", "O", [world.ct]),
        world.his.payment(m.ZHANG, "N1", "O", "240.00"),
    ]
    head = b"BHS|^~\\&|HIS|H43010000001|||20260301||||B1\r"
    batch = head + b"".join(messages) + b"BTS|3\r"
    _put(folder, "a.hl7", batch)
    expected = [["AA", _id(message)] for message in messages]
    assert await _answered(folder, "a.hl7") == expected
    _put(folder, "b.hl7", batch)
    assert await _answered(folder, "b.hl7") == expected
    sends = await world.gateway.journal.sends()
    assert [send.infno for send in sends if send.money] == ["2207"]
    assert sorted(path.name for path in (folder / "done").iterdir()) == ["a.hl7", "b.hl7"]


async def test_a_file_that_a_stopped_gateway_left_is_taken_up(night: tuple[Any, Path]) -> None:
    """What came while nobody looked, and what was in work, is answered after the next start."""
    world, folder = night
    await world.stop()
    message = world.register(m.ZHANG, "N2")
    (folder / "work" / "a.hl7").write_bytes(message)
    _put(folder, "b.hl7", b"no message")
    await world.start(sections=FOLDERS)
    assert await _answered(folder, "a.hl7") == [["AA", _id(message)]]
    assert [code[0] for code in await _answered(folder, "b.hl7")] == ["AR"]
    assert [path.name for path in (folder / "failed").iterdir()] == ["b.hl7"]
