"""SM2, SM3 and SM4 against published values, OpenSSL's command line, and wrong input."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto import _gmalglib, _libcrypto, sm
from gateway.crypto.sm import (
    DEFAULT_USER_ID,
    SigningKey,
    VerifyKey,
    der_from_raw,
    provider,
    raw_from_der,
    sign_async,
    sm3,
    sm4_ecb_decrypt,
    sm4_ecb_encrypt,
    verify_async,
)
from gateway.errors import ConfigurationError

PRIVATE = bytes.fromhex("211fee8c3c5fee2fad3dc926fc9403366d2def02cdd0bb5bd683ca015d99db7f")
PUBLIC = bytes.fromhex(
    "0417cc16abaebedc7f87b2e0a508c0cb93631761db7fa19adece712c6aade1d673"
    "e389b5e902df7a2e6fe3917b0f55747e00d74e36e939ecc3e7967b7058a91858"
)
SIGN_TEXT = (
    "appId=43AF047BBA47FC8A1AE8EFB232BDBBCB&data="
    '{"amt":"12.30","flag":true,"nested":{"a":1,"b":2},"orgCodg":"H00000000001",'
    '"payOrdId":"PO0001","userName":"测试"}'
    "&encType=SM4&signType=SM2&timestamp=20260101000000&version=2.0.1"
    "&key=4117E877F5FA0A0188891283E4B617D5"
).encode()
SIGNATURE = base64.b64decode(
    "MW36d+5OkqTY//Dr+XcMPVE8IpXHnuhIk6KUC7VSaFSkoTxHlV2Kf5aixceFp0HnVZewHtY6rHK4YB6rdQAkJw=="
)
CURVE = (
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"  # a
    "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"  # b
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"  # x of the base point
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"  # y of the base point
)

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command")
OPTIONS = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")


def test_digest_of_the_standard() -> None:
    """GB/T 32905 appendix A.1: SM3 of "abc"."""
    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"abc").hex() == expected


def test_block_of_the_standard() -> None:
    """GB/T 32907 appendix A.1: the block under the same bytes as key; padding adds a block."""
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    encrypted = sm4_ecb_encrypt(key, key)
    assert encrypted[:16].hex() == "681edf34d206965e86b3e94f536e4246"
    assert len(encrypted) == 32
    assert sm4_ecb_decrypt(key, encrypted) == key


def test_secret_of_the_mobile_payment_document_is_encrypted_as_printed() -> None:
    """The sample appSecret under the first 16 characters of the sample appId."""
    expected = (
        "863B5F40C70B71EAE121C3A63F5A17B0B877AF100820A92747866D07A612F596"
        "4555423A23F85093CE42BEF128453255"
    )
    encrypted = sm4_ecb_encrypt(b"43AF047BBA47FC8A", b"4117E877F5FA0A0188891283E4B617D5")
    assert encrypted.hex().upper() == expected


@pytest.mark.parametrize("data", [b"", b"short", bytes(16), bytes(31)])
def test_a_cut_or_unpadded_cipher_text_is_refused(data: bytes) -> None:
    """Decryption of what cannot be a cipher text is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are the library's
        sm4_ecb_decrypt(b"0123456789abcdef", data)


def test_the_public_key_follows_from_the_private_one() -> None:
    """The test pair: multiplying the base point gives the stated public key."""
    assert SigningKey.from_raw(PRIVATE).public_key().to_raw() == PUBLIC


def test_the_identity_digest_is_the_computed_one() -> None:
    """Z_A and e = SM3(Z_A, text), by the formula of GB/T 32918.2 section 5.5."""
    bits = (8 * len(DEFAULT_USER_ID)).to_bytes(2)
    z = sm3(bits + DEFAULT_USER_ID + bytes.fromhex(CURVE) + PUBLIC[1:])
    assert z.hex() == "32bf0ec390b9fbb0343e9e0252085f8e83e4bbb1a3f8677485833965e67a796c"
    e = "2c81fe065fc17b0c76fbbec56aff0d870fddf3b7b997ac39443e853e873dcde1"
    assert sm3(z + SIGN_TEXT).hex() == e


def test_the_given_signature_verifies() -> None:
    """A signature made elsewhere with a fixed nonce is accepted."""
    assert VerifyKey.from_raw(PUBLIC).verify(SIGNATURE, SIGN_TEXT)


def test_another_user_id_does_not_verify() -> None:
    """The user id is part of what is signed."""
    assert not VerifyKey.from_raw(PUBLIC).verify(SIGNATURE, SIGN_TEXT, b"")


def test_a_thousand_signatures_have_64_bytes_and_verify() -> None:
    """Short halves are padded: about eight of a thousand begin with a zero byte."""
    key = SigningKey.generate()
    public = key.public_key()
    signatures = {key.sign(b"data") for _ in range(1000)}
    assert len(signatures) == 1000
    assert {len(signature) for signature in signatures} == {64}
    assert all(public.verify(signature, b"data") for signature in list(signatures)[:50])


def test_every_changed_bit_is_noticed() -> None:
    """Flipping any bit of the signature makes it wrong."""
    public = VerifyKey.from_raw(PUBLIC)
    for bit in range(512):
        changed = bytearray(SIGNATURE)
        changed[bit // 8] ^= 1 << bit % 8
        assert not public.verify(bytes(changed), SIGN_TEXT)


def test_changed_data_is_noticed() -> None:
    """The signature belongs to one text."""
    assert not VerifyKey.from_raw(PUBLIC).verify(SIGNATURE, SIGN_TEXT + b" ")


@given(st.binary(max_size=130), st.binary(max_size=40))
def test_any_bytes_are_no_signature_and_no_exception(signature: bytes, data: bytes) -> None:
    """Short, long or random bytes: False."""
    assert VerifyKey.from_raw(PUBLIC).verify(signature, data) is False


@pytest.mark.parametrize("half", [bytes(32), b"\xff" * 32])
def test_halves_out_of_range_are_no_signature(half: bytes) -> None:
    """Each half lies between 1 and n-1 (GB/T 32918.2 section 7.1)."""
    public = VerifyKey.from_raw(PUBLIC)
    assert not public.verify(half + SIGNATURE[32:], SIGN_TEXT)
    assert not public.verify(SIGNATURE[:32] + half, SIGN_TEXT)


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_signatures_keep_their_value_through_der(r: int, s: int) -> None:
    """From raw to DER to raw gives the same bytes, zeros on the left included."""
    raw = r.to_bytes(32) + s.to_bytes(32)
    assert raw_from_der(der_from_raw(raw)) == raw


@given(st.binary(max_size=90))
def test_no_bytes_but_der_are_read_as_der(data: bytes) -> None:
    """Anything that is not the one DER form of a signature is a ValueError."""
    try:
        raw = raw_from_der(data)
    except ValueError:
        return
    assert der_from_raw(raw) == data


def test_keys_keep_their_value_through_pem() -> None:
    """Private and public keys are the same after writing and reading."""
    key = SigningKey.generate()
    again = SigningKey.from_pem(key.to_pem())
    assert again.public_key() == key.public_key()
    assert VerifyKey.from_pem(key.public_key().to_pem()) == key.public_key()
    assert key.public_key().verify(again.sign(b"x"), b"x")


def test_a_public_key_of_64_bytes_is_taken() -> None:
    """Some platforms hand out x and y without the leading 04."""
    assert VerifyKey.from_raw(PUBLIC[1:]).to_raw() == PUBLIC


@pytest.mark.parametrize(
    "data", [b"", bytes(64), b"\4" + bytes(64), b"\2" + PUBLIC[1:33], PUBLIC[:-1] + b"\0"]
)
def test_what_is_no_point_is_no_public_key(data: bytes) -> None:
    """Wrong length, wrong form or a point off the curve."""
    with pytest.raises(ConfigurationError):
        VerifyKey.from_raw(data)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, PRIVATE[:-1]])
def test_what_is_out_of_range_is_no_private_key(secret: bytes) -> None:
    """Zero, n or more, or not 32 bytes."""
    with pytest.raises(ConfigurationError):
        SigningKey.from_raw(secret)


@given(st.binary(max_size=200))
def test_any_bytes_in_a_key_file_give_a_configuration_error(body: bytes) -> None:
    """A wrong key file stops the start with a reason, never with another exception."""
    for label in (b"PRIVATE KEY", b"PUBLIC KEY"):
        pem = b"-----BEGIN %b-----\n%b\n-----END %b-----\n"
        text = pem % (label, base64.b64encode(body), label)
        with pytest.raises(ConfigurationError):
            SigningKey.from_pem(text)
        with pytest.raises(ConfigurationError):
            VerifyKey.from_pem(text)
    with pytest.raises(ConfigurationError):
        SigningKey.from_pem(body)


@pytest.mark.parametrize("private", [True, False])
def test_a_damaged_key_file_is_read_or_refused(private: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """Every byte of a good file changed, and every cut: a key or a configuration error.

    A file that was cut is never a key.
    """
    key = SigningKey.from_raw(PRIVATE)
    good = key.to_pem() if private else key.public_key().to_pem()
    label, *lines, _ = good.split(b"\n")[:-1]
    der = base64.b64decode(b"".join(lines))
    damaged = [der[:cut] for cut in range(len(der))] + [der + b"\0"]
    for at in range(len(der)):
        damaged += [der[:at] + bytes([byte]) + der[at + 1 :] for byte in b"\0\x7f\x80\x82\x84\xff"]
    end = label.replace(b"BEGIN", b"END")
    taken = []
    for at, bytes_of_file in enumerate(damaged):
        pem = b"\n".join([label, base64.b64encode(bytes_of_file), end, b""])
        try:
            _ = SigningKey.from_pem(pem) if private else VerifyKey.from_pem(pem)
        except ConfigurationError:
            continue
        taken.append(at)
    assert [at for at in taken if at < len(der)] == []


@pytest.mark.parametrize(
    "der",
    [
        "300602010102010100",  # a byte after the end
        "30060201010201",  # cut off
        "3081060201010201 01",  # length not in its shortest form
        "300702020001020101",  # number not in its shortest form
        "300602018102 0101",  # negative
        "3080",  # indefinite length
    ],
)
def test_only_the_one_der_form_of_a_signature_is_read(der: str) -> None:
    """Two byte strings for one signature would be two signatures."""
    with pytest.raises(ValueError):  # noqa: PT011 - which of the rules broke does not matter
        raw_from_der(bytes.fromhex(der))


def test_a_raw_signature_of_another_length_has_no_der_form() -> None:
    """Sixty-four bytes, no more and no fewer."""
    with pytest.raises(ValueError, match="64"):
        der_from_raw(SIGNATURE[:-1])


def test_digests_are_the_same_where_python_has_no_sm3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some builds of Python lack the digest; the cryptography package has it."""
    monkeypatch.setattr(sm, "_HASHLIB_HAS_SM3", False)
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_a_machine_without_libcrypto_has_no_such_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library of any of its names: the next provider is asked."""
    monkeypatch.setattr(_libcrypto, "_NAMES", ("libnothing.so.0",))
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    assert _libcrypto.open_provider() is None


def test_a_library_that_is_another_one_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library without the functions of libcrypto is not used."""
    monkeypatch.setattr(_libcrypto, "_NAMES", ("libm.so.6",))
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    assert _libcrypto.open_provider() is None


def test_a_key_does_not_show_itself() -> None:
    """The text form of a private key may end up in a log."""
    assert PRIVATE.hex() not in repr(SigningKey.from_raw(PRIVATE))


async def test_signing_beside_the_event_loop() -> None:
    """Forty signatures at once, made and verified in threads."""
    key = SigningKey.generate()
    public = key.public_key()
    signatures = await asyncio.gather(*(sign_async(key, bytes([i])) for i in range(40)))
    checks = (verify_async(public, s, bytes([i])) for i, s in enumerate(signatures))
    assert all(await asyncio.gather(*checks))


@openssl
def test_openssl_verifies_our_signature_with_our_keys(tmp_path: Path) -> None:
    """The command line reads our key files and accepts what we sign."""
    key = SigningKey.generate()
    (tmp_path / "key.pem").write_bytes(key.public_key().to_pem())
    (tmp_path / "data").write_bytes(SIGN_TEXT)
    (tmp_path / "signature").write_bytes(der_from_raw(key.sign(SIGN_TEXT)))
    command = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-in", "data")
    done = subprocess.run(  # noqa: S603 - a fixed command
        [*command, "-sigfile", "signature", *OPTIONS],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"Signature Verified Successfully")


@openssl
@pytest.mark.parametrize("ours", [True, False])
def test_we_verify_a_signature_of_openssl(tmp_path: Path, ours: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """With a key made by either side, what the command line signs is accepted."""
    path = tmp_path / "key.pem"
    if ours:
        path.write_bytes(SigningKey.generate().to_pem())
    else:
        command = ["openssl", "genpkey", "-algorithm", "SM2", "-out", "key.pem"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # noqa: S603 - a fixed command
    (tmp_path / "data").write_bytes(SIGN_TEXT)
    command = ["openssl", "pkeyutl", "-sign", "-inkey", "key.pem", "-in", "data", *OPTIONS]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # noqa: S603 - a fixed command
    public = SigningKey.from_pem(path.read_bytes()).public_key()
    assert public.verify(raw_from_der(done.stdout), SIGN_TEXT)
    written = subprocess.run(
        ["openssl", "pkey", "-in", "key.pem", "-pubout"],  # noqa: S607 - found on the path above
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    assert VerifyKey.from_pem(written.stdout) == public


def test_the_two_providers_agree() -> None:
    """Where both are there, each verifies what the other signs."""
    first, second = _libcrypto.open_provider(), _gmalglib.open_provider()
    if first is None or second is None:
        pytest.skip("only one provider on this machine")
    assert second.private(PRIVATE).point == first.private(PRIVATE).point
    for signer, verifier in ((first, second), (second, first)):
        signature = signer.private(PRIVATE).sign(b"data", DEFAULT_USER_ID)
        assert verifier.public(PUBLIC).verify(signature, b"data", DEFAULT_USER_ID)
        assert not verifier.public(PUBLIC).verify(signature, b"date", DEFAULT_USER_ID)


def test_a_machine_without_a_provider_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without libcrypto 3 and without the wheel, the reason names both."""
    monkeypatch.setattr(_libcrypto, "open_provider", lambda: None)
    monkeypatch.setattr(_gmalglib, "open_provider", lambda: None)
    provider.cache_clear()
    with pytest.raises(ConfigurationError, match="gmalglib"):
        provider()
