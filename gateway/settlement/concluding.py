"""What the outcome of one call means for the visit, and for the message that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import InvalidError, Problem
from gateway.intents import Accepted, NotSent, Outcome, Rejected, Result, Status, Unknown
from gateway.journal import VisitRow
from gateway.routing import compare_pay_loc
from gateway.settlement import reporting
from gateway.settlement.absorbing import absorb
from gateway.settlement.agreeing import MismatchError, mismatches
from gateway.settlement.dispatching import Dispatched
from gateway.settlement.plans import is_repeatable
from gateway.settlement.totals import Step
from gateway.settlement.visits import VisitState, encode_visit
from gateway.settlement.work import Absorption, UnreadableReplyError, Work


def interpret(
    step: Step,
    work: Work,
    outcome: Outcome,
    msgid: str,
    *,
    asked: Mapping[str, Any],
    today: str,
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
        asked=asked,
        today=today,
    )
    try:
        absorb(work, absorption)
    except UnreadableReplyError as error:
        work.unreadable = True
        return Unknown(reason=str(error)), None
    except MismatchError as error:
        work.mismatch = error.fields
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


def conclude(step: Step, work: Work, done: Dispatched) -> bool:
    """Set the status of the message by the outcome; True when the next call may follow."""
    result, intent, outcome = work.result, work.intent, done.outcome
    if isinstance(outcome, Accepted):
        if work.stopped:
            result.problems += work.stopped
            result.status = Status.INVALID
        return not work.stopped
    if isinstance(outcome, Rejected):
        meaning = work.classify(outcome.reply.err_msg)
        result.problems.append(reporting.refused(step.infno, outcome, intent, meaning))
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
        result.problems += mismatches(step.infno, work.mismatch, intent)
        result.status = Status.UNKNOWN
    return False


def other_place(result: Result, done: Dispatched) -> list[Problem]:
    """The platform's pay_loc, where it gives one, differs from our class of the route."""
    settlement = next((s for s in result.settlements if s.msgid == done.report.msgid), None)
    if settlement is None or not settlement.info.has("pay_loc"):
        return []
    found = compare_pay_loc(done.route.route_class, settlement.info.get("pay_loc"))
    return [found] if found else []
