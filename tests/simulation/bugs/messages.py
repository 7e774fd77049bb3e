"""Messages, their sums and their visits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from unittest import mock

import msgspec

from gateway.intents import Status
from gateway.journal.sqlite import SQLiteJournal
from gateway.settlement import (
    absorbing,
    compensating,
    conducting,
    inputs,
    preparing,
)
from gateway.settlement.conducting import Conductor
from gateway.settlement.locks import VisitLocks
from tests.simulation.bugs.planting import both, bug


@bug
def a_visit_with_an_unknown_send_is_not_held() -> Any:
    """The next message of the visit goes on."""

    async def never(self: Conductor, visit: Any) -> bool:
        return False

    return mock.patch.object(Conductor, "is_held", never)


@bug
def a_stated_total_is_not_compared() -> Any:
    """The hospital's sum is not the sum of the lines, and is settled."""
    return mock.patch.object(preparing, "money_problems", return_value=[])


@bug
def a_total_loses_its_fen() -> Any:
    """Somebody rounds to tenths of a yuan."""
    options = inputs.settlement_options

    def rounded(*given: Any) -> Any:
        record = options(*given)
        if record.has("medfee_sumamt"):
            tenths = record.amount("medfee_sumamt").quantize(Decimal("0.1"))
            record.values["medfee_sumamt"] = format(tenths, "f")
        return record

    return mock.patch.object(inputs, "settlement_options", rounded)


@bug
def the_visit_is_not_stored_with_the_outcome() -> Any:
    """It is only changed in memory."""
    outcome = SQLiteJournal.record_outcome

    async def without(self: Any, msgid: str, found: Any, *, visit: Any = None, events: Any) -> Any:
        return await outcome(self, msgid, found, events=events)

    return mock.patch.object(SQLiteJournal, "record_outcome", without)


@bug
def two_messages_of_a_visit_run_at_once_and_the_last_one_wins() -> Any:
    """No lock, and the version of the visit is lost on the way to the journal."""
    outcome = SQLiteJournal.record_outcome

    @contextlib.asynccontextmanager
    async def hold(self: VisitLocks, key: str) -> AsyncIterator[None]:
        yield

    async def forced(self: Any, msgid: str, found: Any, *, visit: Any = None, events: Any) -> Any:
        if visit is not None:
            stored = await self.visit(visit.key)
            visit = msgspec.structs.replace(visit, version=stored.version if stored else 0)
        return await outcome(self, msgid, found, visit=visit, events=events)

    return both(
        mock.patch.object(VisitLocks, "hold", hold),
        mock.patch.object(SQLiteJournal, "record_outcome", forced),
    )


@bug
def a_message_taken_up_again_forgets_what_it_settled() -> Any:
    """Only the answer in the journal counts."""

    async def none(*_: Any) -> list[Any]:
        return []

    return mock.patch.object(conducting.resuming, "settlements_made", none)


@bug
def a_cancelled_settlement_keeps_its_batches() -> Any:
    """The settlement is gone, and its lines count as settled."""

    def undo(visit: Any, setl_id: str) -> None:
        del setl_id
        visit.apply(absorbing.VisitEvent.UNSETTLED)

    return mock.patch.object(absorbing, "undo_settlement", undo)


@bug
def the_same_message_is_new_every_time() -> Any:
    """Messages are not recognised again."""
    begin = SQLiteJournal.begin_exchange

    async def new(self: Any, message: Any, raw: bytes, now: str, **options: Any) -> Any:
        begun = await begin(self, message, raw, now, **options)
        return msgspec.structs.replace(begun, kind="resume", answer=None)

    return mock.patch.object(SQLiteJournal, "begin_exchange", new)


@bug
def a_refused_settlement_is_said_to_be_undone_whatever_became_of_its_withdrawal() -> Any:
    """2205 was sent, that is enough."""
    concluded = compensating.concluded

    def told(result: Any, steps: Any, _undone: int) -> None:
        result.status = Status.REJECTED
        concluded(result, steps, len(steps))

    return mock.patch.object(conducting.compensating, "concluded", told)


@bug
def a_refused_settlement_withdraws_what_others_have_uploaded() -> Any:
    """Every open batch of the visit goes, not only those of the message."""
    uploaded = compensating._uploaded

    def all_of(calls: Any) -> set[str]:
        return _Everything() if uploaded(calls) else set()

    return mock.patch.object(compensating, "_uploaded", all_of)


class _Everything(set[str]):
    """Has every message id."""

    def __contains__(self, _: object) -> bool:
        return True


@bug
def a_settlement_during_the_stay_ends_it() -> Any:
    """2304 is 2304, whatever mid_setl_flag says."""
    return mock.patch.object(absorbing, "_is_in_stay", return_value=False)


@bug
def the_last_settlement_of_a_stay_leaves_it_open() -> Any:
    """A stay is over when somebody says so, and nobody does."""
    return mock.patch.object(absorbing, "_is_in_stay", lambda _work, call: call.infno == "2304")
