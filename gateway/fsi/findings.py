"""The findings of a check, worded once in Chinese and English.

A text names the field by its label and code. A value is shown only where it can identify nobody:
see `shown`.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.definitions import Field

IDENTIFYING = frozenset(
    {
        *("psn_no", "psn_name", "certno", "mdtrt_cert_no", "card_sn", "brdy", "tel", "addr"),
        *("coner_name", "coner_tel", "coner_addr", "curr_addr", "patn_name"),
        *("ipt_otp_no", "ipt_no"),
        *("medrcdno", "medcasno", "psnNo", "psnName", "patnName", "mdtrtCertNo", "cardSn"),
    }
)
"""Fields whose values are never shown, whatever they look like."""

_HARMLESS = re.compile(r"[0-9A-Z.]{1,8}", re.ASCII)
"""Dictionary codes and short amounts; too short for a certificate, card or telephone number."""


def shown(field: Field, value: Any) -> str:
    """The value in quotes for a text, empty when it might identify somebody."""
    text = str(value) if isinstance(value, str | int) else ""
    if field.code in IDENTIFYING or not _HARMLESS.fullmatch(text):
        return ""
    return f" {text!r}"


def named(field: Field) -> str:
    """Label and code of a field, for Chinese texts."""
    return f"{field.label}({field.code})" if field.name else field.code


def missing(field: Field) -> Problem:
    """A required field is empty."""
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        field=field.code,
        zh=f"{named(field)}不能为空",
        en=f"{field.code} is required",
    )


def missing_when(field: Field, zh: str, en: str) -> Problem:
    """A field is empty that is required under a condition."""
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.FIELD_REQUIRED,
        field=field.code,
        zh=f"{zh}时，{named(field)}不能为空",
        en=f"{field.code} is required when {en}",
    )


def wrong_type(field: Field, zh: str, en: str) -> Problem:
    """A value is of another type or form."""
    return Problem(
        kind=ProblemKind.TYPE,
        code=ProblemCode.FIELD_TYPE,
        field=field.code,
        zh=f"{named(field)}应为{zh}",
        en=f"{field.code} should be {en}",
    )


def too_long(field: Field, length: int) -> Problem:
    """A text has more characters than the table allows."""
    return Problem(
        kind=ProblemKind.LENGTH,
        code=ProblemCode.FIELD_LENGTH,
        field=field.code,
        zh=f"{named(field)}长度为{length}个字符，最多{field.max_length}个",
        en=f"{field.code} has {length} characters, at most {field.max_length} are allowed",
    )


def too_precise(field: Field) -> Problem:
    """A number has more digits before or behind the point than the table allows."""
    scale = field.scale
    whole = (field.precision or 0) - (scale or 0)
    if scale is None:
        zh, en = f"总位数最多{whole}位", f"at most {whole} digits"
    else:
        zh = f"整数最多{whole}位、小数最多{scale}位"
        en = f"at most {whole} digits before and {scale} behind the point"
    return Problem(
        kind=ProblemKind.LENGTH,
        code=ProblemCode.FIELD_LENGTH,
        field=field.code,
        zh=f"{named(field)}{zh}",
        en=f"{field.code} has {en}",
    )


def not_in_dictionary(field: Field, value: Any) -> Problem:
    """A value is none of its value set."""
    quoted = shown(field, value)
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        field=field.code,
        zh=f"{named(field)}的值{quoted.strip()}不在字典{field.dictionary}中",
        en=f"the value{quoted} of {field.code} is not in the dictionary {field.dictionary}",
    )


def wrong_value(field: Field, zh: str, en: str) -> Problem:
    """A value breaks a rule of its own."""
    return Problem(
        kind=ProblemKind.VALUE,
        code=ProblemCode.FIELD_VALUE,
        field=field.code,
        zh=f"{named(field)}{zh}",
        en=f"{field.code} {en}",
    )


def node_missing(name: str) -> Problem:
    """A node that has to be there is not."""
    return Problem(
        kind=ProblemKind.REQUIRED,
        code=ProblemCode.NODE_COUNT,
        field=name,
        zh=f"缺少节点{name}",
        en=f"node {name} is missing",
    )


def node_form(name: str, *, repeats: bool) -> Problem:
    """A node is no list or no object."""
    zh, en = ("由对象组成的数组", "a list of objects") if repeats else ("一个对象", "one object")
    return Problem(
        kind=ProblemKind.STRUCTURE,
        code=ProblemCode.NODE_COUNT,
        field=name,
        zh=f"节点{name or 'input'}应为{zh}",
        en=f"node {name or 'input'} should be {en}",
    )


def input_too_long(limit: int) -> Problem:
    """The whole input is above the limit of the envelope."""
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.INPUT_LIMIT,
        zh=f"交易输入超过{limit}个字符",
        en=f"the input has more than {limit} characters",
    )


def not_json() -> Problem:
    """The input holds something that JSON cannot carry."""
    return Problem(
        kind=ProblemKind.TYPE,
        code=ProblemCode.FIELD_TYPE,
        zh="交易输入含有无法编码的字符或数值",
        en="the input holds a text or number that cannot be encoded",
    )


def unknown_transaction(infno: str) -> Problem:
    """There is no such transaction."""
    known = infno if re.fullmatch(r"[0-9A-Z]{1,6}", infno, re.ASCII) else ""
    return Problem(
        kind=ProblemKind.UNSUPPORTED_EVENT,
        code=ProblemCode.NOT_SUPPORTED,
        zh=f"没有交易{known}",
        en=f"there is no transaction {known}".rstrip(),
    )
