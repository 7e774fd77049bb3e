"""What follows from when procedures took place: their ends, and how long a ventilator was used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from gateway.intents import Record
from gateway.settlement.listing.movements import TIME
from mappings.messages.measures import days_hours_minutes

ENDS = (
    ("oprn_oprt_begntime", "minutes", "oprn_oprt_endtime"),
    ("anst_begntime", "anst_minutes", "anst_endtime"),
)
"""Of a procedure and of its anaesthesia: the begin, how long it took, the end."""


def operations(procedures: Sequence[Record]) -> list[Record]:
    """The procedures with the ends that follow from begins and minutes (PR1-7, PR1-10)."""
    return [_ended(one) for one in procedures]


def _ended(procedure: Record) -> Record:
    ends = {}
    for begins, took, ended in ENDS:
        begin, minutes = _time(procedure.get(begins)), _minutes(procedure.get(took))
        if begin is not None and minutes is not None and not procedure.has(ended):
            ends[ended] = (begin + timedelta(minutes=minutes)).strftime(TIME)
    return Record({**procedure.values, **ends})


def ventilated(procedures: Sequence[Record], codes: Sequence[str]) -> str:
    """How long procedures of these codes took together, as days/hours/minutes.

    `codes` are beginnings of national codes. Empty where there is none of them, and where one does
    not say how long it took: a part of them would be a wrong sum.
    """
    found = [one for one in procedures if one.get("oprn_oprt_code").startswith(tuple(codes))]
    taken = [_taken(one) for one in found]
    known = [minutes for minutes in taken if minutes is not None]
    if not codes or not found or len(known) < len(found):
        return ""
    return days_hours_minutes(sum(known))


def _taken(procedure: Record) -> int | None:
    begin = _time(procedure.get("oprn_oprt_begntime"))
    end = _time(procedure.get("oprn_oprt_endtime"))
    if begin is None or end is None:
        return _minutes(procedure.get("minutes"))
    return int((end - begin).total_seconds() // 60) if end >= begin else None


def _minutes(text: str) -> int | None:
    try:
        minutes = Decimal(text)
    except InvalidOperation:
        return None
    return int(minutes) if 0 < minutes < 1_000_000 else None


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, TIME)  # noqa: DTZ007 - all times are China Standard Time
    except ValueError:
        return None
