"""The body of an HTTP reply: JSON, or the bytes of a file, whole or spoilt on demand.

A file is sent as `application/octet-stream` (reference: 9102). Where the region honours `Range`, a
request that asks for the rest of a file gets status 206 with that rest.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from conformance.platform.centre import Centre, Reply
from conformance.platform.faults import FaultKind

_RANGE = re.compile(r"bytes=(\d{1,15})-\Z", re.ASCII)


async def answered(
    request: web.Request,
    centre: Centre,
    reply: Reply,
    fault: FaultKind | None = None,
    *,
    stall: Callable[[], Awaitable[None]] | None = None,
) -> web.StreamResponse:
    """Send the reply, spoilt as the fault says; `stall` is waited for in the middle."""
    if reply.file is None:
        body = centre.encode(reply, forged=fault is FaultKind.WRONG_SIGNATURE)
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        return await _sent(request, response, body, fault, stall)
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    content = reply.file
    asked = _RANGE.match(request.headers.get("Range", "")) if centre.config.ranges else None
    if asked is not None:
        start = int(asked[1])
        if start >= len(content):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        content = content[start:]
    return await _sent(request, response, content, fault, stall)


async def _sent(
    request: web.Request,
    response: web.StreamResponse,
    body: bytes,
    fault: FaultKind | None,
    stall: Callable[[], Awaitable[None]] | None,
) -> web.StreamResponse:
    half = len(body) // 2
    if fault in (FaultKind.GARBLED, FaultKind.TRUNCATED):
        body = body[:half]
    if fault is FaultKind.CORRUPT:
        body = body[:half] + bytes(byte ^ 0xFF for byte in body[half : half + 8]) + body[half + 8 :]
    response.content_length = len(body)
    await response.prepare(request)
    if fault is FaultKind.INTERRUPTED:
        await response.write(body[:half])
        if request.transport is not None:
            request.transport.close()
        return response
    if stall is not None:
        await response.write(body[:half])
        await stall()
        body = body[half:]
    await response.write(body)
    await response.write_eof()
    return response
