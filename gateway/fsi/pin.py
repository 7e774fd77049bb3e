"""The PIN of a patient's voucher, encrypted with the bureau's RSA public key.

Known (reference: signing, section 4): clients in Inner Mongolia and Hebei put it into `cainfo` of
2102, 2207 and 2304, which then holds no signature; a patient insured in another province is not
asked for a PIN. `cainfo` has at most 1,024 characters.

Not known, because no text of a bureau says it: which padding, which alphabet, whether the PIN has
a fixed length. PKCS#1 v1.5 and base64 are what those clients' standard libraries do when nothing
else is asked for, so they are what is done here; a bureau that answers otherwise needs a change in
this module. Which transactions carry a PIN is for the regional profile.

PKCS#1 v1.5 is no protection against somebody who can ask the bureau whether a text decrypts
(Bleichenbacher 1998). Nothing is decrypted here, so the gateway is no such oracle.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from gateway.errors import ConfigurationError

MAX_CAINFO: Final = 1024
"""Characters of `cainfo` (reference: the envelope of the interface)."""
MIN_BITS: Final = 1024
"""Bits of a key that is taken. Fewer than 2,048 are weak; the bureau chooses, not the gateway."""
MAX_BITS: Final = MAX_CAINFO // 4 * 3 * 8
"""Bits of the largest key whose result fits `cainfo` as base64."""
_PADDING_BYTES = 11
"""What PKCS#1 v1.5 adds at least (RFC 8017 section 7.2.1)."""


class PinKey:
    """The bureau's RSA public key."""

    def __init__(self, key: RSAPublicKey) -> None:
        if not MIN_BITS <= key.key_size <= MAX_BITS:
            raise ConfigurationError(
                f"an RSA key for PINs has {MIN_BITS} to {MAX_BITS} bits, not {key.key_size}"
            )
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> PinKey:
        """The key of a PEM file, "PUBLIC KEY" or "RSA PUBLIC KEY".

        Raises:
            ConfigurationError: not such a file, another algorithm, or a size out of range.
        """
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigurationError("not a PEM file of an RSA public key") from error
        return cls._of(key)

    @classmethod
    def from_base64(cls, text: str) -> PinKey:
        """The key as bureaus print it: base64 of the DER form, line breaks allowed.

        Raises:
            ConfigurationError: not such a text, another algorithm, or a size out of range.
        """
        try:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
        except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
            raise ConfigurationError("not base64 of an RSA public key in DER form") from error
        return cls._of(key)

    @classmethod
    def _of(cls, key: object) -> PinKey:
        if not isinstance(key, RSAPublicKey):
            raise ConfigurationError("the public key for PINs is not one of RSA")
        return cls(key)

    @property
    def max_bytes(self) -> int:
        """Bytes of a PIN that fit one block."""
        return self._key.key_size // 8 - _PADDING_BYTES

    def encrypt(self, pin: str) -> str:
        """The PIN as `cainfo` carries it: base64, different at each call.

        Raises:
            ValueError: the PIN is empty, longer than a block, or cannot be written in UTF-8; the
                error does not repeat it.
        """
        data = pin.encode("utf-8", "ignore")
        if data.decode() != pin:
            raise ValueError("the PIN cannot be written in UTF-8")
        if not 0 < len(data) <= self.max_bytes:
            raise ValueError(f"a PIN has 1 to {self.max_bytes} bytes")
        return base64.b64encode(self._key.encrypt(data, PKCS1v15())).decode("ascii")

    def __repr__(self) -> str:
        return f"PinKey({self._key.key_size} bits)"
