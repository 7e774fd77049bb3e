"""Compiles message maps to closures, and runs them over a message.

A folder of maps becomes a `MapSet` once, at start: a bad line is a `ConfigurationError` with file
and line then, and never a surprise with a patient at the counter. A peer's overlay is a folder of
the same shape. Its file of an event is laid over the standard one rule by rule, its `common/`
files over the standard `common/` files, and events that only it names are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import ConfigurationError, MessageError, Problem
from gateway.intents import Intent, Record, Source, Verb, VisitClass
from mappings.messages.functions import Function, is_function, make_function
from mappings.messages.grammar import Block, Rule, Sheet, SourceText, Where, read_sheet
from mappings.messages.language import Getter, PathLanguage

SUFFIX = ".map"
COMMON = "common"

ValueMaps = Mapping[str, Mapping[str, str]]
_Read = Callable[[Any, Mapping[str, str]], tuple[str | None, str, str]]
"""Node and constants in; value, place and raw text out."""


@dataclass(frozen=True, slots=True)
class _Setter:
    """One compiled rule."""

    code: str
    reads: tuple[tuple[_Read, tuple[Function, ...]], ...]
    name: str

    def run(
        self, node: Any, constants: Mapping[str, str], record: Record, problems: list[Problem]
    ) -> None:
        place = ""
        try:
            for read, functions in self.reads:
                value, place, raw = read(node, constants)
                for function in functions:
                    value = function(value)
                if value is not None:
                    record.set(self.code, value, Source(place, raw, self.name))
                    return
        except MessageError as error:
            problems.extend(
                msgspec.structs.replace(
                    problem, place=problem.place or place, field=problem.field or self.code
                )
                for problem in error.problems
            )


@dataclass(frozen=True, slots=True)
class _Program:
    """One compiled event."""

    verbs: Mapping[VisitClass | None, Verb]
    setters: tuple[tuple[str, _Setter], ...]
    loops: tuple[tuple[str, Callable[[Any], list[Any]], tuple[_Setter, ...]], ...]

    def run(self, root: Any, constants: Mapping[str, str]) -> tuple[Intent, list[Problem]]:
        problems: list[Problem] = []
        intent = Intent(verb=next(iter(self.verbs.values())))
        for name, setter in self.setters:
            setter.run(root, constants, getattr(intent, name), problems)
        for name, each, setters in self.loops:
            for node in each(root):
                record = Record()
                for setter in setters:
                    setter.run(node, constants, record, problems)
                getattr(intent, name).append(record)
        stated = intent.visit.get("visit_class")
        intent.visit_class = VisitClass(stated) if stated in set(VisitClass) else None
        intent.verb = self.verbs.get(intent.visit_class) or self.verbs.get(None) or intent.verb
        return intent, problems


class MapSet:
    """The compiled maps of one protocol, with a peer's overlay where it has one."""

    def __init__(self, programs: Mapping[str, _Program]) -> None:
        self._programs = programs

    @classmethod
    def load(
        cls,
        folder: Path,
        language: PathLanguage,
        *,
        overlay: Path | None = None,
        value_maps: ValueMaps | None = None,
    ) -> MapSet:
        """Read and compile every map of `folder`.

        `value_maps` are laid over the value maps of the files entry by entry.

        Raises:
            ConfigurationError: a map is wrong; says in which file and line.
        """
        sheets = _events(folder)
        if overlay is not None:
            if not overlay.is_dir():
                raise ConfigurationError(
                    "the folder of the map overlay is missing", file=str(overlay)
                )
            for kind, sheet in _events(overlay).items():
                sheets[kind] = [*sheets.get(kind, []), *sheet]
        folders = [folder] if overlay is None else [folder, overlay]
        compiler = _Compiler(language, value_maps or {}, _Includes(folders))
        return cls({kind: compiler.program(stack) for kind, stack in sheets.items()})

    def events(self) -> frozenset[str]:
        """The events and interactions that have a map: `ADT^A04`, `create Claim`."""
        return frozenset(self._programs)

    def understand(
        self, kind: str, root: Any, constants: Mapping[str, str]
    ) -> tuple[Intent, list[Problem]]:
        """Run the map of `kind` over a message.

        Returns the intent, every value of it with its source, and the values that could not be
        taken, as problems with their places.

        Raises:
            KeyError: `kind` has no map.
        """
        return self._programs[kind].run(root, constants)


def _events(folder: Path) -> dict[str, list[Sheet]]:
    found: dict[str, list[Sheet]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        sheet = read_sheet(path, f"{folder.name}/{path.name}")
        if not sheet.kinds:
            raise ConfigurationError("names no event or interaction", file=str(path), line=1)
        for kind, where in sheet.kinds:
            if kind in found:
                raise where.error(f"{kind} has a map already")
            found[kind] = [sheet]
    return found


class _Includes:
    """Finds included files in the standard folder and in the overlay, and reads each once."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._read: dict[Path, Sheet] = {}

    def find(self, name: str, where: Where) -> list[Sheet]:
        sheets = []
        for folder in self._folders:
            path = folder / COMMON / f"{name}{SUFFIX}"
            if path not in self._read and path.is_file():
                sheet = read_sheet(path, f"{folder.name}/{COMMON}/{path.name}")
                if sheet.kinds or sheet.verbs or sheet.includes:
                    raise ConfigurationError(
                        "an included file has rules, blocks and values only", file=str(path), line=1
                    )
                self._read[path] = sheet
            if path in self._read:
                sheets.append(self._read[path])
        if not sheets:
            raise where.error(f"no file {COMMON}/{name}{SUFFIX}")
        return sheets


class _Compiler:
    """Lays sheets over one another and turns the outcome into a program."""

    def __init__(self, language: PathLanguage, values: ValueMaps, includes: _Includes) -> None:
        self._language = language
        self._values = values
        self._includes = includes

    def program(self, stack: list[Sheet]) -> _Program:
        sheet = self._merged(stack)
        values = self._value_maps(sheet)
        if not sheet.verbs:
            raise sheet.kinds[0][1].error("the event has no verb")
        return _Program(
            verbs=sheet.verbs,
            setters=tuple(
                (rule.record, self._setter(rule, values))
                for rule in sheet.rules.values()
                if rule.sources
            ),
            loops=tuple(
                (block.target, self._each(block), self._setters(block.rules.values(), values))
                for block in sheet.blocks.values()
            ),
        )

    def _merged(self, stack: list[Sheet]) -> Sheet:
        layers: list[Sheet] = []
        for sheet in stack:
            for name, where in sheet.includes:
                layers += [
                    found for found in self._includes.find(name, where) if found not in layers
                ]
        merged = Sheet(kinds=stack[0].kinds)
        for layer in [*layers, *stack]:
            merged.verbs.update(layer.verbs)
            merged.rules.update(layer.rules)
            for name, entries in layer.values.items():
                merged.values[name] = {**merged.values.get(name, {}), **entries}
            for target, block in layer.blocks.items():
                below = merged.blocks.get(target)
                rules = {**below.rules, **block.rules} if below else dict(block.rules)
                merged.blocks[target] = Block(target, block.path, block.where, rules)
        return merged

    def _value_maps(self, sheet: Sheet) -> ValueMaps:
        names = {*sheet.values, *self._values}
        return {
            name: {**sheet.values.get(name, {}), **self._values.get(name, {})} for name in names
        }

    def _setters(self, rules: Iterable[Rule], values: ValueMaps) -> tuple[_Setter, ...]:
        return tuple(self._setter(rule, values) for rule in rules if rule.sources)

    def _setter(self, rule: Rule, values: ValueMaps) -> _Setter:
        reads = tuple(self._source(source, rule.where, values) for source in rule.sources)
        return _Setter(rule.code, reads, str(rule.where))

    def _source(
        self, source: SourceText, where: Where, values: ValueMaps
    ) -> tuple[_Read, tuple[Function, ...]]:
        calls = source.functions
        path = source.path
        if path and calls and not is_function(calls[0].name):
            path = " ".join([path, "|", calls[0].name, *calls[0].arguments])
            calls = calls[1:]
        try:
            read = self._read(source, path)
            functions = tuple(make_function(call.name, call.arguments, values) for call in calls)
        except ValueError as error:
            raise where.error(str(error)) from None
        return read, functions

    def _read(self, source: SourceText, path: str) -> _Read:
        if path:
            return _path_reader(self._language.value(path))
        if source.literal is not None:
            literal = source.literal
            return lambda _node, _constants: (literal, "", literal)
        name = source.constant

        def constant(_node: Any, constants: Mapping[str, str]) -> tuple[str | None, str, str]:
            value = constants.get(name)
            return value, "", value or ""

        return constant

    def _each(self, block: Block) -> Callable[[Any], list[Any]]:
        try:
            return self._language.each(block.path)
        except ValueError as error:
            raise block.where.error(str(error)) from None


def _path_reader(getter: Getter) -> _Read:
    def read(node: Any, _constants: Mapping[str, str]) -> tuple[str | None, str, str]:
        found = getter(node)
        if found is None:
            return None, "", ""
        text, place = found
        return text, place, text

    return read
