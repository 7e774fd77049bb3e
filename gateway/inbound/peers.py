"""Who is speaking: the peers of the settings, found by token, by address or by application.

A token is known by its SHA-256 digest only. The comparison looks at every digest in constant
time, so that neither the time taken nor the order of the settings tells how near a guess was.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.errors import ConfigurationError
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
                network cannot be read, or two peers claim one application.
        """
        self._peers = tuple(peers)
        self._by_name = {peer.name: peer for peer in peers}
        self._tokens: list[tuple[bytes, PeerSettings]] = []
        self._applications: dict[str, PeerSettings] = {}
        self._networks: dict[str, tuple[Network, ...]] = {}
        for peer in peers:
            self._add(peer)

    def _add(self, peer: PeerSettings) -> None:
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

    def by_application(
        self, application: str, facility: str = "", *, address: str = ""
    ) -> PeerSettings | None:
        """The peer that speaks as MSH-3, or as `MSH-3|MSH-4` (which goes first), from here.

        Without an entry for the application, the only peer without `applications` is meant, if
        there is exactly one that may connect from the address. A peer that proves itself by a
        token speaks over HTTP and is not taken for somebody else, unless it is the only peer.
        """
        peer = self._applications.get(f"{application}|{facility}") or self._applications.get(
            application
        )
        if peer is None:
            open_peers = [
                other
                for other in self._peers
                if not other.applications
                and (not other.token_sha256 or len(self._peers) == 1)
                and (not address or self.may_connect(other, address))
            ]
            peer = open_peers[0] if len(open_peers) == 1 else None
        if peer is None or (address and not self.may_connect(peer, address)):
            return None
        return peer

    def may_connect(self, peer: PeerSettings, address: str) -> bool:
        """True when the peer may speak from this address; no `addresses` means from anywhere."""
        networks = self._networks[peer.name]
        return not networks or _is_in(address, networks)


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
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise ConfigurationError(f"{name}: token_sha256 holds what is no SHA-256 hex digest")
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
