"""Coverage-guided fuzzing of HL7 v2: `python -m tests.fuzz.atheris_hl7 [options of libFuzzer]`.

Needs the package atheris (`pip install --group fuzz`), which is built for some platforms only; the
tests of this folder search without it. Beside the options of libFuzzer (`-max_total_time=60`) a
folder of messages to begin with may be named.

The invariant: whatever bytes a connection delivers, each frame gets an answer of ours that is a
message itself, or none is due, and no exception but ours is raised; in ER7 and in XML; and the
frames are the same, whether the bytes come whole or one by one.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

MISSING = (
    "atheris is not installed: pip install --group fuzz. It is built for Linux and macOS on some "
    "Python versions only; without it, pytest tests/fuzz/hl7v2 searches without coverage."
)
BEGIN = (
    b"\x0bMSH|^~\\&|HIS|H43010000001|||20260301||ADT^A04|1|P|2.5.1\rPID|1||7^^^^MR\rPV1|1|O\r\x1c\r",
    b"\x0b<ACK><MSH><MSH.9><MSG.1>ADT</MSG.1></MSH.9></MSH></ACK>\x1c\r",
    b"\x0bFHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|HIS\rBTS|1\rFTS|1\r\x1c\r",
)


def check(data: bytes) -> None:
    """One input.

    Raises:
        AssertionError: the invariant is broken.
    """
    from gateway.inbound.mllp_framing import Frame, FrameReader, frame  # noqa: PLC0415 - instrumented imports
    from tests.fuzz.hl7_whole_way import answer_to  # noqa: PLC0415 - the same

    whole, one_by_one = FrameReader(100_000), FrameReader(100_000)
    events = whole.receive(data)
    pieces = [it for at in range(len(data)) for it in one_by_one.receive(data[at : at + 1])]
    if events != pieces:
        raise AssertionError("the frames depend on how the bytes were cut")
    for event in events:
        if isinstance(event, Frame):
            body = answer_to(event.content)
            if body and not body.startswith((b"MSH", b"<?xml", b"FHS", b"BHS")):
                raise AssertionError("an answer is no message")
            if body:
                frame(body)


def main(arguments: list[str]) -> int:
    """Fuzz until an input breaks the invariant or the options end it."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write(f"{MISSING}\n")
        return 2
    with atheris.instrument_imports(include=["gateway.hl7v2", "gateway.inbound"]):
        importlib.import_module("tests.fuzz.hl7_whole_way")
    for data in BEGIN:
        check(data)
    atheris.Setup([sys.argv[0], *arguments], check)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
