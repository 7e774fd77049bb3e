"""Delimiters and escape sequences (HL7 v2 chapter 2, 2.5.4 and 2.7).

The delimiters are those of the message, never constants. Escapes do not nest, and one that is not
finished or not known stays as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind

_SEQUENCE = (
    r"(?:[FSTREPHN]|X(?:[0-9A-Fa-f]{2}){1,4096}|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?"
    r"|\.[a-z]{2}[+-]?[0-9]{0,3})"
)
_LONGEST = 2 * 4096 + 8
"""More characters than any sequence has."""
WINDOW = 65_536
"""Characters that are looked through in one turn of the interpreter: a longer text, in a thread of
its own, would keep the event loop from its turn."""
_BLANK_COMMANDS = (".br", ".sp", ".ti", ".in", ".sk", ".ce")


class Delimiters(msgspec.Struct, frozen=True):
    """The separators and the escape character in force; truncation only from 2.7."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    r"""The data behind `text`.

    Delimiter escapes give the delimiter, `\X..\` the characters of those bytes in the character
    set of the message. Highlighting is dropped and line commands become a blank: neither means
    anything in a field of the national interface. Local `\Z..\` stays as it is.

    Raises:
        InvalidError: a switch of the character set (`\C..\`, `\M..\`), which is not supported.
    """
    if not delimiters.escape or delimiters.escape not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        return _meaning(match, delimiters, codec)

    pattern = _pattern(delimiters.escape)
    return (
        pattern.sub(replace, text) if len(text) <= WINDOW else _in_windows(text, pattern, replace)
    )


def escape(text: str, delimiters: Delimiters) -> str:
    """Write data so that `unescape` gives it back; control characters become hexadecimal."""
    return text.translate(_table(delimiters))


def _in_windows(
    text: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]
) -> str:
    """What `pattern.sub` gives; a sequence that a window cuts is whole in the next one."""
    parts: list[str] = []
    done = at = 0
    while at < len(text):
        match = pattern.search(text, at, at + WINDOW)
        if match is None:
            at += WINDOW - _LONGEST
            continue
        parts += (text[done : match.start()], replace(match))
        done = at = match.end()
    return "".join([*parts, text[done:]])


def length_of(raw: str, delimiters: Delimiters) -> int:
    r"""The length of a value as HL7 counts it (chapter 2, 2.7): in characters, not bytes.

    Separators of components and subcomponents count. Of an escape sequence what stands between
    the two escape characters counts: `\F\` is 1, `\.br\` is 3, `\X0D\` is 3.
    """
    mark = delimiters.escape
    marks = raw.count(mark) if mark else 0
    return len(raw) - marks + marks % 2


def _meaning(match: re.Match[str], delimiters: Delimiters, codec: str) -> str:
    body: str = match[1]
    named = _named(delimiters).get(body)
    if named is not None:
        return named
    if body[0] == "X":
        try:
            return bytes.fromhex(body[1:]).decode(codec)
        except UnicodeDecodeError:
            return match[0]
    if body[0] in "CM":
        raise InvalidError(
            [
                Problem(
                    kind=ProblemKind.BUSINESS,
                    code=ProblemCode.NOT_SUPPORTED,
                    zh="不支持字段内切换字符集的转义",
                    en="an escape that switches the character set is not supported",
                )
            ]
        )
    if body[0] == ".":
        return " " if body[:3] in _BLANK_COMMANDS else ""
    return "" if body in "HN" else match[0]


@lru_cache(maxsize=64)
def _pattern(mark: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(mark)}({_SEQUENCE}){re.escape(mark)}")


@lru_cache(maxsize=64)
def _named(delimiters: Delimiters) -> dict[str, str]:
    names = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation,
    }
    return {name: mark for name, mark in names.items() if mark}


@lru_cache(maxsize=64)
def _table(delimiters: Delimiters) -> dict[int, str]:
    mark = delimiters.escape
    table = {code: f"{mark}X{code:02X}{mark}" for code in range(0x20)}
    table.update(
        {ord(character): f"{mark}{name}{mark}" for name, character in _named(delimiters).items()}
    )
    return table
