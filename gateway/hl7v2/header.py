"""The message header: what an acknowledgement needs to know of the message it answers.

A header can be read from bytes that are no valid message otherwise, so that even a message in an
unknown character set gets an acknowledgement with its own control id.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

import msgspec

from gateway.errors import UnreadableError
from gateway.hl7v2.charset import ASCII, TABLE_0211, header_text
from gateway.hl7v2.escapes import Delimiters, unescape
from gateway.hl7v2.reader import Document, Segment, read_delimiters

ACKNOWLEDGE_WHEN = ("AL", "NE", "ER", "SU")
"""Table 0155: always, never, on error or refusal, on success."""


MAX_VERSION = 20
"""Characters of a version that is read."""
_UNREADABLE = (2, 5)


class Mode(StrEnum):
    """Which acknowledgement rules are in force (chapter 2, 2.8)."""

    ORIGINAL = "original"
    ENHANCED = "enhanced"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """MSH of a message that came in; JSON-ready.

    Texts of HD and other composite fields are raw, in the delimiters of the message, so that they
    can be written back unchanged. `codec` is how the reply is encoded, and `charset` its MSH-18.
    """

    delimiters: Delimiters = Delimiters()
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    time: str = ""
    type: str = ""
    event: str = ""
    structure: str = ""
    control_id: str = ""
    processing_id: str = ""
    processing: str = ""
    """MSH-11 as it stands, to be repeated in the reply."""
    version: str = ""
    sequence: str = ""
    """MSH-13."""
    expected: str = ""
    """MSA-4 of the reply, where the sequence number protocol is spoken."""
    continuation: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    charset: str = ""
    codec: str = ASCII

    @property
    def kind(self) -> str:
        """`ADT^A04`."""
        return f"{self.type}^{self.event}" if self.event else self.type

    @property
    def sender(self) -> str:
        """Who numbers the messages: `MSH-3|MSH-4`, first components."""
        return f"{self.application}|{self.facility}"

    @property
    def application(self) -> str:
        """The first component of MSH-3."""
        return self._first(self.sending_application)

    @property
    def facility(self) -> str:
        """The first component of MSH-4."""
        return self._first(self.sending_facility)

    @property
    def mode(self) -> Mode:
        """Enhanced when MSH-15 or MSH-16 is valued; the one that is not counts as NE."""
        valued = self.accept_ack or self.application_ack
        return Mode.ENHANCED if valued else Mode.ORIGINAL

    @property
    def is_acknowledgement(self) -> bool:
        """True for an acknowledgement, which is never acknowledged itself."""
        return self.type in {"ACK", "MCF"}

    @property
    def reply_delimiters(self) -> Delimiters:
        """The delimiters of the request where they are complete, else the usual ones."""
        return self.delimiters if self.delimiters.subcomponent else Delimiters()

    def at_least(self, version: str) -> bool:
        """True when MSH-12 is this version or a later one; unreadable versions count as 2.5."""
        return version_key(self.version) >= version_key(version)

    def numbered(self, expected: str = "", *, spoken: bool) -> Header:
        """The header whose reply has MSA-4, where the sequence number protocol is spoken.

        That is `expected`, or else MSH-13 again.
        """
        told = expected or (self.sequence if self.sequence.isdigit() else "")
        return msgspec.structs.replace(self, expected=told) if spoken else self

    def _first(self, raw: str) -> str:
        marks = self.delimiters
        first = raw.partition(marks.repetition)[0] if marks.repetition else raw
        return unescape(first.partition(marks.component)[0], marks)


def version_key(version: str) -> tuple[int, ...]:
    """A version as numbers that compare."""
    return _version_key(version) if len(version) <= MAX_VERSION else _UNREADABLE


@lru_cache(maxsize=64)
def _version_key(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        return _UNREADABLE
    return tuple(int(part) for part in parts)


def header_of(document: Document, charset: str) -> Header:
    """The header of a message that was read."""
    return _header(document.segments[0], charset, document.codec)


def lenient_header(raw: bytes, codec: str = "") -> Header | None:
    """The header of any bytes that begin with MSH and delimiters; None of others.

    `codec` is that of the message where it is known, and is used for the reply; without it a known
    MSH-18 says which, and ASCII serves the rest.
    """
    text = header_text(raw, codec)
    try:
        delimiters = read_delimiters(text)
    except UnreadableError:
        return None
    segment = Segment("MSH", 1, text, delimiters)
    declared = segment.field(18).partition(delimiters.repetition or "~")[0].strip()
    return _header(segment, segment.field(18), codec or TABLE_0211.get(declared.upper(), ASCII))


def _header(segment: Segment, charset: str, codec: str) -> Header:
    return Header(
        delimiters=segment.delimiters,
        sending_application=segment.field(3),
        sending_facility=segment.field(4),
        receiving_application=segment.field(5),
        receiving_facility=segment.field(6),
        time=segment.field(7),
        type=_plain(segment, 9, 1),
        event=_plain(segment, 9, 2),
        structure=_plain(segment, 9, 3),
        control_id=segment.field(10),
        processing_id=_plain(segment, 11, 1),
        processing=segment.field(11),
        version=_plain(segment, 12, 1),
        sequence=segment.field(13).strip(),
        continuation=segment.field(14),
        accept_ack=segment.field(15).strip(),
        application_ack=segment.field(16).strip(),
        charset=charset,
        codec=codec,
    )


def _plain(segment: Segment, field: int, component: int) -> str:
    parts = segment.field(field).partition(segment.delimiters.repetition or "~")[0]
    found = parts.split(segment.delimiters.component)
    return found[component - 1].strip() if len(found) >= component else ""
