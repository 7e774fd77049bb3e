"""What the steps of settlement lists take and give."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gateway.errors import GatewayError, Problem
from gateway.fsi.checks import Checker
from gateway.settlement.dispatching import Dispatched
from gateway.settlement.filling import Filler
from gateway.settlement.listing.record import SettlementList


class ListError(GatewayError):
    """The step cannot be taken now; nothing was sent."""


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


class Counted(msgspec.Struct, kw_only=True, frozen=True):
    """How many settlements need a list, and how many have one (4105)."""

    due: int
    uploaded: int
