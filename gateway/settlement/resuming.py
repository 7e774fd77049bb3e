"""What an exchange has already done: a message that is taken up again does nothing twice.

A message is worked on again when a crash, or a journal that failed, left it without its stored
answer. Its sends are in the journal all the same, and they decide: an unknown one is told as
unknown, and a settlement that was made is part of the answer and is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import ProblemCode
from gateway.intents import Intent, Reply, Result, Settlement, Status, Verb
from gateway.journal import Journal, SendRow, SendState
from gateway.settlement import reporting
from gateway.settlement.agreeing import mismatches, noted
from gateway.settlement.plans import is_repeatable
from gateway.settlement.visits import Visit, visit_key

TOTAL = "medfee_sumamt"
EVERY = 1_000_000
"""Limit of a read that has to see all."""

_MADE = frozenset({SendState.ACCEPTED, SendState.CONFIRMED})

_ALL_OF = {
    Verb.REGISTER: "2201",
    Verb.UNREGISTER: "2202",
    Verb.ADMIT: "2401",
    Verb.UNADMIT: "2404",
    Verb.DISCHARGE: "2402",
    Verb.UNDISCHARGE: "2405",
}
"""Verbs that are done once one transaction is, and that transaction."""


async def own_unknown(journal: Journal, exchange_id: str) -> SendRow | None:
    """The send of this exchange whose outcome is not known and that may not be repeated."""
    sends = await journal.sends(state="unknown", exchange_id=exchange_id)
    return next((send for send in sends if not is_repeatable(send.infno)), None)


def still_unknown(send: SendRow, intent: Intent, made: Sequence[Settlement] = ()) -> Result:
    """The result of a message that has such a send, after the settlements that it made."""
    problems = [reporting.unknown(send.infno, send.msgid, intent)]
    problems += mismatches(send.infno, noted(send.note), intent)
    return Result(status=Status.UNKNOWN, intent=intent, problems=problems, settlements=[*made])


async def accepted_reply(
    journal: Journal, exchange_id: str, infno: str
) -> tuple[str, Reply] | None:
    """The msgid and the reply of the send of this transaction that the platform accepted."""
    for send in await journal.sends(exchange_id=exchange_id):
        if send.infno == infno and send.state is SendState.ACCEPTED:
            reply = await journal.reply(send.msgid)
            if reply is not None:
                return send.msgid, reply
    return None


async def settlements_made(
    journal: Journal, exchange_id: str, intent: Intent, visit: Visit
) -> list[Settlement]:
    """The settlements (or cancellations) of the visit that this exchange has made."""
    if intent.verb not in (Verb.SETTLE, Verb.CANCEL):
        return []
    sends = await journal.sends(exchange_id=exchange_id)
    made = {send.msgid for send in sends if send.state in _MADE}
    return [settlement for settlement in visit.settlements if settlement.msgid in made]


async def as_done_before(journal: Journal, exchange_id: str, result: Result) -> Result:
    """The result; of a message that was done before its visit went on, that it is done.

    An admission, say, whose answer could not be stored, and which came again after the discharge.
    """
    intent, stopping = result.intent, [problem for problem in result.problems if problem.stops]
    refused = stopping and all(problem.code is ProblemCode.VISIT_STATE for problem in stopping)
    if not refused or intent.verb not in _ALL_OF:
        return result
    sends = await journal.sends(exchange_id=exchange_id)
    if not any(send.infno == _ALL_OF[intent.verb] and send.state in _MADE for send in sends):
        return result
    warnings = [problem for problem in result.problems if not problem.stops]
    return Result(status=Status.DONE, intent=intent, problems=warnings)


async def not_meant(
    journal: Journal, exchange_id: str, visit: Visit, made: Sequence[Settlement]
) -> list[str]:
    """The charge batches that a message which has settled before is not about.

    Those that it settled, although they are open again (somebody cancelled the settlement), and
    those that another message uploaded after it began.
    """
    key = visit_key(visit.fixmedins_code, visit.visit.get("mdtrt_id"))
    sends = await journal.sends(visit_key=key, limit=EVERY)
    order = {send.msgid: number for number, send in enumerate(sends)}
    own = {send.msgid for send in sends if send.exchange_id == exchange_id}
    began = min((order[msgid] for msgid in own), default=len(sends))
    later = [
        batch.chrg_bchno
        for batch in visit.batches
        if batch.msgid not in own and order.get(batch.msgid, -1) > began
    ]
    return [*later, *(settlement.chrg_bchno for settlement in made)]


def total_left(intent: Intent, made: list[Settlement]) -> str:
    """The stated total without what was settled, in yuan; empty when none is stated."""
    if not intent.settlement.has(TOTAL):
        return ""
    left = intent.settlement.amount(TOTAL)
    for settlement in made:
        left -= settlement.info.amount(TOTAL)
    return format(left, "f")


def with_made(result: Result, made: list[Settlement]) -> Result:
    """The result of the new attempt together with what was made before it."""
    result.settlements = [*made, *result.settlements]
    stopping = [problem for problem in result.problems if problem.stops]
    if stopping and all(problem.code is ProblemCode.CHARGE_UNKNOWN for problem in stopping):
        result.problems = [problem for problem in result.problems if not problem.stops]
        result.status = Status.DONE
    return result
