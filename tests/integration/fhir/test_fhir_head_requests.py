"""HEAD: what GET would say of a resource, without the resource (RFC 9110, 9.3.2)."""

from __future__ import annotations

from typing import Any

import pytest

PATHS = (
    "/metadata",
    "/ConceptMap",
    "/ConceptMap/diagnosis",
    "/CodeSystem",
    "/CodeSystem/fsi-gateway-error",
    "/CodeSystem/national-disease",
    "/StructureDefinition",
    "/StructureDefinition/fsi-claim",
    "/StructureDefinition/none",
    "/_status/ClaimResponse/none",
)
SAID = ("Content-Type", "ETag", "Last-Modified", "Link")


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
@pytest.mark.parametrize("path", PATHS)
async def test_the_head_of_what_can_be_read(ask: Any, segment: str, path: str) -> None:
    """Status and headers of the GET, and no body."""
    url = f"/fhir/{segment}{path}"
    got, head = await ask("GET", url), await ask("HEAD", url)

    assert (head.status, head.raw) == (got.status, b"")
    assert got.raw
    assert {n: head.headers.get(n) for n in SAID} == {n: got.headers.get(n) for n in SAID}
    assert head.status == (404 if path.endswith("/none") else 200)


async def test_the_head_of_an_answer_that_waits(ask: Any, port: Any, make_claim: Any) -> None:
    """202 with Retry-After as to GET, and the answer afterwards is still there to be read."""
    port.centre.gate.clear()
    begun = await ask("POST", "/Claim", make_claim(), Prefer="respond-async")
    url = begun.headers["Content-Location"]
    path = url[url.index("/_status") :]
    waiting = await ask("HEAD", path)
    port.centre.gate.set()
    await port.pipeline.idle()
    done, read = await ask("HEAD", path), await ask("GET", path)

    assert (begun.status, waiting.status, waiting.raw) == (202, 202, b"")
    assert "Retry-After" in waiting.headers
    assert (done.status, done.raw, read.status) == (200, b"", 200)


@pytest.mark.parametrize("path", ["/StructureDefinition/fsi-claim", "/CodeSystem", "/CodeSystem/x"])
async def test_the_head_of_a_canonical_url(ask: Any, path: str) -> None:
    """The guide at its own URLs, outside the base of a release."""
    got, head = await ask("GET", f"/fhir{path}"), await ask("HEAD", f"/fhir{path}")

    assert (head.status, head.raw) == (got.status, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
