"""Planted bugs: each makes one real part of the gateway wrong in a way that people really do.

They show that the simulation would notice: every one has to be caught within 200 seeds.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest import mock

import msgspec

from gateway.fsi.channel import Channel
from gateway.fsi.late import LateReplies
from gateway.intents import Accepted, NotSent, Rejected, Reply, Result, Status, Unknown
from gateway.journal import AuditEvent
from gateway.journal.sqlite import SQLiteJournal
from gateway.pipeline import Pipeline
from gateway.settlement import (
    absorbing,
    carrying,
    compensating,
    conducting,
    following,
    inputs,
    preparing,
    work,
)
from gateway.settlement.arriving import Arrivals
from gateway.settlement.carrying import Carrier
from gateway.settlement.conducting import Conductor
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.evidence import Evidence
from gateway.settlement.locks import VisitLocks
from gateway.settlement.proving import Prover
from gateway.settlement.resolving import Resolver

Bug = Callable[[], Any]
BUGS: dict[str, Bug] = {}
"""Name to what plants it: a context manager."""


def _bug(plant: Callable[[], Any]) -> Bug:
    BUGS[plant.__name__.replace("_", " ")] = plant
    return plant


@_bug
def an_unknown_send_is_sent_again_under_a_new_msgid() -> Any:
    """Somebody thought that a second try does no harm."""
    attempt = Dispatcher._attempt

    async def again(self: Dispatcher, call: Any, **options: Any) -> Any:
        done = await attempt(self, call, **options)
        if isinstance(done.outcome, Unknown) and not call.money:
            return await attempt(self, call, **options)
        return done

    return mock.patch.object(Dispatcher, "_attempt", again)


@_bug
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


@_bug
def a_broken_connection_is_taken_for_a_refusal() -> Any:
    """No reply, so no settlement."""
    no = Rejected(Reply(infcode="-1", err_msg="no reply"))
    return _outcome_as(lambda outcome: no if isinstance(outcome, Unknown) else outcome)


@_bug
def a_timeout_is_taken_for_not_sent() -> Any:
    """The sender may try again, and does."""
    return _outcome_as(
        lambda outcome: NotSent("timeout") if isinstance(outcome, Unknown) else outcome
    )


@_bug
def a_visit_with_an_unknown_send_is_not_held() -> Any:
    """The next message of the visit goes on."""

    async def never(self: Conductor, visit: Any) -> bool:
        return False

    return mock.patch.object(Conductor, "is_held", never)


@_bug
def a_settlement_is_made_anew_without_the_reversal() -> Any:
    """2601 is only prepared."""

    async def reverse(self: Resolver, send: Any, event: Any) -> Any:
        await self.reversed(send, event)
        return Accepted(Reply(infcode="0"))

    return mock.patch.object(Resolver, "reverse", reverse)


@_bug
def a_reversal_counts_whatever_the_platform_said() -> Any:
    """2601 was sent, and the original may still be on its way."""

    async def reverse(self: Resolver, send: Any, event: Any) -> Any:
        call = self._reversal(send)
        done = await self._dispatcher.dispatch(call, exchange_id=send.exchange_id)
        await self.reversed(send, event)
        return done.outcome

    return mock.patch.object(Resolver, "reverse", reverse)


@_bug
def a_stated_total_is_not_compared() -> Any:
    """The hospital's sum is not the sum of the lines, and is settled."""
    return mock.patch.object(preparing, "money_problems", return_value=[])


@_bug
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


@_bug
def a_reply_is_trusted_without_its_setl_id() -> Any:
    """Infcode 0 is good enough."""

    def one(call: Any, node: str, *_required: str) -> Any:
        found = work.rows(call.output, node)
        return found[0] if found else work.text_record({})

    return mock.patch.object(absorbing, "one_row", one)


@_bug
def a_settlement_of_another_sum_or_visit_is_a_success() -> Any:
    """It has a setl_id, that is enough."""
    return mock.patch.object(absorbing, "differing", return_value=())


@_bug
def the_visit_is_not_stored_with_the_outcome() -> Any:
    """It is only changed in memory."""
    outcome = SQLiteJournal.record_outcome

    async def without(self: Any, msgid: str, found: Any, *, visit: Any = None, events: Any) -> Any:
        return await outcome(self, msgid, found, events=events)

    return mock.patch.object(SQLiteJournal, "record_outcome", without)


@_bug
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

    return _both(
        mock.patch.object(VisitLocks, "hold", hold),
        mock.patch.object(SQLiteJournal, "record_outcome", forced),
    )


@_bug
def a_crash_makes_what_was_on_its_way_not_sent() -> Any:
    """Start-up tidies up."""

    async def recover(self: Any) -> list[Any]:
        found = await self.sends(state="sending")
        for send in found:
            event = AuditEvent(send.exchange_id, "recover")
            await self.record_outcome(send.msgid, NotSent("crash"), events=[event])
        return found

    return mock.patch.object(SQLiteJournal, "recover", recover)


@_bug
def a_message_taken_up_again_forgets_what_it_settled() -> Any:
    """Only the answer in the journal counts."""

    async def none(*_: Any) -> list[Any]:
        return []

    return mock.patch.object(conducting.resuming, "settlements_made", none)


@_bug
def a_cancelled_settlement_keeps_its_batches() -> Any:
    """The settlement is gone, and its lines count as settled."""

    def undo(visit: Any, setl_id: str) -> None:
        del setl_id
        visit.apply(absorbing.VisitEvent.UNSETTLED)

    return mock.patch.object(absorbing, "undo_settlement", undo)


@_bug
def an_answer_is_not_replaced_when_the_outcome_is_known() -> Any:
    """The hospital is told unknown for ever."""

    async def nothing(self: Pipeline, exchange_id: str, result: Result, note: str) -> None:
        return

    return mock.patch.object(Pipeline, "replace", nothing)


@_bug
def a_decision_that_a_crash_left_without_its_answer_stays_so() -> Any:
    """The transaction is resolved, and its message is told unknown for ever."""

    async def nothing(self: Resolver) -> None:
        return

    return mock.patch.object(Resolver, "_close_resolved", nothing)


@_bug
def a_visit_that_is_not_shown_did_not_happen() -> Any:
    """5201 found nothing: the registration is ended as if it never arrived."""
    shown = Evidence.shown

    async def ended(self: Evidence, send: Any) -> Any:
        found = await shown(self, send)
        if found is None and send.infno in ("2201", "2401"):
            event = AuditEvent(send.exchange_id, "resolve")
            await self._journal.resolve_send(send.msgid, "manual", "not found", events=[event])
        return found

    return mock.patch.object(Evidence, "shown", ended)


@_bug
def another_visit_of_the_person_is_taken_for_the_registration() -> Any:
    """Whatever 5201 shows of the person will do."""
    around = Prover.visits_around

    return mock.patch.object(Prover, "visits", around)


@_bug
def a_message_id_refused_as_known_is_a_refusal() -> Any:
    """The second copy of a request speaks for the first."""
    return mock.patch(
        "gateway.settlement.dispatching._as_first_told", lambda outcome, _channel: outcome
    )


@_bug
def the_same_message_is_new_every_time() -> Any:
    """Messages are not recognised again."""
    begin = SQLiteJournal.begin_exchange

    async def new(self: Any, message: Any, raw: bytes, now: str, **options: Any) -> Any:
        begun = await begin(self, message, raw, now, **options)
        return msgspec.structs.replace(begun, kind="resume", answer=None)

    return mock.patch.object(SQLiteJournal, "begin_exchange", new)


@_bug
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


@_bug
def a_late_reply_is_taken_in_beside_a_reversal_of_unknown_outcome() -> Any:
    """It was accepted, so it stands."""

    async def take(self: Resolver, send: Any, reply: Any) -> None:
        async with self._still(send) as current:
            if current is not None and await self._arrivals.take(current, reply):
                self._late.forget(send.msgid)

    return mock.patch.object(Resolver, "_take", take)


@_bug
def a_late_refusal_of_a_known_message_id_is_a_refusal() -> Any:
    """The reply to the second copy speaks for the first, because it came late."""
    first = Channel.as_first_told

    def told(self: Channel, outcome: Any) -> Any:
        late = inspect.stack()[1].function == "read"
        return outcome if late else first(self, outcome)

    return mock.patch.object(Channel, "as_first_told", told)


@_bug
def a_refused_settlement_is_said_to_be_undone_whatever_became_of_its_withdrawal() -> Any:
    """2205 was sent, that is enough."""
    concluded = compensating.concluded

    def told(result: Any, steps: Any, _undone: int) -> None:
        result.status = Status.REJECTED
        concluded(result, steps, len(steps))

    return mock.patch.object(conducting.compensating, "concluded", told)


@_bug
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


@_bug
def a_settlement_during_the_stay_ends_it() -> Any:
    """2304 is 2304, whatever mid_setl_flag says."""
    return mock.patch.object(absorbing, "_is_in_stay", return_value=False)


@_bug
def the_last_settlement_of_a_stay_leaves_it_open() -> Any:
    """A stay is over when somebody says so, and nobody does."""
    return mock.patch.object(absorbing, "_is_in_stay", lambda _work, call: call.infno == "2304")


@_bug
def the_visit_does_not_follow_what_the_hospital_does_itself() -> Any:
    """National JSON is carried, and nothing more."""

    async def nothing(*_: Any) -> None:
        return None

    return mock.patch.object(carrying, "known_visit", nothing)


@_bug
def the_hospitals_own_reversal_is_taken_for_any_settlement_of_the_visit() -> Any:
    """2601 undoes what was settled last."""
    take_back = following._take_back

    def last(visit: Any, _original: str, msgid: str) -> None:
        live = visit.live_settlements()
        take_back(visit, live[-1].msgid if live else "", msgid)

    return mock.patch.object(following, "_take_back", last)


@_bug
def the_hospitals_own_call_of_unknown_outcome_is_told_as_refused() -> Any:
    """No reply came, and its program is told that nothing was cancelled."""
    conclude = Carrier._conclude

    async def wrong(self: Carrier, outcome: Any, *rest: Any) -> None:
        no = Rejected(Reply(infcode="-1", err_msg="no reply"))
        await conclude(self, no if isinstance(outcome, Unknown) else outcome, *rest)

    return mock.patch.object(Carrier, "_conclude", wrong)


@_bug
def a_visit_is_not_found_by_the_number_that_the_platform_gave_it() -> Any:
    """The hospital's own charges right behind an admission belong to nobody."""

    async def nothing(*_: Any) -> None:
        return None

    return mock.patch.object(following.numbering, "numbered", nothing)


@_bug
def a_discharge_of_the_hospitals_own_is_not_followed() -> Any:
    """2402 is carried, and the stay goes on."""
    return mock.patch.object(following, "FOLLOWED", following.FOLLOWED - {"2402"})


@_bug
def a_patient_who_comes_back_stays_discharged() -> Any:
    """2405 was accepted, and the end of the stay is kept."""

    def keep(work: Any, _call: Any) -> None:
        work.opened().apply(absorbing.VisitEvent.UNDISCHARGED)

    return mock.patch.dict(absorbing.ABSORBERS, {"2405": keep})


@_bug
def a_withdrawal_of_everything_withdraws_nothing() -> Any:
    """0000 is the number of a batch that nobody has."""
    return mock.patch.object(following, "EVERY_BATCH", "none")


@_bug
def charges_of_the_hospitals_own_are_taken_in_without_their_last_line() -> Any:
    """Somebody counts from one."""
    follow = following._absorptions

    def short(*given: Any) -> Any:
        found = follow(*given)
        return [
            msgspec.structs.replace(each, lines=each.lines[:-1] or each.lines) for each in found
        ]

    return mock.patch.object(following, "_absorptions", short)


@_bug
def a_list_without_answer_is_told_as_uploaded() -> Any:
    """4101 moves no money, so what."""
    conclude = Carrier._conclude

    async def wrong(self: Carrier, outcome: Any, call: Any, *rest: Any) -> None:
        lost = isinstance(outcome, Unknown | NotSent) and call.infno == "4101"
        await conclude(self, Accepted(Reply(infcode="0")) if lost else outcome, call, *rest)

    return mock.patch.object(Carrier, "_conclude", wrong)


@_bug
def a_late_reply_to_an_upload_is_noted_and_the_lines_are_forgotten() -> Any:
    """The send is accepted, and the visit stays as it was."""
    visit = Arrivals._visit

    async def without(self: Arrivals, send: Any, result: Any, output: Any) -> Any:
        row = await visit(self, send, result, output)
        return None if send.infno in ("2204", "2301") else row

    return mock.patch.object(Arrivals, "_visit", without)


@_bug
def a_refused_withdrawal_is_told_as_done() -> Any:
    """Nothing was there to be withdrawn, which comes to the same."""
    conclude = Carrier._conclude

    async def wrong(self: Carrier, outcome: Any, call: Any, *rest: Any) -> None:
        refused = isinstance(outcome, Rejected | NotSent) and call.infno in ("2205", "2302")
        await conclude(self, Accepted(Reply(infcode="0")) if refused else outcome, call, *rest)

    return mock.patch.object(Carrier, "_conclude", wrong)


@contextlib.contextmanager
def _both(one: Any, other: Any) -> Iterator[None]:
    with one, other:
        yield
