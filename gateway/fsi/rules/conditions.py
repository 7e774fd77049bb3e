"""Rules that differ only in the fields they are about: each is a row of data.

A value counts only in the form it is sent in; a wrong type or form is the finding of its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.findings import missing_when, named, wrong_value
from gateway.fsi.rules.model import Rows, RuleFunction, Scope
from gateway.fsi.values import exact, is_empty


def required_when(
    field: str, when: Mapping[str, Collection[str]], zh: str, en: str
) -> RuleFunction:
    """`field` is required in a row whose other fields have one of these values."""

    def check(scope: Scope, rows: Rows) -> Iterator[Problem]:
        for path, row in rows:
            for code, values in when.items():
                if _text(row.get(code)) not in values:
                    break
            else:
                if is_empty(row.get(field)):
                    yield scope.at(missing_when(scope.fields[field], zh, en), path)

    return check


def required_with(field: str, other: str) -> RuleFunction:
    """`field` is required in a row that has `other`."""

    def check(scope: Scope, rows: Rows) -> Iterator[Problem]:
        for path, row in rows:
            if is_empty(row.get(field)) and not is_empty(row.get(other)):
                stated = named(scope.fields[other])
                problem = missing_when(scope.fields[field], f"有{stated}", f"{other} is given")
                yield scope.at(problem, path)

    return check


def one_of(*codes: str) -> RuleFunction:
    """At least one of these fields is given; the finding is at the first."""

    def check(scope: Scope, rows: Rows) -> Iterator[Problem]:
        for path, row in rows:
            if all(is_empty(row.get(code)) for code in codes):
                labels = "、".join(named(scope.fields[code]) for code in codes)
                problem = Problem(
                    kind=ProblemKind.REQUIRED,
                    code=ProblemCode.FIELD_REQUIRED,
                    field=codes[0],
                    zh=f"{labels}至少填写一项",
                    en=f"one of {', '.join(codes)} is required",
                )
                yield scope.at(problem, path)

    return check


def formed(
    codes: Collection[str], form: str, zh: str, en: str, *, unless: Callable[[Any], bool] = is_empty
) -> RuleFunction:
    """Texts of these fields have a form."""
    match = re.compile(form, re.ASCII).fullmatch

    def check(scope: Scope, rows: Rows) -> Iterator[Problem]:
        for code in codes:
            field = scope.fields.get(code)
            if field is None:
                continue
            for path, row in rows:
                value = row.get(code)
                if not unless(value) and isinstance(value, str) and not match(value):
                    yield scope.at(wrong_value(field, zh, en), path)

    return check


def ordered(first: str, last: str) -> RuleFunction:
    """A time range does not end before it begins; days and moments compare as they are written."""

    def check(scope: Scope, rows: Rows) -> Iterator[Problem]:
        field = scope.fields[last]
        for path, row in rows:
            one, other = row.get(first), row.get(last)
            if isinstance(one, str) and isinstance(other, str) and one.strip() and other.strip():
                shorter = min(len(one), len(other))
                if other[:shorter] < one[:shorter]:
                    begin = named(scope.fields[first])
                    problem = wrong_value(field, f"早于{begin}", f"is before {first}")
                    yield scope.at(problem, path)

    return check


def whole_above_zero(*codes: str, most: int | None = None) -> RuleFunction:
    """Numbers that count: whole, at least 1, and at most `most`."""
    limit_zh, limit_en = (f"，最多{most}", f" of at most {most}") if most else ("", "")

    def check(scope: Scope, rows: Rows) -> Iterator[Problem]:
        for code in codes:
            for path, row in rows:
                number = exact(row.get(code))
                if number is None:
                    continue
                if number < 1 or number % 1 or (most is not None and number > most):
                    problem = wrong_value(
                        scope.fields[code],
                        f"应为大于0的整数{limit_zh}",
                        f"should be a whole number above 0{limit_en}",
                    )
                    yield scope.at(problem, path)

    return check


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
