"""The pipeline around the conductor: copies, limits, failures; with a real journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.clock import SystemClock
from gateway.errors import (
    DuplicateError,
    GatewayError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    UnreadableError,
)
from gateway.intents import Answer, Intent, Message, Result, Status, Verb
from gateway.journal import Send, SQLiteJournal
from gateway.pipeline import Pipeline
from gateway.settings import PeerSettings
from gateway.settlement.carrying import Carrier
from gateway.settlement.conducting import Conductor
from gateway.telemetry import StationLine

PEER = PeerSettings(name="his", institutions=["H43010000001"])


class TextAdapter:
    """A protocol of two words: control id and content."""

    protocol = "text"

    def __init__(self) -> None:
        self.told: list[str] = []

    async def read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        """`id content`; anything else cannot be read."""
        try:
            control_id, content = raw.decode().split()
        except ValueError:
            raise UnreadableError([problem(ProblemCode.READ_SYNTAX)]) from None
        self.told.append(meta.get("told", ""))
        return Message(
            protocol="text",
            peer=peer.name,
            sender="s",
            control_id=control_id,
            kind="ADT^A04",
            fingerprint=content,
            context={"id": control_id, "told": meta.get("told", "")},
            document=content,
        )

    async def understand(
        self, message: Message, peer: PeerSettings
    ) -> tuple[Intent, list[Problem]]:
        """Every message registers."""
        return Intent(verb=Verb.REGISTER, place=message.document), []

    def answer(self, message_kind: str, context: dict[str, Any], result: Result) -> Answer:
        """The status and the id."""
        return Answer(body=f"{result.status.value} {context['id']}".encode())

    def refuse(
        self,
        raw: bytes,
        meta: Mapping[str, str],
        error: Exception,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """The type of the error."""
        return Answer(body=type(error).__name__.encode(), status=400)

    def redact(self, raw: bytes) -> bytes:
        """Nothing is secret here."""
        return raw

    def meta(self, context: Mapping[str, Any]) -> Mapping[str, str]:
        """What was told beside the text."""
        return {"told": f"{context['told']} again"}

    def owns(self, context: Mapping[str, Any]) -> bool:
        """Messages whose id begins with E were acknowledged at once."""
        return str(context["id"]).startswith("E")


def problem(code: ProblemCode) -> Problem:
    """A problem of a code."""
    return Problem(kind=ProblemKind.STRUCTURE, code=code, zh="", en="")


class Recorder:
    """A conductor that counts, waits to be let go, and gives what it is told to."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.arrived = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = Status.DONE
        self.problems: list[Problem] = []
        self.error: Exception | None = None
        self.journal: SQLiteJournal | None = None

    async def conduct(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        """Wait for the gate, then answer or fail."""
        self.seen.append(intent.place)
        self.arrived.release()
        await self.gate.wait()
        if self.error is not None:
            if self.journal is not None:
                await self.journal.record_send(
                    Send("m1", exchange_id, "2207", visit_key="v", money=True)
                )
            raise self.error
        return Result(status=self.status, intent=intent, problems=list(self.problems))


class Quiet:
    """A watcher that keeps what failed."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.refusals: list[GatewayError] = []

    def station(self, name: str, **fields: Any) -> AbstractContextManager[StationLine]:
        """No line."""
        return nullcontext(StationLine())

    def exchange(self, exchange_id: str, message: Message) -> AbstractContextManager[None]:
        """No scope."""
        return nullcontext()

    def refused(self, protocol: str, peer: str, error: GatewayError) -> None:
        """Kept."""
        self.refusals.append(error)

    def accepted(self, exchange_id: str, message: Message, kind: str) -> None:
        """Not kept."""

    def answered(self, message: Message, result: Result, seconds: float) -> None:
        """Not kept."""

    def failed(self, error: Exception) -> None:
        """Kept."""
        self.failures.append(error)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SQLiteJournal]:
    """A real journal."""
    async with await SQLiteJournal.open(tmp_path / "j.db") as opened:
        yield opened


@pytest.fixture
def conductor() -> Recorder:
    """The conductor of a test."""
    return Recorder()


@pytest.fixture
def watcher() -> Quiet:
    """The watcher of a test."""
    return Quiet()


@pytest.fixture
def pipeline(journal: SQLiteJournal, conductor: Recorder, watcher: Quiet) -> Pipeline:
    """A pipeline of one protocol that works on two messages at a time."""
    return Pipeline(
        adapters={"text": TextAdapter()},
        journal=journal,
        conductor=cast("Conductor", conductor),
        carrier=cast("Carrier", None),
        clock=SystemClock(),
        watcher=watcher,
        max_in_flight=2,
    )


async def handle(pipeline: Pipeline, text: str) -> str:
    """Send one message; the body of the answer."""
    return (await pipeline.handle("text", text.encode(), PEER, {})).body.decode()


async def test_the_same_message_again_gets_the_stored_answer(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """A-021: equal bytes, worked on once."""
    assert await handle(pipeline, "1 a") == "done 1"
    assert await handle(pipeline, "1 a") == "done 1"
    assert conductor.seen == ["a"]


async def test_other_content_under_the_same_key_is_refused(
    pipeline: Pipeline, conductor: Recorder, watcher: Quiet
) -> None:
    """A-022."""
    await handle(pipeline, "1 a")
    assert await handle(pipeline, "1 b") == "DuplicateError"
    assert conductor.seen == ["a"]
    assert isinstance(watcher.refusals[0], DuplicateError)


async def test_copies_that_arrive_together_are_worked_on_once(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """Ten copies wait for the first and get its answer."""
    conductor.gate.clear()
    tasks = [asyncio.create_task(handle(pipeline, "1 a")) for _ in range(10)]
    await conductor.arrived.acquire()
    conductor.gate.set()
    assert set(await asyncio.gather(*tasks)) == {"done 1"}
    assert conductor.seen == ["a"]


async def test_a_copy_may_be_worked_on_before_the_first_comes_to_it(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """Between accept and work of the first (its CA is being written) a copy overtakes it."""
    first = await pipeline.accept("text", b"1 a", PEER, {})
    assert await handle(pipeline, "1 a") == "done 1"
    assert (await pipeline.work(first)).body == b"done 1"
    assert conductor.seen == ["a"]


async def test_a_sender_that_goes_away_does_not_stop_the_work(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """M-020: the result is stored and replayed."""
    conductor.gate.clear()
    task = asyncio.create_task(handle(pipeline, "1 a"))
    await conductor.arrived.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    conductor.gate.set()
    await pipeline.drain()
    assert await handle(pipeline, "1 a") == "done 1"
    assert conductor.seen == ["a"]


async def test_a_message_that_was_not_sent_may_come_again(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """Not sent is not final: the same key is tried anew."""
    conductor.status = Status.NOT_SENT
    assert await handle(pipeline, "1 a") == "not-sent 1"
    conductor.status = Status.DONE
    assert await handle(pipeline, "1 a") == "done 1"
    assert conductor.seen == ["a", "a"]


async def test_a_message_that_only_had_to_wait_may_come_again(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """VISIT-HELD is no final answer: once the other outcome is known the same key is tried anew."""
    conductor.status = Status.INVALID
    held = problem(ProblemCode.VISIT_HELD)
    conductor.problems = [held]
    assert await handle(pipeline, "1 a") == "invalid 1"
    conductor.status, conductor.problems = Status.DONE, []
    assert await handle(pipeline, "1 a") == "done 1"
    assert conductor.seen == ["a", "a"]


async def test_an_unknown_outcome_is_answered_again_and_not_tried_again(
    pipeline: Pipeline, conductor: Recorder
) -> None:
    """Unknown is stored; only the resolver replaces it."""
    conductor.status = Status.UNKNOWN
    assert await handle(pipeline, "1 a") == "unknown 1"
    conductor.status = Status.DONE
    assert await handle(pipeline, "1 a") == "unknown 1"
    assert conductor.seen == ["a"]


async def test_an_unknown_answer_is_replaced_once_resolved(
    pipeline: Pipeline, conductor: Recorder, journal: SQLiteJournal
) -> None:
    """The sender's repeat gets the final answer; a final answer is not replaced."""
    conductor.status = Status.UNKNOWN
    await handle(pipeline, "1 a")
    (row,) = await journal.exchanges()
    done = Result(status=Status.DONE, intent=Intent(verb=Verb.SETTLE))
    await pipeline.replace(row.exchange_id, done, "resolved")
    assert await handle(pipeline, "1 a") == "done 1"
    again = Result(status=Status.REVERSED, intent=Intent(verb=Verb.SETTLE))
    await pipeline.replace(row.exchange_id, again, "too late")
    assert await handle(pipeline, "1 a") == "done 1"


async def test_a_fault_of_ours_before_any_send_is_invalid(
    pipeline: Pipeline, conductor: Recorder, watcher: Quiet
) -> None:
    """Nothing left, so nothing is unknown; the fault is counted."""
    conductor.error = RuntimeError("bug")
    assert await handle(pipeline, "1 a") == "invalid 1"
    assert [type(error) for error in watcher.failures] == [RuntimeError]


async def test_a_fault_of_ours_after_a_money_send_is_unknown(
    pipeline: Pipeline, conductor: Recorder, journal: SQLiteJournal
) -> None:
    """A send is on record: the sender must not be told that it failed."""
    conductor.error, conductor.journal = RuntimeError("bug"), journal
    assert await handle(pipeline, "1 a") == "unknown 1"


async def test_too_many_messages_at_once_are_told_so(
    pipeline: Pipeline, conductor: Recorder, watcher: Quiet
) -> None:
    """Two may be in flight; the third is refused and may come again."""
    conductor.gate.clear()
    tasks = [asyncio.create_task(handle(pipeline, f"{n} a")) for n in (1, 2)]
    await conductor.arrived.acquire()
    await conductor.arrived.acquire()
    assert await handle(pipeline, "3 a") == "NotSentError"
    assert isinstance(watcher.refusals[0], NotSentError)
    conductor.gate.set()
    await asyncio.gather(*tasks)
    assert await handle(pipeline, "3 a") == "done 3"


async def test_bytes_that_are_no_message_leave_no_exchange(
    pipeline: Pipeline, journal: SQLiteJournal
) -> None:
    """They are answered and counted, not stored."""
    assert await handle(pipeline, "nonsense") == "UnreadableError"
    assert await journal.exchanges() == []


async def test_what_an_earlier_process_had_accepted_is_finished_and_delivered(
    pipeline: Pipeline, conductor: Recorder, journal: SQLiteJournal, tmp_path: Path
) -> None:
    """A-005: CA was given, the process died: the work is done at the next start, oldest first."""
    for text in (b"E1 a", b"O2 b", b"E3 c"):
        await pipeline.accept("text", text, PEER, {"told": text.decode()})
    await journal.close()
    delivered: list[tuple[str, str, bytes]] = []

    async def deliver(protocol: str, peer: PeerSettings, answer: Answer) -> None:
        delivered.append((protocol, peer.name, answer.body))

    async with await SQLiteJournal.open(tmp_path / "j.db") as again:
        adapter = TextAdapter()
        restarted = Pipeline(
            adapters={"text": adapter},
            journal=again,
            conductor=cast("Conductor", conductor),
            carrier=cast("Carrier", None),
            clock=SystemClock(),
            watcher=Quiet(),
            max_in_flight=2,
        )
        assert await restarted.take_up({"his": PEER}, deliver) == 2
        assert conductor.seen == ["a", "c"]
        assert adapter.told == ["E1 a again", "E3 c again"]
        assert delivered == [("text", "his", b"done E1"), ("text", "his", b"done E3")]
        assert await handle(restarted, "O2 b") == "done O2"


async def test_an_answer_that_cannot_be_stored_is_still_given(
    pipeline: Pipeline, conductor: Recorder, journal: SQLiteJournal, watcher: Quiet
) -> None:
    """What was done is on record with its sends: the sender is told the truth."""
    conductor.gate.clear()
    task = asyncio.create_task(handle(pipeline, "1 a"))
    await conductor.arrived.acquire()
    await journal.close()
    conductor.gate.set()
    assert await task == "done 1"
    assert len(watcher.failures) == 1
