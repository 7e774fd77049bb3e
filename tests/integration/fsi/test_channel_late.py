"""What a channel does with a money call that gets no reply in time, and one that gets it later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway.crypto.sm import SigningKey
from gateway.fsi import late
from gateway.fsi.channel import Channel
from gateway.fsi.late import LateReplies
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import HTTPTransport
from gateway.intents import Accepted, Call, Outcome, Rejected, Unknown
from gateway.settings import ChannelSettings

MSGID = "H43010000001202603010905070001"


class Heard:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str, str]] = []
        self.told = asyncio.Event()

    def late_reply(self, msgid: str, infno: str, outcome: str) -> None:
        """Remember it."""
        self.outcomes.append((msgid, infno, outcome))
        self.told.set()


class Slow:
    """A channel to a platform that answers when the test says so."""

    def __init__(self, platform: Any, transport: HTTPTransport, folder: Path, key: Path) -> None:
        self.platform, self._transport, self._folder, self._key = platform, transport, folder, key
        self.heard = Heard()
        self.replies = LateReplies(self.heard)
        self.go = asyncio.Event()
        self.reply: Callable[[], web.Response] = lambda: platform.signed(
            infcode=0, err_msg="", output={"setlinfo": {"setl_id": "7"}}
        )
        self.requests: list[web.Request] = []
        platform.answer = self._answer

    async def _answer(self, request: web.Request, _document: Any) -> web.Response:
        self.requests.append(request)
        await self.go.wait()
        return self.reply()

    async def closed(self) -> bool:
        """True once the platform sees that the connection of the last request is gone."""
        async with asyncio.timeout(10):
            while self.requests[-1].transport is not None:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        return True

    async def send(
        self, *, money: bool = True, late_reply: float = 60.0, listen: bool = False
    ) -> Outcome:
        """Send a settlement, or an upload, that gets nothing within a tenth of a second."""
        settings = ChannelSettings(
            name="changsha",
            url=self.platform.url,
            profile="generic",
            platform_public_key_file=self._key,
            timeout=0.1,
            late_reply=late_reply,
        )
        profile = load_profile("generic")
        channel = Channel(settings, profile, self._transport, SystemClock(), late=self.replies)
        call = Call(
            infno="2207" if money else "2204",
            input={"data": {"medfee_sumamt": Decimal("12.50")}},
            fixmedins_code="H43010000001",
            fixmedins_name="长沙示范医院",
            mdtrtarea_admvs="430100",
            money=money,
        )
        return await channel.send(call, msgid=MSGID, sign_no="S1", listen=listen)


@pytest.fixture
async def slow(platform: Any, transport: HTTPTransport, channel: Any, tmp_path: Path) -> Any:
    """A slow platform, whose key is known, and who listens."""
    made = Slow(platform, transport, tmp_path, tmp_path / "platform.pem")
    yield made
    made.go.set()
    await made.replies.close()


async def outcome(slow: Slow) -> tuple[str, str, str]:
    """What became of listening."""
    async with asyncio.timeout(10):
        await slow.heard.told.wait()
    (only,) = slow.heard.outcomes
    return only


async def test_the_reply_is_kept_under_its_message_id(slow: Slow) -> None:
    """Unknown in time; accepted when the signed reply is there; taken once."""
    assert isinstance(await slow.send(), Unknown)
    assert slow.replies.reply(MSGID) is None
    slow.go.set()
    assert await outcome(slow) == (MSGID, "2207", "accepted")
    reply = slow.replies.reply(MSGID)
    assert isinstance(reply, Accepted)
    assert reply.reply.output["setlinfo"]["setl_id"] == "7"
    slow.replies.forget(MSGID)
    assert slow.replies.arrived() == []


@pytest.mark.parametrize("text", ["发送方报文ID重复", "签到流水号不存在，请先签到"])
async def test_a_refusal_is_kept_unless_it_may_be_of_a_second_copy(slow: Slow, text: str) -> None:
    """A refusal counts; that the msgid is known, or the sign-in is not, may be said of a request that
    came twice, and tells nothing of its first copy.
    """
    slow.reply = lambda: slow.platform.signed(infcode=-1, err_msg="基金未开放", output=None)
    assert isinstance(await slow.send(), Unknown)
    slow.go.set()
    assert (await outcome(slow))[2] == "rejected"
    assert isinstance(slow.replies.reply(MSGID), Rejected)
    slow.replies.forget(MSGID)
    slow.heard.outcomes.clear()
    slow.heard.told.clear()
    slow.go.clear()
    slow.reply = lambda: slow.platform.signed(infcode=-1, err_msg=text, output=None)
    assert isinstance(await slow.send(), Unknown)
    slow.go.set()
    assert (await outcome(slow))[2] == "unusable"
    assert slow.replies.arrived() == []


async def test_a_reply_that_does_not_verify_says_nothing(slow: Slow) -> None:
    """Another key signed it: dropped, and the outcome stays unknown."""
    other = SigningKey.generate()
    slow.reply = lambda: slow.platform.signed(other, infcode=0, err_msg="", output={"a": "b"})
    assert isinstance(await slow.send(), Unknown)
    slow.go.set()
    assert (await outcome(slow))[2] == "unusable"
    assert slow.replies.arrived() == []


async def test_listening_ends(slow: Slow) -> None:
    """After `late_reply` seconds the connection is closed, which the platform sees."""
    assert isinstance(await slow.send(late_reply=0.1), Unknown)
    assert (await outcome(slow))[2] == "none"
    assert await slow.closed()


async def test_listening_is_bounded(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than the bound is closed at once, and counted."""
    monkeypatch.setattr(late, "MAX_LISTENERS", 0)
    assert isinstance(await slow.send(), Unknown)
    assert slow.heard.outcomes == [(MSGID, "2207", "too-many")]


async def test_the_reply_on_a_kept_connection_is_kept_too(slow: Slow) -> None:
    """A 2204 whose reply somebody wants: the connection is given to nobody else meanwhile, and
    carries the next request once the reply was read to its end.
    """
    assert isinstance(await slow.send(money=False, listen=True), Unknown)
    other = asyncio.create_task(slow.send(money=False))
    async with asyncio.timeout(10):
        while len(slow.requests) < 2:  # noqa: ASYNC110 - the platform tells nobody
            await asyncio.sleep(0.01)
    first, second = (request.transport for request in slow.requests)
    assert first is not second
    assert isinstance(await other, Unknown)
    slow.go.set()
    assert await outcome(slow) == (MSGID, "2204", "accepted")
    assert isinstance(await slow.send(money=False), Accepted)
    assert slow.requests[-1].transport is first


async def test_what_moves_no_money_leaves_places_to_what_does(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two places an upload has one: the second upload is not listened for, a settlement is."""
    monkeypatch.setattr(late, "MAX_LISTENERS", 2)
    for _ in range(2):
        assert isinstance(await slow.send(money=False, listen=True), Unknown)
    assert slow.heard.outcomes == [(MSGID, "2204", "too-many")]
    assert isinstance(await slow.send(), Unknown)
    assert slow.heard.outcomes == [(MSGID, "2204", "too-many")]


@pytest.mark.parametrize(("money", "seconds"), [(False, 60.0), (True, 0.0)])
async def test_only_what_is_wanted_is_listened_for_and_only_when_set(
    slow: Slow, *, money: bool, seconds: float
) -> None:
    """A query may simply be asked again; `late_reply = 0` turns it off: both are closed."""
    assert isinstance(await slow.send(money=money, late_reply=seconds), Unknown)
    assert await slow.closed()
    assert slow.heard.outcomes == []


async def test_a_stop_closes_what_is_listened_on(slow: Slow) -> None:
    """`close` ends at once, and the platform sees the connection go."""
    assert isinstance(await slow.send(), Unknown)
    await slow.replies.close()
    assert await slow.closed()
    assert slow.replies.arrived() == []
