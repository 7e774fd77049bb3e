"""The guide as a running gateway serves it, to anyone."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

CANONICAL = "https://fsi-gateway.example/fhir"


@pytest.fixture
async def world(start: Any) -> Any:
    """A gateway with the default names."""
    return await start()


async def test_every_resource_is_found_by_its_url_and_read_at_its_base(world: Any) -> None:
    """Listed, searched by canonical URL, read; no token is needed."""
    for release, version in (("r4", "4.0.1"), ("r4b", "4.3.0"), ("r5", "5.0.0")):
        base = f"/fhir/{release}/StructureDefinition"
        listed = await world.ask("GET", base)
        assert listed.body["total"] == len(listed.body["entry"]) > 20
        url = f"{CANONICAL}/StructureDefinition/fsi-claim"
        found = await world.ask("GET", f"{base}?url={url}")
        [entry] = found.body["entry"]
        assert (entry["resource"]["url"], entry["resource"]["fhirVersion"]) == (url, version)
        read = await world.ask("GET", f"{base}/fsi-claim")
        assert read.body == entry["resource"]
    missing = await world.ask("GET", "/fhir/r4/StructureDefinition/none")
    assert (missing.status, missing.issue["code"]) == (404, "not-found")


async def test_the_canonical_url_leads_to_the_resource(world: Any) -> None:
    """R4 to whoever does not say; `fhirVersion` chooses, another one is 406."""
    host, port = world.gateway.http_address
    url = f"http://{host}:{port}/fhir/CapabilityStatement"
    async with aiohttp.ClientSession() as session:
        for accept, status, wanted in (
            ("*/*", 200, "4.0.1"),
            ("application/fhir+json; fhirVersion=5.0", 200, "5.0.0"),
            ("application/fhir+json; fhirVersion=4.3", 200, "4.3.0"),
            ("application/fhir+json; fhirVersion=3.0", 406, None),
        ):
            async with session.get(url, headers={"Accept": accept}) as response:
                body = await response.json(content_type=None)
                assert response.status == status
                if wanted:
                    assert body["entry"][0]["resource"]["fhirVersion"] == wanted
    read = await world.ask("GET", "/fhir/CodeSystem/insutype")
    assert read.body["url"] == f"{CANONICAL}/CodeSystem/insutype"
    nothing = await world.ask("GET", "/fhir/CodeSystem/none")
    assert (nothing.status, nothing.body["resourceType"]) == (404, "OperationOutcome")


async def test_a_guide_in_xml_is_well_formed(world: Any) -> None:
    """A profile and a code system with Chinese labels."""
    found = await world.ask("GET", "/fhir/r4/CodeSystem/insutype?_format=xml")
    assert found.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
    assert "职工基本医疗保险".encode() in found.body


async def test_a_value_set_is_expanded(world: Any) -> None:
    """Whole, filtered, by pages, by id; a national list is not, and says where to look."""
    path = "/fhir/r4/ValueSet"
    whole = await world.ask("GET", f"{path}/$expand?url={CANONICAL}/ValueSet/insutype")
    total = whole.body["expansion"]["total"]
    assert total == len(whole.body["expansion"]["contains"]) > 10
    page = await world.ask("GET", f"{path}/insutype/$expand?count=2&offset=1")
    assert page.body["expansion"]["contains"] == whole.body["expansion"]["contains"][1:3]
    named = await world.ask("GET", f"{path}/insutype/$expand?filter=310")
    assert [row["code"] for row in named.body["expansion"]["contains"]] == ["310"]
    form = {
        "resourceType": "Parameters",
        "parameter": [{"name": "url", "valueUri": f"{CANONICAL}/ValueSet/claim-type"}],
    }
    posted = await world.ask("POST", f"{path}/$expand", form)
    assert {row["code"] for row in posted.body["expansion"]["contains"]} == {
        *("institutional", "oral", "pharmacy", "professional", "vision")
    }
    statuses = [
        (await world.ask("GET", f"{path}/{rest}")).status
        for rest in ("med-list/$expand", "none/$expand", "insutype/$expand?count=x")
    ]
    assert statuses == [422, 404, 400]


async def test_a_code_of_the_guide_is_looked_up(world: Any) -> None:
    """With its label, under the name of its system."""
    query = f"system={CANONICAL}/CodeSystem/insutype&code=310"
    token = await world.token("system/CodeSystem.r")
    found = await world.ask("GET", f"/fhir/r4/CodeSystem/$lookup?{query}", token=token)
    values = {row["name"]: row["valueString"] for row in found.body["parameter"]}
    assert values == {"name": "insutype", "display": "职工基本医疗保险"}
