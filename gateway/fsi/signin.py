"""Sign-in numbers: one 9001 for each institution and operator, kept until its day ends.

The text says that 9001 precedes the other transactions and that 9002 works only on a day with a
sign-in (reference: rules of the interface, section 3); how long a number is valid is not stated,
so the day is taken as its end and a refusal that speaks of the sign-in as its earlier end. 9001
moves no money and may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import NamedTuple, Protocol

from gateway.clock import CHINA, Clock
from gateway.errors import NotSentError
from gateway.fsi.calls import call_of
from gateway.intents import Accepted, Call, NotSent, Outcome, Rejected
from gateway.settings import InstitutionSettings

Transact = Callable[[Call], Awaitable[Outcome]]
"""Makes a 9001 call: routed, recorded and sent like any other."""


class SignInLostError(NotSentError):
    """A 9001 left and what became of it is not known."""


class SessionStore(Protocol):
    """Where numbers survive a restart; the journal is one."""

    async def session_get(self, key: str) -> str | None:
        """The number of a key, unless it expired."""
        ...

    async def session_put(self, key: str, value: str, expires: datetime) -> None:
        """Keep a number until `expires`."""
        ...


class _Number(NamedTuple):
    sign_no: str
    expires: datetime


class SignIn:
    """Sign-in numbers by institution and operator."""

    def __init__(self, *, transact: Transact, store: SessionStore, clock: Clock) -> None:
        self._transact = transact
        self._store = store
        self._clock = clock
        self._numbers: dict[str, _Number] = {}
        self._refused: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[str]] = {}

    async def number(
        self, institution: InstitutionSettings, opter: str, opter_name: str = ""
    ) -> str:
        """The number, signing in when there is none; callers at the same time share one 9001.

        An empty operator stands for the institution's own.

        Raises:
            NotSentError: signing in failed; the call that needs the number is not sent. A
                `SignInLostError` where the 9001 left and is of unknown outcome.
        """
        opter, opter_name = opter or institution.opter, opter_name or institution.opter_name
        key = _key(institution, opter)
        known = self._numbers.get(key)
        if known is not None and self._clock.now() < known.expires:
            return known.sign_no
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._obtain(institution, opter, opter_name, key))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def forget(self, institution: InstitutionSettings, opter: str, sign_no: str) -> None:
        """The platform refused this number: the next call signs in again.

        A number that has been renewed since stays.
        """
        key = _key(institution, opter or institution.opter)
        self._refused[key] = sign_no
        known = self._numbers.get(key)
        if known is not None and known.sign_no == sign_no:
            del self._numbers[key]

    def _finished(self, key: str, task: asyncio.Task[str]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # read, so that a failure nobody waits for any more is not reported

    async def _obtain(
        self, institution: InstitutionSettings, opter: str, opter_name: str, key: str
    ) -> str:
        expires = _end_of_day(self._clock.now())
        sign_no = await self._store.session_get(key)
        if not sign_no or sign_no == self._refused.get(key):
            sign_no = await self._sign_in(institution, opter, opter_name)
            await self._store.session_put(key, sign_no, expires)
        self._numbers[key] = _Number(sign_no, expires)
        return sign_no

    async def _sign_in(self, institution: InstitutionSettings, opter: str, opter_name: str) -> str:
        outcome = await self._transact(sign_in_call(institution, opter, opter_name))
        if isinstance(outcome, Accepted):
            node = outcome.reply.output.get("signinoutb")
            sign_no = node.get("sign_no") if isinstance(node, dict) else None
            if sign_no:
                return str(sign_no)
            raise NotSentError("signing in gave no number")
        if isinstance(outcome, Rejected):
            raise NotSentError(f"signing in was refused: {outcome.reply.err_msg}")
        if isinstance(outcome, NotSent):
            raise NotSentError(f"signing in was not sent: {outcome.reason}")
        raise SignInLostError(f"signing in has no known outcome: {outcome.reason}")


def sign_in_call(institution: InstitutionSettings, opter: str, opter_name: str) -> Call:
    """The 9001 call of an operator."""
    content = {"signIn": {"opter_no": opter, "mac": institution.mac, "ip": institution.ip}}
    return call_of(institution, "9001", content, opter=opter, opter_name=opter_name)


def _key(institution: InstitutionSettings, opter: str) -> str:
    return f"{institution.fixmedins_code}/{opter}"


def _end_of_day(now: datetime) -> datetime:
    day = now.astimezone(CHINA).date() + timedelta(days=1)
    return datetime.combine(day, time(), CHINA)
