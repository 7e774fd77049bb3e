"""What the platform shows of a transaction whose reply never came: reads that prove it.

A read that finds the transaction proves that it happened. A read that finds nothing proves
nothing: the original may still arrive (DESIGN section 5).

* 5203 gives a settlement by its setl_id; its medins_setl_id has to be our msgid (rules section 7).
* 5201 gives the visits of a person and a medical type; ours is known by the hospital's number of
  it. It proves the visit, not a settlement (rules section 18).
* 5303 gives the stays that began in a time; the same holds.
* 4103 gives the list of a settlement, and its state: it proves that the centre has one.
* 5301, 5302 and 5304 give the filings of a person, without their number: they prove that there is
  one of this content (reference: matrix 1.6), and the number is the operator's word.

5204 needs a setl_id, too, and cannot list unsettled lines, so that no read proves an upload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import stamp
from gateway.errors import GatewayError
from gateway.fsi.calls import call_of
from gateway.intents import Accepted, Intent, Record
from gateway.journal import SendRow
from gateway.settings import InstitutionSettings
from gateway.settlement.dispatching import Dispatcher
from gateway.settlement.following import first_row
from gateway.settlement.reading import RENAMED
from gateway.settlement.work import rows

SETTLEMENT = "5203"
LIST = "4103"
ORDERED = ("setlinfo", "stastinfo")
"""Node of an uploaded list, and of an order about one (4102)."""
TAKEN_BACK = "0"
"""`stas_type` of a list that is not handed in."""
BY_TYPE = ("5201", "mdtrtinfo")
VISITS = {"2201": BY_TYPE, "2401": ("5303", "data")}
"""Transaction that opens a visit -> the query that shows it, and the node of its rows."""

_BOTH = ("begndate", "enddate")
FILED = {
    "2501": ("5304", "refmedin", ("reflin_medins_no", "reflin_medins_name", *_BOTH, "refl_date")),
    "2503": ("5301", "feedetail", ("opsp_dise_code", *_BOTH)),
    "2505": ("5302", "psnfixmedin", ("fixmedins_code", "fix_srt_no", *_BOTH)),
}
"""Filing -> the query that shows it, the node of its rows, and the fields that say which it is."""

AROUND = timedelta(days=1)
"""A visit is looked for this long before and after it was sent."""


class NotShownError(GatewayError):
    """The platform does not show it; that is no proof that it did not happen.

    `zh` says the same in Chinese.
    """

    def __init__(self, zh: str, en: str) -> None:
        self.zh = zh
        super().__init__(en)


class Prover:
    """Asks the platform for an institution, within the exchange of the send in question."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def settlement(
        self, send: SendRow, institution: InstitutionSettings, *, setl_id: str, mdtrt_id: str
    ) -> dict[str, Any]:
        """The settlement as its own reply would have given it (setlinfo, setldetail).

        Raises:
            NotShownError: the platform has none of this number, or another message made it.
        """
        data = {"psn_no": send.psn_no, "setl_id": setl_id, "mdtrt_id": mdtrt_id}
        output = await self._asked(send, institution, SETTLEMENT, data)
        info = output.get("setlinfo")
        if not isinstance(info, dict):
            raise NotShownError("5203没有返回结算信息", "the reply to 5203 has no settlement")
        for theirs, ours in RENAMED.items():
            if info.get(theirs) not in (None, "") and info.get(ours) in (None, ""):
                info[ours] = info[theirs]
        if str(info.get("medins_setl_id") or "") != send.msgid:
            raise NotShownError(
                f"结算{setl_id}是由另一条报文办理的",
                f"the settlement {setl_id} was made by another message",
            )
        return output

    async def visits(
        self, send: SendRow, institution: InstitutionSettings, intent: Intent
    ) -> list[Record]:
        """The visits of the person that the platform has under the hospital's number.

        A row without a number is left out: it proves nothing.

        Raises:
            NotShownError: the platform did not answer the query.
        """
        number = intent.visit.get("ipt_otp_no")
        found = await self.visits_around(send, institution, intent)
        return [row for row in found if row.get("ipt_otp_no") == number]

    async def visits_around(
        self, send: SendRow, institution: InstitutionSettings, intent: Intent
    ) -> list[Record]:
        """The visits that the platform has of the person around the send, whatever their number.

        Raises:
            NotShownError: the platform did not answer the query.
        """
        infno, node = VISITS.get(send.infno, BY_TYPE)
        begin, end = _span(send, intent)
        data = {"psn_no": send.psn_no, "begntime": begin, "endtime": end}
        if infno == "5201":
            own = first_row(intent.carried)  # of a purchase that its pharmacy composed itself
            data["med_type"] = intent.visit.get("med_type") or own.get("med_type")
        output = await self._asked(send, institution, infno, data)
        return [
            row
            for row in rows(output, node)
            if row.has("mdtrt_id") and row.get("psn_no", send.psn_no) == send.psn_no
        ]

    async def filing(self, send: SendRow, institution: InstitutionSettings, stated: Record) -> None:
        """See that the platform has a filing of what was stated.

        Raises:
            NotShownError: it shows none, or did not answer.
        """
        infno, node, codes = FILED[send.infno]
        data = {"psn_no": send.psn_no}
        if infno == "5302":
            data["biz_appy_type"] = stated.get("biz_appy_type")
        elif infno == "5304":
            sent = datetime.fromisoformat(send.created_at)
            data |= {"begntime": stamp(sent - AROUND), "endtime": stamp(sent + AROUND)}
        output = await self._asked(send, institution, infno, data)
        if not any(_same(stated, row, codes) for row in rows(output, node)):
            raise NotShownError(
                f"平台没有显示这项备案（{infno}）",
                f"the platform shows no filing of what was sent ({infno})",
            )

    async def listed(
        self, send: SendRow, institution: InstitutionSettings, stated: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See that the centre has the settlement list that was uploaded, or as it was ordered.

        There is nothing else in it that a visit would need: an empty output.

        Raises:
            NotShownError: it shows none, or another state, or did not answer.
        """
        for row in next((found for node in ORDERED if (found := rows(stated, node))), [Record()]):
            data = {"psn_no": row.get("psn_no") or send.psn_no, "setl_id": row.get("setl_id")}
            output = await self._asked(send, institution, LIST, data)
            if not _is_as_ordered(row.get("stas_type"), rows(output, "setlinfo")):
                raise NotShownError(
                    "平台没有显示该结算清单的这一状态（4103）",
                    "the platform does not show the settlement list in this state (4103)",
                )
        return {}

    async def _asked(
        self,
        send: SendRow,
        institution: InstitutionSettings,
        infno: str,
        data: dict[str, str],
    ) -> dict[str, Any]:
        call = call_of(
            institution,
            infno,
            {"data": data},
            insuplc_admdvs=send.insuplc_admdvs,
            psn_no=send.psn_no,
            visit_key=send.visit_key,
        )
        outcome = (await self._dispatcher.dispatch(call, exchange_id=send.exchange_id)).outcome
        if not isinstance(outcome, Accepted):
            raise NotShownError(
                f"平台没有给出查询结果（{infno}）", f"the platform does not show it ({infno})"
            )
        return dict(outcome.reply.output)


def _is_as_ordered(ordered: str, found: Sequence[Record]) -> bool:
    """True for a list that is there, and stands as a 4102 ordered it, or was judged since."""
    shown = found[0].get("stas_type") if found else ""
    handed_in = ordered not in ("", TAKEN_BACK) and shown not in ("", TAKEN_BACK)
    return bool(found) and (not ordered or ordered == shown or handed_in)


def _same(stated: Record, row: Record, codes: Sequence[str]) -> bool:
    """True when every field that both have is equal, and the first that was stated is there.

    A time of day beside a date says nothing of another filing.
    """
    known = [code for code in codes if stated.has(code)]
    if not known or not row.has(known[0]):
        return False

    def text(record: Record, code: str) -> str:
        value = record.get(code)
        return value[:10] if code.endswith("date") else value

    return all(text(stated, code) == text(row, code) for code in known if row.has(code))


def _span(send: SendRow, intent: Intent) -> tuple[str, str]:
    """Around the send and the stated beginning of the visit."""
    times = sorted(_times(send, intent))
    return stamp(times[0] - AROUND), stamp(times[-1] + AROUND)


def _times(send: SendRow, intent: Intent) -> Iterator[datetime]:
    yield datetime.fromisoformat(send.created_at)
    try:
        yield datetime.fromisoformat(intent.visit.get("begntime"))
    except ValueError:
        return
