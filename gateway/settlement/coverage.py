"""Which insurance row of 1101 a visit uses (matrix 1.2, pooling.md sections 3 and 7).

The region of every later call is that of the chosen row, unchanged. Two rows that could both be
meant are a question to the sender, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.intents import Record

RANKS = ("310", "390")
"""Insurance types in the order in which one is taken when the sender names none."""

ACTIVE = "1"
"""psn_insu_stas of a row that pays: 1 normal. Where a region leaves the status out, a row pays
until its suspension date (paus_insu_date)."""


def is_active(row: Record, today: str) -> bool:
    """True for a row that pays; `today` is `yyyy-MM-dd`."""
    status, paused = row.get("psn_insu_stas"), row.get("paus_insu_date")[:10]
    return status == ACTIVE if status else not paused or paused > today


def choose_insurance(
    rows: Sequence[Record], *, insutype: str, insuplc_admdvs: str, today: str = ""
) -> Record:
    """The row that matches what the sender stated, or the only one of the best rank.

    Raises:
        InvalidError: no active row, or several that could be meant.
    """
    active = [row for row in rows if is_active(row, today)]
    if insutype:
        active = [row for row in active if row.get("insutype") == insutype]
    if not active:
        raise InvalidError([_none(insutype)])
    if len(active) > 1 and insuplc_admdvs:
        active = [r for r in active if r.get("insuplc_admdvs") == insuplc_admdvs] or active
    if len(active) > 1 and not insutype:
        best = min((_rank(row) for row in active), default=0)
        active = [row for row in active if _rank(row) == best]
    if len(active) > 1:
        raise InvalidError([_several(active)])
    return active[0]


def _rank(row: Record) -> int:
    insutype = row.get("insutype")
    return RANKS.index(insutype) if insutype in RANKS else len(RANKS)


def _none(insutype: str) -> Problem:
    which = f"险种{insutype}" if insutype else "有效参保"
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.COVERAGE_NONE,
        field="insutype",
        zh=f"参保信息中没有正常参保的{which}记录",
        en=f"no active insurance{' of type ' + insutype if insutype else ''} for this person",
        remedy_zh="请核对参保状态，或按自费处理",
        remedy_en="check the insurance status, or treat as self-pay",
    )


def _several(rows: Sequence[Record]) -> Problem:
    choices = "、".join(f"{r.get('insutype')}@{r.get('insuplc_admdvs')}" for r in rows)
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.COVERAGE_AMBIGUOUS,
        field="insutype",
        zh=f"有多条有效参保记录（{choices}），请指明险种和参保地",
        en=f"several active insurances ({choices}): state insurance type and insured region",
        remedy_zh="HL7：填写IN1-15和IN1-3；FHIR：填写Coverage.type和payor",
        remedy_en="HL7: fill IN1-15 and IN1-3; FHIR: fill Coverage.type and payor",
    )
