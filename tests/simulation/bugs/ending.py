"""How unknown outcomes are ended."""

from __future__ import annotations

from typing import Any
from unittest import mock

from gateway.clock import Age
from gateway.intents import Accepted, Reply, Result
from gateway.journal import AuditEvent
from gateway.pipeline import Pipeline
from gateway.settlement import confirming
from gateway.settlement.evidence import Evidence
from gateway.settlement.proving import Prover
from gateway.settlement.resolving import Resolver
from tests.simulation.bugs.planting import bug


@bug
def a_settlement_is_made_anew_without_the_reversal() -> Any:
    """2601 is only prepared."""

    async def reverse(self: Resolver, send: Any, event: Any) -> Any:
        await self.reversed(send, event)
        return Accepted(Reply(infcode="0"))

    return mock.patch.object(Resolver, "reverse", reverse)


@bug
def a_reversal_counts_whatever_the_platform_said() -> Any:
    """2601 was sent, and the original may still be on its way."""

    async def reverse(self: Resolver, send: Any, event: Any) -> Any:
        call = self._reversal(send)
        done = await self._dispatcher.dispatch(call, exchange_id=send.exchange_id)
        await self.reversed(send, event)
        return done.outcome

    return mock.patch.object(Resolver, "reverse", reverse)


@bug
def an_answer_is_not_replaced_when_the_outcome_is_known() -> Any:
    """The hospital is told unknown for ever."""

    async def nothing(self: Pipeline, exchange_id: str, result: Result, note: str) -> None:
        return

    return mock.patch.object(Pipeline, "replace", nothing)


@bug
def a_decision_that_a_crash_left_without_its_answer_stays_so() -> Any:
    """The transaction is resolved, and its message is told unknown for ever."""

    async def nothing(self: Resolver) -> None:
        return

    return mock.patch.object(Resolver, "_close_resolved", nothing)


@bug
def a_visit_that_is_not_shown_did_not_happen() -> Any:
    """5201 found nothing: the registration is ended as if it never arrived."""
    shown = Evidence.shown

    async def ended(self: Evidence, send: Any) -> Any:
        found = await shown(self, send)
        if found is None and send.infno in ("2201", "2401"):
            event = AuditEvent(send.exchange_id, "resolve")
            await self._journal.resolve_send(send.msgid, "manual", "not found", events=[event])
        return found

    return mock.patch.object(Evidence, "shown", ended)


@bug
def another_visit_of_the_person_is_taken_for_the_registration() -> Any:
    """Whatever 5201 shows of the person will do."""
    around = Prover.visits_around

    return mock.patch.object(Prover, "visits", around)


@bug
def the_resolver_waits_until_a_clock_that_was_set_back_has_caught_up() -> Any:
    """The age of what is unknown by the time of day alone."""

    def made(self: Age, clock: Any, since: Any) -> None:
        self._clock, self._since = clock, since

    def by_the_clock(self: Age) -> float:
        return (self._clock.now() - self._since).total_seconds()

    return mock.patch.multiple(Age, __init__=made, seconds=property(by_the_clock))


@bug
def a_settlement_is_confirmed_while_its_2601_is_still_open() -> Any:
    """The page shows it, so it stands."""

    async def never(self: Resolver, send: Any) -> bool:
        return False

    return mock.patch.object(Resolver, "is_being_undone", never)


@bug
def a_settlement_list_is_confirmed_unseen() -> Any:
    """4103 is asked, and whatever it says will do."""

    async def listed(self: Prover, *_: Any) -> dict[str, Any]:
        return {}

    return mock.patch.object(Prover, "listed", listed)


@bug
def a_settlement_of_another_message_confirms_this_one() -> Any:
    """5203 shows a settlement under this number, that is enough."""
    settlement = Prover.settlement

    async def shown(self: Prover, send: Any, institution: Any, **ids: str) -> dict[str, Any]:
        data = {"psn_no": send.psn_no, **ids}
        output = await self._asked(send, institution, "5203", data)
        output["setlinfo"]["medins_setl_id"] = send.msgid
        with mock.patch.object(Prover, "_asked", mock.AsyncMock(return_value=output)):
            return await settlement(self, send, institution, **ids)

    return mock.patch.object(Prover, "settlement", shown)


@bug
def the_sum_of_an_upload_is_not_compared() -> Any:
    """Somebody has looked, after all."""
    return mock.patch.object(confirming, "compare_sum")
