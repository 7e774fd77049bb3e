"""Intents that are several: the entries of a master file.

Each part is an intent with a plan of its own. A part that was refused does not stop the next entry
of a master file; one that was not sent, or whose outcome is not known, does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.intents import EntryResult, Intent, Record, Result, Status, Verb
from gateway.settlement.plans import MASTER_FILES

Conduct = Callable[[Intent], Awaitable[Result]]
"""Carries one part out."""

STAFF = Verb.FIND_PHYSICIANS
_STOPS = frozenset({Status.NOT_SENT, Status.UNKNOWN})


async def each_entry(intent: Intent, conduct: Conduct) -> Result:
    """Carry a master file out, entry by entry; its status is that of the worst of them."""
    result = Result(status=Status.DONE, intent=intent)
    for entry in intent.entries:
        told = await _entry(intent, entry, result, conduct)
        result.entries.append(told)
        result.problems += told.problems
        if told.status is not Status.DONE:
            result.status = told.status
        if told.status in _STOPS:
            break
    return result


async def _entry(intent: Intent, entry: Record, result: Result, conduct: Conduct) -> EntryResult:
    key, action = entry.get("key"), entry.get("action")
    verbs = MASTER_FILES[intent.verb]
    place = entry.place("key") or intent.place
    if action not in verbs:
        return EntryResult(key=key, status=Status.INVALID, problems=[_no_action(entry, place)])
    verb = verbs[action]
    if verb is None:
        return EntryResult(key=key, status=Status.DONE)
    part = Intent(
        verb=verb,
        facility=Record(dict(intent.facility.values), dict(intent.facility.sources)),
        query=entry,
        place=place,
    )
    if verb is STAFF and not _names_somebody(entry):
        return EntryResult(key=key, status=Status.INVALID, problems=[_nobody_named(place)])
    made = await conduct(part)
    result.calls += made.calls
    result.retry_after = made.retry_after
    if made.status is Status.DONE and verb is STAFF and not made.found.get(STAFF.value):
        return EntryResult(key=key, status=Status.INVALID, problems=[_not_registered(place)])
    return EntryResult(key=key, status=made.status, problems=made.problems)


def _names_somebody(entry: Record) -> bool:
    return any(entry.has(code) for code in ("prac_psn_code", "certno", "prac_psn_name"))


def _no_action(entry: Record, place: str) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        field="action",
        place=entry.place("action") or place,
        zh="不支持的主文件记录操作",
        en="the action of the master file entry is not served",
    )


def _nobody_named(place: str) -> Problem:
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        field="prac_psn_code",
        place=place,
        zh="缺少人员的国家编码、证件号码或姓名",
        en="neither national code, certificate nor name of the person is stated",
    )


def _not_registered(place: str) -> Problem:
    return Problem(
        kind=ProblemKind.NOT_FOUND,
        code=ProblemCode.NOT_FOUND,
        field="prac_psn_code",
        place=place,
        zh="医保平台没有该医执人员的登记信息",
        en="the insurance has no such practising staff",
        remedy_zh="请先在医保局完成医师、护士或药师备案",
        remedy_en="have the person registered with the insurance bureau first",
    )
