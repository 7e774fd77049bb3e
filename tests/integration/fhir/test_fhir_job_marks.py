"""What the journal has of asynchronous questions ends by itself; the exchange and its key stay."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from gateway.inbound.fhir_jobs import KEPT, Jobs, Standing
from gateway.intents import Answer, Message
from gateway.journal import SQLiteJournal
from tests.clocks import HandClock

MESSAGE = Message(
    protocol="fhir",
    peer="his",
    sender="his|Claim|s",
    control_id="C-1",
    kind="create Claim",
    fingerprint="f",
)


async def done() -> Answer:
    """An answer that is there at once."""
    return Answer(body=b"{}", content_type="application/fhir+json")


def marks(path: Path) -> list[str]:
    """The keys of what the journal keeps for a time."""
    with closing(sqlite3.connect(path)) as db:
        return [key for (key,) in db.execute("SELECT key FROM sessions ORDER BY key")]


async def test_the_mark_of_a_job_goes_and_its_message_stays_known(tmp_path: Path) -> None:
    """Thirty days later the next mark takes it away; the same message is still the same message."""
    clock, path = HandClock(), tmp_path / "journal.db"
    async with await SQLiteJournal.open(path, clock=clock) as journal:
        jobs = Jobs(journal, clock.now)
        begun = await journal.begin_exchange(MESSAGE, b"{}", "2026-03-02 10:00:00")
        await jobs.begin("his|Claim/1", begun.exchange_id, done())
        await journal.finish_exchange(begun.exchange_id, await done(), None)
        elsewhere = Jobs(journal, clock.now)
        assert await elsewhere.standing("his|Claim/1") is Standing.ANSWERED

        clock.time += KEPT - timedelta(minutes=1)
        assert await elsewhere.standing("his|Claim/1") is Standing.ANSWERED

        clock.time += timedelta(minutes=2)
        assert await elsewhere.standing("his|Claim/1") is Standing.UNKNOWN
        await elsewhere.give_up("his|Claim/2")
        again = await journal.begin_exchange(MESSAGE, b"{}", "2026-04-02 10:00:00")

    assert marks(path) == ["fhir-job/his|Claim/2"]
    assert (again.kind, again.exchange_id) == ("replay", begun.exchange_id)


async def test_a_job_that_was_given_up_stays_so_for_other_gateways(tmp_path: Path) -> None:
    """Whoever asks later of the same journal is told so."""
    clock = HandClock()
    async with await SQLiteJournal.open(tmp_path / "journal.db", clock=clock) as journal:
        await Jobs(journal, clock.now).give_up("his|Claim/1")
        assert await Jobs(journal, clock.now).standing("his|Claim/1") is Standing.GIVEN_UP
