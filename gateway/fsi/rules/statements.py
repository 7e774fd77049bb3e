"""Every statement of the reference, and the page that says what becomes of each.

A statement is a rule of a caller, which the checks keep, or it has a reason why it is none. A test
holds that there is no third kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from gateway.fsi.rules import BUILT_IN, HEADER_RULES, RULES, HeaderRule, Rule


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One statement: its number (section and place in it), its words, and how sure it is."""

    id: str
    text: str
    mark: Literal["stated", "doubtful", "remark"]
    built_in: tuple[str, ...] = ()
    """Checks compiled from the definitions that keep it."""
    reason: str = ""
    """Key of the reason why it is no check."""

    @property
    def section(self) -> str:
        """Number of its section."""
        return self.id.partition(".")[0]

    def rules(self) -> list[Rule | HeaderRule]:
        """The rules that come from it."""
        about_input = [rule for rule in RULES if self.id in rule.source]
        return [*about_input, *(rule for rule in HEADER_RULES if self.id in rule.source)]


class Statements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of statements; `marks` explains the letters in their texts."""

    source: str
    marks: dict[str, str]
    reasons: dict[str, str]
    sections: dict[str, str]
    statements: tuple[Statement, ...]


@cache
def load_statements() -> Statements:
    """The statements of the reference, in its order."""
    text = files(__package__).joinpath("statements.json").read_bytes()
    return msgspec.json.decode(text, type=Statements)


def rules_page() -> str:
    """docs/reference/rules.md."""
    return "\n".join([*_head(), *_rules(), *_statements()]) + "\n"


def _head() -> Iterator[str]:
    yield from (
        "# Rules",
        "",
        "What the gateway checks before it sends, where each rule comes from, and what of the",
        "interface is no check and why.",
        "This page is made by `python -m gateway.fsi.describe docs/reference`.",
        "",
        "A stated rule stops a call.",
        "A doubtful one warns; a profile makes it stop with `strict_rules`, and switches any rule",
        "off with `off_rules`.",
        "A finding carries the name of its rule (`rule line-amount`).",
        "",
        "## Checks of every field",
        "",
        "Compiled from the [definitions](transactions/index.md); they always hold.",
        "",
        "| check | meaning |",
        "|---|---|",
    )
    for name, meaning in BUILT_IN.items():
        yield f"| `{name}` | {meaning} |"


def _rules() -> Iterator[str]:
    yield from ("", "## Rules about an input", "")
    yield from ("| rule | meaning | transactions | weight | statements |", "|---|---|---|---|---|")
    for rule in RULES:
        where = ", ".join(sorted(rule.only)) or f"all with {_codes(rule)}"
        yield f"| `{rule.name}` | {rule.text} | {where} | {_weight(rule)} | {_source(rule)} |"
    yield from ("", "## Rules about a header", "")
    yield from ("| rule | meaning | weight | statements |", "|---|---|---|---|")
    for header_rule in HEADER_RULES:
        weight, source = _weight(header_rule), _source(header_rule)
        yield f"| `{header_rule.name}` | {header_rule.text} | {weight} | {source} |"


def _codes(rule: Rule) -> str:
    return ", ".join(f"`{code}`" for code in sorted(rule.needs)) or "any field"


def _weight(rule: Rule | HeaderRule) -> str:
    if rule.doubtful_in:
        return f"stated; doubtful in {', '.join(sorted(rule.doubtful_in))}"
    doubt = rule.doubt if isinstance(rule, Rule) else ""
    return f"doubtful: {doubt}" if doubt else "stated"


def _source(rule: Rule | HeaderRule) -> str:
    return ", ".join(rule.source)


def _statements() -> Iterator[str]:
    found = load_statements()
    yield from ("", "## Statements", "", f"{found.source}.", "")
    marks = "; ".join(f"[{letter}] {meaning}" for letter, meaning in found.marks.items())
    yield f"Marks: {marks}."
    section = ""
    for statement in found.statements:
        if statement.section != section:
            section = statement.section
            yield from ("", f"### {section}. {found.sections[section]}", "")
            yield from ("| | statement | kept by |", "|---|---|---|")
        text = statement.text.replace("|", "\\|")
        yield f"| {statement.id} | {text} | {_keeper(statement, found)} |"


def _keeper(statement: Statement, found: Statements) -> str:
    names = [rule.name for rule in statement.rules()] + list(statement.built_in)
    if names:
        return ", ".join(f"`{name}`" for name in names)
    return found.reasons[statement.reason]
