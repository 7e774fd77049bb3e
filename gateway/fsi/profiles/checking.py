"""Everything wrong in a profile at once, each with its place and what may be written there.

`load_profile` stops at the first error, because nothing runs with a wrong profile; somebody who
writes one wants them all.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gateway.errors import ConfigurationError
from gateway.fsi.definitions import EDITIONS, Definitions
from gateway.fsi.profiles import ErrorPattern, Profile, load_profile, profile_names
from gateway.fsi.rules import RULE_NAMES


class Finding(NamedTuple):
    """Something wrong in a profile."""

    place: str
    """The key (`money[2]`, `error_patterns[0].pattern`), or the line of a syntax error."""
    reason: str


def check_profile(path: str | Path) -> list[Finding]:
    """Everything wrong in this file; nothing when a gateway would run with it."""
    try:
        document = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return [Finding("", f"cannot be read: {error}")]
    except tomllib.TOMLDecodeError as error:
        return [Finding("", f"is no TOML: {error}")]
    found = [*_keys(document), *_contents(document, Path(path))]
    if not found:
        try:
            load_profile(str(path))
        except ConfigurationError as error:
            found.append(Finding("", error.reason))
    return found


def _keys(document: dict[str, Any]) -> Iterator[Finding]:
    kinds = {field.name: field for field in msgspec.structs.fields(Profile)}
    for key, value in document.items():
        if key not in kinds or key == "name":
            yield Finding(key, f"unknown key{_like(key, kinds.keys() - {'name'})}")
            continue
        try:
            msgspec.convert(value, kinds[key].type)
        except msgspec.ValidationError as error:
            yield from _wrong_value(key, value, error)


def _wrong_value(key: str, value: Any, error: msgspec.ValidationError) -> Iterator[Finding]:
    if key != "error_patterns" or not isinstance(value, list):
        reason, _, place = str(error).partition(" - at ")
        yield Finding(f"{key}{place.strip('`$')}", reason)
        return
    for at, entry in enumerate(value):
        try:
            msgspec.convert(entry, ErrorPattern)
        except msgspec.ValidationError as wrong:
            reason, _, place = str(wrong).partition(" - at ")
            yield Finding(f"{key}[{at}]{place.strip('`$')}", reason)


def _contents(document: dict[str, Any], path: Path) -> Iterator[Finding]:
    yield from _extends(document.get("extends", ""), path)
    edition = document.get("edition", "")
    if isinstance(edition, str) and edition and edition not in EDITIONS:
        yield Finding(
            "edition", f"unknown edition {edition!r}: one of {', '.join(sorted(EDITIONS))}"
        )
        edition = ""
    definitions = Definitions.load(edition if isinstance(edition, str) else "")
    infnos = definitions.infnos()
    for key in ("reversible", "money", "service_paths"):
        yield from _known(document, key, infnos, "transaction")
    yield from _known(document, "open_dictionaries", definitions.dictionaries(), "dictionary")
    for key in ("strict_rules", "off_rules"):
        yield from _known(document, key, RULE_NAMES, "rule")
    can = definitions.transaction("2601").cancels
    for at, infno in enumerate(_list(document, "reversible")):
        if infno in infnos and infno not in can:
            yield Finding(f"reversible[{at}]", f"2601 reverses {', '.join(can)}, not {infno}")
    members = {field.code for field in definitions.envelope.request}
    copies = document.get("header_copy")
    for name, source in copies.items() if isinstance(copies, dict) else ():
        if isinstance(source, str) and source not in members:
            reason = f"the envelope has no member {source!r}{_like(source, members)}"
            yield Finding(f"header_copy.{name}", reason)
    yield from _patterns(document)


def _extends(name: Any, path: Path) -> Iterator[Finding]:
    if not isinstance(name, str) or not name:
        return
    if name.endswith(".toml"):
        if not (path.parent / name).is_file():
            yield Finding("extends", f"there is no file {name} beside this one")
    elif name not in profile_names():
        yield Finding("extends", f"no profile {name!r}: one of {', '.join(profile_names())}")


def _known(
    document: dict[str, Any], key: str, names: Collection[str], kind: str
) -> Iterator[Finding]:
    table = document.get(key)
    if isinstance(table, dict):
        places = [(f"{key}.{name}", name) for name in table]
    else:
        places = [(f"{key}[{at}]", name) for at, name in enumerate(_list(document, key))]
    for place, name in places:
        if isinstance(name, str) and name not in names:
            yield Finding(place, f"no {kind} {name!r}{_like(name, names)}")


def _patterns(document: dict[str, Any]) -> Iterator[Finding]:
    for at, entry in enumerate(_list(document, "error_patterns")):
        pattern = entry.get("pattern") if isinstance(entry, dict) else None
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                yield Finding(f"error_patterns[{at}].pattern", f"no regular expression: {error}")


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _like(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
