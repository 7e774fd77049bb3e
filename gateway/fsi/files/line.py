"""An institution's line to its platform for files: message ids and sign-in.

Files move no money, so that nothing here goes through the pipeline or the journal. What may be
repeated is: a download, a query, an upload (which then exists twice under two numbers).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Protocol

from gateway.clock import CHINA, Clock
from gateway.errors import NotSentError
from gateway.fsi.channel import Channel
from gateway.fsi.envelope import SERIALS, new_msgid
from gateway.fsi.signin import SessionStore, SignIn
from gateway.fsi.transport import Reply, StreamedReply
from gateway.intents import Call, NotSent, Outcome, Rejected
from gateway.settings import InstitutionSettings


class Line(Protocol):
    """What files travel by."""

    @property
    def fixmedins_code(self) -> str:
        """Whose line it is."""
        ...

    async def transact(self, infno: str, content: dict[str, Any]) -> Outcome:
        """Make one transaction; what became of it."""
        ...

    def stream(
        self, infno: str, content: dict[str, Any], headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[StreamedReply]:
        """Send once and give the reply while it arrives.

        Raises:
            NotSentError: nothing left.
            UnknownOutcomeError: no head of a reply.
        """
        ...

    async def outcome(self, infno: str, reply: Reply) -> Outcome:
        """What a whole reply says."""
        ...


class Serials:
    """Numbers for message ids, counted down from the top of each second.

    A gateway that runs beside for the same institution counts up from 0 in its journal: the two
    meet only at 10,000 messages in a second.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = ""
        self._left = SERIALS

    def next(self) -> tuple[datetime, int]:
        """A moment and a number that were not given out together before.

        Raises:
            NotSentError: the numbers of this second are used up.
        """
        now = self._clock.now()
        second = f"{now.astimezone(CHINA):%Y%m%d%H%M%S}"
        if second != self._second:
            self._second, self._left = second, SERIALS
        if not self._left:
            raise NotSentError("the message numbers of this second are used up", retry_after=1)
        self._left -= 1
        return now, self._left


class MemorySessions:
    """Sign-in numbers of one process; `known` holds some that were found elsewhere."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._numbers = dict(known or {})

    async def session_get(self, key: str) -> str | None:
        """The number of a key."""
        return self._numbers.get(key)

    async def session_put(self, key: str, value: str, expires: datetime) -> None:
        """Keep a number while the process lives."""
        del expires
        self._numbers[key] = value


class ChannelLine:
    """A line over a channel, signed in as the institution's own operator."""

    def __init__(
        self,
        institution: InstitutionSettings,
        channel: Channel,
        clock: Clock,
        *,
        sessions: SessionStore | None = None,
        serials: Serials | None = None,
    ) -> None:
        self._institution = institution
        self._channel = channel
        self._serials = serials or Serials(clock)
        self._sign_in = SignIn(
            transact=self._send_unsigned, store=sessions or MemorySessions(), clock=clock
        )

    @property
    def fixmedins_code(self) -> str:
        """See `Line.fixmedins_code`."""
        return self._institution.fixmedins_code

    async def transact(self, infno: str, content: dict[str, Any]) -> Outcome:
        """See `Line.transact`; after a refusal for the sign-in, once more with a new one."""
        call = self._call(infno, content)
        outcome, sign_no = await self._send(call)
        if self._sign_in_expired(outcome):
            self._sign_in.forget(self._institution, "", sign_no)
            outcome, _ = await self._send(call)
        return outcome

    @asynccontextmanager
    async def stream(
        self, infno: str, content: dict[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[StreamedReply]:
        """See `Line.stream`."""
        sign_no = await self._number()
        async with self._channel.stream(
            self._call(infno, content), msgid=self._msgid(), sign_no=sign_no, headers=headers
        ) as reply:
            yield reply

    async def outcome(self, infno: str, reply: Reply) -> Outcome:
        """See `Line.outcome`; a refusal for the sign-in means not sent, and a new one next time."""
        outcome = await self._channel.outcome(infno, reply)
        if isinstance(outcome, Rejected) and self._sign_in_expired(outcome):
            self._sign_in.forget(self._institution, "", await self._number())
            return NotSent(outcome.reply.err_msg)
        return outcome

    def _sign_in_expired(self, outcome: Outcome) -> bool:
        if not isinstance(outcome, Rejected):
            return False
        return self._channel.profile.classify(outcome.reply.err_msg) == "sign-in-expired"

    async def _send(self, call: Call) -> tuple[Outcome, str]:
        sign_no = ""
        try:
            sign_no = await self._number()
            msgid = self._msgid()
        except NotSentError as error:
            return NotSent(error.reason), sign_no
        return await self._channel.send(call, msgid=msgid, sign_no=sign_no), sign_no

    async def _send_unsigned(self, call: Call) -> Outcome:
        return await self._channel.send(call, msgid=self._msgid(), sign_no="")

    async def _number(self) -> str:
        if not self._channel.profile.sign_in:
            return ""
        return await self._sign_in.number(self._institution, "")

    def _msgid(self) -> str:
        now, serial = self._serials.next()
        return new_msgid(self._institution.fixmedins_code, now, serial)

    def _call(self, infno: str, content: dict[str, Any]) -> Call:
        institution = self._institution
        return Call(
            infno=infno,
            input=content,
            fixmedins_code=institution.fixmedins_code,
            fixmedins_name=institution.fixmedins_name,
            mdtrtarea_admvs=institution.mdtrtarea_admvs,
            opter=institution.opter,
            opter_name=institution.opter_name,
            opter_type=institution.opter_type,
        )
