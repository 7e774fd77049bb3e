"""HL7 v2 over HTTP: one message or batch in a POST, its answer in the response.

The body is ER7 (`application/hl7-v2`, also with `text/plain`), its character set that of MSH-18.
The peer is known by its token, not by MSH-3. The response carries one acknowledgement: that of
the application, or the accept acknowledgement where MSH-16 wants no other. Its status is 200
whatever the acknowledgement says, because a refusal is an answer and must not be repeated by
something in between; 202 without body tells that the sender wants no acknowledgement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2.adapter import CONTENT_TYPE, HL7Adapter
from gateway.inbound.clients import CLIENT
from gateway.inbound.hl7_exchange import SingleAnswer
from gateway.inbound.http_routes import PEER, Mount, Permission, Refusal, Route
from gateway.inbound.mllp_exchange import PROTOCOL, Pipeline

PREFIX = "/hl7v2"
TYPES = frozenset({CONTENT_TYPE, "text/plain", "x-application/hl7-v2+er7"})

_MEDIA_TYPE = re.compile(r"\s*([^;\s]+)")
_WRONG_TYPE = Problem(
    kind=ProblemKind.UNSUPPORTED_TYPE,
    code=ProblemCode.NOT_SUPPORTED,
    zh="请求内容类型应为 application/hl7-v2",
    en="The content type has to be application/hl7-v2",
)


def hl7_mount(pipeline: Pipeline[Any], adapter: HL7Adapter) -> Mount:
    """`POST /hl7v2`: a message or a batch; the pipeline carries it out."""
    exchange = _Exchange(pipeline, adapter)
    route = Route(
        method="POST",
        path="",
        handler=exchange.post,
        permission=Permission.PEER,
        summary="One HL7 v2 message or batch (ER7)",
    )
    return Mount(prefix=PREFIX, protocol=PROTOCOL, routes=[route], refuse=exchange.refuse)


class _Exchange:
    def __init__(self, pipeline: Pipeline[Any], adapter: HL7Adapter) -> None:
        self._single = SingleAnswer(pipeline, adapter)
        self._adapter = adapter

    async def post(self, request: web.Request) -> web.Response:
        match = _MEDIA_TYPE.match(request.headers.get("Content-Type", CONTENT_TYPE))
        if match is None or match[1].lower() not in TYPES:
            raise Refusal(415, _WRONG_TYPE)
        # some senders put the frame of MLLP around the message here too
        raw = (await request.read()).removeprefix(b"\x0b").removesuffix(b"\x1c\r")
        proof = request[CLIENT].proof.value
        remote = request.remote or ""
        return _response(await self._single.answer(raw, request[PEER], remote, proof=proof))

    def refuse(self, status: int, problems: Sequence[Problem]) -> web.Response:
        """A refusal of the port: an acknowledgement without the control id, which was not read."""
        answer = self._adapter.refuse(b"", {}, InvalidError(problems))
        return _response(answer.body, status)


def _response(body: bytes, status: int = 200) -> web.Response:
    return web.Response(
        status=status if body or status != 200 else 202,
        body=body or None,
        headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
    )
