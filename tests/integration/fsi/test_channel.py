"""A channel against a real HTTP server: what is accepted, refused, not sent, and how many go."""

from __future__ import annotations

import asyncio
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway.errors import ConfigurationError
from gateway.fsi import schemes
from gateway.fsi.channel import Channel
from gateway.fsi.envelope import verifies
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import Reply
from gateway.intents import Accepted, NotSent, Rejected, Unknown
from gateway.settings import ChannelSettings

MSGID = "H43010000001202603010905070001"
SECRETS = {"AK": "SK"}


@pytest.mark.parametrize("profile", ["hunan", "guangdong"])
async def test_an_accepted_call(profile: str, platform: Any, channel: Any) -> None:
    """Gateway headers and input signature verify on the other side; amounts come back exact."""
    outcome = await channel.send(channel(platform.url, profile))
    assert isinstance(outcome, Accepted)
    assert str(outcome.reply.output["setlinfo"]["medfee_sumamt"]) == "12.50"
    request, document = platform.requests[0], platform.documents[0]
    found = schemes.verify(
        load_profile(profile), request.headers, secrets=SECRETS, now=SystemClock().now()
    )
    assert found is None
    assert verifies(document["cainfo"], document["input"], platform.hospital.public_key())
    assert str(document["input"]["data"]["medfee_sumamt"]) == "12.50"
    assert request.path == ("/fsi" if profile == "hunan" else "/fsi/2207")


async def test_a_rejected_call(platform: Any, channel: Any) -> None:
    """A signed refusal is a refusal."""

    async def refuse(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return platform.signed(infcode="-1", err_msg="该就诊已结算", output=None)

    platform.answer = refuse
    outcome = await channel.send(channel(platform.url))
    assert isinstance(outcome, Rejected)
    assert outcome.reply.err_msg == "该就诊已结算"


async def test_a_refused_connection_is_not_sent(channel: Any) -> None:
    """Nobody listens: nothing left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await channel.send(channel(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert isinstance(outcome, NotSent)


async def test_an_unknown_host_is_not_sent(channel: Any) -> None:
    """The name does not resolve (RFC 6761 keeps .invalid free)."""
    assert isinstance(await channel.send(channel("http://platform.invalid/")), NotSent)


async def test_a_connection_that_is_never_accepted_is_not_sent(channel: Any) -> None:
    """The queue of the port is full, so that the handshake does not end: connect timeout."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        assert isinstance(await channel.send(channel(url, connect_timeout=0.3)), NotSent)


async def test_a_host_that_does_not_speak_tls_is_not_sent(platform: Any, channel: Any) -> None:
    """Without the TLS handshake there is no connection, and not a byte of the request."""
    outcome = await channel.send(channel(platform.url.replace("http:", "https:")))
    assert isinstance(outcome, NotSent)
    assert platform.requests == []


async def test_money_travels_on_a_connection_of_its_own(platform: Any, channel: Any) -> None:
    """Queries share one; a stale connection never makes a settlement unknown."""
    sender = channel(platform.url)
    for _ in range(3):
        await channel.send(sender, "2206")
    assert [r.keep_alive for r in platform.requests] == [True] * 3
    assert len(platform.connections) == 1
    await channel.send(sender, "2207")
    await sender.send(channel.call("2206", money=True), msgid=MSGID, sign_no="")
    assert [r.keep_alive for r in platform.requests[3:]] == [False] * 2


async def test_after_failures_nothing_is_tried_for_a_while(channel: Any) -> None:
    """The second call after two refused connections does not leave, and says why."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        sender = channel(url, breaker_failures=2, breaker_seconds=60.0)
        reasons = [
            outcome.reason
            for _ in range(3)
            if isinstance(outcome := await channel.send(sender), NotSent)
        ]
    assert sender.breaker_open
    assert [("paused" in reason) for reason in reasons] == [False, False, True]


async def test_after_the_pause_a_call_finds_the_platform_again(platform: Any, channel: Any) -> None:
    """The port opens after two refused connections; a pause of no length is over at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        sender = channel(url, breaker_failures=2, breaker_seconds=0.0)
        for _ in range(2):
            assert isinstance(await channel.send(sender), NotSent)
        await platform.open(socket.socket(fileno=taken.detach()))
        for _ in range(2):
            assert isinstance(await channel.send(sender), Accepted)


async def test_no_more_calls_than_places_are_under_way(platform: Any, channel: Any) -> None:
    """The second of two waits for the only place, and gives up unsent."""
    hold, arrived = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        arrived.set()
        await hold.wait()
        return platform.signed(infcode=0, output={})

    platform.answer = wait
    sender = channel(platform.url, max_connections=1, connect_timeout=0.3)
    first = asyncio.create_task(channel.send(sender))
    await arrived.wait()
    second = await channel.send(sender)
    hold.set()
    assert isinstance(second, NotSent)
    assert "busy" in second.reason
    assert isinstance(await first, Accepted)


async def test_a_call_that_is_given_up_frees_its_place(platform: Any, channel: Any) -> None:
    """Cancelled while it waits for the reply; the next call gets the only place."""
    hold, arrived = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        if not arrived.is_set():
            arrived.set()
            await hold.wait()
        return platform.signed(infcode=0, output={})

    platform.answer = wait
    sender = channel(platform.url, max_connections=1)
    first = asyncio.create_task(channel.send(sender))
    await arrived.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert isinstance(await channel.send(sender), Accepted)
    hold.set()


class _Surprising:
    """A transport that fails in a way nobody foresaw, after who knows what."""

    async def post(self, *_: Any, **__: Any) -> Reply:
        raise RuntimeError("surprise")


async def test_what_nobody_foresaw_is_unknown(channel: Any) -> None:
    """An error of an unknown kind may have come after the send."""
    settings = ChannelSettings(name="changsha", url="http://127.0.0.1:1/")
    sender = Channel(settings, load_profile("generic"), _Surprising(), SystemClock())
    assert isinstance(await channel.send(sender), Unknown)


async def test_an_input_that_cannot_be_written_is_not_sent(platform: Any, channel: Any) -> None:
    """No number JSON has, no text UTF-8 has, no object at all."""
    for value in (Decimal("NaN"), "\ud800", object()):
        call = channel.call()
        call.input["data"]["memo"] = value
        outcome = await channel(platform.url).send(call, msgid=MSGID, sign_no="")
        assert isinstance(outcome, NotSent)
    assert platform.requests == []


async def test_a_transaction_without_a_path_is_not_sent(platform: Any, channel: Any) -> None:
    """The profile with service paths has none for 4102."""
    outcome = await channel.send(channel(platform.url, "apikey"), "4102")
    assert isinstance(outcome, NotSent)
    await channel.send(channel(platform.url, "apikey"), "2207")
    assert platform.requests[0].path.endswith("/outpatientSettleService/saveSettletmentV2")


async def test_a_channel_that_signs_needs_its_key(channel: Any, tmp_path: Path) -> None:
    """Found at the start, not at the first settlement."""
    with pytest.raises(ConfigurationError, match="signing_key_file"):
        channel("http://127.0.0.1:1/", signing_key_file=None)
    with pytest.raises(ConfigurationError, match="nowhere"):
        channel("http://127.0.0.1:1/", secret_file=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="secret: not an SM2"):
        channel("http://127.0.0.1:1/", platform_public_key_file=tmp_path / "secret")
