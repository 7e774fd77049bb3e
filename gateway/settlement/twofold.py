"""Intents of two parts: what stands is undone, and something else is made in its place.

An inpatient becomes an outpatient (ADT^A07), an outpatient an inpatient (A06), a filing is changed
or submitted again (RQA^I09, I10, REF^I13). Each part is an intent with a plan of its own.

1. Both parts are planned, coded and checked before the first is sent: nothing is undone for the
   sake of something that cannot be made.
2. The second part follows only once the platform accepted the first.
3. A part whose outcome is not known ends the message, and its result has the intent of that part:
   it is proven, confirmed and closed like a message of its own. A second part is then not made
   later: the sender is told that it was not done.
4. What was done is not done again when the message is taken up again: a cancelled visit has nothing
   to cancel, and the accepted withdrawal of this exchange counts.

Source: mapping matrix 1.6; statement T-008.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from gateway.clock import Clock
from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.intents import Intent, Record, Result, Source, Status, Verb, VisitClass
from gateway.journal import Journal
from gateway.settings import PeerSettings
from gateway.settlement import resuming
from gateway.settlement.plans import MARKS, PLANS, WITHOUT_VISIT
from gateway.settlement.sites import Sites, new_visit, visit_number
from gateway.settlement.visits import Visit, VisitState, decode_visit, visit_key

REFILINGS = {
    Verb.REFILE_TRANSFER: (Verb.WITHDRAW_TRANSFER, Verb.FILE_TRANSFER),
    Verb.REFILE_CHRONIC: (Verb.WITHDRAW_CHRONIC, Verb.FILE_CHRONIC),
    Verb.REFILE_DESIGNATION: (Verb.WITHDRAW_DESIGNATION, Verb.FILE_DESIGNATION),
}
"""A filing that is changed: how the old one is withdrawn, and how the new one is filed."""

TWOFOLD = frozenset({Verb.TO_OUTPATIENT, Verb.TO_INPATIENT, *REFILINGS})
"""Verbs of two parts."""

NUMBER = "trt_dcla_detl_sn"
REASON = "备案变更"
"""Why a filing is withdrawn, where the message that changes it gives no reason of its own."""

CHARGED = frozenset({VisitState.CHARGED, VisitState.SETTLED})
"""States of an outpatient visit that is more than a registration: it stays when its patient is
admitted."""

Conduct = Callable[[Intent], Awaitable[Result]]
"""Carries one part out."""


class Parts(NamedTuple):
    """What is undone, and what is made then."""

    undoing: Intent
    making: Intent


def parts_of(intent: Intent) -> Parts:
    """The two parts of an intent, with records of their own."""
    if intent.verb is Verb.TO_OUTPATIENT:
        return _to_outpatient(intent)
    if intent.verb is Verb.TO_INPATIENT:
        return _to_inpatient(intent)
    return _refiling(intent)


def _to_outpatient(intent: Intent) -> Parts:
    undoing = msgspec.structs.replace(
        intent,
        verb=Verb.UNADMIT,
        visit_class=VisitClass.INPATIENT,
        person=_copy(intent.person),
        visit=_copy(intent.visit),
        diagnoses=[],
        more_follows=True,
    )
    making = msgspec.structs.replace(
        intent,
        verb=Verb.REGISTER,
        visit_class=VisitClass.OUTPATIENT,
        visit=_anew(intent, VisitClass.OUTPATIENT),
    )
    return Parts(undoing, making)


def _to_inpatient(intent: Intent) -> Parts:
    """The registration is that of the prior number (`query.ipt_otp_no`), else of the same one."""
    stated = intent.query if intent.query.has("ipt_otp_no") else intent.visit
    prior = Record()
    if stated.has("ipt_otp_no"):
        prior.set("ipt_otp_no", stated.get("ipt_otp_no"), stated.sources.get("ipt_otp_no"))
    undoing = msgspec.structs.replace(
        intent,
        verb=Verb.UNREGISTER,
        visit_class=VisitClass.OUTPATIENT,
        person=_copy(intent.person),
        visit=prior,
        query=Record(),
        diagnoses=[],
        if_known=True,
        more_follows=True,
    )
    making = msgspec.structs.replace(
        intent,
        verb=Verb.ADMIT,
        visit_class=VisitClass.INPATIENT,
        visit=_anew(intent, VisitClass.INPATIENT),
        query=Record(),
    )
    return Parts(undoing, making)


def _refiling(intent: Intent) -> Parts:
    withdrawing, filing = REFILINGS[intent.verb]
    undoing = msgspec.structs.replace(
        intent,
        verb=withdrawing,
        person=_copy(intent.person),
        filing=_copy(intent.filing),
        diagnoses=[],
        more_follows=True,
    )
    if not undoing.filing.has("memo"):
        undoing.filing.values["memo"] = REASON
    making = msgspec.structs.replace(intent, verb=filing, filing=_copy(intent.filing))
    making.filing.values.pop(NUMBER, None)
    return Parts(undoing, making)


def _copy(record: Record) -> Record:
    return Record(dict(record.values), dict(record.sources))


def _anew(intent: Intent, visit_class: VisitClass) -> Record:
    """The visit without what was the other one's: its number at the platform, its class."""
    visit = _copy(intent.visit)
    visit.values.pop("mdtrt_id", None)
    visit.set("visit_class", visit_class.value, visit.sources.get("visit_class", Source("")))
    return visit


class TwofoldConductor:
    """Carries intents of two parts out for one message; `conduct` carries out a part."""

    def __init__(
        self, conduct: Conduct, *, sites: Sites, journal: Journal, clock: Clock, peer: PeerSettings
    ) -> None:
        self._conduct = conduct
        self._sites = sites
        self._journal = journal
        self._clock = clock
        self._peer = peer

    async def carry_out(self, intent: Intent, exchange_id: str) -> Result:
        """Undo, then make.

        Raises:
            InvalidError: the institution is not the peer's, or a visit has no number.
        """
        undoing, making = parts_of(intent)
        own = await resuming.own_unknown(self._journal, exchange_id)
        if own is not None:
            part = undoing if own.infno in _transactions(undoing.verb) else making
            return resuming.still_unknown(own, part)
        remarks: list[Problem] = []
        undone = Result(status=Status.DONE, intent=undoing)
        standing = await self._standing(undoing)
        kept = intent.verb is Verb.TO_INPATIENT and _stays(standing)
        found = [] if kept else await self._problems_of(undoing, standing)
        for problem in await self._problems_of(making, await self._standing(making)):
            if problem not in found:
                found.append(problem)
        if found:
            return Result(status=Status.INVALID, intent=intent, problems=found)
        if not kept:
            undone = await self._conduct(undoing)
        elif standing is not None and _has_charges(standing):
            remarks.append(_charges_left(undoing))
        if undone.status is not Status.DONE:
            return undone
        made = await self._conduct(making)
        if undone.calls and made.status in (Status.REJECTED, Status.INVALID):
            remarks.append(_undone_only(undone.calls[-1].infno, intent))
        made.calls = [*undone.calls, *made.calls]
        made.problems = [*undone.problems, *made.problems, *remarks]
        return made

    async def _standing(self, part: Intent) -> Visit | None:
        """The visit that a part is about, as it stands; None where there is none."""
        if part.verb in WITHOUT_VISIT:
            return None
        institution = self._sites.of(part.facility, self._peer).institution
        key = visit_key(institution.fixmedins_code, visit_number(part))
        row = await self._journal.visit(key)
        return decode_visit(row.data, row.version) if row is not None else None

    async def _problems_of(self, part: Intent, standing: Visit | None) -> list[Problem]:
        """What forbids a part, found on a copy of it; nothing is sent."""
        part = copy.deepcopy(part)
        preparer = self._sites.preparer(part, self._peer)
        visit = None
        if part.verb not in WITHOUT_VISIT:
            same = standing is not None and standing.visit_class is part.visit_class
            code = preparer.site.institution.fixmedins_code
            visit = standing if same else new_visit(part, code)
        found = preparer.prepare(part, visit, self._clock.now()).problems
        return [problem for problem in found if problem.stops]


def _stays(visit: Visit | None) -> bool:
    """True for a visit that is not cancelled when its patient is admitted."""
    if visit is None:
        return False
    return visit.visit_class is not VisitClass.OUTPATIENT or visit.state in CHARGED


def _has_charges(visit: Visit) -> bool:
    """True for an outpatient visit with lines that are not settled."""
    return visit.visit_class is VisitClass.OUTPATIENT and bool(visit.open_batches())


def _transactions(verb: Verb) -> frozenset[str]:
    rows: Sequence[tuple[str, ...]] = [marks for key, marks in PLANS.items() if key[0] is verb]
    return frozenset(mark.rstrip(MARKS) for marks in rows for mark in marks)


def _charges_left(part: Intent) -> Problem:
    """The outpatient visit of somebody who was admitted has lines that are not settled."""
    number = part.visit.get("ipt_otp_no")
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        severity=Severity.WARNING,
        field="ipt_otp_no",
        place=part.visit.place("ipt_otp_no") or part.place,
        zh=f"门诊就诊{number}有未结算的费用，挂号未撤销，请结算或撤销该就诊的费用",
        en=f"the outpatient visit {number} has charges that are not settled and was not cancelled",
        remedy_zh="结算该门诊就诊，或撤销其费用和挂号",
        remedy_en="settle the outpatient visit, or withdraw its charges and cancel it",
    )


def _undone_only(infno: str, intent: Intent) -> Problem:
    """The first part was done and the second refused: the sender has to know both."""
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        severity=Severity.WARNING,
        place=intent.place,
        zh=f"交易{infno}已完成，其后的办理未成功，请更正后以新的消息号重新发送",
        en=f"transaction {infno} was done, and what was to follow it was refused: correct it and "
        "send the message again with a new control id",
        detail=infno,
    )
