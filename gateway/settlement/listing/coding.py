"""The hospital's own codes of a list by the site's tables, on the day of each procedure.

A code was found when its message came. One that has no mapping any more, or was kept by an earlier
release, is a problem of the list: it stays as it is, and the list is not sent with it.
"""

from __future__ import annotations

from datetime import date

import msgspec

from gateway.errors import Problem
from gateway.intents import Record
from gateway.settlement.coding import OF_PROCEDURES, day_of_procedure, unmapped
from gateway.settlement.listing.movements import Department
from mappings.codes import CodeBook, Unmapped, physician


def procedures(
    found: list[Record], codes: CodeBook, settled_on: date
) -> tuple[list[Record], list[Problem]]:
    """The procedures with the national codes of what was done and by whom, and what has none.

    `settled_on` is the day that counts for a procedure without one.
    """
    problems: list[Problem] = []
    coded = [
        _procedure(one, at, codes, day_of_procedure(one) or settled_on, problems)
        for at, one in enumerate(found)
    ]
    return coded, problems


def _procedure(
    stated: Record, at: int, codes: CodeBook, on: date, problems: list[Problem]
) -> Record:
    coded = Record(dict(stated.values))
    for kind, code, name in OF_PROCEDURES:
        local = coded.get(code)
        if not local:
            continue
        system = coded.get("oprn_system") if kind == "operation" else ""
        try:
            found = codes.translate(kind, local, on=on, system=system)
        except Unmapped as error:
            if not (kind == "physician" and physician.is_valid(local)):
                problems.append(_told(unmapped(kind, code, coded, error), f"oprninfo[{at}].{code}"))
            continue
        coded.values[code] = found.code
        coded.values[name] = found.name or coded.get(name)
    return coded


def _told(problem: Problem, place: str) -> Problem:
    return msgspec.structs.replace(
        problem,
        place=place,
        remedy_zh="请在目录对照表中补充该编码后重新生成结算清单",
        remedy_en="add the code to the institution's code table and prepare the list again",
    )


def department(ward: str, codes: CodeBook, on: date) -> Department | None:
    """The department of a ward; None for a ward that the site's table does not have."""
    try:
        found = codes.translate("department", ward, on=on)
    except Unmapped:
        return None
    return Department(code=found.code, name=found.name, caty=found.caty or found.code)
