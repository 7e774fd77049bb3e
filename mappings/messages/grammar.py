"""How a message map is written, and its reading into statements.

A map is UTF-8 text, one statement a line. `#` at the start of a line or after a blank opens a
comment, and an indented line belongs to the block above it::

    event ADT^A04                            # what the file serves; several are allowed
    interaction create Claim                 # the same for a protocol without events
    verb register                            # what the sender wants done
    verb unadmit inpatient                   # ... when the visit is of this class
    include person                           # common/person.map; a second time changes nothing
    person.psn_name <- PID-5 | name
    person.certno <- PID-3[NNCHN].1 | upper, PID-19
    visit.dept_name <- 'outpatients'
    facility.opter <- EVN-5.1, $opter
    each FT1 -> charges                      # once for every node; LISTS names the others
      cnt <- FT1-10 | quantity
    values sex                               # entries of `map sex`
      M = 1
      * =                                    # any other: as if nothing had been stated

A rule takes the first of its sources (separated by commas) that states something. A source is a
path in the language of the protocol, a 'literal', which always states something and is therefore
the last, or a `$constant` given by the caller. Functions follow their source after `|` and belong
to that source only; `mappings.messages.functions` lists them. A rule replaces an included rule of
the same target. In a peer's overlay it replaces the standard rule, and `target <-` with nothing
after the arrow takes the standard rule away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.intents import Verb, VisitClass

RECORDS = ("person", "visit", "facility", "settlement", "filing", "query", "listing")
LISTS = ("charges", "diagnoses", "procedures", "entries", "movements", "transfusions")

_TARGET = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_COMMENT = re.compile(r"(?:^|\s)#")
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Where:
    """A line of a map: `file` to open, `name` to show (`hl7v2/ADT_A04.map`)."""

    file: str
    name: str
    line: int

    def error(self, reason: str) -> ConfigurationError:
        """The complaint about this line."""
        return ConfigurationError(reason, file=self.file, line=self.line)

    def __str__(self) -> str:
        return f"{self.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function and its arguments as they were written."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceText:
    """One source of a rule: exactly one of path, literal and constant is given."""

    path: str = ""
    literal: str | None = None
    constant: str = ""
    functions: tuple[FunctionCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`record.code <- sources`; without sources it takes the standard rule away."""

    record: str
    code: str
    sources: tuple[SourceText, ...]
    where: Where


@dataclass(slots=True)
class Block:
    """`each path -> target` with its rules by field code."""

    target: str
    path: str
    where: Where
    rules: dict[str, Rule] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Sheet:
    """A map file as statements."""

    kinds: list[tuple[str, Where]] = field(default_factory=list)
    verbs: dict[VisitClass | None, Verb] = field(default_factory=dict)
    includes: list[tuple[str, Where]] = field(default_factory=list)
    rules: dict[tuple[str, str], Rule] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)

    def every_rule(self) -> Iterator[tuple[str, Rule]]:
        """Each rule with its record, or with the list of its block (`charges.cnt`)."""
        for rule in self.rules.values():
            yield f"{rule.record}.{rule.code}", rule
        for block in self.blocks.values():
            for rule in block.rules.values():
                yield f"{block.target}.{rule.code}", rule


def read_sheet(path: Path, name: str) -> Sheet:
    """Read one map; `name` is how rules of it are called.

    Raises:
        ConfigurationError: the file cannot be read, or a line is wrong.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", file=str(path)) from error
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), start=1):
        bare = _without_comment(line)
        if bare.strip():
            reader.line(bare, Where(str(path), name, number))
    return reader.sheet


class _Reader:
    """Takes the lines in order; remembers the block that indented lines belong to."""

    def __init__(self) -> None:
        self.sheet = Sheet()
        self._block: Block | None = None
        self._values: dict[str, str] | None = None

    def line(self, line: str, where: Where) -> None:
        if line[0].isspace():
            self._indented(line.strip(), where)
            return
        self._block = self._values = None
        word, _, rest = line.strip().partition(" ")
        statement = getattr(self, f"_{word}_statement", None)
        if statement is not None and not rest.lstrip().startswith("<-"):
            statement(rest.strip(), where)
            return
        rule = _rule(line.strip(), "", where)
        key = (rule.record, rule.code)
        if key in self.sheet.rules:
            raise where.error(f"{rule.record}.{rule.code} has a rule already")
        self.sheet.rules[key] = rule

    def _indented(self, text: str, where: Where) -> None:
        if self._values is not None:
            raw, equals, value = text.partition("=")
            if not equals:
                raise where.error("an entry of a value map is written RAW = VALUE")
            key = _unquoted(raw.strip())
            if key in self._values:
                raise where.error(f"the value map has {key!r} already")
            self._values[key] = _unquoted(value.strip())
        elif self._block is not None:
            rule = _rule(text, self._block.target, where)
            if rule.code in self._block.rules:
                raise where.error(f"{rule.code} has a rule already")
            self._block.rules[rule.code] = rule
        else:
            raise where.error("an indented line without `each` or `values` above it")

    def _event_statement(self, rest: str, where: Where) -> None:
        if not rest:
            raise where.error("an event or interaction has to be named")
        self.sheet.kinds.append((rest, where))

    _interaction_statement = _event_statement

    def _verb_statement(self, rest: str, where: Where) -> None:
        name, _, condition = rest.partition(" ")
        try:
            verb = Verb(name)
            visit_class = VisitClass(condition.strip()) if condition.strip() else None
        except ValueError as error:
            raise where.error(str(error)) from None
        if visit_class in self.sheet.verbs:
            raise where.error("there is a verb for this already")
        self.sheet.verbs[visit_class] = verb

    def _include_statement(self, rest: str, where: Where) -> None:
        if not _NAME.fullmatch(rest):
            raise where.error("an include is the bare name of a file in common/")
        self.sheet.includes.append((rest, where))

    def _each_statement(self, rest: str, where: Where) -> None:
        path, arrow, target = (part.strip() for part in rest.rpartition("->"))
        if not arrow or not path or target not in LISTS:
            raise where.error(f"a block is written `each PATH -> {'|'.join(LISTS)}`")
        if target in self.sheet.blocks:
            raise where.error(f"there is a block for {target} already")
        self._block = self.sheet.blocks[target] = Block(target, path, where)

    def _values_statement(self, rest: str, where: Where) -> None:
        if not _NAME.fullmatch(rest):
            raise where.error("a value map has to be named")
        if rest in self.sheet.values:
            raise where.error(f"there is a value map {rest} already")
        self._values = self.sheet.values[rest] = {}


def _rule(text: str, record: str, where: Where) -> Rule:
    target, arrow, right = (part.strip() for part in text.partition("<-"))
    if not arrow:
        raise where.error(f"not a statement: {text.split(maxsplit=1)[0]!r}")
    if not record:
        record, _, target = target.partition(".")
        if record not in RECORDS:
            raise where.error(f"no record {record!r}: one of {', '.join(RECORDS)}")
    if not _TARGET.fullmatch(target):
        raise where.error(f"not a field code: {target!r}")
    sources = tuple(_source(part, where) for part in _split(right, ",", where)) if right else ()
    for source in sources[:-1]:
        if source.literal is not None:
            raise where.error("a literal always states something: it has to be the last source")
    return Rule(record, target, sources, where)


def _source(text: str, where: Where) -> SourceText:
    first, *calls = _split(text, "|", where)
    functions = tuple(_function(call, where) for call in calls)
    if not first:
        raise where.error("a source is missing")
    if first[0] == "'":
        return SourceText(literal=_unquoted(first), functions=functions)
    if first[0] == "$":
        return SourceText(constant=first[1:], functions=functions)
    return SourceText(path=first, functions=functions)


def _function(text: str, where: Where) -> FunctionCall:
    name, *arguments = _split(text, " ", where) or [""]
    if not _NAME.fullmatch(name):
        raise where.error(f"not a function: {name!r}")
    return FunctionCall(name, tuple(_unquoted(part) for part in arguments if part))


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    return text


def _split(text: str, separator: str, where: Where) -> list[str]:
    """Split where the separator stands outside quotes and brackets."""
    parts, start, depth, quoted = [], 0, 0, False
    for index, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == separator and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    if quoted or depth:
        raise where.error("a quote or bracket is not closed")
    return [*parts, text[start:].strip()]


def _without_comment(line: str) -> str:
    for match in _COMMENT.finditer(line):
        if line.count("'", 0, match.start()) % 2 == 0:
            return line[: match.start()]
    return line
