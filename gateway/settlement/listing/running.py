"""Preparing, uploading, submitting and following settlement lists.

Rules (reference: rules section 17):

1. A list belongs to one settlement that stands; one that was cancelled or reversed gets none.
2. A list with problems is not uploaded; all of them are reported at once.
3. The centre's copy is replaced while it is not submitted. A refused one is first taken back to not
   submitted, then replaced, then submitted again. A submitted or approved one is left alone.
4. An upload or submission without known outcome is read back (4103) before anything else is sent.
5. A list that the hospital has uploaded itself (national JSON) is its own: it is not replaced. The
   centre may be asked to take it, and what it says is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

import msgspec

from gateway.clock import CHINA, Clock, stamp
from gateway.crypto.sm import sm3
from gateway.errors import Problem, StateError
from gateway.intents import Accepted, Outcome, Rejected, Settlement, Unknown, VisitClass
from gateway.journal import AuditEvent, BookRow, Journal, SendState
from gateway.settlement.failing import why, why_told
from gateway.settlement.listing import coding
from gateway.settlement.listing.checking import check
from gateway.settlement.listing.collecting import Sources, gather
from gateway.settlement.listing.composing import Additions, Habits, compose
from gateway.settlement.listing.following import (
    QUALITY,
    READ,
    end,
    findings_of,
    follow,
    learn,
    number_of,
)
from gateway.settlement.listing.parts import (
    Counted,
    PersonLine,
    Place,
    Prepared,
    Shown,
)
from gateway.settlement.listing.places import advised
from gateway.settlement.listing.record import (
    KIND,
    STAS_TYPES,
    ListState,
    SettlementList,
    book_key,
    decode_list,
    encode_list,
)
from gateway.settlement.listing.refusals import ListError, Refusal
from gateway.settlement.listing.showing import fields_of
from gateway.settlement.reconciling.own import FORWARD, collect
from gateway.settlement.work import rows
from mappings.codes import CodeBook

SUBMIT, COUNT = "4102", "4105"
TAKE_BACK, HAND_IN = "0", "1"
"""`stas_type` that an institution orders."""
PAGE_SIZE = 100


class SettlementLists:
    """The settlement lists of one institution."""

    def __init__(
        self,
        *,
        line: PersonLine,
        place: Place,
        codes: Callable[[], CodeBook],
        journal: Journal,
        clock: Clock,
        infno: str,
        habits: Habits,
        med_types: str,
    ) -> None:
        """Of one institution.

        `infno` is 4101 or 4101A, as the region has it; `habits` is what the settings say of lists;
        `med_types` are the medical categories that need one, with commas between them.
        """
        self._line = line
        self._place = place
        self._codes = codes
        self._journal = journal
        self._clock = clock
        self._infno = infno
        self._habits = habits
        self._med_types = med_types

    async def prepare(
        self,
        day: date,
        *,
        setl_id: str = "",
        additions: Mapping[str, Additions] | None = None,
        outpatient: bool = False,
    ) -> list[Prepared]:
        """Collect the lists of a day's settlements, or that of one; those of stays only, at first.

        `additions` has, by `setl_id`, what is not stored here; what was given before stays. A list
        that the centre has submitted or approved is left as it is.

        Raises:
            ListError: the settlement named is none of the day, or does not stand.
        """
        books = await collect(self._journal, self._line.fixmedins_code, day, day)
        found = []
        for own in books.lines:
            if own.refd_setl_flag != FORWARD or setl_id not in ("", own.setl_id):
                continue
            sources = await gather(self._journal, own.send)
            if sources is None or not _stands(sources):
                continue
            if not setl_id and not outpatient and sources.visit.visit_class != VisitClass.INPATIENT:
                continue
            more = (additions or {}).get(own.setl_id, {})
            found.append(await self._prepare(sources, own.setl_time, more))
        if setl_id and not found:
            raise Refusal.NO_SETTLEMENT.of(setl_id, day.isoformat())
        return found

    async def _prepare(self, sources: Sources, setl_time: str, more: Additions) -> Prepared:
        info, visit = sources.settlement.info, sources.visit
        setl_id = info.get("setl_id")
        row, held = await self._read(setl_id) or (None, None)
        additions = {**(held.additions if held is not None else {}), **more}
        on, codes = date.fromisoformat(setl_time[:10]), self._codes()
        sources.procedures, uncoded = coding.procedures(sources.procedures, codes, on)
        composed = compose(
            sources,
            additions,
            filler=self._place.filler,
            definitions=self._place.definitions,
            infno=self._infno,
            habits=self._habits,
            department_of=partial(coding.department, codes=codes, on=on),
        )
        content = composed.input
        if held is None:
            held = SettlementList(
                fixmedins_code=self._line.fixmedins_code,
                setl_id=setl_id,
                psn_no=visit.person.get("psn_no") or info.get("psn_no"),
                mdtrt_id=visit.visit.get("mdtrt_id"),
                msgid=sources.settlement.msgid,
                setl_time=setl_time,
                insuplc_admdvs=sources.send.insuplc_admdvs,
                infno=self._infno,
                input=content,
            )
        await follow(self._journal, held)
        if held.state not in (ListState.SUBMITTED, ListState.APPROVED):
            held.input, held.additions, held.infno = content, additions, self._infno
            held.origins, held.notes = composed.origins, composed.notes
            if "oprninfo" not in additions:
                held.notes = [*held.notes, *uncoded]
            held.digest, held.prepared_at = _digest(content), self._now()
        await self._store(held, row, "prepare")
        return Prepared(held=held, problems=await self._check(held, sources.settlement))

    async def check(self, setl_id: str) -> Prepared:
        """Everything that is wrong with a prepared list.

        Raises:
            ListError: it was not prepared yet, or its settlement does not stand any more.
        """
        _, held = await self._known(setl_id)
        return Prepared(held=held, problems=await self._check(held, await self._standing(held)))

    async def show(self, setl_id: str, *, values: bool = False) -> Shown:
        """A prepared list field by field, and where each is from; its values only if asked for.

        Raises:
            ListError: it was not prepared yet.
        """
        _, held = await self._known(setl_id)
        transaction = self._place.definitions.transaction(held.infno)
        return Shown(held=held, fields=fields_of(held, transaction, values=values))

    async def upload(self, setl_id: str, *, submit: bool = False) -> Prepared:
        """Bring the centre's copy up to the prepared one (4101), and hand it in (4102) if asked.

        Nothing is sent of a list with problems, nor of one that the centre has as it is.

        Raises:
            ListError: rule 1, or a step has no known outcome, or the centre has it submitted.
        """
        row, held = await self._known(setl_id)
        prepared = Prepared(held=held, problems=await self._check(held, await self._standing(held)))
        if held.state is ListState.UNKNOWN:
            raise Refusal.UNKNOWN.of(setl_id)
        if held.state in (ListState.SUBMITTED, ListState.APPROVED):
            raise Refusal.HANDED_IN.of(setl_id, held.state.value)
        if held.own:
            if held.state is not ListState.UPLOADED or not submit:
                raise Refusal.OF_THE_HOSPITAL.of(setl_id, held.own)
            await self._order(held, row, HAND_IN)
            return prepared
        if not prepared.ready:
            return prepared
        if held.state is ListState.REFUSED:
            row = await self._order(held, row, TAKE_BACK)
        if held.state in (ListState.PREPARED, ListState.UPLOADED) and not held.is_current:
            row = await self._send_list(held, row)
        if submit and held.state is ListState.UPLOADED:
            await self._order(held, row, HAND_IN)
        return prepared

    async def status(self, setl_id: str) -> SettlementList:
        """Ask the centre what it has (4103) and what it found (4104).

        Raises:
            ListError: it was not prepared yet.
        """
        row, held = await self._known(setl_id)
        node = {"psn_no": held.psn_no, "setl_id": held.setl_id}
        outcome = await self._dispatch(READ, {"data": node}, held)
        if isinstance(outcome, Accepted):
            held.note = ""
            found = rows(outcome.reply.output, "setlinfo")
            await learn(self._journal, held, found[0].values if found else {})
            await self._judged(held)
        elif isinstance(outcome, Rejected):
            held.note = why(READ, outcome)
            if held.state is ListState.UNKNOWN:
                await end(self._journal, held, happened=False)
                held.state, held.uploaded = ListState.PREPARED, ""
        else:
            held.note = why(READ, outcome)
        held.asked_at = self._now()
        await self._store(held, row, "status")
        return held

    async def count(self, begin: date, end: date, med_types: str = "") -> Counted:
        """How many settlements of a span need a list, and how many have one (4105).

        Raises:
            ListError: the centre did not answer, or refused.
        """
        node = {
            "fixmedins_code": self._line.fixmedins_code,
            "medtype_list": med_types or self._med_types,
            "stt_begntime": f"{begin.isoformat()} 00:00:00",
            "stt_endtime": f"{end.isoformat()} 23:59:59",
        }
        outcome = (await self._line.dispatch(COUNT, {"data": node})).outcome
        if not isinstance(outcome, Accepted):
            raise ListError(*why_told(COUNT, outcome))
        output = outcome.reply.output
        due, done = output.get("needUploadCnt") or 0, output.get("uploadedCnt") or 0
        return Counted(due=int(due), uploaded=int(done))

    # What is sent ---------------------------------------------------------------------------------

    async def _send_list(self, held: SettlementList, row: BookRow) -> BookRow:
        digest = held.sending = held.digest
        before, held.state = held.state, ListState.UNKNOWN
        row = await self._store(held, row, "upload")
        outcome = await self._dispatch(held.infno, held.input, held)
        if isinstance(outcome, Accepted):
            held.state, held.uploaded, held.note = ListState.UPLOADED, digest, ""
            held.setl_list_id = number_of(outcome.reply.output) or held.setl_list_id
        elif isinstance(outcome, Unknown):
            held.note = why(held.infno, outcome)
        else:
            held.state, held.note = before, why(held.infno, outcome)
        return await self._store(held, row, "uploaded")

    async def _order(self, held: SettlementList, row: BookRow, stas_type: str) -> BookRow:
        """4102: take a refused list back, or hand one in."""
        before, held.state = held.state, ListState.UNKNOWN
        row = await self._store(held, row, "order")
        node = {"psn_no": held.psn_no, "setl_id": held.setl_id, "stas_type": stas_type}
        outcome = await self._dispatch(SUBMIT, {"stastinfo": [node]}, held)
        if isinstance(outcome, Accepted):
            held.state, held.note = STAS_TYPES[stas_type], ""
            if stas_type == TAKE_BACK:
                held.findings = []
        elif isinstance(outcome, Unknown):
            held.note = why(SUBMIT, outcome)
        else:
            held.state, held.note = before, why(SUBMIT, outcome)
        return await self._store(held, row, "ordered")

    async def _dispatch(self, infno: str, content: dict[str, Any], held: SettlementList) -> Outcome:
        done = await self._line.dispatch(
            infno,
            content,
            key=held.send_key,
            psn_no=held.psn_no,
            insuplc_admdvs=held.insuplc_admdvs,
        )
        await follow(self._journal, held)
        return done.outcome

    async def _judged(self, held: SettlementList) -> None:
        """4104: the findings of the quality control; without an answer they stay as they were."""
        node = {
            "setl_ym": held.setl_time[:7].replace("-", ""),
            "setl_id": held.setl_id,
            "psn_no": held.psn_no,
            "page_num": 1,
            "page_size": PAGE_SIZE,
            "fixmedins_code": held.fixmedins_code,
        }
        outcome = await self._dispatch(QUALITY, {"data": node}, held)
        if not isinstance(outcome, Accepted):
            held.note = why(QUALITY, outcome)
            return
        held.findings = findings_of(held, outcome.reply.output)

    # What is kept ---------------------------------------------------------------------------------

    async def _check(self, held: SettlementList, settlement: Settlement) -> list[Problem]:
        on = date.fromisoformat(held.setl_time[:10])
        checker, codes = self._place.checker, self._codes()
        found = check(held.infno, held.input, settlement, checker, codes, on=on)
        return [*await advised(found), *held.notes]

    async def _standing(self, held: SettlementList) -> Settlement:
        """The settlement of a list, which has to stand (L-007)."""
        send = await self._journal.send(held.msgid)
        sources = await gather(self._journal, send) if send is not None else None
        undone = [
            other
            for other in (await self._journal.sends(visit_key=send.visit_key) if send else [])
            if other.reverses == held.msgid and other.state is SendState.ACCEPTED
        ]
        if sources is None or undone or not _stands(sources):
            raise Refusal.UNDONE.of(held.setl_id)
        return sources.settlement

    async def _read(self, setl_id: str) -> tuple[BookRow, SettlementList] | None:
        row = await self._journal.book(KIND, book_key(self._line.fixmedins_code, setl_id))
        if row is None:
            return None
        held = decode_list(row)
        await follow(self._journal, held)
        return row, held

    async def _known(self, setl_id: str) -> tuple[BookRow, SettlementList]:
        found = await self._read(setl_id)
        if found is None:
            raise Refusal.NOT_PREPARED.of(setl_id)
        return found

    async def _store(self, held: SettlementList, row: BookRow | None, step: str) -> BookRow:
        detail = {"setl_id": held.setl_id, "step": step, "state": held.state.value}
        event = AuditEvent("", "settlement-list", detail)
        try:
            return await self._journal.put_book(encode_list(held, row), events=[event])
        except StateError:
            raise Refusal.OTHER_STEP.of(held.setl_id) from None

    def _now(self) -> str:
        return stamp(self._clock.now().astimezone(CHINA))


def _stands(sources: Sources) -> bool:
    live = {one.msgid for one in sources.visit.live_settlements()}
    return sources.settlement.msgid in live


def _digest(content: Mapping[str, Any]) -> str:
    return sm3(msgspec.json.encode(content)).hex()
