"""The HTTP port: permissions, answers, metrics, log lines, stopping, TLS."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
import trustme

from gateway.errors import ConfigurationError
from gateway.inbound.http_routes import Permission, Route
from gateway.inbound.tls import ServerTLS
from gateway.settings import LogSettings
from gateway.telemetry import configure_logging

TOKEN = "t-7f3a9b2c4d5e6f708192"
MakePort = Callable[..., Awaitable[Any]]


def test_every_route_declares_who_may_use_it(port: Any) -> None:
    """Without a token only health and the routes themselves are told; a new one is listed here."""
    permissions = {(r.method, r.path): r.permission for r in port.server.all_routes()}
    open_routes = {key for key, permission in permissions.items() if permission != "peer"}
    assert open_routes == {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
    }
    assert permissions["GET", "/metrics"] is Permission.LOCAL


async def test_every_route_for_peers_refuses_strangers(
    port: Any, stranger: aiohttp.ClientSession
) -> None:
    """The declared permission is the one that works."""
    for route in port.server.all_routes():
        if route.permission is not Permission.PEER:
            continue
        url = port.url + route.path.replace("{infno}", "2207")
        async with stranger.request(route.method, url, data=b"{}") as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await response.json())["problems"][0]["code"] == "LOGIN-NEEDED"
    assert port.pipeline.seen == []
    assert port.value("gateway_http_denied_total", reason="token") == 2.0


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Basic dDp0", "Bearer", "bearer  ", f"Token {TOKEN}"]
)
async def test_only_a_bearer_token_of_the_settings_opens(
    port: Any, stranger: aiohttp.ClientSession, header: str
) -> None:
    """Other schemes and other tokens are refused alike."""
    async with stranger.post(f"{port.url}/fsi", headers={"Authorization": header}) as response:
        assert response.status == 401


async def test_a_token_from_elsewhere_is_refused(
    port: Any, stranger: aiohttp.ClientSession
) -> None:
    """A peer with addresses speaks from them only."""
    headers = {"Authorization": "Bearer elsewhere"}
    async with stranger.post(f"{port.url}/fsi", headers=headers) as response:
        assert response.status == 403
    assert port.value("gateway_http_denied_total", reason="address") == 1.0


async def test_a_national_request_reaches_the_pipeline_with_its_peer(
    port: Any, client: aiohttp.ClientSession
) -> None:
    """Body, peer, transaction of the path and charset are given on as they came."""
    headers = {"Content-Type": "application/json; charset=GB18030"}
    async with client.post(f"{port.url}/fsi/2207", data=b"{ }", headers=headers) as response:
        assert (response.status, await response.read()) == (200, b"{}")
        assert response.headers["Cache-Control"] == "no-store"
    assert port.pipeline.seen == [
        (
            "fsi",
            b"{ }",
            "HIS",
            {
                "content_type": "application/json; charset=GB18030",
                "proof": "token",
                "infno": "2207",
            },
        )
    ]


async def test_live_and_ready_answer_without_token(
    port: Any, stranger: aiohttp.ClientSession
) -> None:
    """Liveness is the process, readiness its parts."""
    async with stranger.get(f"{port.url}/health/live") as response:
        assert (response.status, await response.json()) == (200, {"status": "live"})
    async with stranger.get(f"{port.url}/health/ready") as response:
        assert response.status == 200
    port.ready["journal"] = False
    async with stranger.get(f"{port.url}/health/ready") as response:
        assert response.status == 503
        assert await response.json() == {"status": "not-ready", "checks": {"journal": False}}


async def test_metrics_are_prometheus_text(port: Any, stranger: aiohttp.ClientSession) -> None:
    """From this machine no token is needed."""
    async with stranger.get(f"{port.url}/metrics") as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        assert "gateway_unknown_open 0.0" in await response.text()


async def test_an_unknown_path_is_a_json_answer(port: Any, client: aiohttp.ClientSession) -> None:
    """404 and 405 have our form, also for a known path below another protocol."""
    async with client.get(f"{port.url}/nothing/here") as response:
        assert response.status == 404
        assert (await response.json())["problems"][0]["code"] == "NOT-FOUND"
    async with client.get(f"{port.url}/fsi/2207") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
        assert (await response.json())["infcode"] == -1


async def test_a_handler_that_breaks_is_answered_without_its_words(
    port: Any, client: aiohttp.ClientSession
) -> None:
    """500, do not repeat, and nothing of the exception."""

    async def fail() -> None:
        raise ValueError("张伟示")

    port.pipeline.before = fail
    async with client.post(f"{port.url}/fsi", data=b"{}") as response:
        text = await response.text()
        assert response.status == 500
        assert "请勿重复提交" in text
        assert "张伟示" not in text


async def test_stopping_lets_the_request_in_work_finish(
    make_port: MakePort, client: aiohttp.ClientSession
) -> None:
    """What was taken is answered; then the port is closed."""
    port = await make_port()
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await release.wait()

    port.pipeline.before = hold
    url = port.url
    request = asyncio.create_task(client.post(f"{url}/fsi", data=b"{}"))
    await begun.wait()
    stopping = asyncio.create_task(port.server.stop(grace=5.0))
    await asyncio.sleep(0)
    assert not stopping.done()
    release.set()
    response = await request
    assert response.status == 200
    await stopping
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(f"{url}/health/live")


async def test_a_request_that_outlasts_the_grace_does_not_hold_the_stop(
    make_port: MakePort, client: aiohttp.ClientSession
) -> None:
    """After the grace the connection is closed; the message itself is the pipeline's to finish."""
    port = await make_port()
    begun = asyncio.Event()

    async def hold() -> None:
        begun.set()
        await asyncio.Event().wait()

    port.pipeline.before = hold
    request = asyncio.create_task(client.post(f"{port.url}/fsi", data=b"{}"))
    await begun.wait()
    await asyncio.wait_for(port.server.stop(grace=0.05), 10)
    with pytest.raises(aiohttp.ClientError):
        await request


async def test_a_request_on_a_kept_connection_is_refused_while_stopping(
    make_port: MakePort, client: aiohttp.ClientSession
) -> None:
    """503 with Retry-After; readiness says the same, liveness still answers."""
    port = await make_port()
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await release.wait()

    async with client.get(f"{port.url}/health/live") as response:
        await response.read()
    port.pipeline.before = hold
    held = [await port.connect() for _ in range(3)]
    request = asyncio.create_task(client.post(f"{port.url}/fsi", data=b"{}"))
    await begun.wait()
    stopping = asyncio.create_task(port.server.stop(grace=5.0))
    await asyncio.sleep(0)
    answers = []
    for (reader, writer), path in zip(
        held, ("POST /fsi", "GET /health/ready", "GET /health/live"), strict=True
    ):
        writer.write(f"{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        answers.append(await asyncio.wait_for(reader.read(), 5))
        writer.close()
    release.set()
    await (await request).read()
    await stopping
    assert answers[0].startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in answers[0]
    assert answers[1].startswith(b"HTTP/1.1 503 ")
    assert answers[2].startswith(b"HTTP/1.1 200 ")


def test_a_route_without_permission_cannot_be_made() -> None:
    """Forgetting it is found when the gateway starts, not by a stranger."""

    async def handler(_request: Any) -> Any:
        raise AssertionError

    with pytest.raises(TypeError, match="permission"):
        Route(method="GET", path="/x", handler=handler)  # type: ignore[call-arg]  # what is tested
    with pytest.raises(ConfigurationError, match="no permission"):
        Route(method="GET", path="/x", handler=handler, permission=None)  # type: ignore[arg-type]  # what is tested


async def test_log_lines_of_requests_hold_no_path_query_header_or_body(
    port: Any, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate number in the URL, a name in the body, the token: none is written."""
    stream = io.StringIO()
    before = list(logging.getLogger().handlers)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    configure_logging(LogSettings(level="DEBUG"), stream=stream)
    try:
        url = f"{port.url}/fsi/43019919800101001X?name=张伟示"
        async with client.post(url, data="张伟示 A12345678".encode()) as response:
            assert response.status == 200
        async with client.get(f"{port.url}/43019919800101001X") as response:
            assert response.status == 404
    finally:
        logging.getLogger().handlers[:] = before
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    http = [line for line in written if line["event"] == "http"]
    assert [(line["route"], line["method"], line["status"]) for line in http] == [
        ("/fsi/{infno}", "POST", 200),
        ("unmatched", "GET", 404),
    ]
    for canary in ("张伟示", "43019919800101001X", "A12345678", TOKEN):
        assert canary not in stream.getvalue()


async def test_requests_are_counted_by_template(port: Any, client: aiohttp.ClientSession) -> None:
    """Ten thousand different paths are one series."""
    for number in range(5):
        async with client.get(f"{port.url}/x{number}"):
            pass
    labels = {"route": "unmatched", "method": "GET", "status": "404"}
    assert port.value("gateway_http_requests_total", **labels) == 5.0


async def test_the_port_speaks_tls_when_told_so(
    make_port: MakePort, stranger: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Certificate and key from the settings; at least TLS 1.2."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    port = await make_port(tls_certificate_file=certificate, tls_key_file=key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = port.url.replace("http:", "https:") + "/health/live"
    async with stranger.get(url, ssl=context) as response:
        assert response.status == 200


def test_half_a_tls_setting_stops_the_start(tmp_path: Path) -> None:
    """A certificate without key would otherwise mean clear text."""
    with pytest.raises(ConfigurationError, match="go together"):
        ServerTLS(tmp_path / "chain.pem", None).context("http")
    with pytest.raises(ConfigurationError, match=r"chain\.pem"):
        ServerTLS(tmp_path / "chain.pem", tmp_path / "key.pem").context("http")
