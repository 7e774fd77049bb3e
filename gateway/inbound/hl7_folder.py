"""A folder for files of HL7 v2 messages, for batch nights.

Below the folder of a peer stand five more:

===========  ====================================================================================
`in`         where the sender puts files: written elsewhere on the same disk and renamed into it,
             so that a file is whole as soon as it is there; names with a dot in front are left
`work`       what is being worked on; a file is renamed here first, so that it is taken once
`out`        the answer, `NAME.ack`, renamed into place when it is whole
`done`       files that were answered
`failed`     files that were refused as a whole: too long, no message, a batch with wrong counts
===========  ====================================================================================

After a crash a file is found in `work` and taken up again: its messages meet their stored answers.
A file that is answered is one message (ER7 or XML) or one batch, as over MLLP. A file whose name is
in `done` or `failed` already is kept beside the earlier one, under a number.

One process at a time works on a folder: it holds a lock on `work/.lock`, and a second one waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, UnreadableError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_exchange import Carried, SingleAnswer
from gateway.inbound.hl7_forms import Form, form_of, to_er7, written
from gateway.inbound.mllp_exchange import Pipeline
from gateway.settings import PeerSettings
from gateway.telemetry import get_logger

FOLDERS = ("in", "work", "out", "done", "failed")
INTERVAL = 2.0
"""Seconds between looks into `in`."""
LOCK = ".lock"


class FolderEvent(StrEnum):
    """What became of a file."""

    ANSWERED = "answered"
    FAILED = "failed"
    """Refused as a whole."""
    KEPT = "kept"
    """An error of ours or of the disk, or too soon for the rate of the peer: it stays in `work` and
    is tried again."""


class DropFolder:
    """Takes the files of one peer, in the order of their names.

    `max_bytes` is the longest file; `observe` is told what became of each.
    """

    def __init__(
        self,
        folder: Path,
        peer: PeerSettings,
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        *,
        max_bytes: int,
        observe: Callable[[FolderEvent], None] = lambda _: None,
    ) -> None:
        self._folders = [folder / name for name in FOLDERS]
        self._in, self._work, self._out, self._done, self._failed = self._folders
        self._peer = peer
        self._single = SingleAnswer(pipeline, adapter)
        self._adapter = adapter
        self._max_bytes = max_bytes
        self._observe = observe
        self._log = get_logger()

    async def run(self, interval: float = INTERVAL) -> None:
        """Take files until cancelled; what a crash left in `work` comes first.

        A folder that cannot be made or is locked by another process is looked at again later.
        """
        lock: int | None = None
        try:
            while True:
                try:
                    lock = await self._lock() if lock is None else lock
                    if lock is not None:
                        await self.take_all()
                except Exception as error:  # noqa: BLE001 - the watch goes on whatever breaks
                    self._log.warning(
                        "drop folder", error=type(error).__name__, peer=self._peer.name
                    )
                await asyncio.sleep(interval)
        finally:
            if lock is not None:
                os.close(lock)

    async def take_all(self) -> int:
        """Take every file that is there now; how many there were.

        A file that cannot be read, moved or answered stays where it is.

        Raises:
            OSError: the folders cannot be made or read.
        """
        await asyncio.to_thread(self._make_folders)
        names = await asyncio.to_thread(self._pick_up)
        for name in names:
            try:
                event = await self._take(name)
            except Exception as error:  # noqa: BLE001 - the file stays, and the next one is taken
                event = FolderEvent.KEPT
                self._log.warning("file kept", error=type(error).__name__, peer=self._peer.name)
            self._observe(event)
        return len(names)

    def _make_folders(self) -> None:
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)

    async def _lock(self) -> int | None:
        """See `_locked`; whoever is cancelled in the meantime does not keep the lock."""
        locking = asyncio.ensure_future(asyncio.to_thread(self._locked))
        try:
            return await asyncio.shield(locking)
        except asyncio.CancelledError:
            lock = await locking
            if lock is not None:
                os.close(lock)
            raise

    def _locked(self) -> int | None:
        """The open lock file; None while another process has it."""
        self._make_folders()
        handle = os.open(self._work / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle

    def _pick_up(self) -> list[str]:
        """Rename what has come into `work`; everything there, by name."""
        for path in sorted(self._in.iterdir()):
            taken = self._work / path.name
            if path.name.startswith(".") or not path.is_file() or taken.exists():
                continue
            with contextlib.suppress(FileNotFoundError):
                path.rename(taken)
        found = (it.name for it in self._work.iterdir() if it.is_file() and it.name != LOCK)
        return sorted(found)

    async def _take(self, name: str) -> FolderEvent:
        raw = await asyncio.to_thread(self._read, self._work / name)
        form = form_of(raw)
        if len(raw) > self._max_bytes:
            carried = self._refused(raw[:4096], InvalidError([_TOO_LONG]))
        else:
            carried = await self._carry(raw, form)
        if carried.limit is not None and carried.limit.wait:
            return FolderEvent.KEPT  # it came too soon: it is taken at a later look
        body = await written(carried.body, form)
        await asyncio.to_thread(self._finish, name, body, carried.read)
        return FolderEvent.ANSWERED if carried.read else FolderEvent.FAILED

    async def _carry(self, raw: bytes, form: Form) -> Carried:
        if form is Form.XML:
            try:
                raw = await to_er7(raw)
            except UnreadableError as error:
                return self._refused(b"", error)
        return await self._single.carry(raw, self._peer, "")

    def _refused(self, raw: bytes, error: InvalidError | UnreadableError) -> Carried:
        answer = self._adapter.refuse(raw, {"peer": self._peer.name}, error)
        return Carried(answer.body, read=False)

    def _read(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(self._max_bytes + 1)

    def _finish(self, name: str, body: bytes, read: bool) -> None:  # noqa: FBT001 - runs in a thread
        """Write the answer, and only then move the file: a crash between answers it again."""
        unfinished = self._out / f".{name}.ack"
        with unfinished.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._out / f"{name}.ack")
        (self._work / name).rename(_free(self._done if read else self._failed, name))


def _free(folder: Path, name: str) -> Path:
    """A name in the folder that nothing has: itself, or with a number behind it."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}.{number}"
    return path


_TOO_LONG = Problem(
    kind=ProblemKind.TOO_COSTLY,
    code=ProblemCode.READ_LIMIT,
    zh="文件超过长度上限",
    en="the file is longer than the limit",
)
