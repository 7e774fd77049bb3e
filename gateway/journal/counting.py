"""What the SQLite journal holds, counted for operators."""

from __future__ import annotations

import sqlite3

from gateway.journal.queries import SQL
from gateway.journal.records import Stats


def stats(db: sqlite3.Connection) -> Stats:
    """Counts of everything."""

    def counts(query: str) -> dict[str, int]:
        return {str(name): int(count) for name, count in db.execute(SQL[query])}

    def count(query: str) -> int:
        return int(db.execute(SQL[query]).fetchone()[0])

    pages, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size")
    )
    return Stats(
        exchanges=counts("count_exchanges"),
        sends=counts("count_sends"),
        visits=counts("count_visits"),
        resources=count("count_resources"),
        audit_rows=count("count_audit"),
        size=pages * size,
    )
