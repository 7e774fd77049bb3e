"""What would be sent, field by field: the answer of `gateway explain`.

It shows raw values, so it belongs on the screen of the person who holds the file and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.errors import Problem
from gateway.fsi.definitions import Definitions
from gateway.intents import Source


class ExplainedField(msgspec.Struct, kw_only=True):
    """One national field and where its value comes from.

    `path` is the place in the input, `place` the one in the message, `raw` what stands there,
    `value` what is sent, `rule` the line of the message map. `later` marks a value that an earlier
    call of the plan will give.
    """

    path: str
    code: str
    label: str
    value: str = ""
    place: str = ""
    raw: str = ""
    rule: str = ""
    later: bool = False


class ExplainedCall(msgspec.Struct, kw_only=True):
    """One transaction of the plan."""

    infno: str
    name: str
    fields: list[ExplainedField] = []


class Explanation(msgspec.Struct, kw_only=True):
    """The plan for a message and everything wrong with it."""

    kind: str = ""
    verb: str = ""
    calls: list[ExplainedCall] = []
    problems: list[Problem] = []

    @property
    def sendable(self) -> bool:
        """True when every call could be sent."""
        return not any(problem.stops for problem in self.problems)


def explain_call(
    definitions: Definitions,
    infno: str,
    filled: Mapping[str, Any],
    sources: Mapping[str, Source],
    deferred: frozenset[str] = frozenset(),
) -> ExplainedCall:
    """Lay one input out field by field, in the order of the definition."""
    transaction = definitions.transaction(infno)
    call = ExplainedCall(infno=infno, name=transaction.name)
    for node in transaction.input:
        for path, row in _rows(node.name, filled.get(node.name)):
            for field in node.fields:
                where = f"{path}.{field.code}"
                later = field.required and field.code not in row and field.code in deferred
                if field.code not in row and not later:
                    continue
                source = sources.get(where, Source(""))
                call.fields.append(
                    ExplainedField(
                        path=where,
                        code=field.code,
                        label=field.name,
                        value=_text(row.get(field.code)),
                        place=source.place,
                        raw=source.raw,
                        rule=source.rule,
                        later=later,
                    )
                )
    return call


def _rows(name: str, node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, dict):
        yield name, node
    elif isinstance(node, list):
        for index, row in enumerate(node):
            if isinstance(row, dict):
                yield f"{name}[{index}]", row


def _text(value: Any) -> str:
    return "" if value is None else str(value)
