"""What was acknowledged is there after a crash, and what was not is never taken for done."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from gateway.intents import Answer
from gateway.journal import Journal, SQLiteJournal
from gateway.journal.embedded import EmbeddedServer
from gateway.journal.postgres import PostgresJournal

HOSPITAL = Path(__file__).with_name("busy_hospital.py")
WRITERS = "64"

lasting = pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)
"""The stores that outlive a process."""


def killed_after(place: str, lines: int, life: str = "A") -> list[list[str]]:
    """Let the hospital write until it has acknowledged so many writes, then kill -9; its words."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, str(HOSPITAL), place, life, WRITERS], stdout=subprocess.PIPE
    ) as hospital:
        assert hospital.stdout is not None
        said = [hospital.stdout.readline() for _ in range(lines)]
        hospital.kill()
        said += hospital.stdout.readlines()
    assert hospital.returncode == -signal.SIGKILL
    return [line.decode().split() for line in said]


async def acknowledged_is_there(journal: Journal, said: list[list[str]]) -> None:
    """Every acknowledged write is found with its content, and the audit with it."""
    acts: dict[str, list[list[str]]] = defaultdict(list)
    for act, *words in said:
        acts[act].append(words)
    for ident, name in acts["begun"]:
        assert await journal.raw(ident) == name.encode()
    for (msgid,) in acts["recorded"]:
        assert await journal.send(msgid) is not None
    for msgid, name in acts["accepted"]:
        send, visit = await journal.send(msgid), await journal.visit(name)
        assert send is not None
        assert (send.state, send.inf_refmsgid) == ("accepted", f"R{name}")
        assert visit is not None
        assert (visit.state, visit.data) == ("settled", name.encode())
    for ident, name in acts["answered"]:
        assert await journal.stored_answer(ident) == Answer(body=name.encode())
        stations = [row.station for row in await journal.audit_trail(ident)]
        assert stations == ["record", "send", "answer"]


@lasting
@pytest.mark.parametrize("lines", [1, 100, 1500])
async def test_every_acknowledged_write_survives_kill_9_among_64_writers(
    store: Any, lines: int
) -> None:
    """The file opens again, the chain is whole, and each visit stands as its send does."""
    said = killed_after(store.place, lines)
    await store.let_leases_expire()
    async with await store.open() as journal:
        await acknowledged_is_there(journal, said)
        report = await journal.audit_verify()
        assert report.intact
        for row in await journal.sends(limit=100_000):
            visit = await journal.visit(row.visit_key)
            assert (visit is not None) == (row.state == "accepted")


@lasting
async def test_a_send_cut_off_by_a_crash_is_unknown_and_holds_its_visit(store: Any) -> None:
    """Start-up finds each of them once; the crash lost none and decided none."""
    killed_after(store.place, 500)
    await store.let_leases_expire()
    async with await store.open() as journal:
        cut = await journal.sends(state="sending")
        assert [row.msgid for row in await journal.recover()] == [row.msgid for row in cut]
        assert await journal.sends(state="sending") == []
        assert (await journal.audit_verify()).intact


@lasting
async def test_a_journal_survives_crash_after_crash(store: Any) -> None:
    """Three lives, one chain: each continues what the one before left."""
    rows = 0
    for life in "ABC":
        said = killed_after(store.place, 300, life)
        async with await store.open() as journal:
            await acknowledged_is_there(journal, said)
            report = await journal.audit_verify()
        assert report.intact
        assert report.rows > rows
        rows = report.rows


async def test_a_process_killed_beside_another_one_disturbs_nothing_of_it(shared: Any) -> None:
    """Two hospitals on one database: one dies in the middle, the other writes on, in one chain."""
    command = [sys.executable, str(HOSPITAL), shared.place, "L", "16"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as living:  # noqa: ASYNC220, S603 - our own interpreter; nothing else to do meanwhile
        assert living.stdout is not None
        lived = [living.stdout.readline()]
        died = killed_after(shared.place, 500, "D")
        lived += [living.stdout.readline() for _ in range(500)]
        living.kill()
        lived += living.stdout.readlines()
    await shared.let_leases_expire()
    async with await shared.open() as journal:
        await acknowledged_is_there(journal, died)
        await acknowledged_is_there(journal, [line.decode().split() for line in lived])
        assert (await journal.audit_verify()).intact
        await journal.recover()
        assert await journal.sends(state="sending") == []


async def test_every_acknowledged_write_survives_a_crash_of_the_server() -> None:
    """The server ends among 64 writers without a checkpoint, and the writers with it, as when the
    machine of both stops.
    """
    with EmbeddedServer() as server:
        command = [sys.executable, str(HOSPITAL), server.dsn, "A", WRITERS]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as hospital:  # noqa: ASYNC220, S603 - our own interpreter; nothing else to do meanwhile
            assert hospital.stdout is not None
            lines = [hospital.stdout.readline() for _ in range(1000)]
            server.halt()
            hospital.kill()
            lines += hospital.stdout.readlines()
        server.start()
        async with await PostgresJournal.open(server.dsn) as journal:
            await acknowledged_is_there(journal, [line.decode().split() for line in lines])
            assert (await journal.audit_verify()).intact


async def test_a_full_disk_fails_the_writes_refuses_more_and_loses_nothing(path: Path) -> None:
    """The limit on the size of a file stands for the full disk; the log reaches it first."""
    done = subprocess.run(  # noqa: ASYNC221, S603 - our own interpreter; nothing else to do meanwhile
        [sys.executable, str(HOSPITAL), str(path), "A", WRITERS, str(1_000_000)],
        capture_output=True,
        check=True,
        timeout=60,
    )
    said = [line.split() for line in done.stdout.decode().splitlines()]
    assert said[-2] == ["failed"]
    assert said[-1][0] == "refused"
    assert "must be opened anew" in " ".join(said[-1])
    async with await SQLiteJournal.open(path) as journal:
        await acknowledged_is_there(journal, said[:-2])
        assert await journal.visit("after") is None
        assert (await journal.audit_verify()).intact
