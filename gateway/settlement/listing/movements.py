"""What follows from where a patient was: intensive care, and the change of departments.

A ward is one of intensive care when the settings say so (`[settlement_list] intensive_care`), or
the message did (the type of a Location). Departments are those of the site's table; a ward that it
does not have is no department, and changes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from gateway.intents import Record
from mappings.messages.measures import days_hours_minutes

TIME = "%Y-%m-%d %H:%M:%S"
ARROW = "→"
"""Between the departments of several transfers (rules section 17)."""


class Department(msgspec.Struct, frozen=True, kw_only=True):
    """A department of the site: its national code, its name, its class (`caty`)."""

    code: str
    name: str
    caty: str


class Departments(msgspec.Struct, kw_only=True):
    """Those that a stay began and ended in, and its transfers joined by arrows."""

    first: Department | None = None
    last: Department | None = None
    transfers: str = ""


def standing(movements: Sequence[Record]) -> list[Record]:
    """The movements that were not cancelled, in the order of time."""
    return [one for one in movements if one.has("ward") and not one.has("cancelled")]


def intensive_care(
    movements: Sequence[Record], wards: Mapping[str, str], fixmedins_code: str, ended: str
) -> list[Record]:
    """The rows of `icuinfo`; a ward is left for the next one, at its own end, or with the stay.

    `wards` is the type of intensive care by ward, or by institution and ward with a slash between
    them; `ended` is the end of the stay, empty while it lasts: then the last row has no end.
    """
    rows: list[Record] = []
    known = standing(movements)
    for at, movement in enumerate(known):
        ward = movement.get("ward")
        kind = wards.get(f"{fixmedins_code}/{ward}") or wards.get(ward)
        kind = kind or movement.get("scs_cutd_ward_type")
        if not kind:
            continue
        begin = movement.get("begntime")
        following = known[at + 1].get("begntime") if at + 1 < len(known) else ended
        left = min(filter(None, (movement.get("endtime"), following)), default="")
        before = rows[-1] if rows and at and known[at - 1].get("ward") == ward else None
        if before is not None and before.get("scs_cutd_exit_time") == begin:
            row = before  # another bed of the same ward
        else:
            row = Record({"scs_cutd_ward_type": kind, "scs_cutd_inpool_time": begin})
            rows.append(row)
        row.values["scs_cutd_exit_time"] = left
    for row in rows:
        begin, end = row.get("scs_cutd_inpool_time"), row.values.pop("scs_cutd_exit_time")
        if end:
            row.values["scs_cutd_exit_time"] = end
            row.values["scs_cutd_sum_dura"] = duration(begin, end)
    return rows


def duration(begin: str, end: str) -> str:
    """The time between two moments as days/hours/minutes (rules section 17); nothing if reversed.

    >>> duration("2026-03-01 20:00:00", "2026-03-03 09:24:59")
    '1/13/24'
    """
    try:
        seconds = (datetime.strptime(end, TIME) - datetime.strptime(begin, TIME)).total_seconds()  # noqa: DTZ007 - both in China Standard Time
    except ValueError:
        return ""
    return days_hours_minutes(int(seconds // 60)) if seconds >= 0 else ""


def departments(
    movements: Sequence[Record], department_of: Callable[[str], Department | None]
) -> Departments:
    """The departments of a stay; one after another of the same class is no transfer."""
    found = [department_of(one.get("ward")) for one in standing(movements)]
    known = [one for one in found if one is not None]
    if not known:
        return Departments()
    changes = [one.caty for before, one in pairwise(known) if one.caty != before.caty]
    return Departments(first=known[0], last=known[-1], transfers=ARROW.join(filter(None, changes)))
