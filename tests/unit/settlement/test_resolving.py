"""The resolver goes on, whatever breaks and however much is unknown."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.clock import CHINA
from gateway.fsi.late import LateReplies
from gateway.intents import Intent, Record, Result, Status, Verb
from gateway.journal import SendRow, SendState
from gateway.settings import ResolverSettings, UnknownPolicy
from gateway.settlement.locks import VisitLocks
from gateway.settlement.resolving import Resolver, due


class Exchange:
    """An exchange of which only the id is looked at."""

    def __init__(self, number: int) -> None:
        self.exchange_id = f"{number:06d}"


class PagedJournal:
    """A journal of 2,500 exchanges without known outcome that gives them by pages."""

    def __init__(self) -> None:
        self.looks = 0
        self.asked: set[str] = set()

    async def sends(self, *, state: str = "", exchange_id: str = "", limit: int = 1000) -> Any:
        if exchange_id:
            self.asked.add(exchange_id)
        if state:
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("a defect")
        return []

    async def exchanges(self, limit: int = 100, before: str = "", status: str = "") -> Any:
        assert status == Status.UNKNOWN.value
        first = int(before or "2501") - 1
        return [Exchange(number) for number in range(first, max(0, first - limit), -1)]


class Quiet:
    """A watcher that counts failures."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []

    def unknown_open(self, by_infno: Any) -> None:
        """Not looked at."""

    def resolved(self, msgid: str, infno: str, how: str) -> None:
        """Not looked at."""

    def late_reply(self, msgid: str, infno: str, outcome: str) -> None:
        """Not looked at."""

    def failed(self, error: Exception) -> None:
        """Keep it."""
        self.failures.append(error)


class Answers:
    """Looks at the exchange as the resolver's closer does, and has nothing to answer."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    async def ended(self, exchange_id: str) -> None:
        await self._journal.sends(exchange_id=exchange_id)


def make(journal: Any, watcher: Quiet, conductor: Any = None) -> Resolver:
    """A resolver that holds what is unknown."""
    nothing: Any = None
    closer: Any = Answers(journal)
    return Resolver(
        settings=ResolverSettings(policy=UnknownPolicy.HOLD, interval=0.001),
        sites=nothing,
        journal=journal,
        dispatcher=nothing,
        conductor=conductor,
        closer=closer,
        confirmer=nothing,
        evidence=nothing,
        arrivals=nothing,
        late=LateReplies(watcher),
        clock=nothing,
        watcher=watcher,
    )


async def test_every_message_that_waits_is_looked_at() -> None:
    """The oldest of 2,500 too: each has a chance of its final answer at every look."""
    journal = PagedJournal()
    journal.looks = 1
    await make(journal, Quiet()).look()
    assert len(journal.asked) == 2_500


async def test_a_defect_does_not_end_the_looking() -> None:
    """What breaks in one look is reported, and the next look comes."""
    journal, watcher = PagedJournal(), Quiet()
    task = asyncio.create_task(make(journal, watcher).run())
    async with asyncio.timeout(10):
        while not journal.asked:  # noqa: ASYNC110 - looks from outside, nobody tells
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [type(error) for error in watcher.failures] == [RuntimeError]


DAY = 86_400.0


@pytest.mark.parametrize(
    ("looked", "age"),
    [(0, 30.0), (1, 120.0), (5, 30_720.0), (6, 30_720.0 + DAY), (7, 30_720.0 + 2 * DAY)],
)
def test_a_proof_is_looked_for_less_and_less_often_but_every_day(looked: int, age: float) -> None:
    """After 30 s, 2 min, 8 min, 32 min, 128 min, 8 h 32 min; then once a day."""
    assert due(30.0, looked) == age


def test_the_most_looks_that_the_settings_take_have_their_time() -> None:
    """The thousandth look is no number that a float cannot hold."""
    assert due(30.0, 1_000) == 30_720.0 + 995 * DAY
    with pytest.raises(ValidationError):
        ResolverSettings(max_read_backs=1_001)


class Answered:
    """A journal in which the message of a send has an answer, or none yet."""

    def __init__(self) -> None:
        self.result: Result | None = None

    async def stored_result(self, _exchange_id: str) -> Result | None:
        return self.result


class Locks:
    """What a resolver asks of the conductor."""

    def __init__(self) -> None:
        self.locks = VisitLocks()


async def test_a_visit_is_held_by_one_though_its_number_became_known_in_between() -> None:
    """Who decides after the answer waits for who undoes since before it (DESIGN section 5)."""
    journal: Any = Answered()
    conductor: Any = Locks()
    resolver = make(journal, Quiet(), conductor)
    send = SendRow(
        msgid="H4301",
        exchange_id="e",
        infno="2207",
        fixmedins_code="H43010000001",
        visit_key="H43010000001/mdtrt-1",
        state=SendState.UNKNOWN,
    )
    steps: list[str] = []

    async def decide() -> None:
        async with resolver.holding(send):
            steps.append("decided")

    async with resolver.holding(send):
        visit = Record(values={"ipt_otp_no": "K38"})
        journal.result = Result(status=Status.UNKNOWN, intent=Intent(verb=Verb.SETTLE, visit=visit))
        deciding = asyncio.create_task(decide())
        for _ in range(10):
            await asyncio.sleep(0)
        steps.append("undone")
    await deciding
    assert steps == ["undone", "decided"]


class SteppedClock:
    """A machine whose clock somebody sets: seconds pass on both, a step is on one of them."""

    def __init__(self) -> None:
        self.passed, self.step = 0.0, timedelta()

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 9, tzinfo=CHINA) + timedelta(seconds=self.passed) + self.step

    def monotonic(self) -> float:
        return self.passed


class OneUnknown(PagedJournal):
    """A journal with a settlement that became unknown at nine o'clock."""

    async def sends(self, *, state: str = "", exchange_id: str = "", limit: int = 1000) -> Any:
        send = SendRow(
            msgid="M",
            exchange_id="E",
            infno="2207",
            visit_key="V",
            state=SendState.UNKNOWN,
            updated_at="2026-03-02 09:00:00.000",
        )
        return [send] if state else []

    async def exchanges(self, limit: int = 100, before: str = "", status: str = "") -> Any:
        return []


class NoEvidence:
    """Notes when a proof is looked for, and finds none."""

    def __init__(self) -> None:
        self.asked = 0

    def speaks_of(self, _send: SendRow) -> bool:
        self.asked += 1
        return False


async def looked_for(clock: SteppedClock, *, again: bool) -> list[int]:
    """How often a proof was looked for after 0, 29 and 30 more seconds.

    With `again`, by a process that is started now, else by one that has looked before.
    """
    evidence, watcher = NoEvidence(), Quiet()
    resolver = make(OneUnknown(), watcher)
    resolver._clock, resolver._evidence = clock, evidence  # type: ignore[assignment]
    before, clock.step = clock.step, timedelta()
    if not again:
        await resolver.look()
    clock.step, found = before, []
    for seconds in (0.0, 29.0, 1.0):
        clock.passed += seconds
        await resolver.look()
        found.append(evidence.asked)
    assert watcher.failures == []
    return found


async def no_reversals(_send: SendRow) -> list[SendRow]:
    """Of a send that nobody tried to undo."""
    return []


@pytest.mark.parametrize("step", [-86_400, -3_600, -1, 0, 3_600])
async def test_an_unknown_outcome_waits_for_seconds_and_not_for_the_clock(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock is set to between two looks, the first step comes after `delay`."""
    monkeypatch.setattr(Resolver, "reversals", staticmethod(no_reversals))
    clock = SteppedClock()
    clock.step = timedelta(seconds=step)
    assert await looked_for(clock, again=False) == [0, 0, 1]


@pytest.mark.parametrize("step", [-86_400, -3_600, -1, 0])
async def test_a_process_started_on_a_clock_that_was_set_back_waits_once_more(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it finds lies ahead of the clock: it is looked at `delay` after the start."""
    monkeypatch.setattr(Resolver, "reversals", staticmethod(no_reversals))
    clock = SteppedClock()
    clock.step = timedelta(seconds=step)
    assert await looked_for(clock, again=True) == [0, 0, 1]
