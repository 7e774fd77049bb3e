"""What a rule is, and the parts that rules are built from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from gateway.errors import Problem, Severity
from gateway.fsi.definitions import Field, Node

Rows = Sequence[tuple[str, Mapping[str, Any]]]
"""The rows of a node, each with its path in the input ("feedetail[0]")."""

Level = Literal["stated", "doubtful"]
"""Stated by the text or its tables; or doubtful: silent, contradictory, or our conclusion."""


class Scope(msgspec.Struct, frozen=True):
    """What a rule is told besides the rows."""

    infno: str
    fields: Mapping[str, Field]
    """Fields of the node by code; of all nodes for a rule about the whole input."""
    tolerance: Decimal
    """Yuan by which an amount may differ from quantity times price."""
    reversible: frozenset[str] = frozenset()
    """Transactions that 2601 may undo."""

    def at(self, problem: Problem, path: str) -> Problem:
        """The problem at the field it is about, in the row of this path."""
        return problem.at(f"{path}.{problem.field}" if path else problem.field)


RuleFunction = Callable[[Scope, Rows], Iterator[Problem]]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule between fields, and where it holds.

    `source` names the statements of `statements.json` it comes from, or a standard. It is bound
    to the nodes that have all fields of `needs`, and `only` in the transactions named, if any.
    A `whole` rule sees the input itself as one row, and `needs` fields in any of its nodes.
    `careful` rules are about rows with something unusual and are left out for right ones.
    """

    name: str
    text: str
    source: tuple[str, ...]
    check: RuleFunction
    needs: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    doubt: str = ""
    """Why the rule is doubtful, empty when it is stated."""
    doubtful_in: frozenset[str] = frozenset()
    """Transactions in which a stated rule is doubtful."""
    whole: bool = False
    careful: bool = False

    def applies(self, infno: str, node: Node) -> bool:
        """True for a node of a transaction that the rule is about."""
        codes = {field.code for field in node.fields}
        return not self.whole and self._concerns(infno, codes)

    def applies_whole(self, infno: str, nodes: Sequence[Node]) -> bool:
        """True for the input of a transaction that the rule is about as a whole."""
        codes = {field.code for node in nodes for field in node.fields}
        return self.whole and self._concerns(infno, codes)

    def _concerns(self, infno: str, codes: set[str]) -> bool:
        return (not self.only or infno in self.only) and self.needs <= codes

    @property
    def level(self) -> Level:
        """How sure the rule is."""
        return "doubtful" if self.doubt else "stated"

    def severity(self, infno: str, strict: Sequence[str]) -> Severity:
        """An error, unless the rule is doubtful and the profile does not insist on it."""
        doubtful = bool(self.doubt) or infno in self.doubtful_in
        return Severity.WARNING if doubtful and self.name not in strict else Severity.ERROR


class BoundRule(msgspec.Struct, frozen=True):
    """A rule as one profile applies it to one node."""

    rule: Rule
    scope: Scope
    severity: Severity

    def weighed(self, problem: Problem) -> Problem:
        """A finding of the rule, with its name and weight."""
        return msgspec.structs.replace(
            problem, severity=self.severity, detail=f"rule {self.rule.name}"
        )
