"""Books and money transactions by their time, in the SQLite database."""

from __future__ import annotations

import sqlite3

import msgspec

from gateway.errors import StateError
from gateway.journal.queries import SQL
from gateway.journal.records import BookRow, SendRow
from gateway.journal.sends import send_row


def put(db: sqlite3.Connection, book: BookRow, now: str) -> BookRow:
    """Store a book over the version that was read."""
    query = SQL["update_book" if book.version else "insert_book"]
    if db.execute(query, {**msgspec.structs.asdict(book), "now": now}).rowcount != 1:
        raise StateError(f"the book was changed after version {book.version} was read")
    return msgspec.structs.replace(book, version=book.version + 1)


def one(db: sqlite3.Connection, kind: str, key: str) -> BookRow | None:
    """One book."""
    found = db.execute(SQL["book"], {"kind": kind, "key": key}).fetchone()
    return None if found is None else BookRow(**found)


def rows(db: sqlite3.Connection, kind: str, prefix: str, after: str, limit: int) -> list[BookRow]:
    """Books in the order of their keys."""
    values = {"kind": kind, "prefix": prefix, "after": after, "limit": limit}
    return [BookRow(**found) for found in db.execute(SQL["books"], values)]


def money_sends(db: sqlite3.Connection, begin: str, end: str, infno: str) -> list[SendRow]:
    """Money transactions of a span of time, oldest first."""
    values = {"begin": begin, "end": end, "infno": infno}
    return [send_row(found) for found in db.execute(SQL["sends_of_money"], values)]
