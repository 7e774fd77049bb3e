"""The key pair of a client of SMART backend services, and the assertions it signs.

A pair is two files: `<name>.client.key` (PEM, PKCS#8, P-384, private), which stays with the client,
and `<name>.jwks.json` (a JSON Web Key Set, public), which the settings of the gateway name.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.files import read_private, write_private, write_public
from gateway.errors import ConfigurationError

PRIVATE_SUFFIX: Final = ".client.key"
PUBLIC_SUFFIX: Final = ".jwks.json"
ALGORITHM: Final = "ES384"
ASSERTION_SECONDS: Final = 240
"""Life of an assertion; a server takes 300 seconds at most."""


class ClientPair(NamedTuple):
    """The two files of a client."""

    private: Path
    public: Path


def make_client_pair(folder: Path, name: str) -> ClientPair:
    """A new key pair.

    Raises:
        ConfigurationError: one of the files is there, or cannot be written.
    """
    pair = ClientPair(folder / f"{name}{PRIVATE_SUFFIX}", folder / f"{name}{PUBLIC_SUFFIX}")
    key = ec.generate_private_key(ec.SECP384R1())
    row: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    row |= {"kid": _identity(key), "alg": ALGORITHM, "use": "sig"}
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(pair.private, encoded)
    write_public(pair.public, f"{json.dumps({'keys': [row]}, indent=1)}\n".encode())
    return pair


def sign_assertion(path: Path, client: str, audience: str, now: datetime) -> str:
    """An assertion that proves the client to the token endpoint `audience`, once.

    Raises:
        ConfigurationError: the file holds no P-384 key, or is open to other users.
    """
    try:
        key = serialization.load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("holds no readable private key", file=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp384r1":
        raise ConfigurationError("holds no P-384 key", file=str(path))
    claims = {
        "iss": client,
        "sub": client,
        "aud": audience,
        "exp": int((now + timedelta(seconds=ASSERTION_SECONDS)).timestamp()),
        "jti": uuid.uuid4().hex,
    }
    signed: str = jwt.encode(claims, key, ALGORITHM, headers={"kid": _identity(key)})
    return signed


def _identity(key: ec.EllipticCurvePrivateKey) -> str:
    """The `kid`: the beginning of the SHA-256 of the public key."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)
    return digest.finalize().hex()[:16]
