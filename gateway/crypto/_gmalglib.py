"""SM2 by the gmalglib wheel (C code), for machines whose libcrypto has no SM2.

The package is optional and not imported before it is needed.
"""

from __future__ import annotations

import importlib
from typing import Any

NAME = "gmalglib"


class PrivateHandle:
    """A private key of gmalglib."""

    def __init__(self, sm2: Any, secret: bytes) -> None:
        self._sm2, self._secret = sm2, secret
        self.point: bytes = sm2.get_pk(secret)

    def sign(self, data: bytes, user_id: bytes) -> bytes:
        """The signature, 64 bytes."""
        signature: bytes = self._sm2(self._secret, self.point, user_id).sign(data)
        return signature


class PublicHandle:
    """A public key of gmalglib."""

    def __init__(self, sm2: Any, point: bytes) -> None:
        if not sm2.is_pk_valid(point):
            raise ValueError("the point does not lie on the curve")
        self._sm2, self._point = sm2, point

    def verify(self, signature: bytes, data: bytes, user_id: bytes) -> bool:
        """True when the 64 bytes are a signature of the data."""
        return bool(self._sm2(pk=self._point, uid=user_id).verify(data, signature))


class Provider:
    """SM2 by gmalglib."""

    name = NAME

    def __init__(self, sm2: Any) -> None:
        self._sm2 = sm2

    def private(self, secret: bytes) -> PrivateHandle:
        """The private key of 32 bytes."""
        return PrivateHandle(self._sm2, secret)

    def public(self, point: bytes) -> PublicHandle:
        """The public key of 65 bytes; a point off the curve is a ValueError."""
        return PublicHandle(self._sm2, point)


def open_provider() -> Provider | None:
    """The provider, or None where the package is not installed."""
    try:
        return Provider(importlib.import_module("gmalglib.sm2").SM2)
    except ImportError:
        return None
