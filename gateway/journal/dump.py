"""A whole SQLite journal to and from lines of a file, and what may leave it when it is old."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from gateway.errors import StateError
from gateway.journal.archive import (
    ARCHIVED,
    TABLES,
    AuditLine,
    HeadLine,
    ResourceLine,
    Row,
    SendLine,
    tokens_of,
)
from gateway.journal.queries import SQL

PORTION: Final = 500
"""Rows that are held at a time."""


def write_rows(db: sqlite3.Connection, put: Callable[[Iterable[Row]], None], before: str) -> None:
    """Give every row to `put`; with `before` only those of exchanges older than that date."""
    kind = "archive" if before else "export"
    for line in ARCHIVED if before else TABLES:
        query = SQL[f"{kind}_{TABLES[line]}"]
        put(_line(line, row) for row in db.execute(query, {"before": before} if before else {}))


def _line(line: type[Row], row: Sequence[Any]) -> Row:
    values = list(row)
    if line is SendLine:
        values[_MONEY] = bool(values[_MONEY])  # SQLite has no booleans
    return line(*values)


_MONEY: Final = SendLine.__struct_fields__.index("money")


def load_rows(db: sqlite3.Connection, rows: Iterator[Row]) -> None:
    """Store every row of a file in an empty journal.

    Raises:
        StateError: the journal is not empty.
    """
    if db.execute(SQL["count_rows"]).fetchone()[0]:
        raise StateError("the journal is not empty: a file is imported into a new one")
    for line, group in itertools.groupby(rows, type):
        while portion := list(itertools.islice(group, PORTION)):
            _store(db, line, portion)


def _store(db: sqlite3.Connection, line: type[Row], rows: list[Row]) -> None:
    if line is HeadLine:
        db.executemany(SQL["update_audit_head"], [msgspec.structs.asdict(row) for row in rows])
    elif line is AuditLine:
        db.executemany(SQL["insert_audit"], map(msgspec.structs.astuple, rows))
    elif line is ResourceLine:
        for row in rows:
            assert isinstance(row, ResourceLine)
            values = msgspec.structs.asdict(row)
            ((changed,),) = db.execute(SQL["insert_resource"], values).fetchall()
            db.executemany(
                SQL["insert_token"],
                [
                    {"type": row.type, "name": name, "token": token, "changed": changed}
                    for name, token in tokens_of(row)
                ],
            )
    else:
        db.executemany(SQL[f"import_{TABLES[line]}"], map(msgspec.structs.astuple, rows))


def trim(db: sqlite3.Connection, exchange_ids: Sequence[str]) -> None:
    """Remove what is large from exchanges that are over; see `Journal.trim`."""
    values = [{"exchange_id": exchange_id} for exchange_id in exchange_ids]
    for query in ("trim_message", "trim_answer", "trim_replies"):
        db.executemany(SQL[query], values)
