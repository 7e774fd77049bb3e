"""The operators' routes to the gateway's own work: reconciliation and clearing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Annotated, Protocol

import msgspec
from aiohttp import web

from gateway.errors import StateError, StepError
from gateway.inbound.http_routes import Permission, Route
from gateway.inbound.operator_answers import answer, no_institution, refused
from gateway.inbound.operator_lists import Lists, list_routes
from gateway.settlement.clearing.month import ClearingMonth
from gateway.settlement.clearing.reporting import content
from gateway.settlement.reconciling.report import Report

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
        except (StateError, StepError) as error:
            return refused(error)
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


class Steps(Protocol):
    """What the routes need of `gateway.settlement.clearing.running.Clearing`."""

    async def fetch(self, year: str, month: str) -> ClearingMonth:
        """Extract the month."""
        ...

    async def confirm(
        self,
        year: str,
        month: str,
        *,
        accept: Collection[str] = (),
        leave_out: Collection[str] = (),
        operator: str = "",
    ) -> ClearingMonth:
        """Confirm the month."""
        ...

    async def roll_back(
        self, year: str, month: str, *, msgid: str = "", operator: str = ""
    ) -> ClearingMonth:
        """Take confirmations back."""
        ...

    async def decide(
        self, msgid: str, *, happened: bool, operator: str, note: str
    ) -> ClearingMonth:
        """End what is unknown."""
        ...


Year = Annotated[str, msgspec.Meta(pattern=r"^20\d\d$")]
Month = Annotated[str, msgspec.Meta(pattern=r"^(0[1-9]|1[0-2])$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
Note = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class _Step(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    fixmedins_code: Code


class FetchOrder(_Step, tag="fetch"):
    """Extract a month (3260)."""

    year: Year
    month: Month


class ConfirmOrder(_Step, tag="confirm"):
    """Confirm a month (3261)."""

    year: Year
    month: Month
    operator: Name
    accept: list[str] = []
    leave_out: list[str] = []


class RollBackOrder(_Step, tag="roll-back"):
    """Take a confirmation back, or without `msgid` all of them (3262)."""

    year: Year
    month: Month
    operator: Name
    msgid: str = ""


class DecideOrder(_Step, tag="decide"):
    """End a transaction without known outcome by the centre's word."""

    msgid: str
    happened: bool
    operator: Name
    note: Note


ClearingOrder = FetchOrder | ConfirmOrder | RollBackOrder | DecideOrder


def clearing_routes(clearing: Mapping[str, Steps]) -> Sequence[Route]:
    """The routes of clearing; their answers name no person."""

    async def step(request: web.Request) -> web.StreamResponse:
        try:
            order = msgspec.json.decode(await request.read(), type=ClearingOrder)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return answer(400, {"error": str(error)})
        steps = clearing.get(order.fixmedins_code)
        if steps is None:
            return no_institution(order.fixmedins_code)
        try:
            month = await _taken(steps, order)
        except (StateError, StepError) as error:
            return refused(error)
        return answer(200, {"clearing": content(month)})

    return [
        Route(
            method="POST",
            path="/clearing",
            handler=step,
            permission=Permission.OPERATOR,
            summary="A step of a clearing month: fetch, confirm, roll-back or decide.",
        )
    ]


async def _taken(steps: Steps, order: ClearingOrder) -> ClearingMonth:
    if isinstance(order, FetchOrder):
        return await steps.fetch(order.year, order.month)
    if isinstance(order, ConfirmOrder):
        return await steps.confirm(
            order.year,
            order.month,
            accept=order.accept,
            leave_out=order.leave_out,
            operator=order.operator,
        )
    if isinstance(order, RollBackOrder):
        return await steps.roll_back(
            order.year, order.month, msgid=order.msgid, operator=order.operator
        )
    return await steps.decide(
        order.msgid, happened=order.happened, operator=order.operator, note=order.note
    )


class Office(Protocol):
    """What the routes need of `gateway.backoffice.BackOffice`."""

    @property
    def schedule(self) -> Reconciles:
        """Reconciliation."""
        ...

    @property
    def clearing(self) -> Mapping[str, Steps]:
        """Clearing by institution."""
        ...

    @property
    def lists(self) -> Mapping[str, Lists]:
        """Settlement lists by institution."""
        ...


def office_routes(office: Office) -> Sequence[Route]:
    """Every route to the gateway's own work."""
    return [
        *reconciliation_routes(office.schedule),
        *clearing_routes(office.clearing),
        *list_routes(office.lists),
    ]
