"""What a hospital's own clearing and settlement lists belong to.

A hospital may confirm a clearing month (3261, 3262) or upload a settlement list (4101, 4102) by
national JSON itself. Such a call stands in the journal under the key of the gateway's own work upon
the same month or list, so that each sees what the other did and nothing is done a second time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CONFIRM, ROLL_BACK = "3261", "3262"
CLEARING = frozenset({CONFIRM, ROLL_BACK})
LISTS = frozenset({"4101", "4101A"})
SUBMIT = "4102"

_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"0?[1-9]|1[0-2]")


def month_key(fixmedins_code: str, year: str, month: str) -> str:
    """What one confirmation at a time is in flight for.

    >>> month_key("H43010000001", "2026", "03")
    'H43010000001/clearing/202603'
    """
    return f"{fixmedins_code}/clearing/{year}{month}"


def back_key(fixmedins_code: str, year: str, month: str) -> str:
    """What one roll back at a time is in flight for."""
    return f"{month_key(fixmedins_code, year, month)}/back"


def list_key(fixmedins_code: str, setl_id: str) -> str:
    """What the transactions of a list are found by."""
    return f"{fixmedins_code}/list/{setl_id}"


def key_of(fixmedins_code: str, infno: str, content: Mapping[str, Any]) -> str:
    """The key of a call that a hospital composed; empty when it belongs to no month and no list.

    >>> key_of("H43010000001", "3262", {"data": {"trt_year": "2026", "trt_month": "3"}})
    'H43010000001/clearing/202603/back'
    >>> key_of("H43010000001", "4101", {"setlinfo": {"setl_id": "T1"}})
    'H43010000001/list/T1'
    >>> key_of("H43010000001", "4102", {"stastinfo": [{"setl_id": "T1"}, {"setl_id": "T2"}]})
    ''
    """
    if infno in CLEARING:
        node = _row(content.get("data"))
        year, month = str(node.get("trt_year") or ""), str(node.get("trt_month") or "")
        if not (_YEAR.fullmatch(year) and _MONTH.fullmatch(month)):
            return ""
        make = month_key if infno == CONFIRM else back_key
        return make(fixmedins_code, year, month.zfill(2))
    if infno in LISTS or infno == SUBMIT:
        node = _row(content.get("stastinfo" if infno == SUBMIT else "setlinfo"))
        setl_id = node.get("setl_id")
        return list_key(fixmedins_code, str(setl_id)) if setl_id else ""
    return ""


def _row(node: Any) -> Mapping[str, Any]:
    """The only row of a node."""
    if isinstance(node, list):
        node = node[0] if len(node) == 1 else None
    return node if isinstance(node, Mapping) else {}
