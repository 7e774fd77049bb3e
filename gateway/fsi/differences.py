"""What a profile changes: its keys, and the fields, flags, dictionaries and envelope it brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.fsi.definitions import Definitions, Field, Node, Transaction
from gateway.fsi.profiles import Profile, load_profile

BASE_PROFILE = "generic"

_NAMES = frozenset({"name", "title", "extends"})
_COMPARED = ("type", "required", "max_length", "precision", "scale", "dictionary")


class Difference(NamedTuple):
    """One thing in which a profile differs from the base; an empty text means there is none."""

    kind: Literal["profile", "transaction", "node", "field", "dictionary", "envelope"]
    place: str
    """A key (`url_form`), a path (`2203 input mdtrtinfo.dise_codg`), a dictionary or a member."""
    base: str
    here: str


def profile_differences(name_or_path: str) -> list[Difference]:
    """Everything in which this profile differs from the generic one, in the order of the tables.

    Raises:
        ConfigurationError: there is no such profile, or it is wrong.
    """
    base, here = load_profile(BASE_PROFILE), load_profile(name_or_path)
    known, own = Definitions.load(base.edition), Definitions.load(here.edition)
    return [
        *_keys(base, here),
        *_envelope(known, here),
        *_transactions(known, own),
        *_dictionaries(known, own),
    ]


def _keys(base: Profile, here: Profile) -> Iterator[Difference]:
    for key in base.__struct_fields__:
        one, other = getattr(base, key), getattr(here, key)
        if key in _NAMES or one == other:
            continue
        if isinstance(other, dict):
            for name in sorted({*one, *other}):
                if one.get(name) != other.get(name):
                    yield Difference(
                        "profile", f"{key}.{name}", _text(one.get(name)), _text(other.get(name))
                    )
        else:
            yield Difference("profile", key, _text(one), _text(other))


def _envelope(known: Definitions, here: Profile) -> Iterator[Difference]:
    members = {field.code for field in known.envelope.request}
    for name in (*here.header_extra, *here.header_copy):
        if name not in members:
            copied = here.header_copy.get(name)
            value = f"copy of {copied}" if copied else here.header_extra.get(name, "")
            yield Difference("envelope", name, "", value or "empty")


def _transactions(known: Definitions, own: Definitions) -> Iterator[Difference]:
    for infno in own.infnos():
        base, other = known.transaction(infno), own.transaction(infno)
        if base.cancels != other.cancels:
            yield Difference(
                "transaction", f"{infno} cancels", _text(base.cancels), _text(other.cancels)
            )
        yield from _sides(base, other)


def _sides(base: Transaction, here: Transaction) -> Iterator[Difference]:
    pairs = (("input", base.input, here.input), ("output", base.output, here.output))
    for side, one, other in pairs:
        nodes, own = _by_name(one), _by_name(other)
        for name in dict.fromkeys([*nodes, *own]):
            place = f"{base.infno} {side} {name}".rstrip()
            if name not in own or name not in nodes:
                there = _node(nodes[name]) if name in nodes else ""
                yield Difference("node", place, there, _node(own[name]) if name in own else "")
                continue
            yield from _fields(place, nodes[name], own[name])


def _fields(place: str, base: Node, here: Node) -> Iterator[Difference]:
    one = {field.code: field for field in base.fields}
    other = {field.code: field for field in here.fields}
    join = "." if base.name else " "
    for code in dict.fromkeys([*one, *other]):
        there = _field(one[code]) if code in one else ""
        own = _field(other[code]) if code in other else ""
        if there != own:
            yield Difference("field", f"{place}{join}{code}", there, own)


def _dictionaries(known: Definitions, own: Definitions) -> Iterator[Difference]:
    for name in known.dictionaries():
        base, here = known.dictionary(name), own.dictionary(name)
        gone = [code for code in base if code not in here]
        new = [code for code in here if code not in base]
        if gone or new:
            yield Difference("dictionary", name, _text(gone), _text(new))


def _by_name(nodes: Sequence[Node]) -> dict[str, Node]:
    return {node.name: node for node in nodes}


def _node(node: Node) -> str:
    return f"{'several rows' if node.repeats else 'one row'} of {len(node.fields)} fields"


def _field(field: Field) -> str:
    facts = {name: getattr(field, name) for name in _COMPARED}
    return " ".join(
        name if value is True else f"{name} {value}"
        for name, value in facts.items()
        if value not in (None, "", False)
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
