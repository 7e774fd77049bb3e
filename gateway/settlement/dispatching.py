"""Stations 7 to 9 for one call: route it, record it durably, send it, record what became of it.

Rules (DESIGN section 5): the message id is durable before the first byte leaves; one money
transaction is in flight per visit; an unknown outcome is never sent again under a new message id.
A refusal for an expired sign-in is answered by one further attempt under the same message id: where
the request came twice and the refusal belongs to its second copy, the platform recognises it. Where
that attempt cannot be made, because what became of the new sign-in is unknown as well, the network
may be repeating requests, and what may not be repeated is unknown, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import date
from typing import Any, Protocol

import msgspec

from gateway.clock import Clock, stamp
from gateway.crypto.sm import sm3
from gateway.errors import GatewayError, NotSentError, StateError
from gateway.fsi.channel import Channel
from gateway.fsi.envelope import new_msgid
from gateway.fsi.signin import SignIn, SignInLostError
from gateway.intents import (
    Accepted,
    Call,
    CallReport,
    NotSent,
    Outcome,
    Rejected,
    Unknown,
)
from gateway.journal import AuditEvent, Journal, Send, VisitRow
from gateway.routing import Route, Router
from gateway.settings import InstitutionSettings
from gateway.settlement.plans import is_repeatable
from gateway.telemetry import StationLine

OUTCOME_NAMES: dict[type, str] = {
    Accepted: "accepted",
    Rejected: "rejected",
    NotSent: "not-sent",
    Unknown: "unknown",
}

NOT_STORED = "the outcome could not be stored"
"""How the note of a send begins whose outcome the journal did not take at first."""

EXPIRED = "sign-in-expired"
"""Outcome, in the audit, of an attempt that a renewed sign-in followed."""


class Observer(Protocol):
    """Is told of every call, for log lines and metrics."""

    def station(self, name: str, **fields: Any) -> AbstractContextManager[StationLine]:
        """A passage of a station."""
        ...

    def called(self, report: CallReport) -> None:
        """A call has its outcome."""
        ...


class Dispatched(msgspec.Struct):
    """The outcome of a call, as the interpreter left it, its report and its route."""

    outcome: Outcome
    report: CallReport
    route: Route
    """Where it went; its warnings have no place yet."""


Interpreter = Callable[[Outcome, str], tuple[Outcome, VisitRow | None]]
"""Takes an outcome and its msgid, may downgrade it, and gives the visit to store with it."""


def keep(outcome: Outcome, _msgid: str) -> tuple[Outcome, VisitRow | None]:
    """The interpreter that changes nothing."""
    return outcome, None


class Dispatcher:
    """Makes calls for an institution over its channel."""

    def __init__(
        self,
        *,
        journal: Journal,
        router: Router,
        channels: Mapping[str, Channel],
        institutions: Sequence[InstitutionSettings],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._journal = journal
        self._router = router
        self._channels = channels
        self._institutions = {i.fixmedins_code: i for i in institutions}
        self._clock = clock
        self._observer = observer
        self._unstored: set[str] = set()
        """Message ids of sends whose outcome the journal did not take."""
        self.sign_in: SignIn | None = None
        """Set by the composition root: signing in is itself a call."""

    async def dispatch(
        self,
        call: Call,
        *,
        exchange_id: str,
        interpret: Interpreter = keep,
        insutype: str = "",
        on: date | None = None,
    ) -> Dispatched:
        """Make one call; a refusal for an expired sign-in is answered by one renewed attempt.

        Raises:
            InvalidError: the insured region is empty or unknown; nothing was sent.
            StateError: another money transaction of the visit is in flight or unknown.
        """
        institution = self._institutions[call.fixmedins_code]
        with self._observer.station("route", infno=call.infno) as line:
            route = self._router.route(
                call.insuplc_admdvs,
                institution,
                insutype=insutype,
                on=on or self._clock.now().date(),
                first_identification=not call.psn_no,
            )
            line.note(
                pooling_region=route.pooling_region,
                route_class=route.route_class,
                channel=route.channel,
            )
        channel = self._channels[route.channel]
        sign_no = ""
        if self.sign_in is not None and channel.profile.sign_in and call.infno[:2] != "90":
            try:
                sign_no = await self.sign_in.number(institution, call.opter, call.opter_name)
            except NotSentError as error:
                report = CallReport(infno=call.infno, msgid="", outcome="not-sent")
                return Dispatched(NotSent(error.reason), report, route)
        return await self._attempt(
            call,
            route=route,
            channel=channel,
            sign_no=sign_no,
            exchange_id=exchange_id,
            interpret=interpret,
        )

    async def write_down(self) -> None:
        """Make what the journal did not take unknown, now that it may: before a visit is looked at.

        Raises:
            JournalError: it still takes nothing.
        """
        for msgid in sorted(self._unstored):
            with suppress(StateError):  # somebody else was first
                await self._journal.record_outcome(msgid, Unknown(reason=NOT_STORED))
            self._unstored.discard(msgid)

    def channel_of(self, call: Call) -> Channel:
        """The channel that a call of the gateway's own (of no person) leaves by."""
        institution = self._institutions[call.fixmedins_code]
        on = self._clock.now().date()
        route = self._router.route(
            call.insuplc_admdvs, institution, insutype="", on=on, first_identification=True
        )
        return self._channels[route.channel]

    async def sign_no(self, call: Call, channel: Channel) -> str:
        """The sign-in number for a call over this channel, empty where none is needed.

        Raises:
            NotSentError: signing in failed.
        """
        if self.sign_in is None or not channel.profile.sign_in:
            return ""
        institution = self._institutions[call.fixmedins_code]
        return await self.sign_in.number(institution, call.opter, call.opter_name)

    async def forget_sign_in(self, call: Call, channel: Channel) -> None:
        """The platform refused the sign-in number of a call: the next one signs in again."""
        if self.sign_in is not None and (sign_no := await self.sign_no(call, channel)):
            self.sign_in.forget(self._institutions[call.fixmedins_code], call.opter, sign_no)

    async def sign_in_call(self, call: Call) -> Outcome:
        """Make the call of a sign-in, which belongs to no exchange."""
        return (await self.dispatch(call, exchange_id="")).outcome

    async def _attempt(
        self,
        call: Call,
        *,
        route: Route,
        channel: Channel,
        sign_no: str,
        exchange_id: str,
        interpret: Interpreter,
    ) -> Dispatched:
        msgid, where = await self._record(call, exchange_id, route)
        began = self._clock.monotonic()
        outcome = await self._send(channel, call, msgid, sign_no)
        events: list[AuditEvent] = []
        unsigned: NotSent | None = None
        if sign_no and _is_unsigned(outcome, channel):
            events.append(AuditEvent(exchange_id, "send", {**where, "outcome": EXPIRED}))
            try:
                sign_no = await self._renewed(call, sign_no)
            except NotSentError as error:
                if isinstance(error, SignInLostError) and not is_repeatable(call.infno):
                    outcome = Unknown(f"a copy of it was refused for its sign-in; {error.reason}")
                else:
                    unsigned = NotSent(error.reason)
            else:
                outcome = await self._send(channel, call, msgid, sign_no)
        seconds = self._clock.monotonic() - began
        try:
            outcome, visit = interpret(outcome, msgid)
        except Exception as error:  # noqa: BLE001 - a reply that cannot be taken in says nothing certain
            reason = f"the reply cannot be taken in: {type(error).__name__}"
            outcome, visit = Unknown(reason=reason), None
        outcome = await self._record_outcome(
            msgid, outcome, visit, exchange_id=exchange_id, where=where, before=events
        )
        reply = outcome.reply if isinstance(outcome, Accepted | Rejected) else None
        report = CallReport(
            infno=call.infno,
            msgid=msgid,
            outcome=OUTCOME_NAMES[type(outcome)],
            inf_refmsgid=reply.inf_refmsgid if reply else "",
            pooling_region=route.pooling_region,
            route_class=route.route_class,
            seconds=round(seconds, 6),
        )
        self._observer.called(report)
        return Dispatched(unsigned or outcome, report, route)

    async def _send(self, channel: Channel, call: Call, msgid: str, sign_no: str) -> Outcome:
        """Give the call to the platform once."""
        with self._observer.station("send", infno=call.infno, msgid=msgid) as line:
            listen = not is_repeatable(call.infno)  # nothing but its reply may ever prove it
            outcome = await channel.send(call, msgid=msgid, sign_no=sign_no, listen=listen)
            outcome = _as_first_told(outcome, channel)
            line.note(outcome=OUTCOME_NAMES[type(outcome)])
        return outcome

    async def _renewed(self, call: Call, sign_no: str) -> str:
        """A number in place of the one that the platform does not know any more.

        Raises:
            NotSentError: signing in failed.
        """
        assert self.sign_in is not None
        institution = self._institutions[call.fixmedins_code]
        self.sign_in.forget(institution, call.opter, sign_no)
        return await self.sign_in.number(institution, call.opter, call.opter_name)

    async def _record(
        self, call: Call, exchange_id: str, route: Route
    ) -> tuple[str, dict[str, str]]:
        """Make the call durable; its msgid, and where it goes in words for the audit."""
        now = self._clock.now()
        where = {
            "infno": call.infno,
            "msgid": await self._new_msgid(call),
            "pooling_region": route.pooling_region,
            "route_class": route.route_class,
            "channel": route.channel,
        }
        if call.batches:
            where["batch"] = " ".join(call.batches)
        while True:
            msgid = where["msgid"]
            events = [AuditEvent(exchange_id, "record", {**where, "time": stamp(now)})]
            with self._observer.station("record", infno=call.infno, msgid=msgid):
                try:
                    await self._journal.record_send(
                        _row(call, msgid, exchange_id, route), events=events
                    )
                except StateError:
                    if await self._journal.send(msgid) is None:
                        raise
                    where["msgid"] = await self._new_msgid(call)  # a sender's own number was first
                    continue
            return msgid, where

    async def _record_outcome(
        self,
        msgid: str,
        outcome: Outcome,
        visit: VisitRow | None,
        *,
        exchange_id: str,
        where: Mapping[str, str],
        before: Sequence[AuditEvent],
    ) -> Outcome:
        """Store what became of a send; what cannot be stored with its visit is unknown.

        Raises:
            JournalError: nothing can be stored.
        """

        async def store(outcome: Outcome, visit: VisitRow | None) -> Outcome:
            reply = outcome.reply if isinstance(outcome, Accepted | Rejected) else None
            detail = {
                **where,
                "outcome": OUTCOME_NAMES[type(outcome)],
                "inf_refmsgid": reply.inf_refmsgid if reply else "",
            }
            events = [*before, AuditEvent(exchange_id, "send", detail)]
            await self._journal.record_outcome(msgid, outcome, visit=visit, events=events)
            return outcome

        try:
            return await store(outcome, visit)
        except GatewayError as error:
            reason = f"{NOT_STORED}: {type(error).__name__}"
            try:
                return await store(Unknown(reason=reason), None)
            except GatewayError:
                self._unstored.add(msgid)
                raise

    async def _new_msgid(self, call: Call) -> str:
        if call.msgid and await self._journal.send(call.msgid) is None:
            return call.msgid
        now = self._clock.now()
        serial = await self._journal.next_serial(call.fixmedins_code, now.strftime("%Y%m%d%H%M%S"))
        return new_msgid(call.fixmedins_code, now, serial)


def _is_unsigned(outcome: Outcome, channel: Channel) -> bool:
    """True when the platform refused for the sign-in, before it did anything."""
    if not isinstance(outcome, Rejected):
        return False
    return channel.profile.classify(outcome.reply.err_msg) == EXPIRED


def _as_first_told(outcome: Outcome, channel: Channel) -> Outcome:
    """A refusal because the msgid is known says that it arrived twice, not what the first did."""
    return channel.as_first_told(outcome)


def _row(call: Call, msgid: str, exchange_id: str, route: Route) -> Send:
    return Send(
        msgid=msgid,
        exchange_id=exchange_id,
        infno=call.infno,
        visit_key=call.visit_key,
        fixmedins_code=call.fixmedins_code,
        insuplc_admdvs=call.insuplc_admdvs,
        pooling_region=route.pooling_region,
        channel=route.channel,
        digest=digest(call),
        money=call.money,
        psn_no=call.psn_no,
        reverses=call.reverses,
    )


def digest(call: Call) -> str:
    """SM3 of the input, to recognise a call again without storing it."""
    return sm3(msgspec.json.encode([call.infno, call.input])).hex()
