"""TLS of the ports: the server's side, and the certificate that a client shows.

Both ports share this: a client is known by what its certificate is (the SHA-256 of it) or by the
names in it, and only after the handshake has checked it against the authorities of the settings.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigurationError
from gateway.settings import HTTPSettings, MLLPSettings


class Presented(NamedTuple):
    """A client certificate that the handshake has checked.

    `names` are its common names and the DNS names, addresses of mail and URIs of its
    subjectAltName, in lower case.
    """

    sha256: str
    names: frozenset[str]


class ServerTLS(NamedTuple):
    """The TLS files of a port, and whether a client has to show a certificate."""

    certificate: Path | None
    key: Path | None
    client_authorities: Path | None = None
    client_required: bool = False

    def context(self, section: str) -> ssl.SSLContext | None:
        """The TLS side of a port; None when it has no certificate.

        Raises:
            ConfigurationError: only some of the files are set, or they cannot be used.
        """
        if self.certificate is None and self.key is None:
            if self.client_authorities is not None:
                raise ConfigurationError(
                    f"[{section}] tls_client_ca_file needs a certificate and a key"
                )
            return None
        if self.certificate is None or self.key is None:
            raise ConfigurationError(
                f"[{section}] tls_certificate_file and tls_key_file go together"
            )
        if self.client_required and self.client_authorities is None:
            raise ConfigurationError(f"[{section}] tls_client_required needs tls_client_ca_file")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"[{section}] TLS: {error.strerror}", file=str(self.certificate)
            ) from error
        if self.client_authorities is not None:
            self._ask_for_certificates(context, section, self.client_authorities)
        return context

    def _ask_for_certificates(
        self, context: ssl.SSLContext, section: str, authorities: Path
    ) -> None:
        try:
            context.load_verify_locations(authorities)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"[{section}] TLS: {error.strerror}", file=str(authorities)
            ) from error
        required = self.client_required
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def http_tls(settings: HTTPSettings) -> ServerTLS:
    """The TLS files of the HTTP port."""
    return ServerTLS(
        settings.tls_certificate_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        settings.tls_client_required,
    )


def mllp_tls(settings: MLLPSettings) -> ServerTLS:
    """The TLS files of the HL7 v2 port, where a client certificate is required or not asked for."""
    return ServerTLS(
        settings.tls_certificate_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        client_required=settings.tls_client_ca_file is not None,
    )


def presented(transport: asyncio.BaseTransport | None) -> Presented | None:
    """The certificate that the client of a connection has shown; None where it has not."""
    found = transport.get_extra_info("ssl_object") if transport is not None else None
    if found is None:
        return None
    encoded: bytes | None = found.getpeercert(binary_form=True)
    return _read(encoded) if encoded else None


@lru_cache(maxsize=256)
def _read(encoded: bytes) -> Presented:
    """What a certificate in DER says."""
    sha256 = hashlib.sha256(encoded).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        names = [
            str(one.value)
            for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        ]
        names += _alternative(certificate)
    except ValueError:  # OpenSSL takes more than the reader here: such a one has no names
        return Presented(sha256, frozenset())
    return Presented(sha256, frozenset(name.lower() for name in names))


def _alternative(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        name
        for kind in (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
        for name in found.get_values_for_type(kind)
    ]
