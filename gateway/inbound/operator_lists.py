"""The operators' route to settlement lists (4101 to 4105).

A list names a patient: its answers hold places, codes and states. Only `show` has its values, where
the operator asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web

from gateway.errors import Problem, StateError, StepError
from gateway.inbound.http_routes import Permission, Route
from gateway.inbound.operator_answers import answer, no_institution, refused
from gateway.settlement.listing.parts import Counted, Prepared, Shown
from gateway.settlement.listing.record import SettlementList

Code = Annotated[str, msgspec.Meta(pattern=r"^[HP]\d{11}$")]


class Lists(Protocol):
    """What the route needs of `gateway.settlement.listing.running.SettlementLists`."""

    async def prepare(
        self,
        day: date,
        *,
        setl_id: str = "",
        additions: Mapping[str, Mapping[str, Any]] | None = None,
        outpatient: bool = False,
    ) -> list[Prepared]:
        """Collect lists."""
        ...

    async def check(self, setl_id: str) -> Prepared:
        """What is wrong with one."""
        ...

    async def show(self, setl_id: str, *, values: bool = False) -> Shown:
        """One field by field."""
        ...

    async def upload(self, setl_id: str, *, submit: bool = False) -> Prepared:
        """Upload and submit one."""
        ...

    async def status(self, setl_id: str) -> SettlementList:
        """Ask for the state of one."""
        ...

    async def count(self, begin: date, end: date, med_types: str = "") -> Counted:
        """Count them."""
        ...


class _Step(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    fixmedins_code: Code


class PrepareOrder(_Step, tag="prepare"):
    """Collect the lists of a day, or that of one settlement of it."""

    day: date
    setl_id: str = ""
    additions: dict[str, dict[str, Any]] = {}
    outpatient: bool = False


class CheckOrder(_Step, tag="check"):
    """Everything that is wrong with a list."""

    setl_id: str


class UploadOrder(_Step, tag="upload"):
    """Upload a list (4101), and hand it in (4102)."""

    setl_id: str
    submit: bool = False


class ShowOrder(_Step, tag="show"):
    """A list field by field, and where each is from."""

    setl_id: str
    values: bool = False


class StatusOrder(_Step, tag="status"):
    """Ask the centre for a list (4103, 4104)."""

    setl_id: str


class CountOrder(_Step, tag="count"):
    """Count what is due and what is there (4105)."""

    begin: date
    end: date
    med_types: str = ""


ListOrder = PrepareOrder | CheckOrder | ShowOrder | UploadOrder | StatusOrder | CountOrder


def list_routes(lists: Mapping[str, Lists]) -> Sequence[Route]:
    """The route of settlement lists."""

    async def step(request: web.Request) -> web.StreamResponse:
        try:
            order = msgspec.json.decode(await request.read(), type=ListOrder)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return answer(400, {"error": str(error)})
        steps = lists.get(order.fixmedins_code)
        if steps is None:
            return no_institution(order.fixmedins_code)
        try:
            return answer(200, {"settlement_lists": await _taken(steps, order)})
        except (StateError, StepError) as error:
            return refused(error)

    return [
        Route(
            method="POST",
            path="/settlement-lists",
            handler=step,
            permission=Permission.OPERATOR,
            summary="A step of settlement lists: prepare, check, show, upload, status or count.",
        )
    ]


async def _taken(steps: Lists, order: ListOrder) -> Any:
    if isinstance(order, PrepareOrder):
        prepared = await steps.prepare(
            order.day,
            setl_id=order.setl_id,
            additions=order.additions,
            outpatient=order.outpatient,
        )
        return [shown(one.held, one.problems) for one in prepared]
    if isinstance(order, CheckOrder):
        one = await steps.check(order.setl_id)
        return [shown(one.held, one.problems)]
    if isinstance(order, ShowOrder):
        whole = await steps.show(order.setl_id, values=order.values)
        return [{**shown(whole.held, []), "fields": msgspec.to_builtins(whole.fields)}]
    if isinstance(order, UploadOrder):
        one = await steps.upload(order.setl_id, submit=order.submit)
        return [shown(one.held, one.problems)]
    if isinstance(order, StatusOrder):
        return [shown(await steps.status(order.setl_id), [])]
    counted = await steps.count(order.begin, order.end, order.med_types)
    return {"due": counted.due, "uploaded": counted.uploaded}


def shown(held: SettlementList, problems: Sequence[Problem]) -> dict[str, Any]:
    """A list without its patient."""
    return {
        "setl_id": held.setl_id,
        "infno": held.infno,
        "state": held.state.value,
        "current": held.is_current,
        "setl_list_id": held.setl_list_id,
        "setl_time": held.setl_time,
        "prepared_at": held.prepared_at,
        "asked_at": held.asked_at,
        "note": held.note,
        "findings": msgspec.to_builtins(held.findings),
        "problems": msgspec.to_builtins(list(problems)),
    }
