"""The audit is written with what it tells of, and shows every later change.

The changes are made as somebody with the file and an SQLite shell would make them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, AuditReport, Journal, Send, SQLiteJournal, VisitRow

NOW = "2026-03-02 11:59:58"
Open = Callable[[], Awaitable[Journal]]
Tamper = Callable[[str], Awaitable[list[tuple[int, str]]]]


async def test_every_write_carries_its_events_in_order(
    journal: Journal, message: Callable[..., Message], send: Callable[..., Send]
) -> None:
    """An event of the arrival needs no exchange id: it is not known before."""
    begun = await journal.begin_exchange(
        message(), b"", NOW, events=[AuditEvent("", "receive", {"kind": "DFT^P03"})]
    )
    ident = begun.exchange_id
    one, two = send(exchange_id=ident), send(exchange_id=ident)
    await journal.record_send(one, events=[AuditEvent(ident, "record", {"msgid": one.msgid})])
    await journal.record_outcome(
        one.msgid,
        Accepted(Reply(infcode="0")),
        events=[AuditEvent(ident, "send", {"outcome": "accepted"})],
    )
    await journal.record_send(two)
    await journal.recover()
    await journal.resolve_send(two.msgid, "manual", "", events=[AuditEvent(ident, "resolve")])
    await journal.put_visit(VisitRow("V", "open"), events=[AuditEvent(ident, "visit")])
    await journal.session_put("k", "v", NOW, events=[AuditEvent(ident, "sign-in")])
    await journal.release_exchange(ident, events=[AuditEvent(ident, "release")])
    await journal.finish_exchange(
        ident, Answer(body=b"", final=False), None, events=[AuditEvent(ident, "answer")] * 2
    )
    await journal.replace_answer(
        ident, Answer(body=b""), None, events=[AuditEvent(ident, "replace")]
    )
    rows = await journal.audit_trail(ident)
    assert [row.station for row in rows] == [
        *("receive", "record", "send", "recover", "resolve", "visit", "sign-in", "release"),
        *("answer", "answer", "replace"),
    ]
    assert [row.seq for row in rows] == list(range(1, 12))
    assert rows[0].detail == {"kind": "DFT^P03"}
    assert rows[3].detail == {"msgid": two.msgid, "infno": "2207", "outcome": "unknown"}
    assert {row.time for row in rows} == {"2026-03-02 12:00:00.000"}
    assert await journal.audit_trail("other") == []


async def test_the_first_hash_is_sm3_over_the_netstrings_of_the_row(journal: Journal) -> None:
    """The bytes are written out by hand; 张 has three bytes in UTF-8."""
    await journal.put_visit(VisitRow("V", "open"), events=[AuditEvent("e1", "test", {"a": "张"})])
    canonical = (
        b'1:1,23:2026-03-02 12:00:00.000,2:e1,4:test,11:{"a":"\xe5\xbc\xa0"},64:' + b"0" * 64 + b","
    )
    report = await journal.audit_verify()
    assert report == AuditReport(rows=1, head=hashlib.new("sm3", canonical).hexdigest())
    assert report.intact


async def test_an_empty_audit_is_intact(journal: Journal) -> None:
    """Its head is sixty-four zeros."""
    assert await journal.audit_verify() == AuditReport(rows=0, head="0" * 64)


async def test_the_chain_continues_after_a_restart_and_under_many_writers(
    open_journal: Open,
) -> None:
    """Sixty-four writers at once, a restart, and again: one chain without a gap."""
    for _ in range(2):
        journal = await open_journal()
        await asyncio.gather(
            *(
                journal.next_serial("H", "1")
                if number % 4 == 0
                else journal.session_put(str(number), "", NOW, events=[AuditEvent("", "a")])
                for number in range(64)
            )
        )
    report = await journal.audit_verify()
    assert (report.rows, report.broken) == (96, [])


@pytest.fixture
def tamper(path: Path) -> Tamper:
    """Writes an audit of five rows, changes it by SQL, and gives what the check finds."""

    async def tamper_(script: str) -> list[tuple[int, str]]:
        async with await SQLiteJournal.open(path) as journal:
            for number in range(1, 6):
                await journal.put_visit(
                    VisitRow(f"V{number}", "open"),
                    events=[AuditEvent("e", "station", {"amount": f"{number}.00"})],
                )
            assert (await journal.audit_verify()).intact
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        async with await SQLiteJournal.open(path) as journal:
            report = await journal.audit_verify()
            return [(one.seq, one.kind.value) for one in report.broken]

    return tamper_


@pytest.mark.parametrize("column", ["time", "exchange_id", "station", "detail", "previous", "hash"])
async def test_an_altered_column_is_found(tamper: Tamper, column: str) -> None:
    """Row 3 is named, and only row 3, whichever column was changed."""
    assert await tamper(
        f"UPDATE audit SET {column} = replace(replace({column}, '0', '1'), 'e', 'f') || 'x' WHERE seq = 3"  # noqa: S608 - column names of the test
    ) == [(3, "altered")]


async def test_bytes_that_are_no_text_are_found(tamper: Tamper) -> None:
    """The check reports them like any other alteration."""
    assert await tamper("UPDATE audit SET detail = CAST(x'ff' AS TEXT) WHERE seq = 3") == [
        (3, "altered")
    ]


async def test_a_row_made_anew_with_a_fitting_hash_is_found(tamper: Tamper, path: Path) -> None:
    """The row after it remembers the hash that it had."""

    def sm3(text: str) -> str:
        return hashlib.new("sm3", text.encode()).hexdigest()

    async with await SQLiteJournal.open(path) as journal:
        await journal.put_visit(VisitRow("V", "open"), events=[AuditEvent("e", "s")])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (time, previous) = connection.execute("SELECT time, previous FROM audit").fetchone()
    forged = f"1:1,{len(time)}:{time},1:e,5:other,2:{{}},64:{previous},"
    forge = f"UPDATE audit SET station = 'other', hash = '{sm3(forged)}' WHERE seq = 1"  # noqa: S608 - values of the test
    assert await tamper(forge) == [(1, "altered")]


async def test_the_last_row_made_anew_is_found_by_the_recorded_head(path: Path) -> None:
    """No row comes after it, but the head was written down."""
    async with await SQLiteJournal.open(path) as journal:
        await journal.put_visit(VisitRow("V", "open"), events=[AuditEvent("e", "s")])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (time,) = connection.execute("SELECT time FROM audit").fetchone()
        forged = f"1:1,{len(time)}:{time},1:e,5:other,2:{{}},64:{'0' * 64},".encode()
        digest = hashlib.new("sm3", forged).hexdigest()
        connection.execute("UPDATE audit SET station = 'other', hash = ?", (digest,))
        connection.commit()
    async with await SQLiteJournal.open(path) as journal:
        report = await journal.audit_verify()
    assert [(one.seq, one.kind.value) for one in report.broken] == [(1, "altered")]


async def test_removed_rows_are_found(tamper: Tamper) -> None:
    """Each missing number is named."""
    assert await tamper("DELETE FROM audit WHERE seq IN (2, 3)") == [
        (2, "removed"),
        (3, "removed"),
    ]


async def test_a_removed_first_row_is_found(tamper: Tamper) -> None:
    """The chain begins with row 1."""
    assert await tamper("DELETE FROM audit WHERE seq = 1") == [(1, "removed")]


async def test_a_removed_row_is_found_when_the_rest_moved_up(tamper: Tamper) -> None:
    """Rows 3 to 5 stand one place too early, and nobody wrote what stood at 2."""
    assert await tamper(
        "DELETE FROM audit WHERE seq = 2;"
        "UPDATE audit SET seq = 2 WHERE seq = 3;"
        "UPDATE audit SET seq = 3 WHERE seq = 4;"
        "UPDATE audit SET seq = 4 WHERE seq = 5;"
        "UPDATE audit_head SET seq = 4"
    ) == [(2, "removed"), (2, "reordered"), (3, "reordered"), (4, "reordered")]


async def test_a_cut_tail_is_found(tamper: Tamper) -> None:
    """The head says that there were five rows; the first that is gone is named."""
    assert await tamper("DELETE FROM audit WHERE seq >= 4") == [(4, "truncated")]


async def test_an_emptied_audit_is_found(tamper: Tamper) -> None:
    """No row is left to disagree, but the head."""
    assert await tamper("DELETE FROM audit") == [(1, "truncated")]


async def test_reordered_rows_are_found(tamper: Tamper) -> None:
    """Rows 2 and 4 changed places; both are named, the row between them is not."""
    assert await tamper(
        "UPDATE audit SET seq = 99 WHERE seq = 2;"
        "UPDATE audit SET seq = 2 WHERE seq = 4;"
        "UPDATE audit SET seq = 4 WHERE seq = 99"
    ) == [(2, "reordered"), (4, "reordered")]


async def test_a_row_put_behind_the_end_is_found(tamper: Tamper) -> None:
    """The journal did not record it as the last one."""
    assert (6, "inserted") in await tamper(
        "INSERT INTO audit VALUES (6, '', '', '', '{}', '', 'x')"
    )


COPY = "SELECT {}, time, exchange_id, station, detail, previous, hash FROM audit WHERE seq = 2"


async def test_a_copy_of_a_row_is_found_as_what_it_does_there(tamper: Tamper) -> None:
    """Over row 4 it alters, behind the end it is inserted; row 2 itself is as it was."""
    assert await tamper(
        f"REPLACE INTO audit {COPY.format(4)}; INSERT INTO audit {COPY.format(6)}"
    ) == [(4, "altered"), (6, "inserted")]


async def test_a_row_put_before_the_beginning_is_found(tamper: Tamper) -> None:
    """There is no row 0."""
    found = await tamper("INSERT INTO audit VALUES (0, '', '', '', '{}', '', 'x')")
    assert found == [(0, "inserted")]


async def test_a_row_put_between_others_is_found(tamper: Tamper) -> None:
    """Row 3 is new; the rows behind it stand one place too late."""
    assert await tamper(
        "UPDATE audit SET seq = 6 WHERE seq = 5;"
        "UPDATE audit SET seq = 5 WHERE seq = 4;"
        "UPDATE audit SET seq = 4 WHERE seq = 3;"
        "INSERT INTO audit VALUES (3, '', '', '', '{}', '', 'x');"
        "UPDATE audit_head SET seq = 6"
    ) == [(3, "inserted"), (4, "reordered"), (5, "reordered"), (6, "reordered")]


async def test_a_row_put_between_others_is_found_with_the_head_as_it_was(tamper: Tamper) -> None:
    """The same by somebody who did not know of the head."""
    assert await tamper(
        "UPDATE audit SET seq = 6 WHERE seq = 5;"
        "INSERT INTO audit VALUES (5, '', '', '', '{}', '', 'x')"
    ) == [(5, "inserted"), (6, "reordered")]


async def test_a_removed_row_before_the_last_is_found_when_the_last_moved_up(
    tamper: Tamper,
) -> None:
    """One row moved: its old neighbours are tried."""
    assert await tamper(
        "DELETE FROM audit WHERE seq = 4;"
        "UPDATE audit SET seq = 4 WHERE seq = 5;"
        "UPDATE audit_head SET seq = 4"
    ) == [(4, "removed"), (4, "reordered")]


async def test_a_missing_head_is_found(tamper: Tamper) -> None:
    """Without it a cut tail could not be seen."""
    assert (0, "head") in await tamper("DELETE FROM audit_head")


async def test_a_wrecked_audit_gives_a_bounded_report(path: Path) -> None:
    """Three thousand rows without a true hash: the first thousand are named."""
    async with await SQLiteJournal.open(path) as journal:
        await journal.session_put("k", "", NOW, events=[AuditEvent("e", "s")] * 3000)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE audit SET hash = 'x'")
        connection.commit()
    async with await SQLiteJournal.open(path) as journal:
        report = await journal.audit_verify()
    assert report.rows == 3000
    assert [one.seq for one in report.broken] == list(range(1, 1001))
