"""Carries an intent out: the prepared steps one after another, until one does not succeed.

One message of a visit at a time; a visit with a transaction of unknown outcome takes no further
step (DESIGN section 5).
"""

from __future__ import annotations

from gateway.clock import Clock, stamp
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, StateError
from gateway.intents import (
    Accepted,
    Call,
    Intent,
    Outcome,
    Result,
    Status,
    Verb,
    VisitClass,
)
from gateway.journal import Journal, VisitRow
from gateway.settings import InstitutionSettings, PeerSettings
from gateway.settlement import compensating, merging, numbering, reporting, resuming, several
from gateway.settlement.compound import each_entry
from gateway.settlement.concluding import conclude, interpret, other_place
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.filling import Filled
from gateway.settlement.listing.keeping import keep, take
from gateway.settlement.locks import VisitLocks
from gateway.settlement.plans import FILINGS, MASTER_FILES, WITHOUT_VISIT, is_repeatable
from gateway.settlement.preparing import Preparer
from gateway.settlement.reconciling import remitted
from gateway.settlement.sites import Sites, new_visit, renewed, visit_number
from gateway.settlement.totals import SPLIT_SUMS, Step, new_numbers
from gateway.settlement.twofold import TWOFOLD, TwofoldConductor
from gateway.settlement.visits import Visit, decode_visit, visit_key
from gateway.settlement.work import Work


class Conductor:
    """Carries intents out for the institutions it has a site of."""

    def __init__(
        self,
        *,
        sites: Sites,
        journal: Journal,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._journal = journal
        self._dispatcher = dispatcher
        self._clock = clock
        self.locks = VisitLocks()

    async def conduct(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        """Carry an intent out.

        Raises:
            InvalidError: the institution is not the peer's, or the visit has no number.
        """
        if intent.verb in (Verb.IGNORE, Verb.NOTE):
            return Result(status=Status.DONE, intent=intent)
        preparer = self._sites.preparer(intent, peer)

        async def part(inner: Intent) -> Result:
            return await self.conduct(inner, peer, exchange_id)

        if intent.verb in MASTER_FILES:
            own = await resuming.own_unknown(self._journal, exchange_id)
            return resuming.still_unknown(own, intent) if own else await each_entry(intent, part)
        if intent.verb in TWOFOLD:
            twofold = TwofoldConductor(
                part, sites=self._sites, journal=self._journal, clock=self._clock, peer=peer
            )
            return await twofold.carry_out(intent, exchange_id)
        if intent.verb is Verb.TAKE_REMITTANCE:
            now = stamp(self._clock.now())
            return await remitted.take(
                self._journal, intent, peer=peer.name, exchange_id=exchange_id, now=now
            )
        if intent.verb is Verb.MERGE:
            code = preparer.site.institution.fixmedins_code
            return await merging.merge(self._journal, intent, code)
        if intent.verb in WITHOUT_VISIT:
            own = await resuming.own_unknown(self._journal, exchange_id)
            if own is not None:
                return resuming.still_unknown(own, intent)
            if several.are_meant(intent):
                return await several.each(
                    intent, None, lambda: self._run(intent, None, preparer, exchange_id)
                )
            return await self._run(intent, None, preparer, exchange_id)
        key = visit_key(preparer.site.institution.fixmedins_code, visit_number(intent))
        if intent.verb is Verb.COLLECT:
            coder, today = preparer.site.coder, self._clock.now().date()
            return await take(self._journal, intent, key, coder=coder, today=today)
        async with self.locks.hold(key):
            return await self.conduct_locked(intent, peer, exchange_id)

    def uncoded(self, intent: Intent, peer: PeerSettings) -> list[Problem]:
        """The codes that have no national one; changes the records of `intent`, and sends nothing.

        Raises:
            InvalidError: the institution is not the peer's.
        """
        if intent.verb in (Verb.IGNORE, Verb.NOTE):
            return []
        coder, today = self._sites.preparer(intent, peer).site.coder, self._clock.now().date()
        return coder.code(intent, today)

    async def conduct_locked(self, intent: Intent, peer: PeerSettings, exchange_id: str) -> Result:
        """The same for a caller that holds the visit's lock."""
        preparer = self._sites.preparer(intent, peer)
        visit = await self._load(intent, preparer.site.institution)
        if await self.is_held(visit):
            own = await resuming.own_unknown(self._journal, exchange_id)
            if own is not None:
                several.stop_at_open(intent, visit)
                made = await resuming.settlements_made(self._journal, exchange_id, intent, visit)
                return resuming.still_unknown(own, intent, made)
            return Result(status=Status.INVALID, intent=intent, problems=[reporting.held(intent)])
        if several.are_meant(intent):
            return await several.each(
                intent, visit, lambda: self._run(intent, visit, preparer, exchange_id)
            )
        made = await resuming.settlements_made(self._journal, exchange_id, intent, visit)
        if not made:
            result = await self._run(intent, visit, preparer, exchange_id)
            return await resuming.as_done_before(self._journal, exchange_id, result)
        if intent.verb is Verb.CANCEL or intent.visit_class is not VisitClass.OUTPATIENT:
            await numbering.remember(self._journal, visit)  # a crash may have come before
            return Result(status=Status.DONE, intent=intent, settlements=made)
        intent.not_meant = await resuming.not_meant(self._journal, exchange_id, visit, made)
        stated = dict(intent.settlement.values)
        if left := resuming.total_left(intent, made):
            intent.settlement.values[resuming.TOTAL] = left
        result = await self._run(intent, visit, preparer, exchange_id)
        intent.settlement.values, intent.not_meant = stated, []
        return resuming.with_made(result, made)

    async def is_held(self, visit: Visit) -> bool:
        """True while a transaction of the visit has no known outcome."""
        await self._dispatcher.write_down()
        for number in (visit.ipt_otp_no, visit.visit.get("mdtrt_id")):
            if number:
                key = visit_key(visit.fixmedins_code, number)
                sends = await self._journal.sends(state="unknown", visit_key=key)
                if any(not is_repeatable(send.infno) for send in sends):
                    return True
        return False

    async def _load(self, intent: Intent, institution: InstitutionSettings) -> Visit:
        number = visit_number(intent)
        row = await self._journal.visit(visit_key(institution.fixmedins_code, number))
        if row is None:
            if intent.own_charges_only:
                intent.visit_class = intent.visit_class or VisitClass.OUTPATIENT
            return new_visit(intent, institution.fixmedins_code)
        visit = renewed(intent, decode_visit(row.data, row.version))
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
        work = _work(result, visit, preparer)
        for number, step in enumerate(prepared.steps):
            filled = prepared.ready[number] if number < len(prepared.ready) else None
            if filled is None:  # filled from what earlier replies said
                filled = preparer.fill(step, intent, visit)
                found = _splits_told(preparer.check(step, filled, intent), step, intent)
                if any(problem.stops for problem in found):
                    result.problems += found
                    result.status = Status.INVALID
                    break
            if not await self._take(step, filled, work, exchange_id):
                break
        if visit is not None and intent.verb in numbering.OPENING:
            await numbering.remember(self._journal, visit)
        if visit is not None:
            await keep(self._journal, visit, result)
            await self._compensate(visit, work, preparer, exchange_id)
        return result

    async def withdraw(
        self, result: Result, visit: Visit, peer: PeerSettings, exchange_id: str
    ) -> None:
        """What follows a refusal that came late; the caller holds the visit's lock."""
        preparer = self._sites.preparer(result.intent, peer)
        await self._compensate(visit, _work(result, visit, preparer), preparer, exchange_id)

    async def _compensate(
        self, visit: Visit, work: Work, preparer: Preparer, exchange_id: str
    ) -> None:
        """Withdraw what a message uploaded before its settlement was refused."""
        if preparer.site.profile.after_refusal != "undo":
            return
        steps = compensating.withdrawals(work.result, visit)
        undone = 0
        for step in steps:
            filled = preparer.fill(step, work.intent, visit)
            if not await self._take(step, filled, work, exchange_id):
                break
            undone += 1
        if steps:
            compensating.concluded(work.result, steps, undone)

    async def _take(self, step: Step, filled: Filled, work: Work, exchange_id: str) -> bool:
        """Make one call; True when the next may follow."""
        call = _call(step, filled, work)
        if step.infno in FILINGS:
            before = await resuming.accepted_reply(self._journal, exchange_id, step.infno)
            if before is not None:
                interpret(step, work, Accepted(before[1]), before[0], asked=call.input, today="")
                return True

        def taken_in(outcome: Outcome, msgid: str) -> tuple[Outcome, VisitRow | None]:
            today = f"{self._clock.now():%Y-%m-%d}"
            return interpret(step, work, outcome, msgid, asked=call.input, today=today)

        try:
            done = await self._dispatcher.dispatch(
                call,
                exchange_id=exchange_id,
                interpret=taken_in,
                insutype=work.intent.person.get("insutype"),
            )
        except StateError:
            work.result.status = Status.INVALID
            work.result.problems.append(reporting.held(work.intent))
            return False
        except InvalidError as error:
            place = work.intent.person.place("insuplc_admdvs") or work.intent.place
            work.result.status = Status.INVALID
            work.result.problems += [problem.at(place) for problem in error.problems]
            return False
        work.result.calls.append(done.report)
        warnings = [*done.route.warnings, *other_place(work.result, done)]
        work.result.problems += [w for w in warnings if w not in work.result.problems]
        if work.visit is not None and work.stored and isinstance(done.outcome, Accepted):
            work.visit.version += 1
        elif work.stored:  # accepted, and not storable: what it seemed to give is not certain
            made = work.result.settlements
            work.result.settlements = [s for s in made if s.msgid != done.report.msgid]
        work.stored = False
        return conclude(step, work, done)


def _work(result: Result, visit: Visit | None, preparer: Preparer) -> Work:
    profile = preparer.site.profile
    return Work(
        intent=result.intent,
        result=result,
        visit=visit,
        money=frozenset(profile.money),
        classify=profile.classify,
        chronic=profile.med_types.get("chronic", ""),
    )


def _splits_told(found: list[Problem], step: Step, intent: Intent) -> list[Problem]:
    """One problem in the place of every split sum that the platform did not say."""
    missing = [p for p in found if p.field in SPLIT_SUMS and p.code is ProblemCode.FIELD_REQUIRED]
    if not missing:
        return found
    told = reporting.splits_unknown(step.infno, step.batch, intent)
    return [told, *(p for p in found if p not in missing)]


def _call(step: Step, filled: Filled, work: Work) -> Call:
    facility, person = work.intent.facility, work.intent.person
    visit = work.visit
    number = work.intent.visit.get("mdtrt_id") or (visit.ipt_otp_no if visit else "")
    if step.infno in FILINGS:
        number = f"psn:{person.get('psn_no')}"
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
        money=step.infno in work.money or step.infno in FILINGS,  # one at a time
        batches=(step.batch,) if step.batch else tuple(new_numbers([step.lines])),
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
