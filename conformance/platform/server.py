"""The HTTP server: every centre of the process under `/<region>`, the admin paths beside them.

A CSB gateway names the transaction by the header `_api_name`, an x-tif one by the last part of
the path (`/<region>/<infno>`); without either the body names it. A request that the service
gateway refuses gets plain `{"code": 401, "message": ...}` and has no effect (reference: signing,
section 2).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from conformance.platform import bodies, wire
from conformance.platform.admin import Admin
from conformance.platform.call import Tables
from conformance.platform.centre import Centre, Reply
from conformance.platform.config import PlatformConfig
from conformance.platform.faults import Fault, FaultBook, FaultKind
from conformance.platform.store import Store
from conformance.platform.tables import Catalogue, Policies

CST = timezone(timedelta(hours=8), "CST")
"""China Standard Time."""

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request; an input may have 40,000 characters, one with a file 8 million."""

_BEFORE = frozenset({FaultKind.DROP_BEFORE, FaultKind.HTTP_500_BEFORE, FaultKind.LATE})


def china_time() -> datetime:
    """Now, in China Standard Time."""
    return datetime.now(CST)


class Platform:
    """The regional centres of one process and their server.

    `log` gets one event a request, without anything that identifies a person; `sleep` waits the
    seconds of a fault. After `start`, `url` is `http://host:port`. With `close`, late arrivals
    that have not come never will.
    """

    def __init__(
        self,
        config: PlatformConfig,
        *,
        clock: Callable[[], datetime] = china_time,
        log: structlog.typing.FilteringBoundLogger | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._log = log or structlog.get_logger()
        self._sleep = sleep
        self._store = Store(config.database)
        tables = Tables(store=self._store, catalogue=Catalogue.load(), policies=Policies.load())
        codes = tuple(region.code for region in config.regions)
        self.centres = {
            region.code: Centre(region, tables, codes, clock) for region in config.regions
        }
        self.faults = FaultBook()
        self._late: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        admin = Admin(self._config.admin_token, self._store, self.centres, self.faults)
        application = web.Application(client_max_size=MAX_BODY)
        application.add_routes(
            [
                *admin.routes(),
                web.post(r"/{region:\d{6}}", self._serve),
                web.post(r"/{region:\d{6}}/", self._serve),
                web.post(r"/{region:\d{6}}/{infno:\w{1,6}}", self._serve),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._config.host, self._config.port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{self._config.host}:{port}"

    def description(self) -> dict[str, Any]:
        """Where to find what: the line that says the platform is ready."""
        return {
            "url": self.url,
            "admin": f"{self.url}/admin",
            "regions": {code: f"{self.url}/{code}" for code in self.centres},
        }

    async def close(self) -> None:
        """Stop listening and forget what was still to arrive."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        self._store.close()

    # Requests -----------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        centre = self.centres.get(request.match_info["region"])
        if centre is None:
            return web.Response(status=404)
        refusal = centre.gateway.refusal(request.headers)
        if refusal:
            self._log.info("gateway refused", region=centre.config.code, reason=refusal)
            return web.Response(
                body=wire.encode({"code": 401, "message": refusal}),
                status=centre.config.refusal_status,
                content_type="application/json",
            )
        name = request.match_info.get("infno", "") or request.headers.get("_api_name", "")
        body = await request.read()
        fault = self.faults.take(centre.config.code, name or _infno_of(body))
        if fault is None:
            reply = self._work(centre, body, name)
            return await bodies.answered(request, centre, reply)
        self._log.info("fault", region=centre.config.code, kind=fault.kind, infno=name)
        return await self._struck(request, centre, body, name, fault)

    async def _struck(
        self, request: web.Request, centre: Centre, body: bytes, name: str, fault: Fault
    ) -> web.StreamResponse:
        kind = fault.kind
        if kind is FaultKind.REFUSE:
            infno = name or _infno_of(body)
            refusal = Reply(infno=infno, infcode=-1, err_msg=fault.message)
            return await bodies.answered(request, centre, refusal)
        if kind is FaultKind.LATE:
            self._arrive_late(centre, body, name, fault.seconds)
        if kind is FaultKind.DELAY_BEFORE:
            await self._sleep(fault.seconds)
        if kind is FaultKind.EXPIRED_SIGN_NO:
            centre.expire_sessions()
        reply = None if kind in _BEFORE else self._work(centre, body, name)
        if kind is FaultKind.DELAY_AFTER:
            await self._sleep(fault.seconds)
        if kind in (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.LATE):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)
        if reply is None or kind is FaultKind.HTTP_500_AFTER:
            return web.Response(status=500, text="Internal Server Error")
        stall = partial(self._sleep, fault.seconds) if kind is FaultKind.STALLED else None
        return await bodies.answered(request, centre, reply, kind, stall=stall)

    def _arrive_late(self, centre: Centre, body: bytes, name: str, seconds: float) -> None:
        async def arrive() -> None:
            await self._sleep(seconds)
            self._work(centre, body, name)

        task = asyncio.create_task(arrive())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _work(self, centre: Centre, body: bytes, name: str) -> Reply:
        began = time.perf_counter()
        try:
            reply = centre.handle(body, name)
        except Exception as error:  # noqa: BLE001 - nothing was committed, and the answer says so
            self._log.error("failed", region=centre.config.code, kind=type(error).__name__)
            reply = Reply(infno=name, infcode=-1, err_msg="系统内部错误")
        self._log.info(
            "request",
            region=centre.config.code,
            infno=reply.infno,
            infcode=reply.infcode,
            inf_refmsgid=reply.inf_refmsgid,
            ms=round((time.perf_counter() - began) * 1000, 1),
        )
        return reply


def _infno_of(body: bytes) -> str:
    try:
        document = wire.decode(body)
    except ValueError:
        return ""
    infno = document.get("infno") if isinstance(document, dict) else ""
    return infno if isinstance(infno, str) else ""
