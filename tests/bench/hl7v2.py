"""HL7 v2 alone: reading and understanding a DFT^P03 of 1 to 1,000 lines beside libraries.

python-hl7 and hl7apy only parse the same message; behind each figure stands how often ours fits in.

The cost of a line has to stay the same however many lines there are.
"""

from __future__ import annotations

import sys

from hl7apy.parser import parse_message

from gateway.clock import SystemClock
from gateway.demo.messages import HIS, ZHANG, Item
from gateway.hl7v2.adapter import HL7Adapter
from gateway.settings import Settings
from tests.bench._timing import fastest, find_python_hl7, run

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


def main() -> None:
    """Print the figures."""
    adapter = HL7Adapter(SETTINGS, SystemClock())
    peer = SETTINGS.peers[0]
    library = find_python_hl7()

    async def understand(raw: bytes) -> None:
        message = await adapter.read(raw, peer, {})
        _, problems = await adapter.understand(message, peer)
        assert not problems, problems

    sys.stdout.write("  lines  read+understand    a line   python-hl7 parse      hl7apy parse\n")
    for lines in LINES:
        items = [Item("YP001", "阿莫西林片", "2", "12.60", "25.20")] * lines
        raw = HIS("UNICODE UTF-8", "utf-8").charges(ZHANG, "O1", "O", items)
        text = raw.decode()
        ours = fastest(lambda raw=raw: run(understand(raw)))
        row = f"{lines:>7} {ours:>13,.0f} µs {ours / lines:>9.1f}"
        if library is not None:
            theirs = fastest(lambda text=text: library.parse(text), rounds=5)
            row += f" {theirs:>9,.0f} µs ={theirs / ours:>5.1f}"
        if lines <= MOST_FOR_HL7APY:
            theirs = fastest(lambda text=text: parse_message(text), rounds=2)
            row += f" {theirs:>10,.0f} µs ={theirs / ours:>4.0f}"
        sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
