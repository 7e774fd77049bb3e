"""The HTTP port: who may ask, how much, how long; everything else is a mount's business.

A request is refused in this order: the gateway is stopping, nobody knows the path, the token or
the address is not a peer's, the body is too long or too slow. Only then a handler runs. What a
stranger can make happen before it is known is a head of at most 8 KiB a line, and on a route for
anyone a body of at most `OPEN_BODY`.

The log line of a request names its route template, method, status and duration; paths, queries
and headers may hold patient data and are never written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPException

from gateway import __version__
from gateway.errors import ConfigurationError, Problem
from gateway.inbound import http_routes as routes
from gateway.inbound.clients import CLIENT, AccessTokens, Clients
from gateway.inbound.http_connection import (
    KEEP_ALIVE,
    LINGERING,
    Connection,
    ConnectionLimits,
)
from gateway.inbound.http_routes import (
    DENIED,
    NO_WISH,
    PEER,
    Mount,
    Permission,
    Refusal,
    Route,
    Wish,
)
from gateway.inbound.openapi import openapi_document
from gateway.inbound.peers import PeerDirectory, is_known_token, is_local, token_digests
from gateway.inbound.tls import http_tls, presented
from gateway.settings import HTTPSettings
from gateway.telemetry import Logger, Metrics
from gateway.telemetry.metrics import CONTENT_TYPE

DRAIN = 20.0
"""Seconds that requests in work have to finish when the port closes."""

CLOSE = 2.0
"""Seconds after that for connections to end by themselves."""

OPEN_BODY = 16_384
"""Bytes of a body on a route that anyone may use."""

RETRY_AFTER = 5
"""Seconds told to a client that comes while the gateway stops."""

Readiness = Callable[[], Mapping[str, bool]]
"""The parts that have to work, by name; ready means that all do."""


class HTTPServer:
    """The port with its mounts."""

    def __init__(
        self,
        settings: HTTPSettings,
        peers: PeerDirectory,
        mounts: Sequence[Mount],
        *,
        metrics: Metrics,
        log: Logger,
        ready: Readiness = dict,
        operators: Sequence[str] = (),
        tokens: AccessTokens | None = None,
    ) -> None:
        self._settings = settings
        self._clients = Clients(peers, tokens)
        self._metrics = metrics
        self._log = log
        self._ready = ready
        self._operators = token_digests(operators)
        self._own = Mount(
            prefix="", protocol="http", routes=self._own_routes(), refuse=routes.refuse_plainly
        )
        self._mounts = (*mounts, self._own)
        self._permissions: dict[web.AbstractRoute, Permission] = {}
        self._limits = ConnectionLimits(settings.max_connections, settings.request_timeout, metrics)
        self._app = self._application()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._in_flight = 0
        self._drained = asyncio.Event()
        self._stopping = False

    # Life cycle

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: the address cannot be listened on, or the certificate is wrong.
        """
        context = http_tls(self._settings).context("http")
        self._runner = web.AppRunner(
            self._app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE
        )
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(
                self._limits,
                self._unread,
                manager,
                loop=loop,
                keepalive_timeout=KEEP_ALIVE,
                lingering_time=LINGERING,
                access_log=None,
                auto_decompress=False,
            )

        try:
            self._server = await loop.create_server(
                connection,
                self._settings.host,
                self._settings.port,
                ssl=context,
                ssl_handshake_timeout=self._settings.request_timeout if context else None,
            )
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            raise ConfigurationError(f"[http] {where}: {error.strerror}") from error

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on; known after `start`."""
        assert self._server is not None
        host, port, *_ = self._server.sockets[0].getsockname()
        return str(host), int(port)

    async def stop(self, grace: float = DRAIN) -> None:
        """Take no more, let the requests in work finish for `grace` seconds, then close."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        try:
            async with asyncio.timeout(grace):
                while self._in_flight:
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            self._log.warning("http drain ended early", in_flight=self._in_flight)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # Routes

    def all_routes(self) -> list[Route]:
        """Every route of the port with its whole path, for tests and documentation."""
        return [
            Route(
                method=route.method,
                path=f"{mount.prefix}{route.path}",
                handler=route.handler,
                permission=route.permission,
                summary=route.summary,
            )
            for mount in self._mounts
            for route in mount.routes
        ]

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[self._guard], client_max_size=self._settings.max_body_bytes
        )
        for route in self.all_routes():
            added = app.router.add_route(route.method, route.path, route.handler)
            self._permissions[added] = route.permission
        return app

    def _own_routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/health/live",
                handler=self._live,
                permission=Permission.ANYONE,
                summary="200 while the process answers.",
            ),
            Route(
                method="GET",
                path="/health/ready",
                handler=self._is_ready,
                permission=Permission.ANYONE,
                summary="200 when every part works, 503 otherwise or while stopping.",
            ),
            Route(
                method="GET",
                path="/openapi.json",
                handler=self._describe,
                permission=Permission.ANYONE,
                summary="The routes of this port as an OpenAPI document.",
            ),
            Route(
                method="GET",
                path="/metrics",
                handler=self._render_metrics,
                permission=Permission.LOCAL,
                summary="Metrics in the Prometheus text format.",
            ),
        ]

    async def _live(self, _request: web.Request) -> web.Response:
        return _json(200, {"status": "live"})

    async def _is_ready(self, _request: web.Request) -> web.Response:
        checks = dict(self._ready())
        ready = all(checks.values()) and not self._stopping
        return _json(
            200 if ready else 503, {"status": "ready" if ready else "not-ready", "checks": checks}
        )

    def document(self) -> dict[str, Any]:
        """The routes of the port as an OpenAPI document."""
        return openapi_document(self._mounts, __version__)

    async def _describe(self, _request: web.Request) -> web.Response:
        return _json(200, self.document())

    async def _render_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    # The way of a request

    @web.middleware
    async def _guard(self, request: web.Request, handler: routes.Handler) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        started = loop.time()
        route = routes.template(request)
        self._in_flight += 1
        try:
            response = await self._answer(request, handler)
            if request.get(DENIED):
                self._metrics.denied.labels(request[DENIED]).inc()
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._drained.set()
        seconds = loop.time() - started
        self._metrics.request(route, request.method, response.status, seconds)
        self._log.info(
            "http",
            route=route,
            method=request.method,
            status=response.status,
            seconds=seconds,
            **({"peer": request[PEER].name} if PEER in request else {}),
        )
        if self._stopping:
            response.force_close()
        return response

    async def _answer(self, request: web.Request, handler: routes.Handler) -> web.StreamResponse:
        mount = self._mount(request.path)
        wish = Wish(request.path_qs, ", ".join(request.headers.getall("Accept", [])))
        try:
            await self._admit(request, mount)
            await self._read(request)
            return await handler(request)
        except Refusal as refusal:
            if refusal.reason:
                self._metrics.denied.labels(refusal.reason).inc()
            response = mount.refuse(refusal.status, [refusal.problem], wish)
            response.headers.update(refusal.headers)
            if not request.content.is_eof():
                response.force_close()
            return response
        except HTTPException as error:
            return _translated(mount, error, wish)
        except Exception as error:  # noqa: BLE001 - whatever a handler missed is answered once
            self._log.error("http handler failed", route=routes.template(request), exc_info=error)
            return mount.refuse(500, [routes.INTERNAL], wish)

    def _unread(
        self, status: int, problems: Sequence[Problem], wish: Wish = NO_WISH
    ) -> web.Response:
        """The refusal of a request that was not read to the end of its head."""
        return self._mount(wish.path).refuse(status, problems, wish)

    def _mount(self, path: str) -> Mount:
        return next(mount for mount in self._mounts if mount is self._own or mount.owns(path))

    async def _admit(self, request: web.Request, mount: Mount) -> None:
        """Refuse whoever may not use the route, before anything of the body is read."""
        if self._stopping and not request.path.startswith("/health/"):
            raise Refusal(503, routes.STOPPING, {"Retry-After": str(RETRY_AFTER)})
        if request.match_info.http_exception is not None:
            raise request.match_info.http_exception
        permission = self._permissions[request.match_info.route]
        if permission is Permission.ANYONE:
            return
        if permission is Permission.LOCAL and is_local(_address(request)):
            return
        if permission is Permission.OPERATOR:
            self._check_operator(request)
            return
        certificate = presented(request.transport)
        client = await self._clients.find(_bearer(request), _address(request), certificate)
        request[PEER], request[CLIENT] = client.peer, client
        if not mount.scoped and not client.scopes.unlimited:
            raise Refusal(
                403,
                routes.OUT_OF_SCOPE,
                {"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
                reason="scope",
            )

    def _check_operator(self, request: web.Request) -> None:
        if not is_known_token(_bearer(request), self._operators):
            raise Refusal(401, routes.NO_TOKEN, {"WWW-Authenticate": "Bearer"}, reason="operator")

    async def _read(self, request: web.Request) -> None:
        """Take the whole body within the limits; handlers then get it at once."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        deadline = connection.read_deadline()
        if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise Refusal(415, routes.ENCODED)
        if (request.content_length or 0) > self._settings.max_body_bytes:
            raise Refusal(413, routes.TOO_LONG)
        if self._permissions[request.match_info.route] is Permission.ANYONE:
            if request.content_length is None and request.can_read_body:
                raise Refusal(411, routes.NO_LENGTH)
            if (request.content_length or 0) > OPEN_BODY:
                raise Refusal(413, routes.TOO_LONG)
        try:
            async with asyncio.timeout_at(deadline):
                await request.read()
        except TimeoutError:
            self._limits.refused("slow")
            raise Refusal(408, routes.TOO_SLOW) from None
        except web.HTTPRequestEntityTooLarge:
            raise Refusal(413, routes.TOO_LONG) from None
        except (web.RequestPayloadError, HttpProcessingError):
            self._metrics.bad_input.labels("http").inc()
            raise Refusal(400, routes.BROKEN) from None


def _translated(mount: Mount, error: HTTPException, wish: Wish) -> web.StreamResponse:
    """Word the refusals of aiohttp (no such path, no such method) in the words of the mount."""
    if error.status < 400:
        return error
    found = routes.METHOD if error.status == 405 else routes.UNKNOWN_PATH
    told = found if error.status in {404, 405} else routes.BROKEN
    response = mount.refuse(error.status, [told], wish)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _bearer(request: web.Request) -> str:
    """The bearer token of a request, empty when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _address(request: web.Request) -> str:
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else ""


def _json(status: int, content: object) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(content), content_type="application/json"
    )
