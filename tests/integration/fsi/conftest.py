"""A platform that misbehaves as a test says, and channels to it."""

from __future__ import annotations

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
from gateway.fsi.channel import Channel
from gateway.fsi.profiles import load_profile
from gateway.fsi.transport import HTTPTransport
from gateway.fsi.wire import canonical_text, decode_json, encode_json
from gateway.intents import Call, Outcome
from gateway.settings import ChannelSettings

OURS, THEIRS = SigningKey.generate(), SigningKey.generate()
MSGID = "H43010000001202603010905070001"

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class Platform:
    """A server on a real port that answers as the test says and remembers what it was asked."""

    hospital = OURS

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.documents: list[dict[str, Any]] = []
        self.connections: set[int] = set()
        self.answer: Answer | None = None
        application = web.Application()
        application.router.add_post("/{path:.*}", self.handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        self.url = ""

    @staticmethod
    def signed(key: SigningKey = THEIRS, **members: Any) -> web.Response:
        """A reply with these members, its output signed by the key."""
        text = canonical_text(members.get("output")).encode()
        cainfo = base64.b64encode(key.sign(text)).decode()
        body = encode_json({"cainfo": cainfo, "signtype": "SM2", **members})
        return web.Response(body=body, content_type="application/json")

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
        return self.signed(infcode=0, inf_refmsgid="430100", err_msg="", output=output)


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """A platform on a port of its own."""
    server = Platform()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def transport() -> AsyncIterator[HTTPTransport]:
    """A transport that is closed after the test."""
    made = HTTPTransport()
    yield made
    await made.close()


class Maker:
    """Makes channels with keys on disk."""

    def __init__(self, folder: Path, transport: HTTPTransport) -> None:
        self._folder, self._transport = folder, transport
        write_private(folder / "secret", b"SK\n", replace=True)
        write_private(folder / "key.pem", OURS.to_pem(), replace=True)
        (folder / "platform.pem").write_bytes(THEIRS.public_key().to_pem())

    def __call__(
        self,
        url: str,
        profile: str = "hunan",
        transport: HTTPTransport | None = None,
        **changes: Any,
    ) -> Channel:
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
        return Channel(settings, load_profile(profile), transport or self._transport, SystemClock())

    @staticmethod
    def call(infno: str = "2207", **members: Any) -> Call:
        """A transaction of one node."""
        return Call(
            infno=infno,
            input={"data": {"psn_no": "43010000000000000001", "medfee_sumamt": Decimal("12.50")}},
            fixmedins_code="H43010000001",
            fixmedins_name="长沙示范医院",
            mdtrtarea_admvs="430100",
            **members,
        )

    async def send(self, channel: Channel, infno: str = "2207") -> Outcome:
        """What became of one transaction."""
        return await channel.send(self.call(infno), msgid=MSGID, sign_no="S1")


@pytest.fixture
def channel(tmp_path: Path, transport: HTTPTransport) -> Maker:
    """Makes channels to a URL."""
    return Maker(tmp_path, transport)
