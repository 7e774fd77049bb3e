"""A channel against a real HTTP server that misbehaves in every way a platform does."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certs import write_private
from gateway.clock import SystemClock
from gateway.crypto.sm import SigningKey
from gateway.errors import ConfigurationError
from gateway.fsi import schemes
from gateway.fsi.channel import Channel
from gateway.fsi.envelope import verifies
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import HTTPTransport, Reply
from gateway.fsi.wire import canonical_text, decode_json, encode_json
from gateway.intents import Accepted, Call, NotSent, Outcome, Rejected, Unknown
from gateway.settings import ChannelSettings

OURS, THEIRS = SigningKey.generate(), SigningKey.generate()
MSGID = "H43010000001202603010905070001"
SECRETS = {"AK": "SK"}

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def _signed(key: SigningKey = THEIRS, **members: Any) -> web.Response:
    text = canonical_text(members.get("output")).encode()
    document = {"cainfo": base64.b64encode(key.sign(text)).decode(), "signtype": "SM2", **members}
    return web.Response(body=encode_json(document), content_type="application/json")


class _Platform:
    """A server on a real port that answers as the test says and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.documents: list[dict[str, Any]] = []
        self.connections: set[int] = set()
        self.answer: Answer | None = None
        application = web.Application()
        application.router.add_post("/{path:.*}", self.handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        self.url = ""

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/fsi"

    async def open(self, bound: socket.socket) -> None:
        await web.SockSite(self._runner, bound).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        document = decode_json(await request.read())
        self.requests.append(request)
        self.documents.append(document)
        self.connections.add(id(request.transport))
        if self.answer is not None:
            return await self.answer(request, document)
        output = {"setlinfo": {"setl_id": "1", "medfee_sumamt": Decimal("12.50")}}
        return _signed(infcode=0, inf_refmsgid="430100", err_msg="", output=output)


@pytest.fixture
async def platform() -> AsyncIterator[_Platform]:
    """A platform on a port of its own."""
    server = _Platform()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def transport() -> AsyncIterator[HTTPTransport]:
    """A transport that is closed after the test."""
    made = HTTPTransport()
    yield made
    await made.close()


class _Maker:
    """Makes channels with keys on disk."""

    def __init__(self, folder: Path, transport: HTTPTransport) -> None:
        self._folder, self._transport = folder, transport
        write_private(folder / "secret", b"SK\n", replace=True)
        write_private(folder / "key.pem", OURS.to_pem(), replace=True)
        (folder / "platform.pem").write_bytes(THEIRS.public_key().to_pem())

    def __call__(self, url: str, profile: str = "hunan", **changes: Any) -> Channel:
        values = {
            "name": "changsha",
            "url": url,
            "account": "AK",
            "secret_file": self._folder / "secret",
            "signing_key_file": self._folder / "key.pem",
            "platform_public_key_file": self._folder / "platform.pem",
            "timeout": 5.0,
            "connect_timeout": 2.0,
        }
        settings = ChannelSettings.model_validate({**values, **changes})
        return Channel(settings, load_profile(profile), self._transport, SystemClock())


@pytest.fixture
def channel(tmp_path: Path, transport: HTTPTransport) -> _Maker:
    """Makes channels to a URL."""
    return _Maker(tmp_path, transport)


def _call(infno: str = "2207", **members: Any) -> Call:
    return Call(
        infno=infno,
        input={"data": {"psn_no": "43010000000000000001", "medfee_sumamt": Decimal("12.50")}},
        fixmedins_code="H43010000001",
        fixmedins_name="长沙示范医院",
        mdtrtarea_admvs="430100",
        **members,
    )


async def _send(channel: Channel, infno: str = "2207") -> Outcome:
    return await channel.send(_call(infno), msgid=MSGID, sign_no="S1")


@pytest.mark.parametrize("profile", ["hunan", "guangdong"])
async def test_an_accepted_call(profile: str, platform: _Platform, channel: _Maker) -> None:
    """Gateway headers and input signature verify on the other side; amounts come back exact."""
    outcome = await _send(channel(platform.url, profile))
    assert isinstance(outcome, Accepted)
    assert str(outcome.reply.output["setlinfo"]["medfee_sumamt"]) == "12.50"
    request, document = platform.requests[0], platform.documents[0]
    found = schemes.verify(
        load_profile(profile), request.headers, secrets=SECRETS, now=SystemClock().now()
    )
    assert found is None
    assert verifies(document["cainfo"], document["input"], OURS.public_key())
    assert str(document["input"]["data"]["medfee_sumamt"]) == "12.50"
    assert request.path == ("/fsi" if profile == "hunan" else "/fsi/2207")


async def test_a_rejected_call(platform: _Platform, channel: _Maker) -> None:
    """A signed refusal is a refusal."""

    async def refuse(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return _signed(infcode="-1", err_msg="该就诊已结算", output=None)

    platform.answer = refuse
    outcome = await _send(channel(platform.url))
    assert isinstance(outcome, Rejected)
    assert outcome.reply.err_msg == "该就诊已结算"


async def test_a_refused_connection_is_not_sent(channel: _Maker) -> None:
    """Nobody listens: nothing left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = await _send(channel(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert isinstance(outcome, NotSent)


async def test_an_unknown_host_is_not_sent(channel: _Maker) -> None:
    """The name does not resolve (RFC 6761 keeps .invalid free)."""
    assert isinstance(await _send(channel("http://platform.invalid/")), NotSent)


async def test_a_connection_that_is_never_accepted_is_not_sent(channel: _Maker) -> None:
    """The queue of the port is full, so that the handshake does not end: connect timeout."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        assert isinstance(await _send(channel(url, connect_timeout=0.3)), NotSent)


async def test_a_host_that_does_not_speak_tls_is_not_sent(
    platform: _Platform, channel: _Maker
) -> None:
    """Without the TLS handshake there is no connection, and not a byte of the request."""
    outcome = await _send(channel(platform.url.replace("http:", "https:")))
    assert isinstance(outcome, NotSent)
    assert platform.requests == []


async def test_a_connection_dropped_before_the_reply_is_unknown(
    platform: _Platform, channel: _Maker
) -> None:
    """The platform may have carried it out."""

    async def drop(request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    platform.answer = drop
    assert isinstance(await _send(channel(platform.url)), Unknown)


async def test_a_connection_dropped_within_the_reply_is_unknown(
    platform: _Platform, channel: _Maker
) -> None:
    """Half an acceptance is none."""

    async def cut(request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500"})
        await response.prepare(request)
        await response.write(b'{"infcode":0,')
        assert request.transport is not None
        request.transport.close()
        return response

    platform.answer = cut
    assert isinstance(await _send(channel(platform.url)), Unknown)


async def test_a_reply_that_is_late_is_unknown(platform: _Platform, channel: _Maker) -> None:
    """The deadline starts when the connection stands; the platform goes on working."""
    hold = asyncio.Event()

    async def wait(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        await hold.wait()
        return _signed(infcode=0, output={})

    platform.answer = wait
    outcome = await _send(channel(platform.url, timeout=0.2))
    hold.set()
    assert isinstance(outcome, Unknown)
    assert len(platform.requests) == 1


async def test_a_reply_that_drips_does_not_outlive_the_deadline(
    platform: _Platform, channel: _Maker
) -> None:
    """Each byte comes in time, the whole does not."""
    gone = asyncio.Event()

    async def drip(request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not gone.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    platform.answer = drip
    outcome = await asyncio.wait_for(_send(channel(platform.url, timeout=0.2)), 5)
    gone.set()
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"infcode":0,"output":{}}'),
        (502, b"<html>bad gateway</html>"),
        (503, b'{"code":401,"message":"x"}'),
        (200, b'{"infcode":0,"output":{"setl'),
        (200, b""),
        (200, b"\xff\xfe\xfd"),
        (200, b'{"code":500,"message":"x"}'),
        (404, b"not found"),
        (302, b""),
    ],
)
async def test_a_server_error_or_a_garbled_reply_is_unknown(
    status: int, body: bytes, platform: _Platform, channel: _Maker
) -> None:
    """Nobody can say what the platform did."""

    async def garble(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, body=body)

    platform.answer = garble
    assert isinstance(await _send(channel(platform.url)), Unknown)


@pytest.mark.parametrize("status", [200, 401])
async def test_the_outer_gateway_refuses_before_anything_is_done(
    status: int, platform: _Platform, channel: _Maker
) -> None:
    """Its own JSON, with the code 401, whatever the HTTP status."""

    async def refuse(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"code": 401, "message": "签名时间戳超时!"}, status=status)

    platform.answer = refuse
    outcome = await _send(channel(platform.url))
    assert isinstance(outcome, NotSent)
    assert "签名时间戳超时" in outcome.reason


@pytest.mark.parametrize("infcode", [0, -1])
async def test_a_reply_that_is_not_signed_by_the_platform_is_unknown(
    infcode: int, platform: _Platform, channel: _Maker
) -> None:
    """Another key, a changed amount, no signature: neither acceptance nor refusal is believed."""
    output = {"setlinfo": {"medfee_sumamt": Decimal("12.50")}}
    good = decode_json(_signed(infcode=infcode, output=output).body)  # type: ignore[arg-type]  # bytes as made above
    wrong = [
        _signed(OURS, infcode=infcode, output=output),
        web.Response(body=encode_json({**good, "cainfo": ""})),
        web.Response(body=encode_json({**good, "cainfo": "null"})),
        web.Response(body=encode_json({**good, "output": {"setlinfo": {"medfee_sumamt": 1}}})),
    ]
    replies = iter(wrong)

    async def forge(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return next(replies)

    platform.answer = forge
    sender = channel(platform.url)
    for _ in wrong:
        outcome = await _send(sender)
        assert isinstance(outcome, Unknown)
        assert "signature" in outcome.reason


async def test_without_a_platform_key_replies_are_taken_as_they_are(
    platform: _Platform, channel: _Maker
) -> None:
    """A region that does not sign its replies."""

    async def plain(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"infcode": "0", "output": None})

    platform.answer = plain
    assert isinstance(await _send(channel(platform.url, platform_public_key_file=None)), Accepted)


async def test_a_reply_without_end_is_cut_off(platform: _Platform, tmp_path: Path) -> None:
    """The limit of the transport holds however the body comes."""
    transport = HTTPTransport(max_reply_bytes=10_000)

    async def flood(request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * 1_000)
        return response

    platform.answer = flood
    outcome = await _send(_Maker(tmp_path, transport)(platform.url))
    await transport.close()
    assert isinstance(outcome, Unknown)
    assert "long" in outcome.reason


async def test_money_travels_on_a_connection_of_its_own(
    platform: _Platform, channel: _Maker
) -> None:
    """Queries share one; a stale connection never makes a settlement unknown."""
    sender = channel(platform.url)
    for _ in range(3):
        await _send(sender, "2206")
    assert [r.keep_alive for r in platform.requests] == [True] * 3
    assert len(platform.connections) == 1
    await _send(sender, "2207")
    await sender.send(_call("2206", money=True), msgid=MSGID, sign_no="")
    assert [r.keep_alive for r in platform.requests[3:]] == [False] * 2


async def test_after_failures_nothing_is_tried_for_a_while(channel: _Maker) -> None:
    """The second call after two refused connections does not leave, and says why."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        sender = channel(url, breaker_failures=2, breaker_seconds=60.0)
        reasons = [
            outcome.reason for _ in range(3) if isinstance(outcome := await _send(sender), NotSent)
        ]
    assert sender.breaker_open
    assert [("paused" in reason) for reason in reasons] == [False, False, True]


async def test_after_the_pause_a_call_finds_the_platform_again(
    platform: _Platform, channel: _Maker
) -> None:
    """The port opens after two refused connections; a pause of no length is over at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        sender = channel(url, breaker_failures=2, breaker_seconds=0.0)
        for _ in range(2):
            assert isinstance(await _send(sender), NotSent)
        await platform.open(socket.socket(fileno=taken.detach()))
        for _ in range(2):
            assert isinstance(await _send(sender), Accepted)


async def test_no_more_calls_than_places_are_under_way(
    platform: _Platform, channel: _Maker
) -> None:
    """The second of two waits for the only place, and gives up unsent."""
    hold, arrived = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        arrived.set()
        await hold.wait()
        return _signed(infcode=0, output={})

    platform.answer = wait
    sender = channel(platform.url, max_connections=1, connect_timeout=0.3)
    first = asyncio.create_task(_send(sender))
    await arrived.wait()
    second = await _send(sender)
    hold.set()
    assert isinstance(second, NotSent)
    assert "busy" in second.reason
    assert isinstance(await first, Accepted)


async def test_a_call_that_is_given_up_frees_its_place(
    platform: _Platform, channel: _Maker
) -> None:
    """Cancelled while it waits for the reply; the next call gets the only place."""
    hold, arrived = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        if not arrived.is_set():
            arrived.set()
            await hold.wait()
        return _signed(infcode=0, output={})

    platform.answer = wait
    sender = channel(platform.url, max_connections=1)
    first = asyncio.create_task(_send(sender))
    await arrived.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert isinstance(await _send(sender), Accepted)
    hold.set()


class _Surprising:
    """A transport that fails in a way nobody foresaw, after who knows what."""

    async def post(self, *_: Any, **__: Any) -> Reply:
        raise RuntimeError("surprise")


async def test_what_nobody_foresaw_is_unknown() -> None:
    """An error of an unknown kind may have come after the send."""
    settings = ChannelSettings(name="changsha", url="http://127.0.0.1:1/")
    sender = Channel(settings, load_profile("generic"), _Surprising(), SystemClock())
    assert isinstance(await _send(sender), Unknown)


async def test_an_input_that_cannot_be_written_is_not_sent(
    platform: _Platform, channel: _Maker
) -> None:
    """No number JSON has, no text UTF-8 has, no object at all."""
    for value in (Decimal("NaN"), "\ud800", object()):
        call = _call()
        call.input["data"]["memo"] = value
        outcome = await channel(platform.url).send(call, msgid=MSGID, sign_no="")
        assert isinstance(outcome, NotSent)
    assert platform.requests == []


async def test_a_transaction_without_a_path_is_not_sent(
    platform: _Platform, channel: _Maker
) -> None:
    """The profile with service paths has none for 4102."""
    outcome = await _send(channel(platform.url, "apikey"), "4102")
    assert isinstance(outcome, NotSent)
    await _send(channel(platform.url, "apikey"), "2207")
    assert platform.requests[0].path.endswith("/outpatientSettleService/saveSettletmentV2")


async def test_a_channel_that_signs_needs_its_key(channel: _Maker, tmp_path: Path) -> None:
    """Found at the start, not at the first settlement."""
    with pytest.raises(ConfigurationError, match="signing_key_file"):
        channel("http://127.0.0.1:1/", signing_key_file=None)
    with pytest.raises(ConfigurationError, match="nowhere"):
        channel("http://127.0.0.1:1/", secret_file=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="secret: not an SM2"):
        channel("http://127.0.0.1:1/", platform_public_key_file=tmp_path / "secret")
