"""The HL7 v2 port over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme


@pytest.mark.parametrize("with_certificate", [True, False])
async def test_a_client_certificate_is_required_where_a_ca_is_set(
    start_port: Callable[..., Any],
    make_message: Callable[..., bytes],
    tmp_path: Path,
    *,
    with_certificate: bool,
) -> None:
    """With one the message is served, without one nothing is."""
    authority = trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("his")
    certificate, key, bundle = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    server.cert_chain_pems[0].write_to_path(certificate)
    server.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(bundle)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if with_certificate:
        client.configure_cert(context)
    port = await start_port(
        tls=context,
        tls_certificate_file=certificate,
        tls_key_file=key,
        tls_client_ca_file=bundle,
    )
    if with_certificate:
        sender = await port.connect()
        await sender.send(make_message("C1"))
        assert await sender.reply() == "AA|C1"
        return
    try:
        sender = await port.connect()
        await sender.send(make_message("C1"))
        assert await sender.reply() == ""
    except (ssl.SSLError, ConnectionError):
        pass
    assert port.pipeline.steps == []


@pytest.mark.parametrize(("shown", "answer"), [("his", "AA|C1"), ("lis", "AR|C1")])
async def test_a_peer_is_nobody_without_its_own_certificate(
    start_port: Callable[..., Any],
    make_message: Callable[..., bytes],
    tmp_path: Path,
    shown: str,
    answer: str,
) -> None:
    """A certificate of the same authority with another name speaks for nobody."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert(shown).configure_cert(context)
    port = await start_port(
        tls=context,
        peers=[{"name": "his", "applications": ["HIS"], "certificate_names": ["his"]}],
        tls_certificate_file=tmp_path / "server.pem",
        tls_key_file=tmp_path / "server.pem",
        tls_client_ca_file=tmp_path / "ca.pem",
    )
    sender = await port.connect()
    await sender.send(make_message("C1"))

    assert await sender.reply() == answer
