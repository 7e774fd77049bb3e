"""Ends an unknown outcome as something that did happen, by what the platform shows of it.

Nothing is believed that can be checked, and nothing is made up. `NEEDS` says what has to be known
of each transaction:

* A settlement or a cancellation: its setl_id. 5203 reads it back, and it has to be of our msgid,
  our visit, our person and our total.
* A registration or an admission: the mdtrt_id, which 5201 or 5303 has to show under the hospital's
  number of the visit.
* An upload, which no read can prove: the visit and the sum of its lines, both compared with what
  was sent.
* A filing: its trt_dcla_detl_sn, and 5301, 5302 or 5304 has to show a filing of this content. The
  withdrawal of one: the number that the message stated, as no read shows numbers.
* A settlement list that the hospital uploaded or handed in by itself: nothing; 4103 has to show the
  list, in the state that was ordered. Its own clearing confirmation: nothing, and no query shows it
  (decision 16): it is the operator's word.
* Every other change of the visit: the mdtrt_id, so that nobody confirms the wrong one.

What is confirmed is taken into the visit exactly as its reply would have been (`absorbing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import InvalidOperation
from typing import Any

import msgspec

from gateway.clock import CHINA
from gateway.errors import GatewayError, StateError
from gateway.intents import Call, Intent, Result, Status, Verb
from gateway.journal import AuditEvent, Journal, SendRow, VisitRow
from gateway.settings import InstitutionSettings, PeerSettings
from gateway.settlement.absorbing import absorb
from gateway.settlement.agreeing import TOTAL, MismatchError, differing
from gateway.settlement.asked import (
    PURCHASE,
    UPLOADS,
    NotConfirmedError,
    asked_of,
    batch_of,
    compare_sum,
    lines_of,
    sum_of,
    total_of,
)
from gateway.settlement.closing import Closer
from gateway.settlement.following import first_row, follow, known_visit
from gateway.settlement.office_keys import CLEARING, LISTS, SUBMIT
from gateway.settlement.plans import FILINGS, WITHOUT_VISIT
from gateway.settlement.preparing import Preparer
from gateway.settlement.proving import VISITS, NotShownError, Prover
from gateway.settlement.reading import NUMBERED
from gateway.settlement.sites import Sites, new_visit
from gateway.settlement.totals import Step
from gateway.settlement.visits import encode_visit
from gateway.settlement.work import Absorption, Work, rows

NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("2102", "2207", "2304"), ("setl_id",)),
    **dict.fromkeys(("2103", "2208", "2305"), ("setl_id",)),
    **dict.fromkeys(("2201", "2401", "2202", "2402", "2404", "2405"), ("mdtrt_id",)),
    **dict.fromkeys(("2205", "2302"), ("mdtrt_id",)),
    **dict.fromkeys(("2204", "2301"), ("mdtrt_id", TOTAL)),
    **dict.fromkeys(sorted(FILINGS), ("trt_dcla_detl_sn",)),
    **dict.fromkeys(sorted({*LISTS, SUBMIT, *CLEARING}), ()),
}
"""What has to be shown of a transaction to confirm it; nothing where what was sent says it all."""

OPENING = frozenset(VISITS)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform shows of a transaction; empty where it was not looked up.

    A stated `medfee_sumamt` (yuan) of a settlement is the platform's: the operator accepts it.
    """

    mdtrt_id: str = ""
    setl_id: str = ""
    medfee_sumamt: str = ""
    trt_dcla_detl_sn: str = ""


class Confirmer:
    """Confirms unknown outcomes; the caller holds the visit."""

    def __init__(
        self,
        *,
        sites: Sites,
        peers: Mapping[str, PeerSettings],
        journal: Journal,
        prover: Prover,
        closer: Closer,
    ) -> None:
        self._sites = sites
        self._peers = peers
        self._journal = journal
        self._prover = prover
        self._closer = closer

    async def confirm(self, send: SendRow, shown: Shown, event: AuditEvent, note: str) -> None:
        """Take the transaction in as done, and give its message the final answer.

        Raises:
            NotConfirmedError: it is not borne out.
        """
        for code in NEEDS.get(send.infno, ("",)):
            if not code or not getattr(shown, code):
                raise _needed(send.infno, code)
        result = await self._journal.stored_result(send.exchange_id)
        if result is None:
            raise NotConfirmedError(
                "该报文还没有答复，请发送方以相同消息号重发后再确认",
                "the message of this send has no answer yet: have its sender repeat it first",
            )
        try:
            row = await self.taken_in(send, shown, result)
        except NotConfirmedError:
            raise
        except NotShownError as error:
            raise NotConfirmedError(error.zh, str(error)) from error
        except MismatchError as error:
            raise _differs(error) from error
        except (GatewayError, InvalidOperation) as error:
            raise NotConfirmedError(
                "平台显示的内容无法记入该就诊", f"what is shown does not fit the visit: {error}"
            ) from error
        ids = {k: v for k, v in msgspec.structs.asdict(shown).items() if v}
        event = AuditEvent(event.exchange_id, event.station, {**event.detail, **ids})
        await self._journal.resolve_send(send.msgid, "confirmed", note, visit=row, events=[event])
        await self._closer.close(send.exchange_id)

    async def taken_in(
        self,
        send: SendRow,
        shown: Shown,
        result: Result,
        reply: Mapping[str, Any] | None = None,
    ) -> VisitRow | None:
        """The visit with the transaction in it; None for one that was only carried.

        `reply` is the output of its own reply; without it what is shown is read back.

        Raises:
            MismatchError: what the platform gives is of another visit, person or total.
            NotShownError: the platform does not show it.
            GatewayError: it cannot be taken in.
        """
        intent = result.intent
        visit = await self._closer.visit(send, intent)
        opens = send.infno in OPENING or send.infno == PURCHASE
        if intent.verb in WITHOUT_VISIT or (visit is None and not opens):
            if reply is None and send.infno in UPLOADS:
                compare_sum(rows(intent.carried, "feedetail"), shown.medfee_sumamt)
            number = intent.visit.get("mdtrt_id")
            output = reply if reply is not None else await self._output(send, shown, intent, number)
            settled = rows(output, "setlinfo") if intent.verb is Verb.CARRY else []
            if settled and (fields := differing(intent.carried, settled[0], shown.medfee_sumamt)):
                raise MismatchError(fields, settled[0].get("setl_id"))
            return await self.followed(send, intent, output)
        visit = visit or new_visit(intent, send.fixmedins_code)
        work = Work(
            intent=intent,
            result=Result(status=Status.DONE, intent=intent),
            visit=visit,
            classify=lambda _: "",
        )
        await self._identified(send, work)
        preparer = await self._preparer(send, intent)
        sent = datetime.fromisoformat(send.created_at).replace(tzinfo=CHINA)
        steps: Sequence[Step] = ()
        if preparer is not None and (not intent.coded or send.infno in UPLOADS):
            steps = preparer.prepare(intent, visit, sent).steps
        mdtrt_id = visit.visit.get("mdtrt_id")
        output = reply if reply is not None else await self._output(send, shown, intent, mdtrt_id)
        batches = await self._batches(send)
        lines = lines_of(send.infno, intent, batches, steps)
        if send.infno in UPLOADS:
            compare_sum(lines, shown.medfee_sumamt if reply is None else sum_of(lines))
        batch = batch_of(send.infno, visit, batches, output)
        total = sum_of(lines) if send.infno == PURCHASE else total_of(visit, batch)
        asked = asked_of(send, mdtrt_id, shown.medfee_sumamt or total)
        absorption = Absorption(
            infno=send.infno,
            msgid=send.msgid,
            output=output,
            batch=batch,
            lines=lines,
            asked=asked,
            today=send.created_at[:10],
        )
        absorb(work, absorption)
        return VisitRow(
            key=visit.key, state=visit.state.value, version=visit.version, data=encode_visit(visit)
        )

    async def followed(
        self, send: SendRow, intent: Intent, output: Mapping[str, Any]
    ) -> VisitRow | None:
        """The visit that a transaction of the hospital's own changed, if a message opened one."""
        original = await self._journal.send(send.reverses) if send.reverses else None
        if original is not None and original.state.value == "unknown":
            return None  # the visit never had it
        call = Call(
            infno=send.infno,
            input=intent.carried,
            fixmedins_code=send.fixmedins_code,
            fixmedins_name="",
            mdtrtarea_admvs="",
            visit_key=send.visit_key,
            reverses=send.reverses,
        )
        known = await known_visit(self._journal, call)
        try:
            return follow(known, call, send.msgid, output) if known is not None else None
        except StateError:
            return None  # what the visit, as we know it, cannot do: it happened all the same

    async def _identified(self, send: SendRow, work: Work) -> None:
        """Take in the identification of the message again: a crash may have forgotten it."""
        for other in await self._journal.sends(exchange_id=send.exchange_id):
            reply = await self._journal.reply(other.msgid) if other.infno == "1101" else None
            if reply is not None and other.state.value == "accepted":
                absorb(
                    work,
                    Absorption(
                        infno="1101",
                        msgid=other.msgid,
                        output=reply.output,
                        today=other.created_at[:10],
                    ),
                )
        work.intent.person.values.setdefault("psn_no", send.psn_no)

    async def _preparer(self, send: SendRow, intent: Intent) -> Preparer | None:
        exchange = await self._journal.exchange(send.exchange_id)
        peer = self._peers.get(exchange.peer) if exchange else None
        return self._sites.preparer(intent, peer) if peer else None

    async def _output(
        self, send: SendRow, shown: Shown, intent: Intent, mdtrt_id: str
    ) -> dict[str, Any]:
        """What the reply would have given.

        Raises:
            NotShownError: the platform does not show it.
            NotConfirmedError: what is entered is of another visit.
        """
        site = self._sites.get(send.fixmedins_code)
        assert site is not None
        institution = site.institution
        if send.infno in CLEARING:
            return {}
        if send.infno in LISTS or send.infno == SUBMIT:
            return await self._prover.listed(send, institution, intent.carried)
        if send.infno in FILINGS:
            return await self._filed(send, shown, intent, institution)
        if "setl_id" in NEEDS[send.infno]:
            mdtrt_id = mdtrt_id or shown.mdtrt_id
            if not mdtrt_id and send.infno == PURCHASE:
                return await self._purchase(send, shown, intent, institution)
            return await self._prover.settlement(
                send, institution, setl_id=shown.setl_id, mdtrt_id=mdtrt_id
            )
        if send.infno not in OPENING:
            if mdtrt_id and shown.mdtrt_id != mdtrt_id:
                raise _other_visit()
            return {}
        if intent.verb is not Verb.CARRY:
            found = await self._prover.visits(send, institution, intent)
            if shown.mdtrt_id not in {row.get("mdtrt_id") for row in found}:
                raise NotShownError(
                    "平台上没有该就诊号的这次就诊",
                    "the platform does not show this visit under the hospital's number",
                )
        return {"data": {"mdtrt_id": shown.mdtrt_id}, "result": {"mdtrt_id": shown.mdtrt_id}}

    async def _filed(
        self, send: SendRow, shown: Shown, intent: Intent, institution: InstitutionSettings
    ) -> dict[str, Any]:
        """A filing that the platform shows, or the withdrawal of the one that was meant."""
        stated = first_row(intent.carried) if intent.verb is Verb.CARRY else intent.filing
        if send.infno in NUMBERED:
            await self._prover.filing(send, institution, stated)
            return {"result": {"trt_dcla_detl_sn": shown.trt_dcla_detl_sn}}
        if stated.get("trt_dcla_detl_sn") != shown.trt_dcla_detl_sn:
            raise NotConfirmedError(
                "该备案号不是该报文撤销的备案的", "this number is not of the filing to be withdrawn"
            )
        return {}

    async def _purchase(
        self, send: SendRow, shown: Shown, intent: Intent, institution: InstitutionSettings
    ) -> dict[str, Any]:
        """A purchase among those that the person made around the time."""
        for row in await self._prover.visits_around(send, institution, intent):
            try:
                return await self._prover.settlement(
                    send, institution, setl_id=shown.setl_id, mdtrt_id=row.get("mdtrt_id")
                )
            except NotShownError:
                continue
        raise NotShownError(
            "平台没有这笔结算（5203）", "the platform has no such settlement (5203)"
        )

    async def _batches(self, send: SendRow) -> list[str]:
        """The charge batches that were in the call, as the audit has them."""
        for row in await self._journal.audit_trail(send.exchange_id):
            if row.station == "record" and row.detail.get("msgid") == send.msgid:
                return row.detail.get("batch", "").split()
        return []


def _needed(infno: str, code: str) -> NotConfirmedError:
    if not code:
        return NotConfirmedError(
            f"交易{infno}没有可核对的内容，不能确认",
            f"nothing that the platform shows confirms a {infno}",
        )
    return NotConfirmedError(
        f"确认交易{infno}需要平台显示的{code}",
        f"confirming a {infno} needs the {code} that the platform shows",
    )


def _differs(error: MismatchError) -> NotConfirmedError:
    fields = " ".join(error.fields)
    return NotConfirmedError(
        f"平台显示的结算与发送的不一致：{fields}",
        f"what the platform shows differs from what was sent: {fields}",
    )


def _other_visit() -> NotConfirmedError:
    return NotConfirmedError(
        "该mdtrt_id是另一次就诊的", "this mdtrt_id is of another visit than the message"
    )
