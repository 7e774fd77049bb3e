"""A visit known from messages follows what its hospital does by national JSON itself.

A hospital may register over HL7 and cancel the settlement at its own insurance desk, which speaks
national JSON to the same gateway. What the platform accepts then is taken into the visit as if a
message had asked for it (`absorbing`), in the same write as the outcome. A 2601 takes back what it
names. A visit that only national JSON has touched is not kept.

What the tables forbid the visit is refused before it is sent (`check_possible`). Should the
platform have accepted it all the same, its outcome is unknown and the visit stops (`carrying`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import StateError
from gateway.intents import Call, Intent, Record, Result, Settlement, Status, Verb
from gateway.journal import Journal, VisitRow
from gateway.settlement import numbering
from gateway.settlement.absorbing import ABSORBERS, absorb, undo_settlement
from gateway.settlement.standing import SettlementEvent, check
from gateway.settlement.visits import (
    TRANSITIONS,
    Visit,
    VisitEvent,
    VisitState,
    decode_visit,
    encode_visit,
    visit_key,
)
from gateway.settlement.work import Absorption, Work, rows, text_record

REVERSAL = "2601"
EVERY_BATCH = "0000"
"""`chrg_bchno` of 2205 and `feedetl_sn` of 2302 that mean every unsettled line."""

FOLLOWED = frozenset(ABSORBERS) & {
    *("2103", "2202", "2203", "2204", "2205", "2207", "2208"),
    *("2301", "2302", "2304", "2305", "2402", "2403", "2404", "2405"),
}


_E = VisitEvent
_EVENTS: Mapping[str, Sequence[VisitEvent]] = {
    **dict.fromkeys(("2103", "2202", "2404"), (_E.CANCELLED,)),
    **dict.fromkeys(("2203", "2403"), (_E.DESCRIBED,)),
    **dict.fromkeys(("2204", "2301"), (_E.CHARGED,)),
    **dict.fromkeys(("2205", "2302"), (_E.WITHDRAWN, _E.TRIMMED)),
    "2207": (_E.SETTLED,),
    "2304": (_E.SETTLED, _E.SETTLED_IN_STAY),
    "2208": (_E.UNSETTLED,),
    "2305": (_E.UNSETTLED, _E.UNSETTLED_IN_STAY),
    "2402": (_E.DISCHARGED,),
    "2405": (_E.UNDISCHARGED,),
}
"""Transaction -> the events that it may be for its visit."""

CANCELLATIONS = frozenset({"2103", "2208", "2305"})
WITHDRAWALS = frozenset({"2205", "2302"})


def check_possible(visit: Visit, call: Call) -> None:
    """See that the visit, as it is known, can make a transaction.

    Raises:
        StateError: the table of the visit, or of the settlement that it names, forbids it.
    """
    if call.infno == REVERSAL:
        for made in visit.settlements:
            if made.msgid == call.reverses and not made.cancels:
                check(visit, made.info.get("setl_id"), SettlementEvent.REVERSED)
        return
    events = _EVENTS[call.infno]
    if not any(event in TRANSITIONS[visit.visit_class][visit.state] for event in events):
        raise StateError(f"{visit.visit_class} visit, {visit.state}: no {call.infno}")
    if call.infno in WITHDRAWALS and not visit.open_batches():
        raise StateError(
            f"{visit.visit_class} visit, {visit.state}: no open charges, no {call.infno}"
        )
    if call.infno in CANCELLATIONS:
        check(visit, first_row(call.input).get("setl_id"), SettlementEvent.CANCELLED)


async def known_visit(journal: Journal, call: Call) -> Visit | None:
    """The visit of a call that a message of another protocol has opened."""
    if not call.visit_key or call.infno not in FOLLOWED | {REVERSAL}:
        return None
    row = await journal.visit(call.visit_key)  # before it had an mdtrt_id
    row = row or await numbering.numbered(journal, call.visit_key)
    for send in [] if row else await journal.sends(visit_key=call.visit_key):
        result = await journal.stored_result(send.exchange_id) if send.exchange_id else None
        if result is None or result.intent.verb is Verb.CARRY:
            continue
        number = result.intent.visit.get("ipt_otp_no")
        row = await journal.visit(visit_key(call.fixmedins_code, number)) if number else None
        break
    visit = decode_visit(row.data, row.version) if row else None
    if visit is None or visit.state is VisitState.NONE:
        return None
    stated = first_row(call.input).get("mdtrt_id")
    over = visit.state is VisitState.CANCELLED and stated != visit.visit.get("mdtrt_id")
    return None if over else visit  # the number of a cancelled visit may have been given anew


def follow(visit: Visit, call: Call, msgid: str, output: Mapping[str, Any]) -> VisitRow:
    """The visit after an accepted call, for the journal.

    Raises:
        MismatchError: the reply is about another total than what it cancels.
        UnreadableReplyError: the reply lacks what the transaction must give.
        StateError: the visit cannot make this transition.
    """
    if call.infno == REVERSAL:
        _take_back(visit, call.reverses, msgid)
    else:
        for absorption in _absorptions(visit, call, msgid, output):
            absorb(_work(visit, call), absorption)
    return VisitRow(
        key=visit.key, state=visit.state.value, version=visit.version, data=encode_visit(visit)
    )


def _work(visit: Visit, call: Call) -> Work:
    """The call as a message about this visit would have asked for it."""
    intent = Intent(verb=Verb.CARRY, visit_class=visit.visit_class)
    intent.person, intent.visit = visit.person, visit.visit
    intent.settlement = first_row(call.input)
    intent.diagnoses = rows(call.input, "diseinfo") or list(visit.diagnoses)
    if call.infno == "2402":
        intent.visit.values["endtime"] = intent.settlement.get("endtime")
    result = Result(status=Status.DONE, intent=intent)
    return Work(intent=intent, result=result, visit=visit, classify=lambda _: "")


def first_row(content: Mapping[str, Any]) -> Record:
    """The first node that is a single row."""
    node = next((node for node in content.values() if isinstance(node, Mapping)), {})
    return text_record(node)


def _absorptions(
    visit: Visit, call: Call, msgid: str, output: Mapping[str, Any]
) -> Sequence[Absorption]:
    """What the platform accepted, batch by batch."""
    stated = first_row(call.input).get("chrg_bchno")
    batches = [stated]
    lines: list[Record] = []
    if call.infno in ("2204", "2301"):
        lines = rows(call.input, "feedetail")
        for line in lines:
            line.values.setdefault("chrg_bchno", msgid)
            line.values["feedetl_key"] = line.get("feedetl_sn")
    elif call.infno == "2205" and stated == EVERY_BATCH:
        batches = [batch.chrg_bchno for batch in visit.open_batches()]
    elif call.infno == "2302":
        batches = _emptied(visit, {row.get("feedetl_sn") for row in rows(call.input, "data")})
    return [
        Absorption(infno=call.infno, msgid=msgid, output=output, batch=batch, lines=lines)
        for batch in batches
    ]


def _emptied(visit: Visit, numbers: set[str]) -> list[str]:
    """Take lines out of the open batches; the batches that have none left."""
    emptied = []
    for batch in visit.open_batches():
        kept = [line for line in batch.lines if not {line.feedetl_sn, EVERY_BATCH} & numbers]
        if not kept and batch.lines:
            emptied.append(batch.chrg_bchno)
        batch.lines = kept
    return emptied


def _take_back(visit: Visit, original: str, msgid: str) -> None:
    """Undo what the message of this id made: a settlement, or the admission itself."""
    made = next((s for s in visit.live_settlements() if s.msgid == original), None)
    if made is not None:
        setl_id = made.info.get("setl_id")
        check(visit, setl_id, SettlementEvent.REVERSED)
        undo_settlement(visit, setl_id)
        visit.settlements.append(
            Settlement(infno=REVERSAL, msgid=msgid, info=Record(), cancels=setl_id)
        )
    elif visit.state is VisitState.ADMITTED and not visit.batches and not visit.settlements:
        visit.apply(VisitEvent.CANCELLED)
