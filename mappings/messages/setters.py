"""Setters: compiled rules, each the closure that sets one field of a record.

A setter takes a node and the constants, and sets its field of the record or adds a problem. There
is one form for each need, so that a rule costs no call that it does not need: `row_setter` runs
all rules of a block over a node and takes plain words without a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from gateway.errors import MessageError, Problem
from gateway.intents import Record, Source
from mappings.messages.functions import Function
from mappings.messages.language import Getter, ShapedLanguage, Texts

Problems = list[Problem]
Setter = Callable[[Any, Mapping[str, str], Record, Problems], None]


@dataclass(frozen=True, slots=True)
class Read:
    """One compiled source: a getter, or the name of a constant."""

    get: Getter
    functions: tuple[Function, ...]
    path: str = ""
    constant: str = ""
    fills: bool = False
    """A function gives a value also where nothing was found (`default`)."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule: its field code, the name of its line, its sources in order."""

    code: str
    name: str
    reads: tuple[Read, ...]


def setter_of(rule: Compiled) -> Setter:
    """The closure of a rule: the first of its sources that states something is taken."""
    code, name, reads = rule.code, rule.name, rule.reads
    if not any(read.constant or read.fills for read in reads):
        pairs = tuple((read.get, read.functions) for read in reads)
        return _plain_setter(code, name, pairs)

    def run(node: Any, constants: Mapping[str, str], record: Record, problems: Problems) -> None:
        place = ""
        try:
            for read in reads:
                found = read.get(node)
                if read.constant and read.constant in constants:
                    found = constants[read.constant], ""
                raw, place = found or ("", "")
                value = raw if found else None
                for function in read.functions:
                    value = function(value)
                if value is not None:
                    record.set(code, value, Source(place, raw, name))
                    return
        except MessageError as error:
            problems.extend(_placed(error, place, code))

    return run


def _plain_setter(
    code: str, name: str, reads: tuple[tuple[Getter, tuple[Function, ...]], ...]
) -> Setter:
    """The same for sources that all come from the message: no call that is not needed."""
    new = tuple.__new__
    if len(reads) == 1 and len(reads[0][1]) <= 1:
        return _single_setter(code, name, reads[0][0], next(iter(reads[0][1]), None))

    def run(node: Any, _: Mapping[str, str], record: Record, problems: Problems) -> None:
        place = ""
        try:
            for get, functions in reads:
                found = get(node)
                if found is None:
                    continue
                raw, place = found
                value: str | None = raw
                for function in functions:
                    value = function(value)
                if value is not None:
                    record.values[code] = value
                    record.sources[code] = new(Source, (place, raw, name))
                    return
        except MessageError as error:
            problems.extend(_placed(error, place, code))

    return run


def _single_setter(code: str, name: str, get: Getter, function: Function | None) -> Setter:
    """The same for one source with one function at most."""
    new = tuple.__new__

    def run(node: Any, _: Mapping[str, str], record: Record, problems: Problems) -> None:
        place = ""
        try:
            found = get(node)
            if found is None:
                return
            raw, place = found
            value = raw if function is None else function(raw)
        except MessageError as error:
            problems.extend(_placed(error, place, code))
            return
        if value is not None:
            record.values[code] = value
            record.sources[code] = new(Source, (place, raw, name))

    return run


def _placed(error: MessageError, place: str, code: str) -> Iterator[Problem]:
    for problem in error.problems:
        yield msgspec.structs.replace(
            problem, place=problem.place or place, field=problem.field or code
        )


def every(setters: tuple[Setter, ...]) -> Setter:
    """Runs all of them."""

    def run(node: Any, constants: Mapping[str, str], record: Record, problems: Problems) -> None:
        for setter in setters:
            setter(node, constants, record, problems)

    return run


class Column(NamedTuple):
    """A rule of a block for nodes of one shape.

    Where the text `at` in the node (0: none) is a plain word it is what the rule takes, and
    `function` is all that is done to it. Anything else is left to the `setter` of the rule.
    """

    code: str
    name: str
    at: int
    suffix: str
    function: Function | None
    setter: Setter


def column_of(
    rule: Compiled, read: Read, node: Any, language: ShapedLanguage, setter: Setter
) -> Column:
    """The rule of a block for nodes of the shape of this one; `read` is its first source."""
    place = language.column(read.path, node) if read.path and not read.fills else None
    at, suffix = place if place and len(read.functions) <= 1 else (0, "")
    function = next(iter(read.functions), None)
    return Column(rule.code, rule.name, at, suffix, function, setter)


def row_setter(columns: list[Column], texts_of: Texts) -> Setter:
    """Runs the rules of a block over one node, most of them without a call."""
    new = tuple.__new__

    def run(node: Any, constants: Mapping[str, str], record: Record, problems: Problems) -> None:
        values, sources = record.values, record.sources
        texts, label = texts_of(node)
        for code, name, at, suffix, function, setter in columns:
            if at and (raw := texts[at]).isalnum():
                try:
                    value = raw if function is None else function(raw)
                except MessageError as error:
                    problems.extend(_placed(error, label + suffix, code))
                    continue
                if value is not None:
                    values[code] = value
                    sources[code] = new(Source, (label + suffix, raw, name))
                    continue
            setter(node, constants, record, problems)

    return run
