"""A call of an institution's own: who sends it, for which place, and as which operator."""

from __future__ import annotations

from typing import Any

from gateway.intents import Call
from gateway.settings import InstitutionSettings


def call_of(
    institution: InstitutionSettings, infno: str, content: dict[str, Any], **more: Any
) -> Call:
    """A transaction that the institution makes as its settings have it.

    `more` are further members of the `Call`, which take the place of the settings' own.
    """
    members = {
        "fixmedins_code": institution.fixmedins_code,
        "fixmedins_name": institution.fixmedins_name,
        "mdtrtarea_admvs": institution.mdtrtarea_admvs,
        "opter": institution.opter,
        "opter_name": institution.opter_name,
        "opter_type": institution.opter_type,
    }
    return Call(infno=infno, input=content, **{**members, **more})
