"""Ends unknown outcomes, by the policy of the site and never by guessing.

Rules (DESIGN section 5; rules section 13; matrix 1.7):

1. What a read proves is taken in, whatever the policy: a visit that 5201 or 5303 shows, a
   settlement that the centre's books (3202) name by our msgid and 5203 then gives. A read that
   finds nothing proves nothing, and is asked again, less and less often.
2. Without a policy nothing else is done: the send waits for an operator.
3. 2601 is tried only for the transactions that the region can reverse, and only while no reversal
   of the same send is itself in flight or unknown.
4. A reversal of unknown outcome, and a refused one, goes to the operator: a platform that does not
   know the message may still receive it. So does a reply that is about something else.
5. Only once the platform confirmed the reversal is anything done anew, under the rules of a new
   settlement, and only `max_resettlements` times for one message; then the operator decides.
6. The reply itself, come late on its connection, ends it as it would have in time, whatever the
   policy; while a reversal is on its way or of unknown outcome, it waits for that (`arriving`), and
   once a reversal is accepted, it says nothing any more: what it tells of was undone.
7. Nothing waits for the clock: how long an outcome has been unknown is counted by seconds that no
   step of the clock changes, and begins anew where the clock was set back before this process saw
   it, so that a step is taken at most `delay` seconds after it was seen.
8. A crash between the reversal and its note is repaired here: an accepted 2601 resolves its
   original without another call. A crash between the note and the answer is, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.clock import CHINA, Age, Clock
from gateway.fsi.calls import call_of
from gateway.fsi.late import LateReplies
from gateway.intents import Accepted, Call, Outcome, Rejected, Status
from gateway.journal import AuditEvent, ExchangeRow, Journal, SendRow, SendState
from gateway.settings import InstitutionSettings, ResolverSettings, UnknownPolicy
from gateway.settlement.agreeing import is_mismatch
from gateway.settlement.arriving import Arrivals
from gateway.settlement.asked import NotConfirmedError
from gateway.settlement.closing import SETTLEMENTS, Closer
from gateway.settlement.conducting import Conductor
from gateway.settlement.confirming import Confirmer
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.evidence import Evidence
from gateway.settlement.plans import is_repeatable
from gateway.settlement.sites import Sites
from gateway.settlement.visits import visit_key

REVERSAL = "2601"
EVERY = 1_000_000
"""Limit of a read that has to see all: the oldest of the unknown are queries, which stay unknown
and would hide the settlements behind them."""
PAGE = 1_000

SLOWER = 4
"""By how much longer each further look for a proof waits than the one before."""
DAY = 86_400.0
"""Seconds between two looks for a proof at most."""

OPEN = frozenset({SendState.SENDING, SendState.UNKNOWN})
DONE = frozenset({SendState.ACCEPTED, SendState.CONFIRMED})

CONTRADICTS: Mapping[SendState, type[Accepted | Rejected]] = {
    SendState.MANUAL: Accepted,
    SendState.CONFIRMED: Rejected,
}
"""How an outcome was ended -> the late reply that says that this was wrong."""


class UnknownCount(msgspec.Struct, frozen=True):
    """Unknown outcomes of one transaction number: how many, and the age of the oldest, seconds."""

    count: int
    oldest: float


class ResolverWatcher(Protocol):
    """Is told of unknown outcomes."""

    def unknown_open(self, by_infno: Mapping[str, UnknownCount]) -> None:
        """So many outcomes are unknown now, by transaction number."""
        ...

    def resolved(self, msgid: str, infno: str, how: str) -> None:
        """An outcome is known."""
        ...

    def late_reply(self, msgid: str, infno: str, outcome: str) -> None:
        """A late reply changed nothing: `mismatch`, `unusable`, or `contradicts` a decision."""
        ...

    def failed(self, error: Exception) -> None:
        """A step broke and is tried again at the next look."""
        ...


class Resolver:
    """Looks at what is unknown, again and again."""

    def __init__(
        self,
        *,
        settings: ResolverSettings,
        sites: Sites,
        journal: Journal,
        dispatcher: Dispatcher,
        conductor: Conductor,
        closer: Closer,
        confirmer: Confirmer,
        evidence: Evidence,
        arrivals: Arrivals,
        late: LateReplies,
        clock: Clock,
        watcher: ResolverWatcher,
    ) -> None:
        self._settings = settings
        self._sites = sites
        self._journal = journal
        self._dispatcher = dispatcher
        self._conductor = conductor
        self._closer = closer
        self._confirmer = confirmer
        self._evidence = evidence
        self._arrivals = arrivals
        self._late = late
        self._clock = clock
        self._watcher = watcher
        self._looked: Counter[str] = Counter()
        """How often a proof of a send was looked for by this process."""
        self._ages: dict[tuple[str, str], Age] = {}
        """Of what is unknown: message id and the time of its outcome -> its age."""

    async def run(self) -> None:
        """Look at every interval, and when a reply comes late, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look comes whatever broke
                self._watcher.failed(error)
            await self._late.wait(self._settings.interval)

    async def look(self) -> None:
        """Take one step with every unknown outcome that is due."""
        unknown = await self._journal.sends(state="unknown", limit=EVERY)
        waiting = [send for send in unknown if not is_repeatable(send.infno)]
        self._ages = {_key(send): self._aged(send) for send in waiting}
        self._watcher.unknown_open(self._counted(waiting))
        await self._close_resolved()
        await self._take_late()
        for send in waiting:
            if self._age(send) < self._settings.delay or send.reverses:
                continue
            try:
                await self._step(send)
            except Exception as error:  # noqa: BLE001 - one visit does not stop the others
                self._watcher.failed(error)

    async def _take_late(self) -> None:
        """Take in the replies that came late."""
        for msgid in self._late.arrived():
            send, reply = await self._journal.send(msgid), self._late.reply(msgid)
            if send is None or reply is None or send.state is SendState.SENDING:
                continue  # its outcome is being written down at this moment
            if send.state is not SendState.UNKNOWN:
                self._late.forget(msgid)
                if CONTRADICTS.get(send.state) is type(reply):
                    self._watcher.late_reply(msgid, send.infno, "contradicts")
                continue
            try:
                await self._take(send, reply)
            except Exception as error:  # noqa: BLE001 - one visit does not stop the others
                self._watcher.failed(error)

    async def _take(self, send: SendRow, reply: Accepted | Rejected) -> None:
        async with self._still(send) as current:
            states = {other.state for other in await self.reversals(send)}
            if current is None or OPEN & states:
                return
            if DONE & states:
                await self.reversed(current, _event(send, "reversed by 2601"))
                return
            how = await self._arrivals.take(current, reply)
        if how:
            self._late.forget(send.msgid)
        if how in ("accepted", "rejected"):
            self._watcher.resolved(send.msgid, send.infno, how)
        elif how:
            self._watcher.late_reply(send.msgid, send.infno, how)

    def _counted(self, waiting: list[SendRow]) -> dict[str, UnknownCount]:
        counts: dict[str, UnknownCount] = {}
        for send in waiting:
            known = counts.get(send.infno, UnknownCount(0, 0.0))
            counts[send.infno] = UnknownCount(known.count + 1, max(known.oldest, self._age(send)))
        return counts

    async def _close_resolved(self) -> None:
        """Answer anew what is resolved and still told unknown.

        By the sender's own 2601, by a 2601 before a crash, or by a decision before one.
        """
        for exchange in await self._waiting():
            send = await self._closer.ended(exchange.exchange_id)
            if send is None:
                continue
            try:
                async with self.holding(send):
                    await self._closer.close(exchange.exchange_id)
            except Exception as error:  # noqa: BLE001 - one visit does not stop the others
                self._watcher.failed(error)

    async def _waiting(self) -> list[ExchangeRow]:
        """The exchanges whose answer says that the outcome is unknown, newest first."""
        found: list[ExchangeRow] = []
        page = await self._journal.exchanges(limit=PAGE, status=Status.UNKNOWN.value)
        while page:
            found += page
            last = page[-1].exchange_id
            page = await self._journal.exchanges(PAGE, last, Status.UNKNOWN.value)
        return found

    def _age(self, send: SendRow) -> float:
        """Seconds since the outcome became unknown, whatever was done to the clock since then."""
        return self._ages[_key(send)].seconds

    def _aged(self, send: SendRow) -> Age:
        since = datetime.fromisoformat(send.updated_at).replace(tzinfo=CHINA)
        return self._ages.get(_key(send)) or Age(self._clock, since)

    @asynccontextmanager
    async def holding(self, send: SendRow) -> AsyncIterator[None]:
        """Hold the visit of a send, as every message of the visit does.

        Messages hold it by the hospital's number. That is known here once the message of the send
        has an answer, which comes late where a process died in between: the key of the send itself
        is held too, so that nobody who came earlier, without the number, is inside as well.
        """
        async with AsyncExitStack() as stack:
            for key in sorted({send.visit_key, await self._number_key(send)}):
                await stack.enter_async_context(self._conductor.locks.hold(key))
            yield

    async def _number_key(self, send: SendRow) -> str:
        """The key of the visit by the hospital's number, where that is known."""
        result = await self._journal.stored_result(send.exchange_id)
        number = result.intent.visit.get("ipt_otp_no") if result else ""
        return visit_key(send.fixmedins_code, number) if number else send.visit_key

    def institution(self, send: SendRow) -> InstitutionSettings:
        """The institution that sent."""
        site = self._sites.get(send.fixmedins_code)
        assert site is not None
        return site.institution

    @property
    def reverses_by_itself(self) -> bool:
        """True when the policy reverses without an operator."""
        return self._settings.policy is not UnknownPolicy.HOLD

    def is_reversible(self, send: SendRow) -> bool:
        """True when the region's 2601 undoes this transaction."""
        site = self._sites.get(send.fixmedins_code)
        return site is not None and send.infno in site.profile.reversible

    async def reversals(self, send: SendRow) -> list[SendRow]:
        """The 2601 that were tried for a send, oldest first."""
        sends = await self._journal.sends(visit_key=send.visit_key)
        return [other for other in sends if other.reverses == send.msgid]

    async def is_being_undone(self, send: SendRow) -> bool:
        """True while a 2601 of a send is in flight or has no known outcome: it may still land."""
        return bool(OPEN & {reversal.state for reversal in await self.reversals(send)})

    async def is_exhausted(self, send: SendRow) -> bool:
        """True when its message was settled anew as often as the settings allow."""
        sends = await self._journal.sends(exchange_id=send.exchange_id)
        undone = sum(s.infno in SETTLEMENTS and s.state is SendState.REVERSED for s in sends)
        return undone > 0 and undone >= self._settings.max_resettlements

    async def _step(self, send: SendRow) -> None:
        """Take one step with one of them: note, prove, or undo."""
        states = {other.state for other in await self.reversals(send)}
        if states & DONE:
            async with self._still(send) as current:
                if current is not None:
                    await self.reversed(current, _event(send, "reversed by 2601"))
            return
        if not states & OPEN and self._may_look(send) and await self._proven(send):
            return
        if self._settings.policy is UnknownPolicy.HOLD or not self.is_reversible(send):
            return
        if is_mismatch(send.note):
            return
        async with self._still(send) as current:
            if current is not None and await self._may_reverse(current):
                await self.reverse(current, _event(send, "reversed by 2601"))

    @asynccontextmanager
    async def _still(self, send: SendRow) -> AsyncIterator[SendRow | None]:
        """Hold the visit; the send as it is now, None when it is not unknown any more."""
        async with self.holding(send):
            current = await self._journal.send(send.msgid)
            unknown = current is not None and current.state is SendState.UNKNOWN
            yield current if unknown else None

    async def _may_reverse(self, send: SendRow) -> bool:
        states = [other.state for other in await self.reversals(send)]
        tried = sum(state is not SendState.NOT_SENT for state in states)
        if tried >= self._settings.max_reversals or OPEN & set(states):
            return False
        anew = self._settings.policy is UnknownPolicy.REVERSE_AND_SETTLE
        return not (anew and await self.is_exhausted(send))

    def _may_look(self, send: SendRow) -> bool:
        looked = self._looked[send.msgid]
        if not self._settings.read_back or looked >= self._settings.max_read_backs:
            return False
        return self._age(send) >= due(self._settings.delay, looked)

    async def _proven(self, send: SendRow) -> bool:
        """Look for a proof, and take it in."""
        if not self._evidence.speaks_of(send):
            return False
        self._looked[send.msgid] += 1
        async with self._still(send) as current:
            if current is not None and await self.is_being_undone(current):
                return False
            shown = await self._evidence.shown(current) if current is not None else None
            if current is None or shown is None:
                return current is None
            event = _event(current, "proven by reading back")
            try:
                await self._confirmer.confirm(current, shown, event, "read back")
            except NotConfirmedError as error:
                self._watcher.failed(error)
                return False
        self._looked.pop(send.msgid, None)
        self._watcher.resolved(send.msgid, send.infno, "confirmed")
        return True

    async def reverse(self, send: SendRow, event: AuditEvent) -> Outcome:
        """Undo a send by 2601 and, once the platform confirmed that, answer its exchange anew.

        The caller holds the visit.
        """
        done = await self._dispatcher.dispatch(self._reversal(send), exchange_id=send.exchange_id)
        if isinstance(done.outcome, Accepted):
            await self.reversed(send, event)
        return done.outcome

    async def reversed(self, send: SendRow, event: AuditEvent) -> None:
        """Note that the platform undid a send, and answer its exchange; the visit is held."""
        await self._journal.resolve_send(send.msgid, "reversed", "2601 accepted", events=[event])
        self._watcher.resolved(send.msgid, send.infno, "reversed")
        await self._closer.close(send.exchange_id)

    def _reversal(self, send: SendRow) -> Call:
        return call_of(
            self.institution(send),
            REVERSAL,
            {"data": {"psn_no": send.psn_no, "omsgid": send.msgid, "oinfno": send.infno}},
            insuplc_admdvs=send.insuplc_admdvs,
            psn_no=send.psn_no,
            visit_key=send.visit_key,
            money=True,
            reverses=send.msgid,
        )


def due(delay: float, looked: int) -> float:
    """Age in seconds at which a proof is looked for that was looked for so many times.

    Each look comes `SLOWER` times later than the one before, but not more than a day later.
    """
    age = delay
    for _ in range(looked):
        age = min(age * SLOWER, age + DAY)
    return age


def _key(send: SendRow) -> tuple[str, str]:
    return send.msgid, send.updated_at


def _event(send: SendRow, how: str) -> AuditEvent:
    return AuditEvent(send.exchange_id, "resolve", {"msgid": send.msgid, "how": how})
