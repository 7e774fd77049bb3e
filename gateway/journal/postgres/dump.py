"""A whole PostgreSQL journal to and from lines of a file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from gateway.errors import StateError
from gateway.journal.archive import (
    ARCHIVED,
    MOVED,
    TABLES,
    ExchangeLine,
    HeadLine,
    ResourceLine,
    Row,
    SendLine,
    tokens_of,
)
from gateway.journal.queries import POSTGRES

PORTION: Final = 2_000
"""Rows that are held at a time."""

_OWNED: Final = (ExchangeLine, SendLine)
"""Rows that have an owner in the database."""


async def write_rows(
    db: asyncpg.Connection, put: Callable[[Iterable[Row]], None], before: str
) -> None:
    """Give every row of one snapshot to `put`; with `before` only those of older exchanges."""
    kind, values = ("archive", (before,)) if before else ("export", ())
    async with db.transaction(isolation="repeatable_read", readonly=True):
        for line in ARCHIVED if before else TABLES:
            cursor = await db.cursor(POSTGRES[f"{kind}_{TABLES[line]}"], *values)
            while rows := await cursor.fetch(PORTION):
                put(line(*row) for row in rows)


async def load_rows(db: asyncpg.Connection, rows: Iterator[Row]) -> None:
    """Store every row of a file in an empty journal, in one transaction.

    Raises:
        StateError: the journal is not empty.
    """
    await db.execute(POSTGRES["begin_batch"])
    if await db.fetchval(POSTGRES["count_rows"]):
        raise StateError("the journal is not empty: a file is imported into a new one")
    for line, group in itertools.groupby(rows, type):
        while portion := list(itertools.islice(group, PORTION)):
            await _store(db, line, portion)
    await db.execute(POSTGRES["commit_batch"])


async def _store(db: asyncpg.Connection, line: type[Row], rows: Sequence[Row]) -> None:
    values: list[tuple[Any, ...]] = [msgspec.structs.astuple(row) for row in rows]
    if line is HeadLine:
        await db.execute(POSTGRES["set_head"], *values[-1])
        return
    columns = line.__struct_fields__
    if line in _OWNED:
        columns, values = (*columns, "owner"), [(*row, MOVED) for row in values]
    await db.copy_records_to_table(TABLES[line], records=values, columns=columns)
    if line is ResourceLine:
        tokens = [
            (row.type, row.id, *pair)
            for row in rows
            if isinstance(row, ResourceLine)
            for pair in tokens_of(row)
        ]
        arrays = [list(column) for column in zip(*tokens, strict=True)]
        await db.execute(POSTGRES["insert_tokens"], *arrays)
