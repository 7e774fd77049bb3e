"""What the steps of settlement lists take and give."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gateway.errors import Problem
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.settlement.dispatching import Dispatched
from gateway.settlement.filling import Filler
from gateway.settlement.listing.record import SettlementList


class PersonLine(Protocol):
    """A line on which transactions of a person can be made: `gateway.settlement.lines`."""

    @property
    def fixmedins_code(self) -> str:
        """Whose line it is."""
        ...

    async def dispatch(
        self,
        infno: str,
        content: dict[str, Any],
        *,
        key: str = "",
        psn_no: str = "",
        insuplc_admdvs: str = "",
    ) -> Dispatched:
        """Make one transaction."""
        ...


class Place(Protocol):
    """What a list needs of an institution: `gateway.settlement.preparing.Site` is one."""

    definitions: Definitions
    filler: Filler
    checker: Checker


class Prepared(msgspec.Struct, kw_only=True):
    """A list as it was collected, and everything that is wrong with it."""

    held: SettlementList
    problems: list[Problem]

    @property
    def ready(self) -> bool:
        """True when nothing stops its upload."""
        return not any(problem.stops for problem in self.problems)


class ShownField(msgspec.Struct, kw_only=True, frozen=True):
    """One field of a list.

    `path` is its place (`icuinfo[0].scs_cutd_exit_time`), `label` its name in the definition,
    `origin` where it is from (`gateway.settlement.listing.composing.Origin`), empty for a field
    that has no value. `value` is empty unless it was asked for: it names a patient.
    """

    path: str
    label: str
    required: bool
    origin: str = ""
    value: str = ""


class Shown(msgspec.Struct, kw_only=True):
    """A list as it was prepared, field by field."""

    held: SettlementList
    fields: list[ShownField]


class Counted(msgspec.Struct, kw_only=True, frozen=True):
    """How many settlements need a list, and how many have one (4105)."""

    due: int
    uploaded: int
