"""Reading the CSV tables: encodings, metadata lines, columns, dates, line numbers.

A table is UTF-8 (with or without byte order mark) or GB18030. Its first lines may be metadata,
`# name: value`; then comes the header, then rows. Spreadsheets write such files; what they damage
is refused with file and line instead of being repaired by a guess.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from gateway.errors import ConfigurationError

OPEN_START: Final = date.min
"""The start of a row without `valid_from`."""
OPEN_END: Final = date.max
"""The end of a row without `valid_to`."""

_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?[Ee]\+\d+")
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Finding(NamedTuple):
    """Something a person should look at; it does not keep the tables from being used."""

    file: str
    line: int
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands and its values by column, outer spaces removed."""

    file: str
    line: int
    values: Mapping[str, str]
    trimmed: tuple[str, ...] = ()
    """Columns whose value had outer spaces."""

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")

    @property
    def reference(self) -> str:
        """`items.csv:12`, as it is shown with a translation."""
        return f"{Path(self.file).name}:{self.line}"

    def error(self, reason: str) -> ConfigurationError:
        """The error of this row, to be raised."""
        return ConfigurationError(reason, file=self.file, line=self.line)

    def need(self, column: str) -> str:
        """The value of a column that must not be empty.

        Raises:
            ConfigurationError: it is empty.
        """
        value = self[column]
        if not value:
            raise self.error(f"{column} is empty")
        return value

    def code(self, column: str) -> str:
        """A code: not empty, and not a number as a spreadsheet shows it.

        Raises:
            ConfigurationError: it is empty, or was damaged (`2.5E+14`).
        """
        value = self.need(column)
        if _SCIENTIFIC.fullmatch(value):
            raise self.error(
                f"{column} {value!r} was damaged by a spreadsheet:"
                " store the column as text and export again"
            )
        return value

    def validity(self) -> tuple[date, date]:
        """First and last day of the row; an empty cell leaves that end open.

        Raises:
            ConfigurationError: a date is not `yyyy-MM-dd`, or the end is before the start.
        """
        start = self._date("valid_from") or OPEN_START
        end = self._date("valid_to") or OPEN_END
        if end < start:
            raise self.error("valid_to is before valid_from")
        return start, end

    def _date(self, column: str) -> date | None:
        text = self[column]
        if not text:
            return None
        try:
            if len(text) != 10:
                raise ValueError
            return date.fromisoformat(text)
        except ValueError:
            raise self.error(f"{column} {text!r} is not a date of the form yyyy-MM-dd") from None


@dataclass(frozen=True, slots=True)
class Table:
    """A file: its metadata lines, its columns and its rows."""

    file: str
    metadata: Mapping[str, str]
    columns: tuple[str, ...]
    header_line: int
    rows: tuple[Row, ...]

    def error(self, reason: str) -> ConfigurationError:
        """The error of the header line, to be raised."""
        return ConfigurationError(reason, file=self.file, line=self.header_line)

    def require(self, columns: Collection[str], optional: Collection[str] = ()) -> None:
        """Check the header.

        Raises:
            ConfigurationError: a column is missing, or one is there that nobody reads.
        """
        missing = [column for column in columns if column not in self.columns]
        if missing:
            raise self.error(f"no column {', '.join(missing)}")
        known = {*columns, *optional}
        unknown = [column for column in self.columns if column not in known]
        if unknown:
            raise self.error(f"unknown column {', '.join(unknown)}")


def read_table(path: Path) -> Table:
    """Read a CSV file.

    Raises:
        ConfigurationError: it cannot be read or decoded, has no header, or a row has another
            number of cells than the header.
    """
    file = str(path)
    metadata: dict[str, str] = {}
    columns: tuple[str, ...] = ()
    header_line = 0
    rows: list[Row] = []
    for line, cells in _lines(path):
        if not any(cell.strip() for cell in cells):
            continue
        if not columns and cells[0].startswith("#"):
            name, _, value = ",".join(cells).rstrip(",").lstrip("# ").partition(":")
            metadata[name.strip()] = value.strip()
        elif not columns:
            columns = tuple(cell.strip() for cell in cells)
            header_line = line
            if len(set(columns)) != len(columns):
                raise ConfigurationError("a column name stands twice", file=file, line=line)
        else:
            rows.append(_row(file, line, columns, cells))
    if not columns:
        raise ConfigurationError("no header line", file=file)
    return Table(file, metadata, columns, header_line, tuple(rows))


def _row(file: str, line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise ConfigurationError(
            f"{len(cells)} cells where the header has {len(columns)}", file=file, line=line
        )
    trimmed = tuple(
        column for column, cell in zip(columns, cells, strict=True) if cell != cell.strip()
    )
    return Row(file, line, dict(zip(columns, map(str.strip, cells), strict=True)), trimmed)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line on which each begins."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigurationError(str(error), file=str(path), line=line) from error
        yield line, cells
        line = reader.line_num + 1


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
    if raw.startswith(_WIDE):
        raise ConfigurationError("is UTF-16: export it as CSV in UTF-8", file=str(path))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    try:
        return raw.decode("gb18030")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "is neither UTF-8 nor GB18030", file=str(path), line=line
        ) from error
