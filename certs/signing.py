"""SM2 key pairs that sign the envelope of a transaction.

A pair is two PEM files: `<name>.sm2.key` (PKCS#8, private) and `<name>.sm2.pub`
(SubjectPublicKeyInfo), the one that is given to the other side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from certs.files import read_private, read_public, write_private, write_public
from gateway.crypto.sm import SigningKey, VerifyKey
from gateway.errors import ConfigurationError

PRIVATE_SUFFIX: Final = ".sm2.key"
PUBLIC_SUFFIX: Final = ".sm2.pub"


class SigningPair(NamedTuple):
    """The two files of a pair."""

    private: Path
    public: Path


def load_signing_key(path: Path) -> SigningKey:
    """The private key of a file.

    Raises:
        ConfigurationError: the file is open to other users or holds no SM2 key.
    """
    try:
        return SigningKey.from_pem(read_private(path))
    except ConfigurationError as error:
        raise _at(error, path) from error


def load_verify_key(path: Path) -> VerifyKey:
    """The public key of a file.

    Raises:
        ConfigurationError: the file cannot be read or holds no SM2 key.
    """
    try:
        return VerifyKey.from_pem(read_public(path))
    except ConfigurationError as error:
        raise _at(error, path) from error


def ensure_signing_pair(folder: Path, name: str) -> SigningPair:
    """The pair of this name; made when the private file is not there.

    A public file that is missing is written again from the private one.

    Raises:
        ConfigurationError: a file cannot be read or written, is open to other users, or the
            public file belongs to another private key.
    """
    pair = SigningPair(folder / f"{name}{PRIVATE_SUFFIX}", folder / f"{name}{PUBLIC_SUFFIX}")
    if pair.private.exists():
        key = load_signing_key(pair.private)
    else:
        key = SigningKey.generate()
        write_private(pair.private, key.to_pem())
    if not pair.public.exists():
        write_public(pair.public, key.public_key().to_pem())
    elif load_verify_key(pair.public) != key.public_key():
        raise ConfigurationError(f"does not belong to {pair.private.name}", file=str(pair.public))
    return pair


def _at(error: ConfigurationError, path: Path) -> ConfigurationError:
    return ConfigurationError(error.reason, file=str(path))
