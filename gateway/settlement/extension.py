"""`exp_content` of patients from another province (rules section 11, cross-province.md section 5).

The keys are looked for under their own names in the settlement options, the visit and the peer's
defaults. A key that follows from the medical type alone is filled in: an injury is `TRUM_FLAG` 1,
an emergency admission `IPT_TYPE` 2, an emergency visit `OTP_ER_REFL_FLAG` 1. Whether a third party
is involved in an injury only the hospital knows: it is never assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.fsi.rules.crossing import EXTENSION, INPATIENT, OF_MED_TYPE, OUTPATIENT, VALUES
from gateway.intents import Record


def is_from_another_province(insuplc_admdvs: str, mdtrtarea_admvs: str) -> bool:
    """True when the provinces differ; the corps (66) is a province of its own.

    >>> is_from_another_province("440300", "430100"), is_from_another_province("660800", "650100")
    (True, True)
    >>> is_from_another_province("500153", "500101"), is_from_another_province("", "430100")
    (False, False)
    """
    return bool(insuplc_admdvs) and insuplc_admdvs[:2] != mdtrtarea_admvs[:2]


def extend(infno: str, filled: dict[str, Any], records: Sequence[Record]) -> None:
    """Put the keys into the `exp_content` of the transaction's first node, beside what is there."""
    if infno not in OUTPATIENT | INPATIENT:
        return
    node = next((node for node in filled.values() if isinstance(node, dict)), None)
    if node is None:
        return
    keys = {
        key: value
        for key in VALUES
        if (value := next((r.get(key) for r in records if r.has(key)), ""))
    }
    med_type = node.get("med_type") or next((r.get("med_type") for r in records), "")
    for infnos, med_types, key, values in OF_MED_TYPE:
        if infno in infnos and med_type in med_types:
            keys.setdefault(key, min(values))
    if keys:
        stated = _stated(node.get(EXTENSION))
        node[EXTENSION] = msgspec.json.encode({**keys, **stated}).decode()


def _stated(text: Any) -> dict[str, Any]:
    """What the sender itself put there; anything but an object is left to the check to report."""
    try:
        content = msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, TypeError):
        return {}
    return content if isinstance(content, dict) else {}
