"""Ends unknown outcomes, by the policy of the site and never by guessing.

Rules (DESIGN section 5; rules section 13; matrix 1.7):

1. Without a policy nothing is done: the send waits for an operator.
2. 2601 is tried only for the transactions that the region can reverse, and only while no reversal
   of the same send is itself in flight or unknown.
3. A reversal of unknown outcome, and a refused one, goes to the operator: a platform that does not
   know the message may still receive it. So does a reply that is about something else.
4. Only once the platform confirmed the reversal is anything done anew, under the rules of a new
   settlement; the sender's exchange then gets its final answer.
5. A crash between the reversal and its note is repaired here: an accepted 2601 resolves its
   original without another call. A crash between the note and the answer is, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import CHINA, Clock
from gateway.intents import Accepted, Call, Outcome, Result, Status, Verb
from gateway.journal import AuditEvent, ExchangeRow, Journal, SendRow
from gateway.settings import (
    InstitutionSettings,
    PeerSettings,
    ResolverSettings,
    UnknownPolicy,
)
from gateway.settlement import reporting
from gateway.settlement.agreeing import is_mismatch
from gateway.settlement.conducting import Conductor
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.plans import is_repeatable
from gateway.settlement.sites import Sites

SETTLEMENTS = frozenset({"2102", "2207", "2304"})
REVERSAL = "2601"
EVERY = 1_000_000
"""Limit of a read that has to see all: the oldest of the unknown are queries, which stay unknown
and would hide the settlements behind them."""
PAGE = 1_000

Replace = Callable[[str, Result, str], Awaitable[None]]
"""Answers an exchange anew: `Pipeline.replace`."""


class ResolverWatcher(Protocol):
    """Is told of unknown outcomes."""

    def unknown_open(self, count: int) -> None:
        """So many outcomes are unknown now."""
        ...

    def resolved(self, msgid: str, infno: str, how: str) -> None:
        """An outcome is known."""
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
        peers: Mapping[str, PeerSettings],
        journal: Journal,
        dispatcher: Dispatcher,
        conductor: Conductor,
        replace: Replace,
        clock: Clock,
        watcher: ResolverWatcher,
    ) -> None:
        self._settings = settings
        self._sites = sites
        self._peers = peers
        self._journal = journal
        self._dispatcher = dispatcher
        self._conductor = conductor
        self._replace = replace
        self._clock = clock
        self._watcher = watcher

    async def run(self) -> None:
        """Look at every interval until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look comes whatever broke
                self._watcher.failed(error)
            await asyncio.sleep(self._settings.interval)

    async def look(self) -> None:
        """Take one step with every unknown outcome that is due."""
        unknown = await self._journal.sends(state="unknown", limit=EVERY)
        self._watcher.unknown_open(sum(not is_repeatable(send.infno) for send in unknown))
        await self._answer_reversed()
        if self._settings.policy is UnknownPolicy.HOLD:
            return
        for send in unknown:
            if not self.is_reversible(send) or not self._is_due(send) or is_mismatch(send.note):
                continue
            try:
                async with self.holding(send):
                    await self._resolve(send)
            except Exception as error:  # noqa: BLE001 - one visit does not stop the others
                self._watcher.failed(error)

    async def _answer_reversed(self) -> None:
        """Answer anew what the sender's own 2601, or a 2601 before a crash, has reversed."""
        for exchange in await self._waiting():
            sends = await self._journal.sends(exchange_id=exchange.exchange_id)
            states = {send.state.value for send in sends if not is_repeatable(send.infno)}
            undone = [send for send in sends if send.state.value == "reversed"]
            if not undone or "unknown" in states:
                continue
            try:
                async with self.holding(undone[-1]):
                    await self._answer_anew(undone[-1])
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

    def _is_due(self, send: SendRow) -> bool:
        since = datetime.fromisoformat(send.updated_at).replace(tzinfo=CHINA)
        return self._clock.now() - since >= timedelta(seconds=self._settings.delay)

    @asynccontextmanager
    async def holding(self, send: SendRow) -> AsyncIterator[None]:
        """Hold the visit of a send, as every message of the visit does."""
        async with self._conductor.locks.hold(await self._lock_key(send)):
            yield

    def institution(self, send: SendRow) -> InstitutionSettings:
        """The institution that sent."""
        site = self._sites.get(send.fixmedins_code)
        assert site is not None
        return site.institution

    def is_reversible(self, send: SendRow) -> bool:
        """True when the region's 2601 undoes this transaction."""
        site = self._sites.get(send.fixmedins_code)
        return site is not None and send.infno in site.profile.reversible

    async def reversals(self, send: SendRow) -> list[SendRow]:
        """The 2601 that were tried for a send, oldest first."""
        sends = await self._journal.sends(visit_key=send.visit_key)
        return [other for other in sends if other.reverses == send.msgid]

    async def replace(self, exchange_id: str, result: Result, note: str) -> None:
        """Answer an exchange anew."""
        await self._replace(exchange_id, result, note)

    async def _lock_key(self, send: SendRow) -> str:
        """The lock that messages of the visit take: by the hospital's visit number."""
        result = await self._journal.stored_result(send.exchange_id)
        number = result.intent.visit.get("ipt_otp_no") if result else ""
        return f"{send.fixmedins_code}/{number}" if number else send.visit_key

    async def _resolve(self, send: SendRow) -> None:
        current = await self._journal.send(send.msgid)
        if current is None or current.state.value != "unknown":
            return
        states = [other.state.value for other in await self.reversals(send)]
        event = AuditEvent(
            send.exchange_id, "resolve", {"msgid": send.msgid, "how": "reversed by 2601"}
        )
        if "accepted" in states:
            await self._reversed(send, event)
            return
        tried = sum(state != "not-sent" for state in states)
        if tried < self._settings.max_reversals and not {"sending", "unknown"} & set(states):
            await self.reverse(send, event)

    async def reverse(self, send: SendRow, event: AuditEvent) -> Outcome:
        """Undo a send by 2601 and, once the platform confirmed that, answer its exchange anew.

        The caller holds the visit.
        """
        done = await self._dispatcher.dispatch(self._reversal(send), exchange_id=send.exchange_id)
        if isinstance(done.outcome, Accepted):
            await self._reversed(send, event)
        return done.outcome

    async def _reversed(self, send: SendRow, event: AuditEvent) -> None:
        await self._journal.resolve_send(send.msgid, "reversed", "2601 accepted", events=[event])
        self._watcher.resolved(send.msgid, send.infno, "reversed")
        await self._answer_anew(send)

    def _reversal(self, send: SendRow) -> Call:
        institution = self.institution(send)
        return Call(
            infno=REVERSAL,
            input={"data": {"psn_no": send.psn_no, "omsgid": send.msgid, "oinfno": send.infno}},
            fixmedins_code=send.fixmedins_code,
            fixmedins_name=institution.fixmedins_name,
            mdtrtarea_admvs=institution.mdtrtarea_admvs,
            insuplc_admdvs=send.insuplc_admdvs,
            opter=institution.opter,
            opter_name=institution.opter_name,
            opter_type=institution.opter_type,
            psn_no=send.psn_no,
            visit_key=send.visit_key,
            money=True,
            reverses=send.msgid,
        )

    async def _answer_anew(self, send: SendRow) -> None:
        """Give the sender's exchange its final answer: settled anew, or nothing charged."""
        exchange = await self._journal.exchange(send.exchange_id)
        result = await self._journal.stored_result(send.exchange_id)
        if exchange is None or result is None or exchange.final:
            return
        result.problems = []
        intent = result.intent
        peer = self._peers.get(exchange.peer)
        anew = (
            self._settings.policy is UnknownPolicy.REVERSE_AND_SETTLE
            and send.infno in SETTLEMENTS
            and intent.verb is not Verb.CARRY
        )
        if anew and peer is not None:
            earlier = result
            result = await self._conductor.conduct_locked(intent, peer, send.exchange_id)
            result.calls = [*earlier.calls, *result.calls]
            result.charge_results = result.charge_results or earlier.charge_results
        else:
            result.status = Status.REVERSED
        if result.status not in (Status.DONE, Status.UNKNOWN):
            result.status = Status.REVERSED
            result.problems.append(reporting.reversed_(send.infno, send.msgid, intent))
        await self._replace(send.exchange_id, result, f"{send.infno} {send.msgid} reversed")
