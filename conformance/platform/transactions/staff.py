"""Practising staff of an institution (5102)."""

from __future__ import annotations

from typing import Any

from conformance.platform.call import Call

_ASKED = ("psn_cert_type", "certno", "prac_psn_name", "prac_psn_code")


def find_staff(call: Call) -> dict[str, Any]:
    """5102: staff of a kind, narrowed by certificate, name or national code."""
    data = call.node("data")
    rows = [
        row
        for row in call.store.all(
            "SELECT * FROM staff WHERE region = ? AND fixmedins_code = ? AND prac_psn_type = ? "
            "ORDER BY prac_psn_code",
            call.region.code,
            call.institution.fixmedins_code,
            data["prac_psn_type"],
        )
        if all(not data.get(code) or data[code] == row[code] for code in _ASKED)
    ]
    return {"feedetail": [call.shape("feedetail", dict(row)) for row in rows]}


HANDLERS = {"5102": find_staff}
