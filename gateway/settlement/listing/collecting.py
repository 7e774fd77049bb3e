"""What a settlement list is collected from: settlement, visit, messages, charge lines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from gateway.intents import Record, Settlement
from gateway.journal import Journal, SendRow, SendState
from gateway.settlement.listing.stays import Stay, read
from gateway.settlement.visits import Visit, decode_visit, visit_key
from gateway.settlement.work import rows

CHARGES = frozenset({"2204", "2301"})
ZERO = Decimal("0.00")

CLASSES = {"01": "claa_sumfee", "02": "clab_amt", "03": "fulamt_ownpay_amt"}
"""`chrgitm_lv` of a charge line -> its sum in `iteminfo`; any other is `oth_amt`."""


class Sources(msgspec.Struct, kw_only=True):
    """Everything a list is collected from."""

    settlement: Settlement
    visit: Visit
    send: SendRow
    stay: Stay
    diagnoses: list[Record] = []
    procedures: list[Record] = []
    items: list[Record] = []
    quantities: dict[str, Decimal] = {}
    """How much of each charge item, by the hospital's own code, the settlement has."""
    fixmedins_name: str = ""
    invono: str = ""
    """Number of the invoice that the settlement was asked for with."""


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
    _, stay = await read(journal, visit)
    items, quantities = await _items(journal, sends, visit, made)
    return Sources(
        settlement=made,
        visit=visit,
        send=send,
        stay=stay,
        diagnoses=stay.diagnoses_of(visit),
        procedures=stay.procedures or await _procedures(journal, sends),
        items=items,
        quantities=quantities,
        fixmedins_name=result.intent.facility.get("fixmedins_name") if result is not None else "",
        invono=result.intent.settlement.get("invono") if result is not None else "",
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
) -> tuple[list[Record], dict[str, Decimal]]:
    """The charges of the settlement by charge class, and the quantities of its items.

    The class of a line is the one that the platform gave it.
    """
    setl_id = made.info.get("setl_id")
    wanted = {
        line.feedetl_sn: line.item
        for batch in visit.batches
        if batch.setl_id == setl_id
        for line in batch.lines
    }
    sums: dict[str, dict[str, Decimal]] = {}
    quantities: dict[str, Decimal] = {}
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
            item = wanted[number]
            quantities[item] = quantities.get(item, ZERO) + line.amount("cnt")
            kind = sums.setdefault(line.get("med_chrgitm_type"), {})
            paid = line.amount("det_item_fee_sumamt")
            column = CLASSES.get(line.get("chrgitm_lv"), "oth_amt")
            for name in ("amt", column):
                kind[name] = kind.get(name, ZERO) + paid
    if seen != set(wanted):
        return [], {}  # a part of the lines would be a wrong sum
    columns = ("amt", *CLASSES.values(), "oth_amt")
    classes = [
        Record(
            {
                "med_chrgitm": kind,
                **{name: format(found.get(name, ZERO), "f") for name in columns},
            }
        )
        for kind, found in sorted(sums.items())
    ]
    return classes, quantities


def amount_of(value: Any) -> Decimal:
    """An amount of an input; what is none counts as not a number."""
    try:
        return Decimal(str(value)) if value not in (None, "") else ZERO
    except InvalidOperation:
        return Decimal("NaN")
