"""Rules about the members of a node: their spelling, and how an empty number is written."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import Problem, ProblemCode, ProblemKind
from gateway.fsi.findings import wrong_value
from gateway.fsi.rules.model import Rows, Rule, Scope


def spelled_as_defined(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A member whose name differs from a field's only in case is that field, misspelt."""
    lower = {code.lower(): field for code, field in scope.fields.items()}
    for path, row in rows:
        for name in row:
            if name in scope.fields or not isinstance(name, str):
                continue
            field = lower.get(name.lower())
            if field is not None and field.code not in row:
                yield scope.at(
                    Problem(
                        kind=ProblemKind.STRUCTURE,
                        code=ProblemCode.FIELD_VALUE,
                        field=field.code,
                        zh=f"字段名大小写有误，应为{field.code}",
                        en=f"the member should be spelt {field.code}",
                    ),
                    path,
                )


def empty_number_is_zero(scope: Scope, rows: Rows) -> Iterator[Problem]:
    """A number that is empty is sent as 0, not as an empty text."""
    numbers = [field for field in scope.fields.values() if field.type == "number"]
    for field in numbers:
        if field.required and not field.doubtful:
            continue
        code = field.code
        for path, row in rows:
            if row.get(code) == "":
                yield scope.at(
                    wrong_value(field, "为空时应填0", "should be 0 when it is empty"), path
                )


RULES = (
    Rule(
        name="member-spelling",
        text="Members are spelt as in the tables, upper and lower case included.",
        source=("1.12",),
        check=spelled_as_defined,
        careful=True,
    ),
    Rule(
        name="empty-number",
        text="An empty number is sent as 0.",
        source=("1.13",),
        doubt="deployed clients send an empty text, and platforms read it",
        check=empty_number_is_zero,
        careful=True,
    ),
)
