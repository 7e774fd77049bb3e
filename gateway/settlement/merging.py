"""Two patient numbers of a hospital become one (ADT^A40).

Visits are known by their own number, which a merge does not change; what changes is the patient
number that they carry. Where both numbers have a visit that is not settled, nobody but a person can
say which one the next charge is of: nothing is changed (matrix 1.6).
"""

from __future__ import annotations

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Result, Status
from gateway.journal import Journal, VisitRow
from gateway.settlement.visits import Visit, VisitState, decode_visit, encode_visit

OPEN = (VisitState.REGISTERED, VisitState.CHARGED, VisitState.ADMITTED, VisitState.DISCHARGED)
"""States of a visit that is not over."""

NUMBER = "medrcdno"
PAGE = 1_000


async def merge(journal: Journal, intent: Intent, fixmedins_code: str) -> Result:
    """Give the open visits of the prior number (`query.medrcdno`) the surviving one."""
    prior, surviving = intent.query.get(NUMBER), intent.visit.get(NUMBER)
    result = Result(status=Status.DONE, intent=intent)
    if not prior or not surviving or prior == surviving:
        result.status = Status.INVALID
        result.problems = [_unclear(intent)]
        return result
    visits = await _open_visits(journal, fixmedins_code, {prior, surviving})
    numbers = {visit.visit.get(NUMBER) for visit in visits}
    if numbers == {prior, surviving}:
        result.status = Status.INVALID
        result.problems = [_both_open(intent)]
        return result
    for visit in visits:
        if visit.visit.get(NUMBER) == prior:
            visit.visit.values[NUMBER] = surviving
            data = encode_visit(visit)
            row = VisitRow(key=visit.key, state=visit.state.value, version=visit.version, data=data)
            await journal.put_visit(row)
    return result


async def _open_visits(journal: Journal, fixmedins_code: str, numbers: set[str]) -> list[Visit]:
    found: list[Visit] = []
    for state in OPEN:
        page = await journal.visits(state=state.value, limit=PAGE)
        while page:
            for row in page:
                if row.key.startswith(f"{fixmedins_code}/"):
                    visit = decode_visit(row.data, row.version)
                    if visit.visit.get(NUMBER) in numbers:
                        found.append(visit)
            page = await journal.visits(state=state.value, after=page[-1].key, limit=PAGE)
    return found


def _unclear(intent: Intent) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        field=NUMBER,
        place=intent.query.place(NUMBER) or intent.place,
        zh="缺少合并前后的病案号，或两者相同",
        en="the numbers before and after the merge are missing, or the same",
    )


def _both_open(intent: Intent) -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.VISIT_STATE,
        field=NUMBER,
        place=intent.query.place(NUMBER) or intent.place,
        zh="两个病案号下都有未结算的就诊，请人工处理",
        en="both numbers have a visit that is not settled: a person has to look",
        remedy_zh="请先结算或撤销其中一次就诊，再合并",
        remedy_en="settle or cancel one of the visits, then merge",
    )
