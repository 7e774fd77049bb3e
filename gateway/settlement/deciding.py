"""An operator's decisions about unknown outcomes.

A decision is a transition of the send (journal rules 5 and 6) and the final answer to the
sender's message. Three are possible:

* `reverse`: undo it with 2601 now, whatever the policy of the site; not while another 2601 of it
  is itself in flight or unknown.
* `confirm`: the platform has the settlement and the operator knows its setl_id: 5203 reads it
  back, its medins_setl_id has to be our msgid (rules section 7), and the visit is settled.
* `nothing`: the operator vouches that the platform does not have it and will not get it.

Each is audited with the operator's name and note.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from gateway.clock import stamp
from gateway.errors import GatewayError, StateError
from gateway.intents import (
    Accepted,
    Call,
    Intent,
    Outcome,
    Rejected,
    Result,
    Settlement,
    Status,
    Verb,
    VisitClass,
)
from gateway.journal import AuditEvent, Journal, SendRow, VisitRow
from gateway.settlement import reporting
from gateway.settlement.absorbing import sell
from gateway.settlement.charges import batches_of
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.plans import is_repeatable
from gateway.settlement.reading import settlement_names
from gateway.settlement.resolving import EVERY, SETTLEMENTS, Resolver
from gateway.settlement.sites import new_visit
from gateway.settlement.totals import batches_to_settle
from gateway.settlement.visits import Batch, Visit, VisitEvent, decode_visit, encode_visit
from gateway.settlement.work import rows

READ_BACK = "5203"
VISITS = "5201"
PURCHASE = "2102"


class Decision(StrEnum):
    """What an operator can decide."""

    REVERSE = "reverse"
    CONFIRM = "confirm"
    NOTHING = "nothing"


class DecisionError(GatewayError):
    """The decision cannot be carried out; nothing was changed."""


class Open(msgspec.Struct, kw_only=True):
    """An unknown outcome, with what is needed to decide; safe to show and log."""

    msgid: str
    infno: str
    since: str
    exchange_id: str
    peer: str = ""
    kind: str = ""
    control_id: str = ""
    pooling_region: str = ""
    reversals: list[str] = []
    """States of the 2601 that were tried."""
    decisions: list[str] = []
    """What can be decided."""


class Decider:
    """Lists unknown outcomes and carries decisions out."""

    def __init__(self, *, journal: Journal, dispatcher: Dispatcher, resolver: Resolver) -> None:
        self._journal = journal
        self._dispatcher = dispatcher
        self._resolver = resolver

    async def open(self) -> list[Open]:
        """Every outcome that is unknown and holds its visit, oldest first."""
        sends = await self._journal.sends(state="unknown", limit=EVERY)
        return [await self._described(send) for send in sends if not is_repeatable(send.infno)]

    async def decide(
        self, msgid: str, decision: Decision, *, operator: str, note: str, setl_id: str = ""
    ) -> Open | None:
        """Carry a decision out; what is still open about it, None when it is resolved.

        Raises:
            DecisionError: there is no such open outcome, or the platform does not bear it out.
        """
        send = await self._unknown(msgid)
        words = {"msgid": msgid, "how": decision.value, "operator": operator}
        words["note"] = await self._masked(note, send)
        event = AuditEvent(send.exchange_id, "decide", words)
        try:
            async with self._resolver.holding(send):
                await self._unknown(msgid)  # another decision, or the policy, may have been first
                if decision is Decision.REVERSE:
                    await self._reverse(send, event)
                elif decision is Decision.CONFIRM:
                    await self._confirm(send, event, setl_id)
                else:
                    await self._nothing(send, event)
        except StateError as error:
            raise DecisionError(str(error)) from error
        after = await self._journal.send(msgid)
        still = after is not None and after.state.value == "unknown"
        return await self._described(send) if still else None

    async def _unknown(self, msgid: str) -> SendRow:
        send = await self._journal.send(msgid)
        if send is None or send.state.value != "unknown" or is_repeatable(send.infno):
            raise DecisionError(f"no unknown outcome has the msgid {msgid}")
        return send

    async def _masked(self, note: str, send: SendRow) -> str:
        """The note without what identifies the patient: the audit keeps it for ever."""
        result = await self._journal.stored_result(send.exchange_id)
        return reporting.masked(note, result.intent if result else Intent(verb=Verb.IGNORE))

    async def _described(self, send: SendRow) -> Open:
        exchange = await self._journal.exchange(send.exchange_id)
        reversals = await self._resolver.reversals(send)
        states = [reversal.state.value for reversal in reversals]
        decisions = [Decision.NOTHING]
        if self._resolver.is_reversible(send) and not {"sending", "unknown"} & set(states):
            decisions.append(Decision.REVERSE)
        if send.infno in SETTLEMENTS:
            decisions.append(Decision.CONFIRM)
        return Open(
            msgid=send.msgid,
            infno=send.infno,
            since=send.updated_at,
            exchange_id=send.exchange_id,
            peer=exchange.peer if exchange else "",
            kind=exchange.kind if exchange else "",
            control_id=exchange.control_id if exchange else "",
            pooling_region=send.pooling_region,
            reversals=states,
            decisions=sorted(decision.value for decision in decisions),
        )

    async def _reverse(self, send: SendRow, event: AuditEvent) -> None:
        if not self._resolver.is_reversible(send):
            raise DecisionError(f"2601 does not reverse {send.infno} in this region")
        states = {reversal.state.value for reversal in await self._resolver.reversals(send)}
        if {"sending", "unknown"} & states:
            raise DecisionError("a 2601 of it is itself without known outcome: ask the platform")
        outcome = await self._resolver.reverse(send, event)
        if isinstance(outcome, Rejected):
            reason = reporting.NUMBERS.sub(reporting.MASK, outcome.reply.err_msg)
            raise DecisionError(f"the platform refused the 2601: {reason}")
        if not isinstance(outcome, Accepted):
            raise DecisionError(f"the 2601 has no known outcome: {outcome.reason}")

    async def _nothing(self, send: SendRow, event: AuditEvent) -> None:
        await self._journal.resolve_send(send.msgid, "manual", event.detail["note"], events=[event])
        result = await self._journal.stored_result(send.exchange_id)
        if result is None or await self._still_open(send):
            return
        result.status = Status.REVERSED
        result.problems = [reporting.vouched(send.infno, send.msgid, result.intent)]
        await self._resolver.replace(send.exchange_id, result, "nothing happened")

    async def _still_open(self, send: SendRow) -> bool:
        """True while the message has another transaction that is unknown.

        A 2601 that did nothing says nothing of the settlement that it should have undone.
        """
        others = await self._journal.sends(state="unknown", exchange_id=send.exchange_id)
        return any(not (other.reverses or is_repeatable(other.infno)) for other in others)

    async def _confirm(self, send: SendRow, event: AuditEvent, setl_id: str) -> None:
        if send.infno not in SETTLEMENTS:
            raise DecisionError(f"{send.infno} makes no settlement that could be read back")
        if not setl_id:
            raise DecisionError("confirming needs the setl_id that the platform shows")
        result = await self._journal.stored_result(send.exchange_id)
        if result is None:
            raise DecisionError("the message of this send has no result to complete")
        settlement = await self._read_back(send, setl_id, result)
        visit = await self._visit(send, result)
        row = None
        if visit is not None:
            computed = result.presettlement
            if visit.visit_class is VisitClass.PHARMACY:
                visit.visit.values["mdtrt_id"] = settlement.info.get("mdtrt_id")
                sell(visit, settlement, batches_of(result.intent.charges))
            else:
                settlement.chrg_bchno = _settle(
                    visit, settlement, computed.chrg_bchno if computed else ""
                )
            row = VisitRow(
                key=visit.key,
                state=visit.state.value,
                version=visit.version,
                data=encode_visit(visit),
            )
        note = event.detail["note"]
        await self._journal.resolve_send(send.msgid, "confirmed", note, visit=row, events=[event])
        result.status, result.problems, result.presettlement = Status.DONE, [], None
        if visit is not None and _has_rest(result.intent, visit):
            result.status = Status.REJECTED
            result.problems = [reporting.rest_open(result.intent)]
        result.settlements.append(settlement)
        result.output = {"setlinfo": dict(settlement.info.values)}
        await self._resolver.replace(send.exchange_id, result, f"confirmed as {setl_id}")

    async def _read_back(self, send: SendRow, setl_id: str, result: Result) -> Settlement:
        """The settlement of this setl_id, which our message has to have made.

        A purchase (2102) got its mdtrt_id with its settlement: each of the time is asked for.
        """
        visits = [result.intent.visit.get("mdtrt_id")]
        if send.infno == PURCHASE and not visits[0]:
            visits = await self._purchases(send, result)
        for mdtrt_id in visits:
            data = {"psn_no": send.psn_no, "setl_id": setl_id, "mdtrt_id": mdtrt_id}
            outcome = await self._asked(send, READ_BACK, data)
            if isinstance(outcome, Accepted):
                return _of_our_message(send, outcome)
        raise DecisionError("the platform does not give this settlement (5203)")

    async def _purchases(self, send: SendRow, result: Result) -> list[str]:
        """The visits that the platform has of the person in the day around the send (5201)."""
        sent = datetime.fromisoformat(send.created_at)
        data = {
            "psn_no": send.psn_no,
            "med_type": result.intent.visit.get("med_type"),
            "begntime": stamp(sent - timedelta(days=1)),
            "endtime": stamp(sent + timedelta(days=1)),
        }
        outcome = await self._asked(send, VISITS, data)
        found = rows(outcome.reply.output, "mdtrtinfo") if isinstance(outcome, Accepted) else []
        return [row.get("mdtrt_id") for row in found]

    async def _asked(self, send: SendRow, infno: str, data: dict[str, str]) -> Outcome:
        institution = self._resolver.institution(send)
        call = Call(
            infno=infno,
            input={"data": data},
            fixmedins_code=send.fixmedins_code,
            fixmedins_name=institution.fixmedins_name,
            mdtrtarea_admvs=institution.mdtrtarea_admvs,
            insuplc_admdvs=send.insuplc_admdvs,
            opter=institution.opter,
            opter_name=institution.opter_name,
            opter_type=institution.opter_type,
            psn_no=send.psn_no,
            visit_key=send.visit_key,
        )
        return (await self._dispatcher.dispatch(call, exchange_id=send.exchange_id)).outcome

    async def _visit(self, send: SendRow, result: Result) -> Visit | None:
        """The visit as we know it; None for a transaction that was only carried."""
        intent = result.intent
        number = intent.visit.get("ipt_otp_no")
        row = await self._journal.visit(f"{send.fixmedins_code}/{number}") if number else None
        if row is None and number and intent.visit_class is VisitClass.PHARMACY:
            visit = new_visit(intent, send.fixmedins_code)
            visit.person, visit.visit = intent.person, intent.visit
            return visit
        return decode_visit(row.data, row.version) if row else None


def _of_our_message(send: SendRow, outcome: Accepted) -> Settlement:
    """The settlement of a 5203.

    Raises:
        DecisionError: there is none, or another message made it.
    """
    found = rows(outcome.reply.output, "setlinfo")
    if not found:
        raise DecisionError("the reply to 5203 has no settlement")
    info = settlement_names(found[0])
    if info.get("medins_setl_id") != send.msgid:
        raise DecisionError("the settlement of this setl_id was made by another message")
    funds = rows(outcome.reply.output, "setldetail")
    return Settlement(infno=send.infno, msgid=send.msgid, info=info, funds=funds)


def _settle(visit: Visit, settlement: Settlement, computed: str) -> str:
    """Mark what it settled; the number of the charge batch (outpatient).

    `computed` is the batch that the message computed last (2206), the one that it then settled.

    Raises:
        DecisionError: the amount does not say which open batch it is.
    """
    setl_id = settlement.info.get("setl_id")
    amount = settlement.info.amount("medfee_sumamt")
    settled: list[Batch] = visit.open_batches()
    if visit.visit_class.value == "outpatient":
        settled = [batch for batch in settled if batch.amount == amount]
        settled = [batch for batch in settled if batch.chrg_bchno == computed] or settled
        if len(settled) != 1:
            raise DecisionError(f"{len(settled)} open charge batches have the amount {amount}")
    for batch in settled:
        batch.setl_id = setl_id
    visit.apply(VisitEvent.SETTLED)
    visit.settlements.append(settlement)
    return settled[0].chrg_bchno if visit.visit_class.value == "outpatient" else ""


def _has_rest(intent: Intent, visit: Visit) -> bool:
    """True when the message meant further charge batches, which nobody has tried to settle."""
    outpatient = visit.visit_class.value == "outpatient"
    return outpatient and intent.verb is Verb.SETTLE and bool(batches_to_settle(intent, visit, []))
