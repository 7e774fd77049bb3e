"""Whatever is done in whatever order, the journal stands where the rules say.

The model is a dictionary and the rules of `gateway.journal.states` written out a second time.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import StateError
from gateway.intents import Accepted, NotSent, Outcome, Rejected, Reply, Unknown
from gateway.journal import AuditEvent, Journal, Send, SQLiteJournal
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.postgres import PostgresJournal

OUTCOMES: dict[str, Outcome] = {
    "accepted": Accepted(Reply(infcode="0")),
    "rejected": Rejected(Reply(infcode="-1")),
    "not-sent": NotSent("refused"),
    "unknown": Unknown("broken"),
}
ENDS = ["accepted", "rejected", "reversed", "confirmed", "manual"]
ANEW = ["accepted", "rejected", "unknown"]
"""Outcomes that a late reply gives to what is unknown."""
MSGIDS = [f"M{number}" for number in range(5)]
VISITS = ["V1", "V2"]

Step = tuple[Literal["send", "outcome", "resolve", "restart"], str, str]
STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(MSGIDS), st.sampled_from(VISITS)),
    st.tuples(st.just("outcome"), st.sampled_from(MSGIDS), st.sampled_from(sorted(OUTCOMES))),
    st.tuples(st.just("resolve"), st.sampled_from(MSGIDS), st.sampled_from([*ENDS, "not-sent"])),
    st.tuples(st.just("restart"), st.just(""), st.just("")),
)


class Model:
    """What the rules make of the steps."""

    def __init__(self) -> None:
        self.sends: dict[str, tuple[str, str]] = {}
        """Visit and state by msgid."""
        self.events = 0

    def allows(self, act: str, msgid: str, word: str) -> bool:
        """Do a step of a caller, or say that the rules do not have it."""
        visit, state = self.sends.get(msgid, ("", ""))
        if act == "send":
            held = any(v == word and s in {"sending", "unknown"} for v, s in self.sends.values())
            allowed, visit, word = not state and not held, word, "sending"
        elif act == "outcome":
            allowed = state == "sending" or (state == "unknown" and word in ANEW)
        else:
            allowed = state == "unknown" and word in ENDS
        if allowed:
            self.sends[msgid] = (visit, word)
            self.events += 1
        return allowed

    def restart(self) -> None:
        """What start-up does."""
        for msgid, (visit, state) in self.sends.items():
            if state == "sending":
                self.sends[msgid] = (visit, "unknown")
                self.events += 1


async def act_on(journal: Journal, act: str, msgid: str, word: str) -> bool:
    """Do a step of a caller; False when the journal refuses it."""
    events = [AuditEvent("", act, {"msgid": msgid})]
    try:
        if act == "send":
            await journal.record_send(Send(msgid, "", "2207", word, money=True), events=events)
        elif act == "outcome":
            await journal.record_outcome(msgid, OUTCOMES[word], events=events)
        else:
            await journal.resolve_send(msgid, word, "", events=events)
    except StateError:
        return False
    return True


Open = Callable[[], Awaitable[Journal]]


async def live(open_: Open, steps: list[Step]) -> tuple[int, int]:
    """Do the steps with both, compare after each; the audit rows expected and verified."""
    model, journal = Model(), await open_()
    try:
        for act, msgid, word in steps:
            if act == "restart":
                await journal.close()
                journal = await open_()
                await journal.recover()
                model.restart()
            else:
                assert await act_on(journal, act, msgid, word) == model.allows(act, msgid, word)
            rows = await journal.sends()
            assert {row.msgid: (row.visit_key, row.state.value) for row in rows} == model.sends
        report = await journal.audit_verify()
        assert report.broken == []
        return model.events, report.rows
    finally:
        await journal.close()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=30))
def test_any_sequence_of_steps_ends_where_the_rules_say(steps: list[Step]) -> None:
    """Sends, outcomes, resolutions and restarts: states, refusals and audit agree throughout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        expected, verified = asyncio.run(live(lambda: SQLiteJournal.open(path), steps))
    assert verified == expected


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(STEPS, max_size=20))
def test_any_sequence_of_steps_ends_where_the_rules_say_in_postgresql(
    postgres: EmbeddedServer, steps: list[Step]
) -> None:
    """The same rules, kept by other statements."""

    async def in_a_schema_of_its_own() -> tuple[int, int]:
        schema = f"model{uuid.uuid4().hex}"
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute(f"CREATE SCHEMA {schema}")
        dsn = f"{postgres.dsn}&search_path={schema}"
        try:
            return await live(lambda: PostgresJournal.open(dsn), steps)
        finally:
            await connection.close()

    expected, verified = asyncio.run(in_a_schema_of_its_own())
    assert verified == expected
