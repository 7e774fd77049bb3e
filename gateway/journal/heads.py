"""The head of the audit, written down outside the database: what proves later that no tail is gone.

Whoever can write the database can cut the end of the chain or make it anew, and correct the record
of its last row. A head that was written elsewhere stays: the row of its number must be there and
must have its hash (`gateway audit verify --heads FILE`).

The file has one JSON object a line, `{"time": ..., "seq": ..., "hash": ...}`, and is only ever
appended to; several gateways may append to one. Syslog gets the same as a line of RFC 5424 with
facility 13 (log audit) and severity 6, by UDP (`udp://host:514`) or a local socket (a path).
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from gateway.clock import Clock
from gateway.errors import ConfigurationError, GatewayError, JournalError
from gateway.journal.protocol import Journal
from gateway.journal.records import AuditHead
from gateway.journal.stamps import china_time
from gateway.settings import AuditSettings

PRIORITY: Final = 13 * 8 + 6
"""Facility 13, severity 6 (RFC 5424, section 6.2.1)."""

UDP: Final = "udp://"


class ExportedHead(AuditHead, frozen=True, kw_only=True):
    """A head and when it was written down, `yyyy-MM-dd HH:mm:ss.fff` in China Standard Time."""

    time: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ExportedHead).decode


def read_heads(file: Path) -> list[ExportedHead]:
    """The heads of a file, in its order.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it is no head.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(file)) from error
    heads = []
    for number, line in enumerate(lines, 1):
        try:
            heads.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = "this line is no head of an audit"
            raise ConfigurationError(reason, file=str(file), line=number) from error
    return heads


def append_head(file: Path, head: ExportedHead) -> None:
    """Write a head behind those of the file, durably; only its owner may read the file.

    Raises:
        JournalError: it cannot be written.
    """
    try:
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, _encode(head) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        reason = f"the head of the audit cannot be written to {file}: {error.strerror}"
        raise JournalError(reason) from error


def tell_syslog(target: str, head: ExportedHead, moment: str) -> None:
    """Send a head to a syslog; `moment` is its RFC 3339 time.

    Raises:
        JournalError: it cannot be sent. By UDP nobody says whether it arrived.
    """
    start = f"<{PRIORITY}>1 {moment} - fsi-gateway {os.getpid()} audit-head - "
    family: int = socket.AF_UNIX
    address: Any = target
    try:
        if target.startswith(UDP):
            host, _, port = target.removeprefix(UDP).rpartition(":")
            found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
            family, _, _, _, address = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.connect(address)
            sender.send(start.encode() + _encode(head))
    except OSError as error:
        reason = f"the head of the audit cannot be sent to syslog: {error.strerror or error}"
        raise JournalError(reason) from error


class HeadWatcher(Protocol):
    """Is told of exports."""

    def head_exported(self, seq: int) -> None:
        """The head, row `seq`, was written down."""
        ...

    def failed(self, error: Exception) -> None:
        """It could not be written down, and is tried again at the next interval."""
        ...


class HeadExporter:
    """Writes the head down where the settings say, whenever it moved."""

    def __init__(
        self, journal: Journal, settings: AuditSettings, clock: Clock, watcher: HeadWatcher
    ) -> None:
        self._journal, self._settings, self._clock = journal, settings, clock
        self._watcher = watcher
        self._last = -1

    async def run(self) -> None:
        """Export at once and at every interval until cancelled."""
        while True:
            await self.export()
            await asyncio.sleep(self._settings.interval)

    async def export(self) -> None:
        """Write the head down, unless it is the one that was written last."""
        settings = self._settings
        if settings.heads_file is None and not settings.syslog:
            return
        try:
            head = await self._journal.audit_head()
            if head.seq == self._last:
                return
            await asyncio.to_thread(self._write, head)
        except GatewayError as error:
            self._watcher.failed(error)
            return
        self._last = head.seq
        self._watcher.head_exported(head.seq)

    def _write(self, head: AuditHead) -> None:
        now = self._clock.now()
        written = ExportedHead(seq=head.seq, hash=head.hash, time=china_time(now))
        if self._settings.heads_file is not None:
            append_head(self._settings.heads_file, written)
        if self._settings.syslog:
            tell_syslog(self._settings.syslog, written, now.isoformat(timespec="milliseconds"))
