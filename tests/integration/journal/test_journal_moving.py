"""A journal moves from one store to another as a file, and what is old leaves without its keys."""

from __future__ import annotations

import resource
import signal
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.errors import ConfigurationError, JournalError, StateError
from gateway.intents import (
    Accepted,
    Answer,
    Intent,
    Message,
    Rejected,
    Reply,
    Resource,
    Result,
    Status,
    Unknown,
    Verb,
)
from gateway.journal import AuditEvent, BookRow, Journal, Send, VisitRow
from gateway.journal.archive import (
    FORM,
    FORM_WITHOUT_PEERS,
    ExchangeLine,
    Header,
    Sink,
    Source,
    VisitLine,
)

OLD, NEW = "2025-12-31 23:59:59", "2026-01-01 00:00:00"
RESULT = Result(status=Status.DONE, intent=Intent(verb=Verb.SETTLE))
Fill = Callable[[Journal], Awaitable[dict[str, str]]]


@pytest.fixture
def fill(message: Callable[..., Message], send: Callable[..., Send]) -> Fill:
    """Stores something of every kind; gives the ids of an old, a new, an open exchange."""

    async def fill_(journal: Journal) -> dict[str, str]:
        ids = {}
        for name, now in (("old", OLD), ("new", NEW), ("unknown", OLD), ("open", OLD)):
            begun = await journal.begin_exchange(
                message(control_id=name, context={"charset": "GB18030"}),
                f"MSH|{name}|张\x00\xff".encode("utf-8", "surrogateescape"),
                now,
                events=[AuditEvent("", "receive", {"kind": "DFT^P03"})],
            )
            ident = ids[name] = begun.exchange_id
            one = send(exchange_id=ident, visit_key=f"V/{name}", msgid=f"M-{name}")
            await journal.record_send(one, events=[AuditEvent(ident, "record")])
        await journal.record_send(send(infno="9001", money=False, msgid="S1", visit_key=""))
        for name in ("old", "new"):
            await journal.record_outcome(
                f"M-{name}",
                Accepted(Reply(infcode="0", inf_refmsgid="R", output={"setl_id": "1"})),
                visit=VisitRow(f"V/{name}", "settled", 0, b"\x00\xff"),
            )
            claim = Resource(type="Claim", id=name, body=b"{}", search={"status": ["active", "a"]})
            answer = Answer(body=b"AA", resources=[claim])
            await journal.finish_exchange(ids[name], answer, RESULT)
        await journal.record_outcome("M-unknown", Unknown("no reply"))
        waiting = Answer(body=b"AE", outcome=Status.UNKNOWN, final=False)
        await journal.finish_exchange(ids["unknown"], waiting, RESULT)
        await journal.record_outcome("S1", Rejected(Reply(infcode="-1", err_msg="no")))
        await journal.put_book(BookRow("reconciliation", "H/2025-12-31", "balanced", 0, b"\x00{}"))
        await journal.next_serial("H43010000001", "20260302120000")
        await journal.session_put("H|1", "S", "2099-01-01 00:00:00")
        return ids

    return fill_


async def exported(journal: Journal, path: Path, before: str = "") -> Path:
    """The journal as a file."""
    with Sink(path, Header(FORM, "archive" if before else "whole", before)) as sink:
        await journal.dump(sink, before)
    return path


@pytest_asyncio.fixture
async def filled(store: Any, fill: Fill, tmp_path: Path) -> tuple[Any, dict[str, str], Path]:
    """A store with something of every kind, the ids in it, and the file of it."""
    async with await store.open() as journal:
        ids = await fill(journal)
        return store, ids, await exported(journal, tmp_path / "export")


Filled = tuple[Any, dict[str, str], Path]


@pytest_asyncio.fixture(params=["sqlite", "postgres"])
async def target(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Any, make_store: Any
) -> Any:
    """Another empty place."""
    return await make_store(request.param, tmp_path / "other.db")


async def test_a_journal_moves_between_the_stores_without_loss(
    filled: Filled, target: Any, tmp_path: Path, message: Callable[..., Message]
) -> None:
    """From either to either: exported again it is the same file, and it answers the same."""
    _, ids, file = filled
    async with await target.open() as journal:
        await journal.load(Source(file))
        again = await exported(journal, tmp_path / "again")
        assert again.read_bytes() == file.read_bytes()
        report = await journal.audit_verify()
        assert (report.rows, report.broken) == (8, [])
        begun = await journal.begin_exchange(message(control_id="old"), b"", NEW)
        assert (begun.kind, begun.exchange_id) == ("replay", ids["old"])
        assert begun.answer == Answer(body=b"AA")
        total, found = await journal.search_resources("Claim", {"status": ["active"]})
        assert (total, [one.id for one in found]) == (2, ["new", "old"])
        assert (await journal.search_resources("Claim", {"_id": ["old"]}))[0] == 1
        assert await journal.next_serial("H43010000001", "20260302120000") > 0
        book = await journal.book("reconciliation", "H/2025-12-31")
        assert book == BookRow("reconciliation", "H/2025-12-31", "balanced", 1, b"\x00{}")


async def test_what_was_open_is_taken_up_in_the_new_store(
    filled: Filled, target: Any, message: Callable[..., Message], send: Callable[..., Send]
) -> None:
    """The send on its way becomes unknown and holds its visit; the message is resumed."""
    _, ids, file = filled
    async with await target.open() as journal:
        await journal.load(Source(file))
        assert [row.msgid for row in await journal.recover()] == ["M-open"]
        for key in ("V/open", "V/unknown"):
            with pytest.raises(StateError, match="waits for the outcome"):
                await journal.record_send(send(visit_key=key))
        assert [row.exchange_id for row in await journal.abandoned()] == [ids["open"]]
        begun = await journal.begin_exchange(message(control_id="open"), b"", NEW)
        assert (begun.kind, begun.exchange_id) == ("resume", ids["open"])
        await journal.put_visit(VisitRow("W", "open"), events=[AuditEvent("", "x")])
        assert (await journal.audit_verify()).intact


async def test_a_journal_that_is_not_empty_takes_no_file(filled: Filled) -> None:
    """Two histories would become one; nothing of the file is stored."""
    store, _, file = filled
    async with await store.open() as journal:
        before = await journal.stats()
        with pytest.raises(StateError, match="not empty"):
            await journal.load(Source(file))
        assert (await journal.stats()).exchanges == before.exchanges


async def test_the_file_is_for_its_owner_alone_and_never_written_over(filled: Filled) -> None:
    """It holds patient data."""
    store, _, file = filled
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with await store.open() as journal:
        with pytest.raises(ConfigurationError, match="File exists"):
            await exported(journal, file)
    Source(file)


def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Half a journal would be taken for a whole one."""
    with pytest.raises(KeyError), Sink(tmp_path / "half", Header(FORM, "whole")):
        raise KeyError
    assert not (tmp_path / "half").exists()


def test_a_full_disk_is_said_in_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    """The limit on the size of a file stands for the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    rows = [VisitLine(f"V{number}", "open", 1, bytes(1000), NEW) for number in range(2000)]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with (
            pytest.raises(JournalError, match="cannot be written: File too large"),
            Sink(tmp_path / "big", Header(FORM, "whole")) as sink,
        ):
            sink.put(rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert not (tmp_path / "big").exists()


def changed(file: Path, old: bytes, new: bytes) -> Path:
    """The file with the first of some bytes changed."""
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new, 1))
    return file


async def test_a_changed_file_is_refused(filled: Filled) -> None:
    """One digit of a message id: the digest does not fit."""
    with pytest.raises(JournalError, match="digest does not fit"):
        Source(changed(filled[2], b"M-old", b"M-odd"))


async def test_a_cut_file_is_refused(filled: Filled) -> None:
    """The last line says that it is whole."""
    data = filled[2].read_bytes()
    filled[2].write_bytes(data[: data.rindex(b'["end"')])
    with pytest.raises(JournalError, match="not whole"):
        Source(filled[2])


async def test_a_file_of_something_else_is_refused_with_its_line(tmp_path: Path) -> None:
    """Not JSON, or JSON of somebody else."""
    file = tmp_path / "x"
    for content in (b"a,b\n1,2\n", b'{"a": 1}\n', b'["journal", 1, "whole", ""]\n["cat"]\n'):
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"x:\d: this line is none of an export"):
            Source(file)
    file.write_bytes(b'["journal",3,"whole",""]\n')
    with pytest.raises(ConfigurationError, match="form 3, this version reads 2"):
        Source(file)


def test_the_keys_of_an_older_form_get_their_peer(tmp_path: Path) -> None:
    """What migration 3 did to the rows of a journal happens to those of a file too."""
    rest = ("C1", "his", "", "", "final", "done", OLD, OLD)
    rows = [ExchangeLine("1", "hl7v2", "HIS|MAIN", *rest), ExchangeLine("2", "fsi", "H43", *rest)]
    for form, sender in ((FORM_WITHOUT_PEERS, "his|HIS|MAIN"), (FORM, "HIS|MAIN")):
        with Sink(tmp_path / str(form), Header(form, "archive", NEW)) as sink:
            sink.put(rows)
        first, second = Source(tmp_path / str(form)).rows()
        assert isinstance(first, ExchangeLine)
        assert (first.sender, second) == (sender, rows[1])


async def test_a_file_with_a_broken_audit_is_refused(
    store: Any, fill: Fill, tmp_path: Path
) -> None:
    """The chain was altered before the export: the new store does not begin with it."""
    async with await store.open() as journal:
        await fill(journal)
    await store.execute("UPDATE audit SET station = 'other' WHERE seq = 3")
    async with await store.open() as journal:
        file = await exported(journal, tmp_path / "export")
    with pytest.raises(JournalError, match="broken at row 3"):
        Source(file)


async def test_old_exchanges_leave_and_their_keys_answers_and_sends_stay(
    filled: Filled, tmp_path: Path, message: Callable[..., Message], send: Callable[..., Send]
) -> None:
    """Bytes, result and reply are gone; the same message again is answered as before."""
    store, ids, _ = filled
    async with await store.open() as journal:
        file = await exported(journal, tmp_path / "archive", "2026-01-01")
        source = Source(file)
        assert source.counts == {
            "exchanges": 1,
            "exchange_messages": 1,
            "exchange_answers": 1,
            "sends": 1,
            "send_replies": 1,
        }
        assert [row.exchange_id for row in source.rows() if hasattr(row, "control_id")] == [
            ids["old"]
        ]
        await journal.trim([*ids.values()], events=[AuditEvent("", "trim")])
        assert await journal.raw(ids["old"]) == b""
        assert await journal.stored_result(ids["old"]) is None
        assert await journal.reply("M-old") is None
        begun = await journal.begin_exchange(message(control_id="old"), b"", NEW)
        assert (begun.kind, begun.answer) == ("replay", Answer(body=b"AA"))
        row = await journal.send("M-old")
        assert row is not None
        assert (row.state, row.inf_refmsgid) == ("accepted", "R")
        with pytest.raises(StateError, match="this msgid was used"):
            await journal.record_send(send(msgid="M-old"))
        assert await journal.visit("V/old") == VisitRow("V/old", "settled", 1, b"\x00\xff")
        assert (await journal.audit_trail(""))[-1].station == "trim"
        assert (await journal.audit_verify()).intact


async def test_what_is_not_over_loses_nothing(filled: Filled) -> None:
    """An exchange without a final answer is left whole, even when it is named."""
    store, ids, _ = filled
    async with await store.open() as journal:
        await journal.trim([ids["unknown"], ids["open"]])
        assert (await journal.raw(ids["unknown"]) or b"").startswith(b"MSH|unknown")
        assert await journal.stored_result(ids["unknown"]) == RESULT
        assert (await journal.raw(ids["open"]) or b"").startswith(b"MSH|open")


async def test_an_archive_of_old_exchanges_is_no_journal(
    filled: Filled, target: Any, tmp_path: Path
) -> None:
    """A gateway that began with it would know half of the past."""
    store, _, _ = filled
    async with await store.open() as journal:
        file = await exported(journal, tmp_path / "archive", "2026-01-01")
    async with await target.open() as journal:
        with pytest.raises(ConfigurationError, match="old exchanges only"):
            await journal.load(Source(file))
