"""What became of a list: from the journal's sends, from 4103 and from 4104."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.intents import NotSent, Outcome, Rejected, Unknown
from gateway.journal import AuditEvent, Journal, SendState
from gateway.settlement.listing.record import (
    STAS_TYPES,
    ListState,
    QualityFinding,
    SettlementList,
    Step,
)

READ, QUALITY = "4103", "4104"


async def follow(journal: Journal, held: SettlementList) -> None:
    """Take in from the journal what was sent of this list, also before a crash."""
    known = {step.msgid: step for step in held.steps}
    for send in await journal.sends(visit_key=held.send_key):
        if send.infno in (READ, QUALITY):
            continue
        step = known.get(send.msgid)
        if step is None:
            digest = held.sending if send.infno == held.infno else ""
            step = Step(infno=send.infno, msgid=send.msgid, state=send.state, digest=digest)
            held.steps.append(step)
        step.state = send.state


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


def why(infno: str, outcome: Outcome) -> str:
    """Why a transaction did not end well."""
    if isinstance(outcome, Rejected):
        return f"{infno} refused: {outcome.reply.err_msg}"
    if isinstance(outcome, NotSent | Unknown):
        return f"{infno}: {outcome.reason}"
    return ""
