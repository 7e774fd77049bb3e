"""A development certificate authority and the server certificate it signs.

The authority exists so that a client of a test set-up can trust one file. It must not be trusted
by anything else: a site's own ports use certificates of the site's authority.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.files import read_private, read_public, write_private, write_public
from gateway.errors import ConfigurationError

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 397
"""The longest life that clients accept of a server certificate (CA/Browser Forum 6.3.2)."""
RENEW_DAYS: Final = 30
"""A server certificate is made anew when it has fewer days left."""
_EARLIER: Final = timedelta(minutes=5)
"""Clocks of two machines may differ by this much."""
_AUTHORITY_NAME: Final = "FSI gateway development CA"


class TLSFiles(NamedTuple):
    """What a port (`certificate`, `key`) and its clients (`authority`) need."""

    authority: Path
    certificate: Path
    key: Path


def ensure_tls(folder: Path, hosts: Sequence[str], *, now: datetime) -> TLSFiles:
    """Development certificates for these host names and addresses.

    The authority (`ca.crt`, `ca.key`) is made once. The server certificate (`server.crt`,
    `server.key`) is made anew when it is not there, is about to expire or lacks a host.

    Args:
        folder: where the four files stand.
        hosts: names and IP addresses, at least one.
        now: the present time, with time zone.

    Raises:
        ConfigurationError: a file cannot be read or written, or a private one is open to others.
    """
    if not hosts:
        raise ConfigurationError("a server certificate needs a host name or address")
    files = TLSFiles(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    authority_key_file = folder / "ca.key"
    if files.authority.exists():
        authority = load_certificate(files.authority)
        if authority.not_valid_after_utc <= now:
            raise ConfigurationError(
                "has expired: remove the development keys to have them made anew",
                file=str(files.authority),
            )
    else:
        authority = _make_authority(files.authority, authority_key_file, now)
    if _still_good(files, authority, hosts, now):
        return files
    _make_server(files, authority, _load_key(authority_key_file), hosts, now)
    return files


def load_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file.

    Raises:
        ConfigurationError: the file cannot be read or holds none.
    """
    try:
        return x509.load_pem_x509_certificate(read_public(path))
    except ValueError as error:
        raise ConfigurationError("holds no certificate", file=str(path)) from error


def _make_authority(certificate: Path, key_file: Path, now: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(_AUTHORITY_NAME)
    signed = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _private_pem(key))
    write_public(certificate, signed.public_bytes(serialization.Encoding.PEM))
    return signed


def _make_server(
    files: TLSFiles,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    signed = (
        _builder(_name(hosts[0]), authority.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(_names(hosts))), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    write_private(files.key, _private_pem(key), replace=True)
    write_public(files.certificate, signed.public_bytes(serialization.Encoding.PEM), replace=True)


def _still_good(
    files: TLSFiles, authority: x509.Certificate, hosts: Sequence[str], now: datetime
) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    certificate = load_certificate(files.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        certificate.issuer == authority.subject
        and certificate.not_valid_after_utc > now + timedelta(days=RENEW_DAYS)
        and set(_names(hosts)) <= set(names)
        and certificate.public_key() == _load_key(files.key).public_key()
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Sequence[str]) -> Iterator[x509.GeneralName]:
    for host in hosts:
        try:
            yield x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            yield x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("holds no readable private key", file=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("holds no elliptic-curve key", file=str(path))
    return key
