"""The hash chain of the audit, without a database: how a row is hashed and what a break means.

The hash of a row is SM3 (GB/T 32905) over six netstrings (`<length in bytes>:<UTF-8>,`): number
of the row, time, exchange id, station, detail as stored (JSON text), and the hash of the row
before, in hex. The first row continues sixty-four zeros. Netstrings keep the fields apart, so no
two different rows are the same bytes, and any language can compute them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.journal.records import AuditBreak, AuditHead, AuditReport, BreakKind

GENESIS: Final = "0" * 64
"""What the first row continues."""

MAX_BREAKS: Final = 1000
"""Findings listed in a report; a chain with more is beyond reading one by one."""

MAX_SEARCHED: Final = 200
"""Rows out of place up to which each is tried at the place of each other: forty thousand hashes."""


class Link(NamedTuple):
    """A row as stored, in the order of the columns."""

    seq: int
    time: str
    exchange_id: str
    station: str
    detail: str
    previous: str
    hash: str

    def is_genuine(self, seq: int) -> bool:
        """True when this row was written as row `seq`, and is unchanged but for its number."""
        return self.hash == link_hash(self._replace(seq=seq))


def sm3_hex(data: bytes) -> str:
    """SM3 digest in hex."""
    return hashlib.new("sm3", data).hexdigest()


def link_hash(row: Link) -> str:
    """The hash that a row should have, from its other columns, in hex."""
    parts = []
    for text in (str(row.seq), *row[1:6]):
        data = text.encode()
        parts.append(b"%d:%b," % (len(data), data))
    return sm3_hex(b"".join(parts))


class _Findings:
    """What one pass over the rows noticed; bounded, whatever the size of the damage."""

    def __init__(self) -> None:
        self.rows = 0
        self.last = 0
        self.last_hash = GENESIS
        self.strangers: list[Link] = []
        self.missing: list[int] = []
        self.rewritten: list[int] = []
        self.beyond: list[int] = []

    @property
    def full(self) -> bool:
        return (
            len(self.strangers) + len(self.missing) + len(self.rewritten) + len(self.beyond)
            >= MAX_BREAKS
        )

    def miss(self, first: int, last: int) -> None:
        room = MAX_BREAKS - len(self.missing)
        self.missing.extend(range(first, min(last, first + room - 1) + 1))


class Verifier:
    """Checks rows, in the order of their numbers, against each other and the recorded head.

    `head_hash` is None when the record of the head is missing. Rows may be given in portions.
    `heads` are last rows of earlier times that were written down elsewhere. Work is linear in the
    number of rows, plus the square of at most `MAX_SEARCHED`.
    """

    def __init__(
        self, head_seq: int, head_hash: str | None, heads: Iterable[AuditHead] = ()
    ) -> None:
        self._head_seq, self._head_hash = head_seq, head_hash
        self._witness = _Witness(heads)
        self._findings = _Findings()
        self._sound = True

    def take(self, rows: Iterable[Link]) -> None:
        """Look at the next rows."""
        findings = self._findings
        for row in rows:
            findings.rows += 1
            if not findings.full:
                self._look(row)
            self._witness.look(row)
            findings.last, findings.last_hash = row.seq, row.hash

    def _look(self, row: Link) -> None:
        findings = self._findings
        gap = row.seq > findings.last + 1
        if gap:
            findings.miss(findings.last + 1, row.seq - 1)
        if not row.is_genuine(row.seq):
            findings.strangers.append(row)
            self._sound = False
            return
        if row.seq > self._head_seq:
            findings.beyond.append(row.seq)
        elif self._sound and not gap and row.previous != findings.last_hash:
            findings.rewritten.append(max(findings.last, 1))
        self._sound = True

    def report(self) -> AuditReport:
        """What the rows taken so far, all of them, show."""
        findings, head_hash = self._findings, self._head_hash
        breaks = _explain(findings, self._head_seq, head_hash)
        if head_hash is None:
            breaks.append(AuditBreak(0, BreakKind.HEAD, "the record of the last row is missing"))
        elif not breaks and findings.last == self._head_seq and findings.last_hash != head_hash:
            reason = "it does not have the hash recorded for the last row"
            breaks.append(_altered(self._head_seq, reason))
        breaks += self._witness.breaks(findings.last, breaks)
        breaks.sort(key=lambda one: (one.seq, one.kind))
        return AuditReport(rows=findings.rows, head=findings.last_hash, broken=breaks[:MAX_BREAKS])


class _Witness:
    """Heads of earlier times, held against the rows."""

    def __init__(self, heads: Iterable[AuditHead]) -> None:
        self._heads = sorted({(head.seq, head.hash) for head in heads if head.seq})
        self._wanted: dict[int, set[str]] = {}
        for seq, digest in self._heads:
            self._wanted.setdefault(seq, set()).add(digest)
        self._held = 0
        """The last row that had the hash of its head."""
        self._broken: list[AuditBreak] = []

    def look(self, row: Link) -> None:
        wanted = self._wanted.get(row.seq)
        if wanted is None:
            return
        if wanted == {row.hash}:
            self._held = row.seq
            return
        reason = (
            f"the hash written down for it elsewhere is another one: rows {self._held + 1} to "
            f"{row.seq} are not those of that time"
        )
        self._broken.append(_altered(row.seq, reason))

    def breaks(self, last: int, others: list[AuditBreak]) -> list[AuditBreak]:
        """What the heads show beyond what the chain shows by itself."""
        newest = self._heads[-1][0] if self._heads else 0
        found = self._broken[: MAX_BREAKS - len(others)]
        if newest > last and not any(one.kind is BreakKind.TRUNCATED for one in others):
            reason = (
                f"rows {last + 1} to {newest} are gone from the end, says a head kept elsewhere"
            )
            found = [*found, AuditBreak(last + 1, BreakKind.TRUNCATED, reason)]
        return found


def verify(
    rows: Iterable[Link],
    head_seq: int,
    head_hash: str | None,
    heads: Iterable[AuditHead] = (),
) -> AuditReport:
    """Check the whole chain at once; see `Verifier`."""
    verifier = Verifier(head_seq, head_hash, heads)
    verifier.take(rows)
    return verifier.report()


def _explain(findings: _Findings, head_seq: int, head_hash: str | None) -> list[AuditBreak]:
    last = findings.last
    vacant = [*findings.missing]
    if last < head_seq:
        vacant += range(last + 1, min(head_seq, last + MAX_BREAKS) + 1)
    homes = _homes(findings.strangers, vacant, last)
    claimed = set(homes.values())
    if findings.last_hash == head_hash:
        # Whoever moved the last row may have changed the number in the record of the head.
        head_seq = homes.get(last, head_seq)
    breaks = [
        _altered(seq, "the row after it continues another hash") for seq in findings.rewritten
    ]
    breaks += [
        AuditBreak(seq, BreakKind.INSERTED, "the journal recorded no row behind its last one")
        for seq in findings.beyond
    ]
    for row in findings.strangers:
        home = homes.get(row.seq)
        if home is not None:
            reason = f"this row was written as row {home}"
            breaks.append(AuditBreak(row.seq, BreakKind.REORDERED, reason))
            if row.seq not in claimed and row.seq <= head_seq:
                breaks.append(_removed(row.seq))
        elif row.seq in claimed or not 1 <= row.seq <= head_seq:
            reason = "the journal never wrote this row"
            breaks.append(AuditBreak(row.seq, BreakKind.INSERTED, reason))
        else:
            breaks.append(_altered(row.seq, "its content does not have its hash"))
    for seq in vacant:
        if seq in claimed:
            continue
        if seq > last:
            reason = f"rows {last + 1} to {head_seq} are gone from the end"
            breaks.append(AuditBreak(seq, BreakKind.TRUNCATED, reason))
            break
        breaks.append(_removed(seq))
    return breaks


def _homes(strangers: list[Link], vacant: list[int], last: int) -> dict[int, int]:
    """Where the rows that do not belong to their place were written, as far as that shows.

    A place that its own row still holds is nobody's home: there, a stranger is a copy.
    """
    places = {*vacant, *(row.seq for row in strangers)}
    searched = sorted(places) if len(strangers) <= MAX_SEARCHED else []
    homes: dict[int, int] = {}
    shift = 0
    for row in strangers:
        # Rows are mostly moved together: the last shift is tried first, then the neighbours.
        for seq in (row.seq + shift, row.seq + 1, row.seq - 1, *searched):
            free = seq in places or seq > last
            if seq != row.seq and free and row.is_genuine(seq):
                homes[row.seq] = seq
                shift = seq - row.seq
                break
    return homes


def _altered(seq: int, reason: str) -> AuditBreak:
    return AuditBreak(seq, BreakKind.ALTERED, reason)


def _removed(seq: int) -> AuditBreak:
    return AuditBreak(seq, BreakKind.REMOVED, "the row written under this number is gone")
