"""The report of a day, read over FHIR by the client of the institution."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.clock import CHINA
from gateway.demo import messages as m

HOSPITAL = "H43010000001"


async def test_a_reconciled_day_is_a_payment_reconciliation(world: Any) -> None:
    """L-005: its amount is that of the stored settlements of the day; both releases have it."""
    claim = world.client.claim(m.ZHANG, "F1", (world.ct,), "240.00")
    settled = await world.post_fhir("Claim", claim)
    paid = settled.body["payment"]["amount"]["value"]
    today = datetime.now(CHINA).date()
    report = await world.gateway.office.schedule.reconcile(HOSPITAL, today)
    name = f"{HOSPITAL}-{today.isoformat()}"
    old = await world.post(f"/fhir/r4/PaymentReconciliation/{name}", b"", method="GET")
    new = await world.post(f"/fhir/r5/PaymentReconciliation/{name}", b"", method="GET")
    found = await world.post("/fhir/r4/PaymentReconciliation?outcome=complete", b"", method="GET")
    none = await world.post(
        f"/fhir/r4/PaymentReconciliation/{HOSPITAL}-2020-01-01", b"", method="GET"
    )
    get_fhir_model_class("PaymentReconciliation").model_validate(old.body)
    r5_model("PaymentReconciliation").model_validate(new.body)

    assert report is not None
    assert (old.status, new.status, none.status) == (200, 200, 404)
    assert old.body["outcome"] == "complete"
    assert old.body["paymentAmount"]["value"] == new.body["amount"]["value"] == Decimal(paid)
    assert [row["amount"]["value"] for row in old.body["detail"]] == [paid]
    assert new.body["allocation"][0]["target"] == old.body["detail"][0]["request"]
    assert [row["resource"]["id"] for row in found.body["entry"]] == [name]
