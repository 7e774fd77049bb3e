"""The operators' routes to the gateway's own work: reconciliation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web

from gateway.errors import StateError
from gateway.inbound.http_routes import Permission, Route
from gateway.settlement.reconciling.report import Report
from gateway.settlement.reconciling.scheduling import BusyError

Code = Annotated[str, msgspec.Meta(pattern=r"^[HP]\d{11}$")]


class Reconciles(Protocol):
    """What the routes need of `gateway.settlement.reconciling.scheduling.Schedule`."""

    async def reconcile(self, fixmedins_code: str, day: date) -> Report:
        """Reconcile a day now."""
        ...


class DayOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whose settlements of which day."""

    fixmedins_code: Code
    day: date


def reconciliation_routes(schedule: Reconciles) -> Sequence[Route]:
    """The routes of reconciliation; their answers have counts and no settlement."""

    async def reconcile(request: web.Request) -> web.StreamResponse:
        try:
            order = msgspec.json.decode(await request.read(), type=DayOrder)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return answer(400, {"error": str(error)})
        try:
            report = await schedule.reconcile(order.fixmedins_code, order.day)
        except (BusyError, StateError) as error:
            return answer(409, {"error": str(error)})
        found = {
            "fixmedins_code": order.fixmedins_code,
            "day": order.day.isoformat(),
            "state": report.state.value,
            "count": report.totals.count,
            "differences": len(report.differences),
        }
        return answer(200, {"reconciliation": found})

    return [
        Route(
            method="POST",
            path="/reconciliations",
            handler=reconcile,
            permission=Permission.OPERATOR,
            summary="Reconcile a day of an institution now; counts of what was found.",
        )
    ]


def answer(status: int, content: Any) -> web.Response:
    """A JSON answer."""
    return web.Response(
        status=status, body=msgspec.json.encode(content), content_type="application/json"
    )
