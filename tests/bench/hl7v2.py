"""HL7 v2 alone: reading and understanding a DFT^P03 of 1 to 1,000 lines beside hl7apy's parse.

The cost of a line has to stay the same however many lines there are.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from hl7apy.parser import parse_message

from gateway.clock import SystemClock
from gateway.demo.messages import HIS, ZHANG, Item
from gateway.hl7v2.adapter import HL7Adapter
from gateway.settings import Settings

LINES = (1, 10, 20, 100, 1000)
MOST_FOR_HL7APY = 100
"""Lines up to which the library is asked too; it needs several seconds for more."""

SETTINGS = Settings.model_validate(
    {
        "institutions": [
            {
                "fixmedins_code": "H43010000001",
                "fixmedins_name": "长沙示范医院",
                "mdtrtarea_admvs": "430100",
                "channel": "own",
            }
        ],
        "channels": [{"name": "own", "url": "http://localhost", "profile": "hunan"}],
        "peers": [{"name": "his", "institutions": ["H43010000001"]}],
    }
)


def timed(work: Callable[[], object], *, rounds: int, count: int) -> float:
    """Microseconds of one call: the median of several rounds."""
    work()
    seconds = []
    for _ in range(rounds):
        gc.collect()
        began = time.perf_counter()
        for _ in range(count):
            work()
        seconds.append((time.perf_counter() - began) / count)
    return statistics.median(seconds) * 1e6


def main() -> None:
    """Print the figures."""
    adapter = HL7Adapter(SETTINGS, SystemClock())
    peer = SETTINGS.peers[0]
    loop = asyncio.new_event_loop()

    async def understand(raw: bytes) -> None:
        message = await adapter.read(raw, peer, {})
        _, problems = await adapter.understand(message, peer)
        assert not problems, problems

    def whole(raw: bytes) -> None:
        loop.run_until_complete(understand(raw))

    sys.stdout.write("lines   read+understand   a line    hl7apy parse   ratio\n")
    for lines in LINES:
        items = [Item("YP001", "阿莫西林片", "2", "12.60", "25.20")] * lines
        raw = HIS("UNICODE UTF-8", "utf-8").charges(ZHANG, "O1", "O", items)
        count = max(2, 200 // lines)
        ours = timed(partial(whole, raw), rounds=7, count=count)
        row = f"{lines:>5}   {ours:>12.0f} µs   {ours / lines:>6.1f}"
        if lines <= MOST_FOR_HL7APY:
            theirs = timed(partial(parse_message, raw.decode()), rounds=3, count=1)
            row += f"   {theirs:>10.0f} µs   {theirs / ours:>5.0f}"
        sys.stdout.write(f"{row}\n")
    loop.close()


if __name__ == "__main__":
    main()
