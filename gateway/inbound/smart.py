"""SMART backend services: a system proves itself by a signed assertion and is given a token.

Source: SMART App Launch 2.2, "Client authentication: asymmetric" and "Backend services"; RFC 7523.
The client's public keys stand in a file of the settings, which is read again when it has changed.
A token is random, is good for minutes, and is kept as its SHA-256 only, in the journal, so that a
restart and every gateway of the journal know it. An assertion is taken once, by one of all the
gateways of a journal: its `jti` is taken in the journal until it has expired.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from certs.files import read_public
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.inbound.clients import Granted, allowed
from gateway.inbound.scopes import Scopes
from gateway.journal.records import AuditEvent
from gateway.settings import PeerSettings

ALGORITHMS = ("RS384", "ES384")
"""Signatures that a server of the profile has to take."""
MAX_ASSERTION = 8_192
"""Characters of an assertion at most."""
MAX_LIFE = 300
"""Seconds from now that an assertion may be good for (profile, `exp`)."""
LEEWAY = 30
"""Seconds by which the clocks of client and server may differ."""
MIN_RSA_BITS = 2_048
MAX_KEPT = 1_000
"""Tokens that are known without asking the journal, at most."""


class Store(Protocol):
    """The part of the journal that keeps what expires."""

    async def session_get(self, key: str) -> str | None:
        """The value of a key, unless it expired."""
        ...

    async def session_put(
        self, key: str, value: str, expires: datetime, *, events: Sequence[AuditEvent] = ()
    ) -> None:
        """Keep a value."""
        ...

    async def session_take(self, key: str, value: str, expires: datetime) -> bool:
        """Keep a value if the key has none; False if it has."""
        ...


class TokenError(Exception):
    """A request for a token that is refused, in the words of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


class Token(NamedTuple):
    """A token that was given out."""

    value: str
    seconds: int
    scopes: Scopes
    peer: str


class KeySet:
    """The public keys of one client."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: it is no key set, or holds what is no public key of the profile.
        """
        self._path = path
        self._state = self._look()
        self._keys = read_keys(path)

    def key(self, identity: str) -> jwt.PyJWK | None:
        """The key of this `kid`, as the file is now.

        Raises:
            ConfigurationError: the file was changed to what is no key set.
        """
        state = self._look()
        if state != self._state:
            self._keys = read_keys(self._path)
            self._state = state
        return self._keys.get(identity)

    def _look(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise ConfigurationError(
                f"cannot be read: {error.strerror}", file=str(self._path)
            ) from error
        return found.st_mtime_ns, found.st_size


def read_keys(path: Path) -> dict[str, jwt.PyJWK]:
    """The keys of a JSON Web Key Set by their `kid`.

    Raises:
        ConfigurationError: see `KeySet`.
    """
    try:
        rows = msgspec.json.decode(read_public(path), type=_Set).keys
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"is no JSON Web Key Set: {error}", file=str(path)) from error
    found: dict[str, jwt.PyJWK] = {}
    for row in rows:
        identity = row.get("kid")
        if not isinstance(identity, str) or not identity or identity in found:
            raise ConfigurationError("a key has no kid of its own", file=str(path))
        if "d" in row or row.get("kty") == "oct":
            raise ConfigurationError(f"key {identity!r} is secret", file=str(path))
        found[identity] = _public_key(row, identity, path)
    if not found:
        raise ConfigurationError("holds no key", file=str(path))
    return found


class _Set(msgspec.Struct):
    keys: list[dict[str, Any]]


def _public_key(row: Mapping[str, Any], identity: str, path: Path) -> jwt.PyJWK:
    algorithm = {"RSA": "RS384", "EC": "ES384"}.get(str(row.get("kty")))
    fits = row.get("alg", algorithm) == algorithm and row.get("use", "sig") == "sig"
    if algorithm is None or not fits or (algorithm == "ES384" and row.get("crv") != "P-384"):
        raise ConfigurationError(f"key {identity!r} is not for RS384 or ES384", file=str(path))
    try:
        made = jwt.PyJWK(dict(row), algorithm=algorithm)
    except jwt.PyJWTError as error:
        raise ConfigurationError(f"key {identity!r} cannot be read", file=str(path)) from error
    key = made.key
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"key {identity!r} is too short", file=str(path))
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise ConfigurationError(f"key {identity!r} cannot be read", file=str(path))
    return made


class BackendServices:
    """Gives out access tokens and knows them again."""

    def __init__(
        self,
        peers: Sequence[PeerSettings],
        store: Store,
        clock: Clock,
        *,
        audience: str,
        seconds: int,
    ) -> None:
        """Read the key sets; `audience` is the URL of the token endpoint.

        Raises:
            ConfigurationError: a key set cannot be read.
        """
        self._clients = {
            peer.client_id or peer.name: (peer, KeySet(peer.jwks_file))
            for peer in peers
            if peer.jwks_file is not None
        }
        self._store = store
        self._clock = clock
        self.audience = audience
        self._seconds = seconds
        self._kept: OrderedDict[str, tuple[Granted, datetime]] = OrderedDict()

    async def issue(self, assertion: str, scope: str) -> Token:
        """A token for the client of this assertion, for what it asks and may have.

        Raises:
            TokenError: the assertion does not prove who asks, or nothing it asks for is allowed.
        """
        peer = await self._authenticate(assertion)
        scopes = Scopes.parse(scope.split()).within(allowed(peer))
        if not scopes:
            raise TokenError("invalid_scope", "none of these scopes is open to the client")
        value = secrets.token_urlsafe(32)
        expires = self._clock.now() + timedelta(seconds=self._seconds)
        granted = Granted(peer.name, scopes)
        kept = msgspec.json.encode({"peer": peer.name, "scope": str(scopes)}).decode()
        detail = {"peer": peer.name, "scope": str(scopes), "seconds": str(self._seconds)}
        event = AuditEvent("", "token", detail)
        await self._store.session_put(_token_key(value), kept, expires, events=[event])
        self._keep(value, granted, expires)
        return Token(value, self._seconds, scopes, peer.name)

    async def find(self, token: str) -> Granted | None:
        """What a token stands for, while it is good."""
        if not token.isascii() or len(token) > 100:
            return None
        now = self._clock.now()
        key = _token_key(token)
        found = self._kept.get(key)
        if found is not None:
            if now < found[1]:
                return found[0]
            del self._kept[key]
            return None
        stored = await self._store.session_get(key)
        if stored is None:
            return None
        row = msgspec.json.decode(stored, type=dict[str, str])
        return Granted(row["peer"], Scopes.parse(row["scope"].split()))

    def _keep(self, value: str, granted: Granted, expires: datetime) -> None:
        self._kept[_token_key(value)] = (granted, expires)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    async def _authenticate(self, assertion: str) -> PeerSettings:
        """The peer whose key has signed an assertion that was not used before."""
        if not assertion.isascii() or len(assertion) > MAX_ASSERTION:
            raise _stranger("client_assertion is too long")
        try:
            header = jwt.get_unverified_header(assertion)
            claimed = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise _stranger("client_assertion is no JSON Web Token") from None
        found = self._clients.get(str(claimed.get("iss", "")))
        key = found[1].key(str(header.get("kid", ""))) if found is not None else None
        if found is None or key is None:
            raise _stranger("no such client, or no such key of it")
        peer = found[0]
        try:
            claims = jwt.decode(
                assertion,
                key,
                algorithms=[key.algorithm_name],
                audience=self.audience,
                issuer=peer.client_id or peer.name,
                subject=peer.client_id or peer.name,
                options={
                    "require": ["iss", "sub", "aud", "exp", "jti"],
                    # Times are compared below, with the clock that is passed in.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError:
            raise _stranger(f"aud has to be {self.audience}") from None
        except jwt.PyJWTError:
            raise _stranger("client_assertion is not signed by a key of the client") from None
        await self._take(peer, claims)
        return peer

    async def _take(self, peer: PeerSettings, claims: Mapping[str, Any]) -> None:
        """Take an assertion once, while it is good."""
        now = self._clock.now()
        expires = _moment(claims["exp"], now)
        begins = _moment(claims["nbf"], now) if "nbf" in claims else now
        if not now - timedelta(seconds=LEEWAY) < expires:
            raise _stranger("client_assertion has expired")
        if expires > now + timedelta(seconds=MAX_LIFE + LEEWAY):
            raise _stranger(f"exp is more than {MAX_LIFE} seconds from now")
        if begins > now + timedelta(seconds=LEEWAY):
            raise _stranger("client_assertion is not good yet")
        jti = hashlib.sha256(str(claims["jti"]).encode()).hexdigest()
        key = f"jti/{peer.name}/{jti}"
        if not await self._store.session_take(key, "used", expires + timedelta(seconds=LEEWAY)):
            raise _stranger("client_assertion was used before")


def _moment(stated: object, now: datetime) -> datetime:
    """A NumericDate (RFC 7519)."""
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 <= stated < 2**33:
        raise _stranger("exp and nbf have to be seconds since 1970")
    return datetime.fromtimestamp(stated, now.tzinfo)


def _token_key(token: str) -> str:
    return f"token/{hashlib.sha256(token.encode()).hexdigest()}"


def _stranger(description: str) -> TokenError:
    return TokenError("invalid_client", description)
