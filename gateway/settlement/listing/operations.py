"""What follows from when procedures took place: their ends, and how long a ventilator was used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from gateway.intents import Record
from gateway.settlement.listing.movements import TIME, in_minutes


def operations(procedures: Sequence[Record]) -> list[Record]:
    """The procedures, each with the end that follows from its begin and its minutes (PR1-7)."""
    return [_ended(one) for one in procedures]


def _ended(procedure: Record) -> Record:
    minutes = _minutes(procedure)
    if procedure.has("oprn_oprt_endtime") or minutes is None:
        return procedure
    begin = _time(procedure.get("oprn_oprt_begntime"))
    if begin is None:
        return procedure
    end = (begin + timedelta(minutes=minutes)).strftime(TIME)
    return Record({**procedure.values, "oprn_oprt_endtime": end})


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
    return in_minutes(sum(known))


def _taken(procedure: Record) -> int | None:
    begin = _time(procedure.get("oprn_oprt_begntime"))
    end = _time(procedure.get("oprn_oprt_endtime"))
    if begin is None or end is None:
        return _minutes(procedure)
    return int((end - begin).total_seconds() // 60) if end >= begin else None


def _minutes(procedure: Record) -> int | None:
    try:
        minutes = Decimal(procedure.get("minutes"))
    except InvalidOperation:
        return None
    return int(minutes) if 0 < minutes < 1_000_000 else None


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, TIME)  # noqa: DTZ007 - all times are China Standard Time
    except ValueError:
        return None
