"""Fragments of messages, kept until the last one has come.

A fragment is durable before it is acknowledged. The last one makes the message of all of them; the
fragments stay for `continuation_timeout` after they came, so that a repeated fragment meets what it
met before, and are emptied then. An e-voucher token is never stored: a fragment that holds one is
kept whole in memory only, and after a restart the message has to come again from its beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from gateway.clock import Clock
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind, StateError
from gateway.hl7v2.continuation import Fragment, join
from gateway.hl7v2.header import Header
from gateway.inbound.hl7_deliveries import BookStore
from gateway.journal import BookRow
from gateway.settings import PeerSettings

BOOK = "hl7v2-fragment"
"""The kind of the books that fragments are kept as."""
MAX_FRAGMENTS = 200
"""Fragments of a message."""
MAX_OPEN = 256
"""Fragments of a peer that are kept at a time."""
PLACE = "MSH[1]-14"


class _Kept(msgspec.Struct):
    raw: bytes
    before: str
    control_id: str
    since: datetime
    count: int
    size: int
    whole: bool
    """False where a token was masked in `raw`."""


class Fragments:
    """The fragments of all peers; `redact` masks tokens, `max_bytes` is the longest message."""

    def __init__(
        self, store: BookStore, redact: Callable[[bytes], bytes], clock: Clock, *, max_bytes: int
    ) -> None:
        self._store = store
        self._redact = redact
        self._clock = clock
        self._max_bytes = max_bytes
        self._unmasked: dict[str, bytes] = {}
        self._kept: dict[str, deque[tuple[datetime, str]]] = {}

    async def take(
        self, peer: PeerSettings, header: Header, fragment: Fragment, raw: bytes
    ) -> bytes | None:
        """The whole message with its last fragment; None for one that was kept.

        Raises:
            MessageError: the fragment before it is not here, or a limit is reached.
            JournalError: the store failed.
        """
        await self._forget(peer)
        chain = await self._chain(peer, header, fragment.before)
        size = sum(len(kept.raw) for kept in chain) + len(raw)
        if size > self._max_bytes or len(chain) >= MAX_FRAGMENTS:
            raise _too_long()
        if not fragment.after:
            return join([*(kept.raw for kept in chain), raw])
        await self._keep(peer, header, fragment, raw, len(chain) + 1)
        return None

    async def _chain(self, peer: PeerSettings, header: Header, pointer: str) -> list[_Kept]:
        """The fragments before a pointer, the first one first."""
        found: list[_Kept] = []
        while pointer:
            key = _key(peer, header, pointer)
            kept = self._read(await self._store.book(BOOK, key), peer)
            if kept is None or len(found) >= MAX_FRAGMENTS:
                raise _missing()
            if not kept.whole:
                if key not in self._unmasked:
                    raise _token_gone()
                kept.raw = self._unmasked[key]
            found.append(kept)
            pointer = kept.before
        return found[::-1]

    async def _keep(
        self, peer: PeerSettings, header: Header, fragment: Fragment, raw: bytes, count: int
    ) -> None:
        key, stored = _key(peer, header, fragment.after), self._redact(raw)
        whole = stored == raw
        known = await self._store.book(BOOK, key)
        earlier = self._read(known, peer)
        if earlier is not None and earlier.raw != stored:
            raise _pointer_in_use()
        now = self._clock.now()
        of_peer = self._kept.setdefault(peer.name, deque())
        if earlier is None and len(of_peer) >= MAX_OPEN:
            raise _too_many()
        if not whole:
            self._unmasked[key] = raw
        if earlier is not None:
            return
        kept = _Kept(stored, fragment.before, header.control_id, now, count, len(raw), whole)
        version = known.version if known else 0
        try:
            row = BookRow(BOOK, key, "kept", version, msgspec.json.encode(kept))
            await self._store.put_book(row)
        except StateError:
            raise _pointer_in_use() from None
        of_peer.append((now, key))

    def _read(self, book: BookRow | None, peer: PeerSettings) -> _Kept | None:
        if book is None or not book.data:
            return None
        kept = msgspec.json.decode(book.data, type=_Kept)
        return kept if self._clock.now() - kept.since < _patience(peer) else None

    async def _forget(self, peer: PeerSettings) -> None:
        """Empty the fragments whose time is over."""
        if peer.name not in self._kept:
            self._kept[peer.name] = deque(await self._left(peer))
        limit, of_peer = self._clock.now() - _patience(peer), self._kept[peer.name]
        while of_peer and of_peer[0][0] <= limit:
            _, key = of_peer.popleft()
            self._unmasked.pop(key, None)
            book = await self._store.book(BOOK, key)
            if book is not None and self._read(book, peer) is None:
                await self._store.put_book(BookRow(BOOK, key, "forgotten", book.version))

    async def _left(self, peer: PeerSettings) -> list[tuple[datetime, str]]:
        """What an earlier process kept for the peer, the oldest first."""
        found: list[tuple[datetime, str]] = []
        after = ""
        while True:
            page = await self._store.books(BOOK, prefix=f"{peer.name}|", after=after)
            found += [
                (msgspec.json.decode(book.data, type=_Kept).since, book.key)
                for book in page
                if book.data
            ]
            if len(page) < 1000:
                return sorted(found)
            after = page[-1].key


def _key(peer: PeerSettings, header: Header, pointer: str) -> str:
    return f"{peer.name}|{header.sender}|{pointer}"


def _patience(peer: PeerSettings) -> timedelta:
    return timedelta(seconds=peer.hl7v2.continuation_timeout)


def _problem(kind: ProblemKind, code: ProblemCode, zh: str, en: str) -> InvalidError:
    return InvalidError(
        [
            Problem(
                kind=kind,
                code=code,
                zh=zh,
                en=en,
                place=PLACE,
                remedy_zh="请从第一片起重发整个报文",
                remedy_en="send the whole message again from its first fragment",
            )
        ]
    )


def _missing() -> InvalidError:
    return _problem(
        ProblemKind.NOT_FOUND, ProblemCode.NOT_FOUND,
        "前一片段未收到或已过期", "the fragment before this one did not come, or came too long ago",
    )  # fmt: skip


def _token_gone() -> InvalidError:
    return _problem(
        ProblemKind.NOT_FOUND, ProblemCode.TOKEN_GONE,
        "前面片段中的电子凭证令牌未保存", "a token in an earlier fragment was not kept",
    )  # fmt: skip


def _pointer_in_use() -> InvalidError:
    return _problem(
        ProblemKind.DUPLICATE, ProblemCode.DUPLICATE_KEY,
        "续传指针已用于其他片段", "the continuation pointer was used for another fragment",
    )  # fmt: skip


def _too_long() -> InvalidError:
    return _problem(
        ProblemKind.TOO_COSTLY, ProblemCode.READ_LIMIT,
        "合并后的报文超过上限", "the joined message is longer than the limit",
    )  # fmt: skip


def _too_many() -> InvalidError:
    return _problem(
        ProblemKind.TOO_COSTLY, ProblemCode.LIMIT_BUSY,
        "未完成的片段过多", "too many fragments wait for their last one",
    )  # fmt: skip
