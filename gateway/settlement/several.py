"""Settlements that a message means together: all are taken back, or all are read.

A claim of several charge batches is several settlements. They are cancelled one by one, the last
one first, each under its own outcome: what was taken back stays taken back, and the next message
goes on with those that still stand. Nothing is said to be cancelled while one of them stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.intents import Intent, Result, Settlement, Status, Verb
from gateway.settlement.visits import Visit

Run = Callable[[], Awaitable[Result]]
"""Carries the intent out as it stands, for one settlement."""


def are_meant(intent: Intent) -> bool:
    """True for a message that cancels or reads several settlements."""
    return len(intent.numbers) > 1 and intent.verb in (Verb.CANCEL, Verb.READ_SETTLEMENT)


def taken_back(intent: Intent, visit: Visit) -> list[Settlement]:
    """The cancellations of the settlements that are meant, whichever message made them."""
    return [made for made in visit.settlements if made.cancels in intent.numbers]


def some_stand(intent: Intent, visit: Visit) -> bool:
    """True while one of the settlements that a message cancels still stands."""
    standing = {made.info.get("setl_id") for made in visit.live_settlements()}
    return are_meant(intent) and not standing.isdisjoint(intent.numbers)


def stop_at_open(intent: Intent, visit: Visit) -> None:
    """Leave the intent where an earlier attempt stopped: at the cancellation that is not known.

    They are taken back one by one, the last one first, so that it is the first that was not.
    """
    if not are_meant(intent) or intent.verb is not Verb.CANCEL:
        return
    before = {made.cancels for made in taken_back(intent, visit)}
    left = [number for number in intent.numbers if number not in before]
    if left:
        intent.settlement.values["setl_id"] = left[-1]


async def each(intent: Intent, visit: Visit | None, run: Run) -> Result:
    """Carry out for each settlement, until one is not done.

    The intent is left at the one that it stopped at, so that its unknown outcome can be resolved.
    """
    cancels = intent.verb is Verb.CANCEL
    record = intent.settlement if cancels else intent.query
    before = {} if visit is None else {one.cancels: one for one in taken_back(intent, visit)}
    result = Result(status=Status.DONE, intent=intent)
    for number in reversed(intent.numbers) if cancels else intent.numbers:
        if number in before:
            result.settlements.append(before[number])
            continue
        record.values["setl_id"] = number
        part = await run()
        result.calls += part.calls
        result.problems += part.problems
        result.settlements += part.settlements
        result.status, result.retry_after = part.status, part.retry_after
        if part.status is not Status.DONE:
            break
    return result
