"""What a message of a stay says for the settlement list alone, kept in the book of the stay.

1. Procedures (PR1) go into no other transaction: those of the last message that states any stay,
   but for a message that adds, changes or deletes single ones (PR1-20).
2. A stay that is over is not described anew: 2403 is for an open one (rules section 2), and the
   diagnoses of a discharge are those of 2402. Diagnoses that come then are kept beside those that
   the platform has, and the sender is told so. They give way to diagnoses that the platform takes
   later: after the discharge (2405), or the settlement, was cancelled.
3. A message that brings nothing changes nothing after the discharge, and is refused after the
   settlement.
4. The diagnoses of a claim that settles a stay are those of its list, where one is the principal.
5. A fact (`facts`) stays until another message states it anew, or states that there is none.
6. The admission (2401) begins the stay anew, in its ward. A transfer (A02) follows it, its
   cancellation (A12) takes the last one back; an Encounter states all of them at once.
7. A message of unknown outcome said what it said: its facts are kept.
"""

from __future__ import annotations

from datetime import date

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity, StateError
from gateway.intents import Intent, Record, Result, Status, Verb, VisitClass
from gateway.journal import Journal
from gateway.settlement.coding import Coder
from gateway.settlement.listing.stays import Stay, book, keys, read
from gateway.settlement.visits import Visit, VisitState, decode_visit

_OVER = (VisitState.DISCHARGED, VisitState.SETTLED)
ATTEMPTS = 5
"""Another gateway on the same journal may store the book in between; it does so rarely."""

ADMISSION = "2401"
DESCRIBING = frozenset({"2203", "2401", "2402", "2403"})
"""Transactions by which the platform takes diagnoses."""
OF_PERSON = (
    *("ntly", "prfs", "curr_addr", "poscode"),
    *("coner_name", "patn_rlts", "coner_addr", "coner_tel"),
)
"""What a message says of the person for the list."""
BEFORE_ADMISSION = {"1": ("wm_dise_code", "otp_wm_dise"), "2": ("tcm_dise_code", "otp_tcm_dise")}
"""`diag_type` of an admitting diagnosis -> the diagnosis of the outpatient department."""
CHANGES, DELETED = frozenset({"A", "U", "D"}), "D"
"""PR1-20 (HL7 table 0206)."""


def is_late(intent: Intent, state: VisitState) -> bool:
    """True for an update of a stay that is over: discharged or settled."""
    stay = intent.visit_class is VisitClass.INPATIENT
    return stay and intent.verb is Verb.UPDATE and state in _OVER


def brings_any(intent: Intent) -> bool:
    """True when the message has something for the list."""
    lists = intent.diagnoses or intent.procedures or intent.transfusions or intent.movements
    return bool(lists) or bool(_facts(intent))


async def take(journal: Journal, intent: Intent, key: str, *, coder: Coder, today: date) -> Result:
    """Keep a message that is for the list of the visit `key` alone; nothing of one not known.

    Nothing is kept of one with a code that has no national one.
    """
    row = await journal.visit(key)
    result = Result(status=Status.DONE, intent=intent)
    if row is None:
        return result
    visit = decode_visit(row.data, row.version)
    undated = next((one for one in intent.movements if not one.has("begntime")), None)
    if undated is not None:
        result.status, result.problems = Status.INVALID, [_undated(undated, intent)]
    elif visit.visit_class is VisitClass.INPATIENT and visit.state is not VisitState.CANCELLED:
        intent.visit_class = visit.visit_class
        if not intent.coded:
            result.problems, intent.coded = coder.code_listed(intent, today), True
        if result.problems:
            result.status = Status.INVALID
        else:
            await keep(journal, visit, result)
    return result


async def keep(journal: Journal, visit: Visit, result: Result) -> None:
    """Store what the message has for the list; nothing is written where it has nothing new.

    Raises:
        StateError: the book was changed each time in between.
    """
    if not _counts(visit, result) or not _may_change(result):
        return
    for left in reversed(range(ATTEMPTS)):
        row, known = await read(journal, visit)
        stay = _with(known, visit, result)
        if stay == known:
            return
        try:
            await journal.put_book(book(visit, stay, row))
        except StateError:
            if not left:
                raise
        else:
            return


def _counts(visit: Visit, result: Result) -> bool:
    if result.status is Status.DONE:
        return visit.state is not VisitState.NONE
    opened = visit.state is not VisitState.NONE or result.intent.verb is Verb.ADMIT
    return result.status is Status.UNKNOWN and opened


def _may_change(result: Result) -> bool:
    """False where the book need not even be read: charges, and most of what outpatients bring."""
    if result.intent.visit_class is VisitClass.INPATIENT:
        return brings_any(result.intent) or any(call.infno == ADMISSION for call in result.calls)
    return bool(result.intent.procedures)


def _with(known: Stay, visit: Visit, result: Result) -> Stay:
    intent = result.intent
    made = {call.infno for call in result.calls}
    admitted = ADMISSION in made
    if admitted:
        known = Stay()
    stay = Stay(
        facts=known.facts,
        procedures=_procedures(known.procedures, intent.procedures),
        diagnoses=known.diagnoses,
        over=known.over,
        movements=known.movements,
        transfusions=[one.without_sources() for one in intent.transfusions] or known.transfusions,
    )
    if intent.diagnoses and (is_late(intent, visit.state) or _by_claim(intent)):
        stay.diagnoses = [one.without_sources() for one in intent.diagnoses]
        stay.over = keys(visit.diagnoses)
    elif intent.diagnoses and made & DESCRIBING:
        stay.diagnoses, stay.over = [], []
    if intent.visit_class is VisitClass.INPATIENT:
        stay.facts = _changed(known.facts, _facts(intent))
        stay.movements = _moved(known.movements, intent, admitted=admitted)
    return stay


def _by_claim(intent: Intent) -> bool:
    """True for a claim that settles a stay and says which of its diagnoses is the principal one."""
    claims = intent.verb is Verb.SETTLE and intent.own_charges_only
    stay = intent.visit_class is VisitClass.INPATIENT
    stated = any("maindiag_flag" in one.sources for one in intent.diagnoses)
    return claims and stay and stated


def _facts(intent: Intent) -> dict[str, str]:
    """Fields of the list that the message states; an empty one states that there is none."""
    person = intent.person
    facts = {code: person.values[code] for code in OF_PERSON if code in person.sources}
    admitting = [one for one in intent.diagnoses if one.get("inout") == "A"]
    admitting.sort(key=lambda one: one.get("maindiag_flag") != "1")
    for diagnosis in reversed(admitting):
        code, name = BEFORE_ADMISSION.get(diagnosis.get("diag_type") or "1", ("", ""))
        if code:
            facts |= {code: diagnosis.get("diag_code"), name: diagnosis.get("diag_name")}
    return facts | intent.listing.values


def _changed(known: Record, stated: dict[str, str]) -> Record:
    merged = {**known.values, **stated}
    return Record({code: value for code, value in merged.items() if value})


def _procedures(known: list[Record], stated: list[Record]) -> list[Record]:
    """The procedures after a message: its own, or the known ones with its changes."""
    if not stated:
        return known
    if not any(one.get("action") in CHANGES for one in stated):
        return [one.without_sources() for one in stated]
    named = {_name(one): one.without_sources() for one in known}
    for one in stated:
        named.pop(_name(one), None)
        if one.get("action") != DELETED:
            named[_name(one)] = one.without_sources()
    return list(named.values())


def _name(procedure: Record) -> tuple[str, ...]:
    """What a procedure is recognised by: its own number, else its code and time."""
    if procedure.has("number"):
        return (procedure.get("number"),)
    return procedure.get("oprn_oprt_code"), procedure.get("oprn_oprt_begntime")


def _moved(known: list[Record], intent: Intent, *, admitted: bool) -> list[Record]:
    stated = [one.without_sources() for one in intent.movements if one.has("begntime")]
    if intent.movements_complete:
        return sorted(stated, key=_when) or known
    if admitted:
        return [_admission(intent)]
    for one in stated:
        known = _taken_back(known, one) if one.has("cancels") else _followed(known, one)
    return known


def _when(movement: Record) -> str:
    return movement.get("begntime")


def _admission(intent: Intent) -> Record:
    """The ward of the admission, by the hospital's own code: the visit's is translated already."""
    visit = intent.visit
    source = visit.sources.get("dept_code")
    ward = source.raw if source is not None and source.raw else visit.get("dept_code")
    return Record({"ward": ward, "begntime": visit.get("begntime")})


def _followed(known: list[Record], movement: Record) -> list[Record]:
    others = [one for one in known if _when(one) != _when(movement)]
    return sorted([*others, movement], key=_when)


def _taken_back(known: list[Record], cancelling: Record) -> list[Record]:
    """Mark the last transfer that stands; the same cancellation a second time marks no other."""
    if any(one.get("cancelled") == _when(cancelling) for one in known):
        return known
    standing = [one for one in known[1:] if not one.has("cancelled")]
    if not standing:
        return known
    return [
        Record({**one.values, "cancelled": _when(cancelling)}) if one is standing[-1] else one
        for one in known
    ]


def _undated(movement: Record, intent: Intent) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        field="begntime",
        place=movement.place("begntime") or intent.place,
        zh="缺少转科时间",
        en="the time of the transfer is missing",
        remedy_zh="HL7：填写EVN-6或EVN-2",
        remedy_en="HL7: fill EVN-6 or EVN-2",
    )


def for_the_list_only(intent: Intent, state: VisitState) -> Problem:
    """What the sender of a late update is told beside its positive answer."""
    settled = state is VisitState.SETTLED
    zh, en = ("已结算", "settled") if settled else ("已办理出院", "discharged")
    undo_zh, undo_en = ("结算", "settlement") if settled else ("出院", "discharge")
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        severity=Severity.WARNING,
        field="ipt_otp_no",
        place=_first(intent.diagnoses) or _first(intent.procedures) or intent.place,
        zh=f"该住院{zh}：所报内容仅用于结算清单，未上传医保平台，{undo_zh}不变",
        en=f"the stay is {en}: what the message says is kept for the settlement list "
        f"only; nothing was sent to the platform, and the {undo_en} stays as it is",
        remedy_zh=f"如需更改平台上的诊断，请先撤销{undo_zh}",
        remedy_en=f"to change the diagnoses that the platform has, cancel the {undo_en} first",
    )


def _first(records: list[Record]) -> str:
    """The place of the first code in the message."""
    for record in records:
        for code in ("diag_code", "oprn_oprt_code"):
            if place := record.place(code):
                return place
    return ""
