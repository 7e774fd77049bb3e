"""The ER7 reader at its worst: nanoseconds a byte, from 10 kB to 10 MB, in every form.

Reading is linear when a byte of a large message costs what a byte of a small one does. Each form
is read and every field of it is split; of the last fields the data is taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from gateway.hl7v2.reader import Document, read_document
from tests.bench._timing import fastest

HEAD = "MSH|^~\\&|HIS|H43010000001|||20260301090000||DFT^P03|1|P|2.5.1||||||UNICODE UTF-8\r"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
"""Bytes."""
MOST = 2.0
"""A byte of the largest message may cost so much of a byte of the second: caches are no law."""

FORMS: dict[str, Callable[[int], str]] = {
    "lines of 600 bytes": lambda size: HEAD + ("FT1|1|" + "x" * 593 + "\r") * (size // 600),
    "one field": lambda size: HEAD + "OBX|" + "x" * size,
    "fields alone": lambda size: HEAD + "ZZZ" + "|" * size,
    "components alone": lambda size: HEAD + "ZZZ|" + "^" * size,
    "sub-components alone": lambda size: HEAD + "ZZZ|" + "&" * size,
    "escapes alone": lambda size: HEAD + "ZZZ|" + "\\F\\" * (size // 3),
    "escapes that never end": lambda size: HEAD + "ZZZ|" + "\\X0" * (size // 3),
    "continuations": lambda size: HEAD + "ZZZ|x\r" + ("ADD|" + "x" * 595 + "\r") * (size // 600),
}


def look(document: Document) -> None:
    """Split every segment, and take the data of a first and of a last field."""
    for segment in document.segments:
        last = len(segment.fields) - 1
        segment.get(1)
        segment.get(last, 3, 2)


def main() -> None:
    """Print the figures."""
    heads = "".join(f"{f'{size // 1000:,} kB':>12}" for size in SIZES)
    sys.stdout.write(f"{'ns a byte':<26}{heads}{'growth':>10}\n")
    for form, make in FORMS.items():
        costs = []
        for size in SIZES:
            text = make(size)
            cost = fastest(lambda text=text: look(read_document(text)), rounds=5)
            costs.append(cost * 1000 / len(text))
        growth = costs[-1] / costs[1]
        verdict = "linear" if growth <= MOST else "NOT LINEAR"
        row = "".join(f"{cost:>12.2f}" for cost in costs)
        sys.stdout.write(f"{form:<26}{row}{growth:>10.2f}  {verdict}\n")


if __name__ == "__main__":
    main()
