"""FHIR REST: paths, content negotiation, preferences, metadata, bad input."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Claim/none", 404),
        ("GET", "/Nothing/1", 404),
        ("GET", "/Observation", 404),
        ("POST", "/Observation", 404),
        ("GET", "/_status/ClaimResponse/none", 404),
        ("GET", "/_status/Observation/none", 404),
        ("DELETE", "/Claim/1", 405),
        ("PATCH", "/Encounter/1", 405),
        ("PUT", "/Task/1", 405),
        ("POST", "/ClaimResponse", 405),
        ("GET", "/no/such/path/at/all", 404),
    ],
)
async def test_what_is_not_there_is_said_in_fhir(
    ask: Any, method: str, path: str, status: int
) -> None:
    """X-005, X-006: an OperationOutcome on everything."""
    reply = await ask(method, path)

    assert reply.status == status
    assert reply.body["resourceType"] == "OperationOutcome"
    assert reply.headers["Content-Type"].startswith("application/fhir+json")


@pytest.mark.parametrize("base", ["/fhir/r4", "/fhir/r4b"])
async def test_what_was_deleted_is_gone_and_what_never_was_is_not_found(
    ask: Any, port: Any, base: str
) -> None:
    """X-006: 410 and 404, each with an OperationOutcome."""
    port.peer.subscription_origins.append("http://127.0.0.1:1")
    wish = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "results",
        "criteria": "ClaimResponse?outcome=complete",
        "channel": {"type": "rest-hook", "endpoint": "http://127.0.0.1:1/hook"},
    }
    made = await ask("POST", f"{base}/Subscription", wish)
    path = f"{base}/Subscription/{made.body['id']}"
    deleted = await ask("DELETE", path)
    gone, never = await ask("GET", path), await ask("GET", f"{base}/Subscription/none")

    assert [one.status for one in (made, deleted, gone, never)] == [201, 204, 410, 404]
    assert gone.body["resourceType"] == never.body["resourceType"] == "OperationOutcome"


async def test_an_unknown_id_is_not_created_by_an_update(ask: Any, make_encounter: Any) -> None:
    """X-007, X-008."""
    other = await ask("PUT", "/Encounter/mine", make_encounter(id="yours"))
    mine = await ask("PUT", "/Encounter/mine", make_encounter(id="mine"))

    assert (other.status, mine.status) == (400, 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "application/json"}, 201),
        ({"Content_Type": "application/fhir+json; charset=UTF-8; fhirVersion=4.0"}, 201),
        ({"Content_Type": "application/fhir+json; fhirVersion=5.0"}, 415),
        ({"Content_Type": "application/fhir+json; charset=gb18030"}, 415),
        ({"Content_Type": "application/pdf"}, 415),
        ({"Content_Type": "text/plain"}, 415),
        ({"Accept": "application/pdf"}, 406),
        ({"Accept": "application/fhir+json; fhirVersion=4.3"}, 406),
        ({"Accept": "application/fhir+json;q=0"}, 406),
        ({"Accept": "text/html, application/*;q=0.8"}, 201),
    ],
)
async def test_content_is_negotiated(
    ask: Any, port: Any, make_claim: Any, headers: dict[str, str], status: int
) -> None:
    """X-015, X-016, X-018 to X-020; what is refused is not sent."""
    reply = await ask("POST", "/Claim", make_claim(), **headers)

    assert reply.status == status
    assert len(port.centre.carried) == (status == 201)


@pytest.mark.parametrize(("wanted", "status"), [("json", 200), ("xml", 200), ("pdf", 406)])
async def test_the_format_parameter_overrides_accept(ask: Any, wanted: str, status: int) -> None:
    """X-017: `_format` goes before Accept."""
    reply = await ask("GET", f"/Claim?_format={wanted}", Accept="text/html")

    assert reply.status == status


async def test_a_client_says_how_much_it_wants_back(ask: Any, make_claim: Any) -> None:
    """X-030: as much of the answer as it asks for."""
    minimal = await ask("POST", "/Claim", make_claim("C-1"), Prefer="return=minimal")
    outcome = await ask("POST", "/Claim", make_claim("C-2"), Prefer="return=OperationOutcome")

    assert (minimal.status, minimal.raw) == (201, b"")
    assert minimal.headers["Location"]
    assert outcome.body["resourceType"] == "OperationOutcome"


async def test_a_known_version_is_not_sent_again(ask: Any, make_claim: Any) -> None:
    """X-062: 304 under If-None-Match; the present version can be asked for by number."""
    made = await ask("POST", "/Claim", make_claim())
    tag = made.headers["ETag"]
    same = await ask("GET", f"/Claim/{made.body['id']}", If_None_Match=tag)
    version = await ask("GET", made.headers["Location"])
    other = await ask("GET", f"/Claim/{made.body['id']}/_history/0")
    head = await ask("HEAD", f"/Claim/{made.body['id']}")

    assert [r.status for r in (same, version, other, head)] == [304, 200, 404, 200]
    assert head.raw == b""


async def test_the_capability_statement_says_what_works(ask: Any, port: Any) -> None:
    """X-021, X-022: every interaction and search parameter in it is tried."""
    reply = await ask("GET", "/metadata", token="")
    statement = reply.body
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    routes = {(route.method, route.path) for route in port.mount.routes}
    needed = {
        "read": ("GET", "/{id}"),
        "vread": ("GET", "/{id}/_history/{version}"),
        "history-instance": ("GET", "/{id}/_history"),
        "search-type": ("GET", ""),
        "create": ("POST", ""),
        "update": ("PUT", "/{id}"),
        "delete": ("DELETE", "/{id}"),
    }

    assert (reply.status, statement["fhirVersion"]) == (200, "4.0.1")
    for resource in statement["rest"][0]["resource"]:
        for operation in resource.get("operation", []):
            path = f"/{resource['type']}/${operation['name']}"
            generic = f"/{{type}}/${operation['name']}"
            assert {("POST", path), ("POST", generic)} & routes
        for interaction in resource.get("interaction", []):
            method, tail = needed[interaction["code"]]
            assert (method, f"/{resource['type']}{tail}") in routes
        wanted = [("_include", one) for one in resource.get("searchInclude", [])]
        wanted += [("_revinclude", one) for one in resource.get("searchRevInclude", [])]
        for name, include in wanted:
            path = f"/{resource['type']}?{name}={include}"
            found = await ask("GET", path, Prefer="handling=strict")
            assert found.status == 200
        for parameter in resource.get("searchParam", []):
            value = "2026-03-02" if parameter["type"] == "date" else "x"
            found = await ask(
                "GET",
                f"/{resource['type']}?{parameter['name']}={value}",
                Prefer="handling=strict",
            )
            assert (found.status, found.body["total"]) == (200, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"[" * 50_000,
        b'{"resourceType":"Claim","status":NaN}',
        b'{"resourceType":"Claim","resourceType":"Claim"}',
        b'{"resourceType":["Claim"]}',
        b"<Claim/>",
        b"MSH|^~\\&|HIS",
    ],
)
async def test_any_bytes_get_one_clear_answer(ask: Any, port: Any, raw: bytes) -> None:
    """400 and an OperationOutcome; the next message is served (bad input)."""
    reply = await ask("POST", "/Claim", raw)
    next_one = await ask("GET", "/Claim")

    assert (reply.status, reply.body["resourceType"]) == (400, "OperationOutcome")
    assert next_one.status == 200
    assert port.centre.carried == []


async def test_id_and_meta_of_a_create_are_ignored(ask: Any, make_claim: Any) -> None:
    """X-002: the gateway gives id, version and time; the same claim with others is the same."""
    meta = {"versionId": "99", "lastUpdated": "1999-01-01T00:00:00Z"}
    made = await ask("POST", "/Claim", make_claim(id="mine", meta=meta))
    claim = await ask("GET", f"/Claim/{made.body['id']}")
    again = await ask("POST", "/Claim", make_claim())

    assert made.status == 201
    assert claim.body["id"] != "mine"
    assert claim.body["meta"]["versionId"] != "99"
    assert claim.body["meta"]["lastUpdated"].startswith("2026-03-02")
    assert again.raw == made.raw
