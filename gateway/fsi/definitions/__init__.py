"""The national interface as data: transactions, the envelope and the dictionaries.

One file a transaction stands in `transactions/`, and `envelope.json` and `dictionaries.json`
beside it. The base is one complete provincial text cross-checked with client programs of other
regions; every file names its sources, says where they agree, and keeps what is doubtful marked as
such. `Definitions.load` reads them all, checks that they hold together, and lays the differences
of one edition over the base:

* a field's `editions` entry changes whether it is required, its lengths, type or name, or takes
  it away (`present: false`);
* `extensions` seen in that edition add fields and nodes, as they are known;
* a transaction file may itself belong to one edition and then replaces the base one.

An edition's other name for an *output* field only becomes an alias: a reply is read under every
known name and given on under the one of the base, so that the rest of the gateway sees one name.
An entry marked doubtful is kept in the data and not enforced.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

import msgspec

from gateway.errors import ConfigurationError
from gateway.fsi.definitions.model import (
    Dictionaries,
    Dictionary,
    Envelope,
    Extension,
    Field,
    Node,
    Transaction,
)

__all__ = [
    "EDITIONS",
    "Definitions",
    "Dictionary",
    "Envelope",
    "Extension",
    "Field",
    "Node",
    "Transaction",
]

EDITIONS = frozenset({"CQ", "FS", "GD", "GZ", "HB", "HN", "JS", "NM", "SZ"})
"""Chongqing, Foshan, Guangdong, Guangzhou, Hubei, Hunan, Jiangsu, Inner Mongolia, Shenzhen."""


_T = TypeVar("_T")


class Definitions:
    """All transactions, the envelope and the dictionaries, as one edition has them."""

    def __init__(
        self,
        edition: str,
        transactions: dict[str, Transaction],
        envelope: Envelope,
        dictionaries: dict[str, Dictionary],
    ) -> None:
        self.edition = edition
        self.envelope = envelope
        self._base = transactions
        self._dictionaries = dictionaries
        self._overlaid: dict[str, Transaction] = {}

    @classmethod
    def load(cls, edition: str = "") -> Definitions:
        """The definitions with the differences of `edition` ("HN", "GD", ...) laid over.

        The files are read once in a process.

        Raises:
            ConfigurationError: a file is wrong, the files contradict one another, or the edition
                is not known.
        """
        if edition and edition not in EDITIONS:
            raise ConfigurationError(f"unknown edition {edition!r}: one of {sorted(EDITIONS)}")
        return _load(edition)

    def infnos(self) -> tuple[str, ...]:
        """The transaction numbers, ascending."""
        return tuple(self._base)

    def __contains__(self, infno: object) -> bool:
        return infno in self._base

    def transaction(self, infno: str) -> Transaction:
        """The transaction as this edition has it.

        Raises:
            KeyError: there is no such transaction.
        """
        found = self._overlaid.get(infno)
        if found is None:
            found = self._overlaid[infno] = _overlay(self._base[infno], self.edition)
        return found

    def variants(self, infno: str) -> tuple[Transaction, ...]:
        """The tables of editions that replace the base one."""
        return tuple(found for found in _transactions()[1] if found.infno == infno)

    def value_set(self, name: str) -> Dictionary:
        """A value set with its sources and remarks.

        Raises:
            KeyError: there is no such dictionary.
        """
        return self._dictionaries[name]

    def dictionary(self, name: str) -> dict[str, str]:
        """Code to label of a value set.

        The base text is Hunan's: with its edition only the text's own values count. Elsewhere the
        values met in other regions are added.

        Raises:
            KeyError: there is no such dictionary.
        """
        entry = self._dictionaries[name]
        if self.edition == "HN":
            return entry.values
        return {**entry.values, **entry.regional}

    def dictionaries(self) -> tuple[str, ...]:
        """The names of the dictionaries."""
        return tuple(self._dictionaries)


@cache
def _load(edition: str) -> Definitions:
    base, replaced = _transactions()
    transactions = dict(base)
    transactions.update((t.infno, t) for t in replaced if t.edition == edition)
    dictionaries = _read("dictionaries.json", Dictionaries).dictionaries
    envelope = _read("envelope.json", Envelope)
    _check(transactions, dictionaries)
    return Definitions(edition, dict(sorted(transactions.items())), envelope, dictionaries)


@cache
def _transactions() -> tuple[dict[str, Transaction], tuple[Transaction, ...]]:
    base: dict[str, Transaction] = {}
    of_an_edition: list[Transaction] = []
    folder = files(__name__).joinpath("transactions")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"transactions/{file.name}"
        if not name.endswith(".json"):
            continue
        transaction = _read(name, Transaction)
        expected = "-".join(filter(None, (transaction.infno, transaction.edition))) + ".json"
        if file.name != expected:
            raise ConfigurationError(f"holds transaction {transaction.infno}", file=name)
        if transaction.edition:
            of_an_edition.append(transaction)
        else:
            base[transaction.infno] = transaction
    return base, tuple(of_an_edition)


def _read(name: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(files(__name__).joinpath(name).read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(str(error), file=name) from error


def _check(transactions: dict[str, Transaction], dictionaries: dict[str, Dictionary]) -> None:
    for transaction in transactions.values():
        name = f"transactions/{transaction.infno}.json"
        for infno in transaction.cancels:
            if infno not in transactions:
                raise ConfigurationError(f"cancels {infno}, which does not exist", file=name)
        for side in (transaction.input, transaction.output):
            _check_side(side, dictionaries, name)


def _check_side(side: tuple[Node, ...], dictionaries: dict[str, Dictionary], file: str) -> None:
    names = [node.name for node in side]
    for node in side:
        if names.count(node.name) > 1:
            raise ConfigurationError(f"node {node.name!r} occurs twice", file=file)
        if node.parent is not None and node.parent not in names:
            raise ConfigurationError(f"node {node.name!r} lies in an unknown node", file=file)
        seen: set[str] = set()
        for field in node.fields:
            place = f"{node.name}.{field.code}"
            if field.code in seen:
                raise ConfigurationError(f"{place} occurs twice", file=file)
            seen.add(field.code)
            if field.dictionary and field.dictionary not in dictionaries:
                raise ConfigurationError(f"{place}: no dictionary {field.dictionary}", file=file)
            limits = (field.max_length, field.precision)
            if any(limit is not None and limit <= 0 for limit in limits):
                raise ConfigurationError(f"{place}: a length below 1", file=file)
            if (field.scale or 0) > (field.precision or 0):
                raise ConfigurationError(f"{place}: more decimals than digits", file=file)


def _overlay(base: Transaction, edition: str) -> Transaction:
    if not edition:
        return base
    change = base.editions.get(edition)
    return msgspec.structs.replace(
        base,
        cancels=change.cancels if change and change.cancels else base.cancels,
        input=_overlay_side(base, "input", edition),
        output=_overlay_side(base, "output", edition),
    )


def _overlay_side(
    base: Transaction, side: Literal["input", "output"], edition: str
) -> tuple[Node, ...]:
    nodes = {node.name: node for node in (base.input if side == "input" else base.output)}
    for name, node in nodes.items():
        changed = (_overlay_field(field, edition, side) for field in node.fields)
        kept = tuple(field for field in changed if field is not None)
        nodes[name] = msgspec.structs.replace(node, fields=kept)
    for extension in base.extensions:
        if edition in extension.seen_in and extension.side == side:
            _extend(nodes, extension)
    return tuple(nodes.values())


def _extend(nodes: dict[str, Node], extension: Extension) -> None:
    added = extension.node
    if added is not None and added.name not in nodes:
        nodes[added.name] = Node(
            name=added.name, fields=added.fields, parent=added.parent, repeats=added.repeats
        )
    target = nodes.get(extension.in_node)
    if target is not None:
        known = {field.code for field in target.fields}
        fresh = tuple(field for field in extension.fields if field.code not in known)
        nodes[extension.in_node] = msgspec.structs.replace(target, fields=target.fields + fresh)


def _overlay_field(field: Field, edition: str, side: Literal["input", "output"]) -> Field | None:
    change = field.editions.get(edition)
    if change is None or change.doubtful:
        return field
    if not change.present:
        return None
    updates: dict[str, Any] = {
        name: value
        for name in ("required", "type", "max_length", "precision", "scale")
        if (value := getattr(change, name)) is not None
    }
    if change.code and side == "input":
        updates["code"] = change.code
        updates["aliases"] = (*field.aliases, field.code)
    elif change.code and change.code not in field.aliases:
        updates["aliases"] = (*field.aliases, change.code)
    return msgspec.structs.replace(field, **updates)
