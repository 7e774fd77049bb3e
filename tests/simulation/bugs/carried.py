"""What the hospital does by national JSON itself."""

from __future__ import annotations

from typing import Any
from unittest import mock

import msgspec

from gateway.intents import Accepted, NotSent, Rejected, Reply, Unknown
from gateway.settlement import (
    absorbing,
    carrying,
    following,
)
from gateway.settlement.carrying import Carrier
from tests.simulation.bugs.planting import bug


@bug
def the_visit_does_not_follow_what_the_hospital_does_itself() -> Any:
    """National JSON is carried, and nothing more."""

    async def nothing(*_: Any) -> None:
        return None

    return mock.patch.object(carrying, "known_visit", nothing)


@bug
def the_hospitals_own_reversal_is_taken_for_any_settlement_of_the_visit() -> Any:
    """2601 undoes what was settled last."""
    take_back = following._take_back

    def last(visit: Any, _original: str, msgid: str) -> None:
        live = visit.live_settlements()
        take_back(visit, live[-1].msgid if live else "", msgid)

    return mock.patch.object(following, "_take_back", last)


@bug
def the_hospitals_own_call_of_unknown_outcome_is_told_as_refused() -> Any:
    """No reply came, and its program is told that nothing was cancelled."""
    conclude = Carrier._conclude

    async def wrong(self: Carrier, outcome: Any, *rest: Any) -> None:
        no = Rejected(Reply(infcode="-1", err_msg="no reply"))
        await conclude(self, no if isinstance(outcome, Unknown) else outcome, *rest)

    return mock.patch.object(Carrier, "_conclude", wrong)


@bug
def a_visit_is_not_found_by_the_number_that_the_platform_gave_it() -> Any:
    """The hospital's own charges right behind an admission belong to nobody."""

    async def nothing(*_: Any) -> None:
        return None

    return mock.patch.object(following.numbering, "numbered", nothing)


@bug
def a_discharge_of_the_hospitals_own_is_not_followed() -> Any:
    """2402 is carried, and the stay goes on."""
    return mock.patch.object(following, "FOLLOWED", following.FOLLOWED - {"2402"})


@bug
def a_patient_who_comes_back_stays_discharged() -> Any:
    """2405 was accepted, and the end of the stay is kept."""

    def keep(work: Any, _call: Any) -> None:
        work.opened().apply(absorbing.VisitEvent.UNDISCHARGED)

    return mock.patch.dict(absorbing.ABSORBERS, {"2405": keep})


@bug
def a_withdrawal_of_everything_withdraws_nothing() -> Any:
    """0000 is the number of a batch that nobody has."""
    return mock.patch.object(following, "EVERY_BATCH", "none")


@bug
def charges_of_the_hospitals_own_are_taken_in_without_their_last_line() -> Any:
    """Somebody counts from one."""
    follow = following._absorptions

    def short(*given: Any) -> Any:
        found = follow(*given)
        return [
            msgspec.structs.replace(each, lines=each.lines[:-1] or each.lines) for each in found
        ]

    return mock.patch.object(following, "_absorptions", short)


@bug
def a_list_without_answer_is_told_as_uploaded() -> Any:
    """4101 moves no money, so what."""
    conclude = Carrier._conclude

    async def wrong(self: Carrier, outcome: Any, call: Any, *rest: Any) -> None:
        lost = isinstance(outcome, Unknown | NotSent) and call.infno == "4101"
        await conclude(self, Accepted(Reply(infcode="0")) if lost else outcome, call, *rest)

    return mock.patch.object(Carrier, "_conclude", wrong)


@bug
def a_refused_withdrawal_is_told_as_done() -> Any:
    """Nothing was there to be withdrawn, which comes to the same."""
    conclude = Carrier._conclude

    async def wrong(self: Carrier, outcome: Any, call: Any, *rest: Any) -> None:
        refused = isinstance(outcome, Rejected | NotSent) and call.infno in ("2205", "2302")
        await conclude(self, Accepted(Reply(infcode="0")) if refused else outcome, call, *rest)

    return mock.patch.object(Carrier, "_conclude", wrong)
