"""Rules between the fields of an input (reference: rules of the interface).

Each rule is a small function in the table at the end. It is bound to the transactions whose input
has the fields it needs, and sees the rows of one node at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from stdnum.cn import ric

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.definitions import Field, Node
from gateway.fsi.findings import missing_when, named, wrong_value
from gateway.fsi.values import exact, is_empty

Rows = Sequence[tuple[str, Mapping[str, Any]]]
"""The rows of a node, each with its path in the input ("feedetail[0]")."""

ALL_LINES = "0000"
"""feedetl_sn of 2302 that withdraws every line of the visit."""

_LINE_NUMBER = re.compile(r"[1-9]\d{0,14}", re.ASCII)
_RESIDENT_ID = re.compile(r"\d{17}[\dXx]", re.ASCII)


class Scope(msgspec.Struct, frozen=True):
    """What a rule is told besides the rows."""

    infno: str
    fields: Mapping[str, Field]
    tolerance: Decimal
    """Yuan by which an amount may differ from quantity times price."""

    def at(self, problem: Problem, path: str) -> Problem:
        """The problem at the field it is about, in the row of this path."""
        return problem.at(f"{path}.{problem.field}" if path else problem.field)


RuleFunction = Callable[[Scope, Rows], Iterator[Problem]]


class Rule(NamedTuple):
    """A rule, the fields a node needs for it, and the transactions it is limited to."""

    check: RuleFunction
    needs: frozenset[str]
    only: frozenset[str] = frozenset()

    def applies(self, infno: str, node: Node) -> bool:
        """True for a node of a transaction that the rule is about."""
        return (not self.only or infno in self.only) and self.needs <= {
            field.code for field in node.fields
        }


def card_number_with_card(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """card_sn is required when mdtrt_cert_type is 03, a social security card (section 4)."""
    problem = missing_when(
        scope.fields["card_sn"], "就诊凭证类型为03(社会保障卡)", "mdtrt_cert_type is 03"
    )
    for path, row in rows:
        if row.get("mdtrt_cert_type") == "03" and is_empty(row.get("card_sn")):
            yield scope.at(problem, path)


def one_main_diagnosis(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Exactly one diagnosis that is not withdrawn has maindiag_flag 1 (section 10)."""
    field = scope.fields["maindiag_flag"]
    valid = [(path, row) for path, row in rows if row.get("vali_flag") != "0"]
    if not field.required and all(is_empty(row.get(field.code)) for _, row in valid):
        return
    main = [path for path, row in valid if row.get(field.code) == "1"]
    problem = wrong_value(
        field,
        f"：主要诊断应有且仅有一个，现有{len(main)}个",
        f"marks {len(main)} diagnoses, not one",
    )
    if valid and not main:
        yield scope.at(problem, valid[0][0])
    for path in main[1:]:
        yield scope.at(problem, path)


def line_number_of_digits(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """feedetl_sn: digits, not 0, at most 15 of them (section 9; in force since 2021-09-01)."""
    problem = wrong_value(
        scope.fields["feedetl_sn"],
        "应为不超过15位的数字，且不为0",
        "should have at most 15 digits, the first of them not 0",
    )
    for path, row in rows:
        value = row.get("feedetl_sn")
        if is_empty(value) or (value == ALL_LINES and scope.infno == "2302"):
            continue
        number = exact(value)
        text = value if isinstance(value, str) else f"{number:f}" if number is not None else ""
        if not _LINE_NUMBER.fullmatch(text):
            yield scope.at(problem, path)


def line_number_once(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """feedetl_sn is unique (section 9)."""
    seen: set[str] = set()
    for path, row in rows:
        number = str(row.get("feedetl_sn"))
        if number in seen and not is_empty(row.get("feedetl_sn")):
            yield scope.at(
                Problem(
                    kind=ProblemKind.DUPLICATE,
                    code=ProblemCode.DUPLICATE_KEY,
                    field="feedetl_sn",
                    zh=f"{named(scope.fields['feedetl_sn'])}重复",
                    en="feedetl_sn occurs more than once",
                ),
                path,
            )
        seen.add(number)


def amount_of_line(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Cnt times pric is det_item_fee_sumamt, within the tolerance."""
    field = scope.fields["det_item_fee_sumamt"]
    for path, row in rows:
        count, price, amount = (exact(row.get(c)) for c in ("cnt", "pric", field.code))
        if count is None or price is None or amount is None:
            continue
        if abs(count * price - amount) > scope.tolerance:
            yield scope.at(
                Problem(
                    kind=ProblemKind.BUSINESS,
                    code=ProblemCode.AMOUNT_MISMATCH,
                    field=field.code,
                    zh=f"{named(field)}{amount}与数量×单价{count}×{price}不符",
                    en=f"{field.code} {amount} is not cnt x pric, {count} x {price}",
                ),
                path,
            )


def batch_of_one_disease(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """All lines of one chrg_bchno have the same dise_codg (section 9, 2204)."""
    problem = wrong_value(
        scope.fields["dise_codg"], "在同一收费批次内应相同", "should be the same in a charge batch"
    )
    first: dict[str, Any] = {}
    for path, row in rows:
        disease = "" if is_empty(row.get("dise_codg")) else row.get("dise_codg")
        if first.setdefault(str(row.get("chrg_bchno")), disease) != disease:
            yield scope.at(problem, path)


def resident_identity_number(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Certno of a resident identity card (type 01): 18 places, a date, the check digit of GB 11643.

    The county code is not looked up: regions change names and codes.
    """
    problem = wrong_value(
        scope.fields["certno"],
        "不是有效的居民身份证号码(位数、出生日期或校验码错误)",
        "is no resident identity number (length, date of birth or check digit)",
    )
    for path, row in rows:
        kind, number = row.get("psn_cert_type", row.get("cert_type")), row.get("certno")
        if kind == "01" and isinstance(number, str) and number and not _is_resident_id(number):
            yield scope.at(problem, path)


def _is_resident_id(number: str) -> bool:
    if not _RESIDENT_ID.fullmatch(number):
        return False
    try:
        date.fromisoformat(number[6:14])
    except ValueError:
        return False
    return bool(number[-1].upper() == ric.calc_check_digit(number.upper()))


def disease_of_chronic_visit(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A chronic or special disease visit (med_type 14) carries its dise_codg (section 18)."""
    problem = missing_when(scope.fields["dise_codg"], "医疗类别为14(门诊慢特病)", "med_type is 14")
    for path, row in rows:
        if row.get("med_type") == "14" and is_empty(row.get("dise_codg")):
            yield scope.at(problem, path)


def date_of_death(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A discharge by death (dscg_way 5) carries die_date (section 10)."""
    problem = missing_when(scope.fields["die_date"], "离院方式为5(死亡)", "dscg_way is 5")
    for path, row in rows:
        if row.get("dscg_way") == "5" and is_empty(row.get("die_date")):
            yield scope.at(problem, path)


RULES = (
    Rule(card_number_with_card, frozenset({"mdtrt_cert_type", "card_sn"})),
    Rule(
        one_main_diagnosis,
        frozenset({"maindiag_flag"}),
        frozenset({"2203", "2401", "2402", "2403"}),
    ),
    Rule(line_number_of_digits, frozenset({"feedetl_sn"})),
    Rule(line_number_once, frozenset({"feedetl_sn", "det_item_fee_sumamt"})),
    Rule(amount_of_line, frozenset({"cnt", "pric", "det_item_fee_sumamt"})),
    Rule(batch_of_one_disease, frozenset({"chrg_bchno", "dise_codg"}), frozenset({"2204"})),
    Rule(resident_identity_number, frozenset({"psn_cert_type", "certno"})),
    Rule(resident_identity_number, frozenset({"cert_type", "certno"})),
    Rule(
        disease_of_chronic_visit, frozenset({"med_type", "dise_codg"}), frozenset({"2203", "2203A"})
    ),
    Rule(date_of_death, frozenset({"dscg_way", "die_date"}), frozenset({"2402"})),
)
"""Every rule; a further one is a function and a line here."""
