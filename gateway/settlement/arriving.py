"""Takes in the reply to a transaction that came after its outcome was called unknown.

It is the reply itself, on the connection of its request and with its signature verified, so that
it means what it would have meant in time: it is taken into the visit by the same rules
(`absorbing`), and the message gets the answer that it would have got.

1. Accepted, and about what was asked: the send is accepted, its visit changes with it.
2. Refused: the send is rejected. A refusal because the msgid is known never comes here.
3. Accepted, and about another visit, person or total: the outcome stays unknown, its note says so,
   and no policy acts on it any more, as with such a reply in time.
4. Accepted, and lacking what it must give, or what the visit cannot have made: it proves nothing
   that can be written down; the outcome stays unknown.
5. Of work of the gateway's own, which belongs to no message (clearing, settlement lists): the send
   is accepted or rejected, and whoever sent it reads that in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayError
from gateway.intents import Accepted, Rejected, Reply, Result
from gateway.journal import AuditEvent, Journal, SendRow, VisitRow
from gateway.settlement.absorbing import is_readable
from gateway.settlement.agreeing import MismatchError
from gateway.settlement.closing import LATE, Closer
from gateway.settlement.confirming import Confirmer, Shown
from gateway.settlement.work import UnreadableReplyError


class Arrivals:
    """Takes late replies in; the caller holds the visit."""

    def __init__(self, *, journal: Journal, confirmer: Confirmer, closer: Closer) -> None:
        self._journal = journal
        self._confirmer = confirmer
        self._closer = closer

    async def take(self, send: SendRow, outcome: Accepted | Rejected) -> str:
        """Take the reply to an unknown send in.

        `accepted` or `rejected`, `mismatch` and `unusable` where the outcome stays unknown;
        empty when the message has no answer yet, so that it has to be tried again.
        """
        if not send.exchange_id:
            return await self._own(send, outcome)
        result = await self._journal.stored_result(send.exchange_id)
        if result is None:
            return ""
        if isinstance(outcome, Rejected):
            await self._end(send, "rejected", outcome.reply, None)
            return "rejected"
        try:
            visit = await self._visit(send, result, outcome.reply.output)
        except MismatchError as error:
            event = _event(send, f"late reply: differs in {' '.join(error.fields)}")
            await self._journal.resolve_send(send.msgid, "unknown", str(error), events=[event])
            return "mismatch"
        except GatewayError:
            return "unusable"
        await self._end(send, "accepted", outcome.reply, visit)
        return "accepted"

    async def _own(self, send: SendRow, outcome: Accepted | Rejected) -> str:
        if isinstance(outcome, Accepted) and not is_readable(send.infno, outcome.reply.output):
            return "unusable"
        state = "accepted" if isinstance(outcome, Accepted) else "rejected"
        await self._resolve(send, state, outcome.reply, None)
        return state

    async def _end(self, send: SendRow, state: str, reply: Reply, visit: VisitRow | None) -> None:
        await self._resolve(send, state, reply, visit)
        await self._closer.close(send.exchange_id)

    async def _resolve(
        self, send: SendRow, state: str, reply: Reply, visit: VisitRow | None
    ) -> None:
        event = _event(send, f"late reply: {state}")
        await self._journal.resolve_send(
            send.msgid, state, LATE, reply=reply, visit=visit, events=[event]
        )

    async def _visit(
        self, send: SendRow, result: Result, output: Mapping[str, Any]
    ) -> VisitRow | None:
        """The visit with the transaction in it.

        Raises:
            MismatchError: the reply is about another visit, person or total.
            GatewayError: it cannot be taken in.
        """
        if not is_readable(send.infno, output):
            raise UnreadableReplyError(f"{send.infno}: the reply lacks what it must give")
        return await self._confirmer.taken_in(send, Shown(), result, output)


def _event(send: SendRow, how: str) -> AuditEvent:
    detail = {"msgid": send.msgid, "infno": send.infno, "how": how}
    return AuditEvent(send.exchange_id, "resolve", detail)
