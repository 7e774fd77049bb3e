"""Which map a message is for, where its event alone does not say it.

The charge lines of DFT by their transaction type, an authorization by what is to be authorized
(AUT-1, in EHC PSL-7), an invoice by its control (IVC-4), a query by parameter by its name (QPD-1).
A peer's own words are those of its value maps `authorization` and `query`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2 import financial
from gateway.hl7v2.events import MODIFYING
from gateway.hl7v2.query import with_query_person
from gateway.hl7v2.reader import Document
from gateway.settings import HL7Dialect

TRANSFER = "TRANSFER"
AUTHORIZED = frozenset({TRANSFER, "CHRONIC", "DESIGNATION"})
"""What can be authorized: words of AUT-1 and PSL-7, and ends of the maps' names."""

CONTROLS = {
    "EHC^E01": {"OR": "OR", "PD": "PD"},
    "EHC^E02": {"CN": "CN", "CG": "CG", "CI": "CG", "CL": "CG"},
}
"""IVC-4 (table 0553) of each event to the end of the map's name; CI and CL both say a line."""

QUERY = "QBP^Q11"


class Choice(NamedTuple):
    """The map, the message as it is to be understood, and what its charge lines ask for."""

    kind: str
    document: Document
    lines: financial.Lines | None = None


def choose(
    kind: str, document: Document, dialect: HL7Dialect, served: Collection[str], most: int
) -> Choice:
    """The map of a message; `most` is the limit of charge lines.

    Raises:
        InvalidError: the message does not say what it asks for, or asks for what is not served.
    """
    if kind in {"DFT^P03", "DFT^P11"}:
        lines = financial.sort_lines(document, dialect.ignored_transaction_types, most)
        if lines.problems:
            raise InvalidError(lines.problems)
        credit = financial.RETURN if lines.returns else financial.CREDIT
        ending = f" {credit}" if lines.credits else ""
        return Choice(f"{kind}{ending}", lines.document, lines)
    if kind in {"QBP^Q22", "QBP^Q23"}:
        return Choice(kind, with_query_person(document))
    if kind == QUERY:
        return _query(document, dialect, served)
    if kind in MODIFYING:
        kind = _modification(kind, document, dialect)
    if kind[:3] == "RQA":
        return Choice(_authorization(kind, document, dialect, "AUT", 1), document)
    if kind in {"EHC^E20", "EHC^E21"}:
        return Choice(_authorization(kind, document, dialect, "PSL", 7), document)
    if kind in CONTROLS:
        return Choice(f"{kind} {_control(kind, document)}", document)
    return Choice(kind, document)


def _query(document: Document, dialect: HL7Dialect, served: Collection[str]) -> Choice:
    query = document.first("QPD")
    stated = query.get(1) if query is not None else ""
    name = dialect.value_maps.get("query", {}).get(stated, stated)
    kind = f"{QUERY} {name}"
    if kind not in served:
        raise InvalidError([unknown_query()])
    return Choice(kind, with_query_person(document))


def unknown_query() -> Problem:
    """QPD-1 names no query of ours."""
    return _problem(
        ProblemKind.VALUE,
        ProblemCode.QUERY_UNKNOWN,
        "QPD[1]-1",
        "没有该名称的查询",
        "no such query",
    )


def _authorization(
    kind: str, document: Document, dialect: HL7Dialect, name: str, field: int
) -> str:
    segment = document.first(name)
    stated = segment.get(field) if segment is not None else ""
    word = dialect.value_maps.get("authorization", {}).get(stated, stated)
    if word in AUTHORIZED:
        return f"{kind} {word}"
    if document.first("RF1") is not None:
        return f"{kind} {TRANSFER}"
    if kind == "RQA^I08":
        return kind
    if kind == "EHC^E21" and not stated:
        return kind  # the answer to its E20 knows
    raise InvalidError(
        [
            _problem(
                ProblemKind.VALUE if stated else ProblemKind.REQUIRED,
                ProblemCode.FIELD_VALUE if stated else ProblemCode.FIELD_REQUIRED,
                f"{name}[1]-{field}",
                "没有说明备案种类（TRANSFER、CHRONIC或DESIGNATION）",
                "the kind of authorization is not TRANSFER, CHRONIC or DESIGNATION",
            )
        ]
    )


def _modification(kind: str, document: Document, dialect: HL7Dialect) -> str:
    """The event as which a changed filing is served.

    Raises:
        InvalidError: the peer may not change filings, or the message does not say which one.
    """
    if not dialect.modify_filings:
        raise InvalidError([_no_change()])
    if _filed_number(document):
        return kind
    if kind == "RQA^I10":
        return "RQA^I08"  # nothing is filed yet: there is nothing to withdraw
    raise InvalidError([_no_number(kind)])


def _filed_number(document: Document) -> str:
    """The number of the filing that a message is about: AUT-6, or RF1-11."""
    places = ((document.first("AUT"), 6), (document.first("RF1"), 11))
    found = (segment.get(field) for segment, field in places if segment is not None)
    return next((number for number in found if number), "")


def _no_number(kind: str) -> Problem:
    return _problem(
        ProblemKind.REQUIRED,
        ProblemCode.FIELD_REQUIRED,
        "RF1[1]-11" if kind == "REF^I13" else "AUT[1]-6",
        "没有说明要变更的备案号",
        "the number of the filing that is to be changed is missing",
    )


def _no_change() -> Problem:
    return _problem(
        ProblemKind.BUSINESS,
        ProblemCode.NOT_SUPPORTED,
        "MSH[1]-9",
        "备案不能修改，请撤销后重新备案",
        "cancel the filing and file anew",
    )


def _control(kind: str, document: Document) -> str:
    invoices = document.all("IVC")
    if len(invoices) > 1:
        raise InvalidError(
            [
                _problem(
                    ProblemKind.BUSINESS,
                    ProblemCode.NOT_SUPPORTED,
                    "IVC[2]",
                    "一条消息只能有一张发票",
                    "one invoice at most in a message",
                )
            ]
        )
    control = CONTROLS[kind].get(invoices[0].get(4))
    if control is None:
        raise InvalidError(
            [
                _problem(
                    ProblemKind.VALUE,
                    ProblemCode.FIELD_VALUE,
                    "IVC[1]-4",
                    "不支持该发票控制代码",
                    "the invoice control is not served",
                )
            ]
        )
    return control


def _problem(kind: ProblemKind, code: ProblemCode, place: str, zh: str, en: str) -> Problem:
    return Problem(kind=kind, code=code, zh=zh, en=en, place=place)
