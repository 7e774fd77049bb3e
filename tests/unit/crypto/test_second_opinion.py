"""OpenSSL's command line as the second opinion on SM2, SM3 and SM4, in both directions."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.crypto.sm import (
    SigningKey,
    VerifyKey,
    der_from_raw,
    raw_from_der,
    sm3,
    sm4_ecb_decrypt,
    sm4_ecb_encrypt,
)

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command")

DRAWN = random.Random(20260101)  # noqa: S311 - repeatable inputs, not keys
SIZES = (1, 15, 16, 17, 31, 32, 55, 56, 63, 64, 65, 4096, 70_001)
"""Around the blocks of SM4 (16) and SM3 (64, of which 9 are padding), and larger ones."""
INPUTS = [
    b"",
    b"\0",
    b"\n",
    "测试".encode(),
    '{"userName":"张伟示","note":"㐂龘𠮷"}'.encode(),
    "阿莫西林片".encode("gb18030"),
    *(DRAWN.randbytes(size) for size in SIZES),
]
SIGNING = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def openssl(tmp_path: Path) -> Run:
    """Run the command in a folder of its own, `files` written there first."""

    def run(
        *arguments: str, files: dict[str, bytes], check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        return subprocess.run(  # noqa: S603 - arguments of this file only
            ["openssl", *arguments],  # noqa: S607 - found on the path above
            cwd=tmp_path,
            check=check,
            capture_output=True,
        )

    return run


@pytest.fixture(scope="module")
def key() -> SigningKey:
    """A new key a run."""
    return SigningKey.generate()


@pytest.mark.parametrize("data", INPUTS, ids=len)
def test_openssl_computes_the_same_digest(data: bytes, openssl: Run) -> None:
    """SM3 of the same bytes."""
    assert openssl("dgst", "-sm3", "-binary", "data", files={"data": data}).stdout == sm3(data)


@pytest.mark.parametrize("data", INPUTS, ids=len)
def test_openssl_encrypts_to_the_same_bytes_and_decrypts_ours(data: bytes, openssl: Run) -> None:
    """SM4-ECB with PKCS#7 padding is deterministic: one cipher text, readable by both."""
    secret = DRAWN.randbytes(16)
    command = ("enc", "-sm4-ecb", "-K", secret.hex(), "-in", "data")
    ours = sm4_ecb_encrypt(secret, data)
    theirs = openssl(*command, files={"data": data}).stdout
    assert theirs == ours
    assert openssl(*command, "-d", files={"data": ours}).stdout == data
    assert sm4_ecb_decrypt(secret, theirs) == data


@pytest.mark.parametrize("data", INPUTS, ids=len)
def test_openssl_accepts_our_signatures(data: bytes, key: SigningKey, openssl: Run) -> None:
    """With the default user id, over the bytes as they are."""
    files = {
        "key.pem": key.public_key().to_pem(),
        "data": data,
        "signature": der_from_raw(key.sign(data)),
    }
    command = ("pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-sigfile", "signature")
    done = openssl(*command, "-in", "data", *SIGNING, files=files)
    assert done.stdout.strip() == b"Signature Verified Successfully"


@pytest.mark.parametrize("data", INPUTS, ids=len)
def test_we_accept_signatures_of_openssl(data: bytes, key: SigningKey, openssl: Run) -> None:
    """The other direction, and only over these bytes."""
    command = ("pkeyutl", "-sign", "-inkey", "key.pem", "-in", "data", *SIGNING)
    made = openssl(*command, files={"key.pem": key.to_pem(), "data": data}).stdout
    assert key.public_key().verify(raw_from_der(made), data)
    assert not key.public_key().verify(raw_from_der(made), data + b"\0")


def test_both_refuse_a_signature_over_other_bytes(key: SigningKey, openssl: Run) -> None:
    """What we refuse, OpenSSL refuses too."""
    signature = key.sign("测试".encode())
    files = {
        "key.pem": key.public_key().to_pem(),
        "data": "测验".encode(),
        "signature": der_from_raw(signature),
    }
    command = ("pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-sigfile", "signature")
    done = openssl(*command, "-in", "data", *SIGNING, files=files, check=False)
    assert done.returncode != 0
    assert not key.public_key().verify(signature, files["data"])


@pytest.mark.parametrize("user_id", [b"1", b"ALICE123@YAHOO.COM", b"x" * 200])
def test_both_take_another_user_id_alike(user_id: bytes, key: SigningKey, openssl: Run) -> None:
    """A platform may name its own; the signature then fails under the default one."""
    identity = ("-rawin", "-digest", "sm3", "-pkeyopt", f"distid:{user_id.decode()}")
    files = {
        "key.pem": key.to_pem(),
        "public.pem": key.public_key().to_pem(),
        "data": b"data",
        "signature": der_from_raw(key.sign(b"data", user_id)),
    }
    made = openssl(
        "pkeyutl", "-sign", "-inkey", "key.pem", "-in", "data", *identity, files=files
    ).stdout
    assert key.public_key().verify(raw_from_der(made), b"data", user_id)
    assert not key.public_key().verify(raw_from_der(made), b"data")
    command = ("pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-sigfile", "signature")
    assert openssl(*command, "-in", "data", *identity, files=files).returncode == 0


@pytest.mark.parametrize("secret", [1, 2, 255, 256, 1 << 128, (1 << 247) + 1])
def test_openssl_reads_keys_with_leading_zeros(secret: int, openssl: Run) -> None:
    """A private key keeps its 32 bytes in the file however small it is."""
    ours = SigningKey.from_raw(secret.to_bytes(32))
    written = openssl("pkey", "-in", "key.pem", "-pubout", files={"key.pem": ours.to_pem()}).stdout
    assert VerifyKey.from_pem(written) == ours.public_key()
    again = openssl("pkey", "-in", "key.pem", files={}).stdout
    assert SigningKey.from_pem(again).public_key() == ours.public_key()


def test_openssl_makes_keys_that_we_read(openssl: Run) -> None:
    """Twenty new keys, private and public part."""
    for _ in range(20):
        openssl("genpkey", "-algorithm", "SM2", "-out", "key.pem", files={})
        private = openssl("pkey", "-in", "key.pem", files={}).stdout
        public = openssl("pkey", "-in", "key.pem", "-pubout", files={}).stdout
        assert SigningKey.from_pem(private).public_key() == VerifyKey.from_pem(public)
