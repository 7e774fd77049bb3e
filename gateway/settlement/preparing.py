"""Stations 4 to 6: from an intent and the state of its visit to checked steps.

Everything that can be known before the first byte leaves is checked here, over all planned
transactions at once: local codes, amounts, sums, and the input of every call. A value that an
earlier call of the same plan will give (psn_no, mdtrt_id, the split sums) is deferred to the
check that is made again before each send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from gateway.clock import stamp
from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Record, Verb, VisitClass
from gateway.settlement.absorbing import INSURANCE_FIELDS, other_person
from gateway.settlement.charges import (
    AHEAD,
    check_lines,
    is_part_of,
    make_uploads,
    number_lines,
)
from gateway.settlement.chronic import wanted
from gateway.settlement.credits import credited_batches
from gateway.settlement.diagnoses import changed, describes_anew, summarise, withdraw_missing
from gateway.settlement.filling import Filled, follows
from gateway.settlement.inputs import Inputs, Site, given_by
from gateway.settlement.listing.keeping import brings_any, for_the_list_only, is_late
from gateway.settlement.places import header_of
from gateway.settlement.plans import MARKS, PLANS, plan
from gateway.settlement.totals import (
    SPLIT_SUMS,
    Step,
    batches_to_settle,
    line_records,
    money_problems,
)
from gateway.settlement.undoing import impossible, order_problems
from gateway.settlement.visits import Visit, VisitState
from gateway.telemetry import StationLine

PATIENT_CLASSES = {"E": "emergency", "EMER": "emergency"}
"""Patient class (HL7 table 0004, FHIR ActCode) to the profile's kind of visit, where it is not
simply outpatient or inpatient."""


LATER = ("mdtrt_id", "psn_no", "chrg_bchno")
LATER_CHARACTERS = len('"":"",') + 30
"""Ids that a line gets after its size was measured, and the characters of one beside its name."""

LINE_CHARACTERS = 1_200
"""More than the characters of a line beside its own values: member names, ids, department and
physician of the visit. Few lines fit in any case and are not measured one by one."""

LOOK_BACK = timedelta(days=365)
"""How far back a query looks that states no time."""

_IN_A_TIME = frozenset({Verb.FIND_VISITS, Verb.FIND_STAYS, Verb.FIND_TRANSFERS})

_NOT_THERE = frozenset({VisitState.NONE, VisitState.CANCELLED})

NOTHING = ProblemCode.CHARGE_UNKNOWN
"""That there is nothing to settle is no news where lines were found wrong."""

Stations = Callable[..., AbstractContextManager[StationLine]]
"""Opens a passage of a station by its name."""


def unwatched(_name: str, **_fields: str) -> AbstractContextManager[StationLine]:
    """No log line: for explaining, where nothing happens."""
    return nullcontext(StationLine())


class Prepared(msgspec.Struct, kw_only=True):
    """The steps, or the problems that stop them."""

    steps: list[Step] = []
    problems: list[Problem] = []
    deferred: frozenset[str] = frozenset()
    ready: list[Filled] = []
    """The inputs of the first steps, as far as all of them was there to be checked."""

    @property
    def stops(self) -> bool:
        """True when a problem forbids the first send."""
        return any(problem.stops for problem in self.problems)


class Preparer(Inputs):
    """Prepares the messages of one institution."""

    def __init__(
        self,
        site: Site,
        *,
        tolerance: Decimal,
        defaults: Record,
        ahead: timedelta = AHEAD,
        stations: Stations = unwatched,
    ) -> None:
        """`ahead` is how far the time of a line may lie after that of the gateway's clock."""
        super().__init__(site, defaults)
        self._tolerance, self._ahead = tolerance, ahead
        self._stations = stations

    def prepare(
        self, intent: Intent, visit: Visit | None, now: datetime, *, assume_open: bool = False
    ) -> Prepared:
        """Plan, code and check; changes the records of `intent` and gives `visit` new numbers.

        `assume_open` plans as if the visit stood where the verb needs it (explain).
        """
        prepared = Prepared()
        state = visit.state if visit else VisitState.NONE
        if assume_open and visit is not None:
            state = _assumed_state(intent.verb, visit) or state
            prepared.deferred = REMEMBERED
        with self._stations("plan", verb=intent.verb.value) as line:
            marks = plan(intent.verb, intent.visit_class, state, intent.also)
            if marks is None and intent.if_known and state in _NOT_THERE:
                marks = ()
            late = is_late(intent, state)
            if late and state is VisitState.SETTLED and not brings_any(intent):
                marks = None
            if marks is None:
                prepared.problems.append(impossible(intent, state))
                line.note(outcome="impossible")
                return prepared
            marks = wanted(marks, intent, self.site.profile.med_types.get("chronic", ""))
            line.note(calls=[mark.rstrip(MARKS) for mark in marks])
        with self._stations("code", lines=len(intent.charges)):
            prepared.problems += check_lines(intent.charges, self._tolerance, now + self._ahead)
            if not intent.coded:
                prepared.problems += self.site.coder.code(intent, now.date())
                intent.coded = True
        if late and (state is VisitState.SETTLED or changed(intent, visit)):
            prepared.problems.append(for_the_list_only(intent, state))
        with self._stations("check") as line:
            self._check_all(prepared, marks, intent, visit, now)
            line.note(problems=[problem.code.value for problem in prepared.problems])
        return prepared

    def _check_all(
        self,
        prepared: Prepared,
        marks: Sequence[str],
        intent: Intent,
        visit: Visit | None,
        now: datetime,
    ) -> None:
        """Number and batch the lines, expand the steps, and check what they will send."""
        if visit is not None:
            prepared.problems += other_person(intent.person, visit.person)
            prepared.problems += order_problems(intent, visit)
        self._complete(intent, visit, now)
        summarise(intent, visit)
        withdraw_missing(intent, visit)
        uploads: list[list[Record]] = []
        if visit is not None and intent.verb is Verb.REFUND:
            prepared.problems += credited_batches(intent, visit)[1]
        elif visit is not None and intent.charges:
            new, found = number_lines(intent.charges, visit)
            prepared.problems += found
            if intent.visit_class is VisitClass.PHARMACY:
                uploads = [new]
            else:
                uploads, found = self._uploads(intent, visit, new, now)
                prepared.problems += found
        prepared.steps = self._expand(marks, intent, visit, uploads)
        if visit is not None:
            found = money_problems(intent, visit, prepared.steps, uploads)
            prepared.problems += [p for p in found if not prepared.stops or p.code is not NOTHING]
        if not prepared.stops:
            prepared.problems += self._preflight(prepared, intent, visit)

    def _complete(self, intent: Intent, visit: Visit | None, now: datetime) -> None:
        """Fill what follows from the settings, the clock and the visit."""
        facility, institution = intent.facility, self.site.institution
        facility.values["fixmedins_code"] = institution.fixmedins_code
        facility.values["fixmedins_name"] = institution.fixmedins_name
        facility.values["mdtrtarea_admvs"] = institution.mdtrtarea_admvs
        if visit is not None:
            for code in INSURANCE_FIELDS:  # of the row that was chosen, whatever is stated later
                if visit.person.has(code):
                    intent.person.set(code, visit.person.get(code))
            intent.person.fill_from(visit.person)
            intent.visit.fill_from(visit.visit)
        intent.visit.values.setdefault("begntime", stamp(now))
        if intent.verb in _IN_A_TIME or not _IN_A_TIME.isdisjoint(intent.also):
            intent.query.values.setdefault("begntime", stamp(now - LOOK_BACK))
            intent.query.values.setdefault("endtime", stamp(now))
        if not intent.visit.has("med_type") and intent.visit_class is not None:
            kind = PATIENT_CLASSES.get(intent.visit.get("patient_class"), intent.visit_class.value)
            med_type = self.site.profile.med_types.get(kind)
            if med_type:
                intent.visit.values["med_type"] = med_type

    def _uploads(
        self, intent: Intent, visit: Visit, new: Sequence[Record], now: datetime
    ) -> tuple[list[list[Record]], list[Problem]]:
        infno = "2301" if intent.visit_class is VisitClass.INPATIENT else "2204"
        taken = [b.chrg_bchno for b in visit.batches]
        problems = [
            Problem(
                kind=ProblemKind.DUPLICATE,
                code=ProblemCode.DUPLICATE_KEY,
                field="chrg_bchno",
                place=charge.place("chrg_bchno"),
                zh="该收费批次已上传，新的明细请使用新的批次号",
                en="the charge batch was uploaded: new lines need a new batch number",
            )
            for charge in (new if taken else ())
            if any(is_part_of(number, charge.get("chrg_bchno")) for number in taken)
        ]
        count = len(visit.batches)

        def new_batch() -> str:
            nonlocal count
            count += 1
            return f"{now:%Y%m%d%H%M%S}{count:04d}"

        sizes = self._sizes(infno, intent, visit, new)

        uploads, found = make_uploads(
            new,
            new_batch=new_batch,
            size=lambda charge: sizes.get(id(charge), 0),
            max_lines=self.site.profile.batch_lines,
            max_characters=self.site.profile.max_input_characters,
            rebatch=self.site.profile.rebatch,
        )
        return uploads, problems + found

    def _sizes(
        self, infno: str, intent: Intent, visit: Visit, new: Sequence[Record]
    ) -> dict[int, int]:
        """Characters of each line in the input, by the `id` of the line; none where all fit."""
        most = sum([LINE_CHARACTERS + len("".join(c.values.values())) for c in new])
        if most < self.site.profile.max_input_characters:
            return {}
        filled = self.fill(Step(infno=infno, lines=list(new)), intent, visit)
        return {
            id(charge): len(msgspec.json.encode(row).decode())
            + sum(len(code) + LATER_CHARACTERS for code in LATER if code not in row)
            for charge, row in zip(new, filled.input["feedetail"], strict=True)
        }

    def _expand(
        self,
        marks: Sequence[str],
        intent: Intent,
        visit: Visit | None,
        uploads: Sequence[list[Record]],
    ) -> list[Step]:
        """One step a mark; `+` once an upload, `*` once a batch, neighbours interleaved."""
        steps: list[Step] = []
        starred = [mark[:-1] for mark in marks if mark.endswith("*")]
        for mark in marks:
            infno = mark.rstrip(MARKS)
            if mark.endswith("="):
                steps.append(Step(infno=infno, lines=[line for part in uploads for line in part]))
                continue
            if mark.endswith("?") and not describes_anew(intent, visit):
                continue
            if mark.endswith("%") and not intent.check_entitlement:
                continue
            if mark.endswith("!") and not intent.person.has("mdtrt_cert_no"):
                continue
            if mark.endswith("*"):
                continue
            if mark.endswith("+"):
                steps += [Step(infno=infno, lines=lines) for lines in uploads]
            else:
                steps.append(Step(infno=infno))
        batches = batches_to_settle(intent, visit, uploads) if starred and visit else []
        steps += [
            Step(infno=infno, batch=b.chrg_bchno, lines=line_records(b) if infno == "2302" else [])
            for b in batches
            for infno in starred
        ]
        return steps

    def _preflight(self, prepared: Prepared, intent: Intent, visit: Visit | None) -> list[Problem]:
        deferred = SPLIT_SUMS | prepared.deferred
        problems: list[Problem] = []
        checker, common = self.site.checker, self.common(intent, visit)
        headers = (header_of(step.infno, intent) for step in prepared.steps[:1])
        right = all(checker.are_members_right(header) for header in headers)
        stands = True
        for step in prepared.steps:
            filled = self.fill(step, intent, visit, common)
            later = deferred | follows(step.infno, deferred)
            stands = stands and not checker.has_any(step.infno, later)
            if stands:
                prepared.ready.append(filled)
            for problem in self.check(step, filled, intent, later, members_right=right):
                if problem not in problems:
                    problems.append(problem)
            given = given_by(self.site.definitions, step.infno)
            stands = stands and not given
            deferred = deferred | given
        return problems


REMEMBERED = frozenset(
    {
        *("psn_no", "psn_name", "psn_cert_type", "certno", "psn_type", "insutype"),
        *("insuplc_admdvs", "mdtrt_cert_type", "mdtrt_cert_no", "mdtrt_id", "ipt_otp_no"),
        *("med_type", "begntime", "dept_code", "dept_name", "caty", "atddr_no", "dr_name"),
        *("adm_bed", "bilg_dept_codg", "bilg_dept_name", "bilg_dr_codg", "bilg_dr_name"),
        *("diag_code", "diag_name", "adm_diag_dscr", "dscg_maindiag_code", "dscg_maindiag_name"),
        *("setl_id", "chrg_bchno", "medfee_sumamt", "adm_dept_codg", "adm_dept_name"),
        *("dscg_dept_codg", "dscg_dept_name", "dise_codg", "dise_name", "chfpdr_name", "diseinfo"),
    }
)
"""Fields that an open visit already has: not missing when a message alone is explained."""


def _assumed_state(verb: Verb, visit: Visit) -> VisitState | None:
    states = [s for v, c, s in PLANS if v is verb and c is visit.visit_class and PLANS[v, c, s]]
    return None if not states or VisitState.NONE in states else states[0]
