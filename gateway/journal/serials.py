"""Serials of message ids, given out of blocks that were reserved durably.

A transaction needs a serial before its send can be recorded. Reserved one by one, each would wait
for the disk once more; a block costs one such wait for `BLOCK` of them. What is left of a block
when its second is over, or the process ends, is never given.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import Final

BLOCK: Final = 8
"""Serials reserved at a time: divides the ten thousand of a second without a rest."""

Reserve = Callable[[str, str, int], Awaitable[int]]
"""Reserves so many serials of an institution and a second; gives the first of them."""


class Serials:
    """The blocks of one process."""

    def __init__(self, reserve: Reserve) -> None:
        self._reserve = reserve
        self._blocks: dict[str, tuple[str, deque[int]]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def next(self, fixmedins_code: str, second: str) -> int:
        """A serial that nobody else gets; raises what reserving raises."""
        async with self._turns[fixmedins_code]:
            of, block = self._blocks.get(fixmedins_code, ("", deque()))
            if of != second or not block:
                first = await self._reserve(fixmedins_code, second, BLOCK)
                block = deque(range(first, first + BLOCK))
                self._blocks[fixmedins_code] = (second, block)
            return block.popleft()
