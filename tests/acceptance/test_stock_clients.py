"""fhirpy, a client that knows nothing of this gateway, goes through a visit.

The library wants the resource it saved back; here a Claim is answered with its ClaimResponse,
which has the same id.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fhirpy import AsyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

EXAMPLES = Path(__file__).parents[2] / "docs" / "reference" / "fhir-guide" / "examples"
NUMBER = "https://hospital.example/fhir/id|claim-example-1"


def example(name: str) -> dict[str, Any]:
    """An example of the published guide."""
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
    return found


@pytest.fixture
def client(world: Any) -> AsyncFHIRClient:
    """The client, with the address and the token of the HIS and nothing else."""
    return AsyncFHIRClient(f"{world.http}/fhir/r4", authorization=f"Bearer {world.token}")


async def test_a_claim_is_saved_found_read_and_cancelled(client: Any, world: Any) -> None:
    """Create, search, first, read, paging, and a Task; the platform settles and cancels once."""
    saved = client.resource("Claim", **example("claim"))
    await saved.save()
    [claim] = await client.resources("Claim").search(identifier=NUMBER).fetch_all()
    assert claim.id == saved.id
    assert claim["item"][0]["net"]["value"] == Decimal("240.00")

    reference = claim.to_reference().reference
    answer = await client.resources("ClaimResponse").search(request=reference).first()
    read = await client.get("ClaimResponse", answer.id)
    assert (read["outcome"], read["payment"]["amount"]["value"]) == ("complete", 116.2)
    assert await client.resources("ClaimResponse").limit(1).count() == 1

    cancel = client.resource("Task", **example("cancel") | {"focus": {"reference": reference}})
    await cancel.save()
    assert cancel["status"] == "completed"
    assert (await client.get("ClaimResponse", answer.id))["status"] == "cancelled"
    assert (await world.requests()).count("2207") == (await world.requests()).count("2208") == 1


async def test_what_is_refused_is_the_client_s_own_error(client: Any) -> None:
    """An OperationOutcome it can read, and a 404 it knows."""
    with pytest.raises(OperationOutcome) as refused:
        await client.resource("Claim", **example("claim-in-dollars")).save()
    assert refused.value.resource["issue"][0]["expression"] == ["Claim.total.currency"]
    with pytest.raises(ResourceNotFound):
        await client.get("Claim", "none")


async def test_the_guide_is_found_by_its_canonical_url(client: Any) -> None:
    """As a validator would look for a profile."""
    url = "https://fsi-gateway.example/fhir/StructureDefinition/fsi-claim"
    found = await client.resources("StructureDefinition").search(url=url).first()
    assert (found.id, found["type"]) == ("fsi-claim", "Claim")


async def test_operations_and_metadata_are_reached(client: Any) -> None:
    """$validate of a type, and the CapabilityStatement."""
    statement = await client.execute("metadata", method="get")
    told = await client.execute("Claim/$validate", method="post", data=example("claim"))

    assert statement["fhirVersion"] == "4.0.1"
    assert [issue["severity"] for issue in told["issue"]] == ["information"]
