"""The operators' routes: what is unknown, and decisions about it.

They take an operator's token and never a peer's: who asks for settlements does not decide about
them. Nothing they show identifies a patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from aiohttp import web

from gateway.inbound.http_routes import Mount, Permission, Route, refuse_plainly
from gateway.inbound.operator_answers import answer, refused
from gateway.settlement.confirming import Shown
from gateway.settlement.deciding import Case, Decision, DecisionError, Open

PREFIX = "/operator"


class Decides(Protocol):
    """What the routes need of `gateway.settlement.deciding.Decider`."""

    async def open(self) -> list[Open]:
        """What is unknown."""
        ...

    async def case(self, msgid: str) -> Case:
        """One of them with its history."""
        ...

    async def decide(
        self, msgid: str, decision: Decision, *, operator: str, note: str, shown: Shown
    ) -> Open | None:
        """Carry a decision out."""
        ...


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of a decision: what, who, why, and for `confirm` what the platform shows."""

    decision: Decision
    operator: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    setl_id: Annotated[str, msgspec.Meta(max_length=30)] = ""
    mdtrt_id: Annotated[str, msgspec.Meta(max_length=30)] = ""
    medfee_sumamt: Annotated[str, msgspec.Meta(pattern=r"^(\d{1,14}(\.\d{1,2})?)?$")] = ""
    trt_dcla_detl_sn: Annotated[str, msgspec.Meta(max_length=30)] = ""


def operator_mount(decider: Decides, more: Sequence[Route] = ()) -> Mount:
    """The mount of the operators' routes; `more` are those of `operator_office`."""

    async def unknown(_request: web.Request) -> web.StreamResponse:
        return answer(200, {"unknown": msgspec.to_builtins(await decider.open())})

    async def case(request: web.Request) -> web.StreamResponse:
        try:
            found = await decider.case(request.match_info["msgid"])
        except DecisionError as error:
            return refused(error, 404)
        return answer(200, msgspec.to_builtins(found))

    async def decide(request: web.Request) -> web.StreamResponse:
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return answer(400, {"error": str(error)})
        try:
            left = await decider.decide(
                request.match_info["msgid"],
                order.decision,
                operator=order.operator,
                note=order.note,
                shown=Shown(
                    setl_id=order.setl_id,
                    mdtrt_id=order.mdtrt_id,
                    medfee_sumamt=order.medfee_sumamt,
                    trt_dcla_detl_sn=order.trt_dcla_detl_sn,
                ),
            )
        except DecisionError as error:
            return refused(error)
        return answer(200, {"unknown": msgspec.to_builtins(left)})

    routes = (
        Route(
            method="GET",
            path="/unknown",
            handler=unknown,
            permission=Permission.OPERATOR,
            summary="What has no known outcome, and what can be decided about it.",
        ),
        Route(
            method="GET",
            path="/unknown/{msgid}",
            handler=case,
            permission=Permission.OPERATOR,
            summary="One outcome that is not known, with all that happened to its message.",
        ),
        Route(
            method="POST",
            path="/unknown/{msgid}",
            handler=decide,
            permission=Permission.OPERATOR,
            summary="Decide about one: reverse, confirm or nothing.",
        ),
    )
    return Mount(prefix=PREFIX, protocol="operator", routes=(*routes, *more), refuse=refuse_plainly)
