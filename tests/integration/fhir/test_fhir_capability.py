"""What the CapabilityStatement and the guide say is served, and what is served stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.fhir.decode import decode_own, encode
from gateway.fhir.release import BY_SEGMENT, RELEASES
from gateway.inbound.http_mounts import published_guides
from tests.acceptance.releases import RELEASES as SEGMENTS
from tests.fhir_xml import same

CANONICAL = "https://fsi-gateway.example/fhir"
INTERACTIONS = {
    ("GET", ""): "search-type",
    ("HEAD", ""): "search-type",
    ("POST", "/_search"): "search-type",
    ("GET", "/{id}"): "read",
    ("HEAD", "/{id}"): "read",
    ("GET", "/national-{id}"): "read",
    ("HEAD", "/national-{id}"): "read",
    ("GET", "/{id}/_history/{version}"): "vread",
    ("HEAD", "/{id}/_history/{version}"): "vread",
    ("GET", "/{id}/_history"): "history-instance",
    ("HEAD", "/{id}/_history"): "history-instance",
    ("POST", ""): "create",
    ("PUT", "/{id}"): "update",
    ("DELETE", "/{id}"): "delete",
}
"""Method and rest of the path behind a type -> interaction."""
APART = re.compile(r"/metadata|/_status/.*|/\.well-known/.*|/?|/\$process-message")
"""Routes that are no interaction of a type."""


def claimed(statement: dict[str, Any]) -> set[tuple[str, str]]:
    """Type and interaction, or type and `$operation`, of everything that is claimed."""
    (rest,) = statement["rest"]
    return {
        (resource["type"], code)
        for resource in rest["resource"]
        for code in [
            *(one["code"] for one in resource["interaction"]),
            *(f"${one['name']}" for one in resource.get("operation", [])),
        ]
    }


def served(routes: Any, types: set[str]) -> Iterator[tuple[str, str]]:
    """The same of the routes."""
    for route in routes:
        if APART.fullmatch(route.path):
            continue
        found = re.fullmatch(r"/([A-Za-z]+|\{type\})(.*)", route.path)
        assert found is not None, route.path
        operation = re.fullmatch(r"(?:/\{id\})?/(\$[a-z-]+)", found[2])
        code = operation[1] if operation else INTERACTIONS[route.method, found[2]]
        # `$validate` takes resources of any type; those that are served say so.
        yield from ((name, code) for name in ([found[1]] if found[1] != "{type}" else types))


@pytest.mark.parametrize("segment", SEGMENTS)
async def test_everything_served_is_claimed_and_everything_claimed_is_served(
    speakers: Any, port: Any, segment: str
) -> None:
    """X-021, X-022: interactions and operations of each type, in both directions."""
    ask = next(one for one in speakers if one.release == segment)
    statement = (await ask("GET", "/metadata", token="")).body
    (mount,) = [one for one in port.mounts if one.prefix == f"/fhir/{segment}"]
    said = claimed(statement)
    kept = {name for name, code in said if code == "$validate"}
    (rest,) = statement["rest"]

    assert statement["fhirVersion"] == BY_SEGMENT[segment].version
    assert set(served(mount.routes, kept)) == said
    paths = {(route.method, route.path) for route in mount.routes}
    assert {one["code"] for one in rest["interaction"]} == {"batch", "transaction"}
    assert ("POST", "") in paths
    assert [one["name"] for one in rest["operation"]] == ["process-message"]
    assert ("POST", "/$process-message") in paths


@pytest.mark.parametrize("segment", SEGMENTS)
async def test_every_claimed_parameter_include_and_format_is_taken(
    speakers: Any, segment: str
) -> None:
    """X-021, X-022: under strict handling; another parameter, include or format is refused."""
    ask = next(one for one in speakers if one.release == segment)
    statement = (await ask("GET", "/metadata", token="")).body
    strict = {"Prefer": "handling=strict"}
    for form in statement["format"]:
        asked = form.replace("+", "%2B")
        assert (await ask("GET", f"/metadata?_format={asked}", token="")).status == 200
    assert (await ask("GET", "/metadata?_format=turtle", token="")).status == 406
    for resource in statement["rest"][0]["resource"]:
        path = f"/{resource['type']}"
        for parameter in resource.get("searchParam", []):
            value = "2026-03-02" if parameter["type"] == "date" else "x"
            found = await ask("GET", f"{path}?{parameter['name']}={value}", **strict)
            assert (found.status, found.body["total"]) == (200, 0)
        for name, field in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
            for one in resource.get(field, []):
                assert (await ask("GET", f"{path}?{name}={one}", **strict)).status == 200
        assert (await ask("GET", f"{path}?colour=red", **strict)).status == 400
        assert (await ask("GET", f"{path}?_include={path[1:]}:colour", **strict)).status == 400


@pytest.mark.parametrize("segment", SEGMENTS)
async def test_every_definition_that_is_claimed_is_published(speakers: Any, segment: str) -> None:
    """Profiles, search parameters and operations of ours are found by their canonical URLs."""
    ask = next(one for one in speakers if one.release == segment)
    statement = (await ask("GET", "/metadata", token="")).body
    named = set(re.findall(rf'"({CANONICAL}/[A-Z][^"]+)"', encode(statement).decode()))
    assert len(named) > 40
    for url in sorted(named):
        kind = url.removeprefix(f"{CANONICAL}/").partition("/")[0]
        found = await ask("GET", f"/{kind}?url={url}", token="")
        assert [one["resource"]["url"] for one in found.body["entry"]] == [url]


async def test_every_resource_of_the_guide_is_served_at_its_canonical_url(
    speakers: Any, port: Any
) -> None:
    """In the release that `fhirVersion` names and the format that Accept does, to anyone."""
    guides = {guide.release.segment: guide for guide in published_guides(port.settings)}
    assert guides.keys() == {release.segment for release in RELEASES}
    for ask in speakers:
        guide = guides[ask.release]
        accept = f"{ask.media_type}; fhirVersion={guide.release.mime_version}"
        for resource in guide.resources:
            place = f"{resource['resourceType']}/{resource['id']}"
            assert resource.get("url", f"{CANONICAL}/{place}") == f"{CANONICAL}/{place}"
            reply = await ask("GET", f"/fhir/{place}", token="", Accept=accept)
            assert reply.status == 200, place
            assert reply.headers["Content-Type"].startswith(ask.media_type)
            assert same(reply.body, decode_own(encode(resource))), place
