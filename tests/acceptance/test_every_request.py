"""What every request that leaves has to have, seen from the platform's side of the wire."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any, NamedTuple

import pytest

from gateway.demo import messages as m


class Seen(NamedTuple):
    """A request as it arrived, and what the journal said of it at that moment."""

    infno: str
    msgid: str
    insuplc: str
    sign_no: str
    has_person: bool
    state: str


@pytest.fixture
def seen(world: Any, monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """Every request that the platform gets, in order."""
    found: list[Seen] = []
    centre = world.platform.centres["430100"]
    handle = centre.handle

    def look(body: bytes, name: str) -> Any:
        envelope = json.loads(body)
        with sqlite3.connect(world.folder / "journal.db") as database:
            query = "SELECT state FROM sends WHERE msgid = ?"
            rows = database.execute(query, (envelope["msgid"],)).fetchall()
        database.close()
        found.append(
            Seen(
                envelope["infno"],
                envelope["msgid"],
                envelope["insuplc_admdvs"],
                envelope.get("sign_no") or "",
                '"psn_no"' in json.dumps(envelope["input"]),
                rows[0][0] if rows else "",
            )
        )
        return handle(body, name)

    monkeypatch.setattr(centre, "handle", look)
    return found


async def test_requests_are_recorded_signed_in_and_name_the_place_insured(
    world: Any, seen: list[Seen]
) -> None:
    """F-001, F-004, F-022: over a visit, its settlement, its cancellation and a stay.

    A msgid is the institution, the time and a serial, never the same twice, and its send stands in
    the journal before the request arrives. 9001 comes first, and its number is in what follows.
    Whatever names a person names the place insured.
    """
    await world.charged("O1")
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    assert (await world.tell(world.register(m.LI, "I1", "K35.900", "A01"))).code == "AA"
    assert (await world.tell(world.his.charges(m.LI, "I1", "I", (world.ct,)))).code == "AA"
    assert seen[0].infno == "9001"
    assert {one.infno for one in seen} >= {"1101", "2201", "2203", "2204", "2207", "2401", "2301"}
    signed_in = [one for one in seen if one.infno != "9001"]
    assert all(one.sign_no for one in signed_in)
    assert all(re.fullmatch(r"H43010000001\d{14}\d{4}", one.msgid) for one in seen)
    assert len({one.msgid for one in seen}) == len(seen)
    assert {one.state for one in signed_in} == {"sending"}
    persons = [one for one in seen if one.has_person]
    assert {one.infno for one in persons} >= {"2201", "2204", "2207", "2401", "2301"}
    assert all(re.fullmatch(r"\d{6}", one.insuplc) for one in persons)
