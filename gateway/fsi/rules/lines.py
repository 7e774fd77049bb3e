"""Rules about charge lines, their numbers and amounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.definitions import Field
from gateway.fsi.findings import missing_when, named, wrong_value
from gateway.fsi.rules.conditions import required_when
from gateway.fsi.rules.model import Rows, Rule, Scope
from gateway.fsi.values import exact, is_empty

ALL_LINES = "0000"
"""feedetl_sn of 2302 that withdraws every line of the visit."""

PURCHASES = frozenset({"2101", "2102"})

SPLIT_SUMS = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
"""Wholly own, above the ceiling, paid by oneself first, within scope."""

_LINE_NUMBER = re.compile(r"[1-9]\d{0,14}", re.ASCII)


def line_number_of_digits(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """feedetl_sn: digits, not 0, at most 15 of them (section 9; in force since 2021-09-01)."""
    for path, row in rows:
        value = row.get("feedetl_sn")
        if isinstance(value, str | Decimal) and _LINE_NUMBER.fullmatch(str(value)):
            continue
        if is_empty(value) or (value == ALL_LINES and scope.infno == "2302"):
            continue
        number = exact(value)
        text = value if isinstance(value, str) else f"{number:f}" if number is not None else ""
        if not _LINE_NUMBER.fullmatch(text):
            problem = wrong_value(
                scope.fields["feedetl_sn"],
                "应为不超过15位的数字，且不为0",
                "should have at most 15 digits, the first of them not 0",
            )
            yield scope.at(problem, path)


def line_number_once(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A line number occurs once."""
    numbers = [row.get("feedetl_sn") for _, row in rows]
    texts = [number if type(number) is str else str(number) for number in numbers]
    if len(set(texts)) == len(texts):
        return
    field = scope.fields["feedetl_sn"]
    problem = Problem(
        kind=ProblemKind.DUPLICATE,
        code=ProblemCode.DUPLICATE_KEY,
        field=field.code,
        zh=f"{named(field)}重复",
        en=f"{field.code} occurs more than once",
    )
    seen: set[str] = set()
    for (path, _), number, text in zip(rows, numbers, texts, strict=True):
        if text in seen and not is_empty(number):
            yield scope.at(problem, path)
        seen.add(text)


def amount_of_line(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """Quantity times price is the amount of the line, within the tolerance."""
    field = scope.fields["det_item_fee_sumamt"]
    for path, row in rows:
        count, price = exact(row.get("cnt")), exact(row.get("pric"))
        amount = exact(row.get("det_item_fee_sumamt"))
        if count is None or price is None or amount is None:
            continue
        if abs(count * price - amount) > scope.tolerance:
            zh = f"与数量×单价{count}×{price}不符"
            yield scope.at(_unequal(field, amount, zh, f"cnt x pric, {count} x {price}"), path)


def _unequal(field: Field, amount: Decimal, zh: str, en: str) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.AMOUNT_MISMATCH,
        field=field.code,
        zh=f"{named(field)}{amount}{zh}",
        en=f"{field.code} {amount} is not {en}",
    )


def batch_of_one_disease(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """All lines of one chrg_bchno have the same dise_codg (section 9, 2204)."""
    first: dict[str, Any] = {}
    for path, row in rows:
        disease = "" if is_empty(row.get("dise_codg")) else row.get("dise_codg")
        if first.setdefault(str(row.get("chrg_bchno")), disease) != disease:
            problem = wrong_value(
                scope.fields["dise_codg"],
                "在同一收费批次内应相同",
                "should be the same in a charge batch",
            )
            yield scope.at(problem, path)


def original_of_return(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A line of negative quantity names the line that it returns."""
    for path, row in rows:
        count = exact(row.get("cnt"))
        if count is not None and count < 0 and is_empty(row.get("init_feedetl_sn")):
            field = scope.fields["init_feedetl_sn"]
            yield scope.at(missing_when(field, "数量为负(退费)", "cnt is negative"), path)


def return_is_negative(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A line that names the line it returns has a negative quantity."""
    for path, row in rows:
        if is_empty(row.get("init_feedetl_sn")):
            continue
        count = exact(row.get("cnt"))
        if count is not None and count >= 0:
            problem = wrong_value(
                scope.fields["cnt"],
                "应为负数：该明细填写了原费用流水号，为退费明细",
                "should be negative: the line names the one it returns",
            )
            yield scope.at(problem, path)


def price_not_negative(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """The price of a line is not negative; a return has a negative quantity."""
    for path, row in rows:
        price = row.get("pric")
        if type(price) is Decimal and price.is_finite() and not price.is_signed():
            continue
        number = exact(price)
        if number is not None and number < 0:
            problem = wrong_value(scope.fields["pric"], "不应为负数", "should not be negative")
            yield scope.at(problem, path)


def withdrawal_of_all_alone(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A row that withdraws every line of the visit stands alone."""
    problem = wrong_value(
        scope.fields["feedetl_sn"],
        "为0000(撤销全部明细)时不应再有其他行",
        "0000 withdraws every line and should stand alone",
    )
    every = [path for path, row in rows if row.get("feedetl_sn") == ALL_LINES]
    if every and len(rows) > 1:
        yield scope.at(problem, every[0])


def total_of_purchase(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """The total of a purchase is the sum of its lines."""
    for _path, content in rows:
        head, lines = content.get("druginfo"), content.get("drugdetail")
        if not isinstance(head, Mapping) or not isinstance(lines, list):
            continue
        total = exact(head.get("medfee_sumamt"))
        amounts = [
            exact(line.get("det_item_fee_sumamt")) if isinstance(line, Mapping) else None
            for line in lines
        ]
        if total is None or None in amounts:
            continue
        summed = sum((amount for amount in amounts if amount is not None), Decimal(0))
        if summed != total:
            field = scope.fields["medfee_sumamt"]
            zh, en = f"与明细合计{summed}不符", f"the sum of the lines, {summed}"
            yield _unequal(field, total, zh, en).at("druginfo.medfee_sumamt")


def parts_of_total(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """The four split sums, where all are given, add up to the total."""
    field = scope.fields["medfee_sumamt"]
    for path, row in rows:
        total = exact(row.get(field.code))
        parts = [exact(row.get(code)) for code in SPLIT_SUMS]
        if total is None or None in parts:
            continue
        summed = sum((part for part in parts if part is not None), Decimal(0))
        if summed != total:
            zh, en = f"与四项费用拆分合计{summed}不符", f"the sum of its four parts, {summed}"
            yield scope.at(_unequal(field, total, zh, en), path)


RULES = (
    Rule(
        name="line-number-digits",
        text="`feedetl_sn` has at most 15 digits, the first of them not 0.",
        source=("9.14", "10.3"),
        check=line_number_of_digits,
        needs=frozenset({"feedetl_sn"}),
    ),
    Rule(
        name="line-number-once",
        text="`feedetl_sn` occurs once in a call.",
        source=("9.14",),
        check=line_number_once,
        needs=frozenset({"feedetl_sn", "det_item_fee_sumamt"}),
    ),
    Rule(
        name="line-amount",
        text="`det_item_fee_sumamt` is `cnt` times `pric`, within the tolerance of the settings.",
        source=("7.8",),
        doubt="stated for remote pharmacies only",
        check=amount_of_line,
        needs=frozenset({"cnt", "pric", "det_item_fee_sumamt"}),
    ),
    Rule(
        name="line-price",
        text="`pric` is not negative, also on a return line.",
        source=("7.8",),
        doubt="stated for remote pharmacies only",
        check=price_not_negative,
        needs=frozenset({"cnt", "pric", "det_item_fee_sumamt"}),
    ),
    Rule(
        name="batch-one-disease",
        text="All lines of one `chrg_bchno` have the same `dise_codg`.",
        source=("9.13",),
        check=batch_of_one_disease,
        needs=frozenset({"chrg_bchno", "dise_codg"}),
        only=frozenset({"2204"}),
    ),
    Rule(
        name="return-names-original",
        text="A line with negative `cnt` has `init_feedetl_sn`.",
        source=("10.2",),
        check=original_of_return,
        needs=frozenset({"cnt", "init_feedetl_sn"}),
    ),
    Rule(
        name="return-is-negative",
        text="A line with `init_feedetl_sn` has a negative `cnt`.",
        source=("10.2",),
        check=return_is_negative,
        needs=frozenset({"cnt", "init_feedetl_sn"}),
    ),
    Rule(
        name="external-prescription-number",
        text="A line of an external prescription (`rx_circ_flag` 1) has its `rxno`.",
        source=("9.16",),
        doubt="the text says what the number is, not that it has to be there",
        check=required_when(
            "rxno", {"rx_circ_flag": ["1"]}, "外购处方标志为1(是)", "rx_circ_flag is 1"
        ),
        needs=frozenset({"rx_circ_flag", "rxno", "det_item_fee_sumamt"}),
    ),
    Rule(
        name="withdraw-all-alone",
        text="A row with `feedetl_sn` 0000 is the only one.",
        source=("10.4",),
        doubt="what other rows beside it do is not said",
        check=withdrawal_of_all_alone,
        needs=frozenset({"feedetl_sn"}),
        only=frozenset({"2302"}),
    ),
    Rule(
        name="purchase-total",
        text="`medfee_sumamt` of a purchase is the sum of its lines.",
        source=("7.1", "14.1"),
        doubt="not printed for the lines of a purchase",
        check=total_of_purchase,
        needs=frozenset({"medfee_sumamt", "det_item_fee_sumamt"}),
        only=PURCHASES,
        whole=True,
    ),
    Rule(
        name="split-sums",
        text="The four split sums of a settlement add up to `medfee_sumamt`.",
        source=("8.4",),
        doubt="the text asks for the four sums, not that they add up",
        check=parts_of_total,
        needs=frozenset({"medfee_sumamt", *SPLIT_SUMS}),
    ),
)
