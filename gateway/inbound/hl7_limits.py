"""What a peer may do at a time: messages a second, bytes of a message, connections.

The rate is a token bucket: it holds `burst` messages, and `messages_per_second` flow into it. A
message that finds it empty is refused with AR and LIMIT-BUSY, which says how long to wait; nothing
of it was done, and the same message may come again. A batch needs one token to begin and takes one
for each of its messages, so that it is never cut in the middle; what comes after it waits for the
debt. Messages that are repeated count like others.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.settings import PeerLimits, PeerSettings

MIN_WAIT = 0.1
"""Seconds that a refused sender is asked to wait at least."""
SEAT_WAIT = 1.0
"""Seconds that a sender with too many connections is asked to wait."""


class LimitError(InvalidError):
    """A bound of the peer: what it sent was not worked on.

    `wait` is after how many seconds the same may come again; 0 where it never may.
    """

    def __init__(self, problem: Problem, wait: float = 0.0) -> None:
        super().__init__([problem])
        self.wait = wait


class TokenBucket:
    """Messages that may come now; full at the beginning."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._size = float(burst or max(1, round(rate)))
        self._clock = clock
        self._tokens = self._size
        self._filled = clock.monotonic()

    def take(self) -> float:
        """0 when a message may come; else the seconds until one may, and nothing is taken."""
        self._fill()
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return max(MIN_WAIT, (1 - self._tokens) / self._rate)

    def charge(self) -> None:
        """A message that comes in any case, into debt where the bucket is empty."""
        self._fill()
        self._tokens -= 1

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._filled) * self._rate)
        self._filled = now


class Limits:
    """The bounds of all peers."""

    def __init__(self, peers: Sequence[PeerSettings], clock: Clock) -> None:
        self._limits = {peer.name: peer.limits for peer in peers}
        self._buckets = {
            peer.name: TokenBucket(peer.limits.messages_per_second, peer.limits.burst, clock)
            for peer in peers
            if peer.limits.messages_per_second
        }
        self._connections: dict[str, int] = {}

    def of(self, peer: str) -> PeerLimits:
        """The settings of a peer."""
        return self._limits.get(peer, PeerLimits())

    def admit(self, peer: str, size: int, *, in_batch: bool = False) -> None:
        """Let a message of so many bytes pass; `in_batch` for all but the first of a batch.

        Raises:
            LimitError: it is longer than it may be, or comes too soon.
        """
        most = self.of(peer).max_message_bytes
        if most and size > most:
            raise LimitError(_too_long(most))
        bucket = self._buckets.get(peer)
        if bucket is None:
            return
        if in_batch:
            bucket.charge()
            return
        wait = bucket.take()
        if wait:
            raise LimitError(_too_fast(wait), wait)

    def enter(self, peer: str) -> None:
        """A connection more over which the peer speaks.

        Raises:
            LimitError: it has as many as it may.
        """
        most, now = self.of(peer).max_connections, self._connections.get(peer, 0)
        if most and now >= most:
            raise LimitError(_too_many(most), SEAT_WAIT)
        self._connections[peer] = now + 1

    def leave(self, peer: str) -> None:
        """A connection of the peer is gone."""
        self._connections[peer] = self._connections.get(peer, 1) - 1


class Seat:
    """One connection in the counts: the peers that have spoken on it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._peers: set[str] = set()
        self.is_full = False
        """True when a peer spoke that had too many connections: this one ends."""

    def take(self, peer: str) -> None:
        """The peer speaks on this connection.

        Raises:
            LimitError: it has as many connections as it may.
        """
        if peer in self._peers:
            return
        try:
            self._limits.enter(peer)
        except LimitError:
            self.is_full = True
            raise
        self._peers.add(peer)

    def idle_timeout(self, otherwise: float) -> float:
        """The shortest that one of its peers has, or that of the port."""
        stated = [self._limits.of(peer).idle_timeout for peer in self._peers]
        return min([*filter(None, stated), otherwise])

    def leave(self) -> None:
        """The connection is gone."""
        for peer in self._peers:
            self._limits.leave(peer)
        self._peers.clear()


def _too_long(most: int) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.READ_LIMIT,
        zh="报文超过该发送方的长度上限",
        en="the message is longer than this sender may send",
        remedy_zh="请拆分后发送",
        remedy_en="send it in parts",
        detail=f"max_message_bytes {most}",
    )


def _too_fast(wait: float) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.LIMIT_BUSY,
        zh="发送过快，报文未处理",
        en="messages come too fast; this one was not worked on",
        remedy_zh=f"请在{wait:.1f}秒后重发同一报文",
        remedy_en=f"send the same message again after {wait:.1f} s",
        detail=f"retry after {wait:.1f} s",
    )


def _too_many(most: int) -> Problem:
    return Problem(
        kind=ProblemKind.TOO_COSTLY,
        code=ProblemCode.LIMIT_BUSY,
        zh="该发送方的连接数已达上限，报文未处理",
        en="this sender has as many connections as it may; the message was not worked on",
        remedy_zh="请使用已有的连接重发",
        remedy_en="send it again over a connection that is open",
        detail=f"max_connections {most}",
    )
