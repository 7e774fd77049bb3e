"""A subscriber of a real gateway: told of an outcome that became known, also across a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from conformance.platform import wire
from gateway.demo import messages as m


class Subscriber:
    """An HTTP server of the hospital."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.open = True
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.open:
            self.got.append(wire.decode(body))
        return web.Response(status=200 if self.open else 503)


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    """The subscriber, listening."""
    subscriber = Subscriber()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", subscriber.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    subscriber.url = f"http://{host}:{port}"
    yield subscriber
    await runner.cleanup()


async def test_a_resolved_outcome_reaches_the_subscriber_after_a_restart(
    world: Any, subscriber: Subscriber
) -> None:
    """Nobody takes the notification before the gateway stops; the next process delivers it."""
    changes = {
        "peer": f'subscription_origins = ["{subscriber.url}"]',
        "sections": "[subscriptions]\ninterval = 0.02\nfirst_delay = 0.05\n"
        "longest_delay = 0.1\nmax_attempts = 10000",
    }
    await world.stop()
    await world.start(**changes)
    made = await world.post_fhir(
        "Subscription",
        {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "Results",
            "criteria": "ClaimResponse?outcome=complete,error",
            "channel": {
                "type": "rest-hook",
                "endpoint": f"{subscriber.url}/hook",
                "payload": "application/fhir+json",
            },
        },
    )
    subscriber.open = False
    await world.admin.fault("drop-after", "2207")
    claim = world.client.claim(m.LI, "F1", (world.ct,), "240.00")
    queued = await world.post_fhir("Claim", claim)
    await world.stop()
    await world.start(policy="reverse-and-settle", **changes)
    settled = await world.until(lambda: _settled(world, queued.body["id"]))
    await world.stop()
    subscriber.open = True
    await world.start(**changes)

    async def told() -> Any:
        return subscriber.got

    await world.until(told)

    assert (made.status, queued.status, queued.body["outcome"]) == (201, 202, "queued")
    assert [one["id"] for one in subscriber.got] == [queued.body["id"]]
    assert subscriber.got[0]["outcome"] == "complete"
    assert subscriber.got[0]["meta"] == settled["meta"]


async def _settled(world: Any, identity: str) -> Any:
    """The ClaimResponse once it is decided."""
    found = await world.post(f"/fhir/r4/ClaimResponse/{identity}", b"", method="GET")
    return found.body if found.body["outcome"] != "queued" else None
