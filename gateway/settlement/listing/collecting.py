"""A settlement list from what is stored: settlement, visit, messages, charge lines.

What only the records department has (occupation, contact, bill, procedures that no message brought)
comes beside it, as an object of the nodes of 4101; it goes before what is stored. A list is filled
by the field codes of its definition: the vocabulary of the records is that of the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from gateway.intents import Record, Settlement
from gateway.journal import Journal, SendRow, SendState
from gateway.settlement.filling import Filler
from gateway.settlement.visits import Visit, decode_visit, visit_key
from gateway.settlement.work import rows

CHARGES = frozenset({"2204", "2301"})
PROCEDURES = "oprninfo"
INFANT_DAYS = 366
"""Days of age below which the age is given in days."""
ZERO = Decimal("0.00")

CLASSES = {"01": "claa_sumfee", "02": "clab_amt", "03": "fulamt_ownpay_amt"}
"""`chrgitm_lv` of a charge line -> its sum in `iteminfo`; any other is `oth_amt`."""

Additions = Mapping[str, Any]
"""Nodes of 4101: an object for `setlinfo`, a list of objects for the others."""


class Sources(msgspec.Struct, kw_only=True):
    """Everything a list is collected from."""

    settlement: Settlement
    visit: Visit
    send: SendRow
    procedures: list[Record] = []
    items: list[Record] = []

    @property
    def diagnoses(self) -> list[Record]:
        """Those that came after the settlement, else those that the platform has."""
        return self.visit.listed.diagnoses or self.visit.diagnoses


async def gather(journal: Journal, send: SendRow) -> Sources | None:
    """What the journal holds of the settlement that a message made; None without a visit."""
    result = await journal.stored_result(send.exchange_id)
    number = result.intent.visit.get("ipt_otp_no") if result is not None else ""
    row = await journal.visit(visit_key(send.fixmedins_code, number)) if number else None
    if row is None:
        return None
    visit = decode_visit(row.data, row.version)
    made = next((one for one in visit.settlements if one.msgid == send.msgid), None)
    if made is None:
        return None
    sends = await journal.sends(visit_key=send.visit_key)
    return Sources(
        settlement=made,
        visit=visit,
        send=send,
        procedures=visit.listed.procedures or await _procedures(journal, sends),
        items=await _items(journal, sends, visit, made),
    )


async def _procedures(journal: Journal, sends: Sequence[SendRow]) -> list[Record]:
    """Those of the last message that made a call and states any, where the visit keeps none."""
    found: list[Record] = []
    for exchange_id in dict.fromkeys(send.exchange_id for send in sends if send.exchange_id):
        result = await journal.stored_result(exchange_id)
        if result is not None and result.intent.procedures:
            found = result.intent.procedures
    return found


async def _items(
    journal: Journal, sends: Sequence[SendRow], visit: Visit, made: Settlement
) -> list[Record]:
    """The charges of the settlement by charge class, as the platform classed its lines."""
    setl_id = made.info.get("setl_id")
    wanted = {
        line.feedetl_sn
        for batch in visit.batches
        if batch.setl_id == setl_id
        for line in batch.lines
    }
    sums: dict[str, dict[str, Decimal]] = {}
    seen: set[str] = set()
    for send in reversed(sends):
        if send.infno not in CHARGES or send.state is not SendState.ACCEPTED:
            continue
        reply = await journal.reply(send.msgid)
        for line in rows(reply.output, "result") if reply is not None else ():
            number = line.get("feedetl_sn")
            if number not in wanted or number in seen:
                continue
            seen.add(number)
            kind = sums.setdefault(line.get("med_chrgitm_type"), {})
            paid = line.amount("det_item_fee_sumamt")
            column = CLASSES.get(line.get("chrgitm_lv"), "oth_amt")
            for name in ("amt", column):
                kind[name] = kind.get(name, ZERO) + paid
    if seen != wanted:
        return []  # a part of the lines would be a wrong sum
    columns = ("amt", *CLASSES.values(), "oth_amt")
    return [
        Record(
            {
                "med_chrgitm": kind,
                **{name: format(found.get(name, ZERO), "f") for name in columns},
            }
        )
        for kind, found in sorted(sums.items())
    ]


def compose(
    sources: Sources,
    additions: Additions,
    filler: Filler,
    infno: str,
    *,
    defaults: Mapping[str, str],
) -> dict[str, Any]:
    """The input of 4101 or 4101A; an empty node is left out.

    A field is taken from the additions, then from what follows from the records, then from the
    records themselves, then from `defaults`.
    """
    visit, settlement = sources.visit, sources.settlement
    given = additions.get("setlinfo")
    own = Record({k: str(v) for k, v in given.items()} if isinstance(given, Mapping) else {})
    records = [own, _derived(sources), settlement.info, visit.visit, visit.person]
    records.append(Record(dict(defaults)))
    lists: dict[str, Sequence[Record]] = {
        "diseinfo": [_diagnosis(one) for one in sources.diagnoses],
        PROCEDURES: sources.procedures,
        "payinfo": settlement.funds,
        "iteminfo": sources.items,
    }
    for node, content in additions.items():
        if node != "setlinfo" and isinstance(content, list):
            lists[node] = [
                Record({k: str(v) for k, v in row.items()})
                for row in content
                if isinstance(row, Mapping)
            ]
    input_ = filler.fill(infno, rows=lists, records=records).input
    return {node: content for node, content in input_.items() if content}


def _diagnosis(stored: Record) -> Record:
    values = dict(stored.values)
    if stored.has("adm_cond"):
        values.setdefault("adm_cond_type", _PRESENT.get(stored.get("adm_cond"), "3"))
    return Record(values)


_PRESENT = {"Y": "1", "W": "2", "U": "3", "N": "4", "1": "1", "2": "2", "3": "3", "4": "4"}
"""DG1-26, present on admission (HL7 table 0895 or the national list) -> `adm_cond_type`."""


def _derived(sources: Sources) -> Record:
    """What follows from the records under another name, or by arithmetic."""
    visit, info = sources.visit.visit, sources.settlement.info
    person = sources.visit.person
    begin, end = visit.get("begntime"), visit.get("endtime") or info.get("setl_time")
    own_pay = info.amount("fulamt_ownpay_amt") + info.amount("overlmt_selfpay")
    part = info.amount("psn_part_amt")
    values = {
        "mdtrt_id": visit.get("mdtrt_id"),
        "psn_no": person.get("psn_no"),
        "medcasno": visit.get("medcasno") or visit.get("ipt_otp_no"),
        "adm_time": begin,
        "dscg_time": visit.get("endtime"),
        "setl_begn_date": begin[:10],
        "setl_end_date": end[:10],
        "act_ipt_days": _days(begin, visit.get("endtime")),
        "age": _age(person.get("brdy"), begin),
        "patn_cert_type": person.get("psn_cert_type"),
        "insuplc": person.get("insuplc_admdvs"),
        "hi_type": info.get("insutype") or person.get("insutype"),
        "adm_caty": visit.get("caty"),
        "dscg_caty": visit.get("caty"),
        "adm_dept_code": visit.get("dept_code"),
        "adm_dept_name": visit.get("dept_name"),
        "dscg_dept_code": visit.get("dept_code"),
        "dscg_dept_name": visit.get("dept_name"),
        "chfpdr_code": visit.get("atddr_no"),
        "chfpdr_name": visit.get("dr_name"),
        "bill_no": info.get("invono") or visit.get("invono"),
        "biz_sn": sources.send.msgid,
        "fixmedins_code": sources.send.fixmedins_code,
        "psn_ownpay": format(own_pay, "f"),
        "psn_selfpay": format(part - own_pay, "f"),
        "psn_cashpay": info.get("psn_cash_pay"),
        "diag_code_cnt": str(len(sources.diagnoses)),
        "oprn_oprt_code_cnt": str(len(sources.procedures)),
    }
    return Record({code: value for code, value in values.items() if value})


def _days(begin: str, end: str) -> str:
    """Days of a stay; one within a day counts as one."""
    if not begin or not end:
        return ""
    days = (date.fromisoformat(end[:10]) - date.fromisoformat(begin[:10])).days
    return str(max(1, days))


def _age(brdy: str, on: str) -> str:
    """Full years, empty below one year."""
    try:
        born, day = date.fromisoformat(brdy[:10]), date.fromisoformat(on[:10])
    except ValueError:
        return ""
    if (day - born).days < INFANT_DAYS:
        return ""
    return str(day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


def amount_of(value: Any) -> Decimal:
    """An amount of an input; what is none counts as not a number."""
    try:
        return Decimal(str(value)) if value not in (None, "") else ZERO
    except InvalidOperation:
        return Decimal("NaN")
