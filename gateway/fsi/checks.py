"""Does an input hold what its transaction asks for?

Compiled once per transaction from the definitions and the profile, then run for each call: nodes
present and of their form, fields present, of their type, length, precision and value set, the
rules between fields, and the size of the whole. Everything wrong is reported at once, each with
its path in the input (`feedetail[0].cnt`, counted from 0).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from gateway.errors import Problem
from gateway.fsi import findings
from gateway.fsi.definitions import Definitions, Field, Node
from gateway.fsi.profiles import Profile
from gateway.fsi.rules import RULES, Rule, Scope
from gateway.fsi.values import ValueCheck, is_empty, value_check
from gateway.fsi.wire import encode_json

AMOUNT_TOLERANCE = Decimal("0.01")
"""Yuan by which cnt x pric may differ from the stated amount of a line."""

MAX_PROBLEMS = 500
"""Problems of one input that are reported; nobody reads more."""

_RULED_FIELDS = frozenset({"feedetl_sn"})
"""Fields whose form a rule checks, because editions disagree about their type."""


class _FieldCheck(NamedTuple):
    code: str
    required: bool
    missing: Problem
    check: ValueCheck | None


class _NodeCheck(msgspec.Struct, frozen=True):
    node: Node
    fields: tuple[_FieldCheck, ...]
    by_code: Mapping[str, Field]
    children: tuple[_NodeCheck, ...]
    rules: tuple[Rule, ...]


class _Run(msgspec.Struct):
    """One check under way."""

    infno: str
    deferred: Collection[str]
    tolerance: Decimal
    found: list[Problem] = []

    @property
    def full(self) -> bool:
        return len(self.found) >= MAX_PROBLEMS


class Checker:
    """Checks inputs against one edition as one profile uses it."""

    def __init__(
        self,
        definitions: Definitions,
        profile: Profile,
        *,
        amount_tolerance: Decimal = AMOUNT_TOLERANCE,
    ) -> None:
        self._definitions = definitions
        self._open = frozenset(profile.open_dictionaries)
        self._limit = profile.max_input_characters
        self._tolerance = amount_tolerance
        self._compiled: dict[str, tuple[_NodeCheck, ...]] = {}

    def check(
        self,
        infno: str,
        input: Any,  # noqa: A002 - the interface's word for it
        *,
        deferred: Collection[str] = (),
    ) -> list[Problem]:
        """Every problem of this input, in the order of its nodes and rows.

        `input` is the object of nodes; `deferred` names fields and nodes that an earlier call of
        the same plan will fill: they may be missing.
        """
        if infno not in self._definitions:
            return [findings.unknown_transaction(infno)]
        run = _Run(infno, frozenset(deferred), self._tolerance)
        if not isinstance(input, dict):
            return [findings.node_form("", repeats=False)]
        for node in self._nodes(infno):
            _check_node(run, node, input, "")
        self._check_size(run, input)
        return run.found[:MAX_PROBLEMS]

    def _nodes(self, infno: str) -> tuple[_NodeCheck, ...]:
        compiled = self._compiled.get(infno)
        if compiled is None:
            nodes = self._definitions.transaction(infno).input
            compiled = self._compile(infno, nodes, lambda node: node.parent is None)
            self._compiled[infno] = compiled
        return compiled

    def _compile(
        self, infno: str, nodes: tuple[Node, ...], wanted: Callable[[Node], bool]
    ) -> tuple[_NodeCheck, ...]:
        return tuple(
            _NodeCheck(
                node=node,
                fields=tuple(self._field(field, nodes, node) for field in node.fields),
                by_code={field.code: field for field in node.fields},
                children=self._compile(infno, nodes, _within(node)),
                rules=tuple(rule for rule in RULES if rule.applies(infno, node)),
            )
            for node in nodes
            if wanted(node)
        )

    def _field(self, field: Field, nodes: tuple[Node, ...], node: Node) -> _FieldCheck:
        nested = any(child.name == field.code and _within(node)(child) for child in nodes)
        dictionary = None
        if field.dictionary and field.dictionary not in self._open:
            dictionary = self._definitions.dictionary(field.dictionary)
        ruled = nested or field.code in _RULED_FIELDS
        return _FieldCheck(
            code=field.code,
            required=field.required and not field.doubtful,
            missing=findings.missing(field),
            check=None if ruled else value_check(field, dictionary),
        )

    def _check_size(self, run: _Run, content: dict[str, Any]) -> None:
        try:
            encoded = encode_json(content)
        except (ValueError, RecursionError):
            run.found.append(findings.not_json())
            return
        if len(encoded) > self._limit and len(encoded.decode()) > self._limit:
            run.found.append(findings.input_too_long(self._limit))


def _within(parent: Node) -> Callable[[Node], bool]:
    return lambda node: node.parent == parent.name and node is not parent


def _check_node(run: _Run, check: _NodeCheck, holder: Mapping[str, Any], path: str) -> None:
    node = check.node
    content: Any = holder if node.name == "" else holder.get(node.name)
    place = f"{path}.{node.name}" if path and node.name else path or node.name
    if content is None or content in ("", []) or (content == {} and not node.required):
        if node.required and node.name not in run.deferred:
            run.found.append(findings.node_missing(node.name or "input").at(place))
        return
    rows = content if isinstance(content, list) else [content]
    if isinstance(content, list) is not node.repeats or not all(isinstance(r, dict) for r in rows):
        run.found.append(findings.node_form(node.name, repeats=node.repeats).at(place))
        return
    placed = [(f"{place}[{at}]" if node.repeats else place, row) for at, row in enumerate(rows)]
    for row_place, row in placed:
        if run.full:
            return
        _check_row(run, check, row, row_place)
    if check.rules:
        scope = Scope(run.infno, check.by_code, run.tolerance)
        for rule in check.rules:
            run.found.extend(p for p in rule.check(scope, placed) if p.field not in run.deferred)


def _check_row(run: _Run, check: _NodeCheck, row: Mapping[str, Any], path: str) -> None:
    for code, required, missing, check_value in check.fields:
        value = row.get(code)
        if is_empty(value):
            if required and code not in run.deferred:
                run.found.append(missing.at(f"{path}.{code}" if path else code))
        elif check_value is not None:
            problem = check_value(value)
            if problem is not None:
                run.found.append(problem.at(f"{path}.{code}" if path else code))
    for child in check.children:
        _check_node(run, child, row, path)
