"""Routes of the national JSON: `POST /fsi/{infno}` and `POST /fsi`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiohttp import web

from gateway.clock import Clock
from gateway.errors import Problem
from gateway.inbound.clients import CLIENT
from gateway.inbound.http_routes import NO_WISH, PEER, Mount, Permission, Route, Wish, respond
from gateway.inbound.national import CONTENT_TYPE, PATH_INFNO, PROTOCOL
from gateway.inbound.national_answers import MEDIA_TYPE, moment, refusal_body
from gateway.intents import Answer
from gateway.settings import PeerSettings

PREFIX = "/fsi"


class Handles(Protocol):
    """What the routes need of the pipeline."""

    async def handle(
        self, protocol: str, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]
    ) -> Answer:
        """Carry a message the whole way."""
        ...


def national_mount(pipeline: Handles, clock: Clock) -> Mount:
    """The mount of the national JSON."""

    async def carry(request: web.Request) -> web.StreamResponse:
        meta = {
            CONTENT_TYPE: request.headers.get("Content-Type", ""),
            "proof": request[CLIENT].proof.value,
        }
        infno = request.match_info.get("infno", "")
        if infno:
            meta[PATH_INFNO] = infno
        return respond(await pipeline.handle(PROTOCOL, await request.read(), request[PEER], meta))

    def refuse(
        status: int,
        problems: Sequence[Problem],
        _wish: Wish = NO_WISH,
        /,
    ) -> web.Response:
        body = refusal_body(problems, moment(clock.now()))
        return web.Response(status=status, body=body, headers={"Content-Type": MEDIA_TYPE})

    routes = (
        Route(
            method="POST",
            path="/{infno}",
            handler=carry,
            permission=Permission.PEER,
            summary="Carry one transaction; the body is the envelope of the interface.",
        ),
        Route(
            method="POST",
            path="",
            handler=carry,
            permission=Permission.PEER,
            summary="The same, with the transaction number only in the envelope.",
        ),
    )
    return Mount(prefix=PREFIX, protocol=PROTOCOL, routes=routes, refuse=refuse)
