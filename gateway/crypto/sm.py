"""The Chinese commercial algorithms: SM2 signatures, SM3 digests, SM4 blocks.

Sources: GB/T 32918.2 (SM2 signature), GB/T 32905 (SM3), GB/T 32907 (SM4), GM/T 0009 (the default
user id). What the insurance platforms expect of them: a signature is r then s, 32 bytes each and
padded with zeros on the left, not DER; the digest inside it is SM3 over Z_A and the data, where
Z_A is made with the user id `1234567812345678` unless a platform says otherwise.

SM2 is computed by the first provider that works: the system's libcrypto 3, else the gmalglib
wheel. One signature takes about half a millisecond and holds no interpreter lock in libcrypto;
`sign_async` and `verify_async` keep it off the event loop.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash

from gateway.crypto import _der, _gmalglib, _libcrypto
from gateway.errors import ConfigurationError

DEFAULT_USER_ID = b"1234567812345678"
"""User id in Z_A that the platforms use (GM/T 0009 section 10)."""
SIGNATURE_SIZE = 64
"""Bytes of a raw signature."""

_THREADS = min(4, os.cpu_count() or 1)


class _PrivateHandle(Protocol):
    point: bytes

    def sign(self, data: bytes, user_id: bytes) -> bytes: ...


class _PublicHandle(Protocol):
    def verify(self, signature: bytes, data: bytes, user_id: bytes) -> bool: ...


class Provider(Protocol):
    """What computes SM2; keys are 32 and 65 bytes, signatures 64."""

    name: str

    def private(self, secret: bytes) -> _PrivateHandle:
        """The key for signing; an impossible key is a ValueError."""

    def public(self, point: bytes) -> _PublicHandle:
        """The key for verifying; a point off the curve is a ValueError."""


@cache
def provider() -> Provider:
    """The provider of this process.

    Raises:
        ConfigurationError: none works on this machine.
    """
    found = _libcrypto.open_provider() or _gmalglib.open_provider()
    if found is None:
        raise ConfigurationError(
            "SM2 needs OpenSSL's libcrypto 3 with SM2, or the Python package gmalglib"
        )
    return found


def sm3(data: bytes) -> bytes:
    """The SM3 digest, 32 bytes."""
    if _HASHLIB_HAS_SM3:
        return hashlib.new("sm3", data).digest()
    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize()


def _hashlib_has_sm3() -> bool:
    try:
        hashlib.new("sm3")
    except ValueError:
        return False
    return True


_HASHLIB_HAS_SM3 = _hashlib_has_sm3()


def sm4_ecb_encrypt(key: bytes, data: bytes) -> bytes:
    """SM4-ECB with PKCS#7 padding; the key has 16 bytes.

    The platforms' envelopes fix this mode (interface of mobile payment, section on encData); it
    hides no repetition and is of no use elsewhere.
    """
    padder = padding.PKCS7(128).padder()
    encryptor = _sm4(key).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def sm4_ecb_decrypt(key: bytes, data: bytes) -> bytes:
    """The inverse of `sm4_ecb_encrypt`.

    Raises:
        ValueError: the data is no whole number of blocks, or its padding is wrong.
    """
    unpadder = padding.PKCS7(128).unpadder()
    decryptor = _sm4(key).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _sm4(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305 - the interface prescribes ECB


def der_from_raw(signature: bytes) -> bytes:
    """DER form of a raw signature of 64 bytes; any other length is a ValueError."""
    return _der.signature_to_der(signature)


def raw_from_der(signature: bytes) -> bytes:
    """The 64 bytes of a DER signature; anything else is a ValueError."""
    return _der.signature_from_der(signature)


class VerifyKey:
    """A public SM2 key."""

    def __init__(self, point: bytes) -> None:
        self._point = point
        self._handle = provider().public(point)

    @classmethod
    def from_raw(cls, data: bytes) -> VerifyKey:
        """The key of 65 bytes (04, x, y) or 64 bytes (x, y).

        Raises:
            ConfigurationError: neither, or no point of the curve.
        """
        point = b"\4" + data if len(data) == SIGNATURE_SIZE else data
        if len(point) != SIGNATURE_SIZE + 1 or point[0] != 4:
            raise ConfigurationError(
                "an SM2 public key has 64 bytes, or 65 of which the first is 4"
            )
        try:
            return cls(point)
        except ValueError as error:
            raise ConfigurationError(f"not an SM2 public key: {error}") from error

    @classmethod
    def from_pem(cls, pem: bytes) -> VerifyKey:
        """The key of a PEM file "PUBLIC KEY".

        Raises:
            ConfigurationError: not such a file, or not an SM2 key.
        """
        try:
            return cls.from_raw(_der.public_from_der(_from_pem(pem, "PUBLIC KEY")))
        except ValueError as error:
            raise ConfigurationError(f"not an SM2 public key: {error}") from error

    def to_pem(self) -> bytes:
        """PEM "PUBLIC KEY" (SubjectPublicKeyInfo)."""
        return _to_pem(_der.public_to_der(self._point), "PUBLIC KEY")

    def to_raw(self) -> bytes:
        """65 bytes: 04, x, y."""
        return self._point

    def verify(self, signature: bytes, data: bytes, user_id: bytes = DEFAULT_USER_ID) -> bool:
        """True when `signature` (64 bytes, r and s) is one of `data`; False for anything else."""
        if len(signature) != SIGNATURE_SIZE:
            return False
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        if not (0 < r < _der.ORDER and 0 < s < _der.ORDER):
            return False
        return self._handle.verify(signature, data, user_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and self._point == other._point

    def __hash__(self) -> int:
        return hash(self._point)

    def __repr__(self) -> str:
        return f"VerifyKey({self._point.hex()})"


class SigningKey:
    """A private SM2 key. Its text form never shows the key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._handle = provider().private(secret)

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key, uniformly random in [1, n-2] (GB/T 32918.1)."""
        return cls((secrets.randbelow(_der.ORDER - 2) + 1).to_bytes(_der.SIZE))

    @classmethod
    def from_raw(cls, secret: bytes) -> SigningKey:
        """The key of 32 bytes.

        Raises:
            ConfigurationError: another length, or out of range.
        """
        if len(secret) != _der.SIZE or not 0 < int.from_bytes(secret) < _der.ORDER - 1:
            raise ConfigurationError("an SM2 private key has 32 bytes in the range 1 to n-2")
        try:
            return cls(secret)
        except ValueError as error:
            raise ConfigurationError(f"not an SM2 private key: {error}") from error

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """The key of a PEM file "PRIVATE KEY" (PKCS#8, not encrypted).

        Raises:
            ConfigurationError: not such a file, or not an SM2 key.
        """
        try:
            secret = _der.private_from_der(_from_pem(pem, "PRIVATE KEY"))
        except ValueError as error:
            raise ConfigurationError(f"not an SM2 private key: {error}") from error
        return cls.from_raw(secret)

    def to_pem(self) -> bytes:
        """PEM "PRIVATE KEY" (PKCS#8, not encrypted), with the public key inside."""
        return _to_pem(_der.private_to_der(self._secret, self._handle.point), "PRIVATE KEY")

    def public_key(self) -> VerifyKey:
        """The public key that belongs to it."""
        return VerifyKey(self._handle.point)

    def sign(self, data: bytes, user_id: bytes = DEFAULT_USER_ID) -> bytes:
        """A signature of the data: 64 bytes, r then s, big-endian."""
        return self._handle.sign(data, user_id)

    def __repr__(self) -> str:
        return f"SigningKey(public={self._handle.point.hex()})"


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="sm2")


async def sign_async(key: SigningKey, data: bytes, user_id: bytes = DEFAULT_USER_ID) -> bytes:
    """`key.sign` in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), key.sign, data, user_id)


async def verify_async(
    key: VerifyKey, signature: bytes, data: bytes, user_id: bytes = DEFAULT_USER_ID
) -> bool:
    """`key.verify` in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool(), key.verify, signature, data, user_id)


def _from_pem(pem: bytes, label: str) -> bytes:
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    _, found, rest = pem.partition(begin)
    body, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no PEM block {label!r} (an encrypted key cannot be read)")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"PEM block {label!r}: {error}") from error


def _to_pem(der: bytes, label: str) -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
