"""What the interface itself costs: a 20-line 2204 checked, enclosed and signed.

The target is a check within 150 µs. Machines differ and swing, so the figure stands beside what
msgspec needs to decode the same JSON in the same run.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from gateway.clock import CHINA
from gateway.crypto.sm import SigningKey
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.envelope import build_request, canonical_text, signature_text, signed_bytes
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import sample_input
from gateway.fsi.wire import encode_json
from gateway.intents import Call

LINES = 20
TARGET = 150
"""Microseconds of the check."""


def timed(work: Callable[[], object], *, rounds: int = 9, count: int = 200) -> float:
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
    """Print the figures, the shares of the whole, and the ratio to decoding."""
    profile, definitions = load_profile("hunan"), Definitions.load("HN")
    checker = Checker(definitions, profile)
    content = sample_input(definitions, profile, "2204", rows=LINES)
    assert checker.check("2204", content) == []
    wrong = sample_input(definitions, profile, "2204", rows=LINES)
    wrong["feedetail"][-1]["cnt"] = "many"
    now = datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)
    key = SigningKey.generate()
    text = signed_bytes(content)
    cainfo = signature_text(key.sign(text))
    call = Call(
        infno="2204",
        input=content,
        fixmedins_code="H43010000001",
        fixmedins_name="长沙示范医院",
        mdtrtarea_admvs="430100",
        insuplc_admdvs="430100",
        opter="1",
        opter_name="1",
        opter_type="1",
    )

    def enclose() -> bytes:
        return build_request(
            call,
            msgid="H43010000001202603010905070001",
            sign_no="S1",
            now=now,
            profile=profile,
            cainfo=cainfo,
        )

    encoded = encode_json(content)
    parts = {
        "check": timed(lambda: checker.check("2204", content)),
        "canonical text": timed(lambda: canonical_text(content)),
        "SM2 with SM3": timed(lambda: key.sign(text)),
        "envelope": timed(enclose),
    }
    decode = timed(lambda: msgspec.json.decode(encoded))
    whole = sum(parts.values())
    out = sys.stdout
    fields = len(content["feedetail"][0])
    out.write(f"2204 of {LINES} lines, {fields} fields each, {len(encoded):,} bytes\n")
    for label, microseconds in parts.items():
        share = microseconds / whole
        out.write(f"{label:<32} {microseconds:>8.0f} µs {share:>6.0%}\n")
    out.write(f"{'together':<32} {whole:>8.0f} µs\n")
    faulty = timed(lambda: checker.check("2204", wrong))
    out.write(f"{'check, one line wrong':<32} {faulty:>8.0f} µs\n")
    out.write(f"{'msgspec: decode the same JSON':<32} {decode:>8.0f} µs\n")
    ratio = parts["check"] / decode
    out.write(f"check / msgspec decode {ratio:.1f}; target {TARGET} µs\n")


if __name__ == "__main__":
    main()
