"""The lines of DFT^P03 by their transaction type (FT1-6, table 0017).

CG is a charge. CD withdraws an unsettled charge batch, or gives back a part of an inpatient's
charge that FT1-31 names. PY asks for the settlement of a batch. Other types (CO, AJ) have no
transaction: they are refused unless the peer's settings leave them out, as they may any type.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.hl7v2.places import Place
from gateway.hl7v2.reader import Document, Segment
from gateway.intents import Record

CHARGE, CREDIT, PAYMENT = "CG", "CD", "PY"
RETURN = "CR"
"""End of the map for credits of which each names its charge (FT1-31) and says how much."""
_MEMBERS = frozenset({"NTE", "PR1", "ORC", "OBR", "OBX", "RXE", "RXO", "RXD", "RXR", "TQ1"})


class Lines(NamedTuple):
    """What the lines ask for. `document` is the message without the lines left out."""

    document: Document
    charges: int
    credits: int
    payments: int
    problems: list[Problem]
    returns: bool = False
    """Each credit names its charge (FT1-31) and says how much of it goes back."""


def sort_lines(document: Document, ignored: Collection[str], most: int) -> Lines:
    """Count the lines of each type, and report types that cannot be served together or at all.

    More than `most` lines are one problem, and nothing else is looked at.
    """
    kept = _without(document, ignored)
    if len(kept.all("FT1")) > most:
        return Lines(kept, 0, 0, 0, [_too_many(most)])
    found = {CHARGE: 0, CREDIT: 0, PAYMENT: 0}
    problems = []
    for line in kept.all("FT1"):
        kind = line.get(6)
        if kind not in found:
            problems.append(_bad_type(line, stated=bool(kind)))
            continue
        found[kind] += 1
        if kind == PAYMENT and found[kind] == 2:
            problems.append(
                _problem(line, "一条消息只能有一个结算行", "one payment line at most in a message")
            )
        if found[CREDIT] and (found[CHARGE] or found[PAYMENT]):
            problems.append(_mixed(line))
    returns = all(line.get(31) and line.get(11) for line in kept.all("FT1"))
    return Lines(kept, found[CHARGE], found[CREDIT], found[PAYMENT], problems, returns)


NAMING = frozenset({"feedetl_sn", "chrg_bchno", "init_feedetl_sn"})
"""Fields of a credit that say what goes back."""


def name_only(charges: Sequence[Record]) -> None:
    """Leave of credit lines what names a charge: a charge that goes back whole needs no more."""
    for charge in charges:
        charge.values = {code: text for code, text in charge.values.items() if code in NAMING}


def turn_round(charges: Sequence[Record]) -> None:
    """Give returned lines the signs of the interface: quantity and amount below zero."""
    for charge in charges:
        for code in ("cnt", "det_item_fee_sumamt"):
            text = charge.get(code)
            if text and not text.startswith("-"):
                charge.set(code, f"-{text}", charge.sources.get(code))


def _without(document: Document, ignored: Collection[str]) -> Document:
    if not ignored:
        return document
    kept: list[Segment] = []
    skipping = False
    for segment in document.segments:
        if segment.name == "FT1":
            skipping = segment.get(6) in ignored
        if not (skipping and (segment.name == "FT1" or segment.name in _MEMBERS)):
            kept.append(segment)
    return Document(kept, document.delimiters, document.codec)


def _too_many(most: int) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.INPUT_LIMIT,
        zh=f"费用行超过上限（{most}行）",
        en=f"more than {most} charge lines",
        place=str(Place("FT1", most + 1)),
    )


def _bad_type(line: Segment, *, stated: bool) -> Problem:
    return Problem(
        kind=ProblemKind.VALUE if stated else ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_VALUE if stated else ProblemCode.FIELD_REQUIRED,
        zh="费用行类型不支持" if stated else "缺少费用行类型",
        en="transaction type is not served" if stated else "transaction type is missing",
        place=str(Place("FT1", line.occurrence, 6)),
    )


def _mixed(line: Segment) -> Problem:
    return _problem(
        line,
        "退费行须单独成一条消息",
        "credit lines have to be sent in a message of their own",
    )


def _problem(line: Segment, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.NOT_SUPPORTED,
        zh=zh,
        en=en,
        place=str(Place("FT1", line.occurrence, 6)),
    )
