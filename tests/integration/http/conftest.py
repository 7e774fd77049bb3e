"""An HTTP port on a free port, with a pipeline that answers as told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from gateway.clock import CHINA
from gateway.inbound.http import HTTPServer
from gateway.inbound.national_routes import national_mount
from gateway.inbound.peers import PeerDirectory
from gateway.intents import Answer
from gateway.settings import HTTPSettings, PeerSettings
from gateway.telemetry import Metrics, get_logger

TOKEN = "t-7f3a9b2c4d5e6f708192"


class StoppedClock:
    """2026-03-01 09:05:07 for ever."""

    def now(self) -> datetime:
        """That moment."""
        return datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)

    def monotonic(self) -> float:
        """Not used here."""
        return 0.0


class Recorder:
    """Stands for the pipeline: keeps what it is given; `before` runs ahead of the answer."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, str, dict[str, str]]] = []
        self.before: Callable[[], Awaitable[None]] | None = None

    async def handle(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Answer:
        """Answer `{}`."""
        self.seen.append((protocol, raw, peer.name, dict(meta)))
        if self.before is not None:
            await self.before()
        return Answer(body=b"{}", content_type="application/json; charset=utf-8")


class Port:
    """A running port and everything around it."""

    def __init__(self, **settings: Any) -> None:
        values = {"port": 0, "request_timeout": 5.0, "max_body_bytes": 10_000} | settings
        self.metrics = Metrics()
        self.pipeline = Recorder()
        self.ready = {"journal": True}
        self.peers = [
            PeerSettings(
                name="HIS",
                institutions=["H43010000001"],
                token_sha256=[hashlib.sha256(TOKEN.encode()).hexdigest()],
            ),
            PeerSettings(
                name="elsewhere",
                institutions=["H43010000001"],
                token_sha256=[hashlib.sha256(b"elsewhere").hexdigest()],
                addresses=["192.0.2.0/24"],
            ),
        ]
        self.server = HTTPServer(
            HTTPSettings.model_validate(values),
            PeerDirectory(self.peers),
            [national_mount(self.pipeline, StoppedClock())],
            metrics=self.metrics,
            log=get_logger(),
            ready=lambda: self.ready,
        )

    @property
    def url(self) -> str:
        """Base of the port's URLs."""
        host, port = self.server.address
        return f"http://{host}:{port}"

    def value(self, metric: str, **labels: str) -> float:
        """A metric, 0 when it has not been touched."""
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, to send what no client library would."""
        return await asyncio.open_connection(*self.server.address)


@pytest.fixture
async def make_port() -> AsyncIterator[Callable[..., Awaitable[Port]]]:
    """Start ports with settings of the test's choice; all are stopped afterwards."""
    ports: list[Port] = []

    async def make(**settings: Any) -> Port:
        port = Port(**settings)
        await port.server.start()
        ports.append(port)
        return port

    yield make
    for port in ports:
        await port.server.stop(grace=1.0)


@pytest.fixture
async def port(make_port: Callable[..., Awaitable[Port]]) -> Port:
    """A port with ordinary settings."""
    return await make_port()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that presents the token of the peer HIS."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield session


@pytest.fixture
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without token."""
    async with aiohttp.ClientSession() as session:
        yield session
