"""A ZIP file of a stranger, opened within limits.

A small ZIP can hold more than a disk (a "bomb"): many entries, entries that expand a thousandfold,
a directory that is larger than memory. Everything is bounded before it is read. Nothing is
unpacked to a path, so the names of entries cannot lead anywhere.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from gateway.errors import GatewayError

CHUNK_BYTES = 1_048_576
_ENCRYPTED = 0x1
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    struct.error,
)
_LOCATOR_BYTES = 20
_MAX_COMMENT = 65_535


class FileError(GatewayError):
    """A file is not what it should be.

    `line` is counted from 1, 0 where the file as a whole is meant.
    """

    def __init__(self, reason: str, *, line: int = 0) -> None:
        self.reason, self.line = reason, line
        super().__init__(f"line {line}: {reason}" if line else reason)


def owner_only(path: str, flags: int) -> int:
    """Opener for a file that only its owner may read: details name persons."""
    return os.open(path, flags, 0o600)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a ZIP file may be."""

    entries: int = 16
    """Entries; files of the interface have one."""
    ratio: int = 500
    """How many times larger an entry may be than its compressed form.

    Rows of nothing but `null` reach about 200, a bomb about 1,000.
    """
    total_bytes: int = 4_294_967_296
    """Bytes of all entries together."""
    directory_bytes: int = 65_536
    """Bytes of the directory at the end of the file."""
    line_bytes: int = 1_048_576
    """Bytes of a line."""


LIMITS = Limits()


@contextmanager
def opened(path: Path, limits: Limits = LIMITS) -> Iterator[zipfile.ZipFile]:
    """The archive, its directory found within the limits.

    Raises:
        FileError: no ZIP file, or one beyond a limit.
    """
    try:
        with path.open("rb") as file:
            _check_directory(file, limits)
            with zipfile.ZipFile(file) as archive:
                _check_entries(archive.infolist(), limits)
                yield archive
    except _BROKEN as error:
        raise FileError(f"no whole ZIP file: {type(error).__name__}") from error


def check_archive(path: Path, limits: Limits = LIMITS) -> None:
    """Read every entry to its end and compare the checksums.

    Raises:
        FileError: the file is not whole, not a ZIP file, or beyond a limit.
    """
    with opened(path, limits) as archive:
        for info in archive.infolist():
            with archive.open(info) as content:
                while content.read(CHUNK_BYTES):
                    pass


def only_text(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one text file of an archive.

    Raises:
        FileError: there is none, or more than one.
    """
    files = [info for info in archive.infolist() if not info.filename.endswith("/")]
    texts = [info for info in files if info.filename.lower().endswith(".txt")]
    found = texts or files
    if len(found) != 1:
        raise FileError(f"{len(found)} text files in the ZIP file, where one is due")
    return found[0]


def _check_entries(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(entries) > limits.entries:
        raise FileError(f"more than {limits.entries} entries")
    if sum(info.file_size for info in entries) > limits.total_bytes:
        raise FileError(f"unpacks to more than {limits.total_bytes} bytes")
    for info in entries:
        if info.header_offset < 0:
            raise FileError("no whole ZIP file: an entry lies before its beginning")
        if info.flag_bits & _ENCRYPTED:
            raise FileError("is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(f"is compressed by method {info.compress_type}")
        # An entry yields at most its stated size: zipfile reads no further, and a false size
        # fails its checksum.
        if info.file_size > limits.ratio * max(info.compress_size, 1_024):
            raise FileError(f"an entry expands more than {limits.ratio} times")


def _check_directory(file: IO[bytes], limits: Limits) -> None:
    """The size of the directory, before zipfile reads it into memory."""
    size = file.seek(0, 2)
    tail_at = max(0, size - _END.size - _MAX_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise FileError("no whole ZIP file: its end is missing")
    stated: tuple[Any, ...] = _END.unpack_from(tail, at)
    directory = stated[5]
    before = at - _LOCATOR_BYTES - _END_64.size
    if before >= 0 and tail[at - _LOCATOR_BYTES : at].startswith(b"PK\x06\x07"):
        directory = max(directory, _END_64.unpack_from(tail, before)[8])
        if directory == 0xFFFFFFFF:
            directory = _END_64.unpack_from(tail, before)[8]
    if directory > limits.directory_bytes:
        raise FileError("its directory is too large")
    file.seek(0)
