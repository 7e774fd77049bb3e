"""What the audit has of a message: every station, in the chain, and its head outside the journal."""

from __future__ import annotations

from typing import Any

from gateway.crypto.sm import sm3
from gateway.demo import messages as m
from gateway.journal import AuditHead, SQLiteJournal
from gateway.journal.heads import read_heads

HEADS = """
[audit]
heads_file = "heads"
"""


async def trails(world: Any) -> dict[str, list[Any]]:
    """The rows of the audit of each exchange, by its control id."""
    journal = world.gateway.journal
    return {
        row.control_id: await journal.audit_trail(row.exchange_id)
        for row in await journal.exchanges()
    }


async def test_every_station_of_a_message_is_a_row_of_the_chain(world: Any) -> None:
    """Arrival with the digest of its bytes, each transaction before and after it was sent with its
    route, and the answer; the same message again is one arrival more.
    """
    await world.charged("O1")
    payment = world.his.payment(m.ZHANG, "O1", "O", "240.00")
    assert (await world.tell(payment)).code == "AA"
    found = await trails(world)
    rows = found[payment.split(b"|")[9].decode()]
    assert [row.station for row in rows] == [
        "receive",
        "record",
        "send",
        "record",
        "send",
        "answer",
    ]
    arrival, record, send, _, paid, answer = (row.detail for row in rows)
    assert (arrival["protocol"], arrival["peer"], arrival["kind"]) == ("hl7v2", "his", "DFT^P03")
    assert arrival["sm3"] == sm3(payment).hex()
    assert (record["infno"], record["channel"], record["pooling_region"]) == (
        "2206",
        "changsha",
        "430100",
    )
    assert (send["msgid"], send["outcome"]) == (record["msgid"], "accepted")
    assert (paid["infno"], paid["outcome"]) == ("2207", "accepted")
    assert (answer["status"], answer["verb"]) == ("done", "settle")
    assert answer["calls"] == "2206:accepted 2207:accepted"
    assert (await world.tell(payment)).code == "AA"
    again = (await trails(world))[payment.split(b"|")[9].decode()]
    assert [row.station for row in again[len(rows) :]] == ["receive"]
    everything = await world.gateway.journal.audit_rows()
    assert {row.station for row in everything if not row.exchange_id} <= {"record", "send"}
    assert (await world.gateway.journal.audit_verify()).intact


async def test_the_head_is_written_down_at_the_start_and_at_a_stop(open_world: Any) -> None:
    """What is kept elsewhere fits the journal that was left behind."""
    world = await open_world(limits=HEADS)
    await world.charged("O1")
    await world.stop()
    heads = read_heads(world.folder / "heads")
    async with await SQLiteJournal.open(world.folder / "journal.db", read_only=True) as journal:
        assert await journal.audit_head() == AuditHead(seq=heads[-1].seq, hash=heads[-1].hash)
        assert heads[0].seq < heads[-1].seq
        assert (await journal.audit_verify(heads)).intact
