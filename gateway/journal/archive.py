"""A journal as a file of JSON lines: to move it from one store to another, and to keep what is old.

The first line says what the file is, the last one how many lines there are and the SM3 digest of
all bytes before it; a file without it is not whole. Every line between is one row, an array that
begins with its kind; bytes are base64. The file holds patient data: only its owner may read it.

Rows have no owner: what was open is taken for left behind by a process that is gone. Search
tokens are made again from the resources.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from gateway.errors import ConfigurationError, JournalError
from gateway.intents import Resource
from gateway.journal import storage
from gateway.journal.chain import Link, Verifier

FORM: Final = 2
"""The form of the file; a reader of a later form refuses it."""

FORM_WITHOUT_PEERS: Final = 1
"""The form in which the keys of HL7 v2 messages did not begin with the peer; it is read too."""

MOVED: Final = "moved"
"""The owner of imported rows: a process that is not there."""

MAX_LINE: Final = 256 * 1024 * 1024
"""Bytes of the longest line that is read."""


class _Line(msgspec.Struct, array_like=True, tag_field="line"):
    pass


class Header(_Line, tag="journal"):
    """The first line; `before` is the day before which an archive ends, empty for a whole one."""

    form: int
    content: Literal["whole", "archive"]
    before: str = ""


class ExchangeLine(_Line, tag="exchange"):
    """A row of `exchanges`."""

    exchange_id: str
    protocol: str
    sender: str
    control_id: str
    peer: str
    kind: str
    fingerprint: str
    stage: str
    status: str
    received_at: str
    answered_at: str


class MessageLine(_Line, tag="message"):
    """A row of `exchange_messages`."""

    exchange_id: str
    raw: bytes
    context: bytes


class AnswerLine(_Line, tag="answer"):
    """A row of `exchange_answers`."""

    exchange_id: str
    answer: bytes
    result: bytes | None


class SendLine(_Line, tag="send"):
    """A row of `sends`."""

    msgid: str
    exchange_id: str | None
    infno: str
    visit_key: str
    fixmedins_code: str
    insuplc_admdvs: str
    pooling_region: str
    channel: str
    digest: str
    money: bool
    psn_no: str
    reverses: str
    state: str
    note: str
    infcode: str
    inf_refmsgid: str
    created_at: str
    updated_at: str


class ReplyLine(_Line, tag="reply"):
    """A row of `send_replies`."""

    msgid: str
    reply: bytes


class VisitLine(_Line, tag="visit"):
    """A row of `visits`."""

    key: str
    state: str
    version: int
    data: bytes
    updated_at: str


class BookLine(_Line, tag="book"):
    """A row of `books`."""

    kind: str
    key: str
    state: str
    version: int
    data: bytes
    updated_at: str


class SerialLine(_Line, tag="serial"):
    """A row of `serials`."""

    fixmedins_code: str
    second: str
    last: int


class SessionLine(_Line, tag="session"):
    """A row of `sessions`."""

    key: str
    value: str
    expires: str


class ResourceLine(_Line, tag="resource"):
    """A row of `resources`, in the order in which they changed."""

    type: str
    id: str
    exchange_id: str
    body: bytes
    search: bytes


class HeadLine(_Line, tag="head"):
    """The record of the last row of the audit; stands before the audit."""

    seq: int
    hash: str


class AuditLine(_Line, tag="audit"):
    """A row of `audit`."""

    seq: int
    time: str
    exchange_id: str
    station: str
    detail: str
    previous: str
    hash: str


class End(_Line, tag="end"):
    """The last line: how many lines stand before it, and the SM3 digest of all their bytes."""

    lines: int
    sm3: str


Row = (
    ExchangeLine
    | MessageLine
    | AnswerLine
    | SendLine
    | ReplyLine
    | VisitLine
    | BookLine
    | SerialLine
    | SessionLine
    | ResourceLine
    | HeadLine
    | AuditLine
)

TABLES: Final[dict[type[Row], str]] = {
    ExchangeLine: "exchanges",
    MessageLine: "exchange_messages",
    AnswerLine: "exchange_answers",
    SendLine: "sends",
    ReplyLine: "send_replies",
    VisitLine: "visits",
    BookLine: "books",
    SerialLine: "serials",
    SessionLine: "sessions",
    ResourceLine: "resources",
    HeadLine: "audit_head",
    AuditLine: "audit",
}
"""Kind of line to table, in the order in which they are written and read."""

ARCHIVED: Final = (ExchangeLine, MessageLine, AnswerLine, SendLine, ReplyLine)
"""The kinds of an archive of old exchanges."""


def tokens_of(line: ResourceLine) -> list[tuple[str, str]]:
    """Parameter and token of everything that the resource is found by, each once."""
    search = storage.decode_search(line.search)
    return resource_tokens(Resource(type=line.type, id=line.id, body=b"", search=search))


def resource_tokens(resource: Resource) -> list[tuple[str, str]]:
    """Parameter and token of everything that a resource is found by, each once."""
    named = {**resource.search, "_id": [resource.id]}
    return list(dict.fromkeys((name, token) for name, those in named.items() for token in those))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Header | Row | End).decode


class Sink:
    """Writes a file that nobody has yet; a context manager.

    When the block ends with an error the file is removed.

    Raises:
        ConfigurationError: the file is there already, or cannot be made.
        JournalError: the disk is full.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._lines, self._digest = 0, hashlib.new("sm3")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cannot be written: {error.strerror}", file=str(path)
            ) from error
        self._file = os.fdopen(handle, "wb", buffering=1 << 20)
        self._put(header)

    def put(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        for row in rows:
            self._put(row)

    def _put(self, line: Header | Row) -> None:
        data = _encode(line) + b"\n"
        self._digest.update(data)
        self._lines += 1
        try:
            self._file.write(data)
        except OSError as error:
            raise _unwritten(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._file.write(_encode(End(self._lines, self._digest.hexdigest())) + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise _unwritten(self.path, error) from error
        if kind is not None:
            self.path.unlink(missing_ok=True)


def _with_peer(line: ExchangeLine) -> ExchangeLine:
    """A row as migration 3 makes it."""
    if line.protocol != "hl7v2":
        return line
    return msgspec.structs.replace(line, sender=f"{line.peer}|{line.sender}")


def _unwritten(path: Path, error: OSError) -> JournalError:
    return JournalError(f"{path}: cannot be written: {error.strerror}")


class Source:
    """A file that was checked from its first to its last byte, and with it the audit in it.

    Raises:
        ConfigurationError: the file cannot be read, or is not such a file.
        JournalError: it is not whole, or was changed, or its audit is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = Header(0, "whole")
        self.counts: dict[str, int] = {}
        """Rows by table."""
        self.sm3 = ""
        self._check()

    def _check(self) -> None:
        digest, count, end = hashlib.new("sm3"), 0, None
        chain: Verifier | None = None
        for data, line in self._lines():
            if count == 0:
                self._begin(line)
            if end is not None:
                raise JournalError(f"{self.path}: lines stand behind the last one")
            count += 1
            if isinstance(line, End):
                end = line
                continue
            digest.update(data)
            if isinstance(line, HeadLine):
                chain = Verifier(line.seq, line.hash)
            elif isinstance(line, AuditLine) and chain is not None:
                chain.take([Link(*msgspec.structs.astuple(line))])
            if not isinstance(line, Header):
                table = TABLES[type(line)]
                self.counts[table] = self.counts.get(table, 0) + 1
        if end is None:
            raise JournalError(f"{self.path}: the file is not whole: its last line is missing")
        self.sm3 = digest.hexdigest()
        if end != End(count - 1, self.sm3):
            raise JournalError(f"{self.path}: the file was changed: its digest does not fit")
        if self.header.content == "whole":
            self._check_chain(chain)

    def _check_chain(self, chain: Verifier | None) -> None:
        if chain is None:
            raise JournalError(f"{self.path}: the record of the last row of the audit is missing")
        broken = chain.report().broken
        if broken:
            first = broken[0]
            raise JournalError(
                f"{self.path}: the audit is broken at row {first.seq}: {first.reason}"
            )

    def _begin(self, line: Header | Row | End) -> None:
        if not isinstance(line, Header):
            raise ConfigurationError("this file is no export of a journal", file=str(self.path))
        if line.form not in (FORM_WITHOUT_PEERS, FORM):
            reason = f"this file has form {line.form}, this version reads {FORM}"
            raise ConfigurationError(reason, file=str(self.path))
        self.header = line

    def whole(self) -> Iterator[Row]:
        """Every row of a whole journal, in order.

        Raises:
            ConfigurationError: the file is an archive of old exchanges.
        """
        if self.header.content != "whole":
            reason = "this file holds old exchanges only, no whole journal"
            raise ConfigurationError(reason, file=str(self.path))
        return self.rows()

    def rows(self) -> Iterator[Row]:
        """Every row, in order."""
        for _, line in self._lines():
            if isinstance(line, ExchangeLine) and self.header.form == FORM_WITHOUT_PEERS:
                yield _with_peer(line)
            elif not isinstance(line, Header | End):
                yield line

    def _lines(self) -> Iterator[tuple[bytes, Header | Row | End]]:
        try:
            with self.path.open("rb") as file:
                number = 0
                while data := file.readline(MAX_LINE):
                    number += 1
                    try:
                        line = _decode(data)
                    except (msgspec.DecodeError, UnicodeDecodeError) as error:
                        reason = "this line is none of an export"
                        where = str(self.path)
                        raise ConfigurationError(reason, file=where, line=number) from error
                    yield data, line
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            raise ConfigurationError(reason, file=str(self.path)) from error
