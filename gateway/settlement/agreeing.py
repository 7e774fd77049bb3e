"""Whether a settlement that the platform answers is the one that was asked for.

The reply to 2207, 2304, 2102 (or their computation, or cancellation) names the visit, the person
and the total. A reply that names another visit or person, or settles another sum, is no ordinary
success: what it says cannot be stored with this visit, and what happened cannot be undone by
looking away. It is reported field by field and goes to the operator. A field that a reply leaves
out is not held against it.

Source: the output tables of 2206 to 2208, 2303 to 2305; money identities, rules section 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.errors import GatewayError, Problem, ProblemCode, ProblemKind
from gateway.intents import Intent, Record

TOTAL = "medfee_sumamt"
COMPARED = ("mdtrt_id", "psn_no", TOTAL)
"""Fields of setlinfo that are compared."""

MISMATCH = "the reply is about something else:"
"""How the note of a send begins whose reply names another visit, person or total."""

_SETL_ID = re.compile(r"[0-9A-Za-z_-]{1,30}")

_NAMES = {
    "mdtrt_id": ("就诊ID", "the visit (mdtrt_id)"),
    "psn_no": ("人员编号", "the person (psn_no)"),
    TOTAL: ("医疗费总额", "the total (medfee_sumamt)"),
}


class MismatchError(GatewayError):
    """The platform accepted, and answered about another visit, person or total.

    `fields` are the field codes that differ; the text is for the note of the send: it has the
    fields and the setl_id, and no value that identifies a patient.
    """

    def __init__(self, fields: Sequence[str], setl_id: str = "") -> None:
        self.fields = tuple(fields)
        known = f"; setl_id {setl_id}" if _SETL_ID.fullmatch(setl_id) else ""
        super().__init__(f"{MISMATCH} {' '.join(fields)}{known}")


def is_mismatch(note: str) -> bool:
    """True for the note of such a send: no policy acts upon it, an operator does."""
    return note.startswith(MISMATCH)


def noted(note: str) -> tuple[str, ...]:
    """The fields that such a note names."""
    named = note.removeprefix(MISMATCH).partition(";")[0].split() if is_mismatch(note) else []
    return tuple(code for code in COMPARED if code in named)


def differing(asked: Mapping[str, Any], info: Record, total: str = "") -> tuple[str, ...]:
    """The fields in which a reply is not about what was asked, in the order of `COMPARED`.

    `asked` is the input of the call; `total`, in yuan, takes the place of the one it states (a
    cancellation states none). The sign of a total is left alone: some platforms answer a
    cancellation with negative amounts and some do not.
    """
    stated = {code: _find(asked, code) for code in COMPARED} | ({TOTAL: total} if total else {})
    return tuple(
        code
        for code in COMPARED
        if stated[code] and info.has(code) and not _same(code, stated[code], info.get(code))
    )


def _find(asked: Mapping[str, Any], code: str) -> str:
    """The value of a field in the first node that has it."""
    for node in asked.values():
        if isinstance(node, Mapping) and node.get(code) not in (None, ""):
            return str(node[code])
    return ""


def _same(code: str, one: str, other: str) -> bool:
    if code != TOTAL:
        return one == other
    try:
        return abs(Decimal(one)) == abs(Decimal(other))
    except InvalidOperation:
        return False


def mismatches(infno: str, fields: Sequence[str], intent: Intent) -> list[Problem]:
    """What the sender and the operator are told of a reply that is not about what was asked."""
    return [
        Problem(
            kind=ProblemKind.VALUE,
            code=ProblemCode.FSI_MISMATCH,
            field=code,
            place=_place(intent, code) or intent.place,
            zh=f"交易{infno}返回的{_NAMES[code][0]}与发送的不一致",
            en=f"the reply to {infno} differs from what was sent: {_NAMES[code][1]}",
            remedy_zh="请勿重复办理，请管理员与医保经办机构核对",
            remedy_en="do not repeat it; the operator clears it with the insurance bureau",
            detail=infno,
        )
        for code in fields
    ]


def _place(intent: Intent, code: str) -> str:
    records = (intent.settlement, intent.visit, intent.person)
    return next((place for record in records if (place := record.place(code))), "")
