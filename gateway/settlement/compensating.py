"""What is undone when the last step of a message is refused (profile `after_refusal`).

A message that uploads charges and settles them is several transactions. When the settlement is
refused, the charges stay uploaded (`keep`), where the next message can settle them, or the message
leaves nothing behind (`undo`): the batches that it uploaded are withdrawn by 2205 or 2302. Only a
refusal leads here: after an unknown outcome nothing is undone, since it may have happened.

Source: mapping matrix 1.5 and part 5; rules sections 2 and 9.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Problem, ProblemCode, ProblemKind, Severity
from gateway.intents import CallReport, Intent, Result, Status, Verb, VisitClass
from gateway.settlement.totals import Step, line_records
from gateway.settlement.visits import Visit

UNDOES = frozenset({Verb.SETTLE, Verb.PRESETTLE})
"""Verbs whose refused last step may leave uploads behind."""

UPLOADS = frozenset({"2204", "2301"})
WITHDRAWAL = {VisitClass.OUTPATIENT: "2205", VisitClass.INPATIENT: "2302"}


def withdrawals(result: Result, visit: Visit) -> list[Step]:
    """The steps that withdraw what this message has uploaded and not settled, last one first."""
    infno = WITHDRAWAL.get(visit.visit_class)
    if infno is None or result.status is not Status.REJECTED or result.intent.verb not in UNDOES:
        return []
    uploads = _uploaded(result.calls)
    return [
        Step(
            infno=infno,
            batch=batch.chrg_bchno,
            lines=line_records(batch) if infno == "2302" else [],
        )
        for batch in reversed(visit.open_batches())
        if batch.msgid in uploads
    ]


def _uploaded(calls: Sequence[CallReport]) -> set[str]:
    """The message ids of accepted uploads."""
    return {call.msgid for call in calls if call.infno in UPLOADS and call.outcome == "accepted"}


def concluded(result: Result, steps: Sequence[Step], undone: int) -> None:
    """Say what became of it; an undoing of unknown outcome makes the message unknown."""
    intent = result.intent
    if undone == len(steps):
        result.problems.append(_undone(intent, len(steps)))
    elif result.status is not Status.UNKNOWN:
        result.problems.append(_left(intent, len(steps) - undone))
    if result.status is not Status.UNKNOWN:
        result.status, result.retry_after = Status.REJECTED, 0


def _undone(intent: Intent, count: int) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.FSI_REVERSED,
        severity=Severity.INFORMATION,
        place=intent.place,
        zh=f"结算被拒绝，本消息上传的{count}个收费批次已撤销",
        en=f"the settlement was refused: the {count} charge batches that this message uploaded "
        "were withdrawn",
    )


def _left(intent: Intent, count: int) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        severity=Severity.WARNING,
        place=intent.place,
        zh=f"结算被拒绝，本消息上传的收费批次有{count}个未能撤销，仍为已上传、未结算",
        en=f"the settlement was refused, and {count} charge batches that this message uploaded "
        "could not be withdrawn: they are uploaded and not settled",
        remedy_zh="可用新的消息结算或退回这些批次",
        remedy_en="settle or credit them with a new message",
    )
