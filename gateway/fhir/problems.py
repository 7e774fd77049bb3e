"""Findings in a FHIR message, each written once and in both languages.

A text never repeats a value of the message: values identify patients. Element names and places
are the sender's own words and safe.
"""

from __future__ import annotations

from gateway.errors import Problem, ProblemCode, ProblemKind


def unreadable(zh: str, en: str, *, detail: str = "") -> Problem:
    """The bytes are not JSON."""
    return Problem(
        kind=ProblemKind.STRUCTURE, code=ProblemCode.READ_SYNTAX, zh=zh, en=en, detail=detail
    )


def too_much(zh: str, en: str, place: str = "") -> Problem:
    """A limit of size, depth or count."""
    return Problem(
        kind=ProblemKind.TOO_COSTLY, code=ProblemCode.READ_LIMIT, zh=zh, en=en, place=place
    )


def structure(place: str, zh: str, en: str) -> Problem:
    """An element that is not there in the definition, or not of its form."""
    return Problem(
        kind=ProblemKind.STRUCTURE, code=ProblemCode.READ_SYNTAX, zh=zh, en=en, place=place
    )


def required(place: str, zh: str, en: str) -> Problem:
    """Something that has to be there and is not."""
    return Problem(
        kind=ProblemKind.REQUIRED, code=ProblemCode.FIELD_REQUIRED, zh=zh, en=en, place=place
    )


def wrong_type(place: str, zh: str, en: str) -> Problem:
    """A value that is not of its data type."""
    return Problem(kind=ProblemKind.TYPE, code=ProblemCode.FIELD_TYPE, zh=zh, en=en, place=place)


def wrong_value(place: str, zh: str, en: str) -> Problem:
    """A value outside its value set, or one that contradicts another."""
    return Problem(kind=ProblemKind.VALUE, code=ProblemCode.FIELD_VALUE, zh=zh, en=en, place=place)


def not_supported(place: str, zh: str, en: str) -> Problem:
    """Valid FHIR that the interface has no counterpart for."""
    return Problem(
        kind=ProblemKind.UNSUPPORTED_TYPE,
        code=ProblemCode.NOT_SUPPORTED,
        zh=zh,
        en=en,
        place=place,
    )


def unsupported_type(place: str) -> Problem:
    """A resource type that is not served."""
    return Problem(
        kind=ProblemKind.UNSUPPORTED_TYPE,
        code=ProblemCode.TYPE_UNSUPPORTED,
        zh="不支持这种资源类型",
        en="this resource type is not served",
        place=place,
    )


def currency(place: str) -> Problem:
    """An amount in another currency (X-052)."""
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.CURRENCY,
        zh="币种必须是人民币（CNY）",
        en="the currency has to be CNY",
        place=place,
    )


def amounts_differ(place: str, zh: str, en: str) -> Problem:
    """Amounts that do not add up (X-051, F-010)."""
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.AMOUNT_MISMATCH,
        zh=zh,
        en=en,
        place=place,
        remedy_zh="请核对数量、单价和金额",
        remedy_en="check quantity, price and amount",
    )


def not_found(place: str, code: ProblemCode, zh: str, en: str) -> Problem:
    """A key that is not known here."""
    return Problem(kind=ProblemKind.NOT_FOUND, code=code, zh=zh, en=en, place=place)


def unmet(zh: str, en: str) -> Problem:
    """A condition of the request (If-Match, If-None-Exist) that does not hold (412)."""
    return Problem(kind=ProblemKind.LOCKED, code=ProblemCode.VERSION_CONFLICT, zh=zh, en=en)


def other_content(place: str) -> Problem:
    """The identifier was used for other content (409)."""
    return Problem(
        kind=ProblemKind.DUPLICATE,
        code=ProblemCode.DUPLICATE_KEY,
        zh="该标识已用于内容不同的资源",
        en="the identifier was used for other content",
        place=place,
        remedy_zh="更正后的内容请使用新的标识",
        remedy_en="give corrected content a new identifier",
    )
