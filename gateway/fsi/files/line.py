"""An institution's line to its platform for files: message ids and sign-in.

Files move no money, so that nothing here goes through the pipeline or the journal. What may be
repeated is: a download, a query, an upload (which then exists twice under two numbers).
"""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from gateway.clock import CHINA, Clock
from gateway.errors import NotSentError
from gateway.fsi.calls import call_of
from gateway.fsi.channel import Channel
from gateway.fsi.envelope import SERIALS, new_msgid
from gateway.fsi.signin import SessionStore, SignIn
from gateway.fsi.transport import Reply, StreamedReply
from gateway.intents import Call, NotSent, Outcome, Rejected
from gateway.settings import InstitutionSettings

_SECOND = "%Y%m%d%H%M%S"
_RECORD = 40


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
    meet only at 10,000 messages in a second. With a `path`, a small file there keeps the last
    number, so that processes one after another and beside one another never share one.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._path = path
        self._last = ("", SERIALS)

    def next(self) -> tuple[datetime, int]:
        """A moment and a number that were not given out together before.

        Raises:
            NotSentError: the numbers of this second are used up, or the file cannot be written.
        """
        if self._path is None:
            self._last = self._after(self._last)
        else:
            try:
                self._last = self._shared(self._path)
            except OSError as error:
                raise NotSentError(f"the message numbers cannot be kept: {error}") from error
        second, serial = self._last
        return datetime.strptime(second, _SECOND).replace(tzinfo=CHINA), serial

    def _after(self, last: tuple[str, int]) -> tuple[str, int]:
        """The number after the last one; a clock that went back does not bring seconds back."""
        now = f"{self._clock.now().astimezone(CHINA):{_SECOND}}"
        second, left = last if last[0] >= now else (now, SERIALS)
        if not left:
            raise NotSentError("the message numbers of this second are used up", retry_after=1)
        return second, left - 1

    def _shared(self, path: Path) -> tuple[str, int]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            taken = self._after(_recorded(file.read(_RECORD)) or self._last)
            file.truncate(0)
            file.write(f"{taken[0]} {taken[1]}")
            return taken


def _recorded(text: str) -> tuple[str, int] | None:
    """The second and number of a record, None when it is none."""
    second, _, left = text.partition(" ")
    try:
        moment = datetime.strptime(second, _SECOND).replace(tzinfo=CHINA)
    except ValueError:
        return None
    whole = f"{moment:{_SECOND}}" == second and left.isascii() and left.isdigit()
    return (second, min(int(left), SERIALS)) if whole else None


class NoSessions:
    """No sign-in number is known from elsewhere; those of this process are kept by `SignIn`."""

    async def session_get(self, key: str) -> str | None:
        """There is none."""
        del key
        return None

    async def session_put(self, key: str, value: str, expires: datetime) -> None:
        """Nothing is kept."""


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
            transact=self._send_unsigned, store=sessions or NoSessions(), clock=clock
        )

    @property
    def fixmedins_code(self) -> str:
        """See `Line.fixmedins_code`."""
        return self._institution.fixmedins_code

    async def transact(self, infno: str, content: dict[str, Any]) -> Outcome:
        """See `Line.transact`; after a refusal for the sign-in, once more with a new one."""
        call = call_of(self._institution, infno, content)
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
            call_of(self._institution, infno, content),
            msgid=self._msgid(),
            sign_no=sign_no,
            headers=headers,
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
