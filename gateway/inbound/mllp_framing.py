"""MLLP framing without I/O: bytes in, events out.

Source: HL7 Minimal Lower Layer Protocol, release 1: a frame is 0x0B, content, 0x1C 0x0D. The rules:

1. Bytes before a 0x0B belong to no frame; they are counted and reported with the next frame.
2. A frame ends at the first 0x1C that is followed by 0x0D. A lone 0x1C is content.
3. A 0x0B inside a frame begins a new one: the sender gave the first one up.
4. Content longer than the limit ends the conversation, and so does too much outside of frames.
5. The events depend on the bytes alone, never on how reads cut them.
6. A lenient reader also ends a frame at a 0x1C that is followed by a 0x0B, or by nothing for a
   while (`pause`): observed senders leave the 0x0D out.

Release 2 adds commit acknowledgements: a frame of the one byte 0x06 (stored) or 0x15 (not stored).

Neither mark is part of a character in UTF-8 or GB 18030, so no character set has to be known here.
Worst case O(n) over all bytes received; never holds more than the limit and one read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

START = b"\x0b"
END = b"\x1c\r"
COMMIT, NO_COMMIT = b"\x06", b"\x15"
"""The contents of commit acknowledgements."""
MAX_GARBAGE = 65_536
"""Bytes outside of frames that a connection may send between two frames."""
HEAD_BYTES = 4_096
"""Bytes of an oversize frame that are kept, so that its MSH can be answered."""

_START_BYTE, _FILE_SEPARATOR = START[0], END[0]
_MARK = re.compile(rb"\x0b|\x1c\r")
_LENIENT_MARK = re.compile(rb"\x0b|\x1c[\r\x0b]")


class Frame(NamedTuple):
    """A whole frame; the content may be empty."""

    content: bytes


class Abandoned(NamedTuple):
    """A frame that was given up for a new one, with the bytes it had."""

    size: int


class Garbage(NamedTuple):
    """Bytes in front of a frame that belong to none."""

    size: int


class Oversize(NamedTuple):
    """A frame above the limit; nothing is read any more. `head` is how it begins."""

    head: bytes


class TooMuchGarbage(NamedTuple):
    """More than `MAX_GARBAGE` outside of frames; nothing is read any more."""

    size: int


Event = Frame | Abandoned | Garbage | Oversize | TooMuchGarbage


class FrameReader:
    """Takes what a connection delivers, in any pieces.

    After `Oversize` or `TooMuchGarbage` it is `closed` and swallows everything.
    """

    def __init__(self, max_content: int, *, lenient: bool = False) -> None:
        self._max = max_content
        self._lenient = lenient
        self._mark = _LENIENT_MARK if lenient else _MARK
        self._buffer = bytearray()
        self._searched = 0
        self._garbage = 0
        self._inside = False
        self.closed = False

    @property
    def in_frame(self) -> bool:
        """True while a frame is begun and not ended."""
        return self._inside and not self.closed

    @property
    def skipped(self) -> int:
        """Bytes outside of frames that no frame has followed yet."""
        return self._garbage

    @property
    def may_end(self) -> bool:
        """True when a lenient reader has a frame that a pause would end."""
        return self._lenient and self.in_frame and self._buffer[-1:] == END[:1]

    def pause(self) -> list[Event]:
        """Nothing came for a while: the frame that may end has ended."""
        if not self.may_end:
            return []
        content = bytes(self._buffer[:-1])
        self._buffer.clear()
        self._inside, self._searched = False, 0
        return [Frame(content)]

    def receive(self, data: bytes) -> list[Event]:
        """The events that these bytes complete, in order."""
        if self.closed:
            return []
        self._buffer += data
        events: list[Event] = []
        more = True
        while more:
            more = self._inside_step(events) if self._inside else self._outside_step(events)
        if events and isinstance(events[-1], Oversize | TooMuchGarbage):
            self._buffer.clear()
        return events

    def _outside_step(self, events: list[Event]) -> bool:
        at = self._buffer.find(START)
        skipped = len(self._buffer) if at < 0 else at
        self._garbage += skipped
        if self._garbage > MAX_GARBAGE:
            self.closed = True
            events.append(TooMuchGarbage(MAX_GARBAGE + 1))
            return False
        del self._buffer[: skipped + (at >= 0)]
        if at < 0:
            return False
        if self._garbage:
            events.append(Garbage(self._garbage))
        self._garbage = self._searched = 0
        self._inside = True
        return True

    def _inside_step(self, events: list[Event]) -> bool:
        at = self._find_mark()
        if at > self._max or (at < 0 and self._overfull()):
            self.closed = True
            events.append(Oversize(bytes(self._buffer[: min(HEAD_BYTES, self._max)])))
            return False
        if at < 0:
            return False
        content = bytes(self._buffer[:at])
        if self._buffer[at] == _START_BYTE:
            events.append(Abandoned(at))
            del self._buffer[: at + 1]
        else:
            events.append(Frame(content))
            again = self._buffer[at + 1] == _START_BYTE
            del self._buffer[: at + len(END)]
            self._inside = again
        self._searched = 0
        return True

    def _find_mark(self) -> int:
        match = self._mark.search(self._buffer, self._searched)
        if match is not None:
            return match.start()
        last = len(self._buffer) - 1
        pending = last >= 0 and self._buffer[last] == _FILE_SEPARATOR
        self._searched = last if pending else last + 1
        return -1

    def _overfull(self) -> bool:
        """No mark at or below the limit can come any more."""
        pending = self._searched < len(self._buffer)
        return len(self._buffer) - pending > self._max


def frame(content: bytes) -> bytes:
    """The frame of a message.

    Raises:
        ValueError: the content has a mark of a frame in it.
    """
    if START in content or END in content + END[1:]:
        raise ValueError("the content has a mark of a frame in it")
    return b"".join((START, content, END))
