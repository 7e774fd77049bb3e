"""The network between the gateway and the model platform, with everything that can go wrong.

A request that left goes its own way: it arrives although the gateway gave up or crashed.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import NotSentError, UnknownOutcomeError
from gateway.fsi.transport import Listen, Reply
from tests.simulation.platform import Platform

FATES = (
    "refused",  # no connection
    "lost",  # the connection broke before the request arrived
    "unanswered",  # carried out, and the connection broke before the reply
    "silent",  # carried out, and no reply comes
    "slow",  # carried out in time, the reply comes after the timeout
    "slow-altered",  # the same, and it names another visit or total
    "slow-second",  # delivered twice, the second one's reply comes after the timeout
    "late",  # arrives long after the timeout
    "twice",  # delivered twice, the reply is the first one's
    "twice-second",  # delivered twice, the reply is the second one's
    "garbled",  # the reply is cut off
    "altered",  # carried out, and the reply names another visit or total
    "empty",  # accepted, and the reply lacks its output
    "http-500",  # carried out, and a proxy answers
    "outer-401",  # the outer gateway refuses: not delivered
)

_GIVES = (
    "1101",
    "2101",
    "2102",
    "2103",
    "2201",
    "2204",
    "2206",
    "2207",
    "2208",
    "2301",
    "2303",
    "2304",
    "2305",
    "2401",
    "9001",
)
"""Transactions whose reply gives something that a later step needs."""

LATEST = 120.0
"""Seconds after which the latest request has arrived."""


class Wire:
    """`Transport` of one gateway process to the platform."""

    def __init__(
        self,
        platform: Platform,
        *,
        fate: Callable[[str], str],
        point: Callable[[str], None],
        down: Callable[[], bool],
        trace: Callable[..., None],
        chance: random.Random,
    ) -> None:
        self._platform, self._fate, self._point = platform, fate, point
        self._down, self._trace, self._chance = down, trace, chance

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        connect_timeout: float,
        timeout: float,  # noqa: ASYNC109 - the transport's own signature
        fresh: bool,
        listen: Listen | None = None,
    ) -> Reply:
        """Post once, as the fates have it; the connection stays open for whoever listens."""
        infno = body[10:14].decode()
        fate = self._fate(infno)
        self._trace("post", infno, fate)
        self._point("connect")
        await asyncio.sleep(self._chance.choice((0.001, 0.01, 0.3)))
        if self._down() or fate == "refused":
            raise NotSentError("connection refused")
        if fate == "outer-401":
            return _reply(b'{"code": 401, "message": "signature expired"}')
        self._point(f"sent {infno}")
        if fate == "lost":
            raise UnknownOutcomeError("the connection broke")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._launch(fate, body, future, timeout)
        done, _ = await asyncio.wait([future], timeout=timeout)
        if not done:
            if listen is not None:
                listen(asyncio.get_running_loop().create_task(self._heard(future, fate)))
            else:
                future.cancel()
            raise UnknownOutcomeError("no reply in time")
        return await self._heard(future, fate)

    async def _heard(self, future: asyncio.Future[bytes], fate: str) -> Reply:
        """The reply, when it comes."""
        answer = await future
        self._point("replied")
        if fate == "garbled":
            answer = answer[: len(answer) // 2]
        if fate == "http-500":
            return Reply(status=502, headers={}, body=b"<html>bad gateway</html>")
        return _reply(answer)

    def _launch(
        self, fate: str, body: bytes, future: asyncio.Future[bytes], patience: float
    ) -> None:
        """Set the request on its way, and the reply behind it."""
        call_later = asyncio.get_running_loop().call_later
        soon = self._chance.choice((0.002, 0.05, 1.5))
        back = self._chance.choice((0.002, 0.05, 1.5))
        if fate == "late":
            soon = patience + self._chance.uniform(1.0, LATEST - patience)
        if fate.startswith("slow"):
            back = patience + 5.0

        def answer(content: bytes | None) -> None:
            if future.done():
                return
            if content is None:
                future.set_exception(UnknownOutcomeError("the connection broke"))
            else:
                future.set_result(content)

        infno = body[10:14].decode()  # the first member of the envelope

        def arrive(*, answered: bool) -> None:
            if self._down():
                self._trace("lost at the platform")
                if not future.done():
                    call_later(back, answer, None)
                return
            content = self._platform.receive(body, late=fate == "late")
            self._trace("arrived", body, content)
            if fate == "empty" and infno in _GIVES and b'"infcode":0' in content:
                content = b'{"infcode":0,"inf_refmsgid":"R","err_msg":"","output":{}}'
            if fate in ("altered", "slow-altered"):
                content = _altered(content, other_visit=infno in ("2103", "2304", "2208"))
            if not answered or fate == "silent":
                return
            call_later(back, answer, None if fate == "unanswered" else content)

        second = fate in ("twice-second", "slow-second")
        call_later(soon, lambda: arrive(answered=not second))
        if fate.startswith("twice") or second:
            again = soon + self._chance.choice((0.0, 0.2, 3.0))
            call_later(again, lambda: arrive(answered=second))

    def stream(self, *_args: Any, **_options: Any) -> Any:
        """No files in this world."""
        raise NotSentError("no files")


def _altered(content: bytes, *, other_visit: bool) -> bytes:
    """The reply to a settlement with another visit, or a total that is a hundred yuan more."""
    if other_visit:
        return content.replace(b'"mdtrt_id":"4301', b'"mdtrt_id":"4399')
    return re.sub(rb'("medfee_sumamt":-?)(?=\d)', rb"\g<1>1", content)


def _reply(body: bytes) -> Reply:
    return Reply(status=200, headers={}, body=body)
