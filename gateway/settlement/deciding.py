"""An operator's decisions about unknown outcomes.

A decision is a transition of the send (journal rules 5 and 6) and the final answer to the
sender's message. Three are possible:

* `reverse`: undo it with 2601 now, whatever the policy of the site; not while another 2601 of it
  is itself in flight or unknown.
* `confirm`: it happened, and the platform shows it: what is entered is checked and read back, and
  the visit goes on as if the reply had come (`confirming`); not while a 2601 of it may still undo
  it, either. Of a 2601: the platform has undone what it was to undo.
* `nothing`: the operator vouches that the platform does not have it and will not get it.

Each is audited with the operator's name and note.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gateway.errors import StateError, StepError
from gateway.intents import Accepted, Intent, Rejected, Verb
from gateway.journal import AuditEvent, AuditRow, Journal, SendRow, SendState
from gateway.settlement import reporting
from gateway.settlement.agreeing import is_mismatch
from gateway.settlement.asked import NotConfirmedError
from gateway.settlement.closing import Closer
from gateway.settlement.confirming import NEEDS, Confirmer, Shown
from gateway.settlement.plans import is_repeatable
from gateway.settlement.resolving import EVERY, REVERSAL, Resolver

_REPORTED = ("infno", "msgid", "outcome", "how", "operator", "note", "batch", "status", "time")
"""Members of an audit row that an operator is shown."""


class Decision(StrEnum):
    """What an operator can decide."""

    REVERSE = "reverse"
    CONFIRM = "confirm"
    NOTHING = "nothing"


class DecisionError(StepError):
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
    reason: str = ""
    """Why the outcome is unknown."""
    waits_zh: str = ""
    waits_en: str = ""
    """Why nobody but an operator ends it, empty while the resolver may."""
    reverses: str = ""
    """Of a 2601: the msgid that it undoes."""
    reversals: list[str] = []
    """States of the 2601 that were tried."""
    decisions: list[str] = []
    """What can be decided."""
    needs: list[str] = []
    """What `confirm` needs from the platform's pages."""


class Step(msgspec.Struct, kw_only=True):
    """One thing that happened to the message of an unknown outcome."""

    time: str
    station: str
    detail: dict[str, str]


class Case(msgspec.Struct, kw_only=True):
    """Everything that is known of one unknown outcome."""

    unknown: Open
    history: list[Step]


class Decider:
    """Lists unknown outcomes and carries decisions out."""

    def __init__(
        self, *, journal: Journal, resolver: Resolver, confirmer: Confirmer, closer: Closer
    ) -> None:
        self._journal = journal
        self._resolver = resolver
        self._confirmer = confirmer
        self._closer = closer

    async def open(self) -> list[Open]:
        """Every outcome that is unknown and holds its visit, oldest first."""
        sends = await self._journal.sends(state="unknown", limit=EVERY)
        return [await self._described(send) for send in sends if not is_repeatable(send.infno)]

    async def case(self, msgid: str) -> Case:
        """One of them, with the history of its message.

        Raises:
            DecisionError: there is no such open outcome.
        """
        send = await self._unknown(msgid)
        trail = await self._journal.audit_trail(send.exchange_id)
        return Case(
            unknown=await self._described(send),
            history=[_step(row) for row in trail],
        )

    async def decide(
        self,
        msgid: str,
        decision: Decision,
        *,
        operator: str,
        note: str,
        shown: Shown | None = None,
    ) -> Open | None:
        """Carry a decision out; what is still open about it, None when it is resolved.

        `shown` is what the platform shows of it, for `confirm`.

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
                    await self._confirm(send, event, shown or Shown())
                else:
                    await self._nothing(send, event)
        except StateError as error:
            raise DecisionError(
                "状态已变化，未执行；请重新查看后再决定", f"the state changed meanwhile: {error}"
            ) from error
        except NotConfirmedError as error:
            raise DecisionError(error.zh, str(error)) from error
        after = await self._journal.send(msgid)
        still = after is not None and after.state is SendState.UNKNOWN
        return await self._described(send) if still else None

    async def _unknown(self, msgid: str) -> SendRow:
        send = await self._journal.send(msgid)
        if send is None or send.state is not SendState.UNKNOWN or is_repeatable(send.infno):
            raise DecisionError(
                f"没有结果未知的报文{msgid}", f"no unknown outcome has the msgid {msgid}"
            )
        return send

    async def _masked(self, note: str, send: SendRow) -> str:
        """The note without what identifies the patient: the audit keeps it for ever."""
        result = await self._journal.stored_result(send.exchange_id)
        return reporting.masked(note, result.intent if result else Intent(verb=Verb.IGNORE))

    async def _described(self, send: SendRow) -> Open:
        exchange = await self._journal.exchange(send.exchange_id)
        reversals = await self._resolver.reversals(send)
        decisions = [Decision.NOTHING]
        undone = await self._resolver.is_being_undone(send)
        if self._resolver.is_reversible(send) and not undone:
            decisions.append(Decision.REVERSE)
        if send.exchange_id and (send.infno == REVERSAL or (send.infno in NEEDS and not undone)):
            decisions.append(Decision.CONFIRM)
        waits = await self._waits(send, reversals)
        return Open(
            msgid=send.msgid,
            infno=send.infno,
            since=send.updated_at,
            exchange_id=send.exchange_id,
            peer=exchange.peer if exchange else "",
            kind=exchange.kind if exchange else "",
            control_id=exchange.control_id if exchange else "",
            pooling_region=send.pooling_region,
            reason=send.note,
            waits_zh=waits[0],
            waits_en=waits[1],
            reverses=send.reverses,
            reversals=[reversal.state.value for reversal in reversals],
            decisions=sorted(decision.value for decision in decisions),
            needs=list(NEEDS.get(send.infno, ())),
        )

    async def _waits(self, send: SendRow, reversals: list[SendRow]) -> tuple[str, str]:
        """Why the resolver leaves it to an operator, in Chinese and English; else empty."""
        if send.reverses:
            return "冲正交易不会自动重复", "a 2601 is never repeated blindly"
        if is_mismatch(send.note):
            return (
                "平台返回的内容与发送的不一致",
                "the platform's reply is about something else than was sent",
            )
        if not self._resolver.reverses_by_itself:
            return "网关设置为不自动冲正", "the policy is to hold"
        if not self._resolver.is_reversible(send):
            return (
                f"本地区的2601不能冲正{send.infno}",
                f"2601 does not reverse {send.infno} in this region",
            )
        if any(reversal.state is not SendState.NOT_SENT for reversal in reversals):
            return (
                "已尝试冲正，未得到平台确认",
                "a 2601 was tried, and the platform did not confirm it",
            )
        if await self._resolver.is_exhausted(send):
            return (
                "该消息已重新结算过，不再自动重试",
                "the message was settled anew before: it is not tried again by itself",
            )
        return "", ""

    async def _reverse(self, send: SendRow, event: AuditEvent) -> None:
        if not self._resolver.is_reversible(send):
            raise DecisionError(
                f"本地区的2601不能冲正{send.infno}",
                f"2601 does not reverse {send.infno} in this region",
            )
        if await self._resolver.is_being_undone(send):
            raise _being_undone()
        outcome = await self._resolver.reverse(send, event)
        if isinstance(outcome, Rejected):
            reason = reporting.NUMBERS.sub(reporting.MASK, outcome.reply.err_msg)
            raise DecisionError(
                f"平台拒绝了2601：{reason}", f"the platform refused the 2601: {reason}"
            )
        if not isinstance(outcome, Accepted):
            raise DecisionError(
                f"2601没有得到结果：{outcome.reason}",
                f"the 2601 has no known outcome: {outcome.reason}",
            )

    async def _confirm(self, send: SendRow, event: AuditEvent, shown: Shown) -> None:
        if send.infno != REVERSAL:
            if await self._resolver.is_being_undone(send):
                raise _being_undone()
            await self._confirmer.confirm(send, shown, event, event.detail["note"])
            return
        note = event.detail["note"]
        result = await self._journal.stored_result(send.exchange_id)
        own = result.intent if result is not None and result.intent.verb is Verb.CARRY else None
        row = await self._confirmer.followed(send, own, {}) if own is not None else None
        await self._journal.resolve_send(send.msgid, "confirmed", note, visit=row, events=[event])
        original = await self._journal.send(send.reverses)
        if original is not None and original.state is SendState.UNKNOWN:
            words = {**event.detail, "msgid": original.msgid}
            await self._resolver.reversed(
                original, AuditEvent(original.exchange_id, "decide", words)
            )
        await self._closer.close(send.exchange_id)

    async def _nothing(self, send: SendRow, event: AuditEvent) -> None:
        await self._journal.resolve_send(send.msgid, "manual", event.detail["note"], events=[event])
        await self._closer.close(send.exchange_id)


def _being_undone() -> DecisionError:
    return DecisionError(
        "它的一笔2601本身结果未知：请先向经办机构核实并了结该2601",
        "a 2601 of it is itself without known outcome: ask the platform, and decide the 2601 first",
    )


def _step(row: AuditRow) -> Step:
    detail = {name: row.detail[name] for name in _REPORTED if row.detail.get(name)}
    return Step(time=row.time, station=row.station, detail=detail)
