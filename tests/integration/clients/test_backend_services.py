"""SMART backend services: a signed assertion gives a token for minutes, and only what it may do."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.errors import ConfigurationError
from gateway.inbound.smart import KeySet
from gateway.inbound.smart_routes import token_url
from gateway.journal.embedded import EmbeddedServer
from gateway.settings import HTTPSettings

PATIENTS = "/fhir/r4/Claim"


async def test_a_signed_assertion_is_answered_with_a_token_that_opens_the_port(start: Any) -> None:
    """The token is random, names its scopes and its life, and is taken at every FHIR base."""
    world = await start()
    given = await world.grant(world.signer.assertion(), "system/Claim.cr system/Claim.s")

    assert given.status == 200
    assert given.headers["Cache-Control"] == "no-store"
    assert len(given.body["access_token"]) >= 43
    assert {name: given.body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "system/Claim.crs",
    }
    for base in ("r4", "r4b", "r5"):
        found = await world.ask("GET", f"/fhir/{base}/Claim", token=given.body["access_token"])
        assert found.status == 200


async def test_an_rsa_key_signs_too(start: Any, rsa_key: rsa.RSAPrivateKey) -> None:
    """RS384 beside ES384; the key file is read again when a key was added to it."""
    world = await start()
    world.signer.add("rsa-1", rsa_key)
    given = await world.grant(world.signer.assertion("rsa-1", algorithm="RS384"))

    assert given.status == 200


async def test_a_key_that_was_taken_out_of_the_file_signs_no_more(
    start: Any, rsa_key: rsa.RSAPrivateKey
) -> None:
    """Rotation needs no restart."""
    world = await start()
    world.signer.add("rsa-1", rsa_key)
    signed = world.signer.assertion()
    world.signer.drop("ec-1")
    refused = await world.grant(signed)

    assert (refused.status, refused.body["error"]) == (400, "invalid_client")


async def test_an_assertion_that_says_something_else_is_refused(start: Any) -> None:
    """Another client, another server, no number, no end, an end that is over or far away."""
    world = await start()
    cases: list[dict[str, Any]] = [
        {"iss": "somebody", "sub": "somebody"},
        {"sub": "his"},
        {"aud": "https://other.example/oauth/token"},
        {"jti": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1_500_000_000},
        {"exp": 1_900_000_000},
        {"nbf": 1_900_000_000},
    ]
    for changes in cases:
        refused = await world.grant(world.signer.assertion(**changes))
        assert (refused.status, refused.body["error"]) == (400, "invalid_client"), changes
        assert refused.body["error_description"]


async def test_a_stranger_s_signature_is_refused(start: Any, rsa_key: rsa.RSAPrivateKey) -> None:
    """A key that is not the client's, a symmetric signature, and none at all."""
    world = await start()
    other = ec.generate_private_key(ec.SECP384R1())
    forged = world.signer.assertion(key=other)
    keyed = world.signer.assertion(key="0" * 48, algorithm="HS384")
    head, body, _ = world.signer.assertion().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "ec-1"}).encode())
    other_kind = world.signer.assertion(key=rsa_key, algorithm="RS384")
    for signed in (forged, keyed, f"{head}.{body}.", f"{none.decode().strip('=')}.{body}.", "x"):
        refused = await world.grant(signed)
        assert (refused.status, refused.body["error"]) == (400, "invalid_client")
    assert (await world.grant(other_kind)).status == 400


async def test_an_assertion_is_taken_once_also_after_a_restart(start: Any) -> None:
    """Its number is kept in the journal until it has expired."""
    world = await start()
    signed = world.signer.assertion()
    both = await asyncio.gather(world.grant(signed), world.grant(signed))
    assert sorted(answer.status for answer in both) == [200, 400]
    await world.restart()
    again = await world.grant(signed)

    assert again.status == 400
    assert again.body["error_description"] == "client_assertion was used before"


async def test_an_assertion_is_taken_by_one_of_two_gateways(start: Any, tmp_path: Path) -> None:
    """Both are asked at once, on one PostgreSQL journal: one gives a token, and both know it."""
    with EmbeddedServer() as server:
        file = tmp_path / "dsn"
        await asyncio.to_thread(file.write_text, server.dsn, "utf-8")
        worlds = [await start(journal={"dsn_file": file}) for _ in range(2)]
        signed = worlds[0].signer.assertion()
        both = await asyncio.gather(*(world.grant(signed) for world in worlds))
        token = next(one.body["access_token"] for one in both if one.status == 200)
        found = [await world.ask("GET", PATIENTS, token=token) for world in worlds]
        for world in worlds:
            await world.gateway.stop()

    assert sorted(answer.status for answer in both) == [200, 400]
    assert [answer.status for answer in found] == [200, 200]


async def test_a_token_lasts_its_time_and_survives_a_restart(start: Any) -> None:
    """It is kept as a digest only, and ends by the clock."""
    world = await start()
    token = await world.token()
    await world.restart()
    assert (await world.ask("GET", PATIENTS, token=token)).status == 200
    stored = (world.folder / "journal.db").read_bytes()
    stored += (world.folder / "journal.db-wal").read_bytes()
    assert token.encode() not in stored
    world.clock.time += timedelta(seconds=301)
    over = await world.ask("GET", PATIENTS, token=token)

    assert over.status == 401
    assert over.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert over.issue["code"] == "login"


async def test_a_request_that_is_none_is_refused_in_the_words_of_oauth(start: Any) -> None:
    """RFC 6749, section 5.2."""
    world = await start()
    cases: list[tuple[dict[str, str], str]] = [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"client_assertion_type": "other"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
        ({"scope": "openid user/Claim.read"}, "invalid_scope"),
        ({"scope": "system/Claim.cruds?status=active"}, "invalid_scope"),
    ]
    for form, error in cases:
        refused = await world.grant(world.signer.assertion(), **form)
        assert (refused.status, refused.body["error"]) == (400, error), form


async def test_a_stranger_cannot_send_much(start: Any) -> None:
    """A route that anyone may use takes a small body of known length."""
    world = await start()
    kind = "application/x-www-form-urlencoded"
    long = await world.ask("POST", "/oauth/token", b"x" * 20_000, kind=kind)
    other = await world.ask("POST", "/oauth/token", b"{}", kind="application/json")
    method = await world.ask("GET", "/oauth/token")

    assert [long.status, other.status, method.status] == [413, 400, 405]
    assert long.body["error"] == other.body["error"] == method.body["error"] == "invalid_request"


async def test_the_endpoint_is_found_from_every_base(start: Any) -> None:
    """SMART configuration and CapabilityStatement name it; both need no token."""
    world = await start()
    for base in ("r4", "r4b", "r5"):
        found = await world.ask("GET", f"/fhir/{base}/.well-known/smart-configuration")
        assert found.body["token_endpoint"] == "https://gateway.example/oauth/token"
        assert found.body["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
        security = (await world.ask("GET", f"/fhir/{base}/metadata")).body["rest"][0]["security"]
        assert security["extension"][0]["extension"] == [
            {"url": "token", "valueUri": "https://gateway.example/oauth/token"}
        ]


async def test_a_token_given_out_is_in_the_audit_under_the_client_s_name(start: Any) -> None:
    """Who, for what, for how long; never the token."""
    world = await start()
    await world.token("system/Claim.r")
    rows = await world.gateway.journal.audit_trail("")

    assert [(row.station, row.detail) for row in rows] == [
        ("token", {"peer": "app", "scope": "system/Claim.r", "seconds": "300"})
    ]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ([], "holds no key"),
        ([{"kty": "oct", "k": "AAAA", "kid": "1"}], "is secret"),
        ([{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1"}], "cannot be read|too short"),
        ([{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1"}], "not for RS384"),
        ([{"kty": "EC", "crv": "P-384"}], "no kid"),
    ],
)
def test_a_key_set_that_is_no_good_stops_the_start(
    tmp_path: Path, keys: list[dict[str, str]], reason: str
) -> None:
    """A secret in the file, a short key or another curve is said with the name of the file."""
    path = tmp_path / "app.jwks.json"
    path.write_text(json.dumps({"keys": keys}), "utf-8")
    with pytest.raises(ConfigurationError, match=reason):
        KeySet(path)


def test_the_audience_is_never_taken_from_a_request(tmp_path: Path) -> None:
    """It is the public URL, or the address that is listened on where that is one."""
    settings = HTTPSettings(host="192.0.2.10", port=8443, tls_certificate_file=tmp_path)
    assert token_url(settings) == "https://192.0.2.10:8443/oauth/token"
    assert token_url(HTTPSettings(host="::1", port=80)) == "http://[::1]:80/oauth/token"
    with pytest.raises(ConfigurationError, match="public_url"):
        token_url(HTTPSettings(host="::"))
