"""SM2 by the system's libcrypto 3, called through ctypes.

The library that Python itself is linked with is usually this one. ctypes releases the interpreter
lock during a call, so that signing in threads runs beside the event loop. Keys are shared between
threads for reading only, which libcrypto allows; every signature has contexts of its own.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from ctypes import POINTER, c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p
from typing import Any

from gateway.crypto import _der

NAME = "libcrypto"

_NAMES = ("libcrypto.so.3", "libcrypto.3.dylib", "libcrypto-3-x64.dll", "libcrypto-3.dll")
_SM3 = b"SM3"
_MAXIMUM_SIGNATURE = 80
"""Bytes of a DER signature at most: two numbers of 33 bytes and six of framing, rounded up."""

_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OpenSSL_version_num": (c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "d2i_AutoPrivateKey": (c_void_p, (c_void_p, POINTER(c_char_p), c_long)),
    "d2i_PUBKEY": (c_void_p, (c_void_p, POINTER(c_char_p), c_long)),
    "i2d_PUBKEY": (c_int, (c_void_p, POINTER(c_void_p))),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "EVP_PKEY_CTX_new": (c_void_p, (c_void_p, c_void_p)),
    "EVP_PKEY_CTX_free": (None, (c_void_p,)),
    "EVP_PKEY_CTX_set1_id": (c_int, (c_void_p, c_char_p, c_int)),
    "EVP_MD_CTX_new": (c_void_p, ()),
    "EVP_MD_CTX_free": (None, (c_void_p,)),
    "EVP_MD_CTX_set_pkey_ctx": (None, (c_void_p, c_void_p)),
    "EVP_get_digestbyname": (c_void_p, (c_char_p,)),
    "EVP_DigestSignInit": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EVP_DigestSign": (c_int, (c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "EVP_DigestVerifyInit": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EVP_DigestVerify": (c_int, (c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)),
}


class _Context:
    """A digest context bound to a key and a user id, freed on exit."""

    def __init__(self, lib: Any, key: int, user_id: bytes) -> None:
        self._lib, self._key, self._user_id = lib, key, user_id

    def __enter__(self) -> int:
        lib = self._lib
        self._key_context = lib.EVP_PKEY_CTX_new(self._key, None)
        self._context = lib.EVP_MD_CTX_new()
        if not self._key_context or not self._context:
            self.__exit__()
            raise MemoryError("libcrypto")
        if lib.EVP_PKEY_CTX_set1_id(self._key_context, self._user_id, len(self._user_id)) != 1:
            self.__exit__()
            raise ValueError("libcrypto refuses the user id")
        lib.EVP_MD_CTX_set_pkey_ctx(self._context, self._key_context)
        context: int = self._context
        return context

    def __exit__(self, *_: object) -> None:
        self._lib.EVP_MD_CTX_free(self._context)
        self._lib.EVP_PKEY_CTX_free(self._key_context)
        self._lib.ERR_clear_error()


class PrivateHandle:
    """A private key inside libcrypto."""

    def __init__(self, lib: Any, digest: int, secret: bytes) -> None:
        self._lib, self._digest = lib, digest
        self._key = _load(lib, lib.d2i_AutoPrivateKey, _der.private_to_der(secret))
        weakref.finalize(self, lib.EVP_PKEY_free, self._key)
        out = c_void_p()
        length = lib.i2d_PUBKEY(self._key, None)
        buffer = ctypes.create_string_buffer(max(length, 1))
        out.value = ctypes.addressof(buffer)
        if length <= 0 or lib.i2d_PUBKEY(self._key, ctypes.byref(out)) != length:
            raise ValueError("libcrypto gives no public key")
        self.point = _der.public_from_der(buffer.raw)

    def sign(self, data: bytes, user_id: bytes) -> bytes:
        """The signature, 64 bytes."""
        length = c_size_t(_MAXIMUM_SIGNATURE)
        out = ctypes.create_string_buffer(_MAXIMUM_SIGNATURE)
        with _Context(self._lib, self._key, user_id) as context:
            done = self._lib.EVP_DigestSignInit(context, None, self._digest, None, self._key)
            if done == 1:
                done = self._lib.EVP_DigestSign(context, out, ctypes.byref(length), data, len(data))
            if done != 1:
                raise ValueError("libcrypto cannot sign")
        return _der.signature_from_der(out.raw[: length.value])


class PublicHandle:
    """A public key inside libcrypto."""

    def __init__(self, lib: Any, digest: int, point: bytes) -> None:
        self._lib, self._digest = lib, digest
        self._key = _load(lib, lib.d2i_PUBKEY, _der.public_to_der(point))
        weakref.finalize(self, lib.EVP_PKEY_free, self._key)

    def verify(self, signature: bytes, data: bytes, user_id: bytes) -> bool:
        """True when the 64 bytes are a signature of the data."""
        der = _der.signature_to_der(signature)
        with _Context(self._lib, self._key, user_id) as context:
            if self._lib.EVP_DigestVerifyInit(context, None, self._digest, None, self._key) != 1:
                raise ValueError("libcrypto cannot verify")
            return bool(self._lib.EVP_DigestVerify(context, der, len(der), data, len(data)) == 1)


class Provider:
    """SM2 by libcrypto."""

    name = NAME

    def __init__(self, lib: Any) -> None:
        self._lib = lib
        self._digest: int = lib.EVP_get_digestbyname(_SM3)
        if not self._digest:
            raise ValueError("libcrypto has no SM3")

    def private(self, secret: bytes) -> PrivateHandle:
        """The private key of 32 bytes."""
        return PrivateHandle(self._lib, self._digest, secret)

    def public(self, point: bytes) -> PublicHandle:
        """The public key of 65 bytes; a point off the curve is a ValueError."""
        return PublicHandle(self._lib, self._digest, point)


def _load(lib: Any, decode: Any, der: bytes) -> int:
    place = c_char_p(der)
    key: int | None = decode(None, ctypes.byref(place), len(der))
    lib.ERR_clear_error()
    if not key:
        raise ValueError("libcrypto refuses the key")
    return key


def open_provider() -> Provider | None:
    """The provider, or None where there is no libcrypto 3 or one without SM2."""
    found = ctypes.util.find_library("crypto")
    for name in (*_NAMES, *((found,) if found else ())):
        try:
            lib = ctypes.CDLL(name)
            for function, (result, arguments) in _PROTOTYPES.items():
                entry = getattr(lib, function)
                entry.restype, entry.argtypes = result, arguments
            if lib.OpenSSL_version_num() < 0x30000000:
                continue
            provider = Provider(lib)
            key = provider.private(bytes(31) + b"\1")
            probe = key.sign(b"probe", b"probe")
            if provider.public(key.point).verify(probe, b"probe", b"probe"):
                return provider
        except (OSError, AttributeError, ValueError):
            continue
    return None
