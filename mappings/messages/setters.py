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
from mappings.messages.language import Getter, Inside, ShapedLanguage, Take, Texts

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
                    record.sources[code] = Source(place, raw, name)
                    return
        except MessageError as error:
            problems.extend(_placed(error, place, code))

    return run


def _single_setter(code: str, name: str, get: Getter, function: Function | None) -> Setter:
    """The same for one source with one function at most."""

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
            record.sources[code] = Source(place, raw, name)

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

    Where the text `at` in the node (0: none), or `inside` what stands there, is `taken` by the
    language, `function` is all that is done to it. Anything else is left to the `setter` of the
    rule.
    """

    code: str
    name: str
    at: int
    place: str
    """How the place of the value ends."""
    whole: bool
    """A plain word is taken as it stands, and nothing is done to it."""
    take: Take
    function: Function | None
    inside: Inside | None
    only: bool
    """There is no other source: where this one states nothing, the rule does not either."""
    setter: Setter


def column_of(
    rule: Compiled, reads: tuple[Read, ...], node: Any, language: ShapedLanguage
) -> Column:
    """The rule of a block for nodes of the shape of this one; `reads` are the sources it has."""
    read = reads[0]
    setter = setter_of(Compiled(rule.code, rule.name, reads))
    place = language.column(read.path, node) if read.path and not read.fills else None
    if place is None or len(read.functions) > 1:
        return Column(rule.code, rule.name, 0, "", False, _left, None, None, False, setter)
    function = next(iter(read.functions), None)
    return Column(
        code=rule.code,
        name=rule.name,
        at=place.at,
        place=place.suffix,
        whole=place.whole and function is None,
        take=_whole_or(place.take) if place.whole else place.take,
        function=function,
        inside=place.inside,
        only=len(reads) == 1,
        setter=setter,
    )


def _left(_text: str, _marks: Any) -> None:
    """Left to the setter."""


def _whole_or(take: Take) -> Take:
    return lambda text, marks: text if text.isalnum() else take(text, marks)


Taken = tuple[str, str | None]
"""What a rule takes of a text, and its value; no value where it states nothing."""


def row_setter(columns: list[Column], texts_of: Texts) -> Setter:
    """Runs the rules of a block over the nodes of one message, most of them without a call.

    The lines of a message say much alike: what a rule made of a text is remembered.
    """
    rows = [(*column, dict[str, Taken | None]()) for column in columns]

    def run(node: Any, constants: Mapping[str, str], record: Record, problems: Problems) -> None:
        values, sources = record.values, record.sources
        texts, label, marks = texts_of(node)
        for code, name, at, place, whole, take, function, inside, only, setter, known in rows:
            text = None if not at else texts[at] if inside is None else inside(texts[at])
            if text is None:
                setter(node, constants, record, problems)
                continue
            if whole and text.isalnum():
                values[code] = text
                sources[code] = Source(label + place, text, name)
                continue
            if text in known:
                taken = known[text]
            else:
                taken = known[text] = _taken(take(text, marks), function, only=only)
            if taken is None:
                setter(node, constants, record, problems)
            elif taken[1] is not None:
                values[code] = taken[1]
                sources[code] = Source(label + place, taken[0], name)

    return run


def _taken(raw: str | None, function: Function | None, *, only: bool) -> Taken | None:
    """What a rule makes of a text; None where its setter has to look."""
    if not raw:
        return (raw, None) if raw is not None and only else None
    try:
        value = raw if function is None else function(raw)
    except MessageError:
        return None  # which the setter reports
    return (raw, value) if value is not None else None
