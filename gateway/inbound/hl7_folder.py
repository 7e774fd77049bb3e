"""A folder for files of HL7 v2 messages, for batch nights.

Below the folder of a peer stand four more:

===========  ====================================================================================
`in`         where the sender puts files: written elsewhere on the same disk and renamed into it,
             so that a file is whole as soon as it is there; names with a dot in front are left
`work`       what is being worked on; a file is renamed here first, so that it is taken once
`out`        the answer, `NAME.ack`, renamed into place when it is whole
`done`       files that were answered
===========  ====================================================================================

After a crash a file is found in `work` and taken up again: its messages meet their stored answers.
A file that is answered is one batch or message, as over MLLP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2.adapter import HL7Adapter
from gateway.inbound.hl7_exchange import SingleAnswer
from gateway.inbound.mllp_exchange import Pipeline
from gateway.settings import PeerSettings
from gateway.telemetry import get_logger

FOLDERS = ("in", "work", "out", "done")
INTERVAL = 2.0
"""Seconds between looks into `in`."""


class DropFolder:
    """Takes the files of one peer, in the order of their names.

    `max_bytes` is the longest file; `observe` is told the number of bytes of each file taken.
    """

    def __init__(
        self,
        folder: Path,
        peer: PeerSettings,
        pipeline: Pipeline[Any],
        adapter: HL7Adapter,
        *,
        max_bytes: int,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._in, self._work, self._out, self._done = (folder / name for name in FOLDERS)
        self._peer = peer
        self._single = SingleAnswer(pipeline, adapter)
        self._adapter = adapter
        self._max_bytes = max_bytes
        self._observe = observe
        self._log = get_logger()

    async def run(self, interval: float = INTERVAL) -> None:
        """Take files until cancelled; what a crash left in `work` comes first.

        Raises:
            OSError: the folders cannot be made.
        """
        await asyncio.to_thread(self._make_folders)
        while True:
            try:
                await self.take_all()
            except Exception as error:  # noqa: BLE001 - the file stays in `work` and is tried again
                self._log.warning("drop folder", error=type(error).__name__, peer=self._peer.name)
            await asyncio.sleep(interval)

    async def take_all(self) -> int:
        """Take every file that is there now; how many there were.

        Raises:
            OSError: a file cannot be read, moved or answered; it stays where it is.
        """
        await asyncio.to_thread(self._make_folders)
        names = await asyncio.to_thread(self._pick_up)
        for name in names:
            await self._take(name)
        return len(names)

    def _make_folders(self) -> None:
        for folder in (self._in, self._work, self._out, self._done):
            folder.mkdir(parents=True, exist_ok=True)

    def _pick_up(self) -> list[str]:
        """Rename what has come into `work`; everything there, by name."""
        for path in sorted(self._in.iterdir()):
            taken = self._work / path.name
            if path.name.startswith(".") or not path.is_file() or taken.exists():
                continue
            with contextlib.suppress(FileNotFoundError):
                path.rename(taken)
        return sorted(path.name for path in self._work.iterdir() if path.is_file())

    async def _take(self, name: str) -> None:
        path = self._work / name
        raw = await asyncio.to_thread(self._read, path)
        self._observe(len(raw))
        if len(raw) > self._max_bytes:
            body = self._adapter.refuse(
                raw[:4096], {"peer": self._peer.name}, InvalidError([_TOO_LONG])
            ).body
        else:
            body = await self._single.answer(raw, self._peer, "")
        await asyncio.to_thread(self._finish, name, body)

    def _read(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(self._max_bytes + 1)

    def _finish(self, name: str, body: bytes) -> None:
        """Write the answer, and only then move the file: a crash between answers it again."""
        unfinished = self._out / f".{name}.ack"
        with unfinished.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._out / f"{name}.ack")
        (self._work / name).replace(self._done / name)


_TOO_LONG = Problem(
    kind=ProblemKind.TOO_COSTLY,
    code=ProblemCode.READ_LIMIT,
    zh="文件超过长度上限",
    en="the file is longer than the limit",
)
