"""Does an input hold what its transaction asks for?

Compiled once per transaction from the definitions and the profile, then run for each call: nodes
present and of their form, fields present, of their type, length, precision and value set, the
rules between fields, and the size of the whole. Everything wrong is reported at once, each with
its path in the input (`feedetail[0].cnt`, counted from 0). Right rows are recognised as a whole
(`gateway.fsi.accepting`); only others are looked at field by field.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from gateway.errors import Problem
from gateway.fsi import findings
from gateway.fsi.accepting import LEADING_BLANK, FieldUse, RowType
from gateway.fsi.definitions import Definitions, Field, Node, Transaction
from gateway.fsi.profiles import Profile
from gateway.fsi.rules import HEADER_RULES, RULES, BoundRule, HeaderScope, Rule, Scope
from gateway.fsi.values import ValueCheck, is_empty, value_check
from gateway.fsi.wire import encode_json

AMOUNT_TOLERANCE = Decimal("0.01")
"""Yuan by which cnt x pric may differ from the stated amount of a line."""

FILE_UPLOAD = "9101"
"""Carries a file in its input, and is the one transaction without its limit (rules section 1)."""

MAX_PROBLEMS = 500
"""Problems of one input that are reported; nobody reads more."""

MAX_COMPILED = 1_000
"""Compiled checks that are kept; there is one for each transaction and set of deferred fields."""

_RULED_FIELDS = frozenset({"feedetl_sn"})
"""Fields whose form a rule checks, because editions disagree about their type."""


class _FieldCheck(NamedTuple):
    code: str
    required: bool
    missing: Problem
    check: ValueCheck | None


class _NodeCheck(msgspec.Struct, frozen=True):
    node: Node
    required: bool
    right: RowType
    fields: tuple[_FieldCheck, ...]
    children: tuple[_NodeCheck, ...]
    rules: tuple[BoundRule, ...]


class _InputCheck(msgspec.Struct, frozen=True):
    """A transaction, compiled for one set of deferred fields."""

    deferred: frozenset[str]
    nodes: tuple[_NodeCheck, ...]
    rules: tuple[BoundRule, ...]


class _Run(msgspec.Struct):
    """One check under way."""

    deferred: frozenset[str]
    quick: bool
    """No text of the input begins with a blank, so that right rows show as such."""
    found: list[Problem] = []

    @property
    def full(self) -> bool:
        return len(self.found) >= MAX_PROBLEMS

    def obey(self, rule: BoundRule, rows: list[tuple[str, Any]]) -> None:
        """Note what the rule finds, but for fields that come later."""
        for problem in rule.rule.check(rule.scope, rows):  # most find nothing
            if problem.field not in self.deferred:
                self.found.append(rule.weighed(problem))


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
        self._profile = profile
        self._open = frozenset(profile.open_dictionaries)
        self._reversible = frozenset(profile.reversible)
        self._tolerance = amount_tolerance
        self._rules = tuple(rule for rule in RULES if rule.name not in profile.off_rules)
        self._header_rules = tuple(
            rule for rule in HEADER_RULES if rule.name not in profile.off_rules
        )
        self._beside_rules = tuple(rule for rule in self._header_rules if not rule.alone)
        self._members = {field.code: field for field in definitions.envelope.request}
        self._codes: dict[str, frozenset[str]] = {}
        self._compiled: dict[tuple[str, frozenset[str]], _InputCheck] = {}

    def check(
        self,
        infno: str,
        input: Any,  # noqa: A002 - the interface's word for it
        *,
        deferred: Collection[str] = (),
    ) -> list[Problem]:
        """Every problem of this input, in the order of its nodes and rows.

        `input` is the object of nodes; `deferred` names fields and nodes that an earlier call of
        the same plan will fill: they may be missing. Findings of doubtful rules are warnings.
        """
        if infno not in self._definitions:
            return [findings.unknown_transaction(infno)]
        if not isinstance(input, dict):
            return [findings.node_form("", repeats=False)]
        compiled = self._compiled_for(infno, deferred)
        sizes, quick = self._measure(infno, input)
        run = _Run(compiled.deferred, quick)
        for node in compiled.nodes:
            _check_node(run, node, input, "")
        for rule in compiled.rules:
            run.obey(rule, [("", input)])
        return [*run.found, *sizes][:MAX_PROBLEMS]

    def check_header(
        self,
        header: Mapping[str, Any],
        input: Any,  # noqa: A002 - the interface's word for it
        *,
        members_right: bool = False,
    ) -> list[Problem]:
        """Every problem of these members of the envelope, beside this input.

        `header` has the members by name, `infno` among them; one that is absent is written by the
        gateway. The place of a problem is the name of the member, or a path that begins with
        `input.` where the input contradicts the header. With `members_right` the members were
        found right by themselves (`are_members_right`) and are not looked at again.
        """
        infno = str(header.get("infno", ""))
        transaction = self._definitions.transaction(infno) if infno in self._definitions else None
        scope = HeaderScope(
            infno=infno,
            header=header,
            content=input,
            fields=self._members,
            extension=_extension_of(transaction),
        )
        rules = self._beside_rules if members_right else self._header_rules
        return [
            msgspec.structs.replace(
                problem,
                severity=rule.severity(infno, self._profile.strict_rules),
                detail=f"rule {rule.name}",
            )
            for rule in rules
            for problem in rule.check(scope)
        ]

    def are_members_right(self, header: Mapping[str, Any]) -> bool:
        """True when nothing is wrong with these members, whatever the transaction and input."""
        scope = HeaderScope(
            infno="", header=header, content=None, fields=self._members, extension=None
        )
        alone = (rule for rule in self._header_rules if rule.alone)
        return not any(problem for rule in alone for problem in rule.check(scope))

    def has_any(self, infno: str, codes: Collection[str]) -> bool:
        """True when the transaction has one of these fields or nodes in its input."""
        return not self._codes_of(self._definitions.transaction(infno)).isdisjoint(codes)

    def _codes_of(self, transaction: Transaction) -> frozenset[str]:
        codes = self._codes.get(transaction.infno)
        if codes is None:
            codes = self._codes[transaction.infno] = frozenset(_names(transaction))
        return codes

    def _compiled_for(self, infno: str, deferred: Collection[str]) -> _InputCheck:
        transaction = self._definitions.transaction(infno)
        later = self._codes_of(transaction).intersection(deferred)
        compiled = self._compiled.get((infno, later))
        if compiled is None:
            if len(self._compiled) >= MAX_COMPILED:
                self._compiled.clear()
            compiled = self._compiled[infno, later] = self._compile(transaction, later)
        return compiled

    def _compile(self, transaction: Transaction, deferred: frozenset[str]) -> _InputCheck:
        infno, nodes = transaction.infno, transaction.input
        every = {field.code: field for node in nodes for field in node.fields}
        whole = [rule for rule in self._rules if rule.applies_whole(infno, nodes)]
        return _InputCheck(
            deferred=deferred,
            nodes=self._compile_nodes(transaction, deferred, lambda node: node.parent is None),
            rules=tuple(self._bind(rule, infno, every) for rule in whole),
        )

    def _compile_nodes(
        self, transaction: Transaction, deferred: frozenset[str], wanted: Callable[[Node], bool]
    ) -> tuple[_NodeCheck, ...]:
        infno, nodes = transaction.infno, transaction.input
        compiled = []
        for node in nodes:
            if not wanted(node):
                continue
            uses = [self._use(field, nodes, node, deferred) for field in node.fields]
            beside = nodes if node.name == "" else [c for c in nodes if _within(node)(c)]
            compiled.append(
                _NodeCheck(
                    node=node,
                    required=node.required and node.name not in deferred,
                    right=RowType(uses, {c.name for c in beside} - {f.code for f in node.fields}),
                    fields=tuple(_field_check(use) for use in uses),
                    children=self._compile_nodes(transaction, deferred, _within(node)),
                    rules=tuple(
                        self._bind(rule, infno, {field.code: field for field in node.fields})
                        for rule in self._rules
                        if rule.applies(infno, node)
                    ),
                )
            )
        return tuple(compiled)

    def _use(
        self, field: Field, nodes: tuple[Node, ...], node: Node, deferred: frozenset[str]
    ) -> FieldUse:
        nested = any(child.name == field.code and _within(node)(child) for child in nodes)
        dictionary = None
        if field.dictionary and field.dictionary not in self._open:
            dictionary = self._definitions.dictionary(field.dictionary)
        return FieldUse(
            field=field,
            required=field.required and not field.doubtful and field.code not in deferred,
            dictionary=dictionary,
            free=nested or field.code in _RULED_FIELDS,
        )

    def _bind(self, rule: Rule, infno: str, fields: dict[str, Field]) -> BoundRule:
        scope = Scope(infno, fields, self._tolerance, self._reversible)
        return BoundRule(rule, scope, rule.severity(infno, self._profile.strict_rules))

    def _measure(self, infno: str, content: dict[str, Any]) -> tuple[list[Problem], bool]:
        """Problems of the whole, and whether no text may begin with a blank."""
        limit = self._profile.max_input_characters if infno != FILE_UPLOAD else sys.maxsize
        try:
            encoded = encode_json(content)
        except (ValueError, TypeError, RecursionError):
            return [findings.not_json()], False
        too_long = len(encoded) > limit and len(encoded.decode()) > limit
        sizes = [findings.input_too_long(limit)] if too_long else []
        return sizes, LEADING_BLANK.search(encoded) is None


def _names(transaction: Transaction) -> Iterator[str]:
    for node in transaction.input:
        yield node.name
        yield from (field.code for field in node.fields)


def _field_check(use: FieldUse) -> _FieldCheck:
    check = None if use.free else value_check(use.field, use.dictionary)
    return _FieldCheck(use.field.code, use.required, findings.missing(use.field), check)


def _within(parent: Node) -> Callable[[Node], bool]:
    return lambda node: node.parent == parent.name and node is not parent


def _check_node(run: _Run, check: _NodeCheck, holder: Mapping[str, Any], path: str) -> None:
    node = check.node
    content: Any = holder if node.name == "" else holder.get(node.name)
    place = f"{path}.{node.name}" if path and node.name else path or node.name
    if content is None or content in ("", []) or (content == {} and not node.required):
        if check.required:
            run.found.append(findings.node_missing(node.name or "input").at(place))
        return
    rows = content if isinstance(content, list) else [content]
    if isinstance(content, list) is not node.repeats or not all(isinstance(r, dict) for r in rows):
        run.found.append(findings.node_form(node.name, repeats=node.repeats).at(place))
        return
    placed = [(f"{place}[{at}]" if node.repeats else place, row) for at, row in enumerate(rows)]
    right = run.quick and check.right.accepts(rows)
    if check.children or not right:
        for row_place, row in placed:
            if run.full:
                return
            if not right and not (run.quick and check.right.accepts([row])):
                _check_fields(run, check, row, row_place)
            for child in check.children:
                _check_node(run, child, row, row_place)
    for rule in check.rules:
        if not (right and rule.rule.careful):
            run.obey(rule, placed)


def _check_fields(run: _Run, check: _NodeCheck, row: Mapping[str, Any], path: str) -> None:
    for code, required, missing, check_value in check.fields:
        value = row.get(code)
        if is_empty(value):
            if required:
                run.found.append(missing.at(f"{path}.{code}" if path else code))
        elif check_value is not None:
            problem = check_value(value)
            if problem is not None:
                run.found.append(problem.at(f"{path}.{code}" if path else code))


def _extension_of(transaction: Transaction | None) -> Field | None:
    if transaction is None:
        return None
    fields = (node.field("exp_content") for node in transaction.input)
    return next((field for field in fields if field is not None), None)
