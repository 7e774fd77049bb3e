"""Claims: several charge batches settled, and taken back, by one message."""

from __future__ import annotations

from typing import Any
from unittest import mock

from gateway.intents import Status
from gateway.settlement import conducting
from tests.simulation.bugs.planting import bug


@bug
def a_cancel_of_several_stops_after_the_first_and_says_cancelled() -> Any:
    """The list is read like a single number."""
    each = conducting.several.each

    async def first(intent: Any, visit: Any, run: Any) -> Any:
        meant = intent.numbers
        intent.numbers = meant[-1:]
        result = await each(intent, visit, run)
        intent.numbers = meant
        return result

    return mock.patch.object(conducting.several, "each", first)


@bug
def a_cancel_of_several_that_stopped_half_way_says_cancelled() -> Any:
    """Some are gone, the rest will follow."""
    each = conducting.several.each

    async def done(intent: Any, visit: Any, run: Any) -> Any:
        result = await each(intent, visit, run)
        if result.settlements and result.status is not Status.UNKNOWN:
            result.status = Status.DONE
        return result

    return mock.patch.object(conducting.several, "each", done)
