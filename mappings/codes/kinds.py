"""Which code systems the national code of a kind may come from."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Final, NamedTuple

from stdnum.exceptions import ValidationError

from mappings.codes import (
    chronic,
    consumable,
    department,
    disease,
    herbal,
    patent_drug,
    physician,
    preparation,
    service_item,
    surgery,
    tcm,
    western_drug,
)


class Kind(NamedTuple):
    """A kind of local code and the systems its national code may belong to."""

    name: str
    zh: str
    en: str
    systems: tuple[ModuleType, ...]


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind(
            "item",
            "收费项目",
            "charge item",
            (western_drug, patent_drug, herbal, preparation, service_item, consumable),
        ),
        Kind("diagnosis", "诊断", "diagnosis", (disease, tcm)),
        Kind("operation", "手术操作", "operation", (surgery,)),
        Kind("physician", "医师", "physician", (physician,)),
        Kind("department", "科室", "department", (department,)),
    )
}
"""The kinds that a table and `CodeBook.translate` know."""

_LOST_ZEROS: Final = {
    "item": re.compile(r"\d{12,14}"),
    "operation": re.compile(r"\d?\d(\.\d{1,3})?"),
}
_LIST_TYPES: Final = {"1": "XZTJ", "2": "0123456789", "3": "C"}


def system_name(system: ModuleType) -> str:
    """The name of a code system: that of its module."""
    return system.__name__.rpartition(".")[2]


SYSTEMS: Final = {
    system_name(system): system
    for system in (*(system for kind in KINDS.values() for system in kind.systems), chronic)
}
"""The code systems of which a national list may be loaded."""


def system_of(kind: str, code: str) -> ModuleType | None:
    """The code system of `kind` whose form the code has, None when it has none of them.

    >>> system_name(system_of("item", "001101000010000"))
    'service_item'
    >>> system_of("diagnosis", "001101000010000")
    """
    for system in KINDS[kind].systems:
        if system.is_valid(code):
            return system
    return None


def shape_error(kind: str, code: str) -> str:
    """Why `code` cannot be a national code of `kind`; empty when it can be.

    >>> shape_error("item", "1101000010000")
    "'1101000010000' has lost its leading zeros: store the column as text and export again"
    >>> shape_error("physician", "1001")
    "'1001' has not the form of a physician code (physician: InvalidLength)"
    """
    if system_of(kind, code) is not None:
        return ""
    lost = _LOST_ZEROS.get(kind)
    if lost is not None and lost.fullmatch(code):
        return f"{code!r} has lost its leading zeros: store the column as text and export again"
    reasons = ", ".join(
        f"{system_name(system)}: {_reason(system, code)}" for system in KINDS[kind].systems
    )
    return f"{code!r} has not the form of a {KINDS[kind].en} code ({reasons})"


def list_type_agrees(list_type: str, code: str) -> bool:
    """True when the code may stand in the list: 1xx drugs, 2xx service items, 3xx consumables.

    The second and third character differ by region and are not looked at.

    >>> list_type_agrees("101", "XJ01CAA040A001010405611"), list_type_agrees("201", "C01")
    (True, False)
    """
    return code[:1] in _LIST_TYPES.get(list_type[:1], "")


def _reason(system: ModuleType, code: str) -> str:
    try:
        system.validate(code)
    except ValidationError as error:
        return type(error).__name__
    return "valid"
