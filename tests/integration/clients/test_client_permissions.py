"""What a client may do: scopes for each resource and action, institutions, and what the audit says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

STATIC = "t-7f3a9b2c4d5e6f708192"
CLAIM = "/fhir/r4/Claim"


REFUSED = [
    ("system/Claim.r", "GET", CLAIM, "system/Claim.s"),
    ("system/Claim.s", "GET", f"{CLAIM}/1", "system/Claim.r"),
    ("system/Claim.read", "POST", CLAIM, "system/Claim.c"),
    ("system/Claim.cr", "PUT", f"{CLAIM}/1", "system/Claim.u"),
    ("system/Claim.cruds", "GET", "/fhir/r4/Coverage", "system/Coverage.s"),
    ("system/*.read", "POST", f"{CLAIM}/$submit", "system/Claim.c"),
    ("system/Claim.cuds", "POST", f"{CLAIM}/1/$validate", "system/Claim.r"),
    ("system/Claim.cruds", "POST", f"{CLAIM}/$inquire", "system/ClaimResponse.s"),
    ("system/Patient.r", "POST", "/fhir/r4/Patient/$match", "system/Patient.rs"),
    ("system/Claim.cruds", "GET", "/fhir/r5/Subscription/$status", "system/Subscription.s"),
    ("system/Claim.cruds", "GET", "/fhir/r5/Subscription/1/$events", "system/Subscription.r"),
    ("system/Claim.cruds", "GET", "/fhir/r4/CodeSystem/$lookup", "system/CodeSystem.r"),
    ("system/Claim.cruds", "GET", "/fhir/r4/CodeSystem/national-disease", "system/CodeSystem.r"),
    ("system/Claim.cruds", "GET", "/fhir/r4/ConceptMap", "system/ConceptMap.s"),
    ("system/ConceptMap.s", "GET", "/fhir/r4/ConceptMap/item", "system/ConceptMap.r"),
    ("system/Claim.r", "GET", "/fhir/r4/_status/ClaimResponse/1", "system/ClaimResponse.r"),
]
"""Scope of a client, method, path, scope that is wanted."""

TAKEN = [
    ("system/Claim.s", "GET", CLAIM, 200),
    ("system/*.r", "GET", f"{CLAIM}/1", 404),
    ("system/Claim.write", "PUT", f"{CLAIM}/1", 405),
    ("system/Claim.c", "POST", CLAIM, 422),
    ("system/Coverage.r", "GET", "/fhir/r4/metadata", 200),
]
"""Scope of a client, method, path, status: found, not there, not updated, a code without a map."""


async def test_what_the_scopes_do_not_cover_is_refused(start: Any, make_claim: Any) -> None:
    """403, the scope that is wanted in WWW-Authenticate (RFC 6750), and an OperationOutcome."""
    world = await start()
    for scope, method, path, wanted in REFUSED:
        body = make_claim() if method in {"POST", "PUT"} else None
        refused = await world.ask(method, path, body, token=await world.token(scope))
        assert refused.status == 403, path
        assert refused.headers["WWW-Authenticate"] == (
            f'Bearer error="insufficient_scope", scope="{wanted}"'
        )
        assert refused.issue["code"] == "forbidden"
        assert refused.issue["details"]["coding"][0]["code"] == "SCOPE-DENIED"
    counted = world.gateway.metrics.registry.get_sample_value
    assert counted("gateway_http_denied_total", {"reason": "scope"}) == len(REFUSED)


async def test_what_the_scopes_cover_goes_its_way(start: Any, make_claim: Any) -> None:
    """To the answer that the same request gets with every scope."""
    world = await start()
    for scope, method, path, status in TAKEN:
        body = {**make_claim(), "id": "1"} if method in {"POST", "PUT"} else None
        answer = await world.ask(method, path, body, token=await world.token(scope))
        assert answer.status == status, path
    token, kind = await world.token("system/Claim.read"), "application/x-www-form-urlencoded"
    found = await world.ask("POST", f"{CLAIM}/_search", b"status=active", kind=kind, token=token)
    assert found.status == 200


async def test_an_entry_of_a_bundle_needs_what_it_would_need_alone(
    start: Any, make_claim: Any
) -> None:
    """A batch refuses the one entry; a transaction is refused before anything is done."""
    world = await start()
    token = await world.token("system/Claim.s")
    entries = [
        {"request": {"method": "GET", "url": "Claim"}},
        {"request": {"method": "POST", "url": "Claim"}, "resource": make_claim()},
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    batch = await world.ask("POST", "/fhir/r4", bundle, token=token)
    whole = await world.ask("POST", "/fhir/r4", {**bundle, "type": "transaction"}, token=token)

    assert [entry["response"]["status"] for entry in batch.body["entry"]] == ["200", "403"]
    assert whole.status == 403
    assert await world.gateway.journal.exchanges() == []


async def test_a_token_for_fhir_opens_no_other_language(start: Any) -> None:
    """Scopes are FHIR's: national JSON and HL7 v2 stay closed to whoever is limited by them."""
    world = await start()
    token = await world.token("system/Claim.cruds")
    for path, kind in (("/fsi/2207", "application/json"), ("/hl7v2", "application/hl7-v2")):
        refused = await world.ask("POST", path, b"{}", kind=kind, token=token)
        assert refused.status == 403
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'


async def test_the_settings_limit_what_a_client_can_ask_for(start: Any) -> None:
    """It is given what it asks for and may have; a static token has what the settings say."""
    key = "limited"
    digest = hashlib.sha256(key.encode()).hexdigest()
    scopes = {"scopes": ["system/Claim.s", "system/Coverage.read"]}
    limited = {"name": "limited", "institutions": [], "token_sha256": [digest], **scopes}
    world = await start(peers=[limited], app=scopes)
    given = await world.grant(world.signer.assertion(), "system/*.cruds launch")

    assert given.body["scope"] == "system/Claim.s system/Coverage.rs"
    assert (await world.ask("GET", CLAIM, token=key)).status == 200
    assert (await world.ask("GET", f"{CLAIM}/1", token=key)).status == 403
    assert (await world.ask("GET", "/metrics", token=key)).status == 200


async def test_a_client_speaks_for_its_institutions_only(
    start: Any, make_claim: Callable[..., dict[str, Any]]
) -> None:
    """A Claim for another institution of the gateway is 403 at the element that names it."""
    world = await start()
    token = await world.token()
    refused = await world.ask("POST", CLAIM, make_claim("C-1", "H43010000002"), token=token)

    assert refused.status == 403
    assert refused.issue["code"] == "forbidden"
    assert refused.issue["expression"][0].startswith("Claim.provider")
    [exchange] = await world.gateway.journal.exchanges()
    trail = await world.gateway.journal.audit_trail(exchange.exchange_id)
    [row] = [row for row in trail if row.station == "answer"]
    assert row.detail["peer"] == "app"
    assert row.detail["proof"] == "access-token"
    assert exchange.peer == "app"


async def test_the_audit_says_how_a_sender_proved_itself(
    start: Any, make_claim: Callable[..., dict[str, Any]]
) -> None:
    """A static token is told from one that was asked for."""
    world = await start()
    await world.ask("POST", CLAIM, make_claim("C-1", "H43010000002"), token=STATIC)
    [exchange] = await world.gateway.journal.exchanges()
    trail = await world.gateway.journal.audit_trail(exchange.exchange_id)
    [row] = [row for row in trail if row.station == "answer"]

    assert (row.detail["peer"], row.detail["proof"]) == ("his", "token")


async def test_nobody_reads_without_a_proof(start: Any) -> None:
    """401 with the scheme, and an OperationOutcome that says to sign in."""
    world = await start()
    nobody = await world.ask("GET", CLAIM)
    guess = await world.ask("GET", CLAIM, token="guess")

    assert (nobody.status, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert guess.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert nobody.issue["code"] == guess.issue["code"] == "login"
