"""What may be undone: the settlements of a visit from the last one backwards, before the visit.

The state of a visit allows a cancellation as such (`plans`); which settlement it may be, and
whether one still stands before an admission is cancelled, depends on the settlements (rules 4 and 5
of `visits`; reference: rules section 2, "undo runs backwards").
"""

from __future__ import annotations

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Verb, VisitClass
from gateway.settlement.visits import Visit, VisitState


def order_problems(intent: Intent, visit: Visit) -> list[Problem]:
    """What forbids a cancellation of an inpatient settlement, or of an admission."""
    if visit.visit_class is not VisitClass.INPATIENT:
        return []
    standing = [settlement.info.get("setl_id") for settlement in visit.live_settlements()]
    if intent.verb is Verb.UNADMIT and standing and visit.state is VisitState.ADMITTED:
        return [_settled_before(intent, standing[-1])]
    if intent.verb is not Verb.CANCEL:
        return []
    stated = intent.settlement.get("setl_id")
    if not standing and visit.state is not VisitState.SETTLED:
        return [_none_stands(intent)]
    if stated in standing[:-1]:
        return [_settled_before(intent, standing[-1])]
    return []


def _settled_before(intent: Intent, setl_id: str) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        field="setl_id",
        place=intent.settlement.place("setl_id") or intent.place,
        zh=f"之后的结算{setl_id}还未撤销，请按相反的顺序撤销",
        en=f"the settlement {setl_id} stands: undo runs backwards, cancel it first",
    )


def _none_stands(intent: Intent) -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.SETTLEMENT_UNKNOWN,
        field="setl_id",
        place=intent.settlement.place("setl_id") or intent.place,
        zh="该次住院没有可撤销的结算",
        en="no settlement of this stay can be cancelled",
    )


def impossible(intent: Intent, state: VisitState) -> Problem:
    """The visit does not stand where the verb needs it."""
    if state is VisitState.NONE:
        return Problem(
            kind=ProblemKind.NOT_FOUND,
            code=ProblemCode.VISIT_UNKNOWN,
            field="ipt_otp_no",
            place=intent.visit.place("ipt_otp_no") or intent.place,
            zh="没有该就诊号的就诊，请先挂号或入院登记",
            en="no open visit of this number: register or admit first",
        )
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.VISIT_STATE,
        field="ipt_otp_no",
        place=intent.visit.place("ipt_otp_no") or intent.place,
        zh=f"就诊当前状态（{state}）不允许此操作（{intent.verb}）",
        en=f"the visit is {state}: {intent.verb} is not possible",
    )
