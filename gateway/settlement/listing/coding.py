"""The hospital's own codes of a list by the site's tables, on the day of the settlement.

What has no mapping stays as it is: the check of the list finds it and says where.
"""

from __future__ import annotations

from datetime import date

from gateway.intents import Record
from gateway.settlement.listing.movements import Department
from mappings.codes import CodeBook, Unmapped

OF_PROCEDURES = (
    ("operation", "oprn_oprt_code", "oprn_oprt_name"),
    ("physician", "oper_dr_code", "oper_dr_name"),
    ("physician", "anst_dr_code", "anst_dr_name"),
)
"""Kind of code, its field in `oprninfo`, and the field of its name."""


def procedures(found: list[Record], codes: CodeBook, on: date) -> list[Record]:
    """The procedures with the national codes of what was done and by whom."""
    return [_procedure(one, codes, on) for one in found]


def _procedure(stated: Record, codes: CodeBook, on: date) -> Record:
    coded = Record(dict(stated.values))
    for kind, code, name in OF_PROCEDURES:
        if not coded.has(code):
            continue
        system = coded.get("oprn_system") if kind == "operation" else ""
        try:
            found = codes.translate(kind, coded.get(code), on=on, system=system)
        except Unmapped:
            continue
        coded.values[code] = found.code
        coded.values[name] = found.name or coded.get(name)
    return coded


def department(ward: str, codes: CodeBook, on: date) -> Department | None:
    """The department of a ward; None for a ward that the site's table does not have."""
    try:
        found = codes.translate("department", ward, on=on)
    except Unmapped:
        return None
    return Department(code=found.code, name=found.name, caty=found.caty or found.code)
