"""Files of the interface: one UTF-8 text in a ZIP, TAB between columns, one record a line.

An empty value is the word `null`. Columns have no heading: they are known by their position, and
later versions of the interface append further ones at the end, so that more columns than expected
are kept and not an error (reference: rules of the interface, section 5; 3202). Both line ends are
met: LF between the lines with none after the last, and CRLF with a TAB before it.
"""

from __future__ import annotations

import codecs
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, NamedTuple

from gateway.fsi.files.archive import (
    LIMITS,
    FileError,
    Limits,
    only_text,
    opened,
    owner_only,
)

EMPTY = "null"
"""How an empty value is written."""
TAB = "\t"
MAX_SHORT_KEPT = 100
"""Short lines of a file that are handed on one by one."""
_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Time of an entry: the same rows make the same bytes."""


class LineEnd(StrEnum):
    """The two forms in which lines end."""

    LF = "lf"
    """LF between lines, none after the last."""
    TAB_CRLF = "tab-crlf"
    """A TAB and CRLF after every line."""


class Row(NamedTuple):
    """A record: `values` has a text for each expected column, `extra` what stood behind them.

    An empty value is "". `line` is counted from 1.
    """

    line: int
    values: tuple[str, ...]
    extra: tuple[str, ...]


class Short(NamedTuple):
    """A line with fewer columns than the oldest known version of its file."""

    line: int
    found: int
    expected: int


class Shorts:
    """Collects short lines: all are counted, the first ones kept."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[Short] = []

    def __call__(self, found: Short) -> None:
        """Count a line."""
        self.count += 1
        if len(self.first) < MAX_SHORT_KEPT:
            self.first.append(found)


def read_rows(
    path: Path,
    columns: int,
    *,
    least: int = 0,
    short: Callable[[Short], None] | None = None,
    limits: Limits = LIMITS,
) -> Iterator[Row]:
    """The records of a file, read line by line.

    A line of at least `least` columns (default: all) is filled up with empty values; one with
    fewer is given to `short` and left out. Empty lines are passed over.

    Raises:
        FileError: the ZIP file is not whole or beyond the limits, a line is too long or no UTF-8,
            or a line is short and nobody asked for such lines.
    """
    least = least or columns
    with opened(path, limits) as archive, archive.open(only_text(archive)) as content:
        for number, text in _lines(content, limits.line_bytes):
            parts = text.split(TAB)
            if len(parts) > columns and not parts[-1]:
                parts.pop()  # the TAB before CRLF
            values = tuple("" if part == EMPTY else part for part in parts)
            if len(values) < least:
                found = Short(number, len(values), least)
                if short is None:
                    raise FileError(f"{len(values)} columns instead of {least}", line=number)
                short(found)
                continue
            filled = values[:columns] + ("",) * (columns - len(values))
            yield Row(number, filled, values[columns:])


def _lines(content: IO[bytes], limit: int) -> Iterator[tuple[int, str]]:
    for number in _count():
        line = content.readline(limit + 1)
        if not line:
            return
        if len(line) > limit:
            raise FileError(f"longer than {limit} bytes", line=number)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FileError("is not UTF-8", line=number) from error
        if text:
            yield number, text


def _count() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def write_rows(
    path: Path,
    name: str,
    rows: Iterable[Sequence[str]],
    *,
    line_end: LineEnd = LineEnd.LF,
) -> int:
    """Write the records as the text `name` into a new ZIP file; the number of rows.

    The file appears under its path only when it is whole.

    Raises:
        FileError: a value has a TAB or a line end in it; names the line.
    """
    part = path.with_name(f".{path.name}.new")
    count = 0
    try:
        with open(part, "wb", opener=owner_only) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                entry = zipfile.ZipInfo(name, _MOMENT)
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=False) as content:
                    for count, row in enumerate(rows, start=1):
                        content.write(_line(row, count, line_end))
            _settle(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _line(row: Sequence[str], number: int, line_end: LineEnd) -> bytes:
    for value in row:
        if any(sign in value for sign in "\t\r\n"):
            raise FileError("a value has a TAB or a line end in it", line=number)
    text = TAB.join(value or EMPTY for value in row)
    if line_end is LineEnd.TAB_CRLF:
        return f"{text}{TAB}\r\n".encode()
    return (text if number == 1 else f"\n{text}").encode()


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
