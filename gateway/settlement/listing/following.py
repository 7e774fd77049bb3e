"""What became of a list: from the journal's sends, from 4103 and from 4104.

What the hospital did itself by national JSON stands under the same key, and belongs to a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.journal import AuditEvent, Journal, SendRow, SendState
from gateway.settlement.closing import LATE
from gateway.settlement.listing.record import (
    STAS_TYPES,
    ListState,
    QualityFinding,
    SettlementList,
    Step,
)
from gateway.settlement.office_keys import LISTS
from gateway.settlement.work import rows

READ, QUALITY = "4103", "4104"
WITHOUT_EFFECT = frozenset(
    {SendState.REJECTED, SendState.NOT_SENT, SendState.REVERSED, SendState.MANUAL}
)


async def follow(journal: Journal, held: SettlementList) -> None:
    """Take in from the journal what was sent of this list, also before a crash."""
    known = {step.msgid: step for step in held.steps}
    for send in await journal.sends(visit_key=held.send_key):
        if send.infno in (READ, QUALITY):
            continue
        step = known.get(send.msgid)
        fresh = step is None or step.state is not send.state
        if step is None:
            ours = send.infno == held.infno and not send.exchange_id
            digest = held.sending if ours else ""
            step = Step(infno=send.infno, msgid=send.msgid, state=send.state, digest=digest)
            held.steps.append(step)
        step.state = send.state
        if fresh and send.exchange_id:
            await _follow_own(journal, held, send)
        elif fresh and send.note == LATE:
            await _follow_late(journal, held, step)


async def _follow_late(journal: Journal, held: SettlementList, step: Step) -> None:
    """Take in the reply to an upload of ours that came late; of another step 4103 tells."""
    if held.state is not ListState.UNKNOWN or step.infno != held.infno:
        return
    if step.state is SendState.ACCEPTED:
        reply = await journal.reply(step.msgid)
        held.state, held.uploaded, held.note = ListState.UPLOADED, step.digest, ""
        held.setl_list_id = number_of(reply.output if reply else {}) or held.setl_list_id
    elif step.state is SendState.REJECTED:
        held.state = ListState.UPLOADED if held.uploaded else ListState.PREPARED
        held.note = f"{step.infno} refused"


def number_of(output: Mapping[str, Any]) -> str:
    """The number that the centre gave a list; empty when it gave none."""
    found = rows(output, "data")
    number = found[0].get("setl_list_id") if found else ""
    return number or str(output.get("setl_list_id") or "")


async def _follow_own(journal: Journal, held: SettlementList, send: SendRow) -> None:
    """Take in what the hospital did to its list by national JSON itself."""
    happened = send.state in (SendState.ACCEPTED, SendState.CONFIRMED)
    if send.infno in LISTS and send.state not in WITHOUT_EFFECT:
        held.own, held.uploaded = send.msgid, ""
    elif held.own == send.msgid:
        held.own, held.state = "", ListState.PREPARED
    if not happened:
        if send.state not in WITHOUT_EFFECT:
            held.state = ListState.UNKNOWN
        return
    if send.infno in LISTS:
        held.state = ListState.UPLOADED
        held.note = "the hospital has uploaded this list itself"
        reply = await journal.reply(send.msgid)
        held.setl_list_id = number_of(reply.output if reply else {}) or held.setl_list_id
        return
    result = await journal.stored_result(send.exchange_id)
    ordered = rows(result.intent.carried, "stastinfo") if result is not None else []
    if ordered:
        held.state = STAS_TYPES.get(ordered[0].get("stas_type"), held.state)


async def learn(journal: Journal, held: SettlementList, found: Mapping[str, str]) -> None:
    """Take in what 4103 shows."""
    state = STAS_TYPES.get(found.get("stas_type", ""), ListState.UPLOADED)
    if held.state is ListState.UNKNOWN:
        last = held.steps[-1] if held.steps else None
        earlier = [s for s in held.steps[:-1] if s.infno == held.infno and s.digest]
        if last is not None and last.infno == held.infno:
            # With an earlier copy there, it is not known which of them the centre shows.
            held.uploaded = "" if earlier else last.digest
        await end(journal, held, happened=True)
    elif not held.uploaded and held.state is ListState.PREPARED:
        held.note = "the centre has a list of this settlement that was not sent from here"
    held.state = state
    held.setl_list_id = found.get("setl_list_sn") or held.setl_list_id


async def end(journal: Journal, held: SettlementList, *, happened: bool) -> None:
    """End the journal's unknown sends of this list by what 4103 shows."""
    for step in held.steps:
        send = await journal.send(step.msgid)
        if send is None or send.state is not SendState.UNKNOWN:
            continue
        step.state = SendState.CONFIRMED if happened else SendState.MANUAL
        if not happened and held.own == step.msgid:
            held.own = ""
        how = {"msgid": step.msgid, "how": "read back by 4103"}
        await journal.resolve_send(
            step.msgid, step.state.value, "4103", events=[AuditEvent("", "resolve", how)]
        )


def findings_of(held: SettlementList, output: Mapping[str, Any]) -> list[QualityFinding]:
    """What 4104 says of this list."""
    return [
        QualityFinding(
            field=str(detail.get("exam_data_fld") or ""),
            text=str(detail.get("qltctrl_chk_rslt") or ""),
            level=str(detail.get("err_lv") or ""),
            value=str(detail.get("init_val") or ""),
        )
        for judged in _listed(output)
        if str(judged.get("setl_id")) == held.setl_id
        for detail in judged.get("detailinfo") or []
        if isinstance(detail, Mapping)
    ]


def _listed(output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of 4104, whose output is itself the list, or lies in a node."""
    for name in ("output", "data"):
        found = output.get(name)
        if isinstance(found, list):
            return [row for row in found if isinstance(row, Mapping)]
    return [output] if output.get("setl_id") else []
