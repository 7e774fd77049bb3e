"""Several connections to one receiver, and whom an acknowledgement is credited to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.errors import ConfigurationError, NotSentError, UnknownOutcomeError
from gateway.inbound.mllp_framing import frame
from gateway.inbound.mllp_pool import Address, MLLPPool, client_tls, read_address
from gateway.settings import DeliverySettings

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MakePool = Callable[..., Awaitable[MLLPPool]]


class Clock:
    """Stands until it is turned."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> Any:
        raise AssertionError("the pool asks for no time of day")

    def monotonic(self) -> float:
        return self.seconds


def _message(control_id: str) -> bytes:
    return f"MSH|^~\\&|GW||HIS||1||ACK|{control_id}|P|2.5\rMSA|AA|X\r".encode()


def _ack(control_id: str) -> bytes:
    return frame(f"MSH|^~\\&|||||1||ACK|9|P|2.5\rMSA|AA|{control_id}\r".encode())


async def _control_id(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\x1c\r")).split(b"|")[9].decode()


@pytest.fixture
def clock() -> Clock:
    """The clock of the test."""
    return Clock()


@pytest.fixture
async def make_pool(clock: Clock) -> AsyncIterator[MakePool]:
    """Starts a receiver and gives a pool for it; both are closed at the end."""
    servers: list[asyncio.Server] = []
    pools: list[MLLPPool] = []

    async def make(
        handler: Handler, context: ssl.SSLContext | None = None, **settings: Any
    ) -> MLLPPool:
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        pools.append(MLLPPool(address, DeliverySettings(**settings), clock))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()
    for server in servers:
        server.close()


async def test_a_late_acknowledgement_meets_no_other_message(make_pool: MakePool) -> None:
    """A-014: MSA-2 has to match, and a connection whose time was over is closed.

    The receiver acknowledges the first message only when the second one has come: whichever way
    that reaches us, the second message counts as acknowledged by its own acknowledgement alone.
    """
    first_came, connections = asyncio.Event(), 0
    late: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        control_id = await _control_id(reader)
        if control_id == "FIRST":
            late.put_nowait(writer)
            first_came.set()
            assert await reader.read() == b""
            writer.write(_ack("FIRST"))
        else:
            writer.write(_ack("FIRST") + _ack(control_id))
            await reader.read()
        writer.close()

    pool = await make_pool(receiver, timeout=0.2)
    with pytest.raises(UnknownOutcomeError):
        await pool.send(_message("FIRST"))
    assert first_came.is_set()
    assert pool.idle == 0
    found = await pool.send(_message("SECOND"))
    assert [(it.code, it.control_id) for it in found] == [("AA", "SECOND")]
    assert connections == 2


async def test_a_connection_is_used_again_until_it_idles(make_pool: MakePool, clock: Clock) -> None:
    """One connection serves message after message; after idle_timeout it is closed."""
    served: list[list[str]] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[str] = []
        served.append(mine)
        while not reader.at_eof():
            try:
                mine.append(await _control_id(reader))
            except asyncio.IncompleteReadError:
                break
            writer.write(_ack(mine[-1]))
        writer.close()

    pool = await make_pool(receiver, idle_timeout=60.0)
    for control_id in ("1", "2"):
        await pool.send(_message(control_id))
    clock.seconds = 60.0
    await pool.send(_message("3"))
    assert served == [["1", "2"], ["3"]]
    assert pool.idle == 1


async def test_no_more_connections_than_the_limit(make_pool: MakePool) -> None:
    """A further message waits for one; with none free in its time nothing was sent."""
    at_once, most = 0, 0
    both, go = asyncio.Event(), asyncio.Event()

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        while True:
            try:
                control_id = await _control_id(reader)
            except asyncio.IncompleteReadError:
                break
            at_once += 1
            most = max(most, at_once)
            if at_once == 2:
                both.set()
            await go.wait()
            at_once -= 1
            writer.write(_ack(control_id))
        writer.close()

    pool = await make_pool(receiver, max_connections=2)
    sends = [asyncio.create_task(pool.send(_message(str(number)))) for number in range(6)]
    await asyncio.wait_for(both.wait(), 20)
    go.set()
    found = await asyncio.gather(*sends)
    assert [it[0].control_id for it in found] == ["0", "1", "2", "3", "4", "5"]
    assert most == 2


async def test_without_a_free_connection_nothing_is_sent(make_pool: MakePool) -> None:
    """The message may be tried again at once."""
    got: list[str] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await _control_id(reader))
        await reader.read()
        writer.close()

    pool = await make_pool(receiver, max_connections=1, timeout=0.2)
    first, second = await asyncio.gather(
        pool.send(_message("1")), pool.send(_message("2")), return_exceptions=True
    )
    assert isinstance(first, UnknownOutcomeError)
    assert isinstance(second, NotSentError)
    assert got == ["1"]


async def test_a_closed_pool_sends_nothing(make_pool: MakePool) -> None:
    """Its connections are closed, and no new one is opened."""
    ended = asyncio.Event()

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_ack(await _control_id(reader)))
        await reader.read()
        ended.set()
        writer.close()

    pool = await make_pool(receiver)
    await pool.send(_message("1"))
    await pool.close()
    await asyncio.wait_for(ended.wait(), 20)
    with pytest.raises(NotSentError):
        await pool.send(_message("2"))


@pytest.mark.parametrize("with_certificate", [True, False])
async def test_both_sides_prove_themselves(
    make_pool: MakePool, tmp_path: Path, *, with_certificate: bool
) -> None:
    """TLS with a certificate of ours; without one the receiver does not take the message."""
    authority = trustme.CA()
    receiver_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("his.example").configure_cert(receiver_context)
    authority.configure_trust(receiver_context)
    receiver_context.verify_mode = ssl.CERT_REQUIRED
    ours = authority.issue_cert("gateway.example")
    bundle, certificate, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(bundle)
    ours.cert_chain_pems[0].write_to_path(certificate)
    ours.private_key_pem.write_to_path(key)
    got: list[str] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await _control_id(reader))
        writer.write(_ack(got[-1]))
        await reader.read()
        writer.close()

    files = {"tls_certificate_file": certificate, "tls_key_file": key} if with_certificate else {}
    pool = await make_pool(
        receiver,
        receiver_context,
        tls=True,
        tls_ca_file=bundle,
        tls_server_name="his.example",
        **files,
    )
    if with_certificate:
        assert [it.code for it in await pool.send(_message("1"))] == ["AA"]
        assert got == ["1"]
        return
    with pytest.raises((NotSentError, UnknownOutcomeError)):
        await pool.send(_message("1"))
    assert got == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tls_ca_file": "ca.pem"}, "tls is false"),
        ({"tls": True, "tls_ca_file": "absent.pem"}, "TLS files"),
        ({"tls": True, "tls_certificate_file": "cert.pem"}, "needs its key"),
    ],
)
def test_wrong_tls_settings_are_found_at_start(settings: dict[str, Any], reason: str) -> None:
    """The error names the peer."""
    with pytest.raises(ConfigurationError, match=f"peer his: .*{reason}"):
        client_tls(DeliverySettings.model_validate(settings), "peer his")


@pytest.mark.parametrize("text", ["", "his", "his:", ":2575", "his:0", "his:65536", "his:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """The setting reply_to of a peer."""
    with pytest.raises(ConfigurationError, match="peer his: reply_to is not host:port"):
        read_address(text, "peer his")


def test_an_address_may_be_that_of_ipv6() -> None:
    """In brackets, as everywhere."""
    assert read_address("[::1]:2575", "") == Address("::1", 2575)
