"""Purchases in a pharmacy."""

from __future__ import annotations

from typing import Any
from unittest import mock

from gateway.intents import Unknown
from gateway.settlement import absorbing, following
from gateway.settlement.dispatching import Dispatcher
from tests.simulation.bugs.planting import bug


@bug
def a_purchase_is_repeated_after_an_unknown_outcome() -> Any:
    """Nothing was registered, so nothing can be there twice."""
    attempt = Dispatcher._attempt

    async def again(self: Dispatcher, call: Any, **options: Any) -> Any:
        done = await attempt(self, call, **options)
        if isinstance(done.outcome, Unknown) and call.infno == "2102":
            call.visit_key += "-"  # its visit would wait for the first
            return await attempt(self, call, **options)
        return done

    return mock.patch.object(Dispatcher, "_attempt", again)


@bug
def a_purchase_that_is_taken_back_stands() -> Any:
    """2103 was accepted, and the lines stay sold."""
    undo = absorbing.undo_settlement

    def keep(visit: Any, setl_id: str) -> None:
        if visit.visit_class.value != "pharmacy":
            undo(visit, setl_id)

    return mock.patch.object(absorbing, "undo_settlement", keep)


@bug
def a_cancellation_of_the_pharmacys_own_is_not_followed() -> Any:
    """2103 is carried, and the purchase goes on."""
    return mock.patch.object(following, "FOLLOWED", following.FOLLOWED - {"2103"})
