"""The audit in the database: appending in the writer's transaction, reading, verifying."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from gateway.journal.chain import GENESIS, Link, link_hash, verify
from gateway.journal.queries import SQL
from gateway.journal.records import AuditEvent, AuditHead, AuditReport, AuditRow, AuditSearch

_encode = msgspec.json.Encoder(order="deterministic").encode


def chained(seq: int, previous: str, now: str, event: AuditEvent) -> Link:
    """The row of an event that becomes row `seq` and continues the hash `previous`."""
    detail = _encode(event.detail).decode()
    row = Link(seq, now, event.exchange_id, event.station, detail, previous, "")
    return row._replace(hash=link_hash(row))


def audit_row(link: Link) -> AuditRow:
    """A stored row as it is given out."""
    return AuditRow(
        seq=link.seq,
        time=link.time,
        exchange_id=link.exchange_id,
        station=link.station,
        detail=msgspec.json.decode(link.detail, type=dict[str, str]),
        previous=link.previous,
        hash=link.hash,
    )


def append(db: sqlite3.Connection, now: str, events: Sequence[AuditEvent]) -> None:
    """Append events to the chain, as part of the caller's transaction."""
    if not events:
        return
    seq, previous = db.execute(SQL["audit_head"]).fetchone()
    for event in events:
        seq += 1
        row = chained(seq, previous, now, event)
        previous = row.hash
        db.execute(SQL["insert_audit"], row)
    db.execute(SQL["update_audit_head"], {"seq": seq, "hash": previous})


def trail(db: sqlite3.Connection, exchange_id: str) -> list[AuditRow]:
    """The rows of one exchange."""
    rows = db.execute(SQL["audit_trail"], {"exchange_id": exchange_id})
    return [audit_row(Link._make(row)) for row in rows]


def rows(db: sqlite3.Connection, after: int, limit: int) -> list[AuditRow]:
    """Rows in order."""
    found = db.execute(SQL["audit_rows"], {"after": after, "limit": limit})
    return [audit_row(Link._make(row)) for row in found]


def found(db: sqlite3.Connection, search: AuditSearch) -> tuple[int, list[AuditRow]]:
    """How many rows fit, and a page of them, last first."""
    values = msgspec.structs.asdict(search)
    ((total,),) = db.execute(SQL["count_audit_found"], values).fetchall()
    page = db.execute(SQL["audit_found"], values)
    return total, [audit_row(Link._make(row)) for row in page]


def head(db: sqlite3.Connection) -> AuditHead:
    """The last row as recorded."""
    seq, digest = db.execute(SQL["audit_head"]).fetchone() or (0, GENESIS)
    return AuditHead(seq=seq, hash=digest)


def verify_chain(db: sqlite3.Connection, heads: Sequence[AuditHead] = ()) -> AuditReport:
    """Check every row; memory does not grow with the length of the chain."""
    factory = db.text_factory
    # Bytes that somebody put there and that are no text must be reported, not stumbled over.
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        recorded = db.execute(SQL["audit_head"]).fetchone()
        seq, digest = (0, None) if recorded is None else recorded
        return verify(map(Link._make, db.execute(SQL["audit"])), seq, digest, heads)
    finally:
        db.text_factory = factory
