"""Subscribers with a real HTTP receiver, and a notifier whose clock stands until it is turned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import CHINA
from gateway.fhir.decode import decode_own
from gateway.inbound.fhir_hooks import Hooks
from gateway.inbound.fhir_notifier import Notifier
from gateway.settings import SubscriptionSettings
from tests.clocks import HandClock

BASE = "https://fsi-gateway.example/fhir"
SECRET = "Bearer s-2f81c4a07d"


class Receiver:
    """An HTTP server of a hospital; keeps what it was sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status = 200
        self.url = ""
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.got.append((request.method, request.path_qs, headers, body))
        self.reached.set()
        await self.gate.wait()
        where = {"Location": f"{self.url}/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=where)

    @property
    def bundles(self) -> list[Any]:
        """The bodies as trees."""
        return [decode_own(body) for _, _, _, body in self.got]


class Lines:
    """What the log is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.failures: list[Exception] = []

    def notified(self, subscription: str, status: int, events: int) -> None:
        self.told.append((subscription, status, events))

    def subscription_ended(self, subscription: str, peer: str, status: str) -> None:
        self.told.append((subscription, peer, status))

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """The subscriber."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
def clock() -> HandClock:
    """The clock of the notifier."""
    return HandClock(datetime(2026, 3, 2, 10, 30, 0, tzinfo=CHINA))


@pytest.fixture
def lines() -> Lines:
    """The log."""
    return Lines()


@pytest.fixture
async def make_notifier(
    port: Any, receiver: Receiver, clock: HandClock, lines: Lines
) -> AsyncIterator[Any]:
    """A notifier as a process has it; `look` works until nothing is left to do."""
    hooks = Hooks()
    port.peer.subscription_origins.append(receiver.url)

    def make(node: str = "one") -> Any:
        notifier = Notifier(
            settings=SubscriptionSettings(timeout=5, first_delay=2, max_attempts=3),
            peers={port.peer.name: port.peer},
            names=port.adapter.names,
            journal=port.journal,
            send=hooks,
            clock=clock,
            watcher=lines,
            node=node,
        )

        async def look() -> None:
            await notifier.look()
            await notifier.settle()
            assert lines.failures == []

        return look

    yield make
    await hooks.close()


@pytest.fixture
def look(make_notifier: Any) -> Any:
    """The notifier of the gateway."""
    return make_notifier()


@pytest.fixture
def hook(receiver: Receiver) -> Any:
    """An R4 Subscription; keywords replace elements of the channel."""

    def make(criteria: str = "ClaimResponse?outcome=complete", **channel: Any) -> dict[str, Any]:
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "Results",
            "criteria": criteria,
            "channel": {
                "type": "rest-hook",
                "endpoint": f"{receiver.url}/hook",
                "payload": "application/fhir+json",
                "header": [f"Authorization: {SECRET}"],
            }
            | channel,
        }

    return make


@pytest.fixture
def topic(receiver: Receiver) -> Any:
    """An R5 Subscription; keywords replace elements."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "topic": f"{BASE}/SubscriptionTopic/claim-response",
            "channelType": {"code": "rest-hook"},
            "endpoint": f"{receiver.url}/r5",
            "content": "id-only",
        } | changes

    return make
