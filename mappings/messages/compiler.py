"""Compiles message maps to closures, and runs them over a message.

A folder of maps becomes a `MapSet` once, at start: a bad line is a `ConfigurationError` with file
and line then, and never a surprise with a patient at the counter. A peer's overlay is a folder of
the same shape. Its file of an event is laid over the standard one rule by rule, its `common/`
files over the standard `common/` files, and events that only it names are added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, Problem
from gateway.intents import Intent, Record, Verb, VisitClass
from mappings.messages.functions import FILLS, is_function, make_function
from mappings.messages.grammar import Block, Rule, Sheet, SourceText, Where, read_sheet
from mappings.messages.language import Getter, PathLanguage, ShapedLanguage
from mappings.messages.setters import (
    Column,
    Compiled,
    Problems,
    Read,
    Setter,
    column_of,
    every,
    row_setter,
    setter_of,
)

SUFFIX = ".map"
COMMON = "common"
MAX_SHAPES = 256
"""Shapes of nodes that a block remembers; a node of a further one runs every rule."""

ValueMaps = Mapping[str, Mapping[str, str]]


class _Loop:
    """One compiled block. Nodes of the same shape share the rules that can state something."""

    def __init__(
        self,
        target: str,
        each: Callable[[Any], list[Any]],
        rules: tuple[Compiled, ...],
        language: PathLanguage,
    ) -> None:
        self.target = target
        self._each = each
        self._rules = rules
        self._shaped = language if isinstance(language, ShapedLanguage) else None
        self._all = every(tuple(setter_of(rule) for rule in rules))
        self._by_shape: dict[Hashable, list[Column]] = {}

    def run(
        self, root: Any, constants: Mapping[str, str], records: list[Record], problems: Problems
    ) -> None:
        """Add one record a node."""
        shaped = self._shaped
        rows: dict[Hashable | None, Setter] = {}
        for node in self._each(root):
            record = Record()
            fill = self._all
            if shaped is not None:
                shape = shaped.shape(node)
                fill = rows.get(shape) or rows.setdefault(shape, self._row(shape, node, shaped))
            fill(node, constants, record, problems)
            records.append(record)

    def _row(self, shape: Hashable | None, node: Any, language: ShapedLanguage) -> Setter:
        """The rules for the nodes of this shape in a message."""
        columns = None if shape is None else self._by_shape.get(shape)
        if columns is None:
            if shape is None or len(self._by_shape) >= MAX_SHAPES:
                return self._all
            columns = self._by_shape[shape] = [
                column_of(rule, reads, node, language)
                for rule in self._rules
                if (reads := tuple(_narrowed(rule.reads, node, language)))
            ]
        return row_setter(columns, language.texts)


def _narrowed(reads: tuple[Read, ...], node: Any, language: ShapedLanguage) -> Iterator[Read]:
    for read in reads:
        get = language.narrowed(read.path, node) if read.path and not read.fills else read.get
        if get is not None:
            yield dataclasses.replace(read, get=get)


class _Fields:
    """The compiled rules outside of blocks, each with the name of its record.

    Messages of the same shape share the rules that can state something.
    """

    def __init__(self, rules: tuple[tuple[str, Compiled], ...], language: PathLanguage) -> None:
        self._rules = rules
        self._shaped = language if isinstance(language, ShapedLanguage) else None
        self._all = tuple((record, setter_of(rule)) for record, rule in rules)
        self._by_shape: dict[Hashable, tuple[tuple[str, Setter], ...]] = {}

    def setters(self, root: Any) -> tuple[tuple[str, Setter], ...]:
        """The rules that can state something of this message."""
        if self._shaped is None:
            return self._all
        shape = self._shaped.shape(root)
        found = None if shape is None else self._by_shape.get(shape)
        if found is not None:
            return found
        if shape is None or len(self._by_shape) >= MAX_SHAPES:
            return self._all
        self._by_shape[shape] = tuple(
            (record, setter_of(Compiled(rule.code, rule.name, reads)))
            for record, rule in self._rules
            if (reads := tuple(_narrowed(rule.reads, root, self._shaped)))
        )
        return self._by_shape[shape]


@dataclass(frozen=True, slots=True)
class _Program:
    """One compiled event."""

    verbs: Mapping[VisitClass | None, Verb]
    fields: _Fields
    loops: tuple[_Loop, ...]

    def run(self, root: Any, constants: Mapping[str, str]) -> tuple[Intent, list[Problem]]:
        problems: list[Problem] = []
        intent = Intent(verb=next(iter(self.verbs.values())))
        for name, setter in self.fields.setters(root):
            setter(root, constants, getattr(intent, name), problems)
        for loop in self.loops:
            loop.run(root, constants, getattr(intent, loop.target), problems)
        stated = intent.visit.get("visit_class")
        intent.visit_class = VisitClass(stated) if stated in set(VisitClass) else None
        intent.verb = self.verbs.get(intent.visit_class) or self.verbs.get(None) or intent.verb
        return intent, problems


class MapSet:
    """The compiled maps of one protocol, with a peer's overlay where it has one."""

    def __init__(self, programs: Mapping[str, _Program]) -> None:
        self._programs = programs
        self._events = frozenset(programs)

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
        compiler = _Compiler(language, value_maps or {})
        sheets = read_maps(folder, overlay)
        return cls({kind: compiler.program(sheet) for kind, sheet in sheets.items()})

    def events(self) -> frozenset[str]:
        """The events and interactions that have a map: `ADT^A04`, `create Claim`."""
        return self._events

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


def read_maps(folder: Path, overlay: Path | None = None) -> dict[str, Sheet]:
    """The statements that hold for each event and interaction, includes and overlay laid over.

    Raises:
        ConfigurationError: a map is wrong; says in which file and line.
    """
    sheets = _events(folder)
    folders = [folder]
    if overlay is not None:
        if not overlay.is_dir():
            raise ConfigurationError("the folder of the map overlay is missing", file=str(overlay))
        folders.append(overlay)
        for kind, sheet in _events(overlay).items():
            sheets[kind] = [*sheets.get(kind, []), *sheet]
    includes = _Includes(folders)
    return {kind: _merged(stack, includes) for kind, stack in sheets.items()}


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


def _merged(stack: list[Sheet], includes: _Includes) -> Sheet:
    """One sheet: included rules first, then those of the event, then the overlay's."""
    layers: list[Sheet] = []
    for sheet in stack:
        for name, where in sheet.includes:
            layers += [found for found in includes.find(name, where) if found not in layers]
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


class _Compiler:
    """Turns a sheet into a program."""

    def __init__(self, language: PathLanguage, values: ValueMaps) -> None:
        self._language = language
        self._values = values

    def program(self, sheet: Sheet) -> _Program:
        values = self._value_maps(sheet)
        if not sheet.verbs:
            raise sheet.kinds[0][1].error("the event has no verb")
        return _Program(
            verbs=sheet.verbs,
            fields=_Fields(
                tuple(
                    (rule.record, self._compiled(rule, values))
                    for rule in sheet.rules.values()
                    if rule.sources
                ),
                self._language,
            ),
            loops=tuple(
                _Loop(
                    block.target,
                    self._each(block),
                    self._rules(block.rules.values(), values),
                    self._language,
                )
                for block in sheet.blocks.values()
            ),
        )

    def _value_maps(self, sheet: Sheet) -> ValueMaps:
        names = {*sheet.values, *self._values}
        return {
            name: {**sheet.values.get(name, {}), **self._values.get(name, {})} for name in names
        }

    def _rules(self, rules: Iterable[Rule], values: ValueMaps) -> tuple[Compiled, ...]:
        return tuple(self._compiled(rule, values) for rule in rules if rule.sources)

    def _compiled(self, rule: Rule, values: ValueMaps) -> Compiled:
        reads = tuple(self._source(source, rule.where, values) for source in rule.sources)
        return Compiled(rule.code, str(rule.where), reads)

    def _source(self, source: SourceText, where: Where, values: ValueMaps) -> Read:
        calls = source.functions
        path = source.path
        if path and calls and not is_function(calls[0].name):
            path = " ".join([path, "|", calls[0].name, *calls[0].arguments])
            calls = calls[1:]
        try:
            get = self._language.value(path) if path else _literal(source.literal)
            functions = tuple(make_function(call.name, call.arguments, values) for call in calls)
        except ValueError as error:
            raise where.error(str(error)) from None
        fills = any(call.name in FILLS for call in calls)
        return Read(get, functions, path, source.constant, fills)

    def _each(self, block: Block) -> Callable[[Any], list[Any]]:
        try:
            return self._language.each(block.path)
        except ValueError as error:
            raise block.where.error(str(error)) from None


def _literal(text: str | None) -> Getter:
    """The getter of a literal; of none it states nothing."""
    found = None if text is None else (text, "")
    return lambda _node: found
