"""Client certificates: who shows one is known by it, at both ports."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from gateway.errors import ConfigurationError
from gateway.inbound.peers import PeerDirectory
from gateway.inbound.tls import Presented, ServerTLS
from gateway.settings import PeerSettings

CLAIM = "/fhir/r4/Claim"
STATIC = "t-7f3a9b2c4d5e6f708192"
Context = Callable[..., ssl.SSLContext]


async def test_a_certificate_is_a_proof_of_its_own(
    start: Any, tls_files: dict[str, Any], context: Context
) -> None:
    """Known by a name in it, in any case; another name or none is nobody."""
    lis = {"name": "lis", "institutions": [], "certificate_names": ["LIS.hospital.example"]}
    world = await start(peers=[lis], **tls_files)
    known = await world.ask("GET", CLAIM, tls=context("lis.hospital.example"))
    by_subject = await world.ask(
        "GET", CLAIM, tls=context("x.example", common_name="lis.hospital.example")
    )
    other = await world.ask("GET", CLAIM, tls=context("ris.hospital.example"))
    none = await world.ask("GET", CLAIM, tls=context())

    assert [known.status, by_subject.status, other.status, none.status] == [200, 200, 401, 401]


async def test_a_certificate_is_known_by_its_digest(
    start: Any, tls_files: dict[str, Any], authority: trustme.CA, context: Context
) -> None:
    """As `openssl x509 -fingerprint -sha256` shows it, with colons or without."""
    issued = authority.issue_cert("any.example")
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    digest = hashlib.sha256(der).hexdigest().upper()
    shown = ":".join(digest[i : i + 2] for i in range(0, 64, 2))
    lis = {"name": "lis", "institutions": [], "certificate_sha256": [shown]}
    world = await start(peers=[lis], **tls_files)
    own = context()
    issued.configure_cert(own)

    assert (await world.ask("GET", CLAIM, tls=own)).status == 200
    assert (await world.ask("GET", CLAIM, tls=context("any.example"))).status == 401


async def test_where_the_settings_name_both_a_token_needs_its_certificate(
    start: Any, tls_files: dict[str, Any], context: Context
) -> None:
    """A token that was stolen opens nothing from a connection without the certificate."""
    key = "both"
    both = {
        "name": "both",
        "institutions": [],
        "token_sha256": [hashlib.sha256(key.encode()).hexdigest()],
        "certificate_names": ["both.example"],
    }
    world = await start(peers=[both], **tls_files)
    right, wrong = context("both.example"), context("other.example")

    assert (await world.ask("GET", CLAIM, token=key, tls=right)).status == 200
    stolen = await world.ask("GET", CLAIM, token=key, tls=wrong)
    assert (stolen.status, stolen.issue["code"]) == (403, "forbidden")
    assert (await world.ask("GET", CLAIM, token=key, tls=context())).status == 403
    assert (await world.ask("GET", CLAIM, tls=right)).status == 401


async def test_a_certificate_of_another_authority_is_refused_in_the_handshake(
    start: Any, tls_files: dict[str, Any], context: Context
) -> None:
    """And so is its absence, where the settings require one."""
    world = await start(**tls_files, tls_client_required=True)
    strange = context()
    trustme.CA().issue_cert("lis.hospital.example").configure_cert(strange)
    assert (await world.ask("GET", "/health/live", tls=context("any.example"))).status == 200
    for refused in (strange, context()):
        with pytest.raises((aiohttp.ClientError, ConnectionError, ssl.SSLError)):
            await world.ask("GET", "/health/live", tls=refused)


def test_a_certificate_without_an_authority_stops_the_start(tmp_path: Path) -> None:
    """A requirement that nobody could meet, or that means nothing, is a mistake."""
    with pytest.raises(ConfigurationError, match="needs tls_client_ca_file"):
        ServerTLS(tmp_path, tmp_path, None, client_required=True).context("http")
    with pytest.raises(ConfigurationError, match="needs a certificate"):
        ServerTLS(None, None, tmp_path).context("http")


def peer(name: str, **values: Any) -> PeerSettings:
    """A peer without institutions."""
    return PeerSettings(name=name, institutions=[], **values)


def test_over_mllp_a_peer_with_a_certificate_is_nobody_without_it() -> None:
    """MSH-3 is said by anyone; the certificate is shown by its owner only."""
    his = peer("his", applications=["HIS"], certificate_names=["his.example"])
    lis = peer("lis", certificate_names=["lis.example"])
    directory = PeerDirectory([his, lis, peer("open")])
    of_his = Presented("0" * 64, frozenset({"his.example"}))
    of_lis = Presented("1" * 64, frozenset({"lis.example"}))

    assert directory.by_application("HIS", certificate=of_his) is his
    assert directory.by_application("HIS", certificate=of_lis) is None
    assert directory.by_application("HIS") is None
    assert directory.by_application("ANY", certificate=of_lis) is lis
    assert directory.by_application("ANY") is directory.by_name("open")


def test_a_certificate_with_the_names_of_two_peers_is_nobody_s() -> None:
    """Nor may two peers name the same certificate."""
    one, two = peer("one", certificate_names=["a"]), peer("two", certificate_names=["b"])
    both = Presented("0" * 64, frozenset({"a", "b"}))

    assert PeerDirectory([one, two]).by_certificate(both) is None
    with pytest.raises(ConfigurationError, match="belongs to two peers"):
        PeerDirectory([one, peer("three", certificate_names=["A"])])
