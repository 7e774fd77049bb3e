"""Messages in several fragments (HL7 v2 chapter 2, continuation protocol).

A message that is too long for one frame ends in DSC, whose first field is a continuation pointer;
the message that goes on has the same value in MSH-14, and may itself end in DSC. A segment that is
cut in two ends in front of an ADD segment without fields, and the next fragment begins with an ADD
segment that holds the rest of it. The message is what stands between: the header is that of the
first fragment, so that the answer refers to it.

DSC-2 `I` means the continuation of an answer to a query, which is something else and is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.errors import ProblemCode
from gateway.hl7v2.header import Header, lenient_header
from gateway.hl7v2.reader import unreadable

_INTERACTIVE = "I"


class Fragment(NamedTuple):
    """The place of a message in a chain of fragments."""

    before: str
    """MSH-14: what the fragment before it ended in; empty for the first one."""
    after: str
    """DSC-1: what the next one begins with; empty for the last one."""


def fragment_of(raw: bytes, header: Header) -> Fragment | None:
    """The place of a message that is a fragment; None of one that is whole."""
    at = _end_at(raw)
    after = ""
    if at >= 0:
        fields = raw[at:].strip(b"\r\n").decode("utf-8", "replace").split(header.delimiters.field)
        style = fields[2] if len(fields) > 2 else ""
        after = fields[1].strip() if len(fields) > 1 and style != _INTERACTIVE else ""
    before = header.continuation.strip()
    return Fragment(before, after) if before or after else None


def join(fragments: Sequence[bytes]) -> bytes:
    """One message of its fragments in order.

    Raises:
        UnreadableError: a fragment has other delimiters or another character set than the first.
    """
    first = lenient_header(fragments[0]) or Header()
    parts = []
    for number, raw in enumerate(fragments):
        header = lenient_header(raw) or Header()
        if (header.delimiters, header.charset) != (first.delimiters, first.charset):
            raise unreadable(
                "分片的分隔符或字符集与第一片不同",
                "a fragment has other delimiters or another character set than the first",
                place="MSH[1]-2",
                code=ProblemCode.READ_SYNTAX,
            )
        at = _end_at(raw)
        body = raw[:at] if at >= 0 else raw
        if number:
            body = body[_header_ends(body) :]
        if body and not body.endswith((b"\r", b"\n")):
            body += b"\r"
        parts.append(body)
    return b"".join(parts)


def _end_at(raw: bytes) -> int:
    """Where the DSC segment at the end begins; -1 without one."""
    end = len(raw.rstrip(b"\r\n"))
    at = max(raw.rfind(b"\r", 0, end), raw.rfind(b"\n", 0, end)) + 1
    return at if raw[at : at + 3] == b"DSC" else -1


def _header_ends(raw: bytes) -> int:
    ends = [end for end in (raw.find(b"\r"), raw.find(b"\n")) if end >= 0]
    return min(ends) + 1 if ends else len(raw)
