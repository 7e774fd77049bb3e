"""Sending a file (9101) and fetching one (9102).

9101 carries the ZIP file inside its input; 9102 answers with the raw ZIP file as the HTTP body and
with JSON only when it fails (reference: signing, section 7).

A download never does harm: it goes to a file of its own beside the target, is continued where it
broke off when the server honours `Range` and started again when not, and takes the place of the
target in one step, after every entry of the ZIP file was read and its checksum compared. It is a
read, and may be asked for again; each time has its own message id.
"""

from __future__ import annotations

import asyncio
import base64
import glob
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from gateway.errors import NotSentError, UnknownOutcomeError
from gateway.fsi.files.archive import (
    CHUNK_BYTES,
    LIMITS,
    FileError,
    Limits,
    check_archive,
    owner_only,
)
from gateway.fsi.files.line import Line
from gateway.fsi.transport import Reply, StreamedReply
from gateway.intents import Accepted, NotSent, Outcome, Rejected, Unknown

UPLOAD, DOWNLOAD = "9101", "9102"
CATALOGUE_OWNER = "plc"
"""`fixmedins_code` in 9102 for files that belong to everybody (reference: 9102)."""

MAX_FILE_BYTES = 2_147_483_648
MAX_JSON_BYTES = 1_048_576
_ZIP_SIGN = b"PK"


class UploadForm(StrEnum):
    """How the bytes of a file stand in JSON; both are met (reference: 9101)."""

    BASE64 = "base64"
    SIGNED_BYTES = "signed-bytes"
    """An array of numbers from -128 to 127."""


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the platform names it; `until` is its last day or moment there."""

    file_qury_no: str
    filename: str
    until: str = ""


class Downloaded(msgspec.Struct, frozen=True, kw_only=True):
    """A file that arrived whole; `attempts` is how often the platform was asked."""

    path: Path
    size: int
    sha256: str
    attempts: int
    resumed: bool


class Watcher(Protocol):
    """Told how a download goes."""

    def size(self, total: int | None, held: int) -> None:
        """A reply began: the whole size in bytes when it is known, and how much is held."""
        ...

    def received(self, count: int) -> None:
        """So many bytes more."""
        ...


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to go on."""

    attempts: int = 5
    """Attempts in a row that bring nothing, and damaged files, after which it is given up."""
    most: int = 100
    """Attempts of any kind."""
    seconds: float = 2.0
    """Between two attempts."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


PATIENCE = Patience()


def encoded(content: bytes, form: UploadForm) -> str | list[int]:
    """The bytes as they stand in `input.fsUploadIn.in`.

    >>> encoded(bytes([80, 75, 255]), UploadForm.BASE64)
    'UEv/'
    >>> encoded(bytes([80, 75, 255]), UploadForm.SIGNED_BYTES)
    [80, 75, -1]
    """
    if form is UploadForm.BASE64:
        return base64.b64encode(content).decode("ascii")
    return [byte - 256 if byte > 127 else byte for byte in content]


def stored_file(output: Mapping[str, Any]) -> StoredFile | None:
    """The file that an output names, under both spellings of its last day; None without one."""
    number, name = output.get("file_qury_no"), output.get("filename")
    if not number or not name:
        return None
    until = output.get("dld_endtime") or output.get("dld_end_time") or ""
    return StoredFile(file_qury_no=str(number), filename=str(name), until=str(until))


async def upload(
    line: Line, content: bytes, filename: str, *, form: UploadForm = UploadForm.BASE64
) -> StoredFile | Rejected | NotSent | Unknown:
    """Send a ZIP file by 9101.

    After `Unknown` the file may be sent again: the platform then has it twice.
    """
    node = {
        "in": encoded(content, form),
        "filename": filename,
        "fixmedins_code": line.fixmedins_code,
    }
    outcome = await line.transact(UPLOAD, {"fsUploadIn": node})
    if not isinstance(outcome, Accepted):
        return outcome
    return stored_file(outcome.reply.output) or Unknown("the reply names no file")


async def download(
    line: Line,
    file: StoredFile,
    target: Path,
    *,
    owner: str = "",
    watcher: Watcher | None = None,
    patience: Patience = PATIENCE,
    limits: Limits = LIMITS,
) -> Downloaded | Rejected | NotSent | Unknown:
    """Fetch a file by 9102 to `target`, whose folder exists.

    `owner` is `plc` for catalogues and the institution (the default) for its own files. `Unknown`
    says that no whole file came within the patience; what came is kept for the next time, and a
    file that stood at `target` still stands.

    Raises:
        OSError: the disk refuses.
    """
    owner = owner or line.fixmedins_code
    work = _Download(line, file, target, owner=owner, watcher=watcher, limits=limits)
    failed: NotSent | Unknown | None = None
    barren = 0
    while barren < patience.attempts:
        if failed is not None:
            await patience.sleep(patience.seconds)
        held = work.part.size
        outcome = await work.attempt()
        if isinstance(outcome, Rejected | Downloaded):
            return outcome
        failed = outcome
        barren = 0 if work.part.size > held else barren + 1
        if work.restarts >= patience.attempts or work.attempts >= patience.most:
            break
    assert failed is not None
    return failed


class _Part:
    """The file beside the target that a download is written to."""

    def __init__(self, target: Path, file: StoredFile) -> None:
        name = hashlib.sha256(f"{file.file_qury_no}\n{file.filename}".encode()).hexdigest()[:16]
        self.path = target.with_name(f".{target.name}.{name}.part")
        for stale in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
            if stale != self.path:
                stale.unlink(missing_ok=True)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.path.stat().st_size if self.path.exists() else 0

    def opened(self, *, anew: bool) -> IO[bytes]:
        """The file to write on, or to write anew."""
        mode = "wb" if anew else "ab"
        return open(self.path, mode, opener=owner_only)

    def remove(self) -> None:
        """Forget what is held."""
        self.path.unlink(missing_ok=True)

    def finish(self, target: Path, limits: Limits) -> tuple[int, str]:
        """Check the whole and move it to the target; its size and SHA-256 in hex.

        Raises:
            FileError: it is not a whole ZIP file within the limits.
        """
        check_archive(self.path, limits)
        digest, size = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                digest.update(piece)
                size += len(piece)
            os.fsync(file.fileno())
        self.path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return size, digest.hexdigest()


class _Download:
    """One file on its way."""

    def __init__(
        self,
        line: Line,
        file: StoredFile,
        target: Path,
        *,
        owner: str,
        watcher: Watcher | None,
        limits: Limits,
    ) -> None:
        self._line, self._target, self._watcher, self._limits = line, target, watcher, limits
        self._content = {
            "fsDownloadIn": {
                "file_qury_no": file.file_qury_no,
                "filename": file.filename,
                "fixmedins_code": owner,
            }
        }
        self.part = _Part(target, file)
        self.restarts = 0
        self.attempts = 0
        self._resumed = False

    async def attempt(self) -> Downloaded | Rejected | NotSent | Unknown:
        """Ask once, from where the last time ended."""
        self.attempts += 1
        held = self.part.size
        headers = {"Range": f"bytes={held}-"} if held else {}
        try:
            async with self._line.stream(DOWNLOAD, self._content, headers) as reply:
                answer = await self._read(reply, held)
        except NotSentError as error:
            return NotSent(error.reason)
        except UnknownOutcomeError as error:
            return Unknown(str(error))
        if answer is not None:
            return answer
        try:
            size, sha256 = await asyncio.to_thread(self.part.finish, self._target, self._limits)
        except FileError as error:
            self._start_again()
            return Unknown(f"the file is damaged: {error}")
        return Downloaded(
            path=self._target,
            size=size,
            sha256=sha256,
            attempts=self.attempts,
            resumed=self._resumed,
        )

    def _start_again(self) -> None:
        self.part.remove()
        self.restarts += 1

    async def _read(self, reply: StreamedReply, held: int) -> Rejected | NotSent | Unknown | None:
        """Take the body in; None when it came to its end."""
        if reply.status == 416:
            if held and _whole_size(reply.headers) == held:
                return None
            self._start_again()
            return Unknown("the file is shorter than what is held of it")
        if reply.status >= 500:
            return Unknown(f"HTTP {reply.status}")
        continued = reply.status == 206
        if continued and _first_byte(reply.headers) != held:
            self._start_again()
            return Unknown("the reply continues at another place")
        pieces = reply.pieces()
        first = await anext(pieces, b"")
        if not continued and not first.startswith(_ZIP_SIGN):
            body = bytearray(first)
            async for piece in pieces:
                body += piece
                if len(body) > MAX_JSON_BYTES:
                    return Unknown("the reply is neither a ZIP file nor JSON")
            return await self._refusal(Reply(reply.status, reply.headers, bytes(body)))
        self._resumed = self._resumed or continued
        start = held if continued else 0
        length = _number(reply.headers.get("content-length"))
        if self._watcher is not None:
            self._watcher.size(None if length is None else start + length, start)
        with self.part.opened(anew=not continued) as file:
            written = start
            while first:
                written += len(first)
                if written > MAX_FILE_BYTES:
                    self._start_again()
                    return Unknown("the file is too large")
                await asyncio.to_thread(_append, file, first)
                if self._watcher is not None:
                    self._watcher.received(len(first))
                first = await anext(pieces, b"")
        return None

    async def _refusal(self, reply: Reply) -> Rejected | NotSent | Unknown:
        outcome: Outcome = await self._line.outcome(DOWNLOAD, reply)
        if isinstance(outcome, Accepted):
            return Unknown("an accepted reply without a file")
        return outcome


def _append(file: IO[bytes], piece: bytes) -> None:
    """Write a piece through, so that a process that is killed leaves it behind."""
    file.write(piece)
    file.flush()


def _first_byte(headers: Mapping[str, str]) -> int | None:
    """The place at which a reply with status 206 continues."""
    unit, _, rest = headers.get("content-range", "").partition(" ")
    return _number(rest.partition("-")[0]) if unit == "bytes" else None


def _whole_size(headers: Mapping[str, str]) -> int | None:
    """The size that a reply with status 416 states."""
    return _number(headers.get("content-range", "").partition("*/")[2])


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
