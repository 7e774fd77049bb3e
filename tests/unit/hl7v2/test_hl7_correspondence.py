"""What a payer says of an invoice beside what is kept of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.hl7v2.correspondence import compare
from gateway.hl7v2.invoices import Kept
from gateway.hl7v2.reader import read_document


@pytest.mark.parametrize(
    ("kept", "status", "paid", "places"),
    [
        (Kept(status="ADJ", paid="126.00"), "ADJ", "126", []),
        (Kept(status="ADJ", paid="126.00"), "ADJ", "126.01", ["IPR[1]-6"]),
        (Kept(status="ADJ", paid="126.00"), "REJECT", "126.00", ["IPR[1]-4"]),
        (Kept(status="CANCEL", paid="126.00"), "ADJZER", "0.00", []),
        (Kept(status="CANCEL", paid="126.00"), "ADJ", "126.00", ["IPR[1]-6", "IPR[1]-4"]),
        (Kept(status="PEND"), "ADJ", "126.00", ["IPR[1]-4"]),
        (Kept(), "ADJ", "126.00", []),
    ],
)
def test_what_differs_from_what_is_kept_is_a_warning(
    *, kept: Kept, status: str, paid: str, places: list[str], make_raw: Callable[..., bytes]
) -> None:
    """Amounts are compared as amounts; a cancelled invoice is adjudicated to zero; none stops."""
    result = f"IPR|P|R|X|{status}|20260301|{paid}&CNY||AB"
    raw = make_raw("EHC^E10", "MSA|AA|1", result, "IVC|INV1", m12="2.6")
    found = compare("EHC^E10", read_document(raw.decode()), kept)
    assert [it.place for it in found] == places
    assert not any(it.stops for it in found)
