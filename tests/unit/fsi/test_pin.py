"""A voucher's PIN by RSA: OpenSSL decrypts what is encrypted, and wrong keys are refused."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.crypto.sm import SigningKey
from gateway.errors import ConfigurationError
from gateway.fsi.pin import PinKey

BUREAU = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: PublicKeyTypes, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_bytes(Encoding.PEM, form)


def _base64(key: PublicKeyTypes, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, form)).decode()


@pytest.mark.parametrize("pin", ["123456", "0", "测试", "x" * 245])
def test_the_bureau_reads_the_pin(pin: str) -> None:
    """What the private key decrypts is the PIN; 245 bytes are what 2,048 bits hold."""
    encrypted = PinKey.from_pem(_pem(BUREAU.public_key())).encrypt(pin)
    assert BUREAU.decrypt(base64.b64decode(encrypted), PKCS1v15()).decode() == pin


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command")
def test_openssl_reads_the_pin(tmp_path: Path) -> None:
    """The second opinion on padding and form."""
    secret = BUREAU.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(secret)
    encrypted = PinKey.from_base64(_base64(BUREAU.public_key())).encrypt("123456")
    (tmp_path / "pin").write_bytes(base64.b64decode(encrypted))
    command = ["openssl", "pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "pin"]
    done = subprocess.run(  # noqa: S603 - a fixed command
        [*command, "-pkeyopt", "rsa_padding_mode:pkcs1"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert done.stdout == b"123456"


def test_one_pin_never_looks_the_same_twice() -> None:
    """The padding is random, so that equal PINs are not seen to be equal."""
    key = PinKey.from_pem(_pem(BUREAU.public_key()))
    assert len({key.encrypt("123456") for _ in range(20)}) == 20


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_a_key_is_read_in_every_form_it_is_printed_in(form: PublicFormat) -> None:
    """PEM or base64 of DER, with line breaks, either structure: the same key."""
    public = BUREAU.public_key()
    text = _base64(public, form)
    lines = "\r\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    for key in (
        PinKey.from_pem(_pem(public, form)),
        PinKey.from_base64(text),
        PinKey.from_base64(lines),
    ):
        assert BUREAU.decrypt(base64.b64decode(key.encrypt("1")), PKCS1v15()) == b"1"


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_the_result_fits_cainfo(bits: int) -> None:
    """At most 1,024 characters, and as many as base64 of one block has."""
    key = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    assert len(PinKey.from_pem(_pem(key)).encrypt("123456")) == -(-bits // 24) * 4 <= 1024


def test_a_key_too_large_for_cainfo_is_refused() -> None:
    """The base64 text of 6,144 bits has 1,024 characters; a bit more has no room."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << 6151) + 1)
    with pytest.raises(ConfigurationError, match="6152"):
        PinKey(numbers.public_key())
    largest = rsa.RSAPublicNumbers(65537, (1 << 6143) + 1).public_key()
    assert len(PinKey(largest).encrypt("123456")) == 1024


@pytest.mark.parametrize("pin", ["", "x" * 246, "测" * 82])
def test_a_pin_that_does_not_fit_is_refused_without_being_repeated(pin: str) -> None:
    """The error may end up in a log."""
    with pytest.raises(ValueError, match="1 to 245 bytes") as caught:
        PinKey.from_pem(_pem(BUREAU.public_key())).encrypt(pin)
    assert not pin or pin not in str(caught.value)


def test_half_a_character_is_refused_and_not_replaced() -> None:
    """A PIN that was changed on the way would lock the voucher; the error keeps nothing of it."""
    with pytest.raises(ValueError, match="UTF-8") as caught:
        PinKey(BUREAU.public_key()).encrypt("12345\ud800")
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "pem", [b"", b"\xff", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_key_file_is_refused(pem: bytes) -> None:
    """The start stops with a reason."""
    with pytest.raises(ConfigurationError):
        PinKey.from_pem(pem)


@pytest.mark.parametrize("text", ["", "not base64", "AAAA", "密钥"])
def test_what_is_no_base64_key_is_refused(text: str) -> None:
    """The same for a key in a setting."""
    with pytest.raises(ConfigurationError):
        PinKey.from_base64(text)


def test_keys_of_other_algorithms_are_refused() -> None:
    """The bureau's SM2 key stands beside the RSA one and is easily taken for it."""
    with pytest.raises(ConfigurationError):
        PinKey.from_pem(_pem(ec.generate_private_key(ec.SECP256R1()).public_key()))
    with pytest.raises(ConfigurationError):
        PinKey.from_pem(SigningKey.generate().public_key().to_pem())


def test_a_private_key_is_not_taken_for_a_public_one() -> None:
    """Nobody but the bureau should have it; a site that does hears of it."""
    pem = BUREAU.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigurationError):
        PinKey.from_pem(pem)


def test_the_text_form_names_the_size_only() -> None:
    """Enough for a log."""
    assert repr(PinKey(BUREAU.public_key())) == "PinKey(2048 bits)"
