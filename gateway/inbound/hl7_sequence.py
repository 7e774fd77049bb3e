"""The sequence number protocol: no message of a sender comes twice, or before the one before it.

Source: HL7 v2 chapter 2, sequence number protocol. For a peer with `sequence_numbers`:

1. MSH-13 is a positive number, one more with each message. The last one that was taken is durable
   before its acknowledgement, which repeats it in MSA-4.
2. 0 starts the link: nothing is worked on, and MSA-4 says which number is expected, -1 where none
   is known yet.
3. -1 forgets the last number: MSA-4 is -1, and any positive number may come next.
4. The last number with the same MSH-10 is that message again, whose acknowledgement was lost.
5. Any other number is refused (AE, or CE in enhanced mode) with the expected one in MSA-4; nothing
   was worked on. So is what is no number.
6. A message that is refused with AR may come again under its number; every other answer uses it up.
7. A message without MSH-13 does not belong to the stream, and is taken.
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum
from typing import NamedTuple

import msgspec

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.hl7v2.header import Header
from gateway.inbound.hl7_deliveries import BookStore
from gateway.journal import BookRow

BOOK = "hl7v2-sequence"
"""The kind of the books that the last numbers are kept as."""
PLACE = "MSH[1]-13"
UNKNOWN = -1

_NUMBER = re.compile(r"-1|[0-9]{1,10}")


class Step(Enum):
    """What becomes of a message by its number."""

    TAKE = "take"
    REPEAT = "repeat"
    """The last message again: it is taken, and uses up no number."""
    LINK = "link"
    """It only starts the link or makes it forget its number."""


class Decision(NamedTuple):
    """What becomes of a message, and MSA-4."""

    step: Step
    expected: int


class OutOfSequenceError(InvalidError):
    """The number is not the expected one, which is `expected`."""

    def __init__(self, problem: Problem, expected: int) -> None:
        super().__init__([problem])
        self.expected = expected


class _Last(msgspec.Struct):
    number: int
    control_id: str


class Sequences:
    """The last numbers of all senders."""

    def __init__(self, store: BookStore) -> None:
        self._store = store
        self._locks: dict[str, asyncio.Lock] = {}

    def lock(self, key: str) -> asyncio.Lock:
        """Held while a message of the sender is decided about and made durable."""
        return self._locks.setdefault(key, asyncio.Lock())

    async def decide(self, key: str, header: Header) -> Decision:
        """What becomes of a message whose MSH-13 is valued.

        Raises:
            OutOfSequenceError: it is not the expected number, or none.
            JournalError: the store failed.
            StateError: another process took a message of the sender just now.
        """
        last = _last(await self._store.book(BOOK, key))
        expected = last.number + 1 if last else UNKNOWN
        stated = header.sequence.strip()
        if not _NUMBER.fullmatch(stated):
            raise OutOfSequenceError(_not_a_number(), expected)
        number = int(stated)
        if number == 0:
            return Decision(Step.LINK, expected)
        if number == UNKNOWN:
            await self._put(key, None)
            return Decision(Step.LINK, UNKNOWN)
        if last is None or number == expected:
            return Decision(Step.TAKE, number)
        if number == last.number and header.control_id == last.control_id:
            return Decision(Step.REPEAT, number)
        raise OutOfSequenceError(_unexpected(expected), expected)

    async def advance(self, key: str, number: int, control_id: str) -> None:
        """The message of this number was taken.

        Raises:
            JournalError: the store failed.
            StateError: another process took a message of the sender just now.
        """
        await self._put(key, _Last(number, control_id))

    async def _put(self, key: str, last: _Last | None) -> None:
        known = await self._store.book(BOOK, key)
        version = known.version if known else 0
        data = msgspec.json.encode(last) if last else b""
        await self._store.put_book(BookRow(BOOK, key, "open" if last else "reset", version, data))


def _last(book: BookRow | None) -> _Last | None:
    return msgspec.json.decode(book.data, type=_Last) if book is not None and book.data else None


def _not_a_number() -> Problem:
    return Problem(
        kind=ProblemKind.TYPE,
        code=ProblemCode.FIELD_TYPE,
        zh="MSH-13 不是有效的顺序号",
        en="MSH-13 is no sequence number",
        place=PLACE,
    )


def _unexpected(expected: int) -> Problem:
    return Problem(
        kind=ProblemKind.BUSINESS,
        code=ProblemCode.SEQUENCE_NUMBER,
        zh=f"顺序号不符，期望 {expected}，报文未处理",
        en=f"{expected} is the expected sequence number; the message was not worked on",
        place=PLACE,
        remedy_zh="请从期望的顺序号起发送，或发送顺序号 -1 重新同步",
        remedy_en="go on with the expected number, or send -1 to synchronise anew",
    )
