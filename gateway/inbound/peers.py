"""Who is speaking: the peers of the settings, by token, certificate, address or application.

A token is known by its SHA-256 digest only, a client certificate by its digest or the names in it.
The comparison of tokens looks at every digest in constant time, so that neither the time taken nor
the order of the settings tells how near a guess was.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.errors import ConfigurationError
from gateway.inbound.tls import Presented
from gateway.settings import PeerSettings

MAX_TOKEN = 512
"""Characters of a bearer token; a longer one is nobody's."""

Network = IPv4Network | IPv6Network


class PeerDirectory:
    """The senders of the settings."""

    def __init__(self, peers: Sequence[PeerSettings]) -> None:
        """Read the digests and networks.

        Raises:
            ConfigurationError: a digest is not 64 hexadecimal digits or is given to two peers, a
                network cannot be read, or two peers claim one application or certificate name.
        """
        self._peers = tuple(peers)
        self._by_name = {peer.name: peer for peer in peers}
        self._tokens: list[tuple[bytes, PeerSettings]] = []
        self._applications: dict[str, PeerSettings] = {}
        self._networks: dict[str, tuple[Network, ...]] = {}
        self._certificates: dict[str, PeerSettings] = {}
        for peer in peers:
            self._add(peer)

    def _add(self, peer: PeerSettings) -> None:
        for mark in _certificate_marks(peer):
            if mark in self._certificates:
                raise ConfigurationError(
                    f"peer {peer.name}: certificate {mark!r} belongs to two peers"
                )
            self._certificates[mark] = peer
        for text in peer.token_sha256:
            digest = _digest(text, f"peer {peer.name}")
            if any(known == digest for known, _ in self._tokens):
                raise ConfigurationError(f"peer {peer.name}: a token belongs to two peers")
            self._tokens.append((digest, peer))
        for application in peer.applications:
            if application in self._applications:
                raise ConfigurationError(
                    f"peer {peer.name}: application {application!r} belongs to two peers"
                )
            self._applications[application] = peer
        try:
            self._networks[peer.name] = tuple(
                ip_network(address, strict=False) for address in peer.addresses
            )
        except ValueError as error:
            raise ConfigurationError(f"peer {peer.name}: addresses: {error}") from None

    def __len__(self) -> int:
        return len(self._peers)

    def by_name(self, name: str) -> PeerSettings | None:
        """The peer of this name."""
        return self._by_name.get(name)

    def by_token(self, token: str) -> PeerSettings | None:
        """The peer that this bearer token belongs to."""
        presented = _presented(token)
        found: PeerSettings | None = None
        for digest, peer in self._tokens:
            if hmac.compare_digest(digest, presented):
                found = peer
        return found

    def by_certificate(self, certificate: Presented) -> PeerSettings | None:
        """The peer that this client certificate belongs to; none where its names say two."""
        exact = self._certificates.get(certificate.sha256)
        if exact is not None:
            return exact
        found = {
            peer.name: peer
            for name in certificate.names
            if (peer := self._certificates.get(name)) is not None
        }
        return next(iter(found.values())) if len(found) == 1 else None

    def has_shown(self, peer: PeerSettings, certificate: Presented | None) -> bool:
        """True when the connection has the certificate that the peer has to show, if any."""
        if not needs_certificate(peer):
            return True
        return certificate is not None and self.by_certificate(certificate) is peer

    def by_application(
        self,
        application: str,
        facility: str = "",
        *,
        address: str = "",
        certificate: Presented | None = None,
    ) -> PeerSettings | None:
        """The peer that speaks as MSH-3, or as `MSH-3|MSH-4` (which goes first), from here.

        Without an entry for the application, the peer of the certificate is meant, else the only
        peer without `applications`, if there is exactly one that may connect from the address. A
        peer that proves itself by a token speaks over HTTP and is not taken for somebody else,
        unless it is the only peer. Whoever has to show a certificate is nobody without it.
        """
        peer = self._by_application(application, facility, address, certificate)
        if peer is None or not self.has_shown(peer, certificate):
            return None
        return peer if not address or self.may_connect(peer, address) else None

    def _by_application(
        self, application: str, facility: str, address: str, certificate: Presented | None
    ) -> PeerSettings | None:
        peer = self._applications.get(f"{application}|{facility}") or self._applications.get(
            application
        )
        if peer is not None:
            return peer
        if certificate is not None:
            peer = self.by_certificate(certificate)
            if peer is not None and not peer.applications:
                return peer
        open_peers = [
            other
            for other in self._peers
            if not other.applications
            and (not has_bearer(other) or len(self._peers) == 1)
            and self.has_shown(other, certificate)
            and (not address or self.may_connect(other, address))
        ]
        return open_peers[0] if len(open_peers) == 1 else None

    def may_connect(self, peer: PeerSettings, address: str) -> bool:
        """True when the peer may speak from this address; no `addresses` means from anywhere."""
        networks = self._networks[peer.name]
        return not networks or _is_in(address, networks)


def has_bearer(peer: PeerSettings) -> bool:
    """True for a peer that proves itself by a bearer token: its own, or one that it asks for."""
    return bool(peer.token_sha256) or peer.jwks_file is not None


def needs_certificate(peer: PeerSettings) -> bool:
    """True for a peer that has to show a client certificate."""
    return bool(peer.certificate_sha256 or peer.certificate_names)


def _certificate_marks(peer: PeerSettings) -> list[str]:
    """The digests and names of a peer's certificates as they are looked up."""
    digests = [_digest(text, f"peer {peer.name}").hex() for text in peer.certificate_sha256]
    return [*digests, *(name.lower() for name in peer.certificate_names)]


def token_digests(texts: Sequence[str], owner: str = "[operator]") -> tuple[bytes, ...]:
    """Digests from their hexadecimal form.

    Raises:
        ConfigurationError: one is not 64 hexadecimal digits.
    """
    return tuple(_digest(text, owner) for text in texts)


def is_known_token(token: str, digests: Sequence[bytes]) -> bool:
    """True when one of the digests is the token's; looks at every one."""
    presented = _presented(token)
    return sum(hmac.compare_digest(digest, presented) for digest in digests) > 0


def _presented(token: str) -> bytes:
    """The digest of a token, of no length for none or one that is too long."""
    if not token or len(token) > MAX_TOKEN:
        return b""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _digest(text: str, name: str) -> bytes:
    try:
        digest = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise ConfigurationError(f"{name}: what should be a SHA-256 hex digest is none")
    return digest


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in networks)


LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def is_local(address: str) -> bool:
    """True for an address of this machine."""
    return _is_in(address, LOOPBACK)
