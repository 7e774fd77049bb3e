"""Messages of ours to peers: application acknowledgements and results on exchanges of their own.

A message is durable before the first attempt, and stays so until the peer has acknowledged it: an
attempt that fails is followed by another, later and later, and a gateway that starts anew goes on
with what is open. It may so arrive twice, under one control id; it is given up only after the
peer's `give_up_after`. The messages of one peer set out in the order they were put, over as many
connections as its settings allow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from gateway.clock import Age, Clock
from gateway.errors import GatewayError, JournalError, StateError
from gateway.hl7v2.header import lenient_header
from gateway.inbound.hl7_forms import Form
from gateway.inbound.mllp_client import Acknowledgement
from gateway.inbound.mllp_pool import MLLPPool, read_address
from gateway.journal import BookRow
from gateway.settings import PeerSettings, ReplyMode
from gateway.telemetry import get_logger

BOOK = "hl7v2-delivery"
"""The kind of the books that deliveries are kept as."""
PAGE = 1_000
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds to the second attempt, and between attempts at most; each pause is twice the last."""


class DeliveryEvent(StrEnum):
    """What became of a message, or of an attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """Acknowledged with CE, CR, AE or AR: it is not sent again."""
    FAILED = "failed"
    """An attempt without an acknowledgement; another follows."""
    LOST = "lost"
    """Given up; the answer stays stored."""


class BookStore(Protocol):
    """Where open deliveries survive a restart; the journal is one."""

    async def book(self, kind: str, key: str) -> BookRow | None:
        """The book of this key."""
        ...  # pragma: no cover - the body of a protocol never runs

    async def books(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[BookRow]:
        """Books in the order of their keys."""
        ...  # pragma: no cover - the body of a protocol never runs

    async def put_book(self, book: BookRow) -> BookRow:
        """Store a book."""
        ...  # pragma: no cover - the body of a protocol never runs


class _Stored(msgspec.Struct):
    body: bytes
    since: datetime


class _Delivery(msgspec.Struct):
    peer: str
    key: str
    body: bytes
    since: datetime
    age: Age
    attempts: int = 0


class Deliveries:
    """Delivers to the peers that have a `reply_to`; `observe` is told each outcome.

    Raises:
        ConfigurationError: a peer of reply mode `connect` has no address, or TLS files are wrong.
    """

    def __init__(
        self,
        peers: Sequence[PeerSettings],
        clock: Clock,
        *,
        store: BookStore | None = None,
        observe: Callable[[DeliveryEvent], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._observe = observe
        self._settings = {peer.name: peer.hl7v2.delivery for peer in peers}
        self._pools = {
            peer.name: MLLPPool(
                read_address(peer.hl7v2.reply_to, f"peer {peer.name}"),
                peer.hl7v2.delivery,
                clock,
                form=Form(peer.hl7v2.encoding.value),
                owner=f"peer {peer.name}",
            )
            for peer in peers
            if peer.hl7v2.reply_to or peer.hl7v2.reply_mode is ReplyMode.CONNECT
        }
        self._queues: dict[str, asyncio.Queue[_Delivery]] = {}
        self._open: set[str] = set()
        self._later: set[asyncio.TimerHandle] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._log = get_logger()

    @property
    def waiting(self) -> int:
        """Messages that are not delivered yet."""
        return len(self._open)

    def serves(self, peer: str) -> bool:
        """True when the peer has an address."""
        return peer in self._pools

    async def start(self) -> None:
        """Take up what an earlier process left open, and begin.

        Raises:
            JournalError: the store cannot be read.
        """
        for name in self._pools:
            self._queues[name] = asyncio.Queue()
            self._workers += [
                asyncio.create_task(self._work(name))
                for _ in range(self._settings[name].max_connections)
            ]
        for book in await self._left_open():
            self._enqueue(self._read(book))

    async def stop(self) -> None:
        """End; what is under way counts as failed and stays open."""
        for handle in self._later:
            handle.cancel()
        for task in self._workers:
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for pool in self._pools.values():
            await pool.close()
        self._workers, self._later = [], set()

    async def put(self, peer: str, body: bytes, *, once: str = "") -> None:
        """Deliver a message to a peer that is served; it is durable when this returns.

        A message that waits already is not put twice; one with a name in `once` is put once for
        all times, whatever became of it. Where the store fails the message is delivered all the
        same, but would not outlive this process.

        Raises:
            JournalError: the store does not say whether the message was put before.
            ValueError: the bytes are no message.
        """
        header = lenient_header(body)
        if header is None:
            raise ValueError("the message does not begin with MSH")
        key = f"{peer}|{once or header.control_id}"
        if key in self._open:
            return
        if once and self._store is not None and await self._store.book(BOOK, key) is not None:
            return
        now = self._clock.now()
        delivery = _Delivery(peer, key, body, now, Age(self._clock, now))
        await self._keep(delivery, "open")
        self._enqueue(delivery)

    def _read(self, book: BookRow) -> _Delivery:
        stored = msgspec.json.decode(book.data, type=_Stored)
        peer, age = book.key.partition("|")[0], Age(self._clock, stored.since)
        return _Delivery(peer, book.key, stored.body, stored.since, age)

    def _enqueue(self, delivery: _Delivery) -> None:
        if delivery.peer in self._queues and delivery.key not in self._open:
            self._open.add(delivery.key)
            self._queues[delivery.peer].put_nowait(delivery)

    async def _work(self, peer: str) -> None:
        queue = self._queues[peer]
        while True:
            await self._attempt(await queue.get())

    async def _attempt(self, delivery: _Delivery) -> None:
        try:
            found = await self._pools[delivery.peer].send(delivery.body)
        except (GatewayError, ValueError) as error:
            await self._failed(delivery, error)
            return
        refused = next((it for it in found if it.code[1:] != "A"), None)
        await self._finish(delivery, DeliveryEvent.REFUSED if refused else DeliveryEvent.DELIVERED)
        if refused is not None:
            self._warn("delivery refused", delivery, _said(refused))

    async def _failed(self, delivery: _Delivery, error: Exception) -> None:
        delivery.attempts += 1
        self._observe(DeliveryEvent.FAILED)
        patience = self._settings[delivery.peer].give_up_after
        if isinstance(error, ValueError) or delivery.age.seconds >= patience:
            await self._finish(delivery, DeliveryEvent.LOST)
            self._warn("delivery given up", delivery, type(error).__name__)
            return
        if delivery.attempts == 1:
            self._warn("delivery failed", delivery, type(error).__name__)
        pause = min(FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 10), LONGEST_PAUSE)
        self._later.add(asyncio.get_running_loop().call_later(pause, self._again, delivery))

    def _again(self, delivery: _Delivery) -> None:
        now = asyncio.get_running_loop().time()
        self._later = {handle for handle in self._later if handle.when() > now}
        self._queues[delivery.peer].put_nowait(delivery)

    async def _finish(self, delivery: _Delivery, event: DeliveryEvent) -> None:
        self._observe(event)
        await self._keep(delivery, event.value)
        self._open.discard(delivery.key)

    async def _keep(self, delivery: _Delivery, state: str) -> None:
        if self._store is None:
            return
        data = b""
        if state == "open":
            data = msgspec.json.encode(_Stored(delivery.body, delivery.since))
        try:
            known = await self._store.book(BOOK, delivery.key)
            version = known.version if known else 0
            await self._store.put_book(BookRow(BOOK, delivery.key, state, version, data))
        except (JournalError, StateError) as error:
            self._warn("delivery not stored", delivery, type(error).__name__)

    async def _left_open(self) -> list[BookRow]:
        found: list[BookRow] = []
        after = ""
        while self._store is not None:
            page = await self._store.books(BOOK, after=after, limit=PAGE)
            found += [book for book in page if book.state == "open"]
            if len(page) < PAGE:
                break
            after = page[-1].key
        return found

    def _warn(self, text: str, delivery: _Delivery, reason: str) -> None:
        self._log.warning(text, peer=delivery.peer, error=reason, attempt=delivery.attempts)


def _said(acknowledgement: Acknowledgement) -> str:
    return acknowledgement.code if len(acknowledgement.code) == 2 else "unreadable"
