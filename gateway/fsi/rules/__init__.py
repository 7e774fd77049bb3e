"""Rules of the interface that a caller can break (reference: rules of the interface).

Each rule is a small function, or a row of data, with a name and the statements it comes from. A
stated rule stops a call; a doubtful one warns, unless a profile lists it under `strict_rules`.
`off_rules` of a profile switches rules off. docs/reference/rules.md is made from these tables and
from `statements.json`, which holds every statement of the reference and why the others are no
checks.
"""

from __future__ import annotations

from gateway.fsi.rules import crossing, lines, persons, queries, records, spelling, visits
from gateway.fsi.rules.header import HEADER_RULES, HeaderRule, HeaderScope
from gateway.fsi.rules.model import BoundRule, Level, Rows, Rule, RuleFunction, Scope

__all__ = [
    "BUILT_IN",
    "HEADER_RULES",
    "RULES",
    "RULE_NAMES",
    "BoundRule",
    "HeaderRule",
    "HeaderScope",
    "Level",
    "Rows",
    "Rule",
    "RuleFunction",
    "Scope",
]

RULES: tuple[Rule, ...] = (
    *persons.RULES,
    *visits.RULES,
    *lines.RULES,
    *crossing.RULES,
    *queries.RULES,
    *records.RULES,
    *spelling.RULES,
)
"""Every rule about an input."""

RULE_NAMES: frozenset[str] = frozenset(
    [*(rule.name for rule in RULES), *(rule.name for rule in HEADER_RULES)]
)
"""Names that a profile may list under `strict_rules` and `off_rules`."""

BUILT_IN: dict[str, str] = {
    "presence": "A field that the tables require is there and not empty.",
    "kind": "A value is a text, a number, a date or a moment, as the tables say.",
    "length": "A text has at most as many characters as the tables allow.",
    "digits": "A number has at most as many digits before and behind the point.",
    "dictionary": "A coded value is in its dictionary, unless the profile leaves it open.",
    "node": "A required node is there, and is an object or a list of objects.",
    "size": "The input has at most `max_input_characters` characters and can be encoded.",
}
"""Checks that are compiled from the definitions themselves."""
