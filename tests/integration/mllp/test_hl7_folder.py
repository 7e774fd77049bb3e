"""Files of messages in a folder."""

from __future__ import annotations

import asyncio
import fcntl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.hl7v2.xml_writer import er7_to_xml
from gateway.inbound.hl7_folder import DropFolder, FolderEvent
from gateway.inbound.hl7_intake import Intake
from gateway.inbound.hl7_limits import Limits
from gateway.journal.memory import MemoryJournal
from gateway.settings import PeerLimits, PeerSettings

BHS = b"BHS|^~\\&|HIS|H43010000001|||20260301||||B9|B1\r"
PEER = PeerSettings(name="his", institutions=["H43010000001"])


@pytest.fixture
async def drop(start_port: Callable[..., Any], tmp_path: Path) -> DropFolder:
    """A folder whose files go to the pipeline of the tests; its files are at most 10,000 bytes."""
    pipeline = (await start_port()).pipeline
    folder = DropFolder(tmp_path, PEER, pipeline, pipeline.adapter, max_bytes=10_000)
    await folder.take_all()
    return folder


def _codes(path: Path) -> list[str]:
    lines = path.read_bytes().decode().split("\r")
    return ["|".join(it.split("|")[1:3]) for it in lines if it.startswith("MSA")]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_is_answered_by_a_file(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """B-004: batch or message, the answer stands in `out`, the file itself in `done`."""
    batch = BHS + make_message("C1")[1:-2] + make_message("C2", m12="")[1:-2] + b"BTS|2\r"
    (tmp_path / "in" / "b.hl7").write_bytes(batch)
    (tmp_path / "in" / "a.hl7").write_bytes(make_message("C3")[1:-2])
    (tmp_path / "in" / ".unfinished").write_bytes(b"MSH")
    assert await drop.take_all() == 2
    assert _codes(tmp_path / "out" / "a.hl7.ack") == ["AA|C3"]
    assert _codes(tmp_path / "out" / "b.hl7.ack") == ["AA|C1", "AE|C2"]
    assert _names(tmp_path / "done") == ["a.hl7", "b.hl7"]
    assert _names(tmp_path / "in") == [".unfinished"]
    assert _names(tmp_path / "work") == []
    assert _names(tmp_path / "out") == ["a.hl7.ack", "b.hl7.ack"]


async def test_what_a_crash_left_is_taken_up_again(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """A file in `work` was taken and not answered."""
    (tmp_path / "work" / "a.hl7").write_bytes(make_message("C1")[1:-2])
    assert await drop.take_all() == 1
    assert _codes(tmp_path / "out" / "a.hl7.ack") == ["AA|C1"]


async def test_a_file_that_is_too_long_or_no_message_is_refused(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """Nothing of it is worked on, and the folder goes on with the next."""
    long = make_message("C1")[1:-2] + b"NTE|1||" + b"x" * 20_000
    (tmp_path / "in" / "a.hl7").write_bytes(long)
    (tmp_path / "in" / "b.hl7").write_bytes(b"no message")
    assert await drop.take_all() == 2
    assert _codes(tmp_path / "out" / "a.hl7.ack") == ["AR|C1"]
    assert _codes(tmp_path / "out" / "b.hl7.ack") == ["AR"]
    assert _names(tmp_path / "failed") == ["a.hl7", "b.hl7"]
    assert _names(tmp_path / "done") == []


async def test_a_batch_with_a_wrong_count_fails_as_a_whole(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """B-007: a file that was cut off does nothing, and is kept."""
    (tmp_path / "in" / "a.hl7").write_bytes(BHS + make_message("C1")[1:-2] + b"BTS|2\r")
    assert await drop.take_all() == 1
    assert _codes(tmp_path / "out" / "a.hl7.ack") == ["AE|B9"]
    assert _names(tmp_path / "failed") == ["a.hl7"]


async def test_files_of_one_name_are_all_kept(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """The later ones under a number."""
    for number in range(3):
        (tmp_path / "in" / "a.hl7").write_bytes(make_message(f"C{number}")[1:-2])
        assert await drop.take_all() == 1
    assert _names(tmp_path / "done") == ["a.hl7", "a.hl7.2", "a.hl7.3"]
    assert b"|C2|" in (tmp_path / "done" / "a.hl7.3").read_bytes()


async def test_a_file_in_xml_is_answered_in_xml(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """And one that is no message in XML fails."""
    (tmp_path / "in" / "a.xml").write_bytes(er7_to_xml(make_message("C1")[1:-2]))
    (tmp_path / "in" / "b.xml").write_bytes(b"<ADT_A01>")
    assert await drop.take_all() == 2
    answer = (tmp_path / "out" / "a.xml.ack").read_bytes()
    assert (answer[:5], b"<MSA.2>C1</MSA.2>" in answer) == (b"<?xml", True)
    assert (_names(tmp_path / "done"), _names(tmp_path / "failed")) == (["a.xml"], ["b.xml"])


async def test_a_file_that_cannot_be_answered_stays_and_the_next_is_taken(
    start_port: Callable[..., Any], tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """It is tried again at the next look."""
    pipeline = (await start_port()).pipeline
    found: list[FolderEvent] = []
    drop = DropFolder(
        tmp_path, PEER, pipeline, pipeline.adapter, max_bytes=10_000, observe=found.append
    )
    await drop.take_all()
    (tmp_path / "out" / ".a.hl7.ack").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.hl7").write_bytes(make_message(name)[1:-2])
    assert await drop.take_all() == 2
    assert _names(tmp_path / "work") == ["a.hl7"]
    assert _names(tmp_path / "done") == ["b.hl7"]
    (tmp_path / "out" / ".a.hl7.ack").rmdir()
    assert await drop.take_all() == 1
    assert _codes(tmp_path / "out" / "a.hl7.ack") == ["AA|a"]
    assert found == [FolderEvent.KEPT, FolderEvent.ANSWERED, FolderEvent.ANSWERED]


class Later(SystemClock):
    """A clock that is told how much later it is."""

    seconds = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.seconds


@pytest.mark.parametrize("batch", [False, True])
async def test_a_file_that_comes_too_soon_waits(
    start_port: Callable[..., Any],
    tmp_path: Path,
    make_message: Callable[..., bytes],
    batch: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A peer above its rate is slowed, not refused: the file is not failed and has no answer."""
    peer = PeerSettings(
        name="his",
        institutions=["H43010000001"],
        limits=PeerLimits(messages_per_second=0.001, burst=1),
    )
    port, clock = await start_port(), Later()
    adapter = port.pipeline.adapter
    intake = Intake(port.pipeline, adapter, Limits([peer], clock), MemoryJournal(), clock)
    drop = DropFolder(tmp_path, peer, intake, adapter, max_bytes=10_000)
    await drop.take_all()
    (tmp_path / "in" / "a.hl7").write_bytes(make_message("a")[1:-2])
    body = make_message("b")[1:-2]
    (tmp_path / "in" / "b.hl7").write_bytes(BHS + body + b"BTS|1\r" if batch else body)
    assert await drop.take_all() == 2
    assert (_names(tmp_path / "done"), _names(tmp_path / "work")) == (["a.hl7"], ["b.hl7"])
    assert (_names(tmp_path / "failed"), _names(tmp_path / "out")) == ([], ["a.hl7.ack"])
    clock.seconds = 1_001.0
    assert await drop.take_all() == 1
    assert _codes(tmp_path / "out" / "b.hl7.ack") == ["AA|b"]


async def test_one_process_works_on_a_folder(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """A second one waits until the lock is free."""
    with (tmp_path / "work" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (tmp_path / "in" / "a.hl7").write_bytes(make_message("C1")[1:-2])
        task = asyncio.create_task(drop.run(0.01))
        done, _ = await asyncio.wait({task}, timeout=0.2)
        assert (done, _names(tmp_path / "in")) == (set(), ["a.hl7"])
    async with asyncio.timeout(10):
        while not (tmp_path / "done" / "a.hl7").exists():  # noqa: ASYNC110 - no event of a file
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_folder_is_watched_until_it_is_told_to_stop(
    drop: DropFolder, tmp_path: Path, make_message: Callable[..., bytes]
) -> None:
    """Files that come later are found; a lost folder does not end the watch."""
    task = asyncio.create_task(drop.run(0.01))
    (tmp_path / "in" / ".a").write_bytes(make_message("C1")[1:-2])
    (tmp_path / "in" / ".a").rename(tmp_path / "in" / "a.hl7")
    async with asyncio.timeout(10):
        while not (tmp_path / "done" / "a.hl7").exists():  # noqa: ASYNC110 - no event of a file
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_watch_that_ends_while_it_locks_gives_the_lock_back(
    drop: DropFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one in the same process would wait for it for ever."""
    flock, locked, go = fcntl.flock, threading.Event(), threading.Event()

    def slow(handle: int, operation: int) -> None:
        flock(handle, operation)
        locked.set()
        go.wait(20)

    monkeypatch.setattr("gateway.inbound.hl7_folder.fcntl.flock", slow)
    watch = asyncio.create_task(drop.run())
    assert await asyncio.to_thread(locked.wait, 20)
    watch.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await watch
    with (tmp_path / "work" / ".lock").open("w") as lock:
        flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
