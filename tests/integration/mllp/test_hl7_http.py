"""HL7 v2 over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.inbound.hl7_http import hl7_mount
from gateway.inbound.hl7_limits import Limits
from gateway.inbound.http import HTTPServer
from gateway.inbound.peers import PeerDirectory
from gateway.settings import HTTPSettings, PeerSettings
from gateway.telemetry import Metrics, get_logger

TOKEN = "t-0123456789abcdef0123"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/hl7-v2; charset=utf-8"}
Post = Callable[..., Any]


@pytest.fixture
async def post(start_port: Callable[..., Any]) -> AsyncIterator[Post]:
    """Posts a body to a port that serves HL7 v2; gives status, content type and text."""
    pipeline = (await start_port()).pipeline
    peer = PeerSettings(
        name="his",
        institutions=["H43010000001"],
        token_sha256=[hashlib.sha256(TOKEN.encode()).hexdigest()],
    )
    server = HTTPServer(
        HTTPSettings(port=0),
        PeerDirectory([peer]),
        [hl7_mount(pipeline, pipeline.adapter, Limits([], SystemClock()))],
        metrics=Metrics(),
        log=get_logger(),
    )
    await server.start()
    host, port = server.address

    async def send(body: bytes, **headers: str) -> tuple[int, str, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://{host}:{port}/hl7v2", data=body, headers=HEADERS | headers
            ) as response,
        ):
            return response.status, response.content_type, await response.text("utf-8")

    yield send
    await server.stop(grace=1.0)


def _codes(body: str) -> list[str]:
    return ["|".join(it.split("|")[1:3]) for it in body.split("\r") if it.startswith("MSA")]


async def test_a_message_is_answered_in_the_response(
    post: Post, make_message: Callable[..., bytes]
) -> None:
    """Original mode: one acknowledgement; a frame of MLLP around the message is taken off."""
    status, media_type, body = await post(make_message("C1")[1:-2])
    assert (status, media_type, _codes(body)) == (200, "application/hl7-v2", ["AA|C1"])
    assert _codes((await post(make_message("C2")))[2]) == ["AA|C2"]


async def test_a_refusal_is_an_answer(post: Post, make_message: Callable[..., bytes]) -> None:
    """The status says that the message was dealt with, MSA-1 how."""
    status, _, body = await post(make_message("C1", m12="9.9")[1:-2])
    assert (status, _codes(body)) == (200, ["AR|C1"])


async def test_the_response_carries_what_the_sender_wants(
    post: Post, make_message: Callable[..., bytes]
) -> None:
    """Enhanced mode: the application's word, else the accept acknowledgement, else nothing."""
    assert _codes((await post(make_message("C1", m15="AL", m16="AL")[1:-2]))[2]) == ["AA|C1"]
    assert _codes((await post(make_message("C2", m15="AL", m16="NE")[1:-2]))[2]) == ["CA|C2"]
    assert (await post(make_message("C3", m15="NE", m16="NE")[1:-2]))[0] == 202
    assert (await post(make_message("C4", m9="ACK")[1:-2]))[0] == 202


async def test_a_batch_is_answered_by_a_batch(
    post: Post, make_message: Callable[..., bytes]
) -> None:
    """B-004 over HTTP, and B-008: a wrong count does nothing."""
    head = b"BHS|^~\\&|HIS||||20260301||||B9\r"
    messages = make_message("C1")[1:-2] + make_message("C2", m12="")[1:-2]
    _, _, body = await post(head + messages + b"BTS|2\r")
    assert _codes(body) == ["AA|C1", "AE|C2"]
    assert _codes((await post(head + messages + b"BTS|3\r"))[2]) == ["AE|B9"]


async def test_other_requests_are_refused_in_hl7(
    post: Post, make_message: Callable[..., bytes]
) -> None:
    """A foreign content type and a missing token are refusals, not messages."""
    message = make_message("C1")[1:-2]
    status, _, body = await post(message, **{"Content-Type": "application/json"})
    assert status == 415
    assert _codes(body) == ["AR"]
    assert (await post(message, Authorization="Bearer x"))[0] == 401
