"""Heads of the audit that were written down elsewhere: what the database alone cannot show."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.journal import AuditEvent, AuditHead, Journal
from gateway.journal.chain import GENESIS, Link, link_hash
from gateway.journal.heads import HeadExporter, read_heads
from gateway.settings import AuditSettings

NOW = "2099-01-01 00:00:00"


async def happen(journal: Journal, *names: str) -> None:
    """One row of the audit a name."""
    for name in names:
        await journal.session_put(name, "", NOW, events=[AuditEvent("e", name)])


class Told:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.errors: list[str] = []

    def head_exported(self, seq: int) -> None:
        self.rows.append(seq)

    def failed(self, error: Exception) -> None:
        self.errors.append(str(error))


@pytest.fixture
def told() -> Told:
    """What the exporter says."""
    return Told()


@pytest.fixture
def exporter(journal: Journal, clock: Any, told: Told) -> Callable[..., HeadExporter]:
    """Makes exporters of the journal."""

    def make(**settings: Any) -> HeadExporter:
        return HeadExporter(journal, AuditSettings(**settings), clock, told)

    return make


async def test_each_head_is_one_line_and_is_written_once(
    journal: Journal, exporter: Callable[..., HeadExporter], told: Told, tmp_path: Path
) -> None:
    """Row and hash as the chain has them; for the owner alone; nothing while nothing happens."""
    file = tmp_path / "heads"
    export = exporter(heads_file=file)
    await happen(journal, "a", "b")
    await export.export()
    await export.export()
    await happen(journal, "c")
    await export.export()
    rows = await journal.audit_rows()
    heads = read_heads(file)
    assert [(head.seq, head.hash) for head in heads] == [
        (rows[1].seq, rows[1].hash),
        (rows[2].seq, rows[2].hash),
    ]
    assert heads[0].time == "2026-03-02 12:00:00.000"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (told.rows, told.errors) == ([2, 3], [])
    assert (await journal.audit_verify(heads)).intact


async def test_without_a_place_nothing_is_exported(
    journal: Journal, exporter: Callable[..., HeadExporter], told: Told
) -> None:
    """As the settings are by default."""
    await happen(journal, "a")
    await exporter().export()
    assert (told.rows, told.errors) == ([], [])


async def test_a_syslog_gets_the_head_in_the_form_of_rfc_5424(
    journal: Journal, exporter: Callable[..., HeadExporter], tmp_path: Path
) -> None:
    """Facility 13 (log audit), severity 6: priority 110; over UDP and over a local socket."""
    await happen(journal, "a")
    head = await journal.audit_head()
    path = str(tmp_path / "log")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as network,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local,
    ):
        network.bind(("127.0.0.1", 0))
        local.bind(path)
        for target in (f"udp://127.0.0.1:{network.getsockname()[1]}", path):
            await exporter(syslog=target).export()
        for receiver in (network, local):
            receiver.settimeout(10)
            words = receiver.recv(2000).decode().split(" ", 7)
            assert words[0] == "<110>1"
            assert words[1] == "2026-03-02T12:00:00.000+08:00"
            assert (words[3], words[5], words[6]) == ("fsi-gateway", "audit-head", "-")
            assert f'"hash":"{head.hash}"' in words[7]


async def test_a_place_that_cannot_be_written_is_told_and_tried_again(
    journal: Journal, exporter: Callable[..., HeadExporter], told: Told, tmp_path: Path
) -> None:
    """The gateway goes on; the head is written when the place is there."""
    folder = tmp_path / "mount"
    export = exporter(heads_file=folder / "heads")
    await happen(journal, "a")
    await export.export()
    assert told.rows == []
    assert "cannot be written" in told.errors[0]
    folder.mkdir()
    await export.export()
    assert told.rows == [1]


async def test_it_exports_at_its_interval_until_it_is_cancelled(
    journal: Journal, exporter: Callable[..., HeadExporter], tmp_path: Path
) -> None:
    """The first one at once."""
    file = tmp_path / "heads"
    await happen(journal, "a")
    running = asyncio.create_task(exporter(heads_file=file).run())
    async with asyncio.timeout(10):
        while not file.exists() or not read_heads(file):  # noqa: ASYNC110 - looks from outside
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    assert [head.seq for head in read_heads(file)] == [1]


@pytest.fixture
async def tampered(store: Any) -> Callable[[str], Awaitable[list[tuple[int, str, str]]]]:
    """Changes an audit of five rows, of which the heads 2 and 5 are kept; what the check finds."""

    async def tamper(script: str) -> list[tuple[int, str, str]]:
        async with await store.open() as journal:
            await happen(journal, "a", "b")
            heads = [await journal.audit_head()]
            await happen(journal, "c", "d", "e")
            heads.append(await journal.audit_head())
            rows = await journal.audit_rows()
            await store.execute(
                script.format(zeros=GENESIS, **{f"hash{row.seq}": row.hash for row in rows})
            )
            report = await journal.audit_verify(heads)
            return [(one.seq, one.kind.value, one.reason) for one in report.broken]

    return tamper


async def test_a_tail_that_was_cut_with_the_record_of_the_head_is_found(tampered: Any) -> None:
    """By itself the chain of three rows is intact; the head that was kept says that five were."""
    found = await tampered(
        "DELETE FROM audit WHERE seq > 3; UPDATE audit_head SET seq = 3, hash = '{hash3}';"
    )
    assert found == [
        (4, "truncated", "rows 4 to 5 are gone from the end, says a head kept elsewhere")
    ]


async def test_an_emptied_audit_is_found(tampered: Any) -> None:
    """Everything is gone, and the record says that nothing was ever there."""
    found = await tampered("DELETE FROM audit; UPDATE audit_head SET seq = 0, hash = '{zeros}';")
    assert [one[:2] for one in found] == [(1, "truncated")]
    assert "rows 1 to 5" in found[0][2]


async def test_a_cut_tail_that_the_record_shows_is_said_once(tampered: Any) -> None:
    """The chain's own finding stands; the kept head adds nothing."""
    found = await tampered("DELETE FROM audit WHERE seq > 3;")
    assert [one[:2] for one in found] == [(4, "truncated")]


async def test_a_chain_that_was_made_anew_is_found_with_the_rows_that_it_may_be(
    tampered: Any,
) -> None:
    """Row 4 was altered and rows 4 and 5 hashed again: only the head of row 5 knows better, and
    the head of row 2 says what can still be believed.
    """
    rows: list[Link] = []
    previous = GENESIS
    for seq, station in enumerate(("a", "b", "c", "forged", "e"), 1):
        row = Link(seq, "2026-03-02 12:00:00.000", "e", station, "{}", previous, "")
        previous = link_hash(row)
        rows.append(row._replace(hash=previous))
    script = "".join(
        f"UPDATE audit SET station = '{row.station}', previous = '{row.previous}', "  # noqa: S608 - made here
        f"hash = '{row.hash}' WHERE seq = {row.seq};"
        for row in rows[3:]
    )
    found = await tampered(
        f"{script} UPDATE audit_head SET hash = '{rows[4].hash}';"  # noqa: S608 - made here
    )
    assert [one[:2] for one in found] == [(5, "altered")]
    assert "rows 3 to 5" in found[0][2]


async def test_a_head_of_another_audit_does_not_fit(journal: Journal) -> None:
    """The file of another gateway was given."""
    await happen(journal, "a")
    report = await journal.audit_verify([AuditHead(seq=1, hash="f" * 64)])
    assert [(one.seq, one.kind) for one in report.broken] == [(1, "altered")]


async def test_rows_are_read_page_by_page(journal: Journal) -> None:
    """From the one behind a number, in order; the head is the last."""
    assert await journal.audit_rows() == []
    assert await journal.audit_head() == AuditHead(seq=0, hash=GENESIS)
    await happen(journal, "a", "b", "c")
    first = await journal.audit_rows(limit=2)
    rest = await journal.audit_rows(after=first[-1].seq)
    assert [row.station for row in (*first, *rest)] == ["a", "b", "c"]
    assert await journal.audit_head() == AuditHead(seq=3, hash=rest[-1].hash)


@pytest.mark.parametrize("line", [b"hello", b"{}", b'{"time":"","seq":"x","hash":""}', b"\xff"])
def test_a_file_of_something_else_is_refused_with_its_line(tmp_path: Path, line: bytes) -> None:
    """The second line of two."""
    file = tmp_path / "heads"
    file.write_bytes(b'{"seq":1,"hash":"00","time":""}\n' + line + b"\n")
    with pytest.raises(ConfigurationError, match="no head of an audit") as refused:
        read_heads(file)
    assert "2" in str(refused.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_heads(tmp_path / "none")
