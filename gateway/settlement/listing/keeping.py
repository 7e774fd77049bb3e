"""What a message of a stay says for the settlement list alone, kept with the visit.

1. Procedures (PR1) go into no other transaction: those of the last message that states any stay.
2. A stay that is over is not described anew: 2403 is for an open one (rules section 2), and the
   diagnoses of a discharge are those of 2402. Diagnoses that come then are kept beside those that
   the platform has, and the sender is told so. They give way to diagnoses that the platform takes
   later: after the discharge (2405), or the settlement, was cancelled.
3. A message that brings neither changes nothing after the discharge, and is refused after the
   settlement.
"""

from __future__ import annotations

import msgspec

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity, StateError
from gateway.intents import Intent, Record, Verb, VisitClass
from gateway.journal import Journal, VisitRow
from gateway.settlement.visits import Listed, Visit, VisitState, decode_visit, encode_visit

_OVER = (VisitState.DISCHARGED, VisitState.SETTLED)
ATTEMPTS = 5
"""Another gateway on the same journal may store the visit in between; it does so rarely."""


def is_late(intent: Intent, state: VisitState) -> bool:
    """True for an update of a stay that is over: discharged or settled."""
    stay = intent.visit_class is VisitClass.INPATIENT
    return stay and intent.verb is Verb.UPDATE and state in _OVER


def brings_any(intent: Intent) -> bool:
    """True when the message has something for the list."""
    return bool(intent.diagnoses or intent.procedures)


async def keep(journal: Journal, visit: Visit, intent: Intent) -> None:
    """Store what the message has for the list; nothing is written where it has nothing new.

    Raises:
        StateError: the visit was changed each time in between.
    """
    for left in reversed(range(ATTEMPTS)):
        listed = _with(visit, intent)
        if listed == visit.listed:
            return
        changed = msgspec.structs.replace(visit, listed=listed)
        row = VisitRow(
            key=visit.key,
            state=visit.state.value,
            version=visit.version,
            data=encode_visit(changed),
        )
        try:
            stored = await journal.put_visit(row)
        except StateError:
            known = await journal.visit(visit.key)
            if known is None or known.state != visit.state.value or not left:
                raise
            visit = decode_visit(known.data, known.version)
        else:
            visit.listed, visit.version = listed, stored.version
            return


def _with(visit: Visit, intent: Intent) -> Listed:
    procedures, diagnoses = visit.listed.procedures, visit.listed.diagnoses
    if intent.procedures:
        procedures = [one.without_sources() for one in intent.procedures]
    if intent.diagnoses and is_late(intent, visit.state):
        diagnoses = [one.without_sources() for one in intent.diagnoses]
    return Listed(procedures=procedures, diagnoses=diagnoses)


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
        zh=f"该住院{zh}：诊断和手术操作仅用于结算清单，未上传医保平台，{undo_zh}不变",
        en=f"the stay is {en}: the diagnoses and procedures are kept for the settlement list "
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
