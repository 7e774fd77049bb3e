"""The resolver goes on, whatever breaks and however much is unknown."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.fsi.late import LateReplies
from gateway.intents import Status
from gateway.settings import ResolverSettings, UnknownPolicy
from gateway.settlement.resolving import Resolver


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


def make(journal: Any, watcher: Quiet) -> Resolver:
    """A resolver that holds what is unknown."""
    nothing: Any = None
    closer: Any = Answers(journal)
    return Resolver(
        settings=ResolverSettings(policy=UnknownPolicy.HOLD, interval=0.001),
        sites=nothing,
        journal=journal,
        dispatcher=nothing,
        conductor=nothing,
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
