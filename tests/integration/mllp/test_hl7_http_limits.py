"""The bounds of a peer over HTTP: connections, rate and length, with the status that says so."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_http import hl7_mount
from gateway.inbound.hl7_intake import Intake
from gateway.inbound.hl7_limits import LimitError, Limits
from gateway.inbound.http import HTTPServer
from gateway.inbound.peers import PeerDirectory
from gateway.journal.memory import MemoryJournal
from gateway.settings import HTTPSettings, Settings
from gateway.telemetry import Metrics, get_logger
from tests.integration.mllp.conftest import MemoryPipeline

TOKENS = {"his": "t-0123456789abcdef0123", "lab": "t-0123456789abcdef0124"}


class Clock(SystemClock):
    """Its monotonic time goes when it is told."""

    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


class Told(NamedTuple):
    """What a response says."""

    status: int
    retry_after: str
    codes: list[str]
    text: str
    closes: bool


Post = Callable[..., Awaitable[Told]]


class Place(NamedTuple):
    """A port, its limits, what its pipeline did, and its address."""

    limits: Limits
    steps: list[str]
    clock: Clock
    url: str


@pytest.fixture
async def place(
    make_settings: Callable[..., Settings], request: pytest.FixtureRequest
) -> AsyncIterator[Place]:
    """A port of two peers; the first has the bounds of the test."""
    peers = [{"name": "his", "applications": ["HIS"], "limits": request.param}, {"name": "lab"}]
    for peer in peers:
        peer["token_sha256"] = [hashlib.sha256(TOKENS[peer["name"]].encode()).hexdigest()]
    settings, clock = make_settings(peers), Clock()
    limits = Limits(settings.peers, clock)
    adapter = HL7Adapter(settings, clock)
    pipeline = MemoryPipeline(adapter)
    pipeline.gate.set()
    intake = Intake(pipeline, adapter, limits, MemoryJournal(), clock)
    server = HTTPServer(
        HTTPSettings(port=0), PeerDirectory(settings.peers),
        [hl7_mount(intake, adapter, limits)], metrics=Metrics(), log=get_logger(),
    )  # fmt: skip
    await server.start()
    host, port = server.address
    yield Place(limits, pipeline.steps, clock, f"http://{host}:{port}/hl7v2")
    await server.stop(grace=1.0)


async def _post(
    session: aiohttp.ClientSession, place: Place, body: bytes, who: str = "his"
) -> Told:
    headers = {"Authorization": f"Bearer {TOKENS[who]}", "Content-Type": "application/hl7-v2"}
    async with session.post(place.url, data=body, headers=headers) as response:
        text = (await response.read()).decode()
        codes = [
            "|".join(line.split("|")[1:3]) for line in text.split("\r") if line.startswith("MSA")
        ]
        closes = response.headers.get("Connection", "") == "close"
        after = response.headers.get("Retry-After", "")
        return Told(response.status, after, codes, text, closes)


@pytest.mark.parametrize("place", [{"messages_per_second": 0.4, "burst": 1}], indirect=True)
async def test_a_message_that_comes_too_fast_is_429_and_may_come_again(
    place: Place, make_message: Callable[..., bytes]
) -> None:
    """A-018: AR in the body; Retry-After in whole seconds, rounded up; another peer goes on."""
    async with aiohttp.ClientSession() as session:
        assert (await _post(session, place, make_message("C1")[1:-2])).status == 200
        refused = await _post(session, place, make_message("C2")[1:-2])
        assert (refused.status, refused.retry_after) == (429, "3")
        assert refused.codes == ["AR|C2"]
        assert "|LIMIT-BUSY^" in refused.text
        assert "请在2.5秒后重发同一报文" in refused.text
        assert not refused.closes
        assert (await _post(session, place, make_message("L1")[1:-2], "lab")).status == 200
        place.clock.seconds += 2.5
        again = await _post(session, place, make_message("C2")[1:-2])
        assert (again.status, again.retry_after, again.codes) == (200, "", ["AA|C2"])
    done = [step for step in place.steps if step.startswith("work")]
    assert done == ["work C1", "work L1", "work C2"]


@pytest.mark.parametrize("place", [{"messages_per_second": 1.0, "burst": 1}], indirect=True)
async def test_a_batch_that_comes_too_fast_is_refused_whole(
    place: Place, make_message: Callable[..., bytes]
) -> None:
    """Nothing of it is worked on: 429, one refusal of the batch; later all of it passes."""
    batch = b"BHS|^~\\&|HIS||||20260301||||B9\r" + b"".join(
        make_message(f"B{number}")[1:-2] for number in range(3)
    )
    async with aiohttp.ClientSession() as session:
        assert (await _post(session, place, make_message("C1")[1:-2])).status == 200
        refused = await _post(session, place, batch)
        assert (refused.status, refused.retry_after) == (429, "1")
        assert refused.codes == ["AR|B9"]
        assert place.steps == ["accept C1", "work C1"]
        place.clock.seconds += 1.0
        passed = await _post(session, place, batch)
        assert (passed.status, passed.codes) == (200, ["AA|B0", "AA|B1", "AA|B2"])


@pytest.mark.parametrize("place", [{"max_message_bytes": 300}], indirect=True)
async def test_a_message_longer_than_its_peer_may_send_is_413(
    place: Place, make_message: Callable[..., bytes]
) -> None:
    """AR with READ-LIMIT, and no Retry-After: it never may come."""
    async with aiohttp.ClientSession() as session:
        long = make_message("C1", m8="x" * 300)[1:-2]
        refused = await _post(session, place, long)
        assert (refused.status, refused.retry_after) == (413, "")
        assert "|READ-LIMIT^" in refused.text
        assert place.steps == []
        assert (await _post(session, place, long, "lab")).status == 200


@pytest.mark.parametrize("place", [{"max_connections": 1}], indirect=True)
async def test_a_peer_has_no_more_connections_than_it_may(
    place: Place, make_message: Callable[..., bytes]
) -> None:
    """The further one is answered 429 with Retry-After and closed; a free seat is taken again."""
    message = make_message("C1")[1:-2]
    first, second = aiohttp.ClientSession(), aiohttp.ClientSession()
    async with second:
        async with first:
            assert (await _post(first, place, message)).status == 200
            assert (await _post(first, place, message)).status == 200
            refused = await _post(second, place, message)
            assert (refused.status, refused.retry_after, refused.closes) == (429, "1", True)
            assert [code[:2] for code in refused.codes] == ["AR"]
            assert "|LIMIT-BUSY^" in refused.text
            assert (await _post(second, place, message, "lab")).status == 200
        async with asyncio.timeout(10):
            while (told := await _post(second, place, message)).status == 429:
                pass  # the end of the first connection is still on its way
        assert told.codes == ["AA|C1"]


@pytest.mark.parametrize("place", [{"max_connections": 1}], indirect=True)
async def test_connections_of_mllp_and_http_are_counted_together(
    place: Place, make_message: Callable[..., bytes]
) -> None:
    """The bound is the peer's, not the port's."""
    place.limits.enter("his")
    async with aiohttp.ClientSession() as session:
        assert (await _post(session, place, make_message("C1")[1:-2])).status == 429
        place.limits.leave("his")
        assert (await _post(session, place, make_message("C1")[1:-2])).status == 200
        with pytest.raises(LimitError):
            place.limits.enter("his")
