"""Replies of a real HTTP server that misbehaves in every way a platform does."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from gateway.fsi.transport import HTTPTransport
from gateway.fsi.wire import decode_json, encode_json
from gateway.intents import Accepted, NotSent, Unknown


async def test_a_connection_dropped_before_the_reply_is_unknown(
    platform: Any, channel: Any
) -> None:
    """The platform may have carried it out."""

    async def drop(request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    platform.answer = drop
    assert isinstance(await channel.send(channel(platform.url)), Unknown)


async def test_a_connection_dropped_within_the_reply_is_unknown(
    platform: Any, channel: Any
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
    assert isinstance(await channel.send(channel(platform.url)), Unknown)


async def test_a_reply_that_is_late_is_unknown(platform: Any, channel: Any) -> None:
    """The deadline starts when the connection stands; the platform goes on working."""
    hold = asyncio.Event()

    async def wait(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        await hold.wait()
        return platform.signed(infcode=0, output={})

    platform.answer = wait
    outcome = await channel.send(channel(platform.url, timeout=0.2))
    hold.set()
    assert isinstance(outcome, Unknown)
    assert len(platform.requests) == 1


async def test_a_reply_that_drips_does_not_outlive_the_deadline(
    platform: Any, channel: Any
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
    outcome = await asyncio.wait_for(channel.send(channel(platform.url, timeout=0.2)), 5)
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
    status: int, body: bytes, platform: Any, channel: Any
) -> None:
    """Nobody can say what the platform did."""

    async def garble(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, body=body)

    platform.answer = garble
    assert isinstance(await channel.send(channel(platform.url)), Unknown)


@pytest.mark.parametrize("status", [200, 401])
async def test_the_outer_gateway_refuses_before_anything_is_done(
    status: int, platform: Any, channel: Any
) -> None:
    """Its own JSON, with the code 401, whatever the HTTP status."""

    async def refuse(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"code": 401, "message": "签名时间戳超时!"}, status=status)

    platform.answer = refuse
    outcome = await channel.send(channel(platform.url))
    assert isinstance(outcome, NotSent)
    assert "签名时间戳超时" in outcome.reason


@pytest.mark.parametrize("infcode", [0, -1])
async def test_a_reply_that_is_not_signed_by_the_platform_is_unknown(
    infcode: int, platform: Any, channel: Any
) -> None:
    """Another key, a changed amount, no signature: neither acceptance nor refusal is believed."""
    output = {"setlinfo": {"medfee_sumamt": Decimal("12.50")}}
    good = decode_json(platform.signed(infcode=infcode, output=output).body)  # type: ignore[arg-type]  # bytes as made above
    wrong = [
        platform.signed(platform.hospital, infcode=infcode, output=output),
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
        outcome = await channel.send(sender)
        assert isinstance(outcome, Unknown)
        assert "signature" in outcome.reason


async def test_without_a_platform_key_replies_are_taken_as_they_are(
    platform: Any, channel: Any
) -> None:
    """A region that does not sign its replies."""

    async def plain(_request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"infcode": "0", "output": None})

    platform.answer = plain
    assert isinstance(
        await channel.send(channel(platform.url, platform_public_key_file=None)), Accepted
    )


async def test_a_reply_without_end_is_cut_off(platform: Any, channel: Any) -> None:
    """The limit of the transport holds however the body comes."""
    transport = HTTPTransport(max_reply_bytes=10_000)

    async def flood(request: web.Request, _document: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * 1_000)
        return response

    platform.answer = flood
    outcome = await channel.send(channel(platform.url, transport=transport))
    await transport.close()
    assert isinstance(outcome, Unknown)
    assert "long" in outcome.reason
