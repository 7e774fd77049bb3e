"""The few DER structures of SM2: signatures, PKCS#8 private keys, public keys.

Only what RFC 5280, RFC 5915 and RFC 5958 need for one curve is read; anything else is a
`ValueError`. Lengths are checked before a byte is taken, and nothing may follow a structure.
"""

from __future__ import annotations

ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""Order n of the base point of sm2p256v1 (GB/T 32918.5)."""
SIZE = 32
"""Bytes of a private key, and of each half of a signature."""

_INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x30
_EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
_SM2 = bytes.fromhex("2a811ccf5501822d")


def _write(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes(2).lstrip(b"\0")
    return bytes((tag, 0x80 | len(size))) + size + body


def _integer(value: int) -> bytes:
    return _write(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _read(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """The content of the element at `at`, and where the next one begins."""
    if at + 2 > len(data) or data[at] != tag:
        raise ValueError("unexpected element")
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        if size not in (1, 2) or start + size > len(data):
            raise ValueError("length out of range")
        length = int.from_bytes(data[start : start + size])
        start += size
        if length < (0x80 if size == 1 else 0x100):
            raise ValueError("length not in its shortest form")
    end = start + length
    if end > len(data):
        raise ValueError("element is cut off")
    return data[start:end], end


def _only(data: bytes, tag: int) -> bytes:
    body, end = _read(data, 0, tag)
    if end != len(data):
        raise ValueError("bytes after the end")
    return body


def _natural(data: bytes, at: int) -> tuple[int, int]:
    body, end = _read(data, at, _INTEGER)
    if not body or body[0] & 0x80 or (len(body) > 1 and body[0] == 0 and not body[1] & 0x80):
        raise ValueError("not a natural number in its shortest form")
    return int.from_bytes(body), end


def signature_to_der(raw: bytes) -> bytes:
    """DER form of a signature of 64 bytes, r then s.

    Raises:
        ValueError: not 64 bytes.
    """
    if len(raw) != 2 * SIZE:
        raise ValueError("a raw signature has 64 bytes")
    r, s = int.from_bytes(raw[:SIZE]), int.from_bytes(raw[SIZE:])
    return _write(_SEQUENCE, _integer(r), _integer(s))


def signature_from_der(der: bytes) -> bytes:
    """The 64 bytes r, s of a DER signature; short halves are padded with zeros on the left.

    Raises:
        ValueError: not the DER form of two natural numbers of at most 32 bytes.
    """
    body = _only(der, _SEQUENCE)
    r, at = _natural(body, 0)
    s, at = _natural(body, at)
    if at != len(body) or max(r, s) >= 1 << (8 * SIZE):
        raise ValueError("not two numbers of at most 32 bytes")
    return r.to_bytes(SIZE) + s.to_bytes(SIZE)


def _algorithm() -> bytes:
    return _write(_SEQUENCE, _write(_OID, _EC_PUBLIC_KEY), _write(_OID, _SM2))


def _check_algorithm(data: bytes, at: int) -> int:
    body, end = _read(data, at, _SEQUENCE)
    algorithm, inner = _read(body, 0, _OID)
    curve, inner = _read(body, inner, _OID)
    if algorithm not in (_EC_PUBLIC_KEY, _SM2) or curve != _SM2 or inner != len(body):
        raise ValueError("not a key of the curve sm2p256v1")
    return end


def public_to_der(point: bytes) -> bytes:
    """SubjectPublicKeyInfo of a point of 65 bytes."""
    return _write(_SEQUENCE, _algorithm(), _write(_BITS, b"\0", point))


def public_from_der(der: bytes) -> bytes:
    """The 65 bytes of the point in a SubjectPublicKeyInfo.

    Raises:
        ValueError: not such a structure, or another curve, or a compressed point.
    """
    body = _only(der, _SEQUENCE)
    bits, end = _read(body, _check_algorithm(body, 0), _BITS)
    if end != len(body) or len(bits) != 2 * SIZE + 2 or bits[:2] != b"\0\4":
        raise ValueError("not an uncompressed point of 65 bytes")
    return bits[1:]


def private_to_der(secret: bytes, point: bytes = b"") -> bytes:
    """PKCS#8 of a private key of 32 bytes, with its public point when that is given."""
    parts = [_integer(1), _write(_OCTETS, secret)]
    if point:
        parts.append(_write(0xA1, _write(_BITS, b"\0", point)))
    key = _write(_SEQUENCE, *parts)
    return _write(_SEQUENCE, _integer(0), _algorithm(), _write(_OCTETS, key))


def private_from_der(der: bytes) -> bytes:
    """The 32 bytes of the private key in a PKCS#8 structure.

    Raises:
        ValueError: not such a structure, or another curve.
    """
    body = _only(der, _SEQUENCE)
    version, at = _natural(body, 0)
    key, _ = _read(body, _check_algorithm(body, at), _OCTETS)
    inner = _only(key, _SEQUENCE)
    inner_version, at = _natural(inner, 0)
    secret, _ = _read(inner, at, _OCTETS)
    if version > 1 or inner_version != 1 or len(secret) > SIZE:
        raise ValueError("not an elliptic-curve private key of at most 32 bytes")
    return secret.rjust(SIZE, b"\0")
