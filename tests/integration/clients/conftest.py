"""A whole gateway without a platform, and clients that prove themselves in every way there is."""

from __future__ import annotations

import hashlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.app import Gateway
from gateway.fhir.decode import encode
from gateway.settings import Settings
from tests.clocks import HandClock
from tests.fhir_answers import fhir_answers_are_valid  # noqa: F401 - a fixture for every test

HERE, ELSEWHERE = "H43010000001", "H43010000002"
STATIC = "t-7f3a9b2c4d5e6f708192"
PUBLIC = "https://gateway.example"
AUDIENCE = f"{PUBLIC}/oauth/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BASE = "https://fsi-gateway.example/fhir"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: Any

    @property
    def issue(self) -> dict[str, Any]:
        """The first issue of an OperationOutcome."""
        found: dict[str, Any] = self.body["issue"][0]
        return found


class Signer:
    """A client of SMART backend services: its keys, and the assertions it signs with them."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.clock = clock
        self.file = folder / "app.jwks.json"
        self.keys: dict[str, Any] = {}
        self.add("ec-1", ec.generate_private_key(ec.SECP384R1()))

    def add(self, identity: str, key: Any) -> None:
        """One more key, also in the file."""
        self.keys[identity] = key
        rows = [public_row(name, one) for name, one in self.keys.items()]
        self.file.write_text(json.dumps({"keys": rows}), "utf-8")

    def drop(self, identity: str) -> None:
        """One key fewer."""
        del self.keys[identity]
        rows = [public_row(name, one) for name, one in self.keys.items()]
        self.file.write_text(json.dumps({"keys": rows}), "utf-8")

    def assertion(
        self, kid: str = "ec-1", key: Any = None, algorithm: str = "ES384", **changes: Any
    ) -> str:
        """A signed assertion; keywords replace claims, None removes them."""
        claims: dict[str, Any] = {
            "iss": "app",
            "sub": "app",
            "aud": AUDIENCE,
            "exp": int((self.clock.now() + timedelta(seconds=240)).timestamp()),
            "jti": uuid.uuid4().hex,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        signed: str = jwt.encode(
            claims, self.keys[kid] if key is None else key, algorithm, headers={"kid": kid}
        )
        return signed


def public_row(identity: str, key: Any) -> dict[str, Any]:
    """The public half of a key as a JSON Web Key."""
    kind: Any = jwt.algorithms.RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        kind = jwt.algorithms.ECAlgorithm
    row: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
    return {**row, "kid": identity, "use": "sig"}


class World:
    """A gateway and whoever talks to it."""

    def __init__(self, folder: Path, clock: HandClock, signer: Signer, settings: Settings) -> None:
        self.folder, self.clock, self.signer, self.settings = folder, clock, signer, settings
        self.gateway = Gateway(settings, clock=clock)
        self.tls: ssl.SSLContext | None = None

    async def restart(self) -> None:
        """Stop the gateway and start it on the same journal."""
        await self.gateway.stop()
        self.gateway = Gateway(self.settings, clock=self.clock)
        await self.gateway.start()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        kind: str = "application/fhir+json",
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        host, port = self.gateway.http_address
        scheme = "https" if self.settings.http.tls_certificate_file else "http"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, bytes) else encode(body)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                f"{scheme}://{host}:{port}{path}",
                data=body,
                headers=headers,
                ssl=tls or True,
            ) as response,
        ):
            raw = await response.read()
            kept = json.loads(raw) if "json" in response.content_type and raw else raw
            return Answer(response.status, response.headers, kept)

    async def grant(self, assertion: str, scope: str = "system/*.cruds", **form: str) -> Answer:
        """Ask for a token."""
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION,
            "client_assertion": assertion,
            "scope": scope,
        } | form
        async with aiohttp.ClientSession() as session:
            host, port = self.gateway.http_address
            url = f"http://{host}:{port}/oauth/token"
            async with session.post(url, data=fields) as response:
                return Answer(response.status, response.headers, await response.json())

    async def token(self, scope: str = "system/*.cruds") -> str:
        """A token with these scopes."""
        given = await self.grant(self.signer.assertion(), scope)
        assert given.status == 200, given.body
        found: str = given.body["access_token"]
        return found


def claim(number: str = "C-1", provider: str = HERE) -> dict[str, Any]:
    """A claim of one line of 12.50 for an institution."""
    return {
        "resourceType": "Claim",
        "identifier": [{"system": "urn:his:claims", "value": number}],
        "status": "active",
        "type": {"coding": [{"code": "professional"}]},
        "use": "claim",
        "patient": {"identifier": {"system": f"{BASE}/id/psn-no", "value": "43010000000000000001"}},
        "extension": [
            {
                "url": f"{BASE}/StructureDefinition/encounter",
                "valueReference": {
                    "identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": f"V-{number}"}
                },
            }
        ],
        "created": "2026-03-02",
        "provider": {"identifier": {"system": f"{BASE}/id/fixmedins", "value": provider}},
        "priority": {"text": "normal"},
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "职工医保"}}],
        "item": [
            {
                "sequence": 1,
                "productOrService": {"coding": [{"code": "YP001"}]},
                "net": {"value": Decimal("12.50"), "currency": "CNY"},
            }
        ],
    }


@pytest.fixture
def make_claim() -> Callable[..., dict[str, Any]]:
    """Makes claims: number, provider."""
    return claim


@pytest.fixture
def clock() -> HandClock:
    """The clock of the gateway and of the clients."""
    return HandClock()


@pytest.fixture
def signer(tmp_path: Path, clock: HandClock) -> Signer:
    """The client `app`."""
    return Signer(tmp_path, clock)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """An RSA key, which takes a moment to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


Start = Callable[..., Awaitable[World]]


@pytest.fixture
async def start(tmp_path: Path, clock: HandClock, signer: Signer) -> AsyncIterator[Start]:
    """Starts a gateway; keywords are settings of `[http]`.

    `peers` and `app` change the peers, `journal` is another than the file of the folder.
    """
    worlds: list[World] = []

    async def begin(
        peers: list[dict[str, Any]] | None = None,
        app: dict[str, Any] | None = None,
        journal: dict[str, Any] | None = None,
        **http: Any,
    ) -> World:
        stated = [
            {"name": "app", "institutions": [HERE], "jwks_file": signer.file, **(app or {})},
            {
                "name": "his",
                "institutions": [HERE],
                "token_sha256": [hashlib.sha256(STATIC.encode()).hexdigest()],
            },
            *(peers or []),
        ]
        settings = Settings.model_validate(
            {
                "mllp": {"enabled": False},
                "http": {"port": 0, "public_url": PUBLIC, **http},
                "journal": journal or {"path": tmp_path / "journal.db"},
                "institutions": [
                    {
                        "fixmedins_code": code,
                        "fixmedins_name": f"长沙示范医院{code[-1]}",
                        "mdtrtarea_admvs": "430100",
                        "channel": "bureau",
                    }
                    for code in (HERE, ELSEWHERE)
                ],
                "channels": [{"name": "bureau", "url": "http://127.0.0.1:1/"}],
                "peers": stated,
            }
        )
        world = World(tmp_path, clock, signer, settings)
        await world.gateway.start()
        worlds.append(world)
        return world

    yield begin
    for world in worlds:
        await world.gateway.stop()


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority with the server's files `server.pem`, `server.key` and `ca.pem`."""
    made = trustme.CA()
    issued = made.issue_cert("127.0.0.1")
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    return made


@pytest.fixture
def tls_files(tmp_path: Path, authority: trustme.CA) -> dict[str, Any]:
    """Settings of `[http]` for TLS with client certificates."""
    return {
        "tls_certificate_file": tmp_path / "server.pem",
        "tls_key_file": tmp_path / "server.key",
        "tls_client_ca_file": tmp_path / "ca.pem",
    }


@pytest.fixture
def context(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Makes the TLS side of a client, with a certificate for these names if any."""

    def make(*names: str, common_name: str | None = None) -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        if names or common_name:
            authority.issue_cert(*names, common_name=common_name).configure_cert(made)
        return made

    return make
