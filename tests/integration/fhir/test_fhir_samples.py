"""Examples of the FHIR community, left out where they are not at hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from gateway.fhir.decode import decode, decode_own
from gateway.fhir.shapes import Shapes

FOLDER = Path(__file__).parents[3].parent / "shared" / "samples" / "fhir" / "R4"
FILES = sorted(FOLDER.rglob("*.json"))

pytestmark = [
    pytest.mark.samples,
    pytest.mark.skipif(not FILES, reason="the samples are not beside the checkout"),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sample_is_of_right_shape(path: Path) -> None:
    """The compiled tables refuse nothing that the models accept."""
    tree = decode(path.read_bytes(), max_depth=32)

    assert Shapes("R4B").check(tree, tree["resourceType"]) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_every_sample_gets_a_well_formed_answer(ask: Any, path: Path) -> None:
    """A resource of ours, or an OperationOutcome that says where; never an error of ours."""
    raw = await asyncio.to_thread(path.read_bytes)
    name = decode_own(raw)["resourceType"]
    reply = await ask("POST", f"/{name}", raw)

    get_fhir_model_class(reply.body["resourceType"]).model_validate(reply.body)
    if name in {"Claim", "CoverageEligibilityRequest"}:
        assert reply.status in {201, 422}
    else:
        assert reply.status in {404, 405}
    if reply.status == 422:
        assert all(issue["expression"] for issue in reply.body["issue"])
