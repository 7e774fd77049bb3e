"""Final answers: what a message is told once the unknown outcome of its transaction is known.

Resolving a send and answering its message are two writes. A crash between them leaves a message
that is told unknown while nothing of it is; the resolver looks for such messages and closes them
here, from what the journal holds, in the same way as the first time.

* `reversed`: nothing was charged; or, by policy, it is settled anew.
* `manual`: an operator vouched that it did not happen.
* `confirmed`: it happened; the visit has it. What the message meant beyond it was not done.
* `accepted`, `rejected` by a reply that came late: the same, or the platform's refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.clock import Clock
from gateway.errors import GatewayError, ProblemKind
from gateway.intents import Intent, Rejected, Result, Status, Verb
from gateway.journal import ExchangeRow, Journal, SendRow, SendState
from gateway.settings import PeerSettings, ResolverSettings, UnknownPolicy
from gateway.settlement import numbering, reporting, several
from gateway.settlement.conducting import Conductor
from gateway.settlement.office_keys import LISTS
from gateway.settlement.plans import WITHOUT_VISIT, is_repeatable
from gateway.settlement.proving import LIST, SETTLEMENT
from gateway.settlement.reading import NUMBERED
from gateway.settlement.resuming import settlements_made
from gateway.settlement.sites import Sites, renewed
from gateway.settlement.visits import Visit, decode_visit, visit_key
from gateway.settlement.work import rows

SETTLEMENTS = frozenset({"2102", "2207", "2304"})

Replace = Callable[[str, Result, str], Awaitable[None]]
"""Answers an exchange anew: `Pipeline.replace`."""

ENDED = frozenset({SendState.REVERSED, SendState.MANUAL, SendState.CONFIRMED})
"""States in which an unknown outcome ends."""

LATE = "the reply came late"
"""Note of a send whose unknown outcome its own reply ended."""

IN_PARTS = frozenset({Verb.REGISTER, Verb.CHARGE, Verb.REFUND, Verb.PRESETTLE, Verb.SETTLE})
"""Verbs of several steps or batches, of which a confirmed transaction may be one."""

_GIVEN = {
    "2201": ("data", "mdtrt_id"),
    "2401": ("result", "mdtrt_id"),
    **dict.fromkeys(NUMBERED, ("result", "trt_dcla_detl_sn")),
}
"""Transaction -> the node and the field that its reply gives, as an operator has entered it."""

ALREADY = frozenset({"1101", "2001"})
"""Steps that a message does not owe once its visit is open."""


class Closer:
    """Answers exchanges anew from the states of their sends."""

    def __init__(
        self,
        *,
        settings: ResolverSettings,
        sites: Sites,
        peers: Mapping[str, PeerSettings],
        journal: Journal,
        conductor: Conductor,
        replace: Replace,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._sites = sites
        self._peers = peers
        self._journal = journal
        self._conductor = conductor
        self._replace = replace
        self._clock = clock

    async def close(self, exchange_id: str) -> None:
        """Give an exchange its final answer, unless something of it is still unknown.

        The caller holds the visit. A message that was never answered is left: it is worked on
        again when it comes again.
        """
        send = await self.ended(exchange_id)
        exchange = await self._journal.exchange(exchange_id)
        result = await self._journal.stored_result(exchange_id)
        if send is None or exchange is None or exchange.final or result is None:
            return
        result.problems = []
        visit = await self.visit(send, result.intent)
        if visit is not None:  # a crash may have forgotten what the message settled before
            if send.infno in numbering.NUMBERED:
                await numbering.remember(self._journal, visit)
            made = await settlements_made(self._journal, exchange_id, result.intent, visit)
            if several.are_meant(result.intent):
                made = several.taken_back(result.intent, visit)
            result.settlements = made or result.settlements
        if send.state is SendState.REVERSED:
            result = await self._reversed(send, exchange, result)
        elif send.state is SendState.REJECTED:
            await self._refused(send, exchange, result, visit)
        elif send.state is SendState.MANUAL:
            result.status = Status.REVERSED
            result.problems = [reporting.vouched(send.infno, send.msgid, result.intent)]
        else:
            await self._confirmed(send, exchange, result, visit)
        note = f"{send.infno} {send.msgid} {send.state.value}"
        await self._replace(exchange_id, result, note)

    async def ended(self, exchange_id: str) -> SendRow | None:
        """The send that was resolved last; None while another one of the exchange is unknown.

        A 2601 says nothing of its own about the message, unless it is the message.
        """
        sends = await self._journal.sends(exchange_id=exchange_id)
        sends = [send for send in sends if not is_repeatable(send.infno)]
        own = [send for send in sends if not send.reverses] or sends
        if any(send.state in (SendState.UNKNOWN, SendState.SENDING) for send in own):
            return None
        resolved = [send for send in own if send.state in ENDED or send.note == LATE]
        return max(resolved, key=lambda send: send.updated_at) if resolved else None

    async def visit(self, send: SendRow, intent: Intent) -> Visit | None:
        """The visit as we know it; None for one that was only carried, and for a filing."""
        number = intent.visit.get("ipt_otp_no")
        row = None
        if number and intent.verb not in WITHOUT_VISIT:
            row = await self._journal.visit(visit_key(send.fixmedins_code, number))
        return renewed(intent, decode_visit(row.data, row.version)) if row else None

    async def _reversed(self, send: SendRow, exchange: ExchangeRow, result: Result) -> Result:
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
            result.status, result.retry_after = Status.REVERSED, 0
            told = reporting.reversed_(send.infno, send.msgid, intent, result.problems)
            result.problems = [p for p in result.problems if p.kind is not ProblemKind.NOT_SENT]
            result.problems.append(told)
        return result

    async def _refused(
        self, send: SendRow, exchange: ExchangeRow, result: Result, visit: Visit | None
    ) -> None:
        """The platform's refusal came late; what is undone after a refusal is undone now."""
        site, reply = self._sites.get(send.fixmedins_code), await self._journal.reply(send.msgid)
        assert site is not None
        assert reply is not None
        intent = result.intent
        meaning = site.profile.classify(reply.err_msg)
        result.status, result.reply, result.presettlement = Status.REJECTED, reply, None
        result.problems = [reporting.refused(send.infno, Rejected(reply), intent, meaning)]
        peer = self._peers.get(exchange.peer)
        if visit is not None and peer is not None:
            await self._conductor.withdraw(result, visit, peer, exchange.exchange_id)

    async def _confirmed(
        self, send: SendRow, exchange: ExchangeRow, result: Result, visit: Visit | None
    ) -> None:
        result.status, result.presettlement = Status.DONE, None
        reply = await self._journal.reply(send.msgid)
        if reply is not None and result.intent.verb is Verb.CARRY:
            result.output, result.reply = reply.output, reply
            return
        if visit is None:
            result.output = reply.output if reply is not None else await self._shown(send)
            number = result.output.get("result", {}).get("trt_dcla_detl_sn")
            if number and result.intent.verb is not Verb.CARRY:
                result.intent.filing.values["trt_dcla_detl_sn"] = number
            if result.intent.more_follows:
                self._left_open(send, result)
            return
        made = [s for s in visit.settlements if s.msgid == send.msgid]
        if made:
            result.output = {"setlinfo": dict(made[-1].info.values)}
        peer = self._peers.get(exchange.peer)
        if not self._has_rest(result.intent, visit, peer):
            return
        if not await self._described(exchange, result, peer):
            self._left_open(send, result)

    def _left_open(self, send: SendRow, result: Result) -> None:
        """Say that what was meant beyond the confirmed transaction was not done."""
        result.status = Status.REJECTED
        result.problems = [reporting.rest_open(send.infno, result.intent)]

    async def _described(
        self, exchange: ExchangeRow, result: Result, peer: PeerSettings | None
    ) -> bool:
        """Send the diagnoses of a confirmed registration (2203), which moves no money."""
        if peer is None or result.intent.verb is not Verb.REGISTER:
            return False
        more = await self._conductor.conduct_locked(result.intent, peer, exchange.exchange_id)
        result.calls += more.calls
        result.problems += [problem for problem in more.problems if not problem.stops]
        return more.status is Status.DONE

    def _has_rest(self, intent: Intent, visit: Visit, peer: PeerSettings | None) -> bool:
        """True when the message meant more than what was confirmed: nobody has tried that."""
        if intent.more_follows or several.some_stand(intent, visit):
            return True
        if intent.verb not in IN_PARTS:
            return False
        if peer is None:
            return True
        owed = ALREADY if intent.verb is Verb.REGISTER else ALREADY | {"2203"}
        try:
            prepared = self._sites.preparer(intent, peer).prepare(intent, visit, self._clock.now())
        except GatewayError:
            return True
        return any(step.infno not in owed for step in prepared.steps)

    async def _shown(self, send: SendRow) -> dict[str, Any]:
        """The output of a confirmed transaction that the sender composed itself."""
        for other in reversed(await self._journal.sends(exchange_id=send.exchange_id)):
            reply = await self._journal.reply(other.msgid)
            if other.infno == SETTLEMENT and reply is not None:
                return dict(reply.output)
            if other.infno == LIST and send.infno in LISTS and reply is not None:
                number = next(
                    (row.get("setl_list_sn") for row in rows(reply.output, "setlinfo")), ""
                )
                return {"data": {"setl_list_id": number}} if number else {}
        trail = await self._journal.audit_trail(send.exchange_id)
        decided = [row.detail for row in trail if row.detail.get("msgid") == send.msgid]
        node, code = _GIVEN.get(send.infno, ("", ""))
        number = next((d[code] for d in reversed(decided) if d.get(code)), "")
        return {node: {code: number}} if node else {}
