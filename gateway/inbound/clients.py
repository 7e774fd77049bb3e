"""Who asks over HTTP, by which proof, and what it may do.

A client proves itself by a bearer token, static or asked for (`gateway.inbound.smart`), by the
certificate of its connection, or by both where the settings of its peer name both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol

from aiohttp import web

from gateway.inbound import http_routes as routes
from gateway.inbound.http_routes import Refusal
from gateway.inbound.peers import PeerDirectory, has_bearer
from gateway.inbound.scopes import ALL, Scopes
from gateway.inbound.tls import Presented
from gateway.settings import PeerSettings


class Proof(StrEnum):
    """How a sender proved who it is, as the audit says it."""

    TOKEN = "token"  # noqa: S105 - the name of a proof
    ACCESS_TOKEN = "access-token"  # noqa: S105 - the same
    CERTIFICATE = "certificate"


class Client(NamedTuple):
    """Who asks."""

    peer: PeerSettings
    proof: Proof
    scopes: Scopes


class Granted(NamedTuple):
    """What an access token stands for."""

    peer: str
    scopes: Scopes


class AccessTokens(Protocol):
    """The tokens that were given out."""

    async def find(self, token: str) -> Granted | None:
        """What a token stands for, while it is good."""
        ...


class Clients:
    """Finds the client of a request."""

    def __init__(self, peers: PeerDirectory, tokens: AccessTokens | None = None) -> None:
        self._peers = peers
        self._tokens = tokens

    async def find(self, token: str, address: str, certificate: Presented | None) -> Client:
        """The client with this bearer token (empty for none), address and certificate.

        Raises:
            Refusal: 401, nobody is known by that; 403, the peer may not speak from there, or its
                certificate is missing.
        """
        client = await self._by_token(token) if token else self._by_certificate(certificate)
        if client is None:
            raise Refusal(
                401,
                routes.NO_TOKEN,
                {"WWW-Authenticate": 'Bearer error="invalid_token"' if token else "Bearer"},
                reason="token" if token or certificate is None else "certificate",
            )
        if not self._peers.may_connect(client.peer, address):
            raise Refusal(403, routes.WRONG_ADDRESS, reason="address")
        if not self._peers.has_shown(client.peer, certificate):
            raise Refusal(403, routes.NO_CERTIFICATE, reason="certificate")
        return client

    async def _by_token(self, token: str) -> Client | None:
        peer = self._peers.by_token(token)
        if peer is not None:
            return Client(peer, Proof.TOKEN, allowed(peer))
        granted = await self._tokens.find(token) if self._tokens is not None else None
        peer = self._peers.by_name(granted.peer) if granted is not None else None
        if peer is None or granted is None or peer.jwks_file is None:
            return None
        return Client(peer, Proof.ACCESS_TOKEN, granted.scopes.within(allowed(peer)))

    def _by_certificate(self, certificate: Presented | None) -> Client | None:
        peer = self._peers.by_certificate(certificate) if certificate is not None else None
        if peer is None or has_bearer(peer):
            return None
        return Client(peer, Proof.CERTIFICATE, allowed(peer))


def allowed(peer: PeerSettings) -> Scopes:
    """What the settings let a peer do."""
    return Scopes.parse(peer.scopes) if peer.scopes else ALL


CLIENT = web.RequestKey("client", Client)
"""`request[CLIENT]` is who asks and how, where `request[PEER]` is set."""
