"""What keys and certificates a folder holds, and what is wrong with them; never what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives import hashes

from certs.files import mode_problem
from certs.signing import PRIVATE_SUFFIX, PUBLIC_SUFFIX, load_signing_key, load_verify_key
from certs.tls import load_certificate
from certs.tokens import SUFFIX as SECRET_SUFFIX
from gateway.crypto.sm import VerifyKey
from gateway.errors import ConfigurationError

WARN_DAYS: Final = 30
"""A certificate with fewer days left is reported."""


class Kind(StrEnum):
    """What a file is, by its name."""

    SIGNING_KEY = "sm2-private"
    VERIFY_KEY = "sm2-public"
    CERTIFICATE = "certificate"
    PRIVATE_KEY = "private-key"
    SECRET = "secret"  # noqa: S105 - the name of a kind of file


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One file; safe to show and to log.

    `fingerprint` is the SHA-256 of the public key (SM2: its 65 bytes) or of the certificate (DER),
    in hex; empty for what has no public part. `days_left` counts whole days and is None for what
    does not expire. `problems` are sentences; a file without any may be used.
    """

    path: Path
    kind: Kind
    subject: str = ""
    fingerprint: str = ""
    not_after: datetime | None = None
    days_left: int | None = None
    problems: tuple[str, ...] = ()


def describe(folder: Path, *, now: datetime) -> list[KeyInfo]:
    """Every key, certificate and secret of a folder, by name.

    Raises:
        ConfigurationError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigurationError("is not a folder of keys", file=str(folder))
    found = []
    for path in sorted(folder.iterdir()):
        for suffix, look in _LOOKS.items():
            if path.name.endswith(suffix) and not path.name.startswith("."):
                found.append(_look(path, look, now))
                break
    return found


def check_expiry(path: Path, *, now: datetime, warn_days: int = WARN_DAYS) -> str:
    """A sentence when the certificate is not valid yet, has expired or soon will; else empty.

    Raises:
        ConfigurationError: the file cannot be read or holds no certificate.
    """
    certificate = load_certificate(path)
    left = certificate.not_valid_after_utc - now
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if left.total_seconds() < 0:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if left.days < warn_days:
        return f"expires in {left.days} days"
    return ""


_Look = Callable[[Path, datetime], KeyInfo]


def _look(path: Path, look: _Look, now: datetime) -> KeyInfo:
    info = look(path, now)
    private = info.kind in {Kind.SIGNING_KEY, Kind.PRIVATE_KEY, Kind.SECRET}
    problem = mode_problem(path) if private else ""
    if problem and problem not in info.problems:
        return msgspec.structs.replace(info, problems=(problem, *info.problems))
    return info


def _signing_key(path: Path, _now: datetime) -> KeyInfo:
    try:
        key = load_signing_key(path).public_key()
    except ConfigurationError as error:
        return KeyInfo(path=path, kind=Kind.SIGNING_KEY, problems=(error.reason,))
    return KeyInfo(path=path, kind=Kind.SIGNING_KEY, fingerprint=_fingerprint(key))


def _verify_key(path: Path, _now: datetime) -> KeyInfo:
    try:
        key = load_verify_key(path)
    except ConfigurationError as error:
        return KeyInfo(path=path, kind=Kind.VERIFY_KEY, problems=(error.reason,))
    return KeyInfo(path=path, kind=Kind.VERIFY_KEY, fingerprint=_fingerprint(key))


def _certificate(path: Path, now: datetime) -> KeyInfo:
    try:
        certificate, problem = load_certificate(path), check_expiry(path, now=now)
    except ConfigurationError as error:
        return KeyInfo(path=path, kind=Kind.CERTIFICATE, problems=(error.reason,))
    return KeyInfo(
        path=path,
        kind=Kind.CERTIFICATE,
        subject=certificate.subject.rfc4514_string(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=certificate.not_valid_after_utc,
        days_left=(certificate.not_valid_after_utc - now).days,
        problems=(problem,) if problem else (),
    )


def _private_key(path: Path, _now: datetime) -> KeyInfo:
    return KeyInfo(path=path, kind=Kind.PRIVATE_KEY)


def _secret(path: Path, _now: datetime) -> KeyInfo:
    return KeyInfo(path=path, kind=Kind.SECRET)


def _fingerprint(key: VerifyKey) -> str:
    return hashlib.sha256(key.to_raw()).hexdigest()


_LOOKS: Final[dict[str, _Look]] = {
    PRIVATE_SUFFIX: _signing_key,
    PUBLIC_SUFFIX: _verify_key,
    SECRET_SUFFIX: _secret,
    ".crt": _certificate,
    ".key": _private_key,
}
"""End of the file name -> how it is looked at; the longer end comes first."""
