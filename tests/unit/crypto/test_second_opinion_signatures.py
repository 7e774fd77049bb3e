"""Ten thousand signatures, and both forms of a signature held against another DER library."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from gateway.crypto.sm import SIGNATURE_SIZE, SigningKey, der_from_raw, raw_from_der

COUNT = 10_000
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""n of sm2p256v1, GB/T 32918.5."""

KEY = SigningKey.from_raw((20260101).to_bytes(32))


def _text(number: int) -> bytes:
    return f"第 {number} 次".encode()


@pytest.fixture(scope="module")
def signatures() -> list[bytes]:
    """One signature of each of ten thousand texts."""
    return [KEY.sign(_text(number)) for number in range(COUNT)]


def test_every_signature_has_64_bytes_and_is_another(signatures: list[bytes]) -> None:
    """Whatever r and s are."""
    assert {len(signature) for signature in signatures} == {SIGNATURE_SIZE}
    assert len(set(signatures)) == COUNT


def test_every_half_lies_in_its_range(signatures: list[bytes]) -> None:
    """Read as r, then s, 32 bytes each (GB/T 32918.2 section 6.1)."""
    for signature in signatures:
        assert 0 < int.from_bytes(signature[:32]) < ORDER
        assert 0 < int.from_bytes(signature[32:]) < ORDER


def test_short_halves_are_padded_on_the_left_and_still_verify(signatures: list[bytes]) -> None:
    """One half in 256 begins with a zero byte: some 39 r and 39 s, give or take 6; all verify."""
    public = KEY.public_key()
    numbered = list(enumerate(signatures))
    for start in (0, 32):
        short = [(number, made) for number, made in numbered if made[start] == 0]
        assert 4 < len(short) < 80
        assert all(public.verify(made, _text(number)) for number, made in short)
        for number, made in short[:5]:
            unpadded = made[:start] + made[start + 1 : start + 32] + b"\0" + made[start + 32 :]
            assert not public.verify(unpadded, _text(number))


def test_every_signature_is_the_same_through_der(signatures: list[bytes]) -> None:
    """Raw to DER to raw; another library reads the same two numbers and writes the same DER."""
    for signature in signatures:
        der = der_from_raw(signature)
        halves = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        assert decode_dss_signature(der) == halves
        assert encode_dss_signature(*halves) == der
        assert raw_from_der(der) == signature


BORDERS = sorted(
    {1, ORDER - 1}
    | {1 << (8 * size) for size in range(32)}
    | {(1 << (8 * size)) - 1 for size in range(1, 32)}
    | {0x7F << (8 * size) for size in range(32)}
    | {0x80 << (8 * size) for size in range(32)}
)
"""The least and the greatest number of every length, and those about the sign bit of DER."""


def test_der_with_short_halves_becomes_raw_without_loss() -> None:
    """Every pair of lengths from 1 to 32 bytes, with and without a byte for the sign."""
    for r, s in itertools.product(BORDERS, repeat=2):
        der = encode_dss_signature(r, s)
        raw = raw_from_der(der)
        assert raw == r.to_bytes(32) + s.to_bytes(32)
        assert der_from_raw(raw) == der


@pytest.mark.parametrize(
    ("r", "s", "der"),
    [
        (1, 2, "3006 020101 020102"),
        (0x7F, 0x80, "3007 02017f 02020080"),
        (0x100, 1 << 248, "3026 02020100 0220 01" + "00" * 31),
        (1 << 255, 1, "3026 0221 0080" + "00" * 31 + " 020101"),
    ],
)
def test_der_worked_out_by_hand(r: int, s: int, der: str) -> None:
    """X.690: shortest form, a zero byte before a first byte of 80 or more."""
    assert der_from_raw(r.to_bytes(32) + s.to_bytes(32)) == bytes.fromhex(der)
    assert raw_from_der(bytes.fromhex(der)) == r.to_bytes(32) + s.to_bytes(32)


@pytest.mark.parametrize("half", [1 << 256, (1 << 264) - 1])
def test_a_half_of_more_than_32_bytes_has_no_raw_form(half: int) -> None:
    """Cutting it would make another signature."""
    for pair in ((half, 1), (1, half)):
        with pytest.raises(ValueError, match="32 bytes"):
            raw_from_der(encode_dss_signature(*pair))
