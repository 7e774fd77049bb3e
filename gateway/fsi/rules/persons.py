"""Rules about persons, certificates and institutions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from stdnum.cn import ric

from gateway.errors import Problem
from gateway.fsi.findings import wrong_value
from gateway.fsi.rules.conditions import one_of, required_when
from gateway.fsi.rules.model import Rows, Rule, Scope

_RESIDENT_ID = re.compile(r"\d{17}[\dXx]", re.ASCII)


def resident_identity_number(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Certno of a resident identity card (type 01): 18 places, a date, the check digit of GB 11643.

    The county code is not looked up: regions change names and codes.
    """
    for path, row in rows:
        kind = row.get("psn_cert_type", row.get("cert_type"))
        if kind == "01" and _is_wrong_id(row.get("certno")):
            yield scope.at(_no_identity_number(scope, "certno"), path)


def identity_card_as_voucher(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """The number of an identity card as voucher (type 02) is one."""
    for path, row in rows:
        if row.get("mdtrt_cert_type") == "02" and _is_wrong_id(row.get("mdtrt_cert_no")):
            yield scope.at(_no_identity_number(scope, "mdtrt_cert_no"), path)


def _no_identity_number(scope: Scope, code: str) -> Problem:
    return wrong_value(
        scope.fields[code],
        "不是有效的居民身份证号码(位数、出生日期或校验码错误)",
        "is no resident identity number (length, date of birth or check digit)",
    )


def _is_wrong_id(number: Any) -> bool:
    return isinstance(number, str) and bool(number.strip()) and not _is_resident_id(number)


def _is_resident_id(number: str) -> bool:
    if not _RESIDENT_ID.fullmatch(number):
        return False
    try:
        date.fromisoformat(number[6:14])
    except ValueError:
        return False
    return bool(number[-1].upper() == ric.calc_check_digit(number.upper()))


_CARD = "就诊凭证类型为03(社会保障卡)"

RULES = (
    Rule(
        name="card-number-with-card",
        text="`card_sn` is given when `mdtrt_cert_type` is 03, a social security card.",
        source=("4.3",),
        check=required_when("card_sn", {"mdtrt_cert_type": ["03"]}, _CARD, "mdtrt_cert_type is 03"),
        needs=frozenset({"mdtrt_cert_type", "card_sn"}),
    ),
    Rule(
        name="card-number-with-card-prescription",
        text="`cardSn` is given when `mdtrtCertType` is 03, a social security card.",
        source=("4.3",),
        check=required_when("cardSn", {"mdtrtCertType": ["03"]}, _CARD, "mdtrtCertType is 03"),
        needs=frozenset({"mdtrtCertType", "cardSn"}),
    ),
    Rule(
        name="identity-card-as-voucher",
        text="`mdtrt_cert_no` is an identity number when `mdtrt_cert_type` is 02.",
        source=("4.2",),
        doubt="what a person without an identity card sends is not said",
        check=identity_card_as_voucher,
        needs=frozenset({"mdtrt_cert_type", "mdtrt_cert_no"}),
    ),
    Rule(
        name="resident-identity-number",
        text="`certno` of certificate type 01 has 18 places, a date of birth and the check digit.",
        source=("GB 11643-1999",),
        check=resident_identity_number,
        needs=frozenset({"psn_cert_type", "certno"}),
    ),
    Rule(
        name="resident-identity-number-admission",
        text="The same where the type of certificate is called `cert_type`.",
        source=("GB 11643-1999", "10.8"),
        check=resident_identity_number,
        needs=frozenset({"cert_type", "certno"}),
    ),
    Rule(
        name="institution-name-or-code",
        text="An institution is asked for by `fixmedins_code` or `fixmedins_name`.",
        source=("4.8",),
        check=one_of("fixmedins_code", "fixmedins_name"),
        needs=frozenset({"fixmedins_code", "fixmedins_name"}),
        only=frozenset({"1201"}),
    ),
)
