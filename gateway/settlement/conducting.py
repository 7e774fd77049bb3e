"""Carries an intent out: the prepared steps one after another, until one does not succeed.

One message of a visit at a time; a visit with a transaction of unknown outcome takes no further
step (DESIGN section 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

from gateway.clock import Clock
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, StateError
from gateway.fsi.definitions import Definitions
from gateway.intents import (
    Accepted,
    Call,
    Intent,
    NotSent,
    Outcome,
    Record,
    Rejected,
    Result,
    Status,
    Unknown,
    Verb,
    VisitClass,
)
from gateway.journal import Journal, VisitRow
from gateway.settings import InstitutionSettings, PeerSettings
from gateway.settlement import reporting
from gateway.settlement.absorbing import Absorption, UnreadableReplyError, Work, absorb
from gateway.settlement.dispatching import Dispatched, Dispatcher, is_money
from gateway.settlement.explaining import Explanation, explain_call
from gateway.settlement.filling import Filled
from gateway.settlement.plans import WITHOUT_VISIT, is_repeatable
from gateway.settlement.preparing import Preparer, Site
from gateway.settlement.totals import Step
from gateway.settlement.visits import Visit, VisitState, decode_visit, encode_visit, visit_key

SETTING_OF = {Verb.REGISTER: VisitClass.OUTPATIENT, Verb.ADMIT: VisitClass.INPATIENT}


class VisitLocks:
    """One message of a visit at a time, within this process."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Wait for the visit and keep it; the lock goes when nobody wants it."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


class Conductor:
    """Carries intents out for the institutions it has a site of."""

    def __init__(
        self,
        *,
        sites: Mapping[str, Site],
        journal: Journal,
        dispatcher: Dispatcher,
        clock: Clock,
        tolerance: Decimal,
        max_charge_lines: int,
    ) -> None:
        self._sites = sites
        self._journal = journal
        self._dispatcher = dispatcher
        self._clock = clock
        self._tolerance = tolerance
        self._max_charge_lines = max_charge_lines
        self.locks = VisitLocks()

    async def conduct(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        """Carry an intent out.

        Raises:
            InvalidError: the institution is not the peer's, or the visit has no number.
        """
        if intent.verb is Verb.IGNORE:
            return Result(status=Status.DONE, intent=intent)
        preparer = self._preparer(intent, peer)
        if intent.verb in WITHOUT_VISIT:
            return await self._run(intent, None, preparer, exchange_id)
        key = visit_key(preparer.site.institution.fixmedins_code, _visit_number(intent))
        async with self.locks.hold(key):
            return await self.conduct_locked(intent, peer, exchange_id)

    async def conduct_locked(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        """The same for a caller that holds the visit's lock."""
        preparer = self._preparer(intent, peer)
        visit = await self._load(intent, preparer.site.institution)
        if await self.is_held(visit):
            return Result(status=Status.INVALID, intent=intent, problems=[reporting.held(intent)])
        return await self._run(intent, visit, preparer, exchange_id)

    def explain(self, intent: Intent, peer: PeerSettings) -> Explanation:
        """The plan for an intent, field by field, as if its visit stood where it has to."""
        explanation = Explanation(verb=intent.verb.value)
        if intent.verb is Verb.IGNORE:
            return explanation
        preparer = self._preparer(intent, peer)
        visit = None
        if intent.verb not in WITHOUT_VISIT:
            code = preparer.site.institution.fixmedins_code
            visit = _new_visit(intent, code, _visit_number(intent))
        prepared = preparer.prepare(intent, visit, self._clock.now(), assume_open=True)
        explanation.problems = prepared.problems
        deferred = prepared.deferred
        for step in prepared.steps:
            filled = preparer.fill(step, intent, visit)
            explanation.calls.append(
                explain_call(
                    preparer.site.definitions, step.infno, filled.input, filled.sources, deferred
                )
            )
            deferred |= _given_by(preparer.site.definitions, step.infno)
        return explanation

    async def is_held(self, visit: Visit) -> bool:
        """True while a transaction of the visit has no known outcome."""
        for number in (visit.ipt_otp_no, visit.visit.get("mdtrt_id")):
            if number:
                key = visit_key(visit.fixmedins_code, number)
                sends = await self._journal.sends(state="unknown", visit_key=key)
                if any(not is_repeatable(send.infno) for send in sends):
                    return True
        return False

    def _preparer(self, intent: Intent, peer: PeerSettings) -> Preparer:
        site = self._sites.get(institution_of(intent.facility, peer, self._sites))
        assert site is not None
        if intent.verb is Verb.CHARGE and intent.presettle_after:
            intent.verb = Verb.PRESETTLE
        if intent.verb is Verb.REGISTER and intent.visit_class is VisitClass.INPATIENT:
            intent.verb = Verb.ADMIT
        intent.visit_class = intent.visit_class or SETTING_OF.get(intent.verb)
        intent.check_entitlement = intent.check_entitlement or peer.check_entitlement
        operator = intent.facility.values
        operator.setdefault("opter", site.institution.opter)
        operator.setdefault("opter_name", site.institution.opter_name)
        operator.setdefault("opter_type", site.institution.opter_type)
        if len(intent.charges) > self._max_charge_lines:
            raise InvalidError([_too_many_lines(len(intent.charges), self._max_charge_lines)])
        return Preparer(site, tolerance=self._tolerance, defaults=Record(dict(peer.defaults)))

    async def _load(self, intent: Intent, institution: InstitutionSettings) -> Visit:
        number = _visit_number(intent)
        row = await self._journal.visit(visit_key(institution.fixmedins_code, number))
        if row is None:
            return _new_visit(intent, institution.fixmedins_code, number)
        visit = decode_visit(row.data, row.version)
        if intent.visit_class not in (None, visit.visit_class):
            raise InvalidError([_other_setting(intent, visit)])
        intent.visit_class = visit.visit_class
        return visit

    async def _run(
        self, intent: Intent, visit: Visit | None, preparer: Preparer, exchange_id: str
    ) -> Result:
        prepared = preparer.prepare(intent, visit, self._clock.now())
        result = Result(status=Status.DONE, intent=intent, problems=list(prepared.problems))
        if prepared.stops:
            result.status = Status.INVALID
            return result
        work = Work(intent=intent, result=result, visit=visit)
        for step in prepared.steps:
            filled = preparer.fill(step, intent, visit)
            found = preparer.check(step, filled, intent)
            if any(problem.stops for problem in found):
                result.problems += found
                result.status = Status.INVALID
                break
            if not await self._take(step, filled, work, exchange_id):
                break
        return result

    async def _take(self, step: Step, filled: Filled, work: Work, exchange_id: str) -> bool:
        """Make one call; True when the next may follow."""
        call = _call(step, filled, work)

        def interpret(outcome: Outcome, msgid: str) -> tuple[Outcome, VisitRow | None]:
            return _interpret(step, work, outcome, msgid)

        try:
            done = await self._dispatcher.dispatch(
                call,
                exchange_id=exchange_id,
                interpret=interpret,
                insutype=work.intent.person.get("insutype"),
            )
        except StateError:
            work.result.status = Status.INVALID
            work.result.problems.append(reporting.held(work.intent))
            return False
        work.result.calls.append(done.report)
        if work.visit is not None and work.stored:
            work.visit.version += 1
            work.stored = False
        return _conclude(step, work, done)


def institution_of(facility: Record, peer: PeerSettings, sites: Mapping[str, Site]) -> str:
    """The institution a message speaks for: named by it, or the peer's only one.

    Raises:
        InvalidError: not one of the peer's institutions.
    """
    stated = facility.get("fixmedins_code")
    code = stated or (peer.institutions[0] if len(peer.institutions) == 1 else "")
    if code in peer.institutions and code in sites:
        return code
    raise InvalidError(
        [
            Problem(
                kind=ProblemKind.FORBIDDEN if stated else ProblemKind.NOT_FOUND,
                code=ProblemCode.PEER_DENIED if stated else ProblemCode.INSTITUTION_UNKNOWN,
                field="fixmedins_code",
                place=facility.place("fixmedins_code"),
                zh="该发送方不能代表此定点医药机构" if stated else "消息没有说明定点医药机构",
                en="the sender may not speak for this institution"
                if stated
                else "the message does not say which institution it is for",
            )
        ]
    )


def _interpret(
    step: Step, work: Work, outcome: Outcome, msgid: str
) -> tuple[Outcome, VisitRow | None]:
    """Take an accepted reply in; one that lacks what it must give is of unknown outcome."""
    if not isinstance(outcome, Accepted):
        return outcome, None
    absorption = Absorption(
        infno=step.infno,
        msgid=msgid,
        output=outcome.reply.output,
        batch=step.batch,
        lines=step.lines,
    )
    try:
        absorb(work, absorption)
    except UnreadableReplyError as error:
        work.unreadable = True
        return Unknown(reason=str(error)), None
    except InvalidError as error:
        work.stopped = list(error.problems)
        return outcome, None
    visit = work.visit
    if visit is None or visit.state is VisitState.NONE:
        return outcome, None
    work.stored = True
    return outcome, VisitRow(
        key=visit.key, state=visit.state.value, version=visit.version, data=encode_visit(visit)
    )


def _conclude(step: Step, work: Work, done: Dispatched) -> bool:
    """Set the status of the message by the outcome; True when the next call may follow."""
    result, intent, outcome = work.result, work.intent, done.outcome
    if isinstance(outcome, Accepted):
        if work.stopped:
            result.problems += work.stopped
            result.status = Status.INVALID
        return not work.stopped
    if isinstance(outcome, Rejected):
        result.problems.append(reporting.refused(step.infno, outcome, intent))
        result.status = Status.REJECTED
    elif isinstance(outcome, NotSent):
        result.problems.append(reporting.not_sent(step.infno, outcome, intent))
        result.status = Status.NOT_SENT
        result.retry_after = 5
    elif is_repeatable(step.infno) and work.unreadable:
        result.problems.append(reporting.unreadable(step.infno, intent))
        result.status = Status.REJECTED
    elif is_repeatable(step.infno):
        result.problems.append(reporting.no_answer(step.infno, intent))
        result.status = Status.NOT_SENT
        result.retry_after = 5
    else:
        result.problems.append(reporting.unknown(step.infno, done.report.msgid, intent))
        result.status = Status.UNKNOWN
    return False


def _call(step: Step, filled: Filled, work: Work) -> Call:
    facility, person = work.intent.facility, work.intent.person
    visit = work.visit
    number = work.intent.visit.get("mdtrt_id") or (visit.ipt_otp_no if visit else "")
    code = facility.get("fixmedins_code")
    return Call(
        infno=step.infno,
        input=filled.input,
        fixmedins_code=code,
        fixmedins_name=facility.get("fixmedins_name"),
        mdtrtarea_admvs=facility.get("mdtrtarea_admvs"),
        insuplc_admdvs=person.get("insuplc_admdvs"),
        opter=facility.get("opter"),
        opter_name=facility.get("opter_name"),
        opter_type=facility.get("opter_type"),
        psn_no=person.get("psn_no") if step.infno != "1101" else "",
        visit_key=visit_key(code, number) if number else "",
        money=is_money(step.infno),
        sources=filled.sources,
    )


def _visit_number(intent: Intent) -> str:
    number = intent.visit.get("ipt_otp_no")
    if not number:
        raise InvalidError(
            [
                Problem(
                    kind=ProblemKind.REQUIRED,
                    code=ProblemCode.FIELD_REQUIRED,
                    field="ipt_otp_no",
                    place=intent.visit.place("ipt_otp_no") or intent.place,
                    zh="缺少住院/门诊号",
                    en="the hospital's visit number is missing",
                    remedy_zh="HL7：填写PV1-19；FHIR：填写Encounter.identifier",
                    remedy_en="HL7: fill PV1-19; FHIR: fill Encounter.identifier",
                )
            ]
        )
    return number


def _new_visit(intent: Intent, fixmedins_code: str, number: str) -> Visit:
    return Visit(
        fixmedins_code=fixmedins_code,
        ipt_otp_no=number,
        visit_class=intent.visit_class or VisitClass.OUTPATIENT,
    )


def _other_setting(intent: Intent, visit: Visit) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.VISIT_STATE,
        field="ipt_otp_no",
        place=intent.visit.place("visit_class") or intent.place,
        zh=f"该就诊号已用于另一类就诊（{visit.visit_class}）",
        en=f"the visit number belongs to an {visit.visit_class} visit",
    )


def _too_many_lines(count: int, most: int) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.READ_LIMIT,
        zh=f"费用明细{count}行，超过限制{most}行",
        en=f"{count} charge lines exceed the limit of {most}",
    )


def _given_by(definitions: Definitions, infno: str) -> frozenset[str]:
    return frozenset(
        field.code for node in definitions.transaction(infno).output for field in node.fields
    )
