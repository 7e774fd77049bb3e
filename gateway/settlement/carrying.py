"""Carries a national transaction that the sender composed itself (national JSON).

The gateway adds what the sender cannot have: missing national codes, the checks of the
definition, the route, the signature, the sign-in, and a record that survives a crash. The
sender's own msgid is kept when it is well formed, so that its 2601 finds what it means.
"""

from __future__ import annotations

import re

from gateway.clock import Clock
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, StateError
from gateway.fsi.calls import call_of
from gateway.intents import (
    Accepted,
    Call,
    Intent,
    NotSent,
    Outcome,
    Rejected,
    Result,
    Status,
    Unknown,
)
from gateway.journal import AuditEvent, Journal, SendRow, SendState, VisitRow
from gateway.settings import PeerSettings
from gateway.settlement import reporting, resuming
from gateway.settlement.absorbing import is_readable
from gateway.settlement.agreeing import MismatchError, differing, mismatches, noted
from gateway.settlement.carried import check_carried
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.following import check_possible, follow, known_visit
from gateway.settlement.inputs import Site
from gateway.settlement.locks import VisitLocks
from gateway.settlement.office_keys import CLEARING, key_of
from gateway.settlement.openings import may_be_of_unknown_opening
from gateway.settlement.plans import is_repeatable
from gateway.settlement.sites import Sites
from gateway.settlement.standing import SettlementStateError
from gateway.settlement.visits import Visit, visit_key
from gateway.settlement.work import UnreadableReplyError, rows

MSGID = re.compile(r"^[HP]\d{29}$")
"""Institution code, yyyyMMddHHmmss, serial (rules section 1)."""

REVERSAL = "2601"

_WITHOUT_EFFECT = frozenset({SendState.REJECTED, SendState.NOT_SENT})
"""States of a send that a further attempt of the same message may follow."""

_ENDED = frozenset({SendState.REVERSED, SendState.MANUAL})
"""States of a send that had no known outcome and turned out to have no effect."""


class Carrier:
    """Carries transactions for the institutions it has a site of."""

    def __init__(
        self,
        *,
        sites: Sites,
        journal: Journal,
        dispatcher: Dispatcher,
        locks: VisitLocks,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._journal = journal
        self._dispatcher = dispatcher
        self._locks = locks
        self._clock = clock

    async def carry(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        """Code, check and send one transaction.

        Raises:
            InvalidError: the institution is not the peer's, or the insured region is empty or
                unknown.
        """
        site = self._sites.of(intent.facility, peer)
        problems = check_carried(intent, site, self._clock.now().date())
        result = Result(status=Status.DONE, intent=intent, problems=problems)
        if any(problem.stops for problem in problems):
            result.status = Status.INVALID
            return result
        call = self._call(intent, site)
        await self._stand_beside_original(call)
        if call.money and not call.visit_key:
            raise InvalidError([_no_visit(call.infno)])
        known = await known_visit(self._journal, call)
        key = known.key if known is not None else call.visit_key
        async with self._locks.hold(key or call.infno + exchange_id):
            if call.infno != REVERSAL and await self._held(call, intent):
                result.status = Status.INVALID
                own = await resuming.own_unknown(self._journal, exchange_id)
                if own is not None:
                    return resuming.still_unknown(own, intent)
                result.problems.append(reporting.held(intent))
                return result
            done = await self._done_before(call, site, exchange_id)
            if done is not None:
                await self._conclude(done, call, intent, result, exchange_id)
                return result
            ended = await self._ended(call, exchange_id)
            if ended is not None:
                result.status = Status.REVERSED
                result.problems.append(reporting.vouched(call.infno, ended.msgid, intent))
                return result
            await self._name_original(call)
            await self._send(call, intent, result, exchange_id)
        return result

    async def _stand_beside_original(self, call: Call) -> None:
        """A 2601 belongs to the visit of what it undoes, where the policy and operators see it.

        Raises:
            InvalidError: what it would undo was sent by another institution.
        """
        original = await self._journal.send(call.reverses) if call.reverses else None
        if original is None:
            return
        if original.fixmedins_code != call.fixmedins_code:
            raise InvalidError([_not_yours()])
        call.visit_key = original.visit_key or call.visit_key

    async def _ended(self, call: Call, exchange_id: str) -> SendRow | None:
        """The send of this message whose unknown outcome a decision ended before its answer."""
        sends = await self._journal.sends(exchange_id=exchange_id)
        last = next((send for send in reversed(sends) if send.infno == call.infno), None)
        return last if last is not None and last.state in _ENDED else None

    async def _done_before(self, call: Call, site: Site, exchange_id: str) -> Outcome | None:
        """What became of this message in an earlier attempt; None when it is to be sent."""
        sends = await self._journal.sends(exchange_id=exchange_id)
        last = next((send for send in reversed(sends) if send.infno == call.infno), None)
        if last is None:
            return None
        reply = await self._journal.reply(last.msgid)
        if last.state in _ENDED:
            return None
        if reply is None:
            if last.state is SendState.NOT_SENT or is_repeatable(call.infno):
                return None
            return Unknown(reason=last.note)
        if last.state is SendState.ACCEPTED:
            return Accepted(reply)
        expired = site.profile.classify(reply.err_msg) == "sign-in-expired"
        return None if expired else Rejected(reply)

    async def _name_original(self, call: Call) -> None:
        """A 2601 names the msgid that left, which is another one after a second attempt."""
        original = await self._journal.send(call.reverses) if call.reverses else None
        if original is None or original.state not in _WITHOUT_EFFECT:
            return
        for later in await self._journal.sends(exchange_id=original.exchange_id):
            if later.infno == original.infno and later.state not in _WITHOUT_EFFECT:
                call.reverses = later.msgid
                call.input = {**call.input, "data": {**call.input["data"], "omsgid": later.msgid}}

    def _call(self, intent: Intent, site: Site) -> Call:
        institution, header = site.institution, intent.carried_header
        code = institution.fixmedins_code
        mdtrt_id = intent.visit.get("mdtrt_id")
        psn_no = intent.person.get("psn_no")
        number = mdtrt_id or (f"psn:{psn_no}" if psn_no else "")
        msgid = header.get("msgid")
        infno = intent.carried_infno
        office = key_of(code, infno, intent.carried)
        return call_of(
            institution,
            infno,
            intent.carried,
            insuplc_admdvs=header.get("insuplc_admdvs") or intent.person.get("insuplc_admdvs"),
            opter=header.get("opter") or institution.opter,
            opter_name=header.get("opter_name") or institution.opter_name,
            opter_type=header.get("opter_type") or institution.opter_type,
            psn_no=psn_no,
            visit_key=office or (visit_key(code, number) if number else ""),
            money=infno in site.profile.money or (infno in CLEARING and bool(office)),
            msgid=msgid if MSGID.match(msgid) and msgid.startswith(code) else "",
            reverses=_original(intent),
        )

    async def _held(self, call: Call, intent: Intent) -> bool:
        if not call.visit_key:
            return False
        await self._dispatcher.write_down()
        sends = await self._journal.sends(state="unknown", visit_key=call.visit_key)
        if any(not is_repeatable(send.infno) for send in sends):
            return True
        number = intent.visit.get("mdtrt_id")
        return await may_be_of_unknown_opening(self._journal, call, number)

    async def _send(self, call: Call, intent: Intent, result: Result, exchange_id: str) -> None:
        known = await known_visit(self._journal, call)
        if call.infno == REVERSAL and known is not None:
            original = await self._journal.send(call.reverses)
            if original is not None and original.state is SendState.UNKNOWN:
                known = None  # the visit never had it; its message is answered anew
        if known is not None and (forbidden := _forbidden(known, call)):
            result.status = Status.INVALID
            result.problems.append(forbidden)
            return
        work = _Carried(call, known)
        try:
            done = await self._dispatcher.dispatch(
                call,
                exchange_id=exchange_id,
                interpret=work.interpret,
                insutype=intent.person.get("insutype"),
            )
        except StateError:
            result.status = Status.INVALID
            result.problems.append(reporting.held(intent))
            return
        result.calls.append(done.report)
        result.problems += [w.at("insuplc_admdvs") for w in done.route.warnings]
        call.msgid = done.report.msgid
        await self._conclude(done.outcome, call, intent, result, exchange_id)

    async def _conclude(
        self, outcome: Outcome, call: Call, intent: Intent, result: Result, exchange_id: str
    ) -> None:
        """Set the status of the message by the outcome; `call` has the msgid that left."""
        if isinstance(outcome, Accepted):
            result.output, result.reply = outcome.reply.output, outcome.reply
            if call.infno == REVERSAL:
                await self._note_reversal(call, exchange_id)
        elif isinstance(outcome, Rejected):
            result.reply = outcome.reply
            result.status = Status.REJECTED
            result.problems.append(reporting.refused(call.infno, outcome, intent))
        elif isinstance(outcome, NotSent):
            result.status, result.retry_after = Status.NOT_SENT, 5
            result.problems.append(reporting.not_sent(call.infno, outcome, intent))
        elif is_repeatable(call.infno):
            result.status, result.retry_after = Status.NOT_SENT, 5
            result.problems.append(reporting.no_answer(call.infno, intent))
        else:
            result.status = Status.UNKNOWN
            result.problems.append(reporting.unknown(call.infno, call.msgid, intent))
            result.problems += mismatches(call.infno, noted(outcome.reason), intent)

    async def _note_reversal(self, call: Call, exchange_id: str) -> None:
        """The sender's own 2601 ends an unknown outcome of ours."""
        original = await self._journal.send(call.reverses)
        if original is not None and original.state.value == "unknown":
            await self._journal.resolve_send(
                original.msgid,
                "reversed",
                "reversed by the sender",
                events=[AuditEvent(exchange_id, "resolve", {"msgid": original.msgid})],
            )


class _Carried:
    """One carried call and the visit that follows it, if a message opened one."""

    def __init__(self, call: Call, known: Visit | None) -> None:
        self._call = call
        self._known = known

    def interpret(self, outcome: Outcome, msgid: str) -> tuple[Outcome, VisitRow | None]:
        """Take an accepted reply in; one that lacks what it must give is of unknown outcome."""
        call = self._call
        if not isinstance(outcome, Accepted):
            return outcome, None
        output = outcome.reply.output
        if not is_readable(call.infno, output):
            return Unknown(reason=f"{call.infno}: the reply lacks what it must give"), None
        settled = rows(output, "setlinfo") if call.money else []
        if settled and (fields := differing(call.input, settled[0])):
            return Unknown(reason=str(MismatchError(fields, settled[0].get("setl_id")))), None
        if self._known is None:
            return outcome, None
        try:
            return outcome, follow(self._known, call, msgid, output)
        except (MismatchError, UnreadableReplyError) as error:
            return Unknown(reason=str(error)), None
        except StateError as error:
            return Unknown(reason=f"accepted, and impossible here: {error}"), None


def _forbidden(known: Visit, call: Call) -> Problem | None:
    """What the sender is told of a transaction that the tables forbid its visit."""
    try:
        check_possible(known, call)
    except SettlementStateError:
        field = "omsgid" if call.infno == REVERSAL else "setl_id"
    except StateError:
        field = "mdtrt_id"
    else:
        return None
    return reporting.forbidden(call.infno, known.state.value, field)


def _original(intent: Intent) -> str:
    node = intent.carried.get("data")
    original = node.get("omsgid") if isinstance(node, dict) else None
    is_reversal = intent.carried_infno == REVERSAL and isinstance(original, str)
    return str(original) if is_reversal else ""


def _no_visit(infno: str) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        field="mdtrt_id",
        place="input",
        zh=f"交易{infno}缺少就诊ID和人员编号",
        en=f"transaction {infno} names neither visit nor person",
    )


def _not_yours() -> Problem:
    return Problem(
        kind=ProblemKind.FORBIDDEN,
        code=ProblemCode.PEER_DENIED,
        field="omsgid",
        place="input.data.omsgid",
        zh="不能冲正其他定点医药机构的交易",
        en="what another institution sent cannot be reversed",
    )
