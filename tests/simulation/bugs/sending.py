"""What was sent, and what became of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from unittest import mock

from gateway.fsi.channel import Channel
from gateway.fsi.late import LateReplies
from gateway.intents import NotSent, Rejected, Reply, Unknown
from gateway.journal import AuditEvent
from gateway.journal.sqlite import SQLiteJournal
from gateway.settlement import (
    absorbing,
    work,
)
from gateway.settlement.arriving import Arrivals
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.resolving import Resolver
from tests.simulation.bugs.planting import bug


@bug
def an_unknown_send_is_sent_again_under_a_new_msgid() -> Any:
    """Somebody thought that a second try does no harm."""
    attempt = Dispatcher._attempt

    async def again(self: Dispatcher, call: Any, **options: Any) -> Any:
        done = await attempt(self, call, **options)
        if isinstance(done.outcome, Unknown) and not call.money:
            return await attempt(self, call, **options)
        return done

    return mock.patch.object(Dispatcher, "_attempt", again)


@bug
def the_send_is_recorded_when_its_reply_is_there() -> Any:
    """One write less for each call."""
    record, outcome = SQLiteJournal.record_send, SQLiteJournal.record_outcome
    waiting: dict[str, Any] = {}

    async def later(self: Any, send: Any, *, events: Any = ()) -> None:
        waiting[send.msgid] = (send, events)

    async def both(self: Any, msgid: str, found: Any, **options: Any) -> Any:
        if msgid in waiting:
            send, events = waiting.pop(msgid)
            await record(self, send, events=events)
        return await outcome(self, msgid, found, **options)

    return mock.patch.multiple(SQLiteJournal, record_send=later, record_outcome=both)


def _outcome_as(wrong: Callable[[Any], Any]) -> Any:
    send = Channel.send

    async def sent(self: Channel, call: Any, **options: Any) -> Any:
        return wrong(await send(self, call, **options))

    return mock.patch.object(Channel, "send", sent)


@bug
def a_broken_connection_is_taken_for_a_refusal() -> Any:
    """No reply, so no settlement."""
    no = Rejected(Reply(infcode="-1", err_msg="no reply"))
    return _outcome_as(lambda outcome: no if isinstance(outcome, Unknown) else outcome)


@bug
def a_timeout_is_taken_for_not_sent() -> Any:
    """The sender may try again, and does."""
    return _outcome_as(
        lambda outcome: NotSent("timeout") if isinstance(outcome, Unknown) else outcome
    )


@bug
def a_message_id_refused_as_known_is_a_refusal() -> Any:
    """The second copy of a request speaks for the first."""
    return mock.patch(
        "gateway.settlement.dispatching._as_first_told", lambda outcome, _channel: outcome
    )


@bug
def a_late_reply_is_credited_to_the_request_that_was_listened_for_last() -> Any:
    """One place for the reply that is awaited, whoever waits."""
    wait = LateReplies._wait
    last: list[str] = []

    async def mixed(self: LateReplies, request: Any, msgid: str, *rest: Any) -> None:
        last[:] = [msgid]
        await wait(self, request, msgid, *rest)
        if (reply := self._arrived.pop(msgid, None)) is not None:
            self._arrived[last[0]] = reply

    return mock.patch.object(LateReplies, "_wait", mixed)


@bug
def a_late_reply_is_taken_in_beside_a_reversal_of_unknown_outcome() -> Any:
    """It was accepted, so it stands."""

    async def take(self: Resolver, send: Any, reply: Any) -> None:
        async with self._still(send) as current:
            if current is not None and await self._arrivals.take(current, reply):
                self._late.forget(send.msgid)

    return mock.patch.object(Resolver, "_take", take)


@bug
def a_late_refusal_of_a_known_message_id_is_a_refusal() -> Any:
    """The reply to the second copy speaks for the first, because it came late."""
    first = Channel.as_first_told

    def told(self: Channel, outcome: Any) -> Any:
        late = inspect.stack()[1].function == "read"
        return outcome if late else first(self, outcome)

    return mock.patch.object(Channel, "as_first_told", told)


@bug
def a_late_reply_to_an_upload_is_noted_and_the_lines_are_forgotten() -> Any:
    """The send is accepted, and the visit stays as it was."""
    visit = Arrivals._visit

    async def without(self: Arrivals, send: Any, result: Any, output: Any) -> Any:
        row = await visit(self, send, result, output)
        return None if send.infno in ("2204", "2301") else row

    return mock.patch.object(Arrivals, "_visit", without)


@bug
def a_crash_makes_what_was_on_its_way_not_sent() -> Any:
    """Start-up tidies up."""

    async def recover(self: Any) -> list[Any]:
        found = await self.sends(state="sending")
        for send in found:
            event = AuditEvent(send.exchange_id, "recover")
            await self.record_outcome(send.msgid, NotSent("crash"), events=[event])
        return found

    return mock.patch.object(SQLiteJournal, "recover", recover)


@bug
def a_reply_is_trusted_without_its_setl_id() -> Any:
    """Infcode 0 is good enough."""

    def one(call: Any, node: str, *_required: str) -> Any:
        found = work.rows(call.output, node)
        return found[0] if found else work.text_record({})

    return mock.patch.object(absorbing, "one_row", one)


@bug
def a_settlement_of_another_sum_or_visit_is_a_success() -> Any:
    """It has a setl_id, that is enough."""
    return mock.patch.object(absorbing, "differing", return_value=())
