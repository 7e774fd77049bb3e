"""Senders are known by token, by application, by address."""

from __future__ import annotations

import hashlib

import pytest

from gateway.errors import ConfigurationError
from gateway.inbound.peers import PeerDirectory, is_local
from gateway.settings import PeerSettings


def peer(name: str, **settings: object) -> PeerSettings:
    """A peer of the settings."""
    return PeerSettings.model_validate({"name": name, "institutions": ["H43010000001"], **settings})


def digest(token: str) -> str:
    """What the settings hold of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def test_a_token_finds_the_peer_whose_digest_it_has() -> None:
    """Any of a peer's tokens is good, so that one can be renewed while the other works."""
    his = peer("HIS", token_sha256=[digest("old"), digest("new")])
    lis = peer("LIS", token_sha256=[digest("other")])
    directory = PeerDirectory([his, lis])
    assert directory.by_token("new") is his
    assert directory.by_token("old") is his
    assert directory.by_token("other") is lis


@pytest.mark.parametrize("token", ["", "wrong", "n" * 10_000, "\udce5"])
def test_what_is_nobodys_token_finds_nobody(token: str) -> None:
    """Empty, wrong, endless and undecodable tokens are refused alike."""
    assert PeerDirectory([peer("HIS", token_sha256=[digest("new")])]).by_token(token) is None


def test_a_digest_that_is_none_stops_the_start() -> None:
    """A token written in clear into the settings is found at once."""
    with pytest.raises(ConfigurationError, match="HIS"):
        PeerDirectory([peer("HIS", token_sha256=["my-secret-token"])])


def test_a_token_of_two_peers_stops_the_start() -> None:
    """Who is speaking has to be certain."""
    with pytest.raises(ConfigurationError, match="two peers"):
        PeerDirectory(
            [
                peer("HIS", token_sha256=[digest("a")]),
                peer("LIS", token_sha256=[digest("a").upper()]),
            ]
        )


def test_application_and_facility_go_before_the_application_alone() -> None:
    """`MSH-3|MSH-4` tells two sites of one product apart."""
    east = peer("east", applications=["HIS|EAST"])
    rest = peer("rest", applications=["HIS"])
    directory = PeerDirectory([east, rest])
    assert directory.by_application("HIS", "EAST") is east
    assert directory.by_application("HIS", "WEST") is rest
    assert directory.by_application("LIS", "EAST") is None


def test_the_only_peer_without_applications_speaks_for_any() -> None:
    """A hospital with one HIS needs not name MSH-3."""
    only = peer("HIS")
    assert PeerDirectory([only]).by_application("ANY") is only
    assert PeerDirectory([only, peer("LIS")]).by_application("ANY") is None


def test_a_peer_speaks_only_from_its_networks() -> None:
    """An IPv4 address that arrives on an IPv6 socket counts as IPv4."""
    his = peer("HIS", addresses=["10.1.0.0/16", "::1"], applications=["HIS"])
    directory = PeerDirectory([his])
    assert directory.may_connect(his, "10.1.2.3")
    assert directory.may_connect(his, "::ffff:10.1.2.3")
    assert directory.may_connect(his, "::1")
    assert not directory.may_connect(his, "10.2.0.1")
    assert not directory.may_connect(his, "no address")
    assert directory.by_application("HIS", address="10.2.0.1") is None


def test_a_network_that_cannot_be_read_stops_the_start() -> None:
    """A typing error must not open or close the door."""
    with pytest.raises(ConfigurationError, match="addresses"):
        PeerDirectory([peer("HIS", addresses=["10.1.0.0/99"])])


@pytest.mark.parametrize(
    ("address", "local"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("", False)]
)
def test_local_means_this_machine(address: str, local: bool) -> None:  # noqa: FBT001 - a table
    """Only loopback addresses are local."""
    assert is_local(address) is local
