"""An institution's line for work of the gateway's own: files, reconciliation, clearing, lists.

Unlike the line of a command beside the gateway (`gateway.fsi.files.line.ChannelLine`), every
transaction goes through the dispatcher: its message id is durable before the first byte leaves,
and its outcome is in the journal and the audit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.clock import Clock
from gateway.fsi.calls import call_of
from gateway.fsi.envelope import new_msgid
from gateway.fsi.transport import Reply, StreamedReply
from gateway.intents import NotSent, Outcome, Rejected
from gateway.journal import Journal
from gateway.settings import InstitutionSettings
from gateway.settlement.dispatching import Dispatched, Dispatcher


class JournalLine:
    """`gateway.fsi.files.line.Line` over the dispatcher."""

    def __init__(
        self,
        institution: InstitutionSettings,
        *,
        dispatcher: Dispatcher,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.institution = institution
        self._dispatcher = dispatcher
        self._journal = journal
        self._clock = clock

    @property
    def fixmedins_code(self) -> str:
        """See `Line.fixmedins_code`."""
        return self.institution.fixmedins_code

    async def transact(self, infno: str, content: dict[str, Any]) -> Outcome:
        """See `Line.transact`."""
        return (await self.dispatch(infno, content)).outcome

    async def dispatch(
        self,
        infno: str,
        content: dict[str, Any],
        *,
        money_key: str = "",
        key: str = "",
        psn_no: str = "",
        insuplc_admdvs: str = "",
    ) -> Dispatched:
        """Make one transaction; its outcome and its message id.

        With a `money_key` it is a money transaction: one in flight or unknown for this key. `key`
        is what the send is found by in the journal otherwise.

        Raises:
            StateError: another one of the same `money_key` is in flight or unknown.
        """
        call = call_of(self.institution, infno, content)
        call.money, call.visit_key = bool(money_key), money_key or key
        if insuplc_admdvs:
            call.psn_no, call.insuplc_admdvs = psn_no, insuplc_admdvs
        return await self._dispatcher.dispatch(call, exchange_id="")

    @asynccontextmanager
    async def stream(
        self, infno: str, content: dict[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[StreamedReply]:
        """See `Line.stream`; a file is only read, so that it leaves no send in the journal."""
        call = call_of(self.institution, infno, content)
        channel = self._dispatcher.channel_of(call)
        now = self._clock.now()
        second = now.strftime("%Y%m%d%H%M%S")
        serial = await self._journal.next_serial(self.fixmedins_code, second)
        msgid = new_msgid(self.fixmedins_code, now, serial)
        sign_no = await self._dispatcher.sign_no(call, channel)
        async with channel.stream(call, msgid=msgid, sign_no=sign_no, headers=headers) as reply:
            yield reply

    async def outcome(self, infno: str, reply: Reply) -> Outcome:
        """See `Line.outcome`; a refusal for the sign-in means not sent, and a new one next time."""
        call = call_of(self.institution, infno, {})
        channel = self._dispatcher.channel_of(call)
        outcome = await channel.outcome(infno, reply)
        if isinstance(outcome, Rejected):
            meaning = channel.profile.classify(outcome.reply.err_msg)
            if meaning == "sign-in-expired":
                await self._dispatcher.forget_sign_in(call, channel)
                return NotSent(outcome.reply.err_msg)
        return outcome
