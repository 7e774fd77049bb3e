"""HL7 v2 messages made to hold up others, at 1, 2, 5 and 10 MB: what a megabyte costs.

Reading and understanding are linear in the length of the message: a megabyte of a long message
costs what one of a short message costs. They are done beside the event loop from 128 KiB on; that no
turn of the loop takes longer than 50 ms is what tests/integration/mllp/test_hl7_hostile.py holds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from gateway.clock import SystemClock
from gateway.errors import MessageError
from gateway.hl7v2.adapter import HL7Adapter
from gateway.hl7v2.xml_reader import xml_to_er7
from tests.bench._timing import fastest
from tests.bench.hl7v2 import SETTINGS

MEGABYTE = 1_000_000
SIZES = (1, 2, 5, 10)
HEAD = (
    "MSH|^~\\&|HIS|H43010000001|||20260301090000||ADT^A04|C1|P|2.5.1||||||UNICODE UTF-8\r"
    "EVN||20260301090000\r"
)
VISIT = "PV1|1|O|NK|||||||||||||||||V1\r"
KINDS: dict[str, Callable[[int], str]] = {
    "empty fields": lambda size: f"{HEAD}PID|1\r{VISIT}ZZZ{'|' * size}\r",
    "components": lambda size: f"{HEAD}PID|1||{'^a' * (size // 2)}||x\r{VISIT}",
    "escapes": lambda size: HEAD + "PID|1||x||" + "\\F\\" * (size // 3) + f"\r{VISIT}",
    "segments": lambda size: f"{HEAD}PID|1\r{VISIT}" + f"NTE|1||{'x' * 990}\r" * (size // 1_000),
    "one long text": lambda size: f"{HEAD}PID|1\r{VISIT}NTE|1||{'x' * size}\r",
}


def main() -> None:
    """Print the figures."""
    adapter = HL7Adapter(SETTINGS, SystemClock())
    peer = SETTINGS.peers[0]

    def whole_way(raw: bytes) -> None:
        message = adapter._read(raw, peer, {})
        try:
            adapter._understood(message, peer, None)
        except MessageError:
            return

    heads = "".join(f"{size:>9} MB" for size in SIZES)
    sys.stdout.write(f"  ms a megabyte         {heads}\n")
    for name, make in KINDS.items():
        row = f"  {name:<22}"
        for size in SIZES:
            raw = make(size * MEGABYTE).encode()
            row += f"{fastest(lambda raw=raw: whole_way(raw), rounds=3) / 1000 / size:>12.1f}"
        sys.stdout.write(f"{row}\n")
    row = f"  {'elements of XML':<22}"
    for size in (1, 2, 5):
        inner = "<NTE><NTE.3>" + "x" * 70 + "</NTE.3></NTE>"
        raw = f"<A><MSH/>{inner * (size * MEGABYTE // len(inner))}</A>".encode()
        row += f"{fastest(lambda raw=raw: xml_to_er7(raw), rounds=3) / 1000 / size:>12.1f}"
    sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
